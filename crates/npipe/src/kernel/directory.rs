//! Listing the pipes of the system, and asking about one.

use std::time::Duration;

use npipe_core::{Access, Direction, PipeName, ReadMode, SecurityQos, WaitMode};

use super::asked;
use crate::connect::{self, Wanted};
use crate::directory::Namespace;
use crate::error::Result;
use crate::info::{PipeDetails, PipeEntry, PipeMode};
use crate::sys::directory;

impl Namespace {
    pub(crate) fn list_all(&self) -> Result<Vec<PipeEntry>> {
        let listed = asked(directory::list(), &[]).map_err(|failure| failure.error("list"))?;
        let mut entries: Vec<PipeEntry> = listed
            .iter()
            .filter_map(|found| {
                let name = self.directory().own_name(&found.name)?;
                Some(PipeEntry::of_system(name, found.instances))
            })
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Asked on an end that is opened for this: there is no other way.
    pub(crate) fn details(&self, name: &PipeName) -> Result<PipeDetails> {
        let wanted = Wanted {
            access: Access {
                further: npipe_core::security::rights::READ_CONTROL,
                ..Access::NONE
            },
            mode: ReadMode::Byte,
            wait: WaitMode::Wait,
            qos: SecurityQos::default(),
            max_spin: Duration::ZERO,
            is_shareable: false,
        };
        let end = connect::open(self.directory(), name, &wanted, connect::ANSWER_TIME)?;
        let local = end.local().map_err(|failure| failure.error("info").about(name))?;
        Ok(PipeDetails {
            name: name.clone(),
            mode: if local.is_message {
                PipeMode::Message
            } else {
                PipeMode::Byte
            },
            direction: match local.configuration {
                0 => Direction::Inbound,
                1 => Direction::Outbound,
                _ => Direction::Duplex,
            },
            max_instances: local.max_instances,
            default_timeout: Duration::ZERO,
            server_pid: end.peer().ok().and_then(|peer| peer.pid),
            access: end
                .descriptor()
                .map_or_else(|_| String::new(), |descriptor| descriptor.to_string()),
            instance_count: local.instances,
            instances: Vec::new(),
        })
    }
}
