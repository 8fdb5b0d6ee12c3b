//! The machine-readable output: its shape is an interface.

use npipe::{ClientOptions, PipeMode, ServerOptions};
use serde_json::{Value, json};

use crate::Root;

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// semantics 47-48
#[test]
fn a_failure_is_one_object_on_stderr() {
    let root = Root::new();
    let _server = root.serve(&["room", "--max-instances", "1"]);
    let _client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\room")
        .expect("a free instance");
    let ended = root.run(&["connect", "room", "--json"]);
    assert_eq!(ended.code, Some(6));
    let error = ended.error();
    assert_eq!(keys(&error), ["hint", "message", "name", "win32"]);
    assert_eq!(
        (&error["win32"], &error["name"]),
        (&json!(231), &json!("ERROR_PIPE_BUSY"))
    );
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(error["hint"].as_str().is_some_and(|text| !text.is_empty()));
}

/// For usage errors as well.
#[test]
fn json_may_stand_anywhere() {
    let root = Root::new();
    let error = root.run(&["--json", "info", "nowhere"]).error();
    assert_eq!(error["name"], "ERROR_FILE_NOT_FOUND");
    let ended = root.run(&["wait", "--nonsense", "--json"]);
    assert_eq!((ended.code, &ended.error()["win32"]), (Some(2), &json!(87)));
    let ended = root.run(&["info", r"\\.\pipe\", "--json"]);
    assert_eq!(
        (ended.code, &ended.error()["name"]),
        (Some(2), &json!("ERROR_INVALID_NAME"))
    );
}

/// semantics 2, 37, 206
#[test]
fn list_tells_what_is_there() {
    let root = Root::new();
    assert_eq!(root.run(&["list", "--json"]).document(), json!([]));
    let mut server = root.serve(&["room", "--max-instances", "3"]);
    let pid = server.pid();
    let _client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\ROOM")
        .expect("a free instance");
    // By then it has made the next instance, or is about to.
    assert!(server.log_line().ends_with(" connected"));

    let list = root.run(&["list", "--json"]).document();
    let entry = &list[0];
    assert_eq!(
        keys(entry),
        [
            "answering",
            "connected",
            "direction",
            "instances",
            "max_instances",
            "mode",
            "name",
            "owner_uid",
            "path",
            "server_pid"
        ]
    );
    assert_eq!(entry["name"], "room");
    assert_eq!(entry["path"], r"\\.\pipe\room");
    assert_eq!(
        (&entry["server_pid"], &entry["max_instances"]),
        (&json!(pid), &json!(3))
    );
    assert_eq!(
        (&entry["direction"], &entry["connected"]),
        (&json!("duplex"), &json!(1))
    );
    assert_eq!((&entry["answering"], &entry["mode"]), (&json!(true), &json!("message")));
}

/// semantics 2, 37, 195-197: the pipe, and each of its instances.
#[test]
fn info_has_the_documented_shape() {
    let root = Root::new();
    let mut server = root.serve(&["room", "--max-instances", "3"]);
    let _client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\ROOM")
        .expect("a free instance");
    assert!(server.log_line().ends_with(" connected"));
    let info = root.run(&["info", "room", "--json"]).document();
    assert_eq!(
        keys(&info),
        [
            "access",
            "default_timeout_ms",
            "direction",
            "instance_count",
            "instances",
            "max_instances",
            "mode",
            "name",
            "owner_uid",
            "path",
            "server_pid"
        ]
    );
    assert_eq!(
        (&info["mode"], &info["direction"]),
        (&json!("message"), &json!("duplex"))
    );
    assert_eq!(info["default_timeout_ms"], 50);
    let instances = info["instances"].as_array().expect("an array");
    let taken = instances.iter().find(|instance| instance["state"] == "connected");
    let taken = taken.expect("the client's instance");
    assert_eq!(
        keys(taken),
        [
            "age_ms",
            "client",
            "in",
            "in_buffer_bytes",
            "out",
            "out_buffer_bytes",
            "server_command",
            "server_pid",
            "state"
        ]
    );
    assert_eq!(
        keys(&taken["client"]),
        ["command", "gid", "pid", "process", "uid", "user"]
    );
    assert!(taken["age_ms"].is_u64());
    let command = taken["server_command"].as_str().expect("it can be seen");
    assert!(command.ends_with("serve room --max-instances 3"), "{command}");
    assert_eq!(taken["client"]["pid"], std::process::id());
    assert_eq!(taken["in_buffer_bytes"], 65536);
}

/// What has passed so far, with the client's end of the account. semantics 163
#[test]
fn info_tells_what_has_passed() {
    let root = Root::new();
    let mut server = root.serve(&["room"]);
    let client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\room")
        .expect("a free instance");
    assert!(server.log_line().ends_with(" connected"));
    client.write(b"hello").expect("it is read");
    client.flush().expect("it is read");
    let info = root.run(&["info", "room", "--json"]).document();
    let instances = info["instances"].as_array().expect("an array");
    let taken = instances.iter().find(|instance| instance["state"] == "connected");
    let taken = taken.expect("the client's instance");
    assert_eq!(
        (&taken["in"], &taken["out"]),
        (
            &json!({"bytes": 5, "unread_bytes": 0, "messages": 1}),
            &json!({"bytes": 0, "unread_bytes": 0, "messages": 0})
        )
    );
    let listening = instances.iter().find(|instance| instance["state"] == "listening");
    if let Some(listening) = listening {
        assert_eq!((&listening["in"], &listening["age_ms"]), (&json!(null), &json!(null)));
    }
}

/// Of two processes that serve a name each tells of its own instances, and of one that is stopped nothing is told.
/// semantics 28
#[test]
fn info_tells_what_each_process_has() {
    let root = Root::new();
    let mut servers = [root.serve(&["room"]), root.serve(&["room"])];
    // Those who have listened longest are taken first: one of each.
    let open = || ClientOptions::new().root(root.path()).open(r"\\.\pipe\room");
    let clients = [open().expect("a free instance"), open().expect("a free instance")];
    for server in &mut servers {
        assert!(server.log_line().ends_with(" connected"));
    }
    for (client, text) in clients.iter().zip(["one", "three"]) {
        client.write(text.as_bytes()).expect("it is read");
        client.flush().expect("it is read");
    }
    let bytes_of = |info: &Value, server: &crate::Server| {
        let instances = info["instances"].as_array().expect("an array");
        let taken = instances
            .iter()
            .find(|instance| instance["server_pid"] == server.pid() && instance["state"] == "connected");
        let taken = taken.expect("the client's instance");
        assert_eq!(taken["client"]["pid"], std::process::id());
        assert!(taken["age_ms"].is_u64(), "{info}");
        taken["in"]["bytes"].clone()
    };
    let info = root.run(&["info", "room", "--json"]).document();
    let mut passed = servers.each_ref().map(|server| bytes_of(&info, server).as_u64());
    passed.sort_unstable();
    assert_eq!(passed, [Some(3), Some(5)], "{info}");

    let is_leader = |server: &crate::Server| info["server_pid"] == server.pid();
    let (leaders, followers): (Vec<_>, Vec<_>) = servers.iter().partition(|server| is_leader(server));
    followers[0].stop();
    let info = root.run(&["info", "room", "--json"]).document();
    assert!(bytes_of(&info, leaders[0]).is_u64(), "{info}");
    assert_eq!(bytes_of(&info, followers[0]), json!(null), "{info}");
}

/// What a pipe holds that nobody reads, as its server's answer has it. semantics 119, 142
#[test]
fn info_tells_how_full_a_pipe_is() {
    let root = Root::new();
    let server = ServerOptions::new()
        .root(root.path())
        .pipe_mode(PipeMode::Message)
        .read_mode(PipeMode::Message)
        .in_buffer_size(100)
        .create(r"\\.\pipe\full")
        .expect("a server");
    let client = ClientOptions::new()
        .root(root.path())
        .open(r"\\.\pipe\full")
        .expect("a free instance");
    for message in ["one", "twenty", ""] {
        client.write(message.as_bytes()).expect("it fits");
    }
    server.write(b"four").expect("it fits");
    let flows = || {
        let info = root.run(&["info", "full", "--json"]).document();
        let instance = &info["instances"][0];
        (instance["in"].clone(), instance["out"].clone())
    };
    assert_eq!(
        flows(),
        (
            json!({"bytes": 9, "unread_bytes": 9, "messages": 0}),
            json!({"bytes": 4, "unread_bytes": 4, "messages": 1})
        )
    );
    let mut message = [0; 100];
    server.read_message(&mut message).expect("a message");
    client.read(&mut message).expect("a message");
    assert_eq!(
        flows(),
        (
            json!({"bytes": 9, "unread_bytes": 6, "messages": 1}),
            json!({"bytes": 4, "unread_bytes": 0, "messages": 1})
        )
    );
    let shown = root.run(&["info", "full"]).stdout;
    assert!(shown.contains("9 B, 1 message  6 B of 100 B"), "{shown}");
}

/// By Win32 code or by name.
#[test]
fn errors_explains_one_or_all() {
    let root = Root::new();
    let all = root.run(&["errors", "--json"]).document();
    assert!(all.as_array().is_some_and(|all| all.len() > 20));
    assert_eq!(
        keys(&all[0]),
        ["errno", "hint", "message", "name", "nt_name", "ntstatus", "win32"]
    );
    let busy = root.run(&["errors", "231", "--json"]).document();
    let busy = busy.as_array().expect("an array");
    assert!(busy.iter().all(|row| row["name"] == "ERROR_PIPE_BUSY"));
    assert!(root.run(&["errors", "error_pipe_busy"]).stdout.contains("hint: "));
    let status = root.run(&["errors", "0xc00000ae", "--json"]).document();
    assert_eq!(status[0]["nt_name"], "STATUS_PIPE_BUSY");
    assert_eq!(root.run(&["errors", "none"]).code, Some(2));
}
