//! `cargo xtask differential`: the differential run of the C library's tests, with a seed and a length of one's own.
//!
//! `cargo test` has it too, with some seeds of its own; here it is for hours, and for one seed that is to be seen again.

use crate::workspace;

/// What the caller may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Where the operations come from; the test's own seeds and a new one unless it is given.
    seed: Option<u64>,
    /// How many of each seed.
    operations: Option<u64>,
}

impl Options {
    /// # Errors
    /// What is wrong with the arguments.
    pub(crate) fn parse(args: &[&str]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(&name) = args.next() {
            let place = match name {
                "--seed" => &mut options.seed,
                "--operations" => &mut options.operations,
                _ => return Err(format!("unknown option {name}")),
            };
            let value = args.next().ok_or_else(|| format!("{name} needs a number"))?;
            *place = Some(value.parse().map_err(|_| format!("{name} {value}: not a number"))?);
        }
        Ok(options)
    }
}

/// Compares; true if there was no difference.
pub(crate) fn run(options: Options) -> bool {
    let mut command = workspace::cargo();
    command.args(["test", "--package", "npipe-win32", "--locked", "--test", "differential"]);
    command.args(["--", "--nocapture", "both_systems_do_what_the_rules_say"]);
    let settings = [
        ("NPIPE_DIFFERENTIAL_SEED", options.seed),
        ("NPIPE_DIFFERENTIAL_OPERATIONS", options.operations),
    ];
    for (variable, value) in settings {
        if let Some(value) = value {
            command.env(variable, value.to_string());
        }
    }
    workspace::succeeds(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_length_may_be_given() {
        assert_eq!(Options::parse(&[]), Ok(Options::default()));
        let both = Options::parse(&["--operations", "500", "--seed", "7"]);
        assert_eq!(
            both,
            Ok(Options {
                seed: Some(7),
                operations: Some(500)
            })
        );
        assert!(Options::parse(&["--seed"]).is_err_and(|why| why.contains("--seed")));
        assert!(Options::parse(&["--seed", "x"]).is_err_and(|why| why.contains("x")));
        assert!(Options::parse(&["--fast"]).is_err_and(|why| why.contains("--fast")));
    }
}
