//! `cargo xtask bench`: the measurements against the project's targets. The
//! command `npipe bench` does the work; here it is only built for speed.

use crate::workspace;

/// Everything in `args` goes to `npipe bench`.
pub(crate) fn run(args: &[&str]) -> bool {
    let mut command = workspace::cargo();
    command
        .args(["run", "--release", "--locked", "--package", "npipe-cli"])
        .args(["--", "bench", "--targets"])
        .args(args);
    workspace::succeeds(&mut command)
}
