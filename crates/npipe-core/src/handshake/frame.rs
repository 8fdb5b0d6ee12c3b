//! Frames: how messages are told apart in a stream of bytes.
//!
//! A frame is a header of [`HEADER_BYTES`] and a body. The header holds the magic
//! bytes `npip`, the version (u16), the kind of message (u16) and the length of the
//! body in bytes (u32), little-endian. A frame is never longer than
//! [`MAX_FRAME_BYTES`], and a header is checked as soon as it is there, so that a
//! peer cannot make anyone hold more than one frame for it.
//!
//! The version changes only when old and new cannot understand each other; anything
//! less is a new field or a new kind.

use std::error::Error;
use std::fmt;

use super::Message;
use crate::status::Status;

/// The version of the protocol.
pub const VERSION: u16 = 4;
/// The length of a header, in bytes.
pub const HEADER_BYTES: usize = 12;
/// The longest frame, header included, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

const MAGIC: [u8; 4] = *b"npip";

/// What a peer did wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolError {
    /// It does not speak this protocol at all.
    Magic,
    /// It speaks this version, not [`VERSION`].
    Version(u16),
    /// Its frame has a body of so many bytes.
    TooLong(u32),
    /// It closed in the middle of a frame.
    CutShort,
    /// A body does not consist of whole fields.
    Body,
    /// The field with this tag is missing, or its value makes no sense.
    Field(u16),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::Magic => f.write_str("what listens at the other end does not speak the npipe protocol"),
            ProtocolError::Version(version) => write!(
                f,
                "the other end speaks version {version} of the protocol, this end version \
                 {VERSION}; bring both to the same version"
            ),
            ProtocolError::TooLong(bytes) => write!(
                f,
                "the other end announced a body of {bytes} bytes, and frames have at most \
                 {MAX_FRAME_BYTES}"
            ),
            ProtocolError::CutShort => f.write_str("the other end closed in the middle of a frame"),
            ProtocolError::Body => f.write_str("the other end sent a body that is cut short"),
            ProtocolError::Field(tag) => write!(
                f,
                "the other end sent a message whose field {tag} is missing or makes no sense"
            ),
        }
    }
}

impl Error for ProtocolError {}

impl From<ProtocolError> for Status {
    fn from(_: ProtocolError) -> Status {
        Status::PeerMisbehaved
    }
}

/// Puts a body into a frame.
///
/// # Panics
/// If the frame would be too long; no message makes one that is.
pub(super) fn frame(kind: u16, body: &[u8]) -> Vec<u8> {
    assert!(body.len() <= MAX_FRAME_BYTES - HEADER_BYTES);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Takes messages out of a stream that arrives in pieces of any size.
///
/// After an error it stays in error: where the next frame begins is not known.
/// It holds what was pushed and not yet taken out, so whoever takes out all messages
/// after each push holds less than one frame besides.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    failed: Option<ProtocolError>,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// The next message; `None` if it is not complete yet.
    ///
    /// # Errors
    /// What the peer did wrong, now or before.
    pub fn next_message(&mut self) -> Result<Option<Message>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.decode().inspect_err(|&error| {
            self.failed = Some(error);
            self.pending = Vec::new();
        })
    }

    /// Notes that the stream has ended.
    ///
    /// # Errors
    /// [`ProtocolError::CutShort`] in the middle of a frame, or an earlier error.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        match self.failed {
            Some(error) => Err(error),
            None if !self.pending.is_empty() => Err(ProtocolError::CutShort),
            None => Ok(()),
        }
    }

    fn decode(&mut self) -> Result<Option<Message>, ProtocolError> {
        let Some((header, rest)) = self.pending.split_first_chunk::<HEADER_BYTES>() else {
            // Do not wait for the rest of a header that is wrong already.
            let known = self.pending.len().min(MAGIC.len());
            return if self.pending[..known] == MAGIC[..known] {
                Ok(None)
            } else {
                Err(ProtocolError::Magic)
            };
        };
        let (kind, length) = parse_header(*header)?;
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = Message::parse(kind, body)?;
        self.pending.drain(..HEADER_BYTES + length);
        Ok(Some(message))
    }
}

/// The kind of message and the length of its body.
fn parse_header(header: [u8; HEADER_BYTES]) -> Result<(u16, usize), ProtocolError> {
    let [m0, m1, m2, m3, v0, v1, k0, k1, l0, l1, l2, l3] = header;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(ProtocolError::Magic);
    }
    let version = u16::from_le_bytes([v0, v1]);
    if version != VERSION {
        return Err(ProtocolError::Version(version));
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if length as usize > MAX_FRAME_BYTES - HEADER_BYTES {
        return Err(ProtocolError::TooLong(length));
    }
    Ok((u16::from_le_bytes([k0, k1]), length as usize))
}
