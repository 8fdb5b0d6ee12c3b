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

use std::cmp::Reverse;
use std::time::Duration;

use npipe::{Direction, Flow, InstanceDetails, InstanceState, Peer, PipeDetails, PipeMode};
use serde_json::{Value, json};

use super::list::{limit, name_json};
use super::watch;
use crate::args::{Info, InstanceColumn};
use crate::output;
use crate::people;
use crate::progress;
use crate::report::Failure;
use crate::sys;
use crate::table::{self, Cell, Frame, Tone};
use crate::target::{Target, printable, shown};

pub(super) fn run(args: &Info, as_json: bool) -> Result<(), Failure> {
    let target = Target::parse(&args.name)?;
    if as_json {
        return output::json(&details_json(&npipe::info(target.path())?));
    }
    watch::show(&args.watch, |frame| {
        let mut details = npipe::info(target.path())?;
        if let Some(column) = args.sort {
            sort(&mut details.instances, column);
        }
        let columns = if args.columns.is_empty() {
            &ALL[..]
        } else {
            &args.columns
        };
        Ok(details_text(&details, columns, frame))
    })
}

const ALL: [InstanceColumn; 8] = [
    InstanceColumn::State,
    InstanceColumn::Age,
    InstanceColumn::In,
    InstanceColumn::InUnread,
    InstanceColumn::Out,
    InstanceColumn::OutUnread,
    InstanceColumn::Server,
    InstanceColumn::Client,
];

fn title(column: InstanceColumn) -> &'static str {
    match column {
        InstanceColumn::State => "STATE",
        InstanceColumn::Age => "AGE",
        InstanceColumn::In => "IN",
        InstanceColumn::Out => "OUT",
        InstanceColumn::InUnread | InstanceColumn::OutUnread => "UNREAD",
        InstanceColumn::Server => "SERVER",
        InstanceColumn::Client => "CLIENT",
    }
}

/// Equals stay as they are, the oldest first.
fn sort(instances: &mut [InstanceDetails], column: InstanceColumn) {
    let flow = |instance: &InstanceDetails, place: usize, pick: fn(&Flow) -> u64| {
        Reverse(flows(instance)[place].as_ref().map(pick))
    };
    match column {
        InstanceColumn::State => instances.sort_by_key(|instance| state(&instance.state)),
        InstanceColumn::Age => instances.sort_by_key(|instance| Reverse(instance.age)),
        InstanceColumn::In => instances.sort_by_key(|instance| flow(instance, 0, |flow| flow.bytes)),
        InstanceColumn::InUnread => instances.sort_by_key(|instance| flow(instance, 0, |flow| flow.unread_bytes)),
        InstanceColumn::Out => instances.sort_by_key(|instance| flow(instance, 1, |flow| flow.bytes)),
        InstanceColumn::OutUnread => instances.sort_by_key(|instance| flow(instance, 1, |flow| flow.unread_bytes)),
        InstanceColumn::Server => instances.sort_by_key(|instance| instance.server_pid),
        InstanceColumn::Client => instances.sort_by_key(|instance| instance.client.as_ref().and_then(|peer| peer.pid)),
    }
}

fn details_text(details: &PipeDetails, columns: &[InstanceColumn], frame: Frame) -> String {
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
        pair("owner", people::owner(sys::owner_of(details))),
        pair("access", printable(&details.access)),
    ];
    let head = columns
        .iter()
        .map(|column| Cell::new(title(*column), Tone::Head))
        .collect();
    let rows = details.instances.iter();
    let rows = rows.map(|instance| columns.iter().map(|column| cell(instance, *column)).collect());
    let instances: Vec<_> = [head].into_iter().chain(rows).collect();
    format!("{}\n{}", table::render(&facts, frame), table::render(&instances, frame))
}

fn cell(instance: &InstanceDetails, column: InstanceColumn) -> Cell {
    let none = || "-".to_owned();
    let [inbound, outbound] = flows(instance);
    match column {
        InstanceColumn::State => {
            let tone = match instance.state {
                InstanceState::Connected => Tone::Good,
                InstanceState::Closing | InstanceState::Disconnected => Tone::Note,
                InstanceState::Listening => Tone::Plain,
            };
            Cell::new(state(&instance.state), tone)
        }
        InstanceColumn::Age => instance.age.map_or_else(none, age).into(),
        InstanceColumn::In => inbound.as_ref().map_or_else(none, passed).into(),
        InstanceColumn::InUnread => unread(inbound, instance.in_buffer_size),
        InstanceColumn::Out => outbound.as_ref().map_or_else(none, passed).into(),
        InstanceColumn::OutUnread => unread(outbound, instance.out_buffer_size),
        InstanceColumn::Server => process(instance.server_pid).into(),
        InstanceColumn::Client => instance.client.as_ref().map_or_else(none, people::peer).into(),
    }
}

/// In and out.
pub(super) fn flows(instance: &InstanceDetails) -> [Option<Flow>; 2] {
    let traffic = instance.traffic;
    [
        traffic.map(|traffic| traffic.inbound),
        traffic.map(|traffic| traffic.outbound),
    ]
}

/// "1.5 kB, 3 messages": what was written, and how many of them the server has read or written.
fn passed(flow: &Flow) -> String {
    let bytes = progress::bytes(flow.bytes as f64);
    match flow.messages {
        Some(1) => format!("{bytes}, 1 message"),
        Some(messages) => format!("{bytes}, {messages} messages"),
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
pub(super) fn age(age: Duration) -> String {
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
        "owner_uid": sys::owner_of(details),
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
    let ids = sys::ids_of(peer);
    json!({
        "pid": peer.pid,
        "uid": ids.map(|(uid, _)| uid),
        "gid": ids.map(|(_, gid)| gid),
        "process": peer.process,
        "command": peer.pid.and_then(people::command),
        "user": people::user_of(peer),
    })
}

pub(super) fn mode(mode: &PipeMode) -> &'static str {
    match mode {
        PipeMode::Byte => "byte",
        PipeMode::Message => "message",
        _ => "unknown",
    }
}

pub(super) fn direction(direction: &Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Duplex => "duplex",
    }
}

pub(super) fn state(state: &InstanceState) -> &'static str {
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
