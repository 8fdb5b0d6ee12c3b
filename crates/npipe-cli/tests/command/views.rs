//! `list` and `info` for people, through a pipe.

use std::io::{BufRead, BufReader};

use npipe::ClientOptions;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{Root, end};

/// semantics 2: names that match, in the order and with the columns that were asked for.
#[test]
fn a_list_is_what_was_asked_for() {
    let root = Root::new();
    let mut servers = Vec::new();
    for name in ["Sql\\query", "sql-other", "web"] {
        servers.push(root.serve(&[name, "--max-instances", "2"]));
    }
    let all = root.run(&["list", "--columns", "name,type,instances"]);
    assert_eq!(
        all.stdout,
        "NAME                TYPE     INSTANCES\n\
         \\\\.\\pipe\\sql-other  message  1 of 2\n\
         \\\\.\\pipe\\Sql\\query  message  1 of 2\n\
         \\\\.\\pipe\\web        message  1 of 2\n",
        "{all:?}"
    );
    let some = root.run(&["list", "SQL*", "--json"]).document();
    let names: Vec<_> = some
        .as_array()
        .expect("an array")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, [&json!("sql-other"), &json!("Sql\\query")]);
    // A second instance, once the first has a client.
    let _client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\web")
        .expect("a free instance");
    assert!(servers[2].log_line().ends_with(" connected"));
    assert_eq!(root.run(&["wait", "web"]).code, Some(0));
    let sorted = root.run(&["list", "--sort", "instances", "--columns", "name"]).stdout;
    assert_eq!(sorted.lines().nth(1), Some(r"\\.\pipe\web"), "{sorted}");
    let none = root.run(&["list", "nothing*"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.contains("no pipes that match"), "{none:?}");
    for wrong in [["--sort", "colour"], ["--columns", "name,colour"], ["--interval", "1s"]] {
        assert_eq!(root.run(&[&["list"], &wrong[..]].concat()).code, Some(2), "{wrong:?}");
    }
    let both = root.run(&["list", "--watch", "--json"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

/// Through a pipe each look is a table of its own, until an interrupt.
#[test]
fn a_watch_goes_on_until_it_is_interrupted() {
    let root = Root::new();
    let _server = root.serve(&["room"]);
    let words = ["list", "--watch", "--interval", "10ms", "--columns", "name"];
    let mut child = root.command(&words).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a stdout")).lines();
    for expected in ["NAME", r"\\.\pipe\room", "", "NAME", r"\\.\pipe\room"] {
        assert_eq!(lines.next().and_then(Result::ok).as_deref(), Some(expected));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("the signal is sent");
    assert_eq!(end(child).code, Some(130));
}
