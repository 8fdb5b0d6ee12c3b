#![allow(unsafe_code, reason = "memory of the program, by malloc")]

//! Heap, Global and Local memory: one heap, malloc's.
//!
//! In front of each block lies its size, which `HeapSize` and growing with zeros need. A handle of movable memory is its
//! pointer; locking it does nothing.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use crate::failure::{Failure, Outcome};
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};

/// What GetProcessHeap returns; not a handle of the table.
const PROCESS_HEAP: Handle = 0x0001_0000;

const HEAP_ZERO_MEMORY: u32 = 8;
const ZEROINIT: u32 = 0x40;
const MODIFY: u32 = 0x80;
/// As much as keeps the alignment of malloc.
const HEADER: usize = 16;

type Memory = *mut c_void;

/// A block of `size` bytes.
///
/// # Errors
/// ERROR_NOT_ENOUGH_MEMORY.
pub(crate) fn allocate(size: usize, zeroed: bool) -> Outcome<NonNull<u8>> {
    let none = Failure(code::NOT_ENOUGH_MEMORY);
    let total = size.checked_add(HEADER).ok_or(none)?;
    let block = match zeroed {
        // SAFETY: any size may be asked for.
        true => unsafe { libc::calloc(1, total) },
        // SAFETY: as above.
        false => unsafe { libc::malloc(total) },
    };
    let block = NonNull::new(block.cast::<u8>()).ok_or(none)?;
    // SAFETY: the block is aligned for it and has room.
    unsafe { block.cast::<usize>().write(size) };
    // SAFETY: the block is longer than its header.
    Ok(unsafe { block.add(HEADER) })
}

/// The block that `memory` is of.
fn block_of(memory: Memory) -> *mut u8 {
    memory.cast::<u8>().wrapping_sub(HEADER)
}

fn size_of(memory: Memory) -> usize {
    // SAFETY: the program vouches that it got `memory` from here and has not freed it.
    unsafe { block_of(memory).cast::<usize>().read() }
}

/// What [`allocate`] gave.
pub(crate) fn free(memory: Memory) {
    if !memory.is_null() {
        // SAFETY: the program vouches that it got `memory` from here and has not freed it.
        unsafe { libc::free(block_of(memory).cast()) };
    }
}

fn reallocate(memory: Memory, size: usize, zeroed: bool) -> Outcome<Memory> {
    let none = Failure(code::NOT_ENOUGH_MEMORY);
    let before = size_of(memory);
    let total = size.checked_add(HEADER).ok_or(none)?;
    // SAFETY: as in `free`.
    let block = unsafe { libc::realloc(block_of(memory).cast(), total) };
    let block = NonNull::new(block.cast::<u8>()).ok_or(none)?;
    // SAFETY: the block is aligned for it and has room.
    unsafe { block.cast::<usize>().write(size) };
    // SAFETY: the block is longer than its header.
    let memory = unsafe { block.add(HEADER) };
    if zeroed && size > before {
        let new_part = memory.as_ptr().wrapping_add(before);
        // SAFETY: it lies behind the old one, up to the new size.
        unsafe { ptr::write_bytes(new_part, 0, size - before) };
    }
    Ok(memory.as_ptr().cast())
}

fn new(size: usize, zeroed: bool) -> Outcome<Memory> {
    Ok(allocate(size, zeroed)?.as_ptr().cast())
}

fn require_heap(heap: Handle) -> Outcome<()> {
    match heap {
        PROCESS_HEAP => Ok(()),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// Global and Local memory alike: grows, or with the flag for it changes nothing but attributes, of which there are none.
fn resize(memory: Memory, size: usize, flags: u32) -> Outcome<Memory> {
    if memory.is_null() {
        return Err(Failure(code::INVALID_HANDLE));
    }
    if flags & MODIFY != 0 {
        return Ok(memory);
    }
    reallocate(memory, size, flags & ZEROINIT != 0)
}

crate::export! {
    /// GetProcessHeap.
    fn GetProcessHeap() -> Handle [NULL] {
        Ok(PROCESS_HEAP)
    }

    /// HeapAlloc. NULL where there is no memory, without a last error, as on Windows.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for another heap.
    fn HeapAlloc(heap: Handle, flags: u32, size: usize) -> Memory [ptr::null_mut()] {
        require_heap(heap)?;
        new(size, flags & HEAP_ZERO_MEMORY != 0)
    }

    /// HeapReAlloc.
    ///
    /// # Errors
    /// As HeapAlloc.
    fn HeapReAlloc(heap: Handle, flags: u32, memory: Memory, size: usize) -> Memory [ptr::null_mut()] {
        require_heap(heap)?;
        if memory.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        reallocate(memory, size, flags & HEAP_ZERO_MEMORY != 0)
    }

    /// HeapFree.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for another heap.
    fn HeapFree(heap: Handle, _flags: u32, memory: Memory) -> Bool [FALSE] {
        require_heap(heap)?;
        free(memory);
        Ok(TRUE)
    }

    /// HeapSize.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for another heap.
    fn HeapSize(heap: Handle, _flags: u32, memory: Memory) -> usize [usize::MAX] {
        require_heap(heap)?;
        if memory.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        Ok(size_of(memory))
    }

    /// GlobalAlloc.
    ///
    /// # Errors
    /// ERROR_NOT_ENOUGH_MEMORY.
    fn GlobalAlloc(flags: u32, size: usize) -> Memory [ptr::null_mut()] {
        new(size, flags & ZEROINIT != 0)
    }

    /// GlobalReAlloc.
    ///
    /// # Errors
    /// ERROR_NOT_ENOUGH_MEMORY, ERROR_INVALID_HANDLE for NULL.
    fn GlobalReAlloc(memory: Memory, size: usize, flags: u32) -> Memory [ptr::null_mut()] {
        resize(memory, size, flags)
    }

    /// GlobalFree: NULL, which is success.
    fn GlobalFree(memory: Memory) -> Memory [ptr::null_mut()] {
        free(memory);
        Ok(ptr::null_mut())
    }

    /// GlobalLock: the pointer, which the handle is.
    fn GlobalLock(memory: Memory) -> Memory [ptr::null_mut()] {
        Ok(memory)
    }

    /// GlobalUnlock: FALSE with NO_ERROR, which means that nothing holds it.
    fn GlobalUnlock(_memory: Memory) -> Bool [FALSE] {
        Err(Failure(code::SUCCESS))
    }

    /// GlobalSize.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for NULL.
    fn GlobalSize(memory: Memory) -> usize [0] {
        if memory.is_null() {
            return Err(Failure(code::INVALID_HANDLE));
        }
        Ok(size_of(memory))
    }

    /// LocalAlloc.
    ///
    /// # Errors
    /// ERROR_NOT_ENOUGH_MEMORY.
    fn LocalAlloc(flags: u32, size: usize) -> Memory [ptr::null_mut()] {
        new(size, flags & ZEROINIT != 0)
    }

    /// LocalReAlloc.
    ///
    /// # Errors
    /// As GlobalReAlloc.
    fn LocalReAlloc(memory: Memory, size: usize, flags: u32) -> Memory [ptr::null_mut()] {
        resize(memory, size, flags)
    }

    /// LocalFree: NULL, which is success.
    fn LocalFree(memory: Memory) -> Memory [ptr::null_mut()] {
        free(memory);
        Ok(ptr::null_mut())
    }

    /// LocalSize.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for NULL.
    fn LocalSize(memory: Memory) -> usize [0] {
        if memory.is_null() {
            return Err(Failure(code::INVALID_HANDLE));
        }
        Ok(size_of(memory))
    }
}
