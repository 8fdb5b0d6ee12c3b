//! Memory that an operation reads into or writes from.
//!
//! It belongs to the operation from its start to its completion, so that no borrow of a program's can dangle: either it is
//! moved in and comes back with the completion, or its owner vouches for it, as the C interface must.
#![allow(
    unsafe_code,
    reason = "the C interface hands over memory that only its caller can vouch for"
)]

use std::ptr;

/// Memory of one operation.
#[derive(Debug)]
pub struct Buffer(Kind);

#[derive(Debug)]
enum Kind {
    Owned(Vec<u8>),
    Raw { address: *mut u8, length: usize },
}

// SAFETY: raw memory is used by whoever has the buffer and, as `Buffer::from_raw` demands, by nobody else meanwhile; no
// thread is special to it.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Memory of the caller's, who goes on owning it.
    ///
    /// # Safety
    /// Until the operation has completed or was refused, `length` bytes at `address` are valid: for reads and replies to be
    /// written to by nobody else, for writes and requests to be read from and written to by nobody. The address may be
    /// null if the length is 0. Cancelling does not complete an operation; its completion does.
    pub unsafe fn from_raw(address: *mut u8, length: usize) -> Buffer {
        Buffer(Kind::Raw { address, length })
    }

    /// No memory.
    pub(crate) const fn empty() -> Buffer {
        Buffer(Kind::Owned(Vec::new()))
    }

    /// The memory, if it was moved in; empty if it is the caller's.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Kind::Owned(bytes) => bytes,
            Kind::Raw { .. } => Vec::new(),
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Owned(bytes) => bytes.len(),
            Kind::Raw { length, .. } => *length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is to be written.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Owned(bytes) => bytes,
            Kind::Raw { length: 0, .. } => &[],
            Kind::Raw { address, length } => {
                // SAFETY: as `Buffer::from_raw` demands, valid and not written to while this buffer is an operation's.
                unsafe { &*ptr::slice_from_raw_parts(*address, *length) }
            }
        }
    }

    /// Where to read to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Kind::Owned(bytes) => bytes,
            Kind::Raw { length: 0, .. } => &mut [],
            Kind::Raw { address, length } => {
                // SAFETY: as `Buffer::from_raw` demands, valid and nobody else's while this buffer is an operation's.
                unsafe { &mut *ptr::slice_from_raw_parts_mut(*address, *length) }
            }
        }
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Buffer {
        Buffer(Kind::Owned(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 211: what is read arrives in the caller's own memory.
    #[test]
    fn raw_memory_is_the_callers() {
        let mut memory = [1, 2, 3];
        // SAFETY: the memory outlives the buffer, and nothing else uses it meanwhile.
        let mut buffer = unsafe { Buffer::from_raw(memory.as_mut_ptr(), memory.len()) };
        assert_eq!((buffer.len(), buffer.is_empty()), (3, false));
        buffer.bytes_mut()[1] = 9;
        assert_eq!(buffer.bytes(), [1, 9, 3]);
        assert!(buffer.into_vec().is_empty(), "it is not the engine's to give");
        assert_eq!(memory, [1, 9, 3]);
        // SAFETY: there are no bytes at it.
        let mut nothing = unsafe { Buffer::from_raw(ptr::null_mut(), 0) };
        assert!(nothing.bytes().is_empty() && nothing.bytes_mut().is_empty() && nothing.is_empty());
    }
}
