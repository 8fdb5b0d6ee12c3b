//! `npipe bench`, with slices too short for true figures: its shape and its end.

use serde_json::Value;

use crate::json::keys;
use crate::{Root, end};

/// semantics 117: blocks of every size, also beyond the quota, arrive whole.
#[test]
fn bench_measures_every_cell_and_leaves_nothing() {
    let root = Root::new();
    let file = root.path().join("figures.json");
    let scratch = tempfile::TempDir::new().expect("a temporary directory");
    let mut command = root.command(&["bench", "--quick", "--rounds", "1", "--slice", "4ms"]);
    let plots = root.path().join("plots");
    command
        .args(["--targets", "--json", "--output"])
        .arg(&file)
        .arg("--plots")
        .arg(&plots)
        .env("TMPDIR", scratch.path());
    let ended = end(command.spawn().expect("the command starts"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let document = ended.document();
    let written = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(serde_json::from_str::<Value>(&written).ok().as_ref(), Some(&document));
    for picture in ["round-trip.png", "one-way.png", "load.png", "processor.png"] {
        let bytes = std::fs::read(plots.join(picture)).expect("it is drawn");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 4096, "{picture}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).expect("the directory").count(), 0);

    assert_eq!(document["plan"]["rounds"], 1);
    assert_eq!(document["failures"], serde_json::json!([]));
    assert!(document["machine"]["kernel"].is_string());
    has_the_documented_shape(&document);
    let cells = document["cells"].as_array().expect("an array");
    for cell in cells {
        assert!(cell["op_ns"].as_f64().is_some_and(|ns| ns > 0.0), "{cell}");
        assert!(cell["per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{cell}");
        assert!(cell["ratio_to_seqpacket"].is_number(), "{cell}");
        let sampled = cell["percentiles"]["p99_9_ns"].is_number();
        assert_eq!(
            sampled,
            cell["workload"] == "round-trip" && cell["pairs"] == 1,
            "{cell}"
        );
        let is_spaced = cell["interval_us"] != 0;
        for end in ["server_percent", "client_percent"] {
            assert_eq!(cell["processor"][end].is_number(), is_spaced, "{cell}");
        }
    }
    let loads: std::collections::BTreeSet<_> = cells.iter().filter_map(load).collect();
    assert!(
        loads.is_superset(&[(1, 5, 0), (1, 20, 0), (1, 100, 0), (1, 0, 200)].into()),
        "{loads:?}"
    );
    let has_two_cpus = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    assert_eq!(
        loads.is_superset(&[(2, 0, 0), (8, 0, 0)].into()),
        has_two_cpus,
        "{loads:?}"
    );
    for verdict in document["targets"].as_array().expect("an array") {
        assert!(verdict["met"].is_boolean() && verdict["ratio"].is_number(), "{verdict}");
    }
}

/// Pairs, the server's work and the interval of a cell.
fn load(cell: &Value) -> Option<(u64, u64, u64)> {
    Some((
        cell["pairs"].as_u64()?,
        cell["think_us"].as_u64()?,
        cell["interval_us"].as_u64()?,
    ))
}

/// For people: the machine, a table for each workload, the verdicts.
#[test]
fn bench_prints_a_table() {
    let root = Root::new();
    let words = ["bench", "--quick", "--rounds", "1", "--slice", "2ms", "--targets"];
    let ended = root.run(&words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for expected in [
        "machine ",
        "round trip 32 B, µs",
        "one way 1 MiB",
        "TCP loopback",
        "round trip 32 B, 8 pairs, per second",
        "round trip 32 B, after 20 µs of work, µs",
        "round trip 32 B, one each 200 µs, µs",
        "processor: server, client",
        "targets met",
    ] {
        let has_two_cpus = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
        assert!(
            ended.stdout.contains(expected) || !has_two_cpus,
            "{expected}: {ended:?}"
        );
    }
}

fn has_the_documented_shape(document: &Value) {
    assert_eq!(
        keys(document),
        [
            "cache_lines",
            "cells",
            "failures",
            "machine",
            "missing",
            "npipe",
            "plan",
            "targets"
        ]
    );
    assert_eq!(keys(&document["plan"]), ["clients", "rounds", "seed", "slice_ms"]);
    let cell = &document["cells"][0];
    assert_eq!(
        keys(cell),
        [
            "interval_us",
            "op_ns",
            "op_ns_max",
            "op_ns_min",
            "pairs",
            "per_second",
            "percentiles",
            "placement",
            "processor",
            "ratio_to_seqpacket",
            "size_bytes",
            "think_us",
            "transport",
            "workload"
        ]
    );
    let cells = document["cells"].as_array().expect("an array");
    let spaced = cells.iter().find(|cell| cell["interval_us"] == 200);
    let spaced = spaced.expect("requests with pauses");
    assert_eq!(keys(&spaced["processor"]), ["client_percent", "server_percent"]);
    assert_eq!(keys(&cell["percentiles"]), ["p50_ns", "p99_9_ns", "p99_ns"]);
}

/// Several clients at one server make round trips only, by those that can; each cell is a line of so many values.
#[test]
fn bench_measures_several_clients_and_prints_values() {
    let root = Root::new();
    let words = ["bench", "--quick", "--rounds", "1", "--slice", "2ms", "--clients", "3"];
    let ended = root.run(&[&words[..], &["--csv"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut lines = ended.stdout.lines();
    let head: Vec<_> = lines.next().expect("a head").split(',').collect();
    assert_eq!(
        head,
        [
            "workload",
            "size_bytes",
            "placement",
            "transport",
            "clients",
            "op_ns",
            "op_ns_min",
            "op_ns_max",
            "per_second",
            "ratio_to_seqpacket",
            "p50_ns",
            "p99_ns",
            "p99_9_ns",
            "pairs",
            "think_us",
            "interval_us",
            "server_percent",
            "client_percent"
        ]
    );
    let mut transports = std::collections::BTreeSet::new();
    for line in lines {
        let values: Vec<_> = line.split(',').collect();
        let fixed = (values.len(), values[0], values[4]);
        assert_eq!(fixed, (head.len(), "round-trip", "3"), "{line}");
        assert!(values[5..13].iter().all(|value| value.parse::<f64>().is_ok()), "{line}");
        assert_eq!(values[13..], ["1", "0", "0", "", ""], "{line}");
        transports.insert(values[3]);
    }
    let expected = [
        "npipe",
        "npipe-byte",
        "npipe-spin-off",
        "seqpacket",
        "seqpacket-epoll",
        "stream",
        "tcp",
    ];
    assert_eq!(transports.into_iter().collect::<Vec<_>>(), expected);
}

/// A line of bars for each transport over one axis; and what does not go together.
#[test]
fn bench_draws_histograms() {
    let root = Root::new();
    let words = ["bench", "--quick", "--rounds", "1", "--slice", "2ms", "--clients", "2"];
    let drawn = root.run(&[&words[..], &["--histogram"]].concat());
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let (_, picture) = drawn.stdout.split_once(", single round trips\n").expect("a picture");
    let bars = picture.lines().next().expect("a line of bars");
    assert!(bars.contains("npipe") && bars.contains('█'), "{picture}");
    assert!(
        picture.contains("100 ns    1 µs      10 µs     100 µs    1 ms"),
        "{picture}"
    );
    for wrong in [["--csv", "--targets"], ["--csv", "--json"], ["--histogram", "--csv"]] {
        let both = root.run(&[&words[..], &wrong[..]].concat());
        assert_eq!(both.code, Some(2), "{wrong:?}: {both:?}");
    }
}

/// A load that is asked for takes the place of all others, with the same figures for every size. semantics 117
#[test]
fn bench_measures_under_one_load() {
    let root = Root::new();
    let words = ["bench", "--quick", "--rounds", "1", "--slice", "2ms", "--json"];
    let has_two_cpus = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    let cases = [
        (["--pairs", "3"], (3, 0, 0), "shared-cores"),
        (["--think", "7us"], (1, 7, 0), "two-cores"),
        (["--interval", "1ms"], (1, 0, 1000), "two-cores"),
    ];
    for (option, expected, placement) in cases {
        let ended = root.run(&[&words[..], &option[..]].concat());
        assert_eq!(ended.code, Some(0), "{option:?}: {ended:?}");
        let document = ended.document();
        let cells = document["cells"].as_array().expect("an array");
        if expected.0 == 1 || has_two_cpus {
            assert_eq!(cells.len(), 3 * 5, "{option:?}: {document}");
        }
        for cell in cells {
            assert_eq!(load(cell), Some(expected), "{option:?}: {cell}");
            assert!(cell["op_ns"].as_f64().is_some_and(|ns| ns > 0.0), "{cell}");
            assert!(cell["placement"] == placement || !has_two_cpus, "{option:?}: {cell}");
        }
        let total = |cell: &Value| cell["op_ns"].as_f64().zip(cell["per_second"].as_f64());
        assert!(cells.iter().filter_map(total).all(|(op_ns, rate)| {
            let pairs = rate * op_ns / 1e9;
            (pairs - expected.0 as f64).abs() < 0.01
        }));
    }
}

/// One load at a time, not with what is measured otherwise, and within limits; a switch may come twice.
#[test]
fn bench_refuses_what_does_not_go_together() {
    let root = Root::new();
    for wrong in [
        &["--pairs", "2", "--think", "20us"][..],
        &["--pairs", "2", "--clients", "2"],
        &["--think", "20us", "--targets"],
        &["--interval", "1ms", "--plots", "."],
        &["--pairs", "0"],
        &["--pairs", "65"],
        &["--think", "20"],
        &["--interval", "2s"],
    ] {
        let ended = root.run(&[&["bench"], wrong].concat());
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
    }
    let twice = [
        "bench",
        "--targets",
        "--targets",
        "--programs",
        "a",
        "--programs",
        "b",
        "--help",
    ];
    assert_eq!(root.run(&twice).code, Some(0));
    let twice = ["bench", "--targets", "--targets", "--pairs", "0"];
    let told = root.run(&twice).stderr;
    assert!(told.contains("--pairs") && !told.contains("multiple times"), "{told}");
}

/// What a program of its own says is told when it fails, and only then.
#[test]
fn bench_tells_what_a_program_said() {
    use std::os::unix::fs::PermissionsExt;
    let root = Root::new();
    let programs = tempfile::TempDir::new().expect("a temporary directory");
    let words = [
        "bench",
        "--quick",
        "--rounds",
        "1",
        "--slice",
        "1ms",
        "--json",
        "--programs",
    ];
    for (script, code) in [
        (GOOD_PROGRAM, Some(0)),
        ("#!/bin/sh\necho 'no such library' >&2\n", Some(1)),
    ] {
        let program = programs.path().join("zeromq");
        std::fs::write(&program, script).expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let mut command = root.command(&words);
        let ended = end(command.arg(programs.path()).spawn().expect("the command starts"));
        assert_eq!(ended.code, code, "{ended:?}");
        let document = ended.document();
        let failures = document["failures"].as_array().expect("an array");
        assert_eq!(failures.is_empty(), code == Some(0), "{failures:?}");
        let told = |failure: &Value| failure.as_str().is_some_and(|text| text.contains("no such library"));
        assert!(failures.iter().all(told), "{failures:?}");
        assert!(!ended.stderr.contains("hello"), "{ended:?}");
    }
}

const GOOD_PROGRAM: &str = r#"#!/bin/sh
echo 'hello, everybody' >&2
case $2 in
server) echo ready; exec sleep 60 ;;
client) echo '{"op_ns": 1000, "percentiles": null}' ;;
esac
"#;
