//! The body of a frame: a sequence of fields.
//!
//! A field is a tag (u16), the length of its value in bytes (u16) and the value, all
//! little-endian, without padding. Fields come in any order. Where one is expected
//! the first with its tag counts, and tags that nobody asks for are skipped: that is
//! how the protocol grows.

use super::frame::ProtocolError;

const HEADER_BYTES: usize = 4;

/// Writes fields one after the other.
#[derive(Default)]
pub(super) struct FieldWriter {
    bytes: Vec<u8>,
}

impl FieldWriter {
    /// Adds a field.
    ///
    /// # Panics
    /// If the value is longer than a field can be; no value that this crate writes is.
    pub(super) fn bytes(&mut self, tag: u16, value: &[u8]) {
        let length = u16::try_from(value.len()).expect("a field's value fits in 64 KiB");
        self.bytes.extend_from_slice(&tag.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn u32(&mut self, tag: u16, value: u32) {
        self.bytes(tag, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, tag: u16, value: u64) {
        self.bytes(tag, &value.to_le_bytes());
    }

    pub(super) fn optional_u32(&mut self, tag: u16, value: Option<u32>) {
        if let Some(value) = value {
            self.u32(tag, value);
        }
    }

    pub(super) fn optional_u64(&mut self, tag: u16, value: Option<u64>) {
        if let Some(value) = value {
            self.u64(tag, value);
        }
    }

    pub(super) fn units(&mut self, tag: u16, units: &[u16]) {
        let value: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.bytes(tag, &value);
    }

    /// The length of what was written, with a further field of this length.
    pub(super) fn length_with(&self, value_bytes: usize) -> usize {
        self.bytes.len() + HEADER_BYTES + value_bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The fields of a body that came from a peer; splitting it up was checked.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// # Errors
    /// [`ProtocolError::Body`] if the last field is cut short.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Fields<'a>, ProtocolError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = Field::split(rest).ok_or(ProtocolError::Body)?;
        }
        Ok(Fields { bytes })
    }

    /// The values of all fields with this tag.
    pub(super) fn all(self, tag: u16) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (field, after) = Field::split(rest)?;
            rest = after;
            Some(field)
        })
        .filter(move |field| field.tag == tag)
        .map(|field| field.value)
    }

    pub(super) fn optional(self, tag: u16) -> Option<&'a [u8]> {
        self.all(tag).next()
    }

    pub(super) fn required(self, tag: u16) -> Result<&'a [u8], ProtocolError> {
        self.optional(tag).ok_or(ProtocolError::Field(tag))
    }

    pub(super) fn u32(self, tag: u16) -> Result<u32, ProtocolError> {
        let value = self.required(tag)?;
        Ok(u32::from_le_bytes(fixed(tag, value)?))
    }

    pub(super) fn u64(self, tag: u16) -> Result<u64, ProtocolError> {
        let value = self.required(tag)?;
        Ok(u64::from_le_bytes(fixed(tag, value)?))
    }

    pub(super) fn optional_u32(self, tag: u16) -> Result<Option<u32>, ProtocolError> {
        match self.optional(tag) {
            Some(_) => self.u32(tag).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn optional_u64(self, tag: u16) -> Result<Option<u64>, ProtocolError> {
        match self.optional(tag) {
            Some(_) => self.u64(tag).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn all_u64(self, tag: u16) -> impl Iterator<Item = Result<u64, ProtocolError>> {
        self.all(tag)
            .map(move |value| fixed(tag, value).map(u64::from_le_bytes))
    }

    pub(super) fn units(self, tag: u16) -> Result<Vec<u16>, ProtocolError> {
        let value = self.required(tag)?;
        if !value.len().is_multiple_of(2) {
            return Err(ProtocolError::Field(tag));
        }
        let pairs = value.chunks_exact(2);
        Ok(pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
    }
}

fn fixed<const N: usize>(tag: u16, value: &[u8]) -> Result<[u8; N], ProtocolError> {
    value.try_into().map_err(|_| ProtocolError::Field(tag))
}

struct Field<'a> {
    tag: u16,
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The first field and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Field<'a>, &'a [u8])> {
        let (&[t0, t1, l0, l1], rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (value, rest) = rest.split_at_checked(u16::from_le_bytes([l0, l1]).into())?;
        let tag = u16::from_le_bytes([t0, t1]);
        Some((Field { tag, value }, rest))
    }
}
