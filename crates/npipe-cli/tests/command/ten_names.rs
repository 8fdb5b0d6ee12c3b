//! Ten servers at once, seen by `list` and `info`.

use crate::{Root, Server};

const NAMES: [&str; 10] = [
    "plain",
    "UPPER",
    "with space",
    "caf\u{e9}",
    "\u{65e5}\u{672c}",
    "a\\b",
    "x\\",
    "<>*?|\":",
    "123",
    "\u{1f980}",
];

/// semantics 4-5, 38, 83: and asking takes no instance, however often.
#[test]
fn ten_names_are_listed_and_described() {
    let root = Root::new();
    let servers: Vec<Server> = NAMES
        .iter()
        .map(|name| root.serve(&[name, "--max-instances", "1", "--echo"]))
        .collect();

    for _ in 0..2 {
        let list = root.run(&["list", "--json"]).document();
        let list = list.as_array().expect("an array");
        assert_eq!(list.len(), NAMES.len());
        for (name, server) in NAMES.iter().zip(&servers) {
            let entry = list.iter().find(|entry| entry["name"] == *name).expect(name);
            assert_eq!(entry["server_pid"], server.pid(), "{name}");
            assert_eq!(entry["instances"], 1, "{name}");
            let info = root.run(&["info", name, "--json"]).document();
            assert_eq!(info["name"], *name);
            assert_eq!(info["instances"][0]["state"], "listening", "{name}");
        }
    }
    let list = root.run(&["list"]).stdout;
    let info = root.run(&["info", "plain"]).stdout;
    assert_eq!(list.lines().count(), NAMES.len() + 1, "{list}");
    assert!(list.contains(r"\\.\pipe\plain") && list.contains("1 of 1"), "{list}");
    assert!(info.contains("message") && info.contains("listening"), "{info}");
    for name in NAMES {
        assert_eq!(root.run(&["call", name, name]).stdout, name);
    }
}

/// semantics 4: a name is shown, not obeyed.
#[test]
fn a_hostile_name_does_not_reach_the_terminal() {
    let root = Root::new();
    let _server = root.serve(&["evil\u{1b}[2J\n"]);
    let list = root.run(&["list"]);
    assert!(!list.stdout.contains('\u{1b}'), "{list:?}");
    assert!(list.stdout.contains(r"evil\u{1b}[2J\u{a}"), "{list:?}");
    assert_eq!(list.stdout.lines().count(), 2);
}
