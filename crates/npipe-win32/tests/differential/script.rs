//! An episode as a script, with what each of its lines has to print.

use std::collections::BTreeMap;
use std::fmt;

use crate::answers::Line;
use crate::deviations::Deviation;
use crate::model::World;
use crate::steps::Step;

/// Who performs scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Linux,
    Wine,
}

/// Steps that may be done one after the other, as the interpreter reads them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) number: usize,
    pub(crate) steps: Vec<Step>,
    /// Each prints one line.
    pub(crate) lines: Vec<String>,
    pub(crate) expected: Vec<Line>,
}

/// Where a trace leaves what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) line: usize,
    pub(crate) expected: String,
    pub(crate) printed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, printed) = (self.expected.trim(), self.printed.trim());
        write!(f, "line {}: expected `{expected}`, got `{printed}`", self.line)
    }
}

impl Difference {
    /// What makes it another one than the rest: all but numbers.
    pub(crate) fn kind(&self, system: System) -> String {
        let words = |text: &str| text.split(": ").nth(1).unwrap_or(text).to_owned();
        let text = format!("{system:?} {} {}", words(&self.expected), words(&self.printed));
        let kept = text
            .split_whitespace()
            .filter(|word| !word.starts_with(['n', 'd', 'h', 'u']));
        kept.collect::<Vec<_>>().join(" ")
    }
}

impl Script {
    /// Those of the steps that may be done, in their order.
    pub(crate) fn of(number: usize, steps: &[Step]) -> Script {
        let mut world = World::default();
        let mut script = Script {
            number,
            ..Script::default()
        };
        script.push(format!("E {number}"), Line::of(Script::heading(number)));
        for step in steps {
            let Some(effect) = world.admit(step) else {
                continue;
            };
            script.steps.push(*step);
            script.push(
                step.line(effect.refused),
                effect.line.around(&format!("{}: ", step.id), ""),
            );
            if let Some((place, unread)) = effect.seen_at {
                script.push(format!("v {place} {unread}"), Line::of(format!("  unread={unread}")));
            }
            if let Some(name) = effect.seen_by {
                script.push(format!("l {name}"), Line::of("  listens"));
            }
            for (id, line) in effect.ended {
                script.push(format!("a {id}"), line.around(&format!("  #{id}: "), ""));
            }
            for (command, line) in effect.told {
                script.push(command, line);
            }
        }
        script
    }

    fn heading(number: usize) -> String {
        format!("{number}: episode")
    }

    fn push(&mut self, line: String, expected: Line) {
        self.lines.push(line);
        self.expected.push(expected);
    }

    /// The script beside what Linux and Wine print, up to where `system` differs.
    pub(crate) fn show(&self, system: System, traces: &[Vec<String>; 2]) -> String {
        let difference = self.difference(system, &traces[system as usize]);
        let end = difference.map_or(self.lines.len(), |difference| difference.line + 1);
        let mut steps = self.steps.iter();
        let mut text = String::new();
        for (index, (line, expected)) in self.lines.iter().zip(&self.expected).take(end).enumerate() {
            let step = if line.starts_with(['E', 'v', 'l', 'a', 'Q', 'Z']) {
                None
            } else {
                steps.next()
            };
            let step = step.map_or(String::new(), |step| format!("{:?}", step.operation));
            text += &format!("{line:32} {step}\n    {}\n", expected.text.trim());
            for (system, trace) in [System::Linux, System::Wine].iter().zip(traces) {
                let printed = trace.get(index).map_or("nothing", |line| line.trim());
                if printed != expected.text.trim() {
                    text += &format!("    {printed} ({system:?})\n");
                }
            }
        }
        text
    }

    pub(crate) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// What a system has to print.
    pub(crate) fn expected(&self, system: System) -> impl Iterator<Item = &str> {
        self.expected.iter().map(move |line| match (&line.under_wine, system) {
            (Some((text, _)), System::Wine) => text.as_str(),
            _ => line.text.as_str(),
        })
    }

    /// The first line of a trace that is not as expected.
    pub(crate) fn difference(&self, system: System, trace: &[String]) -> Option<Difference> {
        let missing = "nothing".to_owned();
        let mut printed = trace.iter();
        for (line, expected) in self.expected(system).enumerate() {
            let printed = printed.next().unwrap_or(&missing);
            if printed != expected {
                return Some(Difference {
                    line,
                    expected: expected.to_owned(),
                    printed: printed.clone(),
                });
            }
        }
        printed.next().map(|more| Difference {
            line: self.lines.len(),
            expected: missing.clone(),
            printed: more.clone(),
        })
    }

    /// How often Wine is known to deviate.
    pub(crate) fn deviations(&self, counts: &mut BTreeMap<&'static Deviation, usize>) {
        for (_, deviation) in self.expected.iter().filter_map(|line| line.under_wine.as_ref()) {
            *counts.entry(deviation).or_default() += 1;
        }
    }

    /// The part of what was printed that belongs to each script.
    pub(crate) fn traces(scripts: &[Script], printed: &str) -> Vec<Vec<String>> {
        let mut traces = vec![Vec::new(); scripts.len()];
        let mut current = None;
        for line in printed.lines() {
            let next = current.map_or(0, |index| index + 1);
            if scripts
                .get(next)
                .is_some_and(|script| line == Script::heading(script.number))
            {
                current = Some(next);
            }
            if let Some(index) = current {
                traces[index].push(line.to_owned());
            }
        }
        traces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;

    fn script() -> Script {
        Script::of(5, &generator::episode(11))
    }

    fn trace(script: &Script, system: System) -> Vec<String> {
        script.expected(system).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_expected_is_no_difference() {
        let script = script();
        for system in [System::Linux, System::Wine] {
            assert_eq!(script.difference(system, &trace(&script, system)), None);
        }
    }

    /// A line that is other, that is missing, and one too many: the first of them is told.
    #[test]
    fn every_other_line_is_a_difference() {
        let script = script();
        let good = trace(&script, System::Linux);
        for line in 0..good.len() {
            let mut other = good.clone();
            other[line].push('!');
            assert_eq!(
                script.difference(System::Linux, &other).map(|found| found.line),
                Some(line)
            );
            let mut shorter = good.clone();
            shorter.truncate(line);
            assert_eq!(
                script.difference(System::Linux, &shorter).map(|found| found.line),
                Some(line)
            );
        }
        let mut longer = good;
        longer.insert(3, "  #2 has ended early".to_owned());
        assert_eq!(
            script.difference(System::Linux, &longer).map(|found| found.line),
            Some(3)
        );
        longer.remove(3);
        longer.push("more".to_owned());
        assert!(script.difference(System::Linux, &longer).is_some());
    }

    /// Wine may deviate where it is known to, and Linux may not.
    #[test]
    fn a_known_deviation_is_wines_alone() {
        let scripts = (0..50).map(|seed| Script::of(1, &generator::episode(seed)));
        let script = scripts
            .into_iter()
            .find(|script| trace(script, System::Linux) != trace(script, System::Wine));
        let script = script.expect("one of so many deviates");
        assert!(
            script
                .difference(System::Linux, &trace(&script, System::Wine))
                .is_some()
        );
        assert!(
            script
                .difference(System::Wine, &trace(&script, System::Linux))
                .is_some()
        );
    }

    #[test]
    fn traces_are_told_apart_by_their_heads() {
        let scripts = [Script::of(1, &[]), Script::of(2, &[]), Script::of(3, &[])];
        let traces = Script::traces(&scripts, "1: episode\n1: ok\n2: episode\n  STUCK\n");
        assert_eq!(traces[0], ["1: episode", "1: ok"]);
        assert_eq!(traces[1], ["2: episode", "  STUCK"]);
        assert!(traces[2].is_empty());
    }
}
