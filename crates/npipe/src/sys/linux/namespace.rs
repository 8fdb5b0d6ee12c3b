//! The directory where processes meet.
//!
//! A *root* is one directory. Each pipe name that is being served has a socket in it, called
//! `<key>.<uid>`: the key of the name (32 hexadecimal digits) and its owner. Beside it lies
//! `<key>.<uid>.lock`, which says whether the owner is alive and holds the name in clear; see
//! [`claim`](super::claim).
//!
//! Two kinds of root:
//!
//! * a *private* one is ours, and nobody else may write to it: only our own names are looked for;
//! * a *shared* one belongs to the superuser and is sticky: every user has entries in it, and
//!   nobody can remove another's. For one key there may be several; only those count whose file
//!   really belongs to the user in its name.
//!
//! Anybody may put anything into a shared root. Files are therefore judged by kind and owner, not by name; links are never
//! followed; scans are bounded; what is not ours is never removed. File names are made of numbers and cannot lead elsewhere.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::forks::ProcessFd;
use super::identity::{environment_is_foreign, own_uid};
use super::lock_text::LockText;
use super::{directory, socket};
use crate::sys::{SysError, SysResult};

/// Names this directory as the root, for programs that run with their caller's rights.
const ROOT_VARIABLE: &str = "NPIPE_ROOT";

/// Files looked at in one scan of a root. In a shared root anybody can add files without end.
const MAX_SCANNED: usize = 65_536;

const NOT_OF_OWNER: &str = "it is not a socket of its owner";

/// What a pipe's name is found by: a hash over its folded characters.
pub(crate) type Key = [u8; 16];

/// A directory where pipes are found. Clones share the open directory.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    dir: Arc<OwnedFd>,
    id: FileId,
    path: Arc<Path>,
    shared: bool,
}

/// One user's entry for a key: a socket that belongs to that user. Whether somebody still listens
/// on it only connecting tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Of the pipe's name.
    pub(crate) key: Key,
    /// The owner.
    pub(crate) uid: u32,
    /// When the entry was made: seconds and nanoseconds, in steps of some milliseconds. The owner
    /// cannot set it back.
    pub(super) since: (i64, u32),
    /// Which file it was.
    pub(super) file: FileId,
}

/// An entry as shown in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The socket.
    pub(crate) candidate: Candidate,
    /// The pipe's name in WTF-8, if we may read it. The owner can have written anything: check
    /// that it hashes to the candidate's key.
    pub(crate) name: Option<Vec<u8>>,
    /// The process that serves it or did so last, by its own account.
    pub(crate) pid: Option<u32>,
}

/// Tells files apart for as long as they exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// The files of one entry.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) socket: String,
    pub(super) lock: String,
    /// A socket on its way to becoming `socket`; only the holder of the lock touches it.
    pub(super) fresh: String,
}

/// Where a root may be, in order of preference.
struct Places {
    /// As asked for by the environment.
    chosen: Option<OsString>,
    /// For all users, if the administrator has made it.
    shared: PathBuf,
    /// Made by the system for each user who is logged in.
    session: PathBuf,
    /// For those who have neither.
    fallback: PathBuf,
}

impl Candidate {
    /// Whether it may have been there first: of two made in the same instant, either may.
    pub(crate) fn may_precede(&self, other: &Candidate) -> bool {
        self.since <= other.since
    }
}

impl Root {
    /// The root of this user: `$NPIPE_ROOT`, else `/run/npipe` where it exists, else
    /// `/run/user/<uid>/npipe` where `/run/user/<uid>` is ours, else `/tmp/npipe-<uid>`.
    ///
    /// A place that exists but is unfit is an error. Going on to the next would give one user two
    /// namespaces.
    pub(crate) fn find() -> SysResult<Root> {
        let uid = own_uid();
        let chosen = match environment_is_foreign() {
            true => None,
            false => std::env::var_os(ROOT_VARIABLE),
        };
        Root::find_among(&Places {
            chosen,
            shared: "/run/npipe".into(),
            session: format!("/run/user/{uid}").into(),
            fallback: format!("/tmp/npipe-{uid}").into(),
        })
    }

    fn find_among(places: &Places) -> SysResult<Root> {
        if let Some(chosen) = places.chosen.as_ref().filter(|chosen| !chosen.is_empty()) {
            let chosen = Path::new(chosen);
            if !chosen.is_absolute() {
                return Err(SysError::new("use the namespace directory", Errno::INVAL)
                    .on(chosen)
                    .because(format!("{ROOT_VARIABLE} must be an absolute path")));
            }
            return Root::at(chosen);
        }
        if exists(&places.shared) {
            return Root::at(&places.shared);
        }
        match rustix::fs::lstat(&places.session) {
            Ok(stat) if is(&stat, FileType::Directory) && stat.st_uid == own_uid() => {
                Root::at(&places.session.join("npipe"))
            }
            _ => Root::at(&places.fallback),
        }
    }

    /// The root in a given directory, which is made, for us alone, if only it is missing.
    pub(crate) fn at(path: &Path) -> SysResult<Root> {
        // Without a trailing slash, which would have a symbolic link followed.
        let path: PathBuf = path.components().collect();
        if let Some(known) = directory::last(&path)
            && known.is_in_place()
        {
            return Ok(known);
        }
        let fail = |e: Errno| SysError::new("open the namespace directory", e).on(&path);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::open(&path, flags, Mode::empty());
        let dir = match open() {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdir(&path, Mode::RWXU) {
                    // Made by another process meanwhile, perhaps.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(Errno::NOENT) => {
                        return Err(fail(Errno::NOENT).because("the directory that should contain it does not exist"));
                    }
                    Err(e) => {
                        return Err(SysError::new("make the namespace directory", e).on(&path));
                    }
                }
                open()
            }
            other => other,
        }
        .map_err(|e| match e {
            Errno::NOTDIR | Errno::LOOP => fail(e).because("it is not a directory (symbolic links are not followed)"),
            e => fail(e),
        })?;
        let stat = rustix::fs::fstat(&dir).map_err(fail)?;
        let shared =
            kind_of_root(stat.st_uid, stat.st_mode, own_uid()).map_err(|reason| fail(Errno::PERM).because(reason))?;
        let id = FileId::of(&stat);
        let root = Root {
            dir: directory::shared(dir, id),
            id,
            path: path.into(),
            shared,
        };
        directory::set_last(&root);
        Ok(root)
    }

    /// Whether its path still leads to it, and it is as fit as it was. What is open keeps its number.
    fn is_in_place(&self) -> bool {
        rustix::fs::lstat(&*self.path).is_ok_and(|stat| {
            is(&stat, FileType::Directory)
                && FileId::of(&stat) == self.id
                && kind_of_root(stat.st_uid, stat.st_mode, own_uid()) == Ok(self.shared)
        })
    }

    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether other users have entries here.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Every entry for `key`, oldest first: ours, and in a shared root those of other users. Those
    /// made in the same instant come by user, so that all who look agree.
    pub(crate) fn candidates(&self, key: &Key) -> SysResult<Vec<Candidate>> {
        let mut found = Vec::new();
        if self.shared {
            self.scan(|candidate| {
                if candidate.key == *key {
                    found.push(candidate);
                }
            })?;
        }
        // Ours and the superuser's are found however many files somebody has put here.
        let own = own_uid();
        for uid in [own, 0] {
            let wanted = self.shared || uid == own;
            if wanted && !found.iter().any(|known: &Candidate| known.uid == uid) {
                found.extend(self.candidate(key, uid));
            }
        }
        found.sort_by_key(|candidate| (candidate.since, candidate.uid));
        Ok(found)
    }

    /// Every entry, in no order. Whatever is not an entry is skipped.
    pub(crate) fn entries(&self) -> SysResult<Vec<Entry>> {
        let mut candidates = Vec::new();
        self.scan(|candidate| candidates.push(candidate))?;
        let entry = |candidate: Candidate| {
            let LockText { pid, name } = self.lock_text(&candidate)?.unwrap_or_default();
            Ok(Entry { candidate, name, pid })
        };
        candidates.into_iter().map(entry).collect()
    }

    /// Files that are no part of any entry, in no order.
    pub(crate) fn strangers(&self) -> SysResult<Vec<OsString>> {
        let fail = |e: Errno| SysError::new("list the namespace directory", e).on(&*self.path);
        let mut found = Vec::new();
        for file in Dir::read_from(self.dir()).map_err(fail)?.take(MAX_SCANNED) {
            let file = file.map_err(fail)?;
            let name = file.file_name().to_bytes();
            let stem = name.strip_suffix(b".lock").or_else(|| name.strip_suffix(b".new"));
            let belongs = matches!(name, b"." | b"..") || Files::parse(stem.unwrap_or(name)).is_some();
            if !belongs {
                found.push(OsStr::from_bytes(name).to_owned());
            }
        }
        found.sort();
        Ok(found)
    }

    /// Connects to a candidate's socket, waiting while its backlog is full. If nobody listens
    /// there: [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused), or, if the entry is gone,
    /// [`NotFound`](std::io::ErrorKind::NotFound).
    pub(crate) fn connect_until(&self, candidate: &Candidate, deadline: Option<Instant>) -> SysResult<ProcessFd> {
        if !self.shared && self.candidate(&candidate.key, candidate.uid).is_none() {
            let path = self.path.join(Files::of(&candidate.key, candidate.uid).socket);
            return Err(SysError::new("connect to the server", Errno::NOENT)
                .on(path)
                .because(NOT_OF_OWNER));
        }
        self.connect_found_until(candidate, deadline)
    }

    /// The same for a candidate that was found just now.
    pub(crate) fn connect_found_until(&self, candidate: &Candidate, deadline: Option<Instant>) -> SysResult<ProcessFd> {
        let files = Files::of(&candidate.key, candidate.uid);
        let path = self.path.join(&files.socket);
        let fail = |e: Errno| SysError::new("connect to the server", e).on(&path);
        if !self.shared {
            // What was looked at is what is connected to: nobody else can put another file in its place.
            return socket::connect_until(self.dir(), Some(&files.socket), deadline).map_err(|e| e.on(&path));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.dir(), &files.socket, flags, Mode::empty()).map_err(fail)?;
        // What is checked here and what is connected to is the same file, whatever the name says.
        let stat = rustix::fs::fstat(&file).map_err(fail)?;
        if !is(&stat, FileType::Socket) || stat.st_uid != candidate.uid {
            return Err(fail(Errno::NOENT).because(NOT_OF_OWNER));
        }
        socket::connect_until(file.as_fd(), None, deadline).map_err(|e| e.on(&path))
    }

    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The file's state, a link's own and not its target's; `None` if there is no such file.
    pub(super) fn stat(&self, file: &str) -> SysResult<Option<Stat>> {
        match rustix::fs::statat(self.dir(), file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(SysError::new("look at", e).on(self.path.join(file))),
        }
    }

    pub(super) fn candidate(&self, key: &Key, uid: u32) -> Option<Candidate> {
        let stat = self.stat(&Files::of(key, uid).socket).ok()??;
        (is(&stat, FileType::Socket) && stat.st_uid == uid).then(|| Candidate {
            key: *key,
            uid,
            // Not the time of modification, which its owner can set at will.
            since: (stat.st_ctime, stat.st_ctime_nsec as u32),
            file: FileId::of(&stat),
        })
    }

    fn scan(&self, mut found: impl FnMut(Candidate)) -> SysResult<()> {
        let fail = |e: Errno| SysError::new("list the namespace directory", e).on(&*self.path);
        for file in Dir::read_from(self.dir()).map_err(fail)?.take(MAX_SCANNED) {
            let file = file.map_err(fail)?;
            let entry = Files::parse(file.file_name().to_bytes());
            if let Some(candidate) = entry.and_then(|(key, uid)| self.candidate(&key, uid)) {
                found(candidate);
            }
        }
        Ok(())
    }

    /// `None` if we may not read it, or it makes no sense.
    fn lock_text(&self, candidate: &Candidate) -> SysResult<Option<LockText>> {
        let file = Files::of(&candidate.key, candidate.uid).lock;
        // Non-blocking, lest somebody put a named pipe there.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(self.dir(), &file, flags, Mode::empty()) {
            Ok(file) => file,
            Err(e) => {
                let failed = SysError::new("read the lock", e).on(self.path.join(file));
                // It says nothing about the entry.
                return if failed.is_descriptor_shortage() {
                    Err(failed)
                } else {
                    Ok(None)
                };
            }
        };
        let genuine = |stat: Stat| is(&stat, FileType::RegularFile) && stat.st_uid == candidate.uid;
        let known = rustix::fs::fstat(&file).is_ok_and(genuine);
        Ok(known.then(|| LockText::read(file)).flatten())
    }
}

/// Whether a directory is fit to be a shared root (true) or a private one (false); if neither,
/// why not.
fn kind_of_root(owner: u32, mode: u32, own_uid: u32) -> Result<bool, String> {
    let mode = Mode::from_raw_mode(mode);
    let others_write = mode.intersects(Mode::WGRP | Mode::WOTH);
    match others_write {
        true if owner == 0 && mode.contains(Mode::SVTX) => Ok(true),
        false if owner == own_uid => Ok(false),
        _ if owner != own_uid => Err(format!(
            "it belongs to user {owner} while this process runs as user {own_uid}; \
             set {ROOT_VARIABLE} to a directory of your own"
        )),
        _ => Err(format!(
            "other users may write to it (mode {:04o}); take that right away with chmod go-w, \
             or set {ROOT_VARIABLE} to another directory",
            mode.bits()
        )),
    }
}

fn exists(path: &Path) -> bool {
    // What cannot be looked at for another reason exists; opening it will tell the reason.
    !matches!(rustix::fs::lstat(path), Err(Errno::NOENT | Errno::NOTDIR))
}

pub(super) fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

impl FileId {
    pub(super) fn of(stat: &Stat) -> FileId {
        FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

impl Files {
    pub(super) fn of(key: &Key, uid: u32) -> Files {
        let socket = format!("{:032x}.{uid}", u128::from_be_bytes(*key));
        Files {
            lock: format!("{socket}.lock"),
            fresh: format!("{socket}.new"),
            socket,
        }
    }

    /// The key and owner in the name of a socket; `None` for any other name.
    fn parse(file: &[u8]) -> Option<(Key, u32)> {
        let (key, uid) = std::str::from_utf8(file).ok()?.split_once('.')?;
        let key = u128::from_str_radix(key, 16).ok()?.to_be_bytes();
        let uid = uid.parse().ok()?;
        // Numbers can be written in many ways, of which one is ours.
        (Files::of(&key, uid).socket.as_bytes() == file).then_some((key, uid))
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Files::of(&self.key, self.uid).socket)
    }
}

#[cfg(test)]
mod tests;
