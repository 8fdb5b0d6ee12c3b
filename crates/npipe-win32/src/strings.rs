//! Lengths, comparisons and copies of texts, and the conversions between the two forms.
//!
//! Every code page is UTF-8: CP_ACP, CP_OEMCP and CP_UTF8 are the same here.

use std::cmp::Ordering;

use crate::failure::{Failure, Outcome};
use crate::pointers::{Ansi, Out, Text, TextOut, WideText};
use crate::text::{self, wtf8};
use crate::types::{Bool, FALSE, code};

const CP_ACP: u32 = 0;
const CP_OEMCP: u32 = 1;
const CP_THREAD_ACP: u32 = 3;
const CP_UTF8: u32 = 65001;
const MB_ERR_INVALID_CHARS: u32 = 8;
const WC_ERR_INVALID_CHARS: u32 = 0x80;

fn number(order: Ordering) -> i32 {
    order as i32
}

/// As Windows compares: NULL before everything.
fn compare<T: Ord>(one: Option<T>, other: Option<T>) -> i32 {
    number(one.cmp(&other))
}

fn folded_ansi(text: Ansi<'_>) -> Option<String> {
    text.units().map(|bytes| String::from_utf8_lossy(bytes).to_lowercase())
}

fn folded_wide(text: WideText<'_>) -> Option<String> {
    text.units().map(|units| String::from_utf16_lossy(units).to_lowercase())
}

fn copy<U: Copy + PartialEq + Default>(to: TextOut<U>, from: Text<'_, U>) -> Outcome<usize> {
    if to.is_null() {
        return Ok(0);
    }
    to.write(from.units().unwrap_or_default());
    Ok(to.address())
}

/// At most `size` units, the zero among them.
fn copy_some<U: Copy + PartialEq + Default>(to: TextOut<U>, from: Text<'_, U>, size: i32) -> Outcome<usize> {
    if to.is_null() || size <= 0 {
        return Ok(to.address());
    }
    let from = from.units().unwrap_or_default();
    to.write(&from[..from.len().min(size as usize - 1)]);
    Ok(to.address())
}

fn append<U: Copy + PartialEq + Default + 'static>(to: TextOut<U>, from: Text<'_, U>) -> Outcome<usize> {
    if to.is_null() {
        return Ok(0);
    }
    let length = to.as_text().units().unwrap_or_default().len();
    to.at(length).write(from.units().unwrap_or_default());
    Ok(to.address())
}

fn require_page(page: u32) -> Outcome<()> {
    match page {
        CP_ACP | CP_OEMCP | CP_THREAD_ACP | CP_UTF8 => Ok(()),
        _ => Err(Failure(code::INVALID_PARAMETER)),
    }
}

/// A text by its length, or with its zero by -1.
fn counted<'a, U: Copy + PartialEq + Default>(text: Text<'a, U>, length: i32) -> Outcome<(&'a [U], bool)> {
    let missing = Failure(code::INVALID_PARAMETER);
    match length {
        -1 => Ok((text.units().ok_or(missing)?, true)),
        1.. => Ok((text.counted(length as usize).ok_or(missing)?, false)),
        _ => Err(missing),
    }
}

/// Puts a converted text where it goes; gives its length, with its zero if it came with one.
fn place<U: Copy + Default>(units: &[U], with_zero: bool, to: TextOut<U>, size: i32) -> Outcome<i32> {
    let needed = units.len() + usize::from(with_zero);
    if size == 0 {
        return Ok(needed as i32);
    }
    if size < 0 || to.is_null() {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    if needed > size as usize {
        return Err(Failure(code::INSUFFICIENT_BUFFER));
    }
    if with_zero {
        to.write(units);
    } else {
        to.write_bare(units);
    }
    Ok(needed as i32)
}

crate::export! {
    /// lstrlenA: 0 for NULL.
    fn lstrlenA(text: Ansi<'_>) -> i32 [0] {
        Ok(text.units().unwrap_or_default().len() as i32)
    }

    /// lstrlenW: 0 for NULL.
    fn lstrlenW(text: WideText<'_>) -> i32 [0] {
        Ok(text.units().unwrap_or_default().len() as i32)
    }

    /// lstrcmpA. By code points, where Windows has a language's order.
    fn lstrcmpA(one: Ansi<'_>, other: Ansi<'_>) -> i32 [0] {
        Ok(compare(one.units(), other.units()))
    }

    /// lstrcmpW.
    fn lstrcmpW(one: WideText<'_>, other: WideText<'_>) -> i32 [0] {
        Ok(compare(one.units(), other.units()))
    }

    /// lstrcmpiA: without regard to case.
    fn lstrcmpiA(one: Ansi<'_>, other: Ansi<'_>) -> i32 [0] {
        Ok(compare(folded_ansi(one), folded_ansi(other)))
    }

    /// lstrcmpiW.
    fn lstrcmpiW(one: WideText<'_>, other: WideText<'_>) -> i32 [0] {
        Ok(compare(folded_wide(one), folded_wide(other)))
    }

    /// lstrcpyA.
    fn lstrcpyA(to: TextOut<u8>, from: Ansi<'_>) -> usize [0] {
        copy(to, from)
    }

    /// lstrcpyW.
    fn lstrcpyW(to: TextOut<u16>, from: WideText<'_>) -> usize [0] {
        copy(to, from)
    }

    /// lstrcpynA.
    fn lstrcpynA(to: TextOut<u8>, from: Ansi<'_>, size: i32) -> usize [0] {
        copy_some(to, from, size)
    }

    /// lstrcpynW.
    fn lstrcpynW(to: TextOut<u16>, from: WideText<'_>, size: i32) -> usize [0] {
        copy_some(to, from, size)
    }

    /// lstrcatA.
    fn lstrcatA(to: TextOut<u8>, from: Ansi<'_>) -> usize [0] {
        append(to, from)
    }

    /// lstrcatW.
    fn lstrcatW(to: TextOut<u16>, from: WideText<'_>) -> usize [0] {
        append(to, from)
    }

    /// MultiByteToWideChar.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, ERROR_NO_UNICODE_TRANSLATION (if bad texts are refused).
    fn MultiByteToWideChar(
        page: u32,
        flags: u32,
        text: Ansi<'_>,
        length: i32,
        to: TextOut<u16>,
        size: i32,
    ) -> i32 [0] {
        require_page(page)?;
        let (bytes, with_zero) = counted(text, length)?;
        if flags & MB_ERR_INVALID_CHARS != 0 && std::str::from_utf8(bytes).is_err() {
            return Err(Failure(code::NO_UNICODE_TRANSLATION));
        }
        place(&text::utf16(bytes), with_zero, to, size)
    }

    /// WideCharToMultiByte. Every character has its form in UTF-8, so the default one is never used.
    ///
    /// # Errors
    /// As MultiByteToWideChar.
    fn WideCharToMultiByte(
        page: u32,
        flags: u32,
        text: WideText<'_>,
        length: i32,
        to: TextOut<u8>,
        size: i32,
        _default: Ansi<'_>,
        used_default: Out<Bool>,
    ) -> i32 [0] {
        require_page(page)?;
        let (units, with_zero) = counted(text, length)?;
        let valid = String::from_utf16(units);
        if flags & WC_ERR_INVALID_CHARS != 0 && valid.is_err() {
            return Err(Failure(code::NO_UNICODE_TRANSLATION));
        }
        used_default.set(FALSE);
        let bytes = valid.map_or_else(|_| wtf8(units), String::into_bytes);
        place(&bytes, with_zero, to, size)
    }

    /// GetACP: UTF-8.
    fn GetACP() -> u32 [CP_UTF8] {
        Ok(CP_UTF8)
    }
}
