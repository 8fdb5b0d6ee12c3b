//! The lock of an entry of the namespace (`flock`), and what its file says.
//!
//! The kernel gives the lock up when its holder dies, however it dies, so a lock that can be taken
//! is the proof that its holder is dead: age and process numbers prove nothing.
//!
//! The lock's file is removed along with the entry. A lock is therefore only valid once its holder
//! has seen that the file it locked is still the one that bears the name.

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use std::os::fd::AsFd;

use super::forks::ProcessFd;
use super::identity::own_uid;
use super::lock_text::{LockText, MAX_LOCK_BYTES};
use super::namespace::{FileId, Files, Key, Root, is};
use crate::sys::{SysError, SysResult};

/// How often to start over when the lock's file is removed between opening and locking it. Each
/// time another process has come and gone.
const MAX_RETRIES: usize = 16;

/// The lock of an entry. Dropping it removes its file, then gives it up.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) root: Root,
    pub(super) files: Files,
    file: ProcessFd,
    id: FileId,
    /// The process that took it.
    pub(super) pid: u32,
    /// Whether its file stays when it is given up.
    keeps_file: bool,
}

pub(super) enum Locking {
    Taken(Lock),
    Held { pid: Option<u32> },
}

impl Lock {
    /// Gives it up and leaves its file to those who come after.
    pub(super) fn leave(mut self) {
        self.keeps_file = true;
    }

    pub(super) fn take(root: &Root, key: &Key) -> SysResult<Locking> {
        let uid = own_uid();
        for _ in 0..MAX_RETRIES {
            let files = Files::of(key, uid);
            let file = Lock::open(root, &files)?;
            let path = root.path().join(&files.lock);
            let fail = |e: Errno| SysError::new("lock", e).on(&path);
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::AGAIN) => {
                    let copy = file.as_fd().try_clone_to_owned().ok();
                    let text = copy.and_then(LockText::read).unwrap_or_default();
                    return Ok(Locking::Held { pid: text.pid });
                }
                Err(Errno::INTR) => continue,
                Err(e) => return Err(fail(e)),
            }
            let locked = FileId::of(&rustix::fs::fstat(&file).map_err(fail)?);
            let linked = root.stat(&files.lock)?.as_ref().map(FileId::of);
            if linked == Some(locked) {
                return Ok(Locking::Taken(Lock {
                    root: root.clone(),
                    files,
                    file,
                    id: locked,
                    pid: std::process::id(),
                    keeps_file: false,
                }));
            }
            // Its holder removed it before giving it up: what we locked bears no name any more.
        }
        Err(SysError::new("lock", Errno::AGAIN)
            .on(root.path().join(Files::of(key, uid).lock))
            .because("other processes keep making and removing it"))
    }

    /// Opens the lock's file, making it if it is missing, and checks that it is one of ours.
    fn open(root: &Root, files: &Files) -> SysResult<ProcessFd> {
        let path = root.path().join(&files.lock);
        let fail = |e: Errno| SysError::new("open the lock", e).on(&path);
        let refuse = |reason: String| {
            fail(Errno::PERM).because(format!(
                "{reason}; nothing of npipe's makes such a file, remove it or use another root"
            ))
        };
        let owner_only = Mode::RUSR | Mode::WUSR;
        // Non-blocking, lest somebody put a named pipe there.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file =
            rustix::fs::openat(root.dir(), &files.lock, flags | OFlags::CLOEXEC, owner_only).map_err(|e| {
                match (e, root.stat(&files.lock)) {
                    (Errno::LOOP, _) => refuse("it is a symbolic link".into()),
                    (Errno::ISDIR | Errno::NXIO, _) => refuse("it is not a regular file".into()),
                    (_, Ok(Some(stat))) if stat.st_uid != own_uid() => {
                        refuse(format!("it belongs to user {}", stat.st_uid))
                    }
                    _ => fail(e),
                }
            })?;
        let stat = rustix::fs::fstat(&file).map_err(fail)?;
        if !is(&stat, FileType::RegularFile) {
            return Err(refuse("it is not a regular file".into()));
        }
        if stat.st_uid != own_uid() {
            return Err(refuse(format!("it belongs to user {}", stat.st_uid)));
        }
        // A second name could be that of a file of ours that is about to be overwritten.
        if stat.st_nlink > 1 {
            return Err(refuse("it has another name elsewhere".into()));
        }
        // Whoever can open it can lock it, and keep us out.
        if Mode::from_raw_mode(stat.st_mode) != owner_only {
            rustix::fs::fchmod(&file, owner_only).map_err(fail)?;
        }
        Ok(file.into())
    }

    /// Writes into the lock's file who we are and what name this is.
    pub(super) fn describe(&self, name: &[u8]) -> SysResult<()> {
        let fail = |e: Errno| self.fail("write to the lock", &self.files.lock, e);
        let text = LockText::compose(self.pid, name);
        if text.len() > MAX_LOCK_BYTES {
            return Err(fail(Errno::NAMETOOLONG));
        }
        // In this order a listing that reads meanwhile never finds the file empty.
        let written = rustix::io::pwrite(&self.file, &text, 0).map_err(fail)?;
        if written != text.len() {
            return Err(fail(Errno::NOSPC));
        }
        rustix::fs::ftruncate(&self.file, text.len() as u64).map_err(fail)
    }

    /// Fails if `file` exists and is anything but a socket of ours.
    pub(super) fn check_replaceable(&self, file: &str) -> SysResult<()> {
        let Some(stat) = self.root.stat(file)? else {
            return Ok(());
        };
        let reason = if !is(&stat, FileType::Socket) {
            "it is not a socket".to_owned()
        } else if stat.st_uid != own_uid() {
            format!("it belongs to user {}", stat.st_uid)
        } else {
            return Ok(());
        };
        Err(self
            .fail("replace", file, Errno::EXIST)
            .because(format!("{reason}; remove it or use another root")))
    }

    /// Removes a file of this entry, if it is there. Directories stay.
    pub(super) fn remove(&self, file: &str) -> SysResult<()> {
        match rustix::fs::unlinkat(self.root.dir(), file, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(self.fail("remove", file, e)),
        }
    }

    /// Removes a file of this entry if it still is the one we know. If that fails it stays behind,
    /// dead, for the next claim to replace.
    pub(super) fn remove_if(&self, file: &str, known: FileId) {
        if let Ok(Some(stat)) = self.root.stat(file)
            && FileId::of(&stat) == known
        {
            let _ = self.remove(file);
        }
    }

    /// Whether this is a copy in a forked child, to whom the entry does not belong.
    pub(super) fn is_foreign(&self) -> bool {
        self.pid != std::process::id()
    }

    pub(super) fn fail(&self, operation: &'static str, file: &str, errno: Errno) -> SysError {
        SysError::new(operation, errno).on(self.root.path().join(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.is_foreign() && !self.keeps_file {
            self.remove_if(&self.files.lock, self.id);
        }
    }
}
