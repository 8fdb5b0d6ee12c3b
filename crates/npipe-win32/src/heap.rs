#![allow(unsafe_code, reason = "memory of the program, by malloc")]

//! Heap, Global and Local memory: all of it malloc's. Heaps that a program creates are in [`own_heaps`].
//!
//! In front of each block lies its size, which `HeapSize` and growing with zeros need. A handle of movable memory is its
//! pointer; locking it does nothing.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use crate::failure::{Failure, Outcome};
use crate::own_heaps;
use crate::types::{Bool, FALSE, Handle, NULL, TRUE, code};

/// What GetProcessHeap returns; not a handle of the table.
pub(crate) const PROCESS_HEAP: Handle = 0x0001_0000;

const HEAP_ZERO_MEMORY: u32 = 8;
const HEAP_REALLOC_IN_PLACE_ONLY: u32 = 0x10;
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

/// The block that the memory at an address is of.
fn block_of(memory: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(memory.wrapping_sub(HEADER))
}

fn size_of(memory: usize) -> usize {
    // SAFETY: the program vouches that it got `memory` from here and has not freed it.
    unsafe { block_of(memory).cast::<usize>().read() }
}

/// Frees what [`allocate`] has given, by its address; nothing for 0.
pub(crate) fn free(memory: usize) {
    if memory != 0 {
        // SAFETY: the program vouches that it got `memory` from here and has not freed it.
        unsafe { libc::free(block_of(memory).cast()) };
    }
}

/// Gives what [`allocate`] has given another size, wherever that is then, or only where it is.
pub(crate) fn reallocate(memory: usize, size: usize, zeroed: bool, in_place: bool) -> Outcome<NonNull<u8>> {
    let none = Failure(code::NOT_ENOUGH_MEMORY);
    let before = size_of(memory);
    if in_place {
        if size > before {
            return Err(none);
        }
        let place = ptr::with_exposed_provenance_mut(memory);
        // SAFETY: as in `free`; the header is aligned for it.
        unsafe { block_of(memory).cast::<usize>().write(size) };
        return NonNull::new(place).ok_or(none);
    }
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
    Ok(memory)
}

fn new(size: usize, zeroed: bool) -> Outcome<Memory> {
    Ok(allocate(size, zeroed)?.as_ptr().cast())
}

/// Global and Local memory alike: grows, or with the flag for it changes nothing but attributes, of which there are none.
fn resize(memory: Memory, size: usize, flags: u32) -> Outcome<Memory> {
    if memory.is_null() {
        return Err(Failure(code::INVALID_HANDLE));
    }
    if flags & MODIFY != 0 {
        return Ok(memory);
    }
    Ok(reallocate(memory as usize, size, flags & ZEROINIT != 0, false)?
        .as_ptr()
        .cast())
}

crate::export! {
    /// GetProcessHeap.
    fn GetProcessHeap() -> Handle [NULL] {
        Ok(PROCESS_HEAP)
    }

    /// HeapCreate. The first size means nothing; a heap with a maximum holds no more than that in all its blocks.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER; ERROR_CALL_NOT_IMPLEMENTED for exceptions.
    fn HeapCreate(options: u32, initial: usize, maximum: usize) -> Handle [NULL] {
        own_heaps::create(options, initial, maximum)
    }

    /// HeapDestroy: all its blocks are freed.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no heap of the program's own.
    fn HeapDestroy(heap: Handle) -> Bool [FALSE] {
        own_heaps::destroy(heap)?;
        Ok(TRUE)
    }

    /// HeapValidate: whether a block is one of this heap's, and of none whether there is such a heap. What the process' heap
    /// has is not known; any block is taken for one of its.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER.
    fn HeapValidate(heap: Handle, _flags: u32, memory: Memory) -> Bool [FALSE] {
        match (heap, memory.is_null()) {
            (PROCESS_HEAP, _) => {}
            (_, true) => own_heaps::require(heap)?,
            (_, false) => drop(own_heaps::size_of(heap, memory as usize)?),
        }
        Ok(TRUE)
    }

    /// HeapAlloc. NULL where there is no memory, without a last error, as on Windows.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no heap; ERROR_INVALID_PARAMETER for a block of another one, which only heaps of the
    /// program's own notice.
    fn HeapAlloc(heap: Handle, flags: u32, size: usize) -> Memory [ptr::null_mut()] {
        let zeroed = flags & HEAP_ZERO_MEMORY != 0;
        match heap {
            PROCESS_HEAP => new(size, zeroed),
            _ => Ok(own_heaps::allocate(heap, size, zeroed)?.as_ptr().cast()),
        }
    }

    /// HeapReAlloc.
    ///
    /// # Errors
    /// As HeapAlloc.
    fn HeapReAlloc(heap: Handle, flags: u32, memory: Memory, size: usize) -> Memory [ptr::null_mut()] {
        if memory.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        let (zeroed, in_place) = (flags & HEAP_ZERO_MEMORY != 0, flags & HEAP_REALLOC_IN_PLACE_ONLY != 0);
        let moved = match heap {
            PROCESS_HEAP => reallocate(memory as usize, size, zeroed, in_place)?,
            _ => own_heaps::reallocate(heap, memory as usize, size, zeroed, in_place)?,
        };
        Ok(moved.as_ptr().cast())
    }

    /// HeapFree.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no heap; ERROR_INVALID_PARAMETER for a block of another one, which only heaps of the
    /// program's own notice.
    fn HeapFree(heap: Handle, _flags: u32, memory: Memory) -> Bool [FALSE] {
        match heap {
            PROCESS_HEAP => free(memory as usize),
            // Nothing is a block of every heap.
            _ if memory.is_null() => own_heaps::require(heap)?,
            _ => own_heaps::free(heap, memory as usize)?,
        }
        Ok(TRUE)
    }

    /// HeapSize.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no heap; ERROR_INVALID_PARAMETER for a block of another one, which only heaps of the
    /// program's own notice.
    fn HeapSize(heap: Handle, _flags: u32, memory: Memory) -> usize [usize::MAX] {
        if memory.is_null() {
            return Err(Failure(code::INVALID_PARAMETER));
        }
        match heap {
            PROCESS_HEAP => Ok(size_of(memory as usize)),
            _ => own_heaps::size_of(heap, memory as usize),
        }
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
        free(memory as usize);
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
        Ok(size_of(memory as usize))
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
        free(memory as usize);
        Ok(ptr::null_mut())
    }

    /// LocalLock: the pointer, which the handle is.
    fn LocalLock(memory: Memory) -> Memory [ptr::null_mut()] {
        Ok(memory)
    }

    /// LocalUnlock: FALSE with NO_ERROR, which means that nothing holds it.
    fn LocalUnlock(_memory: Memory) -> Bool [FALSE] {
        Err(Failure(code::SUCCESS))
    }

    /// LocalSize.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for NULL.
    fn LocalSize(memory: Memory) -> usize [0] {
        if memory.is_null() {
            return Err(Failure(code::INVALID_HANDLE));
        }
        Ok(size_of(memory as usize))
    }
}
