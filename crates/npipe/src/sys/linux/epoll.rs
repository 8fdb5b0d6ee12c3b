//! One thread waiting on many descriptors.
//!
//! Level-triggered, but for [`Interest::Stir`]: a condition is reported again and again until it is
//! dealt with or the descriptor removed. Remove descriptors before closing them: a copy in a forked child keeps a
//! closed one registered, with nobody left who could remove it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::sys::{SysError, SysResult};

/// Events taken from the kernel at once. What does not fit comes with the next wait.
const BATCH: usize = 64;

/// What to be told about a descriptor. That its peer has gone is told in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Nothing else.
    Hangup,
    /// It can be read from.
    Readable,
    /// It can be read from, or written to.
    ReadableOrWritable,
    /// More has come to be read: told once each time, whether it is read or not.
    Stir,
}

impl Interest {
    fn flags(self) -> EventFlags {
        EventFlags::RDHUP
            | match self {
                Interest::Hangup => EventFlags::empty(),
                Interest::Readable => EventFlags::IN,
                Interest::ReadableOrWritable => EventFlags::IN | EventFlags::OUT,
                Interest::Stir => EventFlags::IN | EventFlags::ET,
            }
    }
}

/// What happened to one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// As given when the descriptor was added.
    pub(crate) token: u64,
    /// There is something to read, or reading would say what is wrong.
    pub(crate) readable: bool,
    /// The other side has closed or shut down. There may still be something to read.
    pub(crate) hangup: bool,
}

impl Event {
    fn from_kernel(event: &epoll::Event) -> Event {
        // The kernel's structure is packed: copies, not references.
        let (flags, data) = (event.flags, event.data);
        let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        Event {
            token: data.u64(),
            readable: failed || flags.contains(EventFlags::IN),
            hangup: failed || flags.contains(EventFlags::RDHUP),
        }
    }
}

/// A set of descriptors to wait on, each with a token of the caller's choosing.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// An empty set.
    pub(crate) fn new() -> SysResult<Poller> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|e| SysError::new("create an epoll instance", e))?;
        Ok(Poller { epoll })
    }

    /// The tokens of what is in it.
    #[cfg(test)]
    pub(crate) fn tokens(&self) -> Vec<u64> {
        let path = format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(&self.epoll));
        let text = std::fs::read_to_string(path).expect("procfs");
        let data = text.lines().filter_map(|line| line.split_once("data:"));
        let digits = data.filter_map(|(_, rest)| rest.split_ascii_whitespace().next());
        digits
            .map(|digits| u64::from_str_radix(digits, 16).expect("a number"))
            .collect()
    }

    /// Adds a descriptor that is not in the set.
    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> SysResult<()> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token), interest.flags())
            .map_err(|e| SysError::new("watch a descriptor", e))
    }

    /// Changes what to be told about a descriptor in the set.
    pub(crate) fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> SysResult<()> {
        epoll::modify(&self.epoll, fd, EventData::new_u64(token), interest.flags())
            .map_err(|e| SysError::new("watch a descriptor", e))
    }

    /// Removes a descriptor. Events already taken from the kernel may still name its token.
    pub(crate) fn remove(&self, fd: impl AsFd) -> SysResult<()> {
        epoll::delete(&self.epoll, fd).map_err(|e| SysError::new("stop watching a descriptor", e))
    }

    /// Blocks until something happens or the deadline passes, and puts what happened into
    /// `events`, whose former contents are lost. Empty: the deadline, or a signal.
    pub(crate) fn wait(&self, events: &mut Vec<Event>, deadline: Option<Instant>) -> SysResult<()> {
        events.clear();
        let mut kernel = [const { std::mem::MaybeUninit::uninit() }; BATCH];
        let timeout = deadline.map(timeout);
        match epoll::wait(&self.epoll, &mut kernel, timeout.as_ref()) {
            Ok((happened, _)) => events.extend(happened.iter().map(Event::from_kernel)),
            Err(Errno::INTR) => {}
            Err(e) => return Err(SysError::new("wait for events", e)),
        }
        Ok(())
    }
}

/// Time to the deadline. At most a day: older kernels count in milliseconds of 31 bits, and a
/// wait may end early.
fn timeout(deadline: Instant) -> Timespec {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let left = deadline.saturating_duration_since(Instant::now()).min(DAY);
    Timespec {
        tv_sec: left.as_secs() as i64,
        tv_nsec: left.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(10))
    }

    /// What happens on any connection reaches the one thread.
    #[test]
    fn events_carry_their_tokens() {
        let poller = Poller::new().unwrap();
        let (ours, theirs) = socket::pair().unwrap();
        poller.add(&ours, u64::MAX, Interest::Readable).unwrap();
        let mut events = Vec::new();

        poller.wait(&mut events, Some(Instant::now())).unwrap();
        assert!(events.is_empty());

        socket::send(theirs.as_fd(), b"x", None).unwrap();
        poller.wait(&mut events, soon()).unwrap();
        let data = Event {
            token: u64::MAX,
            readable: true,
            hangup: false,
        };
        assert_eq!(events, [data]);

        poller.modify(&ours, 8, Interest::Readable).unwrap();
        poller.wait(&mut events, soon()).unwrap();
        assert_eq!(events[0].token, 8);
    }

    /// The end of the other side is noticed whatever else is watched.
    #[test]
    fn hangup_is_always_told() {
        let poller = Poller::new().unwrap();
        let (ours, theirs) = socket::pair().unwrap();
        poller.add(&ours, 1, Interest::Hangup).unwrap();
        let mut events = Vec::new();
        socket::send(theirs.as_fd(), b"x", None).unwrap();
        poller.wait(&mut events, Some(Instant::now())).unwrap();
        assert!(events.is_empty(), "bytes are not asked about");

        drop(theirs);
        poller.wait(&mut events, soon()).unwrap();
        assert!(events[0].hangup);
        poller.remove(&ours).unwrap();
        poller.wait(&mut events, Some(Instant::now())).unwrap();
        assert!(events.is_empty());
    }
}
