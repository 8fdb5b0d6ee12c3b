//! The same cases on Wine, which is the check of what `expected/` says of Windows.
//!
//! If Wine dies of a case, every section of the group runs again in a process of its own, so that the case takes no other
//! with it. There is one prefix for all of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::prefix::Wine;
use crate::tables::{Expected, answers, groups, source};

/// How often a group runs that differs. On a busy machine Wine is sometimes late with what a case waits a moment for; npipe,
/// which is what is tested, has one attempt.
const ATTEMPTS: usize = 3;

#[track_caller]
fn answers_of(wine: &Wine, group: &str) -> BTreeMap<String, String> {
    let program = wine.program(group);
    let (printed, true) = wine.run(&program, &[]) else {
        let (sections, _) = wine.run(&program, &["-l"]);
        assert!(!sections.is_empty(), "{group} has no section, or wine does not run it");
        let sections = sections.lines();
        return sections
            .flat_map(|section| answers(group, &wine.run(&program, &[section]).0))
            .collect();
    };
    answers(group, &printed)
}

/// Case by case, all groups: Wine prints what `expected/` has, or `wine.tsv` has what it prints and why.
#[test]
fn wine_prints_the_same() {
    let groups = groups();
    let wine = Wine::with(|wine| {
        for group in &groups {
            wine.compile(group, &source(group));
        }
    });
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let expected = Expected::of_wine(group);
            let mut differences = expected.differences(&answers_of(&wine, group));
            for _ in 1..ATTEMPTS {
                if differences.is_empty() {
                    break;
                }
                println!("once more: {}", differences.join("\n"));
                differences = expected.differences(&answers_of(&wine, group));
            }
            wrong.lock().expect("nobody panics inside").extend(differences);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics inside");
    assert!(
        wrong.is_empty(),
        "{}\n{} cases of {} groups differ on Wine",
        wrong.join("\n"),
        wrong.len(),
        groups.len()
    );
}
