//! The same operations on npipe and on Wine's pipes, in an order that is fixed.
//!
//! [`generator`] makes scripts of operations from a seed, and [`model`] says what each operation brings by the rules.
//! `conformance/differential/actors.c` performs the scripts on both systems ([`systems`]), and each trace is compared line by
//! line with the model's ([`script`]). So a difference between the systems is a difference of one of them from the rules; where
//! Wine is known to deviate, the model knows what it prints, and by which rule that is wrong ([`deviations`]). What differs is
//! cut down to the few operations that show it ([`shrinker`]).
//!
//! Nothing depends on time: [`admission`] says how a script knows whether a call waits.

mod admission;
mod answers;
mod deviations;
mod generator;
mod model;
#[path = "../conformance/prefix.rs"]
mod prefix;
#[path = "../../../npipe-core/tests/support/mod.rs"]
mod rules;
mod script;
mod shrinker;
mod steps;
#[path = "../conformance/support.rs"]
#[allow(dead_code, reason = "the conformance suite uses the rest")]
mod support;
mod systems;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use deviations::Deviation;
use generator::Dice;
use script::{Script, System};
use systems::Systems;

/// Seeds that every run has.
const SEEDS: [u64; 3] = [1, 2, 3];

/// How many operations of each seed are compared, unless somebody says.
const OPERATIONS: usize = 30_000;

/// How many both systems do before they are compared.
const AT_ONCE: usize = 30_000;

/// How many differences are cut down, each of another kind.
const MOST_REPORTS: usize = 6;

/// While a difference is cut down, what does not come is given up earlier.
const SHRINKING_MS: u32 = 3_000;

/// A number from the environment.
fn given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

/// The next episodes, so many that they have the operations.
fn scripts(dice: &mut Dice, operations: usize) -> Vec<Script> {
    let (mut scripts, mut count) = (Vec::new(), 0);
    while count < operations {
        let script = Script::of(scripts.len() + 1, &generator::episode(dice.next()));
        count += script.steps.len();
        scripts.push(script);
    }
    scripts
}

/// Cuts an episode down to what shows that `system` differs, and tells all there is to tell.
fn report(systems: &Systems, system: System, script: &Script, kind: &str) -> String {
    let differs = |steps: &[steps::Step]| {
        let script = Script::of(1, steps);
        let traces = systems.traces(system, std::slice::from_ref(&script), SHRINKING_MS);
        let difference = script.difference(system, &traces[0]);
        difference.is_some_and(|difference| difference.kind(system) == kind)
    };
    let mut steps = script.steps.clone();
    let again = differs(&steps);
    if again {
        steps = shrinker::shrink(&steps, differs);
    }
    if !again {
        return "and not when the episode ran alone\n".to_owned();
    }
    let short = Script::of(1, &steps);
    let trace = |system| {
        systems
            .traces(system, std::slice::from_ref(&short), SHRINKING_MS)
            .remove(0)
    };
    let traces = [System::Linux, System::Wine].map(trace);
    short.show(system, &traces)
}

/// Compares what both systems do with scripts; how many operations there were, or everything that differs.
fn compare(systems: &Systems, scripts: &[Script]) -> Result<usize, String> {
    let [linux, wine] = systems.both(scripts);
    let mut differences = Vec::new();
    for (script, (linux, wine)) in scripts.iter().zip(linux.iter().zip(&wine)) {
        for (system, trace) in [(System::Linux, linux), (System::Wine, wine)] {
            if let Some(difference) = script.difference(system, trace) {
                differences.push((system, script, difference));
            }
        }
    }
    if differences.is_empty() {
        return Ok(scripts.iter().map(|script| script.steps.len()).sum());
    }
    let mut text = format!("{} differences in {} episodes\n", differences.len(), scripts.len());
    let mut told = BTreeSet::new();
    for (system, script, difference) in &differences {
        let number = script.number;
        text += &format!("episode {number}, {system:?}: {difference}\n");
        let kind = difference.kind(*system);
        if told.len() < MOST_REPORTS && told.insert(kind.clone()) {
            text += &report(systems, *system, script, &kind);
        }
    }
    Err(text)
}

/// Prints past what a test that passes says to nobody.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Two systems and the rules, operation by operation. Some seeds and a new one, or the one that `cargo xtask differential` is
/// given.
#[test]
fn both_systems_do_what_the_rules_say() {
    let systems = Systems::new();
    let operations = given("NPIPE_DIFFERENTIAL_OPERATIONS").map_or(OPERATIONS, |count| count as usize);
    let fresh = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.as_micros() as u64);
    let seeds = match given("NPIPE_DIFFERENTIAL_SEED") {
        Some(seed) => vec![seed],
        None => SEEDS.into_iter().chain([fresh]).collect(),
    };
    let (mut compared, mut known) = (0, BTreeMap::<&Deviation, usize>::new());
    for seed in seeds {
        say(&format!("differential: seed {seed}"));
        let (mut dice, mut done) = (Dice::new(seed), 0);
        while done < operations {
            let scripts = scripts(&mut dice, AT_ONCE.min(operations - done));
            match compare(&systems, &scripts) {
                Ok(count) => done += count,
                Err(text) => panic!("seed {seed}, after {done} operations: {text}"),
            }
            for script in &scripts {
                script.deviations(&mut known);
            }
        }
        compared += done;
    }
    for (deviation, count) in &known {
        say(&format!(
            "{count:8} of Wine's answers: rule {}, {}",
            deviation.rule, deviation.reason
        ));
    }
    say(&format!(
        "differential: {compared} operations compared, 0 differences left"
    ));
}
