//! What can be done with names alone: waiting, calling, listing, asking.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(doc)]
use npipe_core::Status;
use npipe_core::handshake::{InstanceReport, Message, PipeReport};
use npipe_core::name::NameUse;
use npipe_core::{PipeName, ReadOutcome};

use crate::connect::{self, Account, Inquiry, Waiting};
use crate::error::{Error, Explain, Result};
use crate::impersonation;
use crate::info::{PipeDetails, PipeEntry, PipeMode};
use crate::options::{ClientOptions, find_root, parse};
use crate::sys::impersonation::with_own_files;
use crate::sys::namespace::{Entry, Root};

/// How long a listing waits for a batch of servers; those that are stopped must not hold it up for long.
pub(crate) const LISTING_TIME: Duration = Duration::from_secs(1);

/// How many servers a listing asks at once: each takes a descriptor.
pub(crate) const LISTING_BATCH: usize = 64;

/// The directory in which servers and clients meet.
///
/// The usual one is `$NPIPE_ROOT`, else `/run/npipe` where that exists, else the user's own: `/run/user/UID/npipe`, or
/// `/tmp/npipe-UID` where there is no such directory.
#[derive(Clone, Debug)]
pub struct Namespace {
    root: Root,
}

impl Namespace {
    /// The usual one.
    ///
    /// # Errors
    /// [`Status::AccessDenied`], [`Status::ObjectPathNotFound`]: it cannot be used; the detail says why.
    pub fn find() -> Result<Namespace> {
        Ok(Namespace {
            root: find_root(None, "find the namespace")?,
        })
    }

    /// A directory of your choice. It is made if its parent exists.
    ///
    /// # Errors
    /// As [`Namespace::find`].
    pub fn at(directory: impl Into<PathBuf>) -> Result<Namespace> {
        Ok(Namespace {
            root: find_root(Some(&directory.into()), "open the namespace")?,
        })
    }

    pub(crate) fn directory(&self) -> &Root {
        &self.root
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Waits until an instance listens; see [`wait`].
    ///
    /// # Errors
    /// As [`wait`].
    pub fn wait(&self, name: impl AsRef<OsStr>, timeout: Option<Duration>) -> Result<()> {
        let name = parse(name.as_ref(), NameUse::Wait, "wait")?;
        impersonation::require_acting().explain("wait", &name)?;
        connect::wait(&self.root, &name, timeout)
    }

    /// Asks for an instance without waiting in the call, for other surfaces; see [`wait`].
    ///
    /// # Errors
    /// As [`wait`].
    pub fn begin_wait(&self, name: impl AsRef<OsStr>, timeout: Option<Duration>) -> Result<Waiting> {
        let name = parse(name.as_ref(), NameUse::Wait, "wait")?;
        Waiting::begin(&self.root, &name, timeout)
    }

    /// Opens, transacts and closes; see [`call`].
    ///
    /// # Errors
    /// As [`call`].
    pub fn call(
        &self,
        name: impl AsRef<OsStr>,
        request: &[u8],
        reply: &mut [u8],
        timeout: Duration,
    ) -> Result<ReadOutcome> {
        let name = parse(name.as_ref(), NameUse::Open, "call")?;
        let deadline = Instant::now().checked_add(timeout);
        let mut options = ClientOptions::new();
        let client = options
            .pipe_mode(PipeMode::Message)
            .connect_timeout(timeout)
            .open_in(&self.root, &name)?;
        client.transact_until(request, reply, deadline)
    }

    /// All pipes that are served; see [`list`].
    ///
    /// # Errors
    /// As [`list`].
    pub fn list(&self) -> Result<Vec<PipeEntry>> {
        with_own_files(|| self.list_all())
    }

    fn list_all(&self) -> Result<Vec<PipeEntry>> {
        let fail = |error| Error::from_sys(error, "list");
        let entries = self.root.entries().map_err(fail)?;
        let mut listed = Vec::new();
        for batch in entries.chunks(LISTING_BATCH) {
            // All are asked before the first is waited for, so that those who do not answer are waited for together.
            let asked: Vec<Inquiry<'_>> = batch
                .iter()
                .map(|entry| connect::inquire(&self.root, &entry.candidate))
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
            .root
            .connect_until(candidate, Some(Instant::now()))
            .is_err_and(|error| connect::is_dead(error.kind()))
        {
            // Nobody will ever answer; ours is cleared away.
            let _ = self.root.remove_dead(candidate);
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

    /// Everything about one pipe; see [`info`].
    ///
    /// # Errors
    /// As [`info`].
    pub fn info(&self, name: impl AsRef<OsStr>) -> Result<PipeDetails> {
        let name = parse(name.as_ref(), NameUse::Open, "info")?;
        let deadline = Some(Instant::now() + connect::ANSWER_TIME);
        let Account { mut report, server } = connect::query(&self.root, &name, deadline)?;
        complete(&self.root, &mut report, Some(Instant::now() + LISTING_TIME));
        Ok(PipeDetails::new(&report, &server))
    }
}

/// Adds to an account what the other processes that serve the pipe say of their own instances: each alone knows what has
/// passed there. All are asked before the first is waited for; of one that does not answer in time nothing is added.
fn complete(root: &Root, report: &mut PipeReport, deadline: Option<Instant>) {
    let is_open = |instance: &&InstanceReport| instance.client.is_some() && instance.traffic.is_none();
    let pids: BTreeSet<u32> = report
        .instances
        .iter()
        .filter(is_open)
        .map(|instance| instance.server_pid)
        .collect();
    let asked: Vec<(u32, connect::Conversation)> = pids
        .into_iter()
        .filter(|&pid| pid != report.server_pid)
        .filter_map(|pid| Some((pid, begin_with_member(root, &report.name, pid, deadline)?)))
        .collect();
    for (pid, conversation) in asked {
        if let Ok(Some(answer)) = conversation.listen(deadline.into())
            && let Message::Info(told) = answer.message
            && told.pipe_id == report.pipe_id
        {
            take_in_own(report, pid, told);
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

/// Waits until an instance of the pipe listens. Win32 equivalent: WaitNamedPipe.
///
/// Nothing is reserved: an open that follows may still find all instances busy. `None` waits for ever
/// (NMPWAIT_WAIT_FOREVER), zero as long as the server says (NMPWAIT_USE_DEFAULT_WAIT).
///
/// # Errors
/// * [`Status::ObjectNameNotFound`]: nobody serves the name, or no longer.
/// * [`Status::IoTimeout`]: all instances were busy all the time.
/// * [`Status::ObjectPathSyntaxBad`]: not the name of a pipe.
#[doc(alias = "WaitNamedPipe")]
pub fn wait(name: impl AsRef<OsStr>, timeout: Option<Duration>) -> Result<()> {
    Namespace::find()?.wait(name, timeout)
}

/// Opens a message pipe, sends a request, reads the reply and closes. Win32 equivalent: CallNamedPipe.
///
/// The time-out covers the wait for an instance and the wait for the reply; Win32's covers the first only. What does not
/// fit in `reply` is lost, and `more` says so.
///
/// # Errors
/// Those of [`ClientOptions::open`] and of [`PipeStream::transact`](crate::PipeStream::transact);
/// [`Status::InvalidParameter`] for a byte pipe.
///
/// ```
/// # fn main() -> npipe::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let directory = temporary.path();
/// use npipe::{Namespace, PipeMode, ServerOptions};
/// use std::time::Duration;
///
/// let server = ServerOptions::new().root(directory).pipe_mode(PipeMode::Message).create(r"\\.\pipe\time")?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         server.connect()?;
///         let mut request = [0; 16];
///         server.read(&mut request)?;
///         server.write(b"noon")
///     });
///     let mut reply = [0; 16];
///     let namespace = Namespace::at(directory)?;
///     let outcome = namespace.call(r"\\.\pipe\time", b"now?", &mut reply, Duration::from_secs(10))?;
///     assert_eq!(&reply[..outcome.bytes], b"noon");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "CallNamedPipe")]
pub fn call(name: impl AsRef<OsStr>, request: &[u8], reply: &mut [u8], timeout: Duration) -> Result<ReadOutcome> {
    Namespace::find()?.call(name, request, reply, timeout)
}

/// All pipes that are served in the usual namespace, by name. Takes no instance. Win32 equivalent: listing `\\.\pipe\`.
///
/// A server that does not answer within a second is listed as not answering. What servers left behind that have died is
/// not listed, and removed where it is ours.
///
/// # Errors
/// [`Status::AccessDenied`], [`Status::ObjectPathNotFound`]: the namespace cannot be used.
#[doc(alias = "FindFirstFile")]
pub fn list() -> Result<Vec<PipeEntry>> {
    Namespace::find()?.list()
}

/// Everything about one pipe. Takes no instance. Win32 equivalent: GetNamedPipeInfo and more, without a handle.
///
/// # Errors
/// * [`Status::ObjectNameNotFound`]: nobody serves the name.
/// * [`Status::PipeNotAvailable`]: the server has not answered for 10 s.
/// * [`Status::ObjectNameInvalid`], [`Status::ObjectPathNotFound`]: not the name of a pipe.
#[doc(alias = "GetNamedPipeInfo")]
pub fn info(name: impl AsRef<OsStr>) -> Result<PipeDetails> {
    Namespace::find()?.info(name)
}
