//! `npipe errors`: the table of errors, or one of them.
//!
//! JSON: an array of `{"win32", "name", "ntstatus", "nt_name", "errno",
//! "message", "hint"}`. Several NT statuses may share one Win32 code.

use npipe::Status;
use serde_json::{Value, json};

use crate::output;
use crate::report::Failure;
use crate::table::columns;

pub(super) fn run(wanted: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let statuses: Vec<Status> = match wanted {
        None => Status::all().collect(),
        Some(wanted) => Status::all().filter(|status| is(*status, wanted)).collect(),
    };
    if statuses.is_empty() {
        return Err(Failure::Usage(format!(
            "npipe: '{}' is no error of named pipes; 'npipe errors' lists them all\n",
            wanted.unwrap_or_default()
        )));
    }
    if as_json {
        return output::json(&statuses.into_iter().map(status_json).collect());
    }
    if wanted.is_some() {
        return output::data(statuses.into_iter().map(explained).collect::<String>().as_bytes());
    }
    let rows: Vec<_> = statuses.into_iter().map(row).collect();
    output::data(columns(&rows).as_bytes())
}

fn is(status: Status, wanted: &str) -> bool {
    let number = match wanted.strip_prefix("0x").or_else(|| wanted.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => wanted.parse(),
    };
    number.is_ok_and(|number| [status.win32(), status.ntstatus()].contains(&number))
        || wanted.eq_ignore_ascii_case(status.win32_name())
        || wanted.eq_ignore_ascii_case(status.name())
}

fn explained(status: Status) -> String {
    format!(
        "{} ({}), {} ({:#010X})\n  {}\n  hint: {}\n",
        status.win32_name(),
        status.win32(),
        status.name(),
        status.ntstatus(),
        status.meaning(),
        status.hint(),
    )
}

fn row(status: Status) -> Vec<String> {
    vec![
        status.win32().to_string(),
        status.win32_name().to_owned(),
        status.name().to_owned(),
        status.meaning().to_owned(),
    ]
}

fn status_json(status: Status) -> Value {
    json!({
        "win32": status.win32(),
        "name": status.win32_name(),
        "ntstatus": status.ntstatus(),
        "nt_name": status.name(),
        "errno": status.errno(),
        "message": status.meaning(),
        "hint": status.hint(),
    })
}
