//! How far long work is: one line on stderr, rewritten, and only if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line changes at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// How wide the bar is.
const BAR: usize = 20;

/// The line; dropping it clears it.
pub(crate) struct Progress {
    is_shown: bool,
    started: Instant,
    /// When the line was last written.
    last: Option<Instant>,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            is_shown: io::stderr().is_terminal(),
            started: Instant::now(),
            last: None,
        }
    }

    /// Shows how much of the work is done, if that is known, and what is to be said of it.
    pub(crate) fn show(&mut self, share: Option<f64>, text: impl FnOnce(Duration) -> String) {
        let now = Instant::now();
        if !self.is_shown || self.last.is_some_and(|last| now - last < INTERVAL) {
            return;
        }
        self.last = Some(now);
        let bar = share.map_or_else(String::new, |share| {
            let share = share.clamp(0.0, 1.0);
            let full = (share * BAR as f64) as usize;
            format!(
                "[{}{}] {:>3.0} %  ",
                "#".repeat(full),
                ".".repeat(BAR - full),
                share * 100.0
            )
        });
        let line = format!("\r{bar}{}\u{1b}[K", text(now - self.started));
        // Ornament: nothing depends on it.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
    }
}

/// "12.3 MB".
pub(crate) fn bytes(count: f64) -> String {
    match count {
        1e9.. => format!("{:.1} GB", count / 1e9),
        1e6.. => format!("{:.1} MB", count / 1e6),
        1e3.. => format!("{:.1} kB", count / 1e3),
        _ => format!("{count:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Powers of ten, as the units say.
    #[test]
    fn amounts_are_short() {
        assert_eq!(bytes(999.0), "999 B");
        assert_eq!(bytes(1_500.0), "1.5 kB");
        assert_eq!(bytes(2.5e9), "2.5 GB");
    }
}
