//! `npipe info`: one pipe and its instances, asked of the server without taking
//! an instance.
//!
//! JSON: `{"name", "path", "mode": "byte"|"message", "direction":
//! "inbound"|"outbound"|"duplex", "instance_count", "max_instances", "default_timeout_ms",
//! "owner_uid", "server_pid", "access", "instances": [{"state":
//! "listening"|"connected"|"closing"|"disconnected", "server_pid",
//! "in_buffer_bytes", "out_buffer_bytes", "client": null | {"pid", "uid", "gid",
//! "process"}}]}`; ids that cannot be known are null, and `instances` may list
//! fewer than `instance_count`, if they are very many. Directions are the server's:
//! inbound is client to server.

use std::ffi::OsStr;

use npipe::{Direction, InstanceDetails, InstanceState, Peer, PipeDetails, PipeMode};
use serde_json::{Value, json};

use super::columns;
use super::list::{limit, name_json};
use crate::output;
use crate::report::Failure;
use crate::target::{Target, printable, shown};

pub(super) fn run(typed: &OsStr, as_json: bool) -> Result<(), Failure> {
    let target = Target::parse(typed)?;
    let details = npipe::info(target.path())?;
    if as_json {
        output::json(&details_json(&details))
    } else {
        output::data(details_text(&details).as_bytes())
    }
}

fn details_text(details: &PipeDetails) -> String {
    let pair = |key: &str, value: String| vec![key.to_owned(), value];
    let facts = [
        pair("name", shown(&details.name)),
        pair("type", mode(&details.mode).to_owned()),
        pair("direction", direction(&details.direction).to_owned()),
        pair(
            "instances",
            format!("{} of {}", details.instance_count, limit(details.max_instances)),
        ),
        pair(
            "default time-out",
            format!("{} ms", details.default_timeout.as_millis()),
        ),
        pair("server", process(details.server_pid)),
        pair("owner", format!("uid {}", details.owner_uid)),
        pair("access", printable(&details.access)),
    ];
    let head = ["STATE", "SERVER", "CLIENT", "IN BYTES", "OUT BYTES"]
        .map(str::to_owned)
        .to_vec();
    let instances: Vec<_> = [head]
        .into_iter()
        .chain(details.instances.iter().map(instance_row))
        .collect();
    format!("{}\n{}", columns(&facts), columns(&instances))
}

fn instance_row(instance: &InstanceDetails) -> Vec<String> {
    vec![
        state(&instance.state).to_owned(),
        process(instance.server_pid),
        instance.client.as_ref().map_or_else(|| "-".to_owned(), peer),
        instance.in_buffer_size.to_string(),
        instance.out_buffer_size.to_string(),
    ]
}

fn details_json(details: &PipeDetails) -> Value {
    let mut object = name_json(&details.name);
    let rest = json!({
        "mode": mode(&details.mode),
        "direction": direction(&details.direction),
        "instance_count": details.instance_count,
        "max_instances": details.max_instances,
        "default_timeout_ms": u64::try_from(details.default_timeout.as_millis()).unwrap_or(u64::MAX),
        "owner_uid": details.owner_uid,
        "server_pid": details.server_pid,
        "access": details.access,
        "instances": details.instances.iter().map(instance_json).collect::<Vec<_>>(),
    });
    object.extend(rest.as_object().cloned().unwrap_or_default());
    Value::Object(object)
}

fn instance_json(instance: &InstanceDetails) -> Value {
    let client = instance
        .client
        .as_ref()
        .map(|peer| json!({ "pid": peer.pid, "uid": peer.uid, "gid": peer.gid, "process": peer.process }));
    json!({
        "state": state(&instance.state),
        "server_pid": instance.server_pid,
        "in_buffer_bytes": instance.in_buffer_size,
        "out_buffer_bytes": instance.out_buffer_size,
        "client": client,
    })
}

pub(super) fn mode(mode: &PipeMode) -> &'static str {
    match mode {
        PipeMode::Byte => "byte",
        PipeMode::Message => "message",
        _ => "unknown",
    }
}

fn direction(direction: &Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Duplex => "duplex",
    }
}

fn state(state: &InstanceState) -> &'static str {
    match state {
        InstanceState::Listening => "listening",
        InstanceState::Connected => "connected",
        InstanceState::Closing => "closing",
        InstanceState::Disconnected => "disconnected",
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "?".to_owned(), |pid| format!("process {pid}"))
}

fn peer(peer: &Peer) -> String {
    let name = peer.process.as_deref().map(|name| format!(" ({})", printable(name)));
    format!("{}{}, uid {}", process(peer.pid), name.unwrap_or_default(), peer.uid)
}
