//! Ends that several processes hold (semantics 16, 101, 129, 190, 205).
//!
//! To NT an end is a *file object*, to which the handles of any number of processes refer. A process that passes an end on
//! ([`hand_over`]) makes one of it: a segment that its holders alone map, in which each leaves what the next has to know
//! ([`npipe_shm::object`]), and a capsule, the one descriptor by which the end goes from process to process and which
//! carries all the others. While a copy of the capsule is anywhere, with a holder, on its way, or with a program that knows
//! nothing of it, the kernel keeps the connection's socket open, and the peer sees this end alive.
//!
//! Holders watch each other's processes ([`holding`]). One that dies is found out by each of the others; they end its calls.
//! An object lasts for one connection of its end, and is passed on between processes of one user alone.

mod hand_over;
mod holding;

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use npipe_core::{HolderId, Status, WaitMode};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::{Asked, Half, OBJECT_BYTES, Object as Words, Place, Seen};

use crate::end::locked;
use crate::sys::forks::ProcessFd;
use crate::sys::segment::Segment;
use crate::sys::{SysResult, futex, identity, lifetime};
use holding::Watched;

/// An end on its way to another process, as the system knows it: a descriptor here, a handle on Windows. Win32 equivalent:
/// what DuplicateHandle makes in another process, and handles that a child inherits.
///
/// **The hand-over.** Send the descriptor over a socket (SCM_RIGHTS), or let a child inherit it, for example as its standard
/// input: `command.stdin(raw)`. Whoever gets it calls `from_raw`, once; for several processes, make one for each from handles
/// that `try_clone` gives. This process goes on holding the end if it has other handles of it.
///
/// **Sharing.** All holders share the end's modes, its unread data and its queue of waiting calls. Time-outs are each process'
/// own, and [`cancel`](crate::PipeStream::cancel) ends the calls of the process that makes it. If a holder is killed, its
/// waiting calls end, what it wrote in full stays, and the others go on.
///
/// **Closing.** The end closes when nobody holds it any more. A descriptor that is on its way counts, and so does one that is
/// left in a program that knows nothing of npipe, unless that program reads from it: there is nothing in it but the end
/// itself, which is lost with that.
///
/// ```
/// # fn main() -> npipe::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let directory = temporary.path();
/// use npipe::{ClientOptions, PipeClient, ServerOptions};
///
/// let server = ServerOptions::new().root(directory).create(r"\\.\pipe\errand")?;
/// let client = ClientOptions::new().root(directory).shareable(true).open(r"\\.\pipe\errand")?;
/// let descriptor = client.into_raw()?;
/// // In another process, which got the descriptor:
/// let client = PipeClient::from_raw(descriptor)?;
/// client.write(b"here I am")?;
/// # let mut buffer = [0; 16];
/// # assert_eq!(server.read(&mut buffer)?, 9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DuplicateHandle")]
pub type RawEnd = OwnedFd;

/// A turn takes a moment. Who has one for longer is stopped.
const TURN_TIME: Duration = Duration::from_secs(1);

/// This process' part in an end that several processes may hold.
#[derive(Debug)]
pub(crate) struct Object {
    segment: Segment,
    capsule: ProcessFd,
    /// Shared by the holders, each of whom watches it for its edge: somebody has come or gone.
    bell: ProcessFd,
    bell_token: AtomicU64,
    me: Place,
    /// The versions of the images that we know; changed in their half's turn alone.
    known: [AtomicU64; 2],
    /// A server end's: what becomes of the other end of this pipe tells whether anybody holds the end.
    place: Mutex<Option<ProcessFd>>,
    /// The other holders, whose ends we watch for.
    others: Mutex<HashMap<Seen, Watched>>,
}

/// Why an object cannot be joined.
#[derive(Debug)]
pub(crate) struct NoPlace;

impl Object {
    /// Takes a place among the holders.
    pub(crate) fn join(segment: Segment, capsule: ProcessFd, bell: ProcessFd) -> Result<Object, NoPlace> {
        let words: &Words = segment.initial().head();
        let me = words.holders().join(identity::own_pid(), lifetime::own_beginning());
        Ok(Object {
            me: me.ok_or(NoPlace)?,
            segment,
            capsule,
            bell,
            bell_token: AtomicU64::new(0),
            known: Default::default(),
            place: Mutex::default(),
            others: Mutex::default(),
        })
    }

    /// Memory for a new object.
    pub(crate) fn make_segment() -> SysResult<(Segment, OwnedFd)> {
        Segment::create(OBJECT_BYTES, OBJECT_BYTES as usize)
    }

    fn words(&self) -> &Words {
        self.segment.initial().head()
    }

    pub(crate) fn holder(&self) -> HolderId {
        self.me.id
    }

    /// Another copy of the descriptor by which the end is passed on.
    pub(crate) fn copy_capsule(&self) -> std::io::Result<OwnedFd> {
        self.capsule.as_fd().try_clone_to_owned()
    }

    /// Waits for the turn of a half; whether it is inherited from a process that ended in it.
    ///
    /// # Errors
    /// [`Status::IoTimeout`] when a process stops in its turn.
    pub(crate) fn await_turn(&self, half: Half) -> Result<bool, Status> {
        let turn = self.words().turn(half);
        let mut has_slept = false;
        let mut until = None;
        loop {
            match turn.ask(self.me, has_slept) {
                Asked::Taken { inherited } => return Ok(inherited),
                Asked::Busy(value) => {
                    let deadline = *until.get_or_insert_with(|| Instant::now() + TURN_TIME);
                    if Instant::now() >= deadline {
                        return Err(Status::IoTimeout);
                    }
                    futex::wait(turn.word(), value, Some(deadline));
                    has_slept = true;
                }
            }
        }
    }

    /// Takes the turn of a half if nobody has it.
    pub(crate) fn try_turn(&self, half: Half) -> Option<bool> {
        self.words().turn(half).ask_once(self.me)
    }

    pub(crate) fn pass_turn(&self, half: Half) {
        let turn = self.words().turn(half);
        if turn.pass() {
            futex::wake_all(turn.word());
        }
    }

    /// The image of a half and its version, if another process has stored one since we last knew it. In its turn.
    pub(crate) fn news(&self, half: Half) -> Option<(u64, Vec<u8>)> {
        let version = self.words().version(half);
        (self.known[half as usize].load(Ordering::Relaxed) != version).then(|| {
            let (at, length) = self.words().image(half, version);
            let mut image = vec![0; length];
            self.segment.initial().copy_out(at, &mut image);
            (version, image)
        })
    }

    /// We know that version now. In its turn.
    pub(crate) fn note(&self, half: Half, version: u64) {
        self.known[half as usize].store(version, Ordering::Relaxed);
    }

    /// Stores the image of a half, in its turn; `false` when it has no room.
    pub(crate) fn store(&self, half: Half, image: &[u8]) -> bool {
        let next = self.words().version(half).wrapping_add(1);
        let (at, _) = self.words().image(half, next);
        let fits = image.len() as u64 <= npipe_shm::object::IMAGE_BYTES;
        if fits {
            self.segment.initial().copy_in(at, image);
            self.note(half, self.words().advance(half, image.len() as u32));
        }
        fits
    }

    /// Holders that are gone and whose calls a half still has. In its turn.
    pub(crate) fn remembered(&self, half: Half) -> impl Iterator<Item = HolderId> {
        self.words().holders().remembered(half)
    }

    /// A half has forgotten one that is gone; how many threads of it have been sleeping, once both have.
    pub(crate) fn forget(&self, gone: HolderId, half: Half) -> u32 {
        self.words().holders().forget(gone, half).unwrap_or(0)
    }

    /// Whether the connection was ended by a disconnect, by whichever holder.
    pub(crate) fn is_disconnected(&self) -> bool {
        self.words().disconnected.load(Ordering::Acquire) != 0
    }

    /// Ends the connection for all holders.
    pub(crate) fn set_disconnected(&self) {
        self.words().disconnected.store(1, Ordering::Release);
    }

    pub(crate) fn wait_mode(&self) -> WaitMode {
        match self.words().nowait.load(Ordering::Relaxed) {
            0 => WaitMode::Wait,
            _ => WaitMode::NoWait,
        }
    }

    pub(crate) fn set_wait_mode(&self, wait: WaitMode) {
        let nowait = u32::from(wait == WaitMode::NoWait);
        self.words().nowait.store(nowait, Ordering::Relaxed);
    }

    /// One more is on its way to another process.
    pub(crate) fn send_off(&self) {
        self.words().in_transit.fetch_add(1, Ordering::AcqRel);
    }

    /// One that was on its way has arrived.
    pub(crate) fn arrive(&self) {
        let arrived = |count: u32| count.checked_sub(1);
        // A copy of a descriptor that was sent off once may arrive too.
        let _ = self
            .words()
            .in_transit
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, arrived);
    }

    /// Gives our place up; whether the end closes with us: nobody else holds it, and it is on its way to nobody. Others forget
    /// our calls, which have ended, as they would those of one that has died.
    pub(crate) fn leave(&self) -> bool {
        let words = self.words();
        words.holders().retire(self.me);
        self.stir();
        words.holders().is_empty() && words.in_transit.load(Ordering::Acquire) == 0
    }

    /// Counts a thread of ours that is about to sleep. The end's own count is changed before this one and taken back after
    /// it, so that no more sleepers are ever taken for ours than there are.
    pub(crate) fn count_sleeper(&self, cause: Cause) -> impl Drop + '_ {
        let count = &self.words().holders().of(self.me.id).sleepers;
        count.fetch_add(cause.one(), Ordering::AcqRel);
        Counted { count, cause }
    }

    /// With the process that has the end's place in its pipe: hangs up when nobody holds the end any more.
    pub(crate) fn keep_place(&self, place: ProcessFd) {
        *locked(&self.place) = Some(place);
    }

    /// Takes it, to watch it without holding the end.
    pub(crate) fn take_place(&self) -> Option<ProcessFd> {
        locked(&self.place).take()
    }

    /// Has the other holders look who is there.
    pub(crate) fn stir(&self) {
        lifetime::ring(&self.bell);
    }
}

struct Counted<'a> {
    count: &'a AtomicU32,
    cause: Cause,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(self.cause.one(), Ordering::AcqRel);
    }
}
