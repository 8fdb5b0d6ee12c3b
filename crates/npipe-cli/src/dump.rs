//! Data as people look at it: hexadecimal digits, text, or both.

use std::fmt::Write;

/// How data is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Text,
    Hex,
    Both,
}

const PER_LINE: usize = 16;

/// Lines that show the data, each with `prefix`; none for no data.
pub(crate) fn lines(prefix: &str, data: &[u8], look: Look) -> String {
    let mut text = String::new();
    if look == Look::Text {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            let shown = crate::target::printable(&String::from_utf8_lossy(piece));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{prefix}{shown}");
        }
        return text;
    }
    for (at, bytes) in data.chunks(PER_LINE).enumerate() {
        let mut hex = String::new();
        for (place, byte) in bytes.iter().enumerate() {
            let gap = if place == PER_LINE / 2 { " " } else { "" };
            let _ = write!(hex, "{gap}{byte:02x} ");
        }
        let _ = match look {
            Look::Both => writeln!(text, "{prefix}{:08x}  {hex:<49} |{}|", at * PER_LINE, ascii(bytes)),
            _ => writeln!(text, "{prefix}{:08x}  {}", at * PER_LINE, hex.trim_end()),
        };
    }
    text
}

fn ascii(bytes: &[u8]) -> String {
    let shown = |byte: &u8| {
        if byte.is_ascii_graphic() || *byte == b' ' {
            char::from(*byte)
        } else {
            '.'
        }
    };
    bytes.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `hexdump -C` prints it.
    #[test]
    fn dumps_are_readable() {
        assert_eq!(
            lines("", b"0123456789abcdef\x1b\n", Look::Both),
            "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n\
             00000010  1b 0a                                             |..|\n"
        );
        assert_eq!(lines("> ", b"ab", Look::Hex), "> 00000000  61 62\n");
        assert_eq!(lines("> ", b"one\ntwo\x07", Look::Text), "> one\\u{a}\n> two\\u{7}\n");
        assert_eq!(lines("", b"", Look::Both), "");
    }
}
