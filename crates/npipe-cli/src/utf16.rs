//! UTF-16LE on the pipe, UTF-8 in the shell.

/// The text as little-endian units.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Decodes a stream that may be cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of what is not whole yet.
    rest: Vec<u8>,
}

impl Decoder {
    /// The text so far; what is no text becomes the replacement character.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let mut units: Vec<u16> = self
            .rest
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        // The first half of a pair waits for the second.
        if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        self.rest.drain(..2 * units.len());
        String::from_utf16_lossy(&units)
    }

    /// The same of a whole: nothing is kept for later.
    pub(crate) fn decode_whole(&mut self, bytes: &[u8]) -> String {
        let mut text = self.decode(bytes);
        if !self.rest.is_empty() {
            self.rest.clear();
            text.push(char::REPLACEMENT_CHARACTER);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut at every place, a text comes out as it went in.
    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let text = "aé\u{1f980}z";
        let bytes = encode(text.as_bytes());
        assert_eq!(bytes.len(), 10);
        for at in 0..=bytes.len() {
            let mut decoder = Decoder::default();
            let (one, two) = bytes.split_at(at);
            assert_eq!(decoder.decode(one) + &decoder.decode(two), text, "{at}");
        }
        assert_eq!(Decoder::default().decode_whole(b"a\0b"), "a\u{fffd}");
    }
}
