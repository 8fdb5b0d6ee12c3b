//! Listing a namespace, and asking about one of its names: the servers are asked themselves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use npipe_core::PipeName;
use npipe_core::handshake::{InstanceReport, Message, PipeReport};

use crate::connect::{self, Account, Inquiry};
use crate::directory::Namespace;
use crate::error::{Error, Result};
use crate::info::{PipeDetails, PipeEntry};
use crate::sys::impersonation::with_own_files;
use crate::sys::namespace::{Entry, Root};

/// How long a listing waits for a batch of servers; those that are stopped must not hold it up for long.
pub(crate) const LISTING_TIME: Duration = Duration::from_secs(1);

/// How many servers a listing asks at once: each takes a descriptor.
pub(crate) const LISTING_BATCH: usize = 64;

impl Namespace {
    pub(crate) fn list_all(&self) -> Result<Vec<PipeEntry>> {
        let fail = |error| Error::from_sys(error, "list");
        let entries = self.directory().entries().map_err(fail)?;
        let mut listed = Vec::new();
        for batch in entries.chunks(LISTING_BATCH) {
            // All are asked before the first is waited for, so that those who do not answer are waited for together.
            let asked: Vec<Inquiry<'_>> = batch
                .iter()
                .map(|entry| connect::inquire(self.directory(), &entry.candidate))
                .collect();
            let deadline = Some(Instant::now() + LISTING_TIME);
            for (entry, inquiry) in batch.iter().zip(asked) {
                let answer = inquiry.answer(deadline).map_err(fail)?;
                listed.extend(self.look_at(entry, answer));
            }
        }
        listed.sort_by(|one, other| one.name.cmp(&other.name).then(one.owner_uid.cmp(&other.owner_uid)));
        Ok(listed)
    }

    fn look_at(&self, entry: &Entry, answer: Option<Account>) -> Option<PipeEntry> {
        let candidate = &entry.candidate;
        let owner_uid = candidate.uid;
        if let Some(Account { report, server }) = answer {
            // A server that claims another name than its entry's is none of ours.
            return (report.name.key() == candidate.key).then(|| PipeEntry {
                details: Some(PipeDetails::new(&report, &server)),
                name: report.name,
                owner_uid,
                server_pid: server.pid,
                answering: true,
                mode: Some(report.pipe_type.into()),
                instances: report.instance_count,
                max_instances: report.max_instances,
            });
        }
        if self
            .directory()
            .connect_until(candidate, Some(Instant::now()))
            .is_err_and(|error| connect::is_dead(error.kind()))
        {
            // Nobody will ever answer; ours is cleared away.
            let _ = self.directory().remove_dead(candidate);
            return None;
        }
        let name = PipeName::from_wtf8(entry.name.as_deref()?).ok()?;
        (name.key() == candidate.key).then_some(PipeEntry {
            name,
            owner_uid,
            server_pid: entry.pid,
            answering: false,
            mode: None,
            instances: 0,
            max_instances: 0,
            details: None,
        })
    }

    pub(crate) fn details(&self, name: &PipeName) -> Result<PipeDetails> {
        let deadline = Some(Instant::now() + connect::ANSWER_TIME);
        let Account { mut report, server } = connect::query(self.directory(), name, deadline)?;
        complete(self.directory(), &mut report, Instant::now() + LISTING_TIME);
        Ok(PipeDetails::new(&report, &server))
    }
}

/// Adds to an account what the other processes that serve the pipe say of their own instances: each alone knows what has
/// passed there. They are asked before the first is waited for; of one that does not answer in time nothing is added.
fn complete(root: &Root, report: &mut PipeReport, deadline: Instant) {
    let is_open = |instance: &&InstanceReport| instance.client.is_some() && instance.traffic.is_none();
    let pids: BTreeSet<u32> = report
        .instances
        .iter()
        .filter(is_open)
        .map(|instance| instance.server_pid)
        .collect();
    let others: Vec<u32> = pids.into_iter().filter(|&pid| pid != report.server_pid).collect();
    // The account may name any number of processes that are none, and each takes a descriptor.
    for batch in others.chunks(LISTING_BATCH) {
        if Instant::now() >= deadline {
            return;
        }
        let asked: Vec<(u32, connect::Conversation)> = batch
            .iter()
            .filter_map(|&pid| Some((pid, begin_with_member(root, &report.name, pid, Some(deadline))?)))
            .collect();
        for (pid, conversation) in asked {
            if let Ok(Some(answer)) = conversation.listen(Some(deadline).into())
                && let Message::Info(told) = answer.message
                && told.pipe_id == report.pipe_id
            {
                take_in_own(report, pid, told);
            }
        }
    }
}

fn begin_with_member(
    root: &Root,
    name: &PipeName,
    pid: u32,
    deadline: Option<Instant>,
) -> Option<connect::Conversation> {
    let request = Message::Query {
        name: Some(name.clone()),
        server_pid: Some(pid),
    };
    // As with every question: the directory is the process', at the socket the thread is who it is.
    with_own_files(|| {
        let candidates = root.candidates(&name.key()).ok()?;
        candidates
            .iter()
            .find_map(|candidate| connect::begin(root, candidate, &request, deadline).ok())
    })
}

/// Both list a process' instances in the order of their making. If their number has changed meanwhile, which is which is not
/// known any more.
fn take_in_own(report: &mut PipeReport, pid: u32, told: PipeReport) {
    let own_pid = told.server_pid;
    let own = told
        .instances
        .into_iter()
        .filter(|instance| instance.server_pid == own_pid);
    let own: Vec<InstanceReport> = own.collect();
    let places = report
        .instances
        .iter_mut()
        .filter(|instance| instance.server_pid == pid);
    let places: Vec<&mut InstanceReport> = places.collect();
    if places.len() == own.len() {
        for (place, instance) in places.into_iter().zip(own) {
            // Its process is who the first account says, from what the kernel has told.
            *place = InstanceReport {
                server_pid: pid,
                ..instance
            };
        }
    }
}
