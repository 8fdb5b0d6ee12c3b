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
pub const MAX_HOLDERS: usize = if cfg!(loom) { 2 } else { 64 };

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

    const fn other(self) -> Half {
        match self {
            Half::Reading => Half::Writing,
            Half::Writing => Half::Reading,
        }
    }

    /// In the state of a holder that is gone: this half has forgotten it.
    const fn bit(self) -> u64 {
        FORGOTTEN_BY_ONE << self as u32
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
    sent: AtomicU32,
    /// Of those, taken up by another.
    arrived: AtomicU32,
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

    /// One more is on its way to another process. Who sends it leaves after that, if at all.
    pub fn send_off(&self) {
        self.sent.fetch_add(1, Ordering::AcqRel);
    }

    /// One that was on its way has arrived. Who takes it up has joined before.
    pub fn arrive(&self) {
        // A copy of a descriptor that was sent off once may arrive too.
        let arrived = |count: u32| (count != self.sent.load(Ordering::Acquire)).then(|| count.wrapping_add(1));
        let _ = self.arrived.fetch_update(Ordering::AcqRel, Ordering::Acquire, arrived);
    }

    /// Whether anybody holds the end, or it is on its way to somebody.
    pub fn is_held(&self) -> bool {
        // Who arrives has joined before, and who sends off leaves after: if the counts stand still, nobody was missed.
        let arrived = self.arrived.load(Ordering::Acquire);
        let sent = self.sent.load(Ordering::Acquire);
        arrived != sent || !self.holders.is_empty() || self.sent.load(Ordering::Acquire) != sent
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

    /// Whether somebody may sleep until it is free.
    pub fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Acquire) & AWAITED != 0
    }

    /// The word to sleep on.
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

/// The processes that hold an end.
#[derive(Debug)]
#[repr(C)]
pub struct Holders {
    places: [HolderWords; MAX_HOLDERS],
    /// Counts the places that became free again: changes before the one who waits for a place is to look.
    vacated: AtomicU32,
}

impl Default for Holders {
    fn default() -> Holders {
        Holders {
            places: std::array::from_fn(|_| HolderWords::default()),
            vacated: AtomicU32::default(),
        }
    }
}

/// One holder.
#[derive(Debug, Default)]
#[repr(C)]
pub struct HolderWords {
    /// A phase, the halves that have forgotten it once it is gone, a number that tells it from earlier ones of its place, and
    /// the number of its process: in one word, so that whoever changes it may die before or after, and not between.
    state: AtomicU64,
    /// When its process began, by which it is told from a later one of that number.
    born: AtomicU64,
    /// Its threads among the sleepers of the end, counted as there (see [`crate::doorbell`]).
    pub sleepers: AtomicU32,
}

const PHASE: u64 = 3;
const FREE: u64 = 0;
const JOINING: u64 = 1;
const HOLDS: u64 = 2;
const GONE: u64 = 3;
const FORGOTTEN_BY_ONE: u64 = 4;
const FORGOTTEN: u64 = 3 * FORGOTTEN_BY_ONE;
const NEXT_SERIAL: u64 = 16;
const SERIAL: u64 = u32::MAX as u64 & !(NEXT_SERIAL - 1);
const PID_SHIFT: u32 = 32;

/// The place of one holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its number.
    pub id: HolderId,
    /// Its state but for what changes: tells its holder from earlier and later ones.
    stamp: u64,
}

impl Place {
    /// What a turn of its holder shows, never 0: whoever looks late must not take a later one's turn for it.
    const fn tag(self) -> u32 {
        const SERIALS: u64 = 1 << 22;
        let serial = (self.stamp & SERIAL) / NEXT_SERIAL % SERIALS;
        serial as u32 * (2 * MAX_HOLDERS as u32) + self.id.0 as u32 + 1
    }

    const fn pid(self) -> u32 {
        (self.stamp >> PID_SHIFT) as u32
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
            let words = self.of(id);
            let now = words.state.load(Ordering::Acquire);
            let serial = (now & SERIAL).wrapping_add(NEXT_SERIAL) & SERIAL;
            let stamp = (u64::from(pid) << PID_SHIFT) | serial;
            if now & PHASE != FREE || !words.change(now, stamp | JOINING) {
                return None;
            }
            words.born.store(born, Ordering::Relaxed);
            words.sleepers.store(0, Ordering::Relaxed);
            words
                .change(stamp | JOINING, stamp | HOLDS)
                .then_some(Place { id, stamp })
        })
    }

    /// Gives a place up; it is free when both halves have forgotten its holder.
    pub fn retire(&self, place: Place) {
        // Who takes us for dead already has done the same.
        let _ = self.of(place.id).change(place.stamp | HOLDS, place.stamp | GONE);
    }

    /// Those who hold the end now.
    pub fn present(&self) -> impl Iterator<Item = Seen> {
        self.places().filter(|(_, now)| *now == HOLDS).map(|(place, _)| Seen {
            place,
            pid: place.pid(),
            born: self.of(place.id).born.load(Ordering::Relaxed),
        })
    }

    /// Those who were about to hold it when last seen, and the numbers of their processes.
    pub fn joining(&self) -> impl Iterator<Item = (Place, u32)> {
        self.places()
            .filter(|(_, now)| *now == JOINING)
            .map(|(place, _)| (place, place.pid()))
    }

    /// Whether nobody holds the end, or is about to.
    pub fn is_empty(&self) -> bool {
        self.places().all(|(_, now)| matches!(now & PHASE, FREE | GONE))
    }

    /// The process of a holder has ended; `false`: that is known, or the place is another's by now.
    pub fn mark_gone(&self, holder: &Seen) -> bool {
        let Place { id, stamp } = holder.place;
        self.of(id).change(stamp | HOLDS, stamp | GONE)
    }

    /// The process of one that was about to hold the end has ended: it has begun nothing, and its place is free.
    pub fn clear(&self, joining: Place) {
        let Place { id, stamp } = joining;
        let _ = self.of(id).change(stamp | JOINING, stamp | FREE);
    }

    /// Those who are gone and whose calls `half` still has.
    pub fn remembered(&self, half: Half) -> impl Iterator<Item = Place> {
        self.places()
            .filter(move |(_, now)| now & PHASE == GONE && now & half.bit() == 0)
            .map(|(place, _)| place)
    }

    /// `half` has forgotten the calls of one that is gone; only in its turn. `Some` once both have: its place is free, and so
    /// many sleepers were its own.
    pub fn forget(&self, gone: Place, half: Half) -> Option<u32> {
        let words = self.of(gone.id);
        // It is gone, so they stand still.
        let sleepers = words.sleepers.load(Ordering::Acquire);
        if words.change(gone.stamp | GONE, gone.stamp | GONE | half.bit()) {
            return None;
        }
        let by_the_other = gone.stamp | GONE | half.other().bit();
        words.change(by_the_other, gone.stamp | FREE).then(|| {
            self.vacated.fetch_add(1, Ordering::AcqRel);
            sleepers
        })
    }

    /// Changes when a place becomes free, for those who sleep until then.
    pub fn vacated(&self) -> &AtomicU32 {
        &self.vacated
    }

    /// The words of one holder.
    pub fn of(&self, id: HolderId) -> &HolderWords {
        &self.places[usize::from(id.0) % MAX_HOLDERS]
    }

    /// Each place, and what changes in its state.
    fn places(&self) -> impl Iterator<Item = (Place, u64)> {
        self.ids().map(|id| {
            let state = self.of(id).state.load(Ordering::Acquire);
            let now = state & (PHASE | FORGOTTEN);
            (Place { id, stamp: state ^ now }, now)
        })
    }

    fn ids(&self) -> impl Iterator<Item = HolderId> {
        (0..MAX_HOLDERS as u8).map(HolderId)
    }
}

impl HolderWords {
    fn change(&self, from: u64, to: u64) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const fn place(id: u8, serial: u64) -> Place {
        Place {
            id: HolderId(id),
            stamp: (7 << PID_SHIFT) | (serial * NEXT_SERIAL),
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
            holders.forget(id, half);
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
        let place = holders.join(7, 70).expect("all are free");
        let id = place.id;
        let seen = holders.present().next().expect("it holds");
        holders.of(id).sleepers.store(3, Ordering::Relaxed);
        assert_eq!(holders.remembered(Half::Reading).count(), 0);
        assert!(holders.mark_gone(&seen) && !holders.mark_gone(&seen));
        assert!(holders.is_empty() && holders.present().next().is_none());
        assert_eq!(holders.remembered(Half::Writing).collect::<Vec<_>>(), [place]);
        assert_eq!(holders.forget(place, Half::Writing), None);
        assert_eq!(holders.remembered(Half::Writing).count(), 0);
        assert!(holders.join(8, 80).is_some_and(|other| other.id != id), "not free yet");
        assert_eq!(holders.forget(place, Half::Reading), Some(3));
        assert_eq!(holders.remembered(Half::Reading).count(), 0);
        assert_eq!(holders.vacated().load(Ordering::Relaxed), 1);
        assert!(holders.join(9, 90).is_some_and(|next| next.id == id));
        assert_eq!(holders.forget(place, Half::Reading), None, "it is another's by now");
        assert_eq!(holders.present().count(), 2);
    }

    /// One that ends just when it takes a place is told by the number of its process.
    ///
    /// semantics 190
    #[test]
    fn the_place_of_one_that_was_about_to_join_can_be_cleared() {
        let holders = Holders::default();
        holders.places[0]
            .state
            .store(u64::from(7_u32) << PID_SHIFT | NEXT_SERIAL | JOINING, Ordering::Relaxed);
        assert!(!holders.is_empty() && holders.present().next().is_none());
        let (place, pid) = holders.joining().next().expect("it joins");
        assert_eq!(pid, 7);
        holders.clear(place);
        assert!(holders.is_empty() && holders.joining().next().is_none());
        let next = holders.join(8, 80).expect("it is free");
        assert_eq!(next.id, place.id);
        holders.clear(place);
        assert_eq!(holders.present().count(), 1, "it is another's by now");
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
