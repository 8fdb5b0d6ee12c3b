//! `npipe list`: the names that are served, asked of their servers without
//! taking an instance.
//!
//! JSON: an array of
//! `{"name", "path", "mode": "byte"|"message", "owner_uid", "server_pid", "answering", "instances", "max_instances"}`,
//! where `max_instances` is 255 for unlimited (semantics 196), and what is unknown is null: of a server that does not
//! answer, `mode`, `instances`, `max_instances` and perhaps `server_pid`. A name that is not well-formed UTF-16 has its
//! units in `name_units` as well.

use npipe::{Namespace, PipeEntry, PipeName};
use serde_json::{Map, Value, json};

use super::columns;
use super::info::mode;
use crate::output;
use crate::report::Failure;
use crate::target::{printable, shown};

pub(super) fn run(as_json: bool) -> Result<(), Failure> {
    let namespace = Namespace::find()?;
    let entries = namespace.list()?;
    if as_json {
        return output::json(&Value::Array(entries.iter().map(entry_json).collect()));
    }
    if entries.is_empty() {
        let root = printable(&namespace.root().to_string_lossy());
        output::note(&format!("npipe: no pipes are served in {root}"));
        return Ok(());
    }
    // The name comes last: it may be long, and of letters of any width.
    let head = ["SERVER", "OWNER", "TYPE", "INSTANCES", "NAME"]
        .map(str::to_owned)
        .to_vec();
    let rows: Vec<_> = [head].into_iter().chain(entries.iter().map(entry_row)).collect();
    output::data(columns(&rows).as_bytes())
}

fn entry_row(entry: &PipeEntry) -> Vec<String> {
    let instances = match entry.answering {
        true => format!("{} of {}", entry.instances, limit(entry.max_instances)),
        false => "no answer".to_owned(),
    };
    vec![
        entry.server_pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string()),
        format!("uid {}", entry.owner_uid),
        entry.mode.as_ref().map_or("?", mode).to_owned(),
        instances,
        shown(&entry.name),
    ]
}

fn entry_json(entry: &PipeEntry) -> Value {
    let mut object = name_json(&entry.name);
    let answered = |number: u32| entry.answering.then_some(number);
    let rest = json!({
        "mode": entry.mode.as_ref().map(mode),
        "owner_uid": entry.owner_uid,
        "server_pid": entry.server_pid,
        "answering": entry.answering,
        "instances": answered(entry.instances),
        "max_instances": answered(entry.max_instances),
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
        limited => limited.to_string(),
    }
}
