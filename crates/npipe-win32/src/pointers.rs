#![allow(unsafe_code, reason = "reads and writes through the pointers that C programs pass")]

//! Pointers that C passes, as types.
//!
//! Their fields are private and they have no constructors: each comes from a C caller, as the argument of an export. The
//! caller vouches, as on Windows, that it is NULL or leads to what the header says, for as long as the call runs or, where
//! Windows says so, until the operation is over. On that the blocks below rest; nothing else in the library touches memory
//! of the program.
//!
//! What is NULL is never followed: a result that nobody wants is not written, input that is missing is `None`.

use std::marker::PhantomData;
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use npipe::overlapped::engine;

use crate::failure::{Failure, Outcome};
use crate::types::{Wide, code};

/// The longest text that is looked at, so that one without an end does not take us to the end of memory.
const LONGEST_TEXT: usize = 1 << 26;

/// Where a result goes. NULL: nobody wants it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Out<T: Copy>(*mut T);

impl<T: Copy> Out<T> {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    pub(crate) fn set(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: not NULL, so the caller vouches for room for one `T`, however aligned.
            unsafe { self.0.write_unaligned(value) };
        }
    }

    /// The `index`th of an array of results.
    pub(crate) fn set_at(self, index: usize, value: T) {
        // SAFETY: the caller vouches for as many as the size says that stands beside the pointer.
        unsafe { self.0.wrapping_add(index).write_unaligned(value) };
    }

    /// What is there; `None` for NULL.
    pub(crate) fn get(self) -> Option<T> {
        // SAFETY: not NULL, so the caller vouches for an initialised `T`, however aligned.
        (!self.0.is_null()).then(|| unsafe { self.0.read_unaligned() })
    }

    /// The `index`th of an array.
    pub(crate) fn get_at(self, index: usize) -> T {
        // SAFETY: the caller vouches for as many as were set there.
        unsafe { self.0.wrapping_add(index).read_unaligned() }
    }

    /// The same place, in which there is something else as well.
    pub(crate) fn cast<U: Copy>(self) -> Out<U> {
        Out(self.0.cast())
    }
}

/// An argument by reference. NULL: it is left out.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct In<T: Copy>(*const T);

impl<T: Copy> In<T> {
    pub(crate) fn get(self) -> Option<T> {
        // SAFETY: not NULL, so the caller vouches for an initialised `T`, however aligned.
        (!self.0.is_null()).then(|| unsafe { self.0.read_unaligned() })
    }

    /// The same place, of which the caller says that there is more than `T`.
    pub(crate) fn cast<U: Copy>(self) -> In<U> {
        In(self.0.cast())
    }

    /// A copy of the array of `count`; `None` for NULL.
    pub(crate) fn array(self, count: usize) -> Option<Vec<T>> {
        (!self.0.is_null()).then(|| {
            (0..count)
                // SAFETY: the caller vouches for `count` of them.
                .map(|index| unsafe { self.0.wrapping_add(index).read_unaligned() })
                .collect()
        })
    }
}

/// A structure of the program's that stays where it is and that threads share. `T` consists of atomic words, so that it is
/// sound however the program uses it meanwhile.
#[repr(transparent)]
pub(crate) struct Shared<'a, T>(*const T, PhantomData<&'a T>);

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn get(self) -> Option<&'a T> {
        if !(self.0 as usize).is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: NULL or aligned; the caller vouches for a `T` that lives until the call or its operation is over.
        unsafe { self.0.as_ref() }
    }

    /// As [`get`](Shared::get), where Windows would crash without it.
    pub(crate) fn require(self) -> Outcome<&'a T> {
        self.get().ok_or(Failure(code::NOACCESS))
    }
}

/// A [`Shared`] structure that an operation keeps until it is over, on whichever threads.
pub(crate) struct Kept<T>(*const T);

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept(self.0)
    }
}

// SAFETY: `T` consists of atomic words, which any thread may use.
unsafe impl<T: Sync> Send for Kept<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Kept<T> {}

impl<T> Kept<T> {
    pub(crate) fn get(&self) -> &T {
        // SAFETY: checked by `Shared::keep`; the caller vouches that it lives until its operation is over.
        unsafe { &*self.0 }
    }

    /// Whether it is this one.
    pub(crate) fn is(&self, other: Shared<'_, T>) -> bool {
        self.0 == other.0
    }

    /// Its address, which the program is given back.
    pub(crate) fn address(&self) -> usize {
        self.0 as usize
    }
}

impl<T> Shared<'_, T> {
    /// For an operation that goes on when the call is over.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for NULL.
    pub(crate) fn keep(self) -> Outcome<Kept<T>> {
        match self.get() {
            Some(_) => Ok(Kept(self.0)),
            None => Err(Failure(code::INVALID_PARAMETER)),
        }
    }
}

/// A word that threads of the program change while others look at it, of a size that another argument tells.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Word(*mut u8);

impl Word {
    pub(crate) fn address(self) -> usize {
        self.0 as usize
    }

    /// What is there now.
    ///
    /// # Errors
    /// ERROR_INVALID_PARAMETER for NULL, a size other than 1, 2, 4 or 8, and a word that does not lie at a multiple of it.
    pub(crate) fn load(self, size: usize) -> Outcome<u64> {
        let invalid = Failure(code::INVALID_PARAMETER);
        if self.0.is_null() || !matches!(size, 1 | 2 | 4 | 8) || !self.address().is_multiple_of(size) {
            return Err(invalid);
        }
        Ok(match size {
            // SAFETY: not NULL and aligned; the caller vouches that a word of this size is there during the call.
            1 => unsafe { AtomicU8::from_ptr(self.0) }.load(Ordering::SeqCst).into(),
            // SAFETY: as above.
            2 => unsafe { AtomicU16::from_ptr(self.0.cast()) }
                .load(Ordering::SeqCst)
                .into(),
            // SAFETY: as above.
            4 => unsafe { AtomicU32::from_ptr(self.0.cast()) }
                .load(Ordering::SeqCst)
                .into(),
            // SAFETY: as above.
            _ => unsafe { AtomicU64::from_ptr(self.0.cast()) }.load(Ordering::SeqCst),
        })
    }
}

/// What the program is given back with each call of its callback. Nothing here looks at what is behind it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Context(*mut std::ffi::c_void);

// SAFETY: the program hands it over for the use of another thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Bytes that are read, by a pointer and a length.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(*const u8, PhantomData<&'a [u8]>);

impl<'a> Bytes<'a> {
    /// # Errors
    /// ERROR_NOACCESS for NULL with a length.
    pub(crate) fn slice(self, length: u32) -> Outcome<&'a [u8]> {
        if length == 0 {
            return Ok(&[]);
        }
        if self.0.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        // SAFETY: not NULL; the caller vouches for `length` readable bytes that stay as they are during the call.
        Ok(unsafe { slice::from_raw_parts(self.0, length as usize) })
    }

    /// For an operation that goes on when the call is over.
    ///
    /// # Errors
    /// As [`slice`](Bytes::slice).
    pub(crate) fn lend(self, length: u32) -> Outcome<engine::Buffer> {
        self.slice(length)?;
        // SAFETY: the caller vouches, as with an OVERLAPPED on Windows, that the bytes stay as they are until the operation
        // is over; nobody writes to those that are to be written to a pipe.
        Ok(unsafe { engine::Buffer::from_raw(self.0.cast_mut(), length as usize) })
    }
}

/// A buffer that is filled, by a pointer and a length.
#[repr(transparent)]
pub(crate) struct Buffer<'a>(*mut u8, PhantomData<&'a mut [u8]>);

impl<'a> Buffer<'a> {
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// # Errors
    /// ERROR_NOACCESS for NULL with a length.
    pub(crate) fn slice(self, length: u32) -> Outcome<&'a mut [u8]> {
        if length == 0 {
            return Ok(&mut []);
        }
        if self.0.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        // SAFETY: not NULL; the caller vouches for `length` writable bytes that nobody else uses during the call.
        Ok(unsafe { slice::from_raw_parts_mut(self.0, length as usize) })
    }

    /// For an operation that goes on when the call is over.
    ///
    /// # Errors
    /// As [`slice`](Buffer::slice).
    pub(crate) fn lend(self, length: u32) -> Outcome<engine::Buffer> {
        let address = self.0;
        self.slice(length)?;
        // SAFETY: the caller vouches, as with an OVERLAPPED on Windows, that the buffer is the operation's until it is over.
        Ok(unsafe { engine::Buffer::from_raw(address, length as usize) })
    }
}

/// A text of units that ends with a zero, or whose length is told.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Text<'a, U>(*const U, PhantomData<&'a [U]>);

/// A text in the ANSI code page, which is UTF-8.
pub(crate) type Ansi<'a> = Text<'a, u8>;
/// A text in UTF-16.
pub(crate) type WideText<'a> = Text<'a, Wide>;

impl<'a, U: Copy + PartialEq + Default> Text<'a, U> {
    /// Whether units can stand there: neither at NULL nor, of two bytes, at an odd address.
    fn is_sound(self) -> bool {
        !self.0.is_null() && self.0.is_aligned()
    }

    /// What stands before the zero; `None` for NULL, and where no units can stand.
    pub(crate) fn units(self) -> Option<&'a [U]> {
        self.units_up_to(LONGEST_TEXT)
    }

    /// The same, but `most` units of it, behind which there need not be a zero.
    pub(crate) fn units_up_to(self, most: usize) -> Option<&'a [U]> {
        if !self.is_sound() {
            return None;
        }
        let mut length = 0;
        // SAFETY: not NULL and aligned; the caller vouches for a zero at the end or for `most` units, none of which is passed.
        while length < most && unsafe { self.0.wrapping_add(length).read() } != U::default() {
            length += 1;
        }
        // SAFETY: all of these were just read.
        Some(unsafe { slice::from_raw_parts(self.0, length) })
    }

    /// `length` units; `None` as for [`units`](Text::units).
    pub(crate) fn counted(self, length: usize) -> Option<&'a [U]> {
        if !self.is_sound() {
            return None;
        }
        // SAFETY: not NULL and aligned; the caller vouches for `length` of them.
        Some(unsafe { slice::from_raw_parts(self.0, length) })
    }

    /// The pointer as a number, for arguments that are sometimes small numbers.
    pub(crate) fn address(self) -> usize {
        self.0 as usize
    }
}

impl<'a, U> Text<'a, U> {
    /// The same place, of which the caller says that its units are others.
    pub(crate) fn recast<V>(self) -> Text<'a, V> {
        Text(self.0.cast(), PhantomData)
    }
}

/// What inserts of a message are taken from: an array of words, or a `va_list *` as the system's compilers lay it out.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Inserts<'a>(*const usize, PhantomData<&'a usize>);

impl<'a> Inserts<'a> {
    /// The first `count` of an array; `None` for NULL.
    pub(crate) fn of_array(self, count: usize) -> Option<Vec<Text<'a, u8>>> {
        In(self.0.cast::<Text<'a, u8>>()).array(count)
    }

    /// The next `count` of a `va_list`, each with the size of a word; `None` for NULL. The list itself stays as it is.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn of_list(self, count: usize) -> Option<Vec<Text<'a, u8>>> {
        #[repr(C)]
        #[derive(Clone, Copy)]
        struct VaList {
            gp_offset: u32,
            fp_offset: u32,
            overflow: *const Text<'static, u8>,
            registers: *const u8,
        }
        /// Where the six registers of words end that functions are called with.
        const REGISTERS: u32 = 48;
        let VaList {
            gp_offset,
            overflow,
            registers,
            ..
        } = In(self.0.cast::<VaList>()).get()?;
        let in_registers = ((REGISTERS.saturating_sub(gp_offset)) / 8) as usize;
        let first = In(registers.wrapping_add(gp_offset as usize).cast::<Text<'a, u8>>());
        let mut words = first.array(in_registers.min(count))?;
        words.extend(In(overflow.cast::<Text<'a, u8>>()).array(count - words.len())?);
        Some(words)
    }

    /// The same where words are passed in eight registers whose place is counted from its end.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn of_list(self, count: usize) -> Option<Vec<Text<'a, u8>>> {
        #[repr(C)]
        #[derive(Clone, Copy)]
        struct VaList {
            stack: *const u8,
            gr_top: *const u8,
            vr_top: *const u8,
            gr_offset: i32,
            vr_offset: i32,
        }
        let VaList {
            stack,
            gr_top,
            gr_offset,
            ..
        } = In(self.0.cast::<VaList>()).get()?;
        let in_registers = (gr_offset.min(0).unsigned_abs() / 8) as usize;
        let first = In(gr_top.wrapping_offset(gr_offset as isize).cast::<Text<'a, u8>>());
        let mut words = first.array(in_registers.min(count))?;
        words.extend(In(stack.cast::<Text<'a, u8>>()).array(count - words.len())?);
        Some(words)
    }

    /// Where a list is laid out otherwise it is not read.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub(crate) fn of_list(self, _count: usize) -> Option<Vec<Text<'a, u8>>> {
        None
    }
}

/// Texts on end, of units that another argument tells; an empty one is the last.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a>(*const u8, PhantomData<&'a [u8]>);

impl Texts<'_> {
    /// All of them; `None` for NULL.
    pub(crate) fn all<U: Copy + PartialEq + Default>(self) -> Option<Vec<Vec<U>>> {
        let mut text = Text(self.0.cast::<U>(), PhantomData);
        let mut texts = Vec::new();
        loop {
            let units = text.units()?;
            if units.is_empty() {
                return Some(texts);
            }
            texts.push(units.to_vec());
            text = Text(text.0.wrapping_add(units.len() + 1), PhantomData);
        }
    }
}

/// Where a text goes.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct TextOut<U: Copy>(*mut U);

impl<U: Copy + Default> TextOut<U> {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The pointer as a number, for functions that return what they were given.
    pub(crate) fn address(self) -> usize {
        self.0 as usize
    }

    /// Writes `text` and a zero, for whose room the caller vouches.
    pub(crate) fn write(self, text: &[U]) {
        for (index, &unit) in text.iter().chain(&[U::default()]).enumerate() {
            // SAFETY: the caller vouches for room for the text and its zero.
            unsafe { self.0.wrapping_add(index).write(unit) };
        }
    }

    /// Writes `text` without a zero.
    pub(crate) fn write_bare(self, text: &[U]) {
        for (index, &unit) in text.iter().enumerate() {
            // SAFETY: the caller vouches for room for the text.
            unsafe { self.0.wrapping_add(index).write(unit) };
        }
    }

    /// What stands there, up to its zero; for functions that append.
    pub(crate) fn as_text(self) -> Text<'static, U> {
        Text(self.0, PhantomData)
    }

    /// The place `units` further on.
    pub(crate) fn at(self, units: usize) -> TextOut<U> {
        TextOut(self.0.wrapping_add(units))
    }

    /// A pointer that is stored where this one leads to, as FORMAT_MESSAGE_ALLOCATE_BUFFER wants it.
    pub(crate) fn set_address(self, address: usize) {
        // SAFETY: the caller vouches that its pointer is that of a pointer.
        unsafe { self.0.cast::<usize>().write_unaligned(address) };
    }

    /// A text at an address that this library has allocated itself.
    pub(crate) fn of_allocation(address: std::ptr::NonNull<u8>) -> TextOut<U> {
        TextOut(address.as_ptr().cast())
    }
}

/// Memory of the program's whose length stands in it or beside it: a SID, an access list, a descriptor. NULL: there is none.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block(*mut u8);

impl Block {
    pub(crate) const NULL: Block = Block(std::ptr::null_mut());

    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Itself, unless it is NULL.
    pub(crate) fn present(self) -> Option<Block> {
        (!self.is_null()).then_some(self)
    }

    /// The place `bytes` further on.
    pub(crate) fn at(self, bytes: usize) -> Block {
        Block(self.0.wrapping_add(bytes))
    }

    /// What is there. A `T` may have any bits.
    pub(crate) fn get<T: Copy>(self) -> T {
        // SAFETY: callers have looked for NULL; the program vouches that as much as `T` takes is there, as Windows reads it too.
        unsafe { self.0.cast::<T>().read_unaligned() }
    }

    pub(crate) fn set<T: Copy>(self, value: T) {
        // SAFETY: as above, and the program vouches for the room.
        unsafe { self.0.cast::<T>().write_unaligned(value) };
    }

    /// A copy of so many bytes.
    pub(crate) fn bytes(self, length: usize) -> Vec<u8> {
        // SAFETY: as in `get`, for as many bytes as the structure itself says that it has.
        (0..length)
            .map(|at| unsafe { self.0.wrapping_add(at).read() })
            .collect()
    }

    pub(crate) fn write(self, bytes: &[u8]) {
        for (at, byte) in bytes.iter().enumerate() {
            // SAFETY: the program vouches for the room that the structure or the argument beside it tells.
            unsafe { self.0.wrapping_add(at).write(*byte) };
        }
    }

    /// Memory that this library has allocated itself.
    pub(crate) fn of_allocation(address: std::ptr::NonNull<u8>) -> Block {
        Block(address.as_ptr())
    }

    /// The pointer, to free it.
    pub(crate) fn memory(self) -> *mut std::ffi::c_void {
        self.0.cast()
    }

    /// As a text that ends with a zero.
    pub(crate) fn as_text<U>(self) -> Text<'static, U> {
        Text(self.0.cast(), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A narrow text that a program passes for a wide one, as it does where it is compiled for the other kind of texts.
    #[test]
    fn a_wide_text_at_an_odd_address_is_none() {
        let bytes: [u64; 2] = [0x0061_0062_0063_0064, 0];
        let text =
            |offset: usize| -> WideText<'_> { Text(bytes.as_ptr().wrapping_byte_add(offset).cast(), PhantomData) };
        assert_eq!(text(0).units().map(<[u16]>::len), Some(4));
        assert_eq!(text(1).units(), None);
        assert_eq!(text(1).counted(2), None);
        assert_eq!(text(0).counted(2), Some(&[0x64, 0x63][..]));
    }
}
