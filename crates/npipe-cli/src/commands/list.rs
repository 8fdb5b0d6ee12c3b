//! `npipe list`: the names that are served, asked of their servers without
//! taking an instance.
//!
//! JSON: an array of
//! `{"name", "path", "mode": "byte"|"message", "direction": "inbound"|"outbound"|"duplex", "owner_uid", "server_pid",
//! "answering", "instances", "max_instances", "connected"}`, where `max_instances` is 255 for unlimited (semantics 196),
//! and what is unknown is null: of a server that does not answer, everything but `name`, `path`, `owner_uid` and perhaps
//! `server_pid`. A name that is not well-formed UTF-16 has its
//! units in `name_units` as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use npipe::{Flow, InstanceDetails, InstanceState, Namespace, PipeEntry, PipeName};
use serde_json::{Map, Value, json};

use super::info::{self, direction, mode};
use super::watch;
use crate::args::{Column, List, SortKey};
use crate::output;
use crate::people;
use crate::progress;
use crate::report::Failure;
use crate::sys;
use crate::table::{self, Cell, Tone};
use crate::target::{printable, shown};

/// What is printed unless asked otherwise. The name comes last: it may be long, and of letters of any width.
const USUAL: [Column; 6] = [
    Column::Server,
    Column::Command,
    Column::Owner,
    Column::Type,
    Column::Instances,
    Column::Name,
];

pub(super) fn run(args: &List, as_json: bool) -> Result<(), Failure> {
    let namespace = Namespace::find()?;
    if as_json {
        let entries = entries(&namespace, args)?;
        return output::json(&Value::Array(entries.iter().map(entry_json).collect()));
    }
    let columns = if args.columns.is_empty() {
        &USUAL[..]
    } else {
        &args.columns
    };
    watch::show(&args.watch, |frame| {
        let entries = entries(&namespace, args)?;
        if entries.is_empty() {
            let root = printable(&namespace.root().to_string_lossy());
            let matching = if args.glob.is_some() { " that match" } else { "" };
            if !args.watch.watch {
                output::note(&format!("npipe: no pipes{matching} are served in {root}"));
            }
            return Ok(String::new());
        }
        let head = columns
            .iter()
            .map(|column| Cell::new(title(*column), Tone::Head))
            .collect();
        let rows = entries.iter().map(|entry| row(entry, columns));
        Ok(table::render(
            &[head].into_iter().chain(rows).collect::<Vec<_>>(),
            frame,
        ))
    })
}

fn entries(namespace: &Namespace, args: &List) -> Result<Vec<PipeEntry>, Failure> {
    let mut entries = namespace.list()?;
    if let Some(glob) = &args.glob {
        let glob = folded(glob);
        entries.retain(|entry| matches(&glob, &folded(&entry.name.to_string())));
    }
    // They come by name, and equals stay so.
    match args.sort {
        SortKey::Name => {}
        SortKey::Server => entries.sort_by_key(|entry| entry.server_pid),
        SortKey::Owner => entries.sort_by_key(|entry| people::owner(sys::owner_of_entry(entry))),
        SortKey::Instances => entries.sort_by_key(|entry| Reverse(entry.instances)),
        SortKey::In => entries.sort_by_key(|entry| Reverse(passed(entry, |flows| flows[0].bytes))),
        SortKey::Out => entries.sort_by_key(|entry| Reverse(passed(entry, |flows| flows[1].bytes))),
        SortKey::Unread => entries.sort_by_key(|entry| Reverse(passed(entry, unread))),
        SortKey::Age => entries.sort_by_key(|entry| Reverse(age(entry))),
    }
    Ok(entries)
}

fn folded(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

/// Whether the text is what the glob says: `*` any characters, `?` one.
fn matches(glob: &[char], text: &[char]) -> bool {
    // Where to go on when the text does not fit: after the last star, which takes one more.
    let (mut at, mut star) = (0, None);
    let mut read = 0;
    while read < text.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                (at, read) = (after, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|c| *c == '*')
}

fn title(column: Column) -> &'static str {
    match column {
        Column::Server => "SERVER",
        Column::Command => "COMMAND",
        Column::Owner => "OWNER",
        Column::Type => "TYPE",
        Column::Direction => "DIRECTION",
        Column::Instances => "INSTANCES",
        Column::States => "STATES",
        Column::Clients => "CLIENTS",
        Column::In => "IN",
        Column::Out => "OUT",
        Column::Unread => "UNREAD",
        Column::Age => "AGE",
        Column::Name => "NAME",
    }
}

fn row(entry: &PipeEntry, columns: &[Column]) -> Vec<Cell> {
    let unknown = || "?".to_owned();
    let amount = |count: Option<u64>| count.map_or_else(unknown, |count| progress::bytes(count as f64));
    let cell = |column: &Column| match column {
        Column::Server => entry.server_pid.map_or_else(unknown, |pid| pid.to_string()).into(),
        Column::Command => entry
            .server_pid
            .and_then(people::command)
            .unwrap_or_else(unknown)
            .into(),
        Column::Owner => people::owner(sys::owner_of_entry(entry)).into(),
        Column::Type => entry.mode.as_ref().map_or("?", mode).into(),
        Column::Direction => match &entry.details {
            Some(details) => direction(&details.direction).into(),
            None => unknown().into(),
        },
        Column::Instances => match entry.answering {
            true => format!("{} of {}", entry.instances, limit(entry.max_instances)).into(),
            false => Cell::new("no answer", Tone::Bad),
        },
        Column::States => states(entry).into(),
        Column::Clients => clients(entry).into(),
        Column::In => amount(passed(entry, |flows| flows[0].bytes)).into(),
        Column::Out => amount(passed(entry, |flows| flows[1].bytes)).into(),
        Column::Unread => amount(passed(entry, unread)).into(),
        Column::Age => age(entry).map_or_else(|| "-".to_owned(), info::age).into(),
        Column::Name => shown(&entry.name).into(),
    };
    columns.iter().map(cell).collect()
}

/// How many instances have a client.
fn connected(entry: &PipeEntry) -> usize {
    let is_connected = |instance: &&InstanceDetails| instance.state == InstanceState::Connected;
    instances(entry).iter().filter(is_connected).count()
}

fn instances(entry: &PipeEntry) -> &[InstanceDetails] {
    entry.details.as_ref().map_or(&[], |details| &details.instances)
}

/// "2 connected, 1 listening".
fn states(entry: &PipeEntry) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for instance in instances(entry) {
        *counts.entry(info::state(&instance.state)).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    match counts.is_empty() {
        true => "?".to_owned(),
        false => counts.join(", "),
    }
}

/// The processes at the other ends.
fn clients(entry: &PipeEntry) -> String {
    let clients = instances(entry).iter().filter_map(|instance| instance.client.as_ref());
    let pids: Vec<_> = clients
        .map(|client| client.pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()))
        .collect();
    match pids.is_empty() {
        true => "-".to_owned(),
        false => pids.join(","),
    }
}

/// What all instances together have of that, as far as it is told; `None` of a server that does not answer.
fn passed(entry: &PipeEntry, pick: impl Fn([Flow; 2]) -> u64) -> Option<u64> {
    entry.details.as_ref()?;
    let flows = instances(entry).iter().filter_map(|instance| {
        let [inbound, outbound] = info::flows(instance);
        Some([inbound?, outbound?])
    });
    Some(flows.map(pick).fold(0, u64::saturating_add))
}

fn unread([inbound, outbound]: [Flow; 2]) -> u64 {
    inbound.unread_bytes.saturating_add(outbound.unread_bytes)
}

/// That of the oldest client.
fn age(entry: &PipeEntry) -> Option<Duration> {
    instances(entry).iter().filter_map(|instance| instance.age).max()
}

fn entry_json(entry: &PipeEntry) -> Value {
    let mut object = name_json(&entry.name);
    let answered = |number: u32| entry.answering.then_some(number);
    let rest = json!({
        "mode": entry.mode.as_ref().map(mode),
        "direction": entry.details.as_ref().map(|details| direction(&details.direction)),
        "owner_uid": sys::owner_of_entry(entry),
        "server_pid": entry.server_pid,
        "answering": entry.answering,
        "instances": answered(entry.instances),
        "max_instances": answered(entry.max_instances),
        "connected": entry.answering.then(|| connected(entry)),
    });
    object.extend(rest.as_object().cloned().unwrap_or_default());
    Value::Object(object)
}

/// `name` and `path` of a pipe, and `name_units` where text cannot hold it.
pub(super) fn name_json(name: &PipeName) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name.to_string()));
    object.insert("path".to_owned(), json!(name.path()));
    if String::from_utf16(name.units()).is_err() {
        object.insert("name_units".to_owned(), json!(name.units()));
    }
    object
}

/// The limit of instances in words (semantics 23).
pub(super) fn limit(max_instances: u32) -> String {
    match max_instances {
        255.. => "unlimited".to_owned(),
        // As Windows tells of a pipe in a listing.
        0 => "?".to_owned(),
        limited => limited.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 2: case does not count.
    #[test]
    fn globs() {
        let matches = |glob: &str, text: &str| matches(&folded(glob), &folded(text));
        for (glob, text) in [
            ("*", ""),
            ("*", "x"),
            ("sql*", "SQL\\query"),
            ("*a*b", "xaybab"),
            ("r?om", "Room"),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("", "x"), ("?", ""), ("a*b", "abc"), ("sql", "sql2"), ("*a*b", "ba")] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
    }
}
