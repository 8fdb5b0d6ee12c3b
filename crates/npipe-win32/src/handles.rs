//! The table of handles.
//!
//! A handle is the number of a slot, times four as on Windows, so that handles stay small however many there were. A slot
//! holds an object, what may be done with it by this handle, and its flags. A call takes the object out as a reference that
//! it keeps while it runs; closing empties the slot at once, so that the number is no handle any more for whoever comes
//! later, and what still runs has its object until it is through. Freed numbers wait a while before they are used again.
//!
//! The table grows in chunks, each as large as all before it, which never move; looking up takes the slot's lock alone.

use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock};

use npipe::Access;

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome};
use crate::object::Object;
use crate::types::{Handle, code};

/// What a handle stands for.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) object: Object,
    /// What this handle allows; duplicates may allow less.
    pub(crate) access: Access,
    /// HANDLE_FLAG_INHERIT.
    pub(crate) inherit: bool,
    /// HANDLE_FLAG_PROTECT_FROM_CLOSE.
    pub(crate) protect: bool,
}

type Slot = Mutex<Option<Entry>>;

const FIRST_CHUNK: usize = 64;
const CHUNKS: usize = 18;
/// More numbers than this are free before one is used again.
const REST: usize = 32;

static TABLE: [OnceLock<Box<[Slot]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
static FREE: Mutex<Free> = Mutex::new(Free {
    returned: VecDeque::new(),
    fresh: 0,
});

struct Free {
    returned: VecDeque<usize>,
    /// The lowest number that was never used.
    fresh: usize,
}

/// The chunk of a slot and the place in it.
fn place(index: usize) -> (usize, usize) {
    let chunk = ((index / FIRST_CHUNK) + 1).ilog2() as usize;
    (chunk, index - FIRST_CHUNK * ((1 << chunk) - 1))
}

#[inline]
fn slot(handle: Handle) -> Outcome<&'static Slot> {
    crate::processes::claim::keep_linked();
    let invalid = Failure(code::INVALID_HANDLE);
    // The two lowest bits are the program's, as on Windows.
    let index = (handle >> 2).checked_sub(1).ok_or(invalid)?;
    let (chunk, place) = place(index);
    let chunk = TABLE.get(chunk).and_then(OnceLock::get).ok_or(invalid)?;
    chunk.get(place).ok_or(invalid)
}

/// A handle for an object.
///
/// # Errors
/// ERROR_TOO_MANY_OPEN_FILES with 16 million of them.
pub(crate) fn insert(object: Object, access: Access, inherit: bool) -> Outcome<Handle> {
    object.opened();
    insert_counted(Entry {
        object,
        access,
        inherit,
        protect: false,
    })
}

/// A handle for an object that counts it already.
fn insert_counted(entry: Entry) -> Outcome<Handle> {
    let mut free = locked(&FREE);
    let index = match free.returned.len() {
        0..=REST => {
            free.fresh += 1;
            free.fresh - 1
        }
        _ => free.returned.pop_front().unwrap_or_default(),
    };
    drop(free);
    let (chunk, place) = place(index);
    let Some(chunk_cell) = TABLE.get(chunk) else {
        locked(&FREE).fresh -= 1;
        entry.object.closed();
        return Err(Failure(code::TOO_MANY_OPEN_FILES));
    };
    *locked(&chunk_of(chunk_cell, chunk)[place]) = Some(entry);
    Ok((index + 1) << 2)
}

fn chunk_of(cell: &OnceLock<Box<[Slot]>>, chunk: usize) -> &[Slot] {
    cell.get_or_init(|| (0..FIRST_CHUNK << chunk).map(|_| Mutex::new(None)).collect())
}

/// What a handle stands for.
///
/// # Errors
/// ERROR_INVALID_HANDLE.
#[inline]
pub(crate) fn get(handle: Handle) -> Outcome<Entry> {
    locked(slot(handle)?).clone().ok_or(Failure(code::INVALID_HANDLE))
}

/// Changes a handle's entry.
///
/// # Errors
/// ERROR_INVALID_HANDLE.
pub(crate) fn change(handle: Handle, act: impl FnOnce(&mut Entry)) -> Outcome<()> {
    locked(slot(handle)?)
        .as_mut()
        .map(act)
        .ok_or(Failure(code::INVALID_HANDLE))
}

/// Closes a handle, and its object with the last one.
///
/// # Errors
/// ERROR_INVALID_HANDLE, also for one that is protected or that has functions of its own to close it.
pub(crate) fn close(handle: Handle) -> Outcome<()> {
    take(handle, |object| !matches!(object, Object::Pooled(_))).map(drop)
}

/// Closes a handle if its object is one of those; what it stood for.
///
/// # Errors
/// ERROR_INVALID_HANDLE, also for one that is protected.
pub(crate) fn take(handle: Handle, is_one: impl FnOnce(&Object) -> bool) -> Outcome<Object> {
    let mut slot = locked(slot(handle)?);
    let closing = slot.take_if(|entry| !entry.protect && is_one(&entry.object));
    drop(slot);
    let Entry { object, .. } = closing.ok_or(Failure(code::INVALID_HANDLE))?;
    locked(&FREE).returned.push_back((handle >> 2) - 1);
    object.closed();
    Ok(object)
}

/// Another handle for the same object; `access` says what it allows, given what the first one does.
///
/// # Errors
/// ERROR_INVALID_HANDLE, and those of `access`.
pub(crate) fn duplicate(
    handle: Handle,
    inherit: bool,
    access: impl FnOnce(&Entry) -> Outcome<Access>,
) -> Outcome<Handle> {
    let slot = locked(slot(handle)?);
    let entry = slot.as_ref().ok_or(Failure(code::INVALID_HANDLE))?;
    let access = access(entry)?;
    let object = entry.object.clone();
    // Counted while the first one surely is.
    object.opened();
    drop(slot);
    insert_counted(Entry {
        object,
        access,
        inherit,
        protect: false,
    })
}

/// All handles that are marked inheritable, in their order.
// semantics 259
pub(crate) fn inheritable() -> Vec<(Handle, Entry)> {
    let numbers = (1..=locked(&FREE).fresh).map(|number| number << 2);
    let entries = numbers.filter_map(|handle| Some((handle, get(handle).ok()?)));
    entries.filter(|(_, entry)| entry.inherit).collect()
}

/// Puts an entry under a number of another process' choosing, before this one has made handles.
///
/// # Errors
/// ERROR_INVALID_HANDLE for a number that is taken.
pub(crate) fn place_at(handle: Handle, entry: Entry) -> Outcome<()> {
    let invalid = Failure(code::INVALID_HANDLE);
    let index = (handle >> 2).checked_sub(1).ok_or(invalid)?;
    let mut free = locked(&FREE);
    if index >= free.fresh {
        let skipped = free.fresh..index;
        free.returned.extend(skipped);
        free.fresh = index + 1;
    } else if let Some(at) = free.returned.iter().position(|&returned| returned == index) {
        free.returned.remove(at);
    } else {
        return Err(invalid);
    }
    drop(free);
    entry.object.opened();
    let (chunk, place) = place(index);
    let cell = TABLE.get(chunk).ok_or(invalid)?;
    *locked(&chunk_of(cell, chunk)[place]) = Some(entry);
    Ok(())
}

/// How many handles are open.
pub(crate) fn count() -> usize {
    let free = locked(&FREE);
    free.fresh - free.returned.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Object {
        Object::Event(crate::dispatch::Waitable::event(true, false))
    }

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let places: Vec<_> = (0..1000).map(place).collect();
        assert_eq!(places[0], (0, 0));
        assert_eq!(places[63], (0, 63));
        assert_eq!(places[64], (1, 0));
        assert_eq!(places[191], (1, 127));
        assert_eq!(places[192], (2, 0));
        assert_eq!(places.iter().collect::<std::collections::HashSet<_>>().len(), 1000);
    }

    /// semantics 194
    #[test]
    fn a_closed_number_is_no_handle() {
        let handle = insert(event(), Access::NONE, false).unwrap();
        assert!(handle.is_multiple_of(4) && handle < 1 << 31);
        assert!(get(handle).is_ok());
        assert!(close(handle).is_ok());
        let invalid = Some(Failure(code::INVALID_HANDLE));
        assert_eq!(get(handle).err(), invalid);
        assert_eq!(close(handle).err(), invalid);
        for foreign in [0, 3, usize::MAX, usize::MAX - 1, 1 << 31, 0xdead_beef, 1 << 60] {
            assert_eq!(get(foreign).err(), invalid, "{foreign:#x}");
            assert_eq!(close(foreign).err(), invalid, "{foreign:#x}");
        }
    }

    /// Numbers below one that was inherited are used when their turn comes. semantics 259
    #[test]
    fn an_inherited_number_is_kept() {
        let entry = |inherit| Entry {
            object: event(),
            access: Access::NONE,
            inherit,
            protect: false,
        };
        let number = 1 << 12;
        place_at(number, entry(true)).unwrap();
        assert!(place_at(number, entry(true)).is_err(), "taken");
        place_at(number - 8, entry(false)).unwrap();
        let marked: Vec<_> = inheritable().into_iter().map(|(handle, _)| handle).collect();
        assert_eq!(marked, [number]);
        let lower = insert(event(), Access::NONE, false).unwrap();
        assert!(lower < number);
        for handle in [lower, number, number - 8] {
            close(handle).unwrap();
        }
    }

    #[test]
    fn a_freed_number_rests() {
        let first = insert(event(), Access::NONE, false).unwrap();
        close(first).unwrap();
        let second = insert(event(), Access::NONE, false).unwrap();
        assert_ne!(first, second);
        close(second).unwrap();
    }
}
