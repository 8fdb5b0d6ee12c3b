//! Texts between C and Rust: ANSI is UTF-8, wide is UTF-16, and what is not well-formed survives where it can.
//!
//! A path is kept as bytes. Wide ones become WTF-8, so that names with lone surrogates stay what they are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::pointers::{Ansi, TextOut, WideText};

/// UTF-16 as WTF-8.
pub(crate) fn wtf8(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(error) => {
                let unit = error.unpaired_surrogate();
                let low_bits = |shift: u16| 0x80 | (unit >> shift & 0x3F) as u8;
                bytes.extend_from_slice(&[0xED, low_bits(6), low_bits(0)]);
            }
        }
    }
    bytes
}

/// UTF-8 as UTF-16; what is none becomes U+FFFD.
pub(crate) fn utf16(bytes: &[u8]) -> Vec<u16> {
    String::from_utf8_lossy(bytes).encode_utf16().collect()
}

/// A text of either form, where both mean the same.
pub(crate) trait Words: Copy {
    /// Its bytes; `None` for NULL.
    fn bytes(self) -> Option<Vec<u8>>;

    /// As a path, empty for NULL.
    fn path(self) -> OsString {
        OsString::from_vec(self.bytes().unwrap_or_default())
    }
}

impl Words for Ansi<'_> {
    fn bytes(self) -> Option<Vec<u8>> {
        self.units().map(<[u8]>::to_vec)
    }
}

impl Words for WideText<'_> {
    fn bytes(self) -> Option<Vec<u8>> {
        self.units().map(wtf8)
    }
}

/// Where a text of either form goes.
pub(crate) trait Page: Copy {
    /// How many units `text` has in this form, without the zero.
    fn length_of(self, text: &[u8]) -> usize;
    /// Writes it with a zero.
    fn put(self, text: &[u8]);
    /// Whether there is no such place.
    fn is_missing(self) -> bool;

    /// As functions do that fill a buffer of `size` units: the length that was written, or the size it takes with its zero
    /// where that is more.
    fn fill(self, size: u32, text: &[u8]) -> u32 {
        let length = self.length_of(text);
        if self.is_missing() || (size as usize) <= length {
            return (length + 1) as u32;
        }
        self.put(text);
        length as u32
    }
}

impl Page for TextOut<u8> {
    fn length_of(self, text: &[u8]) -> usize {
        text.len()
    }

    fn put(self, text: &[u8]) {
        self.write(text);
    }

    fn is_missing(self) -> bool {
        self.is_null()
    }
}

impl Page for TextOut<u16> {
    fn length_of(self, text: &[u8]) -> usize {
        utf16(text).len()
    }

    fn put(self, text: &[u8]) {
        self.write(&utf16(text));
    }

    fn is_missing(self) -> bool {
        self.is_null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_survive() {
        assert_eq!(wtf8(&[0x61, 0xD800, 0x62]), b"a\xED\xA0\x80b");
        assert_eq!(wtf8(&utf16("né中😀".as_bytes())), "né中😀".as_bytes());
    }
}
