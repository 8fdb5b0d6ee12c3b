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
    for picture in ["round-trip.png", "one-way.png"] {
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
        assert_eq!(sampled, cell["workload"] == "round-trip", "{cell}");
    }
    for verdict in document["targets"].as_array().expect("an array") {
        assert!(verdict["met"].is_boolean() && verdict["ratio"].is_number(), "{verdict}");
    }
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
            "op_ns",
            "op_ns_max",
            "op_ns_min",
            "per_second",
            "percentiles",
            "placement",
            "ratio_to_seqpacket",
            "size_bytes",
            "transport",
            "workload"
        ]
    );
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
            "p99_9_ns"
        ]
    );
    let mut transports = std::collections::BTreeSet::new();
    for line in lines {
        let values: Vec<_> = line.split(',').collect();
        let fixed = (values.len(), values[0], values[4]);
        assert_eq!(fixed, (head.len(), "round-trip", "3"), "{line}");
        assert!(values[5..].iter().all(|value| value.parse::<f64>().is_ok()), "{line}");
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
