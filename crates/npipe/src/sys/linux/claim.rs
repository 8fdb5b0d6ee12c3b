//! Owning a name in the namespace.
//!
//! Whoever holds the lock of an entry ([`Lock`]) owns it, and nobody else makes, replaces or removes
//! its files.
//!
//! A name may be served by several processes of its owner. One holds the lock; the others have a
//! copy of the listening socket, its *heirloom*, with which one of them goes on when the lock
//! falls free. So an entry is dead only when its lock can be taken *and* nobody listens.
//!
//! The socket appears under its name already listening: it is bound under another, and renamed,
//! over a dead one if need be. Whoever finds it refuse connections knows that its owner is dead.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, Mode};

use super::forks::ProcessFd;
use super::identity::own_uid;
use super::lock::{Lock, Locking};
use super::namespace::{Candidate, FileId, Files, Key, Root};
use super::socket;
use crate::sys::SysResult;

/// Who may connect to a claimed name at all. Finer rules are for the server to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Processes of the owner, and of the superuser.
    Owner,
    /// Every user who can reach the root.
    Everyone,
}

/// What came of an attempt to claim a name.
#[derive(Debug)]
pub(crate) enum Claiming {
    /// It is ours.
    Claimed(Claim),
    /// Another process of ours has it, or another part of this process.
    Held {
        /// Which, by its own account.
        pid: Option<u32>,
    },
}

/// A name that is ours, and the socket clients reach us by. Dropping it removes both from the
/// namespace; a copy in a forked child removes nothing.
#[derive(Debug)]
pub(crate) struct Claim {
    listener: Arc<ProcessFd>,
    socket: Option<FileId>,
    lock: Lock,
    inherited: bool,
}

/// The listening socket of a name that another process of ours holds.
#[derive(Debug)]
pub(crate) struct Heirloom {
    listener: Arc<ProcessFd>,
    file: FileId,
}

impl Heirloom {
    /// The socket that is reached by `candidate`.
    pub(crate) fn new(listener: ProcessFd, candidate: &Candidate) -> Heirloom {
        Heirloom {
            listener: Arc::new(listener),
            file: candidate.file,
        }
    }
}

impl Root {
    /// Claims the name with this key, and listens for clients. `name` is the name in WTF-8, for
    /// listings.
    pub(crate) fn claim(&self, key: &Key, name: &[u8], reach: Reach) -> SysResult<Claiming> {
        let lock = match Lock::take(self, key)? {
            Locking::Taken(lock) => lock,
            Locking::Held { pid } => return Ok(Claiming::Held { pid }),
        };
        if self.is_listened_to(key) {
            // Its holder has died, and one of those that serve the name with it is about to follow.
            lock.leave();
            return Ok(Claiming::Held { pid: None });
        }
        lock.establish(name, reach).map(Claiming::Claimed)
    }

    /// Claims a name that its holder has left, with the socket that clients knock at.
    pub(crate) fn inherit(&self, key: &Key, name: &[u8], reach: Reach, heirloom: &Heirloom) -> SysResult<Claiming> {
        let lock = match Lock::take(self, key)? {
            Locking::Taken(lock) => lock,
            Locking::Held { pid } => return Ok(Claiming::Held { pid }),
        };
        if self.own_candidate(key).map(|candidate| candidate.file) != Some(heirloom.file) {
            // Somebody has removed it: clients cannot find it any more.
            return lock.establish(name, reach).map(Claiming::Claimed);
        }
        lock.describe(name)?;
        Ok(Claiming::Claimed(Claim {
            listener: heirloom.listener.clone(),
            socket: Some(heirloom.file),
            lock,
            inherited: true,
        }))
    }

    /// Our own entry for `key`, if there is one.
    pub(crate) fn own_candidate(&self, key: &Key) -> Option<Candidate> {
        self.candidate(key, own_uid())
    }

    /// Whether a process listens on our socket of this key.
    fn is_listened_to(&self, key: &Key) -> bool {
        let Some(candidate) = self.own_candidate(key) else {
            return false;
        };
        match self.connect_until(&candidate, Some(Instant::now())) {
            Ok(_) => true,
            // Only one that is alive is overrun.
            Err(error) => error.kind() == std::io::ErrorKind::TimedOut,
        }
    }

    /// Removes an entry of ours whose server has died. `false`, and nothing is removed, if it is
    /// not ours, or alive, or not the entry it was.
    pub(crate) fn remove_dead(&self, candidate: &Candidate) -> SysResult<bool> {
        if candidate.uid != own_uid() {
            return Ok(false);
        }
        let Locking::Taken(lock) = Lock::take(self, &candidate.key)? else {
            return Ok(false);
        };
        if self.is_listened_to(&candidate.key) {
            lock.leave();
            return Ok(false);
        }
        if self.candidate(&candidate.key, candidate.uid).as_ref() != Some(candidate) {
            return Ok(false);
        }
        lock.remove(&lock.files.socket)?;
        Ok(true)
    }
}

impl Claim {
    /// The socket to accept clients from.
    pub(crate) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// The same, for those who serve the name with us.
    pub(crate) fn shared_listener(&self) -> Arc<ProcessFd> {
        self.listener.clone()
    }

    /// From now on every user who can reach the root may connect.
    pub(crate) fn widen(&self) -> SysResult<()> {
        let Files { socket, .. } = &self.lock.files;
        let mode = mode_of(Reach::Everyone);
        rustix::fs::chmodat(self.lock.root.dir(), socket, mode, AtFlags::empty())
            .map_err(|e| self.lock.fail("let other users connect to", socket, e))
    }

    /// Whether the socket is another process' making.
    pub(crate) fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// Gives the new socket its final name.
    fn publish(&mut self) -> SysResult<()> {
        let Files { socket, fresh, .. } = &self.lock.files;
        let dir = self.lock.root.dir();
        let made = self.lock.root.stat(fresh)?;
        rustix::fs::renameat(dir, fresh, dir, socket)
            .inspect_err(|_| drop(self.lock.remove(fresh)))
            .map_err(|e| self.lock.fail("publish the server's socket", socket, e))?;
        self.socket = made.as_ref().map(FileId::of);
        Ok(())
    }

    /// Ends the claim the way death does: nothing is removed.
    #[cfg(test)]
    fn abandon(mut self) {
        self.lock.pid = 0;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.lock.is_foreign() {
            return;
        }
        if let Some(ours) = self.socket {
            // The listener is still open, so its inode cannot have become another file's.
            self.lock.remove_if(&self.lock.files.socket, ours);
        }
    }
}

impl Lock {
    /// Makes a new socket under the name; what is there, if anything, is dead.
    fn establish(self, name: &[u8], reach: Reach) -> SysResult<Claim> {
        self.describe(name)?;
        self.check_replaceable(&self.files.socket)?;
        self.check_replaceable(&self.files.fresh)?;
        self.remove(&self.files.fresh)?;
        let listener = socket::listen(self.root.dir(), &self.files.fresh, mode_of(reach))
            .inspect_err(|_| drop(self.remove(&self.files.fresh)))?;
        let mut claim = Claim {
            listener: Arc::new(listener),
            socket: None,
            lock: self,
            inherited: false,
        };
        claim.publish()?;
        Ok(claim)
    }
}

fn mode_of(reach: Reach) -> Mode {
    match reach {
        Reach::Owner => Mode::RUSR | Mode::WUSR,
        Reach::Everyone => Mode::from_raw_mode(0o666),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::SysError;
    use crate::sys::identity::own_pid;
    use crate::sys::linux::lock_text::LockText;
    use rustix::io::Errno;
    use std::io::ErrorKind;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    const KEY: Key = *b"0123456789abcdef";
    const NAME: &[u8] = b"a \xed\xa0\x80 pipe\nof two lines";

    struct Place {
        directory: tempfile::TempDir,
        root: Root,
    }

    impl Place {
        fn new() -> Place {
            let directory = tempfile::tempdir().unwrap();
            let root = Root::at(&directory.path().join("root")).unwrap();
            Place { directory, root }
        }

        fn file(&self, file: &str) -> PathBuf {
            self.root.path().join(file)
        }

        fn claim(&self) -> Claim {
            match self.root.claim(&KEY, NAME, Reach::Owner).unwrap() {
                Claiming::Claimed(claim) => claim,
                Claiming::Held { pid } => panic!("held by {pid:?}"),
            }
        }

        fn refusal(&self) -> SysError {
            self.root.claim(&KEY, NAME, Reach::Owner).unwrap_err()
        }

        fn connect(&self) -> SysResult<ProcessFd> {
            let [candidate] = &self.root.candidates(&KEY).unwrap()[..] else {
                return Err(SysError::new("find", Errno::NOENT));
            };
            let soon = Instant::now() + Duration::from_secs(10);
            self.root.connect_until(candidate, Some(soon))
        }

        fn files(&self) -> Vec<String> {
            let files = std::fs::read_dir(self.root.path()).unwrap();
            let mut files: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            files
        }
    }

    fn names() -> Files {
        Files::of(&KEY, own_uid())
    }

    /// A name is one server's at a time, and gone with it.
    #[test]
    fn a_name_has_one_owner_until_it_is_dropped() {
        let place = Place::new();
        let claim = place.claim();
        assert_eq!(place.files(), [names().socket, names().lock]);
        match place.root.claim(&KEY, NAME, Reach::Owner).unwrap() {
            Claiming::Held { pid } => assert_eq!(pid, Some(own_pid())),
            Claiming::Claimed(_) => panic!("claimed twice"),
        }
        let _client = place.connect().unwrap();
        assert!(socket::accept(claim.listener()).unwrap().is_some());
        let entries = place.root.entries().unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].name.as_deref(), Some(NAME));
        assert_eq!(entries[0].pid, Some(own_pid()));

        drop(claim);
        assert!(place.files().is_empty());
        assert!(place.root.candidates(&KEY).unwrap().is_empty());
        drop(place.claim());
    }

    /// A server that is killed leaves no name behind that would keep others out.
    #[test]
    fn a_dead_entry_is_replaced() {
        let place = Place::new();
        place.claim().abandon();
        assert_eq!(place.files(), [names().socket, names().lock]);
        assert_eq!(place.connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);

        let claim = place.claim();
        place.connect().unwrap();
        drop(claim);
        assert!(place.files().is_empty());
    }

    /// Who meets a dead entry of its own removes it, and no other.
    #[test]
    fn only_the_dead_are_removed() {
        let place = Place::new();
        let claim = place.claim();
        let alive = place.root.candidates(&KEY).unwrap().remove(0);
        assert!(!place.root.remove_dead(&alive).unwrap());
        place.connect().unwrap();
        claim.abandon();

        let foreign = Candidate {
            uid: own_uid() + 1,
            ..alive.clone()
        };
        assert!(!place.root.remove_dead(&foreign).unwrap());
        let earlier = Candidate {
            since: (0, 0),
            ..alive.clone()
        };
        assert!(!place.root.remove_dead(&earlier).unwrap());
        assert!(place.root.remove_dead(&alive).unwrap());
        assert!(place.files().is_empty());
        assert!(!place.root.remove_dead(&alive).unwrap());
    }

    /// Closing an old pipe does not disturb a new one of the same name.
    #[test]
    fn what_replaced_us_is_left_alone() {
        let place = Place::new();
        let claim = place.claim();
        std::fs::remove_file(place.file(&names().socket)).unwrap();
        std::fs::remove_file(place.file(&names().lock)).unwrap();
        let successor = place.claim();
        drop(claim);
        place.connect().unwrap();
        drop(successor);
        assert!(place.files().is_empty());
    }

    /// Without further rights the name is its owner's alone; with them the server
    /// decides. Whatever the umask.
    #[test]
    fn the_socket_admits_whom_it_should() {
        let place = Place::new();
        for (reach, mode) in [(Reach::Owner, 0o600), (Reach::Everyone, 0o666)] {
            let claim = place.root.claim(&KEY, NAME, reach).unwrap();
            let of = |file: &str| std::fs::metadata(place.file(file)).unwrap().permissions().mode();
            assert_eq!(of(&names().socket) & 0o777, mode);
            assert_eq!(of(&names().lock) & 0o777, 0o600);
            drop(claim);
        }
    }

    /// Creation fails, and says why, where something else has taken the name's
    /// place. What is not ours stays.
    #[test]
    fn obstacles_are_refused_and_kept() {
        let place = Place::new();
        let Files { socket, lock, .. } = names();
        let target = place.directory.path().join("precious");
        std::fs::write(&target, "precious").unwrap();

        for file in [&lock, &socket] {
            symlink(&target, place.file(file)).unwrap();
            assert!(place.refusal().reason().unwrap().contains("it is"));
            assert_eq!(place.files(), [file.as_str()]);
            std::fs::remove_file(place.file(file)).unwrap();

            std::fs::create_dir(place.file(file)).unwrap();
            assert!(place.refusal().reason().unwrap().contains("it is not a"));
            assert_eq!(place.files(), [file.as_str()]);
            std::fs::remove_dir(place.file(file)).unwrap();
        }

        std::fs::hard_link(&target, place.file(&lock)).unwrap();
        assert!(place.refusal().reason().unwrap().contains("another name"));
        std::fs::remove_file(place.file(&lock)).unwrap();

        let posing = UnixListener::bind(place.file(&lock)).unwrap();
        assert!(place.refusal().reason().unwrap().contains("not a regular file"));
        std::fs::remove_file(place.file(&lock)).unwrap();
        drop(posing);

        std::fs::write(place.file(&socket), "not a socket").unwrap();
        assert!(place.refusal().reason().unwrap().contains("not a socket"));
        assert!(place.root.candidates(&KEY).unwrap().is_empty());
        assert!(place.root.entries().unwrap().is_empty());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    /// Files of other users are neither used nor removed.
    #[test]
    fn foreign_files_are_refused() {
        if own_uid() != 0 {
            return; // Only the superuser can make files of other users.
        }
        let place = Place::new();
        let Files { socket, lock, .. } = names();
        std::fs::write(place.file(&lock), "").unwrap();
        std::os::unix::fs::lchown(place.file(&lock), Some(4711), None).unwrap();
        assert!(place.refusal().reason().unwrap().contains("user 4711"));
        assert_eq!(place.files(), [lock.as_str()]);
        std::fs::remove_file(place.file(&lock)).unwrap();

        let listener = UnixListener::bind(place.file(&socket)).unwrap();
        std::os::unix::fs::lchown(place.file(&socket), Some(4711), None).unwrap();
        assert!(place.refusal().reason().unwrap().contains("user 4711"));
        assert!(place.root.candidates(&KEY).unwrap().is_empty());
        assert_eq!(place.files(), [socket.as_str()]);
        drop(listener);
    }

    /// A lock file left by an older, longer text holds nothing but the new one;
    /// rights others were given to it are taken away.
    #[test]
    fn a_stale_lock_file_is_rewritten() {
        let place = Place::new();
        let lock = place.file(&names().lock);
        std::fs::write(&lock, [b'x'; 4096]).unwrap();
        std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o666)).unwrap();
        let claim = place.claim();
        let expected = LockText::compose(own_pid(), NAME);
        assert_eq!(std::fs::read(&lock).unwrap(), expected);
        assert_eq!(std::fs::metadata(&lock).unwrap().mode() & 0o777, 0o600);
        drop(claim);
    }

    /// Whoever comes while another goes gets the name or hears that it is held,
    /// and in the end nothing is left.
    #[test]
    fn claims_by_many_threads_exclude_each_other() {
        let place = Place::new();
        let owners = std::sync::atomic::AtomicU32::new(0);
        let claimed = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    use std::sync::atomic::Ordering::SeqCst;
                    for _ in 0..100 {
                        let claiming = place.root.claim(&KEY, NAME, Reach::Owner).unwrap();
                        if let Claiming::Claimed(claim) = claiming {
                            assert_eq!(owners.fetch_add(1, SeqCst), 0);
                            claimed.fetch_add(1, SeqCst);
                            owners.fetch_sub(1, SeqCst);
                            drop(claim);
                        }
                    }
                });
            }
        });
        assert!(claimed.into_inner() > 0);
        assert!(place.files().is_empty());
    }
}
