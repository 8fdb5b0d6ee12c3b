//! How long single round trips took: a line of bars for each transport, on one axis of time.
//!
//! The axis is logarithmic, ten columns for a factor of ten, from 100 ns to 10 ms; what is shorter or longer stands in the
//! first or the last column. A bar is as high as its share of the fullest column of its line, and never quite nothing.

use std::fmt::Write;

use super::plan::Cell;
use super::results::Results;
use super::transport::Kind;

/// Columns of the axis, and how many of them are a factor of ten.
const COLUMNS: usize = 50;
const PER_DECADE: usize = 10;
/// Where it begins, in nanoseconds.
const FIRST_NS: f64 = 100.0;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const MARKS: [&str; COLUMNS / PER_DECADE] = ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms"];

/// How many of the times fall into each column; nothing of none.
pub(super) fn count(times_ns: &[f64]) -> Vec<u64> {
    if times_ns.is_empty() {
        return Vec::new();
    }
    let mut buckets = vec![0; COLUMNS];
    for time_ns in times_ns {
        let place = (time_ns.max(1.0) / FIRST_NS).log10() * PER_DECADE as f64;
        // Less than nothing is the first column.
        buckets[(place.max(0.0) as usize).min(COLUMNS - 1)] += 1;
    }
    buckets
}

/// Several counts together.
pub(super) fn sum<'a>(all: impl Iterator<Item = &'a [u64]>) -> Vec<u64> {
    let mut sum = Vec::new();
    for buckets in all {
        sum.resize(sum.len().max(buckets.len().min(COLUMNS)), 0);
        for (total, count) in sum.iter_mut().zip(buckets) {
            *total += count;
        }
    }
    sum
}

/// A picture for each size and placement of round trips.
pub(super) fn text(results: &Results) -> String {
    let mut text = String::new();
    for task in results.tasks() {
        for placement in results.placements(task) {
            let rows: Vec<_> = Kind::ALL
                .into_iter()
                .filter_map(|kind| {
                    let rounds = results.figures.get(&Cell { task, placement, kind })?;
                    let buckets = sum(rounds.iter().map(|figures| figures.buckets.as_slice()));
                    (!buckets.is_empty()).then(|| (kind.title(), bars(&buckets)))
                })
                .collect();
            if !rows.is_empty() {
                let title = format!("{}, {}", task.title(), placement.title());
                push_picture(&mut text, &title, &rows);
            }
        }
    }
    text
}

fn push_picture(text: &mut String, title: &str, rows: &[(&str, String)]) {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{title}, single round trips");
    for (name, bars) in rows {
        let _ = writeln!(text, "  {name:<width$}  {bars}");
    }
    let marks: String = MARKS.map(|mark| format!("{mark:<PER_DECADE$}")).concat();
    let _ = writeln!(text, "  {:width$}  {}", "", marks.trim_end());
}

fn bars(buckets: &[u64]) -> String {
    let most = buckets.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| match *count {
        0 => ' ',
        count => BARS[((count * BARS.len() as u64).div_ceil(most) as usize - 1).min(BARS.len() - 1)],
    };
    let line: String = buckets.iter().map(bar).collect();
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten columns for a factor of ten, and nothing beyond the ends.
    #[test]
    fn times_fall_into_columns() {
        let buckets = count(&[0.0, 100.0, 1_050.0, 1e12]);
        let full: Vec<_> = (0..COLUMNS).filter(|&column| buckets[column] > 0).collect();
        assert_eq!(full, [0, 10, COLUMNS - 1]);
        assert_eq!(buckets[0], 2);
        assert_eq!(count(&[]), Vec::<u64>::new());
        assert_eq!(sum([&buckets[..], &[], &buckets[..]].into_iter())[0], 4);
    }

    /// The fullest column is the highest, and one time among many still shows.
    #[test]
    fn bars_show_shares() {
        assert_eq!(bars(&[1000, 500, 0, 1]), "█▄ ▁");
        assert_eq!(bars(&[0, 0]), "");
    }
}
