//! The results as text for people and as JSON.
//!
//! JSON:
//! ```text
//! { "npipe": version, "machine": {…}, "plan": {"rounds", "slice_ms", "clients", "seed"},
//!   "cache_lines": null | {"one_ns", "two_ns"},
//!   "cells": [{"workload": "round-trip"|"one-way"|"connect", "size_bytes",
//!              "pairs", "think_us", "interval_us",
//!              "placement": "two-cores"|"free"|"one-core"|"shared-cores",
//!              "transport": "npipe"|"npipe-spin-off"|"npipe-byte"|"seqpacket"|"seqpacket-epoll"|"stream"|
//!                           "pipe"|"tcp" and, with programs, "c-blocking"|"c-routines"|
//!                           "c-port"|"wine"|"zero-mq"|"iceoryx2",
//!              "op_ns", "op_ns_min", "op_ns_max", "per_second",
//!              "ratio_to_seqpacket", "percentiles": null | {"p50_ns", "p99_ns", "p99_9_ns"},
//!              "processor": null | {"server_percent", "client_percent"}}],
//!   "failures": [text], "missing": [transport],
//!   "targets": null | [{"what", "against", "relation": "at_least"|"at_most",
//!                       "bound", "ratio", "met"}] }
//! ```
//! Figures are medians over the rounds. A ratio is how many times faster than
//! seqpacket; null without it. Under a load "pairs" is above 1, or "think_us" or "interval_us" above 0; times are without
//! what the server works by itself.

use std::fmt::Write;

use serde_json::{Value, json};

use super::plan::{Cell, Task};
use super::results::Results;
use super::targets::Verdict;
use super::transport::Kind;
use crate::table::columns;

pub(super) fn json(results: &Results, verdicts: Option<&[Verdict]>) -> Value {
    let cache_lines = results
        .two_cache_lines_ns
        .map(|two_ns| json!({ "one_ns": results.one_cache_line_ns, "two_ns": two_ns }));
    json!({
        "npipe": env!("CARGO_PKG_VERSION"),
        "machine": results.machine,
        "plan": {
            "rounds": results.plan.rounds,
            "slice_ms": results.plan.slice_ms,
            "clients": results.plan.clients,
            "seed": results.plan.seed,
        },
        "cache_lines": cache_lines,
        "cells": results.cells().map(|cell| cell_json(results, cell)).collect::<Vec<_>>(),
        "failures": results.failures,
        "missing": results.plan.programs.missing(),
        "targets": verdicts,
    })
}

fn cell_json(results: &Results, cell: Cell) -> Value {
    let spread = results.spread(cell);
    let load = cell.task.load;
    let processor = results
        .processor_percent(cell)
        .map(|[server, client]| json!({ "server_percent": server, "client_percent": client }));
    json!({
        "workload": cell.task.workload,
        "size_bytes": cell.task.size_bytes,
        "pairs": load.pairs(),
        "think_us": load.think_us(),
        "interval_us": load.interval_us(),
        "placement": cell.placement,
        "transport": cell.kind,
        "op_ns": spread.median,
        "op_ns_min": spread.min,
        "op_ns_max": spread.max,
        "per_second": results.per_second(cell),
        "ratio_to_seqpacket": results.ratio(cell),
        "percentiles": results.percentiles(cell),
        "processor": processor,
    })
}

pub(super) fn text(results: &Results, verdicts: Option<&[Verdict]>) -> String {
    let mut text = format!("machine  {}\n", results.machine.line());
    let plan = &results.plan;
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "plan     {} rounds of {} ms, shuffled, seed {}; medians, and (×) how many times \
         faster than seqpacket",
        plan.rounds, plan.slice_ms, plan.seed
    );
    if plan.clients > 1 {
        let _ = writeln!(
            text,
            "clients  {} at a time, each a process; times are those of one client",
            plan.clients
        );
    }
    if let (Some(one_ns), Some(two_ns)) = (results.one_cache_line_ns, results.two_cache_lines_ns) {
        let _ = writeln!(
            text,
            "limit    a cache line there and back {one_ns:.0} ns, two lines {two_ns:.0} ns"
        );
    }
    for task in results.tasks() {
        let _ = write!(text, "\n{}", columns(&task_rows(results, task)));
    }
    for failure in &results.failures {
        let _ = writeln!(text, "\nnot measured: {failure}");
    }
    for kind in results.plan.programs.missing() {
        let _ = writeln!(text, "\nnot measured: {}, whose program is not there", kind.title());
    }
    if let Some(verdicts) = verdicts {
        let _ = write!(text, "\n{}", columns(&verdict_rows(verdicts)));
    }
    text
}

/// A transport in each row, a placement in each column; for times the percentiles as well, and what of a processor the two
/// processes used.
fn task_rows(results: &Results, task: Task) -> Vec<Vec<String>> {
    let unit = if task.is_rate() { "per second" } else { "µs" };
    let mut head = vec![format!("{}, {unit}", task.title())];
    let placements = results.placements(task);
    for placement in &placements {
        head.push(placement.title().to_owned());
        if !task.is_rate() {
            head.push("p50/p99/p99.9".to_owned());
        }
        if task.load.interval_us() > 0 {
            head.push("processor: server, client".to_owned());
        }
    }
    let mut rows = vec![head];
    for kind in Kind::ALL {
        let mut row = vec![format!("  {}", kind.title())];
        for &placement in &placements {
            let cell = Cell { task, placement, kind };
            row.push(figure(results, cell));
            if !task.is_rate() {
                row.push(results.percentiles(cell).map_or_else(String::new, |percentiles| {
                    let times_ns = [percentiles.p50_ns, percentiles.p99_ns, percentiles.p99_9_ns];
                    times_ns.map(microseconds).join("/")
                }));
            }
            if task.load.interval_us() > 0 {
                let shares = results.processor_percent(cell);
                let percent = |share: f64| format!("{} %", significant(share));
                row.push(shares.map_or_else(String::new, |shares| shares.map(percent).join(", ")));
            }
        }
        if row.iter().skip(1).any(|figure| !figure.is_empty()) {
            rows.push(row);
        }
    }
    rows
}

/// "0.21 (×173)"; nothing where nothing was measured.
fn figure(results: &Results, cell: Cell) -> String {
    let Some(op_ns) = results.op_ns(cell.task, cell.placement, cell.kind) else {
        return String::new();
    };
    let amount = match (cell.task.is_rate(), cell.task.load.pairs()) {
        (false, _) => microseconds(op_ns),
        (true, 1) => grouped(1e9 / op_ns),
        (true, _) => grouped(results.per_second(cell)),
    };
    match results.ratio(cell) {
        Some(ratio) => format!("{amount} (×{})", significant(ratio)),
        None => amount,
    }
}

fn verdict_rows(verdicts: &[Verdict]) -> Vec<Vec<String>> {
    let met = verdicts.iter().filter(|verdict| verdict.met).count();
    let head = vec![format!("{met} of {} targets met", verdicts.len())];
    let rows = verdicts.iter().map(|verdict| {
        let relation = if verdict.relation == "at_most" {
            "at most"
        } else {
            "at least"
        };
        vec![
            format!("  {}", if verdict.met { "met" } else { "MISSED" }),
            verdict.what.clone(),
            format!("{} times {}", significant(verdict.ratio), verdict.against),
            format!("{relation} {}", significant(verdict.bound)),
        ]
    });
    [head].into_iter().chain(rows).collect()
}

pub(super) fn microseconds(ns: f64) -> String {
    significant(ns / 1000.0)
}

/// Three digits that count.
pub(super) fn significant(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// 1234567 as "1 234 567".
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::measure::Workload;
    use super::*;

    /// Three digits that count, thousands apart.
    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(1_234_567.0), "1 234 567");
        assert_eq!(grouped(999.4), "999");
        assert_eq!(significant(173.26), "173");
        assert_eq!(significant(0.2134), "0.213");
        assert_eq!(Task::alone(Workload::OneWay, 65536).title(), "one way 64 KiB");
    }
}
