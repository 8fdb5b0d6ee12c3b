//! How a stream is cut into what is written at once.

use std::io::{self, BufRead};

use super::CHUNK_BYTES;

/// Where a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// After each newline, which is left out.
    Lines,
    /// After each zero byte, which is left out.
    Zeros,
    /// Wherever what is there at the moment ends.
    Chunks,
}

/// The next piece of the stream; false at its end.
pub(super) fn read(stream: &mut impl BufRead, cut: Cut, piece: &mut Vec<u8>) -> io::Result<bool> {
    piece.clear();
    match cut {
        Cut::Lines => read_to(stream, b'\n', piece),
        Cut::Zeros => read_to(stream, 0, piece),
        Cut::Chunks => {
            piece.resize(CHUNK_BYTES, 0);
            let bytes = stream.read(piece)?;
            piece.truncate(bytes);
            Ok(bytes > 0)
        }
    }
}

fn read_to(stream: &mut impl BufRead, mark: u8, piece: &mut Vec<u8>) -> io::Result<bool> {
    let has_more = stream.read_until(mark, piece)? > 0;
    if piece.last() == Some(&mark) {
        piece.pop();
    }
    Ok(has_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], cut: Cut) -> Vec<Vec<u8>> {
        let mut stream = io::Cursor::new(text);
        let mut piece = Vec::new();
        let mut pieces = Vec::new();
        while read(&mut stream, cut, &mut piece).expect("a cursor reads") {
            pieces.push(piece.clone());
        }
        pieces
    }

    /// semantics 99, 104: a line is a message, an empty line an empty one.
    #[test]
    fn lines_are_messages() {
        let [one, none, three] = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
        assert_eq!(
            all(b"one\n\nthree", Cut::Lines),
            [one.clone(), none.clone(), three.clone()]
        );
        assert_eq!(all(b"one\0\0three\0", Cut::Zeros), [one, none, three]);
        assert_eq!(all(b"one\n\0", Cut::Chunks), [b"one\n\0".to_vec()]);
    }
}
