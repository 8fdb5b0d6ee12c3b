//! Heaps of a program's own: memory that goes all at once.
//!
//! Their blocks are malloc's as those of the process' heap are; a heap knows which are its own, so that a foreign one is
//! refused, and the rest is freed with the heap.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::Mutex;

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome, not_implemented};
use crate::heap;
use crate::types::{Handle, code};

const HEAP_GENERATE_EXCEPTIONS: u32 = 4;
/// Handles of heaps are multiples of this, above the process' heap and below what a pointer would be.
const STEP: Handle = 0x1_0000;

static HEAPS: Mutex<Option<Heaps>> = Mutex::new(None);

struct Heaps {
    open: HashMap<Handle, Heap>,
    last: Handle,
}

#[derive(Default)]
struct Heap {
    /// How much it may hold; 0 for any amount.
    maximum: usize,
    used: usize,
    /// Its blocks, with their sizes.
    blocks: HashMap<usize, usize>,
}

fn with<T>(heap: Handle, act: impl FnOnce(&mut Heap) -> Outcome<T>) -> Outcome<T> {
    let mut heaps = locked(&HEAPS);
    let found = heaps.as_mut().and_then(|heaps| heaps.open.get_mut(&heap));
    act(found.ok_or(Failure(code::INVALID_HANDLE))?)
}

impl Heap {
    /// Makes room for a block of `size` in place of one of `before`.
    fn charge(&mut self, before: usize, size: usize) -> Outcome<()> {
        let none = Failure(code::NOT_ENOUGH_MEMORY);
        let used = (self.used - before).checked_add(size).ok_or(none)?;
        if self.maximum > 0 && used > self.maximum {
            return Err(none);
        }
        self.used = used;
        Ok(())
    }

    fn size_of(&self, block: usize) -> Outcome<usize> {
        self.blocks.get(&block).copied().ok_or(Failure(code::INVALID_PARAMETER))
    }
}

pub(crate) fn create(options: u32, initial: usize, maximum: usize) -> Outcome<Handle> {
    if options & HEAP_GENERATE_EXCEPTIONS != 0 {
        return Err(not_implemented("HeapCreate with HEAP_GENERATE_EXCEPTIONS"));
    }
    if maximum > 0 && initial > maximum {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let mut heaps = locked(&HEAPS);
    let heaps = heaps.get_or_insert_with(|| Heaps {
        open: HashMap::new(),
        last: heap::PROCESS_HEAP,
    });
    heaps.last += STEP;
    let heap = Heap {
        maximum,
        ..Heap::default()
    };
    heaps.open.insert(heaps.last, heap);
    Ok(heaps.last)
}

pub(crate) fn destroy(heap: Handle) -> Outcome<()> {
    let removed = locked(&HEAPS).as_mut().and_then(|heaps| heaps.open.remove(&heap));
    let heap = removed.ok_or(Failure(code::INVALID_HANDLE))?;
    for &block in heap.blocks.keys() {
        heap::free(block);
    }
    Ok(())
}

pub(crate) fn allocate(heap: Handle, size: usize, zeroed: bool) -> Outcome<NonNull<u8>> {
    with(heap, |heap| {
        heap.charge(0, size)?;
        let block = heap::allocate(size, zeroed).inspect_err(|_| heap.used -= size)?;
        heap.blocks.insert(block.as_ptr() as usize, size);
        Ok(block)
    })
}

/// Moves a block to where there is room for it.
pub(crate) fn reallocate(
    heap: Handle,
    block: usize,
    size: usize,
    zeroed: bool,
    in_place: bool,
) -> Outcome<NonNull<u8>> {
    with(heap, |heap| {
        let before = heap.size_of(block)?;
        heap.charge(before, size)?;
        let moved =
            heap::reallocate(block, size, zeroed, in_place).inspect_err(|_| heap.used = heap.used - size + before)?;
        heap.blocks.remove(&block);
        heap.blocks.insert(moved.as_ptr() as usize, size);
        Ok(moved)
    })
}

pub(crate) fn free(heap: Handle, block: usize) -> Outcome<()> {
    with(heap, |heap| {
        let size = heap.size_of(block)?;
        heap.blocks.remove(&block);
        heap.used -= size;
        heap::free(block);
        Ok(())
    })
}

pub(crate) fn require(heap: Handle) -> Outcome<()> {
    with(heap, |_| Ok(()))
}

pub(crate) fn size_of(heap: Handle, block: usize) -> Outcome<usize> {
    with(heap, |heap| heap.size_of(block))
}
