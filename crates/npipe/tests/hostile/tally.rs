//! The count of what was done and what came of it.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// What came of an attack.
#[derive(Default)]
pub(crate) struct Tally {
    /// Writes into the segment, handshakes, calls on the descriptor: each thing that no honest peer does.
    pub(crate) inputs: AtomicU64,
    /// Calls that took longer than [`HUNG_MS`](crate::victim::HUNG_MS).
    pub(crate) hung: AtomicU64,
    /// Exchanges of innocents.
    pub(crate) exchanges: AtomicU64,
    /// Those that failed or brought something else than they should.
    pub(crate) disturbed: AtomicU64,
}

impl Tally {
    pub(crate) fn count(&self, inputs: u64) {
        self.inputs.fetch_add(inputs, Ordering::Relaxed);
    }

    pub(crate) fn inputs(&self) -> u64 {
        self.inputs.load(Ordering::Relaxed)
    }

    /// Says what came of it, to whoever runs the tests. A crash would have ended the test before.
    #[track_caller]
    pub(crate) fn report(&self, test: &str) {
        let [inputs, hung, exchanges, disturbed] =
            [&self.inputs, &self.hung, &self.exchanges, &self.disturbed].map(|count| count.load(Ordering::Relaxed));
        let line = format!(
            "{test}: hostile inputs: {inputs}, crashes 0, hung {hung}, innocents disturbed {disturbed} \
             (of {exchanges} exchanges)"
        );
        tell(&line);
        assert_eq!((hung, disturbed), (0, 0), "{line}");
    }
}

/// Tells whoever runs the tests. Not by `println`, which nobody sees of a test that passes.
pub(crate) fn tell(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

/// How many times as long the longest tests go on.
pub(crate) fn rounds() -> u64 {
    let text = std::env::var("NPIPE_HOSTILE_ROUNDS").unwrap_or_else(|_| "1".to_owned());
    text.parse().expect("NPIPE_HOSTILE_ROUNDS is a number")
}
