//! Ends that several processes hold (semantics 16, 101, 129, 190, 205).
//!
//! To NT an end is a *file object*, to which the handles of any number of processes refer. A process that passes an end on
//! ([`hand_over`]) makes one of it: a segment that its holders alone map, in which each leaves what the next has to know
//! ([`npipe_shm::object`]). It goes from process to process in a capsule, one descriptor that carries the others. While the
//! connection's socket is open anywhere, with a holder, in a capsule on its way, or with a program that knows nothing of it,
//! the peer sees this end alive.
//!
//! Holders watch each other's processes ([`holding`]). One that dies is found out by each of the others; they end its calls.
//! An object lasts for one connection of its end, and is passed on between processes of one user alone.

mod hand_over;
mod holding;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use npipe_core::{CallId, HolderId, Status, WaitMode};
use npipe_shm::doorbell::Cause;
use npipe_shm::object::{Asked, Half, OBJECT_BYTES, Object as Words, Place, Seen};

use crate::background;
use crate::end::locked;
use crate::sys::forks::ProcessFd;
use crate::sys::segment::Segment;
use crate::sys::{SysResult, forks, futex, lifetime};
use holding::{Watched, take_place};

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
/// **Limits.** 64 processes of one process namespace hold an end at most, each with four or five descriptors for it and one for
/// each other holder. Those of an end on its way count against the user's limit of descriptors in flight. A holder that is
/// stopped in the middle of a move holds the others' calls up for a second, after which they fail with ERROR_SEM_TIMEOUT. A
/// holder that becomes another program by `exec`, without a fork, with calls that wait, is not known to be gone: its calls stay
/// until the process ends. Close the end before.
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

/// A turn takes a moment. Who has one for longer is stopped. The background thread waits a hundredth of this.
const TURN_TIME: Duration = Duration::from_secs(1);

/// This process' part in an end that several processes may hold.
#[derive(Debug)]
pub(crate) struct Object {
    segment: Segment,
    /// The segment's descriptor, to be passed on.
    memory: ProcessFd,
    /// Shared by the holders, each of whom watches it for its edge: somebody has come or gone.
    bell: ProcessFd,
    bell_token: AtomicU64,
    /// The process that it belongs to, of those forked from each other.
    generation: u32,
    me: Place,
    /// The versions of the images that we know; changed in their half's turn alone.
    known: [AtomicU64; 2],
    /// A server end's: what becomes of the other end of this pipe tells whether anybody holds the end.
    place: Mutex<Option<ProcessFd>>,
    /// A server end's: open while anybody holds the end, at the other end of that pipe.
    presence: Option<ProcessFd>,
    /// Calls that are to be ended in our next turn.
    given_up: Mutex<Vec<(Half, CallId)>>,
    /// The other holders, whose ends we watch for.
    others: Mutex<HashMap<Seen, Watched>>,
}

/// Why an object cannot be joined.
#[derive(Debug)]
pub(crate) struct NoPlace;

impl Object {
    /// Takes a place among the holders.
    pub(crate) fn join(
        (segment, memory): (Segment, ProcessFd),
        bell: ProcessFd,
        presence: Option<ProcessFd>,
    ) -> Result<Object, NoPlace> {
        let me = take_place(segment.initial().head(), &bell).ok_or(NoPlace)?;
        Ok(Object {
            me,
            segment,
            memory,
            bell,
            bell_token: AtomicU64::new(0),
            generation: forks::generation(),
            known: Default::default(),
            place: Mutex::default(),
            presence,
            given_up: Mutex::default(),
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

    /// What of this object goes with the end when it is passed on.
    fn descriptors(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>, Option<BorrowedFd<'_>>) {
        let presence = self.presence.as_ref().map(ProcessFd::as_fd);
        (self.memory.as_fd(), self.bell.as_fd(), presence)
    }

    /// A call of ours is to be ended when we have the turn next, which the background thread sees to.
    pub(crate) fn give_up(&self, half: Half, id: CallId) {
        locked(&self.given_up).push((half, id));
        self.stir();
    }

    /// Whether there are such calls.
    pub(crate) fn has_given_up(&self, half: Half) -> bool {
        locked(&self.given_up).iter().any(|(of, _)| *of == half)
    }

    /// Those calls. In the half's turn.
    pub(crate) fn take_given_up(&self, half: Half) -> Vec<CallId> {
        let mut all = locked(&self.given_up);
        let (taken, kept) = all.drain(..).partition(|(of, _)| *of == half);
        *all = kept;
        drop(all);
        let taken: Vec<(Half, CallId)> = taken;
        taken.into_iter().map(|(_, id)| id).collect()
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
                    let patience = if background::is_here() {
                        TURN_TIME / 100
                    } else {
                        TURN_TIME
                    };
                    let deadline = *until.get_or_insert_with(|| Instant::now() + patience);
                    if Instant::now() >= deadline {
                        if background::is_here() {
                            // What it wanted to do is not done: it comes again.
                            self.stir();
                        }
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

    /// Leaves a turn that was inherited, and of which nothing could be made, to the next who asks.
    pub(crate) fn bequeath_turn(&self, half: Half) {
        let turn = self.words().turn(half);
        if turn.orphan(self.me) {
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
    pub(crate) fn remembered(&self, half: Half) -> impl Iterator<Item = Place> {
        self.words().holders().remembered(half)
    }

    /// A half has forgotten one that is gone, in its turn; how many threads of it have been sleeping, once both have.
    pub(crate) fn forget(&self, gone: Place, half: Half) -> u32 {
        let holders = self.words().holders();
        let sleepers = holders.forget(gone, half);
        if sleepers.is_some() {
            futex::wake_all(holders.vacated());
        }
        sleepers.unwrap_or(0)
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
        self.words().send_off();
    }

    /// One that was on its way has arrived.
    pub(crate) fn arrive(&self) {
        self.words().arrive();
    }

    /// Gives our place up, without sleepers and calls of ours that go on; whether anybody holds the end still, or it is on its
    /// way to somebody. Others forget what is left of our calls as they would those of one that has died. The kernel has the
    /// last word: what this says too much of is closed with the last descriptor of the connection's socket.
    pub(crate) fn leave(&self) -> bool {
        let words = self.words();
        words.holders().retire(self.me);
        self.stir();
        words.is_held()
    }

    /// Counts a thread of ours that is about to sleep. The end's own count is changed before this one and taken back after
    /// it, so that no more sleepers are ever taken for ours than there are.
    pub(crate) fn count_sleeper(&self, cause: Cause) -> Counted<'_> {
        let count = &self.words().holders().of(self.me.id).sleepers;
        count.fetch_add(cause.one(), Ordering::AcqRel);
        Counted { count, cause }
    }

    /// Whether threads of ours sleep.
    pub(crate) fn has_sleepers(&self) -> bool {
        self.words().holders().of(self.me.id).sleepers.load(Ordering::Acquire) != 0
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

/// A thread of ours among the sleepers of an end.
pub(crate) struct Counted<'a> {
    count: &'a AtomicU32,
    cause: Cause,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(self.cause.one(), Ordering::AcqRel);
    }
}
