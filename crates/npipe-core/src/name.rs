//! The name of a pipe: the NAME in `\\.\pipe\NAME`.
//!
//! A name is 1 to [`MAX_NAME_UNITS`] UTF-16 units, any but NUL; lone surrogates are
//! allowed, as on NT, and backslashes are ordinary characters: there are no
//! directories. Two names are the same if their upper-cased units are the same
//! (`upcase` says how); what was given is kept for display.
//!
//! Names arrive in three ways: as units (from a peer, or at the NT level), as a Win32
//! path, which is normalised first (`win32` says how), and as a person types them.
//! Bytes are UTF-8, extended to lone surrogates (WTF-8); no two byte strings stand
//! for the same units.

mod upcase;
mod win32;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::status::Status;

/// The longest NAME, in UTF-16 units: 256 less the nine of `\\.\pipe\`.
// semantics 8
pub const MAX_NAME_UNITS: usize = 256 - 9;

/// The name of a pipe. Comparing, ordering and hashing ignore case.
///
/// `Display` writes NAME alone, with U+FFFD for lone surrogates.
///
/// ```
/// use npipe_core::name::PipeName;
/// let name = PipeName::from_path(br"\\.\pipe\Printer")?;
/// assert_eq!(name, PipeName::from_typed(b"PRINTER")?);
/// assert_eq!(name.to_string(), "Printer");
/// # Ok::<(), npipe_core::status::Status>(())
/// ```
// semantics 2, 4-6
#[derive(Clone)]
pub struct PipeName {
    units: Box<[u16]>,
    folded: Box<[u16]>,
}

impl PipeName {
    /// The name made of exactly these UTF-16 units, as at the NT level.
    ///
    /// # Errors
    /// [`Status::ObjectNameInvalid`] if there are none, more than
    /// [`MAX_NAME_UNITS`], or a NUL among them.
    // semantics 4-8, 11
    pub fn from_units(units: &[u16]) -> Result<PipeName, Status> {
        if units.is_empty() || units.len() > MAX_NAME_UNITS || units.contains(&0) {
            return Err(Status::ObjectNameInvalid);
        }
        Ok(PipeName {
            units: units.into(),
            folded: units.iter().map(|&unit| upcase::upcase(unit)).collect(),
        })
    }

    /// The name in a Win32 path such as `\\.\pipe\NAME`, given as WTF-8.
    ///
    /// The form `\\?\pipe\NAME` is taken as it stands; all others are normalised
    /// first: `/` becomes `\`, `.` and `..` are resolved, dots and spaces at the end
    /// are dropped. The limit on the length holds for what is left.
    ///
    /// # Errors
    /// The statuses of creating a pipe; [`NameUse::status`] turns them into those of
    /// opening or waiting. [`Status::ObjectPathNotFound`] if the path is empty,
    /// [`Status::NotSupported`] if it is that of a pipe on another computer,
    /// [`Status::ObjectNameInvalid`] if it is anything else but that of a pipe, is
    /// too long, holds a NUL, or is not WTF-8.
    // semantics 1, 3, 5-12
    #[doc(alias = "RtlDosPathNameToNtPathName")]
    pub fn from_path(path: &[u8]) -> Result<PipeName, Status> {
        PipeName::from_path_units(&units_of_wtf8(path).ok_or(Status::ObjectNameInvalid)?)
    }

    /// Like [`PipeName::from_path`], for a path given as UTF-16.
    ///
    /// # Errors
    /// As [`PipeName::from_path`].
    // semantics 17
    pub fn from_path_units(path: &[u16]) -> Result<PipeName, Status> {
        PipeName::from_units(&win32::name_in(path)?)
    }

    /// The name that a person means who types NAME or a path, given as WTF-8.
    ///
    /// What begins with two slashes of either kind is a path. Anything else is NAME,
    /// and means the same as `\\.\pipe\NAME`.
    ///
    /// # Errors
    /// As [`PipeName::from_path`].
    pub fn from_typed(text: &[u8]) -> Result<PipeName, Status> {
        let units = units_of_wtf8(text).ok_or(Status::ObjectNameInvalid)?;
        if units.is_empty() || win32::is_rooted(&units) {
            return PipeName::from_path_units(&units);
        }
        let prefix = r"\\.\pipe\".encode_utf16();
        PipeName::from_path_units(&prefix.chain(units).collect::<Vec<u16>>())
    }

    /// NAME alone, in WTF-8, as [`PipeName::to_wtf8`] gives it.
    ///
    /// # Errors
    /// As [`PipeName::from_units`], and [`Status::ObjectNameInvalid`] if it is not WTF-8.
    pub fn from_wtf8(name: &[u8]) -> Result<PipeName, Status> {
        PipeName::from_units(&units_of_wtf8(name).ok_or(Status::ObjectNameInvalid)?)
    }

    /// NAME as it was given, in UTF-16 units.
    pub fn units(&self) -> &[u16] {
        &self.units
    }

    /// NAME as it was given, in WTF-8.
    pub fn to_wtf8(&self) -> Vec<u8> {
        wtf8_of_units(&self.units)
    }

    /// A Win32 path to this pipe, with U+FFFD for lone surrogates.
    ///
    /// `\\.\pipe\NAME`, or `\\?\pipe\NAME` where normalisation would change NAME.
    // semantics 3, 7
    pub fn path(&self) -> String {
        String::from_utf16_lossy(&self.path_units())
    }

    /// A Win32 path to this pipe, in UTF-16 units; [`PipeName::from_path_units`] gives
    /// back the same name.
    pub fn path_units(&self) -> Vec<u16> {
        let prefix = if win32::survives_normalisation(&self.units) {
            r"\\.\pipe\"
        } else {
            r"\\?\pipe\"
        };
        prefix.encode_utf16().chain(self.units.iter().copied()).collect()
    }

    /// What the name is called in the namespace: the same for all its spellings.
    ///
    /// The first 16 bytes of the SHA-256 of the upper-cased units, little-endian.
    /// Processes of different versions meet by it, so it is part of the layout.
    // semantics 2
    pub fn key(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        for unit in &self.folded {
            hash.update(unit.to_le_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        key
    }
}

impl PartialEq for PipeName {
    fn eq(&self, other: &PipeName) -> bool {
        self.folded == other.folded
    }
}

impl Eq for PipeName {}

impl Hash for PipeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl Ord for PipeName {
    fn cmp(&self, other: &PipeName) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl PartialOrd for PipeName {
    fn partial_cmp(&self, other: &PipeName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf16_lossy(&self.units))
    }
}

impl fmt::Debug for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeName").field(&self.path()).finish()
    }
}

/// What a name is wanted for, on which the error for a bad one depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameUse {
    /// Creating an instance.
    #[doc(alias = "CreateNamedPipe")]
    Create,
    /// Opening the client end.
    #[doc(alias = "CreateFile")]
    Open,
    /// Waiting for an instance.
    #[doc(alias = "WaitNamedPipe")]
    Wait,
}

impl NameUse {
    /// The status of an operation that was given a name refused with `problem`.
    // semantics 9-12, 90
    pub const fn status(self, problem: Status) -> Status {
        match (self, problem) {
            // A server is only ever created on its own computer.
            (NameUse::Create, Status::NotSupported) => Status::ObjectNameInvalid,
            (NameUse::Wait, Status::ObjectNameInvalid | Status::ObjectPathNotFound) => Status::ObjectPathSyntaxBad,
            _ => problem,
        }
    }
}

/// The units that WTF-8 bytes stand for; `None` if they are not WTF-8.
fn units_of_wtf8(mut bytes: &[u8]) -> Option<Vec<u16>> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut after_high = false;
    while !bytes.is_empty() {
        let valid = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        };
        units.extend(valid.encode_utf16());
        after_high &= valid.is_empty();
        bytes = &bytes[valid.len()..];

        // What UTF-8 refuses must be a surrogate that has no partner: a pair has a
        // UTF-8 form of its own.
        if let [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, rest @ ..] = bytes {
            let unit = 0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F);
            let is_high = unit < 0xDC00;
            if after_high && !is_high {
                return None;
            }
            after_high = is_high;
            units.push(unit);
            bytes = rest;
        } else if !bytes.is_empty() {
            return None;
        }
    }
    Some(units)
}

fn wtf8_of_units(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Err(error) => {
                let unit = error.unpaired_surrogate();
                let low_bits = |shift: u16| 0x80 | (unit >> shift & 0x3F) as u8;
                bytes.extend_from_slice(&[0xED, low_bits(6), low_bits(0)]);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> Result<PipeName, Status> {
        PipeName::from_path(text.as_bytes())
    }

    fn typed(text: &str) -> PipeName {
        PipeName::from_typed(text.as_bytes()).unwrap()
    }

    /// semantics 2
    #[test]
    fn case_does_not_matter() {
        assert_eq!(path(r"\\.\pipe\Probe-MiXeD"), path(r"\\.\pipe\pRoBe-mIxEd"));
        assert_eq!(typed("wide-é中").key(), typed("WIDE-É中").key());
        assert_ne!(typed("straße"), typed("STRASSE"));
        assert_eq!(typed("x").cmp(&typed("X")), Ordering::Equal);
        assert!(typed("b") > typed("A"));
    }

    /// semantics 2
    #[test]
    fn the_key_never_changes() {
        let expected = 0x2237_1c74_9b14_0ee8_a673_2419_ff26_c9f3_u128;
        assert_eq!(typed("probe-é").key(), expected.to_be_bytes());
    }

    /// semantics 5, 6
    #[test]
    fn names_that_look_alike_are_different() {
        assert_ne!(path(r"\\.\pipe\x\"), path(r"\\.\pipe\x"));
        assert_ne!(typed("abc"), typed("ab"));
        assert_ne!(path(r"\\?\pipe\a/b"), path(r"\\?\pipe\a\b"));
    }

    /// semantics 8
    #[test]
    fn the_whole_string_has_up_to_256_characters() {
        let of_length = |total: usize| path(&format!(r"\\.\pipe\{}", "é".repeat(total - 9)));
        for total in [10, 200, 247, 255, 256] {
            assert!(of_length(total).is_ok());
        }
        assert_eq!(of_length(257), Err(Status::ObjectNameInvalid));
        // Outside the BMP a character is two units, and units are what counts.
        let wide = |count| PipeName::from_typed("😀".repeat(count).as_bytes());
        assert!(wide(123).is_ok());
        assert_eq!(wide(124), Err(Status::ObjectNameInvalid));
    }

    /// semantics 4, 9-11
    #[test]
    fn bytes_that_are_no_name_are_refused() {
        for bytes in [
            &b"\xFF"[..],
            b"a\xC3",
            b"\0",
            b"a\0b",
            b"\xED\xA0",
            b"\xED\xA0\xBD\xED\xB8\x80",
            b"\xF4\x90\x80\x80",
            b"..",
            b" ",
        ] {
            assert_eq!(
                PipeName::from_typed(bytes),
                Err(Status::ObjectNameInvalid),
                "{bytes:x?}"
            );
        }
        assert_eq!(PipeName::from_typed(b""), Err(Status::ObjectPathNotFound));
        assert_eq!(PipeName::from_units(&[]), Err(Status::ObjectNameInvalid));
        assert_eq!(PipeName::from_units(&[0]), Err(Status::ObjectNameInvalid));
    }

    /// semantics 4
    #[test]
    fn lone_surrogates_are_characters() {
        for units in [
            &[0xD83D][..],
            &[0xDE00],
            &[0xDE00, 0xD83D],
            &[0xD83D, 0xD83D, 0xDE00],
            &[0xD83D, 0x61, 0xDE00],
        ] {
            let name = PipeName::from_units(units).unwrap();
            let again = PipeName::from_wtf8(&name.to_wtf8()).unwrap();
            assert_eq!(again.units(), units);
            assert!(name.to_string().contains('\u{FFFD}'));
        }
        assert_eq!(typed("😀").units(), [0xD83D, 0xDE00]);
        // A pair in the form of two lone ones has a form of its own.
        for low in [0x80, 0xBF] {
            let pair = [0xED, 0xA0, 0x80, 0xED, if low == 0x80 { 0xB0 } else { 0xBF }, low];
            assert!(PipeName::from_wtf8(&pair).is_err());
        }
    }

    /// No rule: what Rust expects of a key, and of something that is shown to a programmer.
    #[test]
    fn names_hash_as_they_compare_and_show_their_path() {
        use std::hash::BuildHasher;
        let state = std::hash::RandomState::new();
        let same = |one: &str, other: &str| state.hash_one(typed(one)) == state.hash_one(typed(other));
        assert!(same("name", "NAME") && !same("name", "nome"));
        assert!(format!("{:?}", typed("name")).contains(r"\\.\\pipe\\name"));
    }

    /// semantics 1, 3, 7
    #[test]
    fn what_is_typed_means_the_same_as_after_the_prefix() {
        for text in ["x", "a/b", r"a\b", "a. .", ".a", r"x\"] {
            assert_eq!(Ok(typed(text)), path(&format!(r"\\.\pipe\{text}")));
        }
        assert_eq!(typed("//./pipe/x"), typed("x"));
        assert_eq!(typed(r"\\?\pipe\a/b").path(), r"\\?\pipe\a/b");
        assert_eq!(typed("a/b").path(), r"\\.\pipe\a\b");
    }

    /// semantics 9, 10, 12, 90
    #[test]
    fn the_error_depends_on_the_use() {
        let create = |text| NameUse::Create.status(path(text).unwrap_err());
        assert_eq!(create("no prefix"), Status::ObjectNameInvalid);
        assert_eq!(create(""), Status::ObjectPathNotFound);
        assert_eq!(create(r"\\server\pipe\x"), Status::ObjectNameInvalid);
        let open = |text| NameUse::Open.status(path(text).unwrap_err());
        assert_eq!(open(""), Status::ObjectPathNotFound);
        assert_eq!(open(r"\\server\pipe\x"), Status::NotSupported);
        let wait = |text| NameUse::Wait.status(path(text).unwrap_err());
        assert_eq!(wait("no prefix"), Status::ObjectPathSyntaxBad);
        assert_eq!(wait(r"C:\pipe\x"), Status::ObjectPathSyntaxBad);
        assert_eq!(wait(""), Status::ObjectPathSyntaxBad);
    }

    /// Units among which surrogates, separators, dots and letters are frequent.
    fn any_units() -> impl Strategy<Value = Vec<u16>> {
        let unit = prop_oneof![
            1u16..,
            0xD800u16..0xE000,
            prop::sample::select(r"\/.. aZ?é".encode_utf16().collect::<Vec<u16>>()),
        ];
        prop::collection::vec(unit, 1..=MAX_NAME_UNITS)
    }

    proptest! {
        /// semantics 3, 7
        #[test]
        fn every_name_has_a_path_that_leads_back(units in any_units()) {
            let name = PipeName::from_units(&units).unwrap();
            let again = PipeName::from_path_units(&name.path_units()).unwrap();
            prop_assert_eq!(again.units(), &units[..]);
            let again = PipeName::from_path(&wtf8_of_units(&name.path_units())).unwrap();
            prop_assert_eq!(again.units(), &units[..]);
        }

        /// semantics 2
        #[test]
        fn folding_a_folded_name_changes_nothing(units in any_units()) {
            let name = PipeName::from_units(&units).unwrap();
            let folded = PipeName::from_units(&name.folded).unwrap();
            prop_assert_eq!(&folded.units, &folded.folded);
            prop_assert_eq!(name.key(), folded.key());
            prop_assert_eq!(name, folded);
        }

        /// semantics 4, 8
        #[test]
        fn bytes_stand_for_one_name_or_none(bytes: Vec<u8>) {
            if let Some(units) = units_of_wtf8(&bytes) {
                prop_assert_eq!(wtf8_of_units(&units), &bytes[..]);
            }
            if let Ok(name) = PipeName::from_typed(&bytes) {
                prop_assert!(name.units().len() <= MAX_NAME_UNITS);
            }
        }

        /// semantics 7, 9-11
        #[test]
        fn whatever_follows_a_prefix_is_handled(units in any_units()) {
            for prefix in [r"\\.\", r"\\?\", r"\\.\pipe\", r"\\", ""] {
                let path: Vec<u16> = prefix.encode_utf16().chain(units.iter().copied()).collect();
                let _ = PipeName::from_path_units(&path);
            }
        }
    }
}
