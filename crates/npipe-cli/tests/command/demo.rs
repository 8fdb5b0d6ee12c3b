//! `npipe demo`.

use crate::{Root, end};

/// semantics 13, 46-47, 67, 99, 104, 154, 180
#[test]
fn the_demo_shows_real_processes_and_leaves_nothing() {
    let root = Root::new();
    let mut command = root.command(&["demo"]);
    command.env("TMPDIR", root.path());
    let ended = end(command.spawn().expect("the command starts"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for expected in [
        "ERROR_PIPE_BUSY (231)",
        "ERROR_MORE_DATA (234)",
        "ERROR_FILE_NOT_FOUND (2)",
        "\"was I tar a ti saw\"",
        "an empty message is a message too",
        "Unix seqpacket",
    ] {
        assert!(ended.stdout.contains(expected), "{expected}: {ended:?}");
    }
    assert_eq!(ended.stderr, "");
    let left = std::fs::read_dir(root.path()).expect("the directory").count();
    assert_eq!(left, 0);
}
