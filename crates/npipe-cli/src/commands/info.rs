//! `npipe info`: one pipe and its instances, asked of the server without taking
//! an instance.
//!
//! JSON: `{"name", "path", "mode": "byte"|"message", "direction":
//! "inbound"|"outbound"|"duplex", "instance_count", "max_instances", "default_timeout_ms",
//! "owner_uid", "server_pid", "access", "instances": [{"state":
//! "listening"|"connected"|"closing"|"disconnected", "server_pid", "server_command",
//! "in_buffer_bytes", "out_buffer_bytes", "age_ms", "in": null | {"bytes", "unread_bytes", "messages"},
//! "out": the same, "client": null | {"pid", "uid", "gid", "process", "command", "user"}}]}`; what cannot be known is
//! null, and `instances` may list fewer than `instance_count`, if they are very many. Directions are the server's:
//! inbound is client to server.

use std::time::Duration;

use npipe::{Direction, Flow, InstanceDetails, InstanceState, Peer, PipeDetails, PipeMode};
use serde_json::{Value, json};

use super::list::{limit, name_json};
use super::watch;
use crate::args::Info;
use crate::output;
use crate::people;
use crate::progress;
use crate::report::Failure;
use crate::table::{self, Cell, Frame, Tone};
use crate::target::{Target, printable, shown};

pub(super) fn run(args: &Info, as_json: bool) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    if as_json {
        return output::json(&details_json(&npipe::info(target.path())?));
    }
    watch::show(&args.watch, |frame| {
        Ok(details_text(&npipe::info(target.path())?, frame))
    })
}

fn details_text(details: &PipeDetails, frame: Frame) -> String {
    let pair = |key: &str, value: String| vec![Cell::new(key, Tone::Head), value.into()];
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
        pair("owner", people::user(details.owner_uid)),
        pair("access", printable(&details.access)),
    ];
    let head = table::head(["STATE", "AGE", "IN", "UNREAD", "OUT", "UNREAD", "SERVER", "CLIENT"]);
    let instances: Vec<_> = [head]
        .into_iter()
        .chain(details.instances.iter().map(instance_row))
        .collect();
    format!("{}\n{}", table::render(&facts, frame), table::render(&instances, frame))
}

fn instance_row(instance: &InstanceDetails) -> Vec<Cell> {
    let tone = match instance.state {
        InstanceState::Connected => Tone::Good,
        InstanceState::Closing | InstanceState::Disconnected => Tone::Note,
        InstanceState::Listening => Tone::Plain,
    };
    let [inbound, outbound] = flows(instance);
    vec![
        Cell::new(state(&instance.state), tone),
        instance.age.map_or_else(|| "-".to_owned(), age).into(),
        inbound.map_or_else(|| "-".to_owned(), |flow| passed(&flow)).into(),
        unread(inbound, instance.in_buffer_size),
        outbound.map_or_else(|| "-".to_owned(), |flow| passed(&flow)).into(),
        unread(outbound, instance.out_buffer_size),
        process(instance.server_pid).into(),
        instance
            .client
            .as_ref()
            .map_or_else(|| "-".to_owned(), people::peer)
            .into(),
    ]
}

/// In and out.
fn flows(instance: &InstanceDetails) -> [Option<Flow>; 2] {
    let traffic = instance.traffic;
    [
        traffic.map(|traffic| traffic.inbound),
        traffic.map(|traffic| traffic.outbound),
    ]
}

/// "1.5 kB in 3".
fn passed(flow: &Flow) -> String {
    let bytes = progress::bytes(flow.bytes as f64);
    match flow.messages {
        Some(messages) => format!("{bytes} in {messages}"),
        None => bytes,
    }
}

/// How full the quota is: "0 of 65.5 kB"; in a colour where writes wait.
fn unread(flow: Option<Flow>, quota: u32) -> Cell {
    let quota_text = progress::bytes(quota.into());
    match flow {
        Some(flow) => {
            let is_full = flow.unread_bytes > u64::from(quota) || (quota > 0 && flow.unread_bytes == u64::from(quota));
            let tone = if is_full { Tone::Bad } else { Tone::Plain };
            Cell::new(
                format!("{} of {quota_text}", progress::bytes(flow.unread_bytes as f64)),
                tone,
            )
        }
        None => format!("- of {quota_text}").into(),
    }
}

/// "3 s", "2 min", "5 h".
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn details_json(details: &PipeDetails) -> Value {
    let mut object = name_json(&details.name);
    let rest = json!({
        "mode": mode(&details.mode),
        "direction": direction(&details.direction),
        "instance_count": details.instance_count,
        "max_instances": details.max_instances,
        "default_timeout_ms": milliseconds(details.default_timeout),
        "owner_uid": details.owner_uid,
        "server_pid": details.server_pid,
        "access": details.access,
        "instances": details.instances.iter().map(instance_json).collect::<Vec<_>>(),
    });
    object.extend(rest.as_object().cloned().unwrap_or_default());
    Value::Object(object)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn instance_json(instance: &InstanceDetails) -> Value {
    let client = instance.client.as_ref().map(peer_json);
    let [inbound, outbound] = flows(instance).map(|flow| {
        flow.map(|flow| json!({ "bytes": flow.bytes, "unread_bytes": flow.unread_bytes, "messages": flow.messages }))
    });
    json!({
        "state": state(&instance.state),
        "server_pid": instance.server_pid,
        "server_command": instance.server_pid.and_then(people::command),
        "in_buffer_bytes": instance.in_buffer_size,
        "out_buffer_bytes": instance.out_buffer_size,
        "age_ms": instance.age.map(milliseconds),
        "in": inbound,
        "out": outbound,
        "client": client,
    })
}

fn peer_json(peer: &Peer) -> Value {
    json!({
        "pid": peer.pid,
        "uid": peer.uid,
        "gid": peer.gid,
        "process": peer.process,
        "command": peer.pid.and_then(people::command),
        "user": people::user(peer.uid),
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
    match pid.map(|pid| (pid, people::command(pid))) {
        None => "?".to_owned(),
        Some((pid, None)) => pid.to_string(),
        Some((pid, Some(command))) => format!("{pid} ({command})"),
    }
}
