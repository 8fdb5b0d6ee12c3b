//! Being somebody else on one thread, and coming back.
//!
//! Linux keeps identities by thread; the C library's functions change all threads of a process, the system calls that are
//! used here the calling thread alone. A thread that is away has the other's effective user and group, groups, and none of
//! the capabilities (those of the superuser stay with the superuser). Its real user and its *saved* one stay the process':
//! the saved one is the way back, and both keep the other from sending signals to the thread or looking into it.
//!
//! A thread is at any time wholly somebody: where a step fails, those before it are taken back, and where that fails too
//! the process ends at once, since nobody can say who the thread is. Signal handlers of the program do not run in between.
//!
//! The library's own errands are the process': making files, threads and processes ([`at_home`]), and finding the namespace
//! ([`with_own_files`], for which the rights to files are enough; whom a connected socket shows stays the other).
//!
//! A change of identity makes the process undumpable, as the kernel does for any program that changes identity.
#![allow(
    unsafe_code,
    reason = "getresuid, getresgid, setfsuid and setfsgid have no safe binding"
)]

use std::cell::RefCell;
use std::io::Write;
use std::sync::OnceLock;

use npipe_core::PeerIdentity;
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::identity::{PeerCredentials, own_pid};
use super::signals;
use crate::sys::{SysError, SysResult};

/// Who stands for users and groups that have no number here.
const OVERFLOW: u32 = 65534;

/// The real, effective and saved number of a user or a group.
type Numbers = [u32; 3];

/// What a thread is by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Home {
    uids: Numbers,
    gids: Numbers,
    groups: Vec<u32>,
    capabilities: CapabilitySets,
}

/// A thread that is somebody else.
#[derive(Debug)]
struct Away {
    home: Home,
    who: PeerIdentity,
}

/// A thread that ends comes back first: what its variables do when they go is the process' doing.
struct Place(Option<Away>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(away) = self.0.take() {
            away.home.restore();
        }
    }
}

thread_local! {
    static PLACE: RefCell<Place> = const { RefCell::new(Place(None)) };
}

fn fail(operation: &'static str) -> impl Fn(Errno) -> SysError {
    move |errno| SysError::new(operation, errno)
}

/// Ends the process: the thread is nobody in particular.
fn give_up(what: &str, error: &dyn std::fmt::Display) -> ! {
    // Where there is no stderr nobody reads it.
    let _ = writeln!(
        std::io::stderr(),
        "npipe: {what}: {error}; the process ends, since this thread would go on with an identity that is not its own"
    );
    std::process::abort()
}

impl Home {
    /// What the calling thread is now.
    fn read() -> SysResult<Home> {
        let (mut uids, mut gids): (Numbers, Numbers) = ([0; 3], [0; 3]);
        let [real, effective, saved] = &mut uids;
        // SAFETY: three places for a number each; fails for others only.
        unsafe { libc::getresuid(real, effective, saved) };
        let [real, effective, saved] = &mut gids;
        // SAFETY: as above.
        unsafe { libc::getresgid(real, effective, saved) };
        let groups = rustix::process::getgroups().map_err(fail("ask for the groups of this thread"))?;
        Ok(Home {
            uids,
            gids,
            groups: groups.iter().map(|gid| gid.as_raw()).collect(),
            capabilities: capabilities(None).map_err(fail("ask for the capabilities of this thread"))?,
        })
    }

    fn effective_uid(&self) -> u32 {
        self.uids[1]
    }

    fn effective_gid(&self) -> u32 {
        self.gids[1]
    }

    fn is_in_groups_of(&self, who: &PeerIdentity) -> bool {
        as_set(&self.groups) == as_set(&who.groups)
    }

    /// Whether the system lets this thread be `who`.
    fn may_become(&self, who: &PeerIdentity) -> bool {
        let holds = |capability| self.capabilities.effective.contains(capability);
        let same_uid = who.uid == self.effective_uid();
        let same_groups = who.gid == self.effective_gid() && self.is_in_groups_of(who);
        // Nobody becomes the superuser who is not. It would cost a thread its capabilities on the way back.
        let is_no_ascent = who.uid != 0 || self.effective_uid() == 0;
        is_no_ascent
            && (same_uid || holds(CapabilitySet::SETUID))
            && (same_groups || holds(CapabilitySet::SETGID))
            && is_somebody(who)
    }

    /// Makes the thread `who`, step by step; whatever fails leaves a thread that has to be restored.
    fn leave_for(&self, who: &PeerIdentity) -> Result<(), Errno> {
        if !self.is_in_groups_of(who) {
            let groups: Vec<Gid> = who.groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups)?;
        }
        // Before the user, who has no right to change groups. The numbers to come back to are kept as the saved ones.
        if who.gid != self.effective_gid() {
            set_thread_res_gid(None, Gid::from_raw(who.gid), Gid::from_raw(self.effective_gid()))?;
        }
        if who.uid != self.effective_uid() {
            set_thread_res_uid(None, Uid::from_raw(who.uid), Uid::from_raw(self.effective_uid()))?;
        }
        if who.uid != 0 && !self.capabilities.effective.is_empty() {
            // The kernel does so itself only for threads of the superuser.
            let effective = CapabilitySet::empty();
            set_capabilities(
                None,
                CapabilitySets {
                    effective,
                    ..self.capabilities
                },
            )?;
        }
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        match (uid.as_raw(), gid.as_raw()) == (who.uid, who.gid) {
            true => Ok(()),
            false => Err(Errno::PERM),
        }
    }

    /// Makes the thread what it is by itself, from wherever it got to, or ends the process.
    fn restore(&self) {
        let restored = signals::without(|| self.take_back_steps());
        match restored.and_then(|result| result) {
            Ok(()) if Home::read().is_ok_and(|now| now == *self) => {}
            Ok(()) => give_up(
                "cannot come back from impersonation",
                &"the process has changed its identity meanwhile",
            ),
            Err(error) => give_up("cannot come back from impersonation", &error),
        }
    }

    /// Takes back what has been done, and nothing else: a filter of system calls may not even let a thread be what it is.
    fn take_back_steps(&self) -> SysResult<()> {
        let now = Home::read()?;
        let failed = fail("take back an identity");
        // The user first: with it come the rights that the rest needs.
        if now.effective_uid() != self.effective_uid() {
            set_thread_res_uid(None, Uid::from_raw(self.effective_uid()), None).map_err(&failed)?;
        }
        if capabilities(None).map_err(&failed)? != self.capabilities {
            set_capabilities(None, self.capabilities).map_err(&failed)?;
        }
        if now.uids[2] != self.uids[2] {
            set_thread_res_uid(None, None, Uid::from_raw(self.uids[2])).map_err(&failed)?;
        }
        if now.gids != self.gids {
            set_thread_res_gid(None, Gid::from_raw(self.effective_gid()), Gid::from_raw(self.gids[2]))
                .map_err(&failed)?;
        }
        if now.groups != self.groups {
            let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups).map_err(&failed)?;
        }
        Ok(())
    }
}

fn as_set(groups: &[u32]) -> Vec<u32> {
    let mut set = groups.to_vec();
    set.sort_unstable();
    set.dedup();
    set
}

/// Whether the numbers mean somebody: in a user namespace, whoever has no number there shows as the same one as nobody.
fn is_somebody(who: &PeerIdentity) -> bool {
    static ALL_HAVE_NUMBERS: OnceLock<bool> = OnceLock::new();
    let numbers = || [who.uid, who.gid].into_iter().chain(who.groups.iter().copied());
    // To the system calls this number says that nothing is to change.
    let is_nobody = numbers().any(|number| number == u32::MAX);
    let is_doubtful = numbers().any(|number| number == OVERFLOW);
    !is_nobody
        && (!is_doubtful
            || *ALL_HAVE_NUMBERS.get_or_init(|| {
                ["/proc/self/uid_map", "/proc/self/gid_map"].iter().all(|map| {
                    let text = std::fs::read_to_string(map).unwrap_or_default();
                    text.split_whitespace().eq(["0", "0", "4294967295"])
                })
            }))
}

/// Makes the calling thread `who` until [`come_back`]; it is at home. `false`: the system does not let it, and nothing has
/// changed.
///
/// # Errors
/// What the system lacks for it; nothing has changed.
pub(crate) fn leave_for(who: &PeerIdentity) -> SysResult<bool> {
    let home = Home::read()?;
    // A thread that ends has no place any more to note where it came from.
    if !home.may_become(who) || PLACE.try_with(|_| ()).is_err() {
        return Ok(false);
    }
    let left = signals::without(|| home.leave_for(who).inspect_err(|_| home.restore()))?;
    match left {
        Ok(()) => {
            let who = who.clone();
            PLACE.with_borrow_mut(|place| place.0 = Some(Away { home, who }));
            Ok(true)
        }
        // By a filter, a security module, or a namespace that has no number for somebody.
        Err(Errno::PERM | Errno::INVAL) => Ok(false),
        Err(errno) => Err(fail("take on another identity")(errno)),
    }
}

/// The same for one that was so before, or the process ends: going on as the process where the program believes to be somebody
/// else is no way out.
pub(crate) fn leave_for_surely(who: &PeerIdentity) {
    match leave_for(who) {
        Ok(true) => {}
        Ok(false) => give_up("cannot go on impersonating", &"the process has lost the right to"),
        Err(error) => give_up("cannot go on impersonating", &error),
    }
}

/// Makes the calling thread what it is by itself. Never fails: the process ends if the system does not let it.
pub(crate) fn come_back() {
    if let Some(away) = take() {
        away.home.restore();
    }
}

fn take() -> Option<Away> {
    // Without a place, since the thread ends, it has come back already.
    PLACE.try_with(|place| place.borrow_mut().0.take()).ok().flatten()
}

/// Runs `act` as the process, on a thread that is somebody else before and after.
pub(crate) fn at_home<T>(act: impl FnOnce() -> T) -> T {
    struct Return(Option<Away>);
    impl Drop for Return {
        fn drop(&mut self) {
            if let Some(away) = self.0.take() {
                leave_for_surely(&away.who);
            }
        }
    }
    let away = take();
    if let Some(away) = &away {
        away.home.restore();
    }
    let _return = Return(away);
    act()
}

/// Runs `act` with the process' rights to files, on a thread that is somebody else otherwise.
pub(crate) fn with_own_files<T>(act: impl FnOnce() -> T) -> T {
    struct Return((u32, u32));
    impl Drop for Return {
        fn drop(&mut self) {
            if !set_file_ids(self.0) {
                give_up(
                    "cannot go on impersonating",
                    &"the system does not take the rights to files back",
                );
            }
        }
    }
    let ids = PLACE.try_with(|place| {
        let place = place.borrow();
        let Away { home, who } = place.0.as_ref()?;
        Some(((home.effective_uid(), home.effective_gid()), (who.uid, who.gid)))
    });
    let Ok(Some((own, others))) = ids else {
        return act();
    };
    let _return = Return(others);
    // Without them `act` is refused what it wants, and says so.
    set_file_ids(own);
    act()
}

/// Both are numbers that the thread has in one way or another, so it may.
fn set_file_ids((uid, gid): (u32, u32)) -> bool {
    // SAFETY: numbers alone; the C library's function is this thread's too.
    unsafe { libc::setfsgid(gid) };
    // SAFETY: as above.
    unsafe { libc::setfsuid(uid) };
    // What is no number of anybody's changes nothing and tells what there is.
    // SAFETY: as above.
    let uid_now = unsafe { libc::setfsuid(u32::MAX) };
    // SAFETY: as above.
    let gid_now = unsafe { libc::setfsgid(u32::MAX) };
    (uid_now as u32, gid_now as u32) == (uid, gid)
}

/// The process' effective user, whoever the calling thread is.
pub(crate) fn own_uid() -> u32 {
    of_home(Home::effective_uid).unwrap_or_else(|| rustix::process::geteuid().as_raw())
}

/// The process' effective group, whoever the calling thread is.
pub(crate) fn own_gid() -> u32 {
    of_home(Home::effective_gid).unwrap_or_else(|| rustix::process::getegid().as_raw())
}

/// Of what a thread is by itself that is somebody else.
fn of_home<T>(ask: impl FnOnce(&Home) -> T) -> Option<T> {
    let asked = PLACE.try_with(|place| place.borrow().0.as_ref().map(|away| ask(&away.home)));
    asked.ok().flatten()
}

/// Who the process is, by the kernel's word, whoever the calling thread is.
pub(crate) fn process_credentials() -> SysResult<PeerCredentials> {
    let home = PLACE.try_with(|place| place.borrow().0.as_ref().map(|away| away.home.clone()));
    match home.ok().flatten() {
        Some(home) => Ok(home.into()),
        None => thread_credentials(),
    }
}

/// Who the calling thread is, by the kernel's word.
pub(crate) fn thread_credentials() -> SysResult<PeerCredentials> {
    let groups = rustix::process::getgroups().map_err(fail("ask for the groups of this thread"))?;
    Ok(PeerCredentials {
        pid: Some(own_pid()),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        groups: groups.iter().map(|gid| gid.as_raw()).collect(),
    })
}

impl From<Home> for PeerCredentials {
    fn from(home: Home) -> PeerCredentials {
        PeerCredentials {
            pid: Some(own_pid()),
            uid: home.effective_uid(),
            gid: home.effective_gid(),
            groups: home.groups,
        }
    }
}

/// Whether the process may make its threads somebody else.
pub(crate) fn is_privileged() -> bool {
    let home = PLACE.try_with(|place| place.borrow().0.as_ref().map(|away| away.home.capabilities));
    let held = match home.ok().flatten() {
        Some(capabilities) => capabilities,
        None => match capabilities(None) {
            Ok(capabilities) => capabilities,
            Err(_) => return false,
        },
    };
    held.effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID)
}

#[cfg(test)]
mod tests;
