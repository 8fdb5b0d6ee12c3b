//! A directory of our own, gone when the command is: the namespace of the demo
//! and the meeting place of the bench's processes.
//!
//! A process makes at most one.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::interrupt;
use crate::report::Failure;

/// The directory; dropping it removes it with all that is in it.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty directory for this user only.
    pub(crate) fn new() -> Result<Scratch, Failure> {
        let temporary = std::env::temp_dir();
        // A left-over of a killed process with our id may be in the way.
        for attempt in 0..100 {
            let path = temporary.join(format!("npipe-{}-{attempt}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    interrupt::guard(&path);
                    return Ok(Scratch { path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(Failure::System {
                        doing: format!("make the directory {}", path.display()),
                        source,
                    });
                }
            }
        }
        Err(Failure::System {
            doing: format!("make a directory in {}", temporary.display()),
            source: io::ErrorKind::AlreadyExists.into(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        interrupt::remove_scratch();
    }
}
