//! The table of handles that a child inherits, as it travels.
//!
//! It lies in a memfd, whose descriptor an environment variable names. The first word is the number of the process that it
//! is for; the child writes it itself between fork and exec, and then nobody can change anything any more. So a process that
//! has only inherited the variable, from a program that knows nothing of it, sees that the table is another's. The rest is
//! text: a line for each object with its descriptor, a line for each handle, and one for the standard handles.

use std::fmt::Write;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use npipe::Access;
use rustix::fs::{MemfdFlags, SealFlags};

use crate::failure::{Failure, Outcome};
use crate::types::Handle;

/// Names the descriptor of the table.
pub(crate) const VARIABLE: &str = "NPIPE_INHERITED_HANDLES";

const HEADING: &str = "handles 2";
/// The process' number comes first.
const PREFIX: usize = 4;
/// A table is never longer.
const LONGEST: u64 = 1 << 22;
/// No handle of a table is higher, as empty places before it take memory.
const HIGHEST: Handle = 1 << 22;

/// What an object is in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Server {
        overlapped: bool,
    },
    Client {
        overlapped: bool,
    },
    Reader {
        size: u32,
    },
    Writer {
        size: u32,
    },
    File,
    /// `\\.\pipe\`, which has no descriptor.
    Device,
}

/// An object, with the descriptor by which the child has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) kind: Kind,
    pub(super) fd: RawFd,
}

/// A handle, and which of the objects it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) handle: Handle,
    pub(super) object: usize,
    pub(super) access: Access,
}

/// A standard handle of the child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standard {
    /// Its stream, whatever that is.
    #[default]
    Stream,
    /// This number, a handle or not.
    Number(Handle),
}

/// All of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) objects: Vec<Passed>,
    pub(super) handles: Vec<Line>,
    pub(super) standard: [Standard; 3],
}

fn access(mask: u32) -> Option<Access> {
    Some(Access::from_win32(mask)).filter(|access| access.to_win32() == mask)
}

impl Kind {
    fn words(self) -> (&'static str, u32) {
        match self {
            Kind::Server { overlapped } => ("server", overlapped.into()),
            Kind::Client { overlapped } => ("client", overlapped.into()),
            Kind::Reader { size } => ("reader", size),
            Kind::Writer { size } => ("writer", size),
            Kind::File => ("file", 0),
            Kind::Device => ("device", 0),
        }
    }

    fn of(word: &str, number: u32) -> Option<Kind> {
        let overlapped = number == 1;
        Some(match word {
            "server" => Kind::Server { overlapped },
            "client" => Kind::Client { overlapped },
            "reader" => Kind::Reader { size: number },
            "writer" => Kind::Writer { size: number },
            "file" => Kind::File,
            "device" => Kind::Device,
            _ => return None,
        })
    }
}

impl Table {
    fn encode(&self) -> String {
        let mut text = format!("{HEADING}\n");
        for passed in &self.objects {
            let (word, number) = passed.kind.words();
            // Writing to a text never fails.
            let _ = writeln!(text, "{word} {} {number}", passed.fd);
        }
        for line in &self.handles {
            let _ = writeln!(
                text,
                "handle {} {} {}",
                line.handle,
                line.object,
                line.access.to_win32()
            );
        }
        for (stream, standard) in self.standard.iter().enumerate() {
            if let Standard::Number(number) = standard {
                let _ = writeln!(text, "standard {stream} {number} 0");
            }
        }
        text
    }

    fn decode(text: &str) -> Option<Table> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADING) {
            return None;
        }
        let mut table = Table::default();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let &[word, first, second, ..] = words.as_slice() else {
                return None;
            };
            match word {
                "handle" => {
                    let handle = first
                        .parse()
                        .ok()
                        .filter(|&handle: &Handle| (4..HIGHEST).contains(&handle))?;
                    let object = second.parse().ok().filter(|&object| object < table.objects.len())?;
                    let access = access(words.get(3)?.parse().ok()?)?;
                    table.handles.push(Line { handle, object, access });
                }
                "standard" => {
                    let stream: usize = first.parse().ok()?;
                    *table.standard.get_mut(stream)? = Standard::Number(second.parse().ok()?);
                }
                _ => table.objects.push(Passed {
                    kind: Kind::of(word, second.parse().ok()?)?,
                    fd: first.parse().ok()?,
                }),
            }
        }
        Some(table)
    }

    /// The memory that a child finds it in.
    pub(super) fn pack(&self) -> Outcome<OwnedFd> {
        let failed = |errno: rustix::io::Errno| Failure::from(std::io::Error::from(errno));
        let memory = rustix::fs::memfd_create("handles", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let memory = memory.map_err(failed)?;
        let mut bytes = vec![0; PREFIX];
        bytes.extend_from_slice(self.encode().as_bytes());
        let file = std::fs::File::from(memory);
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0)?;
        Ok(file.into())
    }

    /// What this process was given; `None` when it is another's.
    ///
    /// # Errors
    /// Why it is no table.
    pub(super) fn unpack(memory: BorrowedFd<'_>) -> Result<Option<Table>, &'static str> {
        let sealed = rustix::fs::fcntl_get_seals(memory).map_err(|_| "its descriptor holds no memory")?;
        if !sealed.contains(SEALS) {
            return Err("its memory is not sealed");
        }
        let stat = rustix::fs::fstat(memory).map_err(|_| "its descriptor cannot be looked at")?;
        if stat.st_uid != rustix::process::getuid().as_raw() || stat.st_size as u64 > LONGEST {
            return Err("it is another user's, or too long");
        }
        let mut bytes = vec![0; stat.st_size as usize];
        let read = rustix::io::pread(memory, &mut bytes, 0);
        if read != Ok(bytes.len()) || bytes.len() < PREFIX {
            return Err("it is too short");
        }
        let (pid, text) = bytes.split_at(PREFIX);
        if pid != std::process::id().to_ne_bytes() {
            return Ok(None);
        }
        let text = std::str::from_utf8(text).map_err(|_| "it is no text")?;
        Table::decode(text).map(Some).ok_or("it is of another version")
    }
}

/// Nothing of it changes any more.
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE)
    .union(SealFlags::SEAL);

/// Makes it this process', for good. Between fork and exec: makes system calls and nothing else.
pub(super) fn address(memory: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let pid = rustix::process::getpid().as_raw_nonzero().get() as u32;
    rustix::io::pwrite(memory, &pid.to_ne_bytes(), 0)?;
    rustix::fs::fcntl_add_seals(memory, SEALS)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn table() -> Table {
        let objects = vec![
            Passed {
                kind: Kind::Client { overlapped: true },
                fd: 70,
            },
            Passed {
                kind: Kind::Reader { size: 9 },
                fd: 71,
            },
        ];
        let handles = vec![
            Line {
                handle: 8,
                object: 1,
                access: Access::READ,
            },
            Line {
                handle: 4,
                object: 0,
                access: Access::READ_WRITE,
            },
        ];
        let standard = [Standard::Number(8), Standard::Stream, Standard::Number(0)];
        Table {
            objects,
            handles,
            standard,
        }
    }

    /// semantics 259
    #[test]
    fn a_table_arrives_as_it_was() {
        let memory = table().pack().unwrap();
        assert!(Table::unpack(memory.as_fd()).is_err(), "not sealed yet");
        address(memory.as_fd()).unwrap();
        assert_eq!(Table::unpack(memory.as_fd()), Ok(Some(table())));
    }

    #[test]
    fn nonsense_and_what_is_anothers_is_refused() {
        for text in [
            "",
            "handles 1\n",
            "handles 2\nhandle 4 0 1\n",
            "handles 2\nfile 70 0\nhandle 3 0 1\n",
            "handles 2\nfile 70 0\nhandle 99999999 0 1\n",
            "handles 2\nfile 70 0\nhandle 4 0 4294967295\n",
            "handles 2\nfile x 0\n",
            "handles 2\nthing 70 0\n",
            "handles 2\nstandard 3 4 0\n",
            "handles 2\n\n",
        ] {
            assert_eq!(Table::decode(text), None, "{text:?}");
        }
        let memory = table().pack().unwrap();
        rustix::fs::fcntl_add_seals(&memory, SEALS).unwrap();
        assert_eq!(Table::unpack(memory.as_fd()), Ok(None), "for nobody");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Table::unpack(file.as_fd()).is_err());
    }
}
