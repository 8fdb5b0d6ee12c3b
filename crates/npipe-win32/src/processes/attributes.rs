//! Attribute lists of CreateProcess: which of the inheritable handles a child gets.
//!
//! The list lies in the program's memory: three words that say what it is, how much it may hold and how much it does, then
//! three words for each attribute. The values stay where the program has them until the child is made.

use crate::failure::{Failure, Outcome, not_implemented};
use crate::pointers::{In, Out};
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};

const PROC_THREAD_ATTRIBUTE_HANDLE_LIST: usize = 0x0002_0002;
/// The first word of a list that was initialised.
const MARK: usize = 0x5453_494c;
/// No list is longer; Windows knows fewer kinds than this.
const MOST: usize = 64;
/// No value is longer, so that a size that makes no sense does not take us to the end of memory.
const LONGEST_VALUE: usize = 1 << 20;

/// LPPROC_THREAD_ATTRIBUTE_LIST.
pub(crate) type List = Out<[usize; 3]>;

/// One attribute of a list.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Attribute {
    which: usize,
    value: In<Handle>,
    bytes: usize,
}

/// How much a list may hold, and how much it does.
fn extent(list: List) -> Outcome<(usize, usize)> {
    match list.get() {
        Some([MARK, most, count]) if count <= most && most <= MOST => Ok((most, count)),
        _ => Err(Failure(code::INVALID_PARAMETER)),
    }
}

/// The handles of a list, if it has such an attribute; NULL is no list.
///
/// # Errors
/// ERROR_INVALID_PARAMETER for what is no list.
pub(super) fn handles(list: List) -> Outcome<Option<Vec<Handle>>> {
    if list.is_null() {
        return Ok(None);
    }
    let (_, count) = extent(list)?;
    let attributes = list.cast::<Attribute>();
    for index in 1..=count {
        let Attribute { which, value, bytes } = attributes.get_at(index);
        if which == PROC_THREAD_ATTRIBUTE_HANDLE_LIST {
            return Ok(value.array(bytes / size_of::<Handle>()));
        }
    }
    Ok(None)
}

crate::export! {
    /// InitializeProcThreadAttributeList. Without a list, or with too small a one: the size that it takes.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER.
    fn InitializeProcThreadAttributeList(list: List, count: u32, flags: u32, size: Out<usize>) -> Bool [FALSE] {
        let invalid = Failure(code::INVALID_PARAMETER);
        let count = count as usize;
        if flags != 0 || count > MOST {
            return Err(invalid);
        }
        let needed = (count + 1) * size_of::<Attribute>();
        let given = size.get().ok_or(invalid)?;
        size.set(needed);
        if list.is_null() || given < needed {
            return Err(Failure(code::INSUFFICIENT_BUFFER));
        }
        list.set([MARK, count, 0]);
        Ok(TRUE)
    }

    /// UpdateProcThreadAttribute: PROC_THREAD_ATTRIBUTE_HANDLE_LIST. The value has to stay until the child is made.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER, ERROR_BAD_LENGTH (no handles, or no whole ones), ERROR_GEN_FAILURE (the list is full, or has
    /// it); ERROR_CALL_NOT_IMPLEMENTED for other attributes.
    fn UpdateProcThreadAttribute(
        list: List,
        flags: u32,
        which: usize,
        value: In<Handle>,
        bytes: usize,
        previous: Out<usize>,
        _size: Out<usize>,
    ) -> Bool [FALSE] {
        if flags != 0 || !previous.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let (most, count) = extent(list)?;
        if which != PROC_THREAD_ATTRIBUTE_HANDLE_LIST {
            return Err(not_implemented("UpdateProcThreadAttribute of another attribute than the list of handles"));
        }
        if bytes == 0 || !bytes.is_multiple_of(size_of::<Handle>()) || bytes > LONGEST_VALUE {
            return Err(Failure(code::BAD_LENGTH));
        }
        if value.get().is_none_or(|first| first == NULL) {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let has_it = (1..=count).any(|index| list.get_at(index)[0] == which);
        if has_it || count == most {
            return Err(Failure(code::GEN_FAILURE));
        }
        list.cast::<Attribute>().set_at(count + 1, Attribute { which, value, bytes });
        list.set([MARK, most, count + 1]);
        Ok(TRUE)
    }

    /// DeleteProcThreadAttributeList: it is no list any more.
    fn DeleteProcThreadAttributeList(list: List) -> () [()] {
        list.set([0; 3]);
        Ok(())
    }
}
