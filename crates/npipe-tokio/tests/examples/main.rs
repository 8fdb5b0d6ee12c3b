//! The examples, each in a process of its own, in a namespace of its own.

#![cfg(unix)]

#[path = "../../examples/echo.rs"]
mod echo;
#[path = "../../examples/framed.rs"]
mod framed;
#[path = "../../examples/grpc.rs"]
mod grpc;
#[path = "../../examples/http.rs"]
mod http;
#[path = "../../examples/service.rs"]
mod service;
#[path = "../../../npipe/tests/support/mod.rs"]
mod support;

use support::{Place, again};

/// What another process of these tests does.
fn play(role: &str, _root: &std::path::Path) {
    let outcome = match role {
        "echo" => echo::main().map_err(Into::into),
        "framed" => framed::main(),
        "grpc" => grpc::main(),
        "http" => http::main(),
        "service" => service::main(),
        _ => panic!("no such role: {role:?}"),
    };
    outcome.expect("it does as it says");
}

/// Runs an example, which has to print these lines.
#[track_caller]
fn prints(example: &str, lines: &[&str]) {
    let place = Place::new();
    let run = again(example, place.path()).env("NPIPE_ROOT", place.path()).output();
    let run = run.expect("this program can be started again");
    let (text, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{text}\n{errors}");
    for line in lines {
        // The harness does not end its own line before.
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

/// A program for Windows with its first line changed. semantics 24, 29, 52, 57
#[test]
fn a_program_for_windows() {
    prints("echo", &["client 1 was answered", "client 10 was answered"]);
}

/// semantics 91, 119
#[test]
fn frames() {
    prints("framed", &["hello -> HELLO", "and goodbye -> AND GOODBYE"]);
}

/// semantics 91, 119
#[test]
fn requests_of_http() {
    prints(
        "http",
        &["200 OK: you asked for /first", "200 OK: you asked for /second"],
    );
}

/// semantics 91, 119, 198
#[test]
fn calls_of_grpc() {
    let greeted = |name: &str| format!("hello {name}, says the server to process ");
    prints("grpc", &[&greeted("Ada"), &greeted("Grace")]);
}

/// semantics 99, 150
#[test]
fn a_service() {
    prints("service", &["stressed -> desserts", "drawer -> reward"]);
}
