//! `npipe bench`, with slices too short for true figures: its shape and its end.

use serde_json::Value;

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
