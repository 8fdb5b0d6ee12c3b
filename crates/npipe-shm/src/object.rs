//! The page of a file object: what the processes that hold one end share, besides the connection's segment.
//!
//! To NT an end is a *file object*, to which the handles of any number of processes refer. Here each of those processes, a
//! *holder*, has the end's halves in its own memory and they take *turns*: whoever has the turn of a half goes on from the
//! half's *image* that the last one has left, and leaves a new one. A second image is kept beside it, so that one of them is
//! whole at any time.
//!
//! ```text
//! 0        PAGE_BYTES
//! | object | image of the reading half | its other one | image of the writing half | its other one |
//! ```
//!
//! Holders are processes of one user, who could end each other anyway; all the same a word of this page that makes no sense
//! is an error and nothing worse. A holder that dies is found out by the others, who watch its process: they mark it as gone
//! and take its turn over ([`Turn::orphan`]).

use npipe_core::HolderId;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The words.
pub const PAGE_BYTES: u64 = 4096;

/// One image at most; memory is used for what is written alone.
pub const IMAGE_BYTES: u64 = 8 << 20;

/// The size of the whole.
pub const OBJECT_BYTES: u64 = PAGE_BYTES + 4 * IMAGE_BYTES;

/// So many processes hold one end at most.
pub const MAX_HOLDERS: usize = 64;

/// One of the halves of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The one that reads.
    Reading = 0,
    /// The one that writes.
    Writing = 1,
}

impl Half {
    /// Both.
    pub const BOTH: [Half; 2] = [Half::Reading, Half::Writing];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The words of the page.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Object {
    /// Set once the connection was ended by a disconnect.
    pub disconnected: AtomicU32,
    /// Whether calls that cannot finish return at once.
    pub nowait: AtomicU32,
    /// Handed over by one holder.
    pub sent: AtomicU32,
    /// Of those, taken up by another.
    pub arrived: AtomicU32,
    halves: [HalfWords; 2],
    holders: Holders,
}

const _: () = assert!(cfg!(loom) || size_of::<Object>() <= PAGE_BYTES as usize);

#[derive(Debug, Default)]
#[repr(C)]
struct HalfWords {
    turn: Turn,
    lengths: [AtomicU32; 2],
    version: AtomicU64,
}

impl Object {
    /// Whose turn it is with a half.
    pub fn turn(&self, half: Half) -> &Turn {
        &self.halves[half as usize].turn
    }

    /// The processes that hold the end.
    pub fn holders(&self) -> &Holders {
        &self.holders
    }

    /// Counts the images of a half; 0: there is none yet. Only for who has the turn.
    pub fn version(&self, half: Half) -> u64 {
        self.halves[half as usize].version.load(Ordering::Acquire)
    }

    /// Where in the segment the image of that version lies, and its length in bytes; never beyond its place.
    pub fn image(&self, half: Half, version: u64) -> (usize, usize) {
        let length = self.halves[half as usize].lengths[(version & 1) as usize].load(Ordering::Relaxed);
        (image_at(half, version), length.min(IMAGE_BYTES as u32) as usize)
    }

    /// Makes the next image valid, of `length` bytes, which lies where [`Object::image`] says.
    pub fn advance(&self, half: Half, length: u32) -> u64 {
        let words = &self.halves[half as usize];
        let next = words.version.load(Ordering::Relaxed).wrapping_add(1);
        words.lengths[(next & 1) as usize].store(length, Ordering::Relaxed);
        words.version.store(next, Ordering::Release);
        next
    }
}

fn image_at(half: Half, version: u64) -> usize {
    let index = 2 * half as u64 + (version & 1);
    (PAGE_BYTES + index * IMAGE_BYTES) as usize
}

/// A lock between the holders: 0 when it is free, else the tag of who has it, and flags.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Turn(AtomicU32);

/// Somebody sleeps until the turn is free.
const AWAITED: u32 = 1 << 31;
/// Who had the turn is gone.
const ORPHANED: u32 = 1 << 30;
const WHO: u32 = ORPHANED - 1;

/// What came of asking for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// We have it. `inherited`: from one that ended in the middle of it.
    Taken {
        /// Whether it has to be seen what that one did.
        inherited: bool,
    },
    /// Another has it: sleep while the word has this value, then ask again, as one who has slept.
    Busy(u32),
}

impl Turn {
    /// Asks for the turn; who has slept for it may not be the only one.
    pub fn ask(&self, who: Place, has_slept: bool) -> Asked {
        let mine = who.tag() | if has_slept { AWAITED } else { 0 };
        let mut now = 0;
        loop {
            let (next, outcome) = match now {
                0 => (mine, Asked::Taken { inherited: false }),
                _ if now & ORPHANED != 0 => (mine | now & AWAITED, Asked::Taken { inherited: true }),
                _ => (now | AWAITED, Asked::Busy(now | AWAITED)),
            };
            match self.0.compare_exchange(now, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return outcome,
                Err(found) => now = found,
            }
        }
    }

    /// Asks for the turn, and does without if another has it.
    pub fn ask_once(&self, who: Place) -> Option<bool> {
        let now = self.0.load(Ordering::Relaxed);
        let is_free = now == 0 || now & ORPHANED != 0;
        let mine = who.tag() | now & AWAITED;
        let taken = is_free
            && self
                .0
                .compare_exchange(now, mine, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        taken.then_some(now != 0)
    }

    /// Passes it on; whether those who sleep on [`Turn::word`] have to be woken.
    #[must_use]
    pub fn pass(&self) -> bool {
        self.0.swap(0, Ordering::AcqRel) & AWAITED != 0
    }

    /// A holder is gone: if the turn was its own, the next who asks inherits it. Whether it was; then those who sleep on
    /// [`Turn::word`] have to be woken.
    #[must_use]
    pub fn orphan(&self, gone: Place) -> bool {
        let mut now = self.0.load(Ordering::Acquire);
        // The dead do not change it, but who begins to sleep does, and who inherits the turn from the dead.
        while now & WHO == gone.tag() && now & ORPHANED == 0 {
            match self
                .0
                .compare_exchange(now, now | ORPHANED, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(found) => now = found,
            }
        }
        false
    }

    /// The word to sleep on.
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

/// The processes that hold an end.
#[derive(Debug)]
#[repr(transparent)]
pub struct Holders([HolderWords; MAX_HOLDERS]);

impl Default for Holders {
    fn default() -> Holders {
        Holders(std::array::from_fn(|_| HolderWords::default()))
    }
}

/// One holder. The state is a phase, and a number that tells it from earlier ones of its place.
#[derive(Debug, Default)]
#[repr(C)]
pub struct HolderWords {
    state: AtomicU32,
    pid: AtomicU32,
    /// When its process began, by which it is told from a later one of that number.
    born: AtomicU64,
    /// Its threads among the sleepers of the end, counted as there (see [`crate::doorbell`]).
    pub sleepers: AtomicU32,
    /// The halves that have forgotten it, once it is gone.
    forgotten: AtomicU32,
}

const PHASE: u32 = 3;
const FREE: u32 = 0;
const JOINING: u32 = 1;
const HOLDS: u32 = 2;
const GONE: u32 = 3;
const NEXT_SERIAL: u32 = PHASE + 1;

/// The place of one holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its number.
    pub id: HolderId,
    /// Tells its holder from earlier and later ones.
    stamp: u32,
}

impl Place {
    /// What a turn of its holder shows, never 0: whoever looks late must not take a later one's turn for it.
    const fn tag(self) -> u32 {
        const SERIALS: u32 = 1 << 22;
        let serial = self.stamp / NEXT_SERIAL % SERIALS;
        serial * (2 * MAX_HOLDERS as u32) + self.id.0 as u32 + 1
    }
}

/// A holder as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its place.
    pub place: Place,
    /// The number of its process.
    pub pid: u32,
    /// When that began.
    pub born: u64,
}

impl Holders {
    /// A place for a process; `None` when all are taken.
    pub fn join(&self, pid: u32, born: u64) -> Option<Place> {
        self.ids().find_map(|id| {
            let words = &self.0[usize::from(id.0)];
            let now = words.state.load(Ordering::Relaxed);
            let joining = (now & !PHASE).wrapping_add(NEXT_SERIAL) | JOINING;
            let is_ours = now & PHASE == FREE
                && words
                    .state
                    .compare_exchange(now, joining, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok();
            if is_ours {
                words.pid.store(pid, Ordering::Relaxed);
                words.born.store(born, Ordering::Relaxed);
                words.sleepers.store(0, Ordering::Relaxed);
                words.forgotten.store(0, Ordering::Relaxed);
                words.state.store(joining & !PHASE | HOLDS, Ordering::Release);
            }
            let stamp = joining & !PHASE;
            is_ours.then_some(Place { id, stamp })
        })
    }

    /// Gives a place up; it is free when both halves have forgotten its holder.
    pub fn retire(&self, place: Place) {
        let Place { id, stamp } = place;
        let state = &self.0[usize::from(id.0)].state;
        // Who takes us for dead already has done the same.
        let _ = state.compare_exchange(stamp | HOLDS, stamp | GONE, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Those who hold the end now.
    pub fn present(&self) -> impl Iterator<Item = Seen> {
        self.ids().filter_map(|id| {
            let words = &self.0[usize::from(id.0)];
            let state = words.state.load(Ordering::Acquire);
            (state & PHASE == HOLDS).then(|| Seen {
                place: Place {
                    id,
                    stamp: state & !PHASE,
                },
                pid: words.pid.load(Ordering::Relaxed),
                born: words.born.load(Ordering::Relaxed),
            })
        })
    }

    /// Whether nobody holds the end, or is about to.
    pub fn is_empty(&self) -> bool {
        self.0
            .iter()
            .all(|words| matches!(words.state.load(Ordering::Acquire) & PHASE, FREE | GONE))
    }

    /// The process of a holder has ended; `false`: that is known, or the place is another's by now.
    pub fn mark_gone(&self, holder: &Seen) -> bool {
        let Place { id, stamp } = holder.place;
        self.0[usize::from(id.0)]
            .state
            .compare_exchange(stamp | HOLDS, stamp | GONE, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Those who are gone and whose calls `half` still has.
    pub fn remembered(&self, half: Half) -> impl Iterator<Item = HolderId> {
        self.ids().filter(move |id| {
            let words = &self.0[usize::from(id.0)];
            words.state.load(Ordering::Acquire) & PHASE == GONE
                && words.forgotten.load(Ordering::Relaxed) & half.bit() == 0
        })
    }

    /// `half` has forgotten the calls of one that is gone. `Some` once both have: its place is free, and so many sleepers
    /// were its own.
    pub fn forget(&self, id: HolderId, half: Half) -> Option<u32> {
        let words = &self.0[usize::from(id.0)];
        let before = words.forgotten.fetch_or(half.bit(), Ordering::AcqRel);
        let is_last = before != 3 && before | half.bit() == 3;
        is_last.then(|| {
            let sleepers = words.sleepers.swap(0, Ordering::AcqRel);
            words.state.fetch_and(!PHASE, Ordering::AcqRel);
            sleepers
        })
    }

    /// The words of one holder.
    pub fn of(&self, id: HolderId) -> &HolderWords {
        &self.0[usize::from(id.0) % MAX_HOLDERS]
    }

    fn ids(&self) -> impl Iterator<Item = HolderId> {
        (0..MAX_HOLDERS as u8).map(HolderId)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const fn place(id: u8, serial: u32) -> Place {
        Place {
            id: HolderId(id),
            stamp: serial * NEXT_SERIAL,
        }
    }

    const ONE: Place = place(0, 1);
    const OTHER: Place = place(1, 1);

    /// semantics 101, 190
    #[test]
    fn a_turn_is_taken_by_one_at_a_time() {
        let turn = Turn::default();
        assert_eq!(turn.ask(ONE, false), Asked::Taken { inherited: false });
        assert_eq!(turn.ask_once(OTHER), None);
        let Asked::Busy(value) = turn.ask(OTHER, false) else {
            panic!("it is taken")
        };
        assert_eq!(turn.word().load(Ordering::Relaxed), value, "sleeps on what is there");
        assert!(turn.pass(), "somebody sleeps");
        assert_eq!(turn.ask(OTHER, true), Asked::Taken { inherited: false });
        assert!(turn.pass(), "who has slept may not have slept alone");
        assert_eq!(turn.ask_once(ONE), Some(false));
        assert!(!turn.pass());
    }

    /// semantics 128
    #[test]
    fn the_turn_of_one_that_is_gone_is_inherited_once() {
        let turn = Turn::default();
        assert!(!turn.orphan(ONE), "nobody has it");
        assert_eq!(turn.ask(ONE, false), Asked::Taken { inherited: false });
        assert!(!turn.orphan(OTHER), "another has it");
        let Asked::Busy(value) = turn.ask(OTHER, false) else {
            panic!("it is taken")
        };
        assert!(turn.orphan(ONE));
        assert_ne!(
            turn.word().load(Ordering::Relaxed),
            value,
            "who is about to sleep does not"
        );
        assert_eq!(turn.ask(OTHER, true), Asked::Taken { inherited: true });
        assert!(matches!(turn.ask(ONE, false), Asked::Busy(_)));
        assert!(turn.pass());
        assert_eq!(turn.ask(ONE, false), Asked::Taken { inherited: false });
        assert!(turn.orphan(ONE));
        assert_eq!(turn.ask_once(OTHER), Some(true));
        assert!(turn.pass() || turn.ask_once(place(0, 2)).is_some());
        assert!(!turn.orphan(ONE), "a later one of that place has it");
    }

    /// semantics 190
    #[test]
    fn no_turn_looks_like_another_ones_or_like_nobodys() {
        let mut tags: Vec<u32> = [1, 2, 3, 1 << 20, (1 << 22) - 1]
            .into_iter()
            .flat_map(|serial| [0, 1, 63].map(|id| place(id, serial).tag()))
            .collect();
        assert!(tags.iter().all(|&tag| tag != 0 && tag & (AWAITED | ORPHANED) == 0));
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 15);
    }

    /// semantics 190
    #[test]
    fn places_are_told_apart_from_earlier_ones() {
        let holders = Holders::default();
        assert!(holders.is_empty());
        let id = holders.join(7, 70).expect("all are free");
        let seen: Vec<Seen> = holders.present().collect();
        assert_eq!((seen.len(), seen[0].place, seen[0].pid, seen[0].born), (1, id, 7, 70));
        holders.retire(id);
        assert!(holders.is_empty());
        for half in Half::BOTH {
            holders.forget(id.id, half);
        }
        let later = holders.join(8, 80).expect("it is free");
        assert!(later.id == id.id && later != id);
        assert!(!holders.mark_gone(&seen[0]), "the place is another's");
        assert!(!holders.is_empty());
    }

    /// semantics 128, 190
    #[test]
    fn one_that_is_gone_keeps_its_place_until_both_halves_have_forgotten_it() {
        let holders = Holders::default();
        let id = holders.join(7, 70).expect("all are free").id;
        let seen = holders.present().next().expect("it holds");
        holders.of(id).sleepers.store(3, Ordering::Relaxed);
        assert_eq!(holders.remembered(Half::Reading).count(), 0);
        assert!(holders.mark_gone(&seen) && !holders.mark_gone(&seen));
        assert!(holders.is_empty() && holders.present().next().is_none());
        assert_eq!(holders.remembered(Half::Writing).collect::<Vec<_>>(), [id]);
        assert_eq!(holders.forget(id, Half::Writing), None);
        assert_eq!(holders.remembered(Half::Writing).count(), 0);
        assert!(holders.join(8, 80).is_some_and(|other| other.id != id), "not free yet");
        assert_eq!(holders.forget(id, Half::Reading), Some(3));
        assert_eq!(holders.remembered(Half::Reading).count(), 0);
        assert!(holders.join(9, 90).is_some_and(|next| next.id == id));
    }

    /// semantics 190
    #[test]
    fn there_are_so_many_places_and_no_more() {
        let holders = Holders::default();
        let ids: Vec<_> = (0..MAX_HOLDERS as u32).map(|pid| holders.join(pid, 0)).collect();
        assert!(ids.iter().all(Option::is_some));
        assert_eq!(holders.join(0, 0), None);
    }

    /// semantics 101
    #[test]
    fn one_image_is_whole_while_the_next_is_written() {
        let object = Object::default();
        assert_eq!(object.version(Half::Reading), 0);
        let places: Vec<_> = Half::BOTH
            .iter()
            .flat_map(|&half| [0, 1].map(|version| object.image(half, version).0))
            .collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == IMAGE_BYTES as usize));
        assert_eq!(object.advance(Half::Reading, 10), 1);
        assert_eq!(object.image(Half::Reading, 1), (places[1], 10));
        assert_eq!(object.advance(Half::Reading, u32::MAX), 2);
        let (at, length) = object.image(Half::Reading, 2);
        assert!((at + length) as u64 <= OBJECT_BYTES, "a length that makes no sense");
    }
}
