//! The client's side of the door: finding a server, asking, and becoming a connection.
//!
//! A server can vanish between being found and answering; then the namespace is looked at again, a bounded number of
//! times. A server that does not answer at all is reported as busy once the time is over.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use npipe_core::handshake::{Connection, Decoder, Message, PipeReport};
use npipe_core::{
    Access, PipeName, PipeType, ReadMode, SecurityDescriptor, SecurityInformation, SecurityQos, Status, WaitMode,
};
use npipe_shm::layout::{Layout, Side};
use npipe_shm::memory::Memory;

use crate::background;
use crate::end::link::Link;
use crate::end::{End, Handle, Home, Shape};
use crate::error::{Error, Result};
use crate::host;
use crate::patience::Patience;
use crate::sys::forks::ProcessFd;
use crate::sys::identity::{self, PeerCredentials};
use crate::sys::impersonation::with_own_files;
use crate::sys::namespace::{Candidate, Root};
use crate::sys::segment::Segment;
use crate::sys::socket::Received;
use crate::sys::{SysError, SysResult, cpu, socket};

/// How long a server may take to answer (it answers at once unless it is stopped).
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(10);

/// What a server gets at least, however short the caller's time-out is: one that runs is not to be missed for being slow.
const MIN_ANSWER_TIME: Duration = Duration::from_secs(1);

/// How often a server that vanishes while we talk to it is looked for again.
const ATTEMPTS: usize = 16;

/// How soon servers answer.
static ANSWERS: Patience = Patience::new();

/// How long an answer is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    deadline: Option<Instant>,
    /// For so long it is looked for, at most, before one sleeps until it comes.
    max_spin: Duration,
}

impl From<Option<Instant>> for Time {
    fn from(deadline: Option<Instant>) -> Time {
        let max_spin = Duration::ZERO;
        Time { deadline, max_spin }
    }
}

/// An answer, the descriptor that came with it, and the socket it came by.
pub(crate) struct Answer {
    pub(crate) message: Message,
    descriptor: Option<ProcessFd>,
    conversation: Conversation,
}

/// A request on its way.
pub(crate) struct Conversation {
    socket: ProcessFd,
    decoder: Decoder,
}

/// Answers seldom have more.
const ANSWER_BYTES: usize = 4096;

/// A message, and the descriptor that came with it.
type Heard = (Message, Option<ProcessFd>);

/// What ends an attempt to talk.
enum Failure {
    /// Nobody answers for the name, or no longer: look again.
    Vanished,
    Failed(Error),
}

/// What a client asks for besides the name.
pub(crate) struct Wanted {
    pub(crate) access: Access,
    pub(crate) mode: ReadMode,
    pub(crate) wait: WaitMode,
    pub(crate) qos: SecurityQos,
    pub(crate) max_spin: Duration,
    pub(crate) is_shareable: bool,
}

impl Wanted {
    /// What SetNamedPipeHandleState would say to modes other than those that a client begins with (semantics 203, 204).
    fn check_modes(&self, pipe_type: PipeType, access: Access) -> Result<(), Status> {
        match (self.mode, pipe_type) {
            (ReadMode::Byte, _) => Ok(()),
            (ReadMode::Message, PipeType::Byte) => Err(Status::InvalidParameter),
            (ReadMode::Message, PipeType::Message) => access.require_write_attributes(),
        }
    }
}

/// Opens a client end (semantics 46-60). A server gets `patience` to answer, within limits.
pub(crate) fn open(root: &Root, name: &PipeName, wanted: &Wanted, patience: Duration) -> Result<Handle> {
    let request = Message::Open {
        name: name.clone(),
        access: wanted.access,
        qos: wanted.qos,
        processor: Some(cpu::current()).filter(|&here| here != cpu::UNKNOWN),
    };
    // What can be missing here is found missing before an instance is taken.
    background::start().map_err(|error| Error::from_sys(error, "open").about(name))?;
    let time = Time {
        deadline: Some(Instant::now() + patience.clamp(MIN_ANSWER_TIME, ANSWER_TIME)),
        max_spin: wanted.max_spin,
    };
    let answer = ask(root, name, &request, "open", time)?;
    let fail = |status| Error::new(status, "open").about(name);
    match &answer.message {
        Message::Opened(connection) => {
            let connection = connection.clone();
            become_end(root, name, wanted, &connection, answer)
        }
        Message::Refused { status } => Err(fail(*status)),
        _ => Err(fail(Status::PeerMisbehaved).because("the server gave an answer that does not fit")),
    }
}

fn become_end(root: &Root, name: &PipeName, wanted: &Wanted, opened: &Connection, answer: Answer) -> Result<Handle> {
    let fail = |error: SysError| Error::from_sys(error, "open").about(name);
    let wrong = |why: &'static str| Error::new(Status::PeerMisbehaved, "open").about(name).because(why);
    let layout = Layout::new(opened.out_quota, opened.in_quota);
    if opened.segment_bytes != layout.total_bytes() {
        return Err(wrong(
            "the server's segment has another layout: its version of npipe differs",
        ));
    }
    let descriptor = answer.descriptor.ok_or_else(|| wrong("the server sent no segment"))?;
    let segment = Segment::attach(&descriptor, layout.total_bytes(), Layout::first_bytes() as usize).map_err(fail)?;
    let kept = wanted.is_shareable.then_some(descriptor);
    let socket = answer.conversation.socket;
    let peer = identity::server_credentials(socket.as_fd()).map_err(fail)?;
    let peer = served_by(peer, opened.listener_pid, opened.server_pid);
    let server_uid = peer.uid;
    let link = Link::new(
        segment,
        layout,
        Side::Client,
        Arc::new(socket),
        peer.into(),
        wanted.max_spin,
        kept,
    );
    let answered_on = &link.control().end(Side::Server).attention.0.processor;
    ANSWERS.seen_on(answered_on.load(Ordering::Relaxed));
    let refuse = |status| Error::new(status, "open").about(name);
    // Of what the server grants only what was asked for, unless that was all there is.
    let granted = match wanted.access.is_maximum() {
        true => opened.access.within(opened.direction),
        false => wanted.access,
    };
    let access = granted.of_client(opened.direction).map_err(refuse)?;
    // Decided here: a server that disconnects at once takes nothing away from the success of the open.
    wanted.check_modes(opened.pipe_type, access).map_err(refuse)?;
    let shape = Shape {
        name: name.clone(),
        root: root.clone(),
        pipe_type: opened.pipe_type,
        access,
        max_instances: opened.max_instances,
        out_quota: opened.out_quota,
        in_quota: opened.in_quota,
        max_spin: wanted.max_spin,
        is_shareable: wanted.is_shareable,
        creator: identity::own_pid(),
    };
    // semantics 55: whatever the server's modes are, a client begins with its own.
    let home = Home::Client {
        pipe_id: opened.pipe_id,
    };
    let end = Handle::new(End::new(shape, home, wanted.mode, wanted.wait));
    let pipe = (opened.pipe_id, server_uid);
    let _ = end.security.set(host::security_of(root, name, pipe, &opened.security));
    end.attach(&link);
    background::watch_peer(&link, end.downgrade()).map_err(fail)?;
    Ok(end)
}

/// The process behind a socket, of which the kernel knows only who made the listening one. Another process of the same user
/// may have taken that over, or the client; it is named by the server, whose numbers mean the same here if both agree on
/// that of the maker. It must really be that user's: a server does not pass for somebody else.
fn served_by(mut maker: PeerCredentials, listener_pid: u32, server_pid: u32) -> PeerCredentials {
    if listener_pid != server_pid {
        let is_known = maker.pid == Some(listener_pid) && identity::user_of(server_pid) == Some(maker.uid);
        maker.pid = is_known.then_some(server_pid);
    }
    maker
}

/// Waits until an instance listens (semantics 81-89). `None` waits for ever, zero takes the pipe's default.
pub(crate) fn wait(root: &Root, name: &PipeName, timeout: Option<Duration>) -> Result<()> {
    let mut waiting = Waiting::begin(root, name, timeout)?;
    while !waiting.is_over() {
        waiting.listen(waiting.deadline)?;
    }
    Ok(())
}

/// A wait for an instance that a server knows of, and whose answer can be waited for in any way: its descriptor becomes
/// readable then.
pub struct Waiting {
    root: Root,
    name: PipeName,
    timeout: Option<Duration>,
    start: Instant,
    deadline: Option<Instant>,
    /// With the server that will say so; none when an instance listens.
    conversation: Option<Conversation>,
}

impl Waiting {
    const OPERATION: &str = "wait";

    fn fail(&self, status: Status) -> Error {
        Error::new(status, Self::OPERATION).about(&self.name)
    }

    /// Asks for an instance.
    pub(crate) fn begin(root: &Root, name: &PipeName, timeout: Option<Duration>) -> Result<Waiting> {
        let mut waiting = Waiting {
            root: root.clone(),
            name: name.clone(),
            timeout,
            start: Instant::now(),
            deadline: None,
            conversation: None,
        };
        let patience = match timeout {
            None => None,
            // How long that is, the server will say.
            Some(Duration::ZERO) => Some(ANSWER_TIME),
            Some(timeout) => Some(timeout.max(MIN_ANSWER_TIME)),
        };
        waiting.ask(patience.and_then(|patience| waiting.start.checked_add(patience)))?;
        Ok(waiting)
    }

    fn ask(&mut self, deadline: Option<Instant>) -> Result<()> {
        let request = Message::Wait {
            name: self.name.clone(),
        };
        let asked = ask(&self.root, &self.name, &request, Self::OPERATION, deadline.into());
        let answer = asked.map_err(|error| match error.status() {
            // Only silence is busy here: to one who waits, a time-out.
            Status::PipeNotAvailable => error.with_status(Status::IoTimeout),
            _ => error,
        })?;
        self.conversation = Some(answer.conversation);
        self.take_in(&answer.message)
    }

    fn take_in(&mut self, answer: &Message) -> Result<()> {
        match answer {
            Message::Ready => {
                self.conversation = None;
                Ok(())
            }
            Message::Refused { status } => Err(self.fail(*status)),
            Message::Waiting { default_timeout_ms } => {
                let timeout = match self.timeout {
                    Some(Duration::ZERO) => Some(Duration::from_millis((*default_timeout_ms).into())),
                    other => other,
                };
                self.deadline = timeout.and_then(|timeout| self.start.checked_add(timeout));
                // A server can say so for as long as it likes.
                match self.deadline {
                    Some(deadline) if deadline <= Instant::now() => Err(self.fail(Status::IoTimeout)),
                    _ => Ok(()),
                }
            }
            _ => Err(self.fail(Status::PeerMisbehaved)),
        }
    }

    /// Whether an instance listens.
    pub fn is_over(&self) -> bool {
        self.conversation.is_none()
    }

    /// When it is too late for an answer.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes in what the server has said by now; to be done before its descriptor is waited for, too. If it has gone, whoever serves the name now is asked instead, which may
    /// block for as long as a stopped process does not answer.
    ///
    /// # Errors
    /// As [`wait`](crate::wait).
    pub fn look(&mut self) -> Result<()> {
        /// An honest server says two things.
        const MESSAGES: usize = 16;
        for _ in 0..MESSAGES {
            if self.is_over() {
                return Ok(());
            }
            match self.listen(Some(Instant::now())) {
                Ok(()) => {}
                Err(error) if error.status() != Status::IoTimeout => return Err(error),
                Err(error) if self.deadline.is_some_and(|end| end <= Instant::now()) => return Err(error),
                Err(_) => return Ok(()),
            }
        }
        Err(self.fail(Status::PeerMisbehaved))
    }

    fn listen(&mut self, deadline: Option<Instant>) -> Result<()> {
        let Some(conversation) = &mut self.conversation else {
            return Ok(());
        };
        match conversation.hear(deadline) {
            Ok(Some((message, _))) => self.take_in(&message),
            // The process that kept the name ended; another may keep it now (semantics 89).
            Ok(None) => self.ask(self.deadline),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(self.fail(Status::IoTimeout)),
            Err(error) => Err(Error::from_sys(error, Self::OPERATION).about(&self.name)),
        }
    }
}

/// Of a wait that is not over.
///
/// # Panics
/// If it is.
impl AsFd for Waiting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.conversation {
            Some(conversation) => conversation.socket.as_fd(),
            None => unreachable!("a wait that is over has no descriptor"),
        }
    }
}

/// What a server says about its pipe, and who it is by the kernel's word.
pub(crate) struct Account {
    pub(crate) report: PipeReport,
    pub(crate) server: PeerCredentials,
}

/// Asks about a pipe without taking an instance.
pub(crate) fn query(root: &Root, name: &PipeName, deadline: Option<Instant>) -> Result<Account> {
    let request = Message::Query {
        name: Some(name.clone()),
        server_pid: None,
    };
    let answer = ask(root, name, &request, "info", deadline.into())?;
    let fail = |status| Error::new(status, "info").about(name);
    match answer.message {
        Message::Info(report) if report.name == *name => {
            let maker = identity::server_credentials(answer.conversation.socket.as_fd())
                .map_err(|error| Error::from_sys(error, "info").about(name))?;
            let server = served_by(maker, report.listener_pid, report.server_pid);
            Ok(Account { report, server })
        }
        Message::Refused { status } => Err(fail(status)),
        _ => Err(fail(Status::PeerMisbehaved)),
    }
}

/// Changes parts of the descriptor of a pipe, which `pipe_id` tells from later ones of its name.
pub(crate) fn set_security(
    root: &Root,
    name: &PipeName,
    pipe_id: u64,
    (parts, security): (SecurityInformation, &SecurityDescriptor),
) -> Result<()> {
    const OPERATION: &str = "set_security";
    let request = Message::SetSecurity {
        pipe_id,
        parts,
        security: security.clone(),
    };
    let deadline = Some(Instant::now() + ANSWER_TIME);
    let answer = ask(root, name, &request, OPERATION, deadline.into())?;
    let fail = |status| Error::new(status, OPERATION).about(name);
    match answer.message {
        Message::SecuritySet => Ok(()),
        Message::Refused { status } => Err(fail(status)),
        _ => Err(fail(Status::PeerMisbehaved)),
    }
}

/// What there is to know about whatever is served there.
const ANYTHING: Message = Message::Query {
    name: None,
    server_pid: None,
};

/// A question to whoever answers at one entry of the namespace, asked and not yet answered.
pub(crate) struct Inquiry<'a> {
    root: &'a Root,
    candidate: &'a Candidate,
    conversation: Option<Conversation>,
}

/// Asks without waiting, so that many can be asked before the first answer is waited for.
pub(crate) fn inquire<'a>(root: &'a Root, candidate: &'a Candidate) -> Inquiry<'a> {
    let conversation = begin(root, candidate, &ANYTHING, Some(Instant::now())).ok();
    Inquiry {
        root,
        candidate,
        conversation,
    }
}

impl Inquiry<'_> {
    /// The answer; `None`: nobody gives one in time. Fails where this process cannot ask.
    pub(crate) fn answer(self, deadline: Option<Instant>) -> SysResult<Option<Account>> {
        match self.ask(deadline) {
            Err(error) if error.is_descriptor_shortage() => Err(error),
            other => Ok(other.ok().flatten()),
        }
    }

    fn ask(self, deadline: Option<Instant>) -> SysResult<Option<Account>> {
        let conversation = match self.conversation {
            Some(conversation) => conversation,
            // Whatever was in the way may have gone since.
            None => begin(self.root, self.candidate, &ANYTHING, deadline)?,
        };
        let Some(answer) = conversation.listen(deadline.into())? else {
            return Ok(None);
        };
        let Message::Info(report) = answer.message else {
            return Ok(None);
        };
        let maker = identity::server_credentials(answer.conversation.socket.as_fd())?;
        let server = served_by(maker, report.listener_pid, report.server_pid);
        Ok(Some(Account { report, server }))
    }
}

/// Whether a failure to reach an entry's server means that there is none any more.
pub(crate) fn is_dead(kind: std::io::ErrorKind) -> bool {
    matches!(
        kind,
        std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound
    )
}

fn ask(root: &Root, name: &PipeName, request: &Message, operation: &'static str, time: Time) -> Result<Answer> {
    let mut vanished = 0;
    loop {
        // A server of this process may have been left to us.
        background::heed_vacated();
        // The directory is the process'; at the socket the thread is who it is.
        match with_own_files(|| ask_once(root, name, request, operation, time)) {
            Ok(answer) => return Ok(answer),
            Err(Failure::Failed(error)) => return Err(error),
            Err(Failure::Vanished) if vanished < ATTEMPTS => vanished += 1,
            Err(Failure::Vanished) => {
                let detail = "servers of this name come and go too fast";
                return Err(Error::new(Status::PipeNotAvailable, operation)
                    .about(name)
                    .because(detail));
            }
        }
    }
}

fn ask_once(
    root: &Root,
    name: &PipeName,
    request: &Message,
    operation: &'static str,
    time: Time,
) -> Result<Answer, Failure> {
    let failed = |error: SysError| Failure::Failed(Error::from_sys(error, operation).about(name));
    for candidate in root.candidates(&name.key()).map_err(failed)? {
        match talk_to(root, &candidate, request, time) {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => return Err(Failure::Vanished),
            Err(error) => match error.kind() {
                // Its server has died; the next one of this name clears our own away.
                std::io::ErrorKind::ConnectionRefused => {
                    let _ = root.remove_dead(&candidate);
                }
                std::io::ErrorKind::NotFound => return Err(Failure::Vanished),
                std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => return Err(Failure::Vanished),
                std::io::ErrorKind::TimedOut => {
                    let detail = "the server does not answer: it is stopped, or overloaded";
                    let busy = Error::new(Status::PipeNotAvailable, operation)
                        .about(name)
                        .because(detail);
                    return Err(Failure::Failed(busy));
                }
                std::io::ErrorKind::PermissionDenied => {
                    let detail = format!("it is served by user {} for others than you", candidate.uid);
                    let denied = Error::new(Status::AccessDenied, operation).about(name).because(detail);
                    return Err(Failure::Failed(denied));
                }
                _ => return Err(failed(error)),
            },
        }
    }
    let detail = format!("nobody serves it in {}", root.path().display());
    Err(Failure::Failed(
        Error::new(Status::ObjectNameNotFound, operation)
            .about(name)
            .because(detail),
    ))
}

/// One request and its answer; `None` when the server hung up instead.
fn talk_to(root: &Root, candidate: &Candidate, request: &Message, time: Time) -> SysResult<Option<Answer>> {
    let socket = root.connect_found_until(candidate, time.deadline)?;
    Conversation::begin(socket, request, time.deadline)?.listen(time)
}

/// Asks whoever serves an entry.
pub(crate) fn begin(
    root: &Root,
    candidate: &Candidate,
    request: &Message,
    deadline: Option<Instant>,
) -> SysResult<Conversation> {
    Conversation::begin(root.connect_until(candidate, deadline)?, request, deadline)
}

impl Conversation {
    fn begin(socket: ProcessFd, request: &Message, deadline: Option<Instant>) -> SysResult<Conversation> {
        match socket::send_until(socket.as_fd(), &request.encode(), None, deadline) {
            // A server that has hung up already may have said why.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            other => other?,
        }
        Ok(Conversation {
            socket,
            decoder: Decoder::new(),
        })
    }

    pub(crate) fn listen(mut self, Time { deadline, max_spin }: Time) -> SysResult<Option<Answer>> {
        let begun = Instant::now();
        let (mut buffer, mut first) = ([0; ANSWER_BYTES], None);
        let comes = ANSWERS.look(max_spin, || {
            first = socket::recv_descriptor(self.socket.as_fd(), &mut buffer).transpose();
            first.is_some()
        });
        let heard = self.hear_from(first, &mut buffer, deadline)?;
        if !comes && !max_spin.is_zero() {
            ANSWERS.slept(max_spin, begun.elapsed());
        }
        Ok(heard.map(|(message, descriptor)| Answer {
            message,
            descriptor,
            conversation: self,
        }))
    }

    /// The next message, and the descriptor that came with it; `None`: the server has hung up.
    fn hear(&mut self, deadline: Option<Instant>) -> SysResult<Option<Heard>> {
        self.hear_from(None, &mut [0; ANSWER_BYTES], deadline)
    }

    /// The same, when some of it, or why there is nothing, is known already.
    fn hear_from(
        &mut self,
        mut first: Option<SysResult<Received>>,
        buffer: &mut [u8],
        deadline: Option<Instant>,
    ) -> SysResult<Option<Heard>> {
        let mut descriptor = None;
        loop {
            let message = self.decoder.next_message().map_err(|error| {
                let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
                SysError::new("understand the server", source).because(error.to_string())
            })?;
            if let Some(message) = message {
                return Ok(Some((message, descriptor)));
            }
            let received = match first.take() {
                Some(received) => received?,
                None => socket::recv_until(self.socket.as_fd(), buffer, deadline)?,
            };
            if received.bytes == 0 {
                return Ok(None);
            }
            descriptor = received.descriptor.or(descriptor);
            self.decoder.push(&buffer[..received.bytes]);
        }
    }
}
