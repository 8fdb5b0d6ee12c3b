//! Other users, made by number, which only the superuser can.
//!
//! The superuser can be any of them, a thread for a moment ([`User::act`]) or a process for its whole life
//! ([`Puppet::start_as`](super::Puppet::start_as)). What is known of a user is its numbers at the time of a call, so a
//! thread will do for files and sockets; the ends of pipes belong to processes.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::announce;

/// Whether there can be other users; if not, says what is left out. `what` is left out, and how many so far.
pub(crate) fn has_other_users(what: &str) -> bool {
    static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let count = LEFT_OUT.fetch_add(1, Ordering::Relaxed) + 1;
    announce(&format!(
        "left out, since only the superuser has other users: {what} ({count} so far)"
    ));
    false
}

/// Somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: &'static [u32],
}

impl User {
    /// With no groups but its own, of the same number.
    pub(crate) const fn new(uid: u32) -> User {
        User {
            uid,
            gid: uid,
            groups: &[],
        }
    }

    /// Does something as this user, on a thread of its own.
    pub(crate) fn act<T: Send>(self, act: impl FnOnce() -> T + Send) -> T {
        let acting = || {
            self.become_thread();
            act()
        };
        std::thread::scope(|scope| scope.spawn(acting).join().expect("no panic"))
    }

    pub(super) fn become_thread(self) {
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups).expect("we are the superuser");
        set_thread_res_gid(gid, gid, gid).expect("we are the superuser");
        set_thread_res_uid(uid, uid, uid).expect("we are the superuser");
    }

    pub(super) fn to_text(self) -> String {
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        format!("{}:{}:{}", self.uid, self.gid, groups.join(","))
    }

    pub(super) fn from_text(text: &str) -> User {
        let number = |part: &str| part.parse::<u32>().expect("a number");
        let parts: Vec<&str> = text.split(':').collect();
        let groups = parts[2].split(',').filter(|part| !part.is_empty()).map(number);
        User {
            uid: number(parts[0]),
            gid: number(parts[1]),
            groups: groups.collect::<Vec<u32>>().leak(),
        }
    }
}
