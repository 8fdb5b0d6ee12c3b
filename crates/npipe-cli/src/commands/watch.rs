//! `--watch`: the same again and again, in place on a terminal.

use std::io::{self, IsTerminal};
use std::thread;

use crate::args::Watch;
use crate::output;
use crate::report::Failure;
use crate::table::Frame;

/// Prints what `draw` makes, once or until interrupted. What it makes has whole lines.
pub(super) fn show(args: &Watch, mut draw: impl FnMut(Frame) -> Result<String, Failure>) -> Result<(), Failure> {
    if !args.watch {
        return output::data(draw(Frame::of_stdout())?.as_bytes());
    }
    let in_place = io::stdout().is_terminal();
    let mut lines = 0;
    let mut is_first = true;
    loop {
        // Asked anew each time: a terminal changes its size.
        let frame = Frame::of_stdout();
        let text = draw(frame)?;
        if in_place {
            let text = cut(&text, frame.height);
            output::data(refreshed(text, lines).as_bytes())?;
            lines = text.lines().count();
        } else {
            let gap = if is_first { "" } else { "\n" };
            output::data(format!("{gap}{text}").as_bytes())?;
        }
        is_first = false;
        thread::sleep(args.interval);
    }
}

/// As many lines as fit, with one left for the cursor.
fn cut(text: &str, height: Option<usize>) -> &str {
    let Some(height) = height else { return text };
    let fitting = height.saturating_sub(1).max(1);
    let end = text.match_indices('\n').nth(fitting - 1).map(|(at, _)| at + 1);
    &text[..end.unwrap_or(text.len())]
}

/// The text over `lines` lines that were written before: each line clears what it does not cover, so nothing flickers.
fn refreshed(text: &str, lines: usize) -> String {
    let up = if lines > 0 {
        format!("\u{1b}[{lines}A\r")
    } else {
        String::new()
    };
    let body = text.replace('\n', "\u{1b}[K\n");
    format!("{up}{body}\u{1b}[J")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table longer than the terminal would scroll, and the next one would not lie over it.
    #[test]
    fn what_does_not_fit_is_left_out() {
        assert_eq!(cut("a\nb\nc\n", Some(3)), "a\nb\n");
        assert_eq!(cut("a\nb\n", Some(24)), "a\nb\n");
        assert_eq!(cut("a\nb\n", None), "a\nb\n");
        assert_eq!(refreshed("a\n", 0), "a\u{1b}[K\n\u{1b}[J");
        assert_eq!(refreshed("a\n", 2), "\u{1b}[2A\ra\u{1b}[K\n\u{1b}[J");
    }
}
