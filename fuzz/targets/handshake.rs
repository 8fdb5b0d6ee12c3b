//! Bytes that arrive on a control socket, in pieces: each is taken for what it is or refused, nothing panics, no more than a
//! frame is held, and whatever was understood survives being sent on.
//!
//! The first byte of the input is the size of the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use npipe_core::handshake::{Decoder, Message, ProtocolError};

/// Everything that a stream of bytes says, and how it ended.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, Result<(), ProtocolError>) {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.finish(), Err(error), "an error stays");
                    return (messages, Err(error));
                }
            }
        }
    }
    (messages, decoder.finish())
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else {
        return;
    };
    let (messages, end) = decode(stream.chunks(usize::from(piece_bytes.max(1))));
    assert_eq!(
        decode(std::iter::once(stream)),
        (messages.clone(), end),
        "pieces make no difference"
    );
    for message in messages {
        let frame = message.encode();
        let (again, end) = decode(std::iter::once(&frame[..]));
        assert_eq!((again.as_slice(), end), ([message].as_slice(), Ok(())));
    }
});
