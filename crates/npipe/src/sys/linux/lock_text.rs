//! What a lock file says: which process holds the entry, and the pipe's name in clear.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

/// Bytes of a lock file, at most: three lines of which the last is a pipe's name.
pub(super) const MAX_LOCK_BYTES: usize = 2048;

/// First line of a lock file: what wrote it, and the version of the layout.
const LOCK_HEADER: &[u8] = b"npipe 1";

/// What a lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LockText {
    pub(super) pid: Option<u32>,
    pub(super) name: Option<Vec<u8>>,
}

impl LockText {
    /// Reads a lock file from its beginning. `None` if it is not one of ours, or not yet written.
    pub(super) fn read(file: OwnedFd) -> Option<LockText> {
        let mut text = Vec::new();
        let limit = MAX_LOCK_BYTES as u64 + 1;
        File::from(file).take(limit).read_to_end(&mut text).ok()?;
        if text.len() > MAX_LOCK_BYTES {
            return None;
        }
        // The name comes last: it may hold any character.
        let mut lines = text.splitn(3, |&byte| byte == b'\n');
        if lines.next()? != LOCK_HEADER {
            return None;
        }
        let pid = std::str::from_utf8(lines.next()?).ok()?;
        Some(LockText {
            pid: pid.parse().ok(),
            name: lines.next().map(<[u8]>::to_vec),
        })
    }

    pub(super) fn compose(pid: u32, name: &[u8]) -> Vec<u8> {
        let pid = pid.to_string();
        [LOCK_HEADER, b"\n", pid.as_bytes(), b"\n", name].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lock file gives any name back, and one that is none gives nothing.
    #[test]
    fn lock_files_are_parsed_with_care() {
        let read = |text: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, text).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            LockText::read(file.into())
        };
        let name = b"\n\xed\xa0\x80\n".to_vec();
        let text = LockText {
            pid: Some(7),
            name: Some(name.clone()),
        };
        assert_eq!(read(&LockText::compose(7, &name)), Some(text));
        assert_eq!(read(b""), None);
        assert_eq!(read(b"npipe 2\n7\nname"), None);
        assert_eq!(read(b"npipe 1"), None);
        let cut = LockText { pid: None, name: None };
        assert_eq!(read(b"npipe 1\n-1"), Some(cut));
        assert_eq!(read(&LockText::compose(7, &[b'x'; MAX_LOCK_BYTES])), None);
    }
}
