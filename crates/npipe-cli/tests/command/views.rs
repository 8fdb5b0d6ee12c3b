//! `list` and `info` for people, through a pipe.

use std::io::{BufRead, BufReader};

use npipe::{ClientOptions, PipeMode, ServerOptions};
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

/// Both tables by what is in the pipes, in any columns. semantics 119, 142
#[test]
fn tables_have_what_has_passed() {
    let root = Root::new();
    let options = || {
        let mut options = ServerOptions::new();
        options.root(root.path()).pipe_mode(PipeMode::Message);
        options
    };
    let open = |name: &str| {
        ClientOptions::new()
            .root(root.path())
            .open(name)
            .expect("a free instance")
    };
    let _quiet = options().create(r"\\.\pipe\quiet").expect("a server");
    let _first = options().create(r"\\.\pipe\room").expect("a server");
    let _second = options().create(r"\\.\pipe\room").expect("a server");
    let _one = open(r"\\.\pipe\room");
    let two = open(r"\\.\pipe\room");
    two.write(b"hello").expect("it fits");

    let pid = std::process::id();
    let words = [
        "--sort",
        "unread",
        "--columns",
        "name,direction,states,clients,in,out,unread",
    ];
    let list = root.run(&[&["list"], &words[..]].concat()).stdout;
    let row = |number: usize| -> Vec<_> {
        let cells = list.lines().nth(number).expect("a row").split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let clients = format!("{pid},{pid}");
    assert_eq!(
        row(1),
        [r"\\.\pipe\room", "duplex", "2 connected", &clients, "5 B", "0 B", "5 B"]
    );
    assert_eq!(
        row(2),
        [r"\\.\pipe\quiet", "duplex", "1 listening", "-", "0 B", "0 B", "0 B"]
    );

    let words = ["--sort", "in", "--columns", "in,in-unread,state"];
    let info = root.run(&[&["info", "room"], &words[..]].concat()).stdout;
    let (_, instances) = info.split_once("\n\n").expect("a table of instances");
    assert_eq!(
        instances,
        "IN               UNREAD          STATE\n\
         5 B, 0 messages  5 B of 65.5 kB  connected\n\
         0 B, 0 messages  0 B of 65.5 kB  connected\n"
    );
    for sort in ["state", "age", "in-unread", "out", "out-unread", "server", "client"] {
        assert_eq!(root.run(&["info", "room", "--sort", sort]).code, Some(0), "{sort}");
    }
    for sort in ["server", "owner", "in", "out", "age"] {
        assert_eq!(root.run(&["list", "--sort", sort]).code, Some(0), "{sort}");
    }
}
