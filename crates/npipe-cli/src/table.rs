//! Tables for people: columns two blanks apart, cut to the width of a terminal, with colours on a terminal only.
//!
//! Elsewhere a table is whole and plain, so that what reads it gets everything.

use std::io;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output;
use crate::sys;

/// What a cell's colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Head,
    Good,
    Note,
    Bad,
}

/// One cell; its text is safe for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Cell {
        Cell {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(text, Tone::Plain)
    }
}

/// What a table has to fit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    /// Columns of the terminal.
    pub(crate) width: Option<usize>,
    /// Lines of the terminal.
    pub(crate) height: Option<usize>,
    pub(crate) has_colours: bool,
}

impl Frame {
    /// That of stdout.
    pub(crate) fn of_stdout() -> Frame {
        let stdout = io::stdout();
        let size = sys::terminal_size().filter(|(width, _)| *width > 0);
        Frame {
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height).filter(|height| *height > 0),
            has_colours: output::has_colours(&stdout),
        }
    }
}

/// Narrower than this no column is made.
const MIN_WIDTH: usize = 6;
/// Between two columns.
const GAP: usize = 2;

/// Lines up rows of plain text for stdout.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| row.iter().map(|text| Cell::from(text.as_str())).collect())
        .collect();
    render(&rows, Frame::of_stdout())
}

/// Lines up rows of cells.
pub(crate) fn render(rows: &[Vec<Cell>], frame: Frame) -> String {
    let widths = widths(rows, frame.width);
    let mut text = String::new();
    for row in rows {
        let last = row.iter().rposition(|cell| !cell.text.is_empty());
        for (at, (cell, &width)) in row
            .iter()
            .zip(&widths)
            .enumerate()
            .take(last.map_or(0, |last| last + 1))
        {
            let cut = cut(&cell.text, width);
            let blanks = width.saturating_sub(cut.width()) + GAP;
            push_toned(&mut text, &cut, if frame.has_colours { cell.tone } else { Tone::Plain });
            if Some(at) != last {
                text.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        text.push('\n');
    }
    text
}

/// The width of each column. What does not fit is taken from the widest.
fn widths(rows: &[Vec<Cell>], limit: Option<usize>) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.width()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..count).map(width).collect();
    let Some(limit) = limit else { return widths };
    let gaps = GAP * count.saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > limit {
        // Of equals the last: the first columns say what a row is about.
        match widths.iter_mut().max() {
            Some(widest) if *widest > MIN_WIDTH => *widest -= 1,
            _ => break,
        }
    }
    widths
}

/// The text, or its beginning and an ellipsis.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

fn push_toned(text: &mut String, cell: &str, tone: Tone) {
    let code = match tone {
        Tone::Plain => return text.push_str(cell),
        Tone::Head => "1",
        Tone::Good => "32",
        Tone::Note => "33",
        Tone::Bad => "31",
    };
    text.push_str(&format!("\u{1b}[{code}m{cell}\u{1b}[0m"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            ["PID", "COMMAND", "NAME"]
                .map(|title| Cell::new(title, Tone::Head))
                .to_vec(),
            vec![
                "17".into(),
                "a program with a long line of arguments".into(),
                Cell::new("café", Tone::Good),
            ],
        ]
    }

    /// Elsewhere than on a terminal nothing is cut and nothing coloured.
    #[test]
    fn a_table_is_whole_without_a_terminal() {
        let text = render(&rows(), Frame::default());
        assert_eq!(
            text,
            "PID  COMMAND                                  NAME\n\
             17   a program with a long line of arguments  café\n"
        );
    }

    /// The widest column gives way.
    #[test]
    fn a_table_fits_the_terminal() {
        for width in [20, 30, 45, 200] {
            let frame = Frame {
                width: Some(width),
                ..Frame::default()
            };
            let text = render(&rows(), frame);
            assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
            assert!(text.contains("café"), "{text}");
            assert_eq!(text.contains('…'), width < 50, "{text}");
        }
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }

    /// Colours surround the text, not the blanks.
    #[test]
    fn colours_do_not_change_the_columns() {
        let frame = Frame {
            has_colours: true,
            ..Frame::default()
        };
        let text = render(&rows(), frame);
        assert!(
            text.starts_with("\u{1b}[1mPID\u{1b}[0m  \u{1b}[1mCOMMAND\u{1b}[0m"),
            "{text:?}"
        );
        assert!(text.ends_with("  \u{1b}[32mcafé\u{1b}[0m\n"), "{text:?}");
    }
}
