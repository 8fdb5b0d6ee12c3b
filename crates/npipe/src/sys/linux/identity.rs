//! Who we are, and who is at the other end of a socket.
//!
//! All of it comes from the kernel, which records a peer's identity when it connects; a process
//! cannot claim to be another. Numbers are those of our own namespaces: a user without a number
//! here shows as the overflow user (65534), a process we cannot see has no number at all.
//!
//! A process number is only good for showing: the process may end and the number be given to
//! another.
#![allow(
    unsafe_code,
    reason = "getsockopt for peers and getauxval have no safe binding (rustix assumes a visible peer process)"
)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use npipe_core::PeerIdentity;

use super::forks::PerProcess;
use super::impersonation;
use crate::sys::{SysError, SysResult};

/// The user that a file belongs to.
pub(crate) fn owner_of(file: BorrowedFd<'_>) -> SysResult<u32> {
    let stat = rustix::fs::fstat(file).map_err(|errno| SysError::new("look at a descriptor", errno))?;
    Ok(stat.st_uid)
}

/// Groups a process may be in, at most (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65536;

/// Groups most processes are in, at most.
const USUAL_GROUPS: usize = 32;

/// The process at the other end of a socket, as it was when it connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerCredentials {
    /// Its number, unless it lives in a process namespace that we cannot see into.
    pub(crate) pid: Option<u32>,
    /// Its effective user.
    pub(crate) uid: u32,
    /// Its effective group.
    pub(crate) gid: u32,
    /// Its supplementary groups; none of [servers](server_credentials).
    pub(crate) groups: Vec<u32>,
}

impl From<&PeerCredentials> for PeerIdentity {
    fn from(peer: &PeerCredentials) -> PeerIdentity {
        let &PeerCredentials {
            uid, gid, ref groups, ..
        } = peer;
        PeerIdentity {
            uid,
            gid,
            groups: groups.clone(),
            is_administrator: administrators().is_some_and(|admins| gid == admins || groups.contains(&admins)),
        }
    }
}

/// The group whose members administer this system: the first of `sudo`, `wheel` and `admin` that there is, as `/etc/group` was
/// when it was first asked for. Groups of a directory service administer other things.
pub(crate) fn administrators() -> Option<u32> {
    static GROUP: OnceLock<Option<u32>> = OnceLock::new();
    *GROUP.get_or_init(|| administrators_in(&std::fs::read_to_string("/etc/group").ok()?))
}

fn administrators_in(groups: &str) -> Option<u32> {
    let number_of = |wanted: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
            (name == wanted).then(|| number.parse().ok())?
        })
    };
    ["sudo", "wheel", "admin"].into_iter().find_map(number_of)
}

/// Who the calling thread is, as a peer would see it: the client's user and groups while it impersonates.
pub(crate) fn own_identity() -> SysResult<PeerIdentity> {
    impersonation::thread_credentials().map(|own| PeerIdentity::from(&own))
}

/// Our process number.
pub(crate) fn own_pid() -> u32 {
    static OWN: PerProcess<u32> = PerProcess::new(std::process::id);
    *OWN.get()
}

/// The process' effective user: the owner of files we make, and who we are to a peer. A thread that impersonates somebody
/// is not asked who it is.
pub(crate) fn own_uid() -> u32 {
    impersonation::own_uid()
}

/// The process' effective group.
pub(crate) fn own_gid() -> u32 {
    impersonation::own_gid()
}

/// Whether the program runs with more rights than its caller (set-user-id and the like), so that
/// the environment, which is the caller's, must not be trusted.
pub(crate) fn environment_is_foreign() -> bool {
    // SAFETY: reads a value the kernel passed at start; unknown keys give 0.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Who is at the other end of a connected socket.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> SysResult<PeerCredentials> {
    let groups = peer_groups(socket).map_err(cannot_ask)?;
    Ok(PeerCredentials {
        groups,
        ..server_credentials(socket)?
    })
}

/// The same of one whom nobody judges by the groups it is in, which it is not asked for.
pub(crate) fn server_credentials(socket: BorrowedFd<'_>) -> SysResult<PeerCredentials> {
    let mut who = [libc::ucred { pid: 0, uid: 0, gid: 0 }];
    socket_option(socket, libc::SO_PEERCRED, &mut who).map_err(cannot_ask)?;
    let [who] = who;
    Ok(PeerCredentials {
        pid: u32::try_from(who.pid).ok().filter(|&pid| pid != 0),
        uid: who.uid,
        gid: who.gid,
        groups: Vec::new(),
    })
}

fn cannot_ask(error: io::Error) -> SysError {
    SysError::new("ask who is at the other side of a socket", error)
}

fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; USUAL_GROUPS];
    let count = match socket_option(socket, libc::SO_PEERGROUPS, &mut groups) {
        Err(e) if e.raw_os_error() == Some(libc::ERANGE) => {
            groups.resize(MAX_GROUPS, 0);
            socket_option(socket, libc::SO_PEERGROUPS, &mut groups)?
        }
        other => other?,
    };
    groups.truncate(count);
    groups.shrink_to_fit();
    Ok(groups)
}

/// The effective user of a process that we can see. Of one that keeps its own user from looking into it: the superuser.
pub(crate) fn user_of(pid: u32) -> Option<u32> {
    rustix::fs::stat(format!("/proc/{pid}")).ok().map(|stat| stat.st_uid)
}

/// What a process calls itself, for showing to a person: up to 15 bytes, no control characters.
/// `None` if it has ended or cannot be seen. The process can choose any name it likes.
pub(crate) fn process_name(pid: u32) -> Option<String> {
    let mut name = Vec::new();
    let file = File::open(format!("/proc/{pid}/comm")).ok()?;
    // Kernel threads have longer names, but not much longer.
    file.take(64).read_to_end(&mut name).ok()?;
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    let shown = String::from_utf8_lossy(&name);
    Some(shown.replace(char::is_control, "?"))
}

/// Types any bit pattern is a value of, so that the kernel may fill them in.
trait PlainData: Copy {}
impl PlainData for u32 {}
impl PlainData for libc::ucred {}

/// Fills `values` from a socket option; returns how many values there were.
fn socket_option<T: PlainData>(socket: BorrowedFd<'_>, option: libc::c_int, values: &mut [T]) -> io::Result<usize> {
    let mut bytes = libc::socklen_t::try_from(size_of_val(values)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `bytes` bytes to `values`, which has as many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            values.as_mut_ptr().cast(),
            &mut bytes,
        )
    };
    match result {
        0 => Ok(bytes as usize / size_of::<T>()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket;
    use std::os::fd::AsFd;

    /// Who the client is comes from the system.
    #[test]
    fn the_kernel_tells_who_the_peer_is() {
        let (ours, _theirs) = socket::pair().unwrap();
        let peer = peer_credentials(ours.as_fd()).unwrap();
        assert_eq!(peer.pid, Some(own_pid()));
        assert_eq!(peer.uid, own_uid());
        assert_eq!(peer.gid, own_gid());
        let groups = rustix::process::getgroups().unwrap();
        let groups: Vec<u32> = groups.iter().map(|group| group.as_raw()).collect();
        assert_eq!(peer.groups, groups);
    }

    /// No rule: who administers a system is the system's.
    #[test]
    fn the_administrators_are_sudo_wheel_or_admin() {
        assert_eq!(administrators_in("root:x:0:\nwheel:x:10:a,b\nsudo:x:27:c\n"), Some(27));
        assert_eq!(administrators_in("admin:x:116:\nwheel:x:10:\n"), Some(10));
        assert_eq!(administrators_in("sudo:x:many:\nadmin:x:116:\n"), Some(116));
        assert_eq!(administrators_in("root:x:0:\nsudoers:x:5:\nsudo\n"), None);
        let peer = |gid, groups: &[u32]| PeerCredentials {
            pid: None,
            uid: 1000,
            gid,
            groups: groups.to_vec(),
        };
        if let Some(admins) = administrators() {
            assert!(PeerIdentity::from(&peer(admins, &[])).is_administrator);
            assert!(PeerIdentity::from(&peer(1, &[admins])).is_administrator);
            assert!(!PeerIdentity::from(&peer(admins + 1, &[])).is_administrator);
        }
    }

    /// Names are for showing, and harmless to show.
    #[test]
    fn process_names_are_fit_to_print() {
        let thread = std::thread::spawn(|| {
            rustix::thread::set_name(c"a\x1b[31m\xffz").unwrap();
            process_name(rustix::thread::gettid().as_raw_nonzero().get() as u32)
        });
        assert_eq!(thread.join().unwrap().as_deref(), Some("a?[31m\u{fffd}z"));
        assert_eq!(process_name(0), None);
        assert_eq!(process_name(u32::MAX), None);
        assert!(!environment_is_foreign());
    }
}
