//! Access tokens: opening, duplicating, asking.
//!
//! A token is an identity that this process has from the kernel, its own or a client's, with the level to which it may be
//! used; none can be made up. The process has one primary token, each thread that impersonates an impersonation token of
//! its own. Privileges are what of the process' capabilities Windows has a word for ([`privileges`](super::privileges)).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use npipe::impersonation::{ImpersonationLevel, Token};
use npipe::{Access, PeerIdentity, Status};

use super::impersonation;
use super::information;
use super::memory;
use super::privileges::{self, Held};
use crate::dispatch::locked;
use crate::failure::{Failure, Outcome, not_implemented};
use crate::handles;
use crate::object::Object;
use crate::pointers::{Block, Buffer, In, Out};
use crate::types::{Bool, FALSE, Handle, NULL, SECURITY_ATTRIBUTES, TRUE, code};

pub(crate) const TOKEN_DUPLICATE: u32 = 0x0002;
pub(crate) const TOKEN_IMPERSONATE: u32 = 0x0004;
pub(crate) const TOKEN_QUERY: u32 = 0x0008;
pub(crate) const TOKEN_ADJUST_PRIVILEGES: u32 = 0x0020;
const TOKEN_READ: u32 = 0x0002_0008;
const TOKEN_WRITE: u32 = 0x0002_00e0;
const TOKEN_EXECUTE: u32 = 0x0002_0000;
const TOKEN_ALL_ACCESS: u32 = 0x000f_01ff;
const MAXIMUM_ALLOWED: u32 = 0x0200_0000;
const GENERIC: [(u32, u32); 4] = [
    (0x8000_0000, TOKEN_READ),
    (0x4000_0000, TOKEN_WRITE),
    (0x2000_0000, TOKEN_EXECUTE),
    (0x1000_0000, TOKEN_ALL_ACCESS),
];

/// What GetCurrentProcessToken, GetCurrentThreadToken and GetCurrentThreadEffectiveToken stand for.
const PROCESS_TOKEN: Handle = usize::MAX - 3;
const THREAD_TOKEN: Handle = usize::MAX - 4;
const EFFECTIVE_TOKEN: Handle = usize::MAX - 5;

const TOKEN_PRIMARY: u32 = 1;
const TOKEN_IMPERSONATION: u32 = 2;

/// TOKEN_TYPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Primary,
    Impersonation,
}

/// A token, as its handles and the threads that impersonate by it share it.
#[derive(Debug)]
pub(crate) struct AccessToken {
    /// Tells it from all others.
    id: u64,
    /// Changes with its privileges.
    modified: AtomicU64,
    token: Token,
    kind: Kind,
    privileges: Mutex<Vec<Held>>,
}

/// What a handle of a token stands for.
pub(crate) struct TokenHandle {
    token: Arc<AccessToken>,
    rights: u32,
}

/// The next locally unique number.
fn unique() -> u64 {
    /// Those below are Windows' own.
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl AccessToken {
    pub(crate) fn new(token: Token, kind: Kind, privileges: Vec<Held>) -> Arc<AccessToken> {
        let id = unique();
        Arc::new(AccessToken {
            id,
            modified: AtomicU64::new(id),
            token,
            kind,
            privileges: Mutex::new(privileges),
        })
    }

    /// That of the process. It is the same one until the process changes its identity.
    pub(crate) fn of_process() -> Outcome<Arc<AccessToken>> {
        static CURRENT: Mutex<Option<Arc<AccessToken>>> = Mutex::new(None);
        let token = Token::of_process()?;
        let mut current = locked(&CURRENT);
        match &*current {
            Some(known) if known.token == token => Ok(Arc::clone(known)),
            _ => Ok(Arc::clone(current.insert(AccessToken::new(
                token,
                Kind::Primary,
                privileges::of_process(),
            )))),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn modified(&self) -> u64 {
        self.modified.load(Ordering::Relaxed)
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whose it is.
    ///
    /// # Errors
    /// ERROR_CANT_OPEN_ANONYMOUS.
    pub(crate) fn who(&self) -> Outcome<&PeerIdentity> {
        Ok(self.token.identity()?)
    }

    pub(crate) fn privileges(&self) -> Vec<Held> {
        locked(&self.privileges).clone()
    }

    /// Changes its privileges.
    pub(crate) fn adjust<T>(&self, act: impl FnOnce(&mut Vec<Held>) -> T) -> T {
        self.modified.store(unique(), Ordering::Relaxed);
        act(&mut locked(&self.privileges))
    }

    /// The same with another identity's limits.
    pub(crate) fn copy(&self, token: Token, kind: Kind) -> Arc<AccessToken> {
        AccessToken::new(token, kind, self.privileges())
    }

    /// One of that kind and level.
    ///
    /// # Errors
    /// ERROR_BAD_IMPERSONATION_LEVEL for more than it allows itself.
    fn duplicate(&self, kind: Kind, level: ImpersonationLevel) -> Outcome<Arc<AccessToken>> {
        let level = match kind {
            Kind::Primary => ImpersonationLevel::Impersonation,
            Kind::Impersonation => level,
        };
        if level > self.token.level() {
            return Err(Status::BadImpersonationLevel.into());
        }
        let token = match kind {
            Kind::Primary => self.token.clone(),
            Kind::Impersonation => self.token.lowered_to(level),
        };
        Ok(self.copy(token, kind))
    }
}

/// The rights that a handle gets.
fn granted(desired: u32) -> u32 {
    if desired & MAXIMUM_ALLOWED != 0 {
        return TOKEN_ALL_ACCESS;
    }
    let generic = GENERIC.iter().filter(|(bit, _)| desired & bit != 0);
    generic.fold(desired & TOKEN_ALL_ACCESS, |rights, (_, more)| rights | more)
}

fn insert(token: Arc<AccessToken>, desired: u32, inherit: bool) -> Outcome<Handle> {
    let rights = granted(desired);
    let object = Object::Token(Arc::new(TokenHandle { token, rights }));
    handles::insert(object, Access::READ_WRITE, inherit)
}

/// The token behind a handle that has these rights.
///
/// # Errors
/// ERROR_INVALID_HANDLE; ERROR_ACCESS_DENIED; ERROR_NO_TOKEN where a thread has none that its pseudo handle would mean.
pub(crate) fn get(handle: Handle, rights: u32) -> Outcome<Arc<AccessToken>> {
    let current = match handle {
        PROCESS_TOKEN => Some(AccessToken::of_process()?),
        THREAD_TOKEN => Some(impersonation::of_thread().ok_or(Failure(code::NO_TOKEN))?),
        EFFECTIVE_TOKEN => Some(effective()?),
        _ => None,
    };
    if let Some(token) = current {
        // Those handles are for asking.
        return match rights & !TOKEN_QUERY {
            0 => Ok(token),
            _ => Err(Failure(code::ACCESS_DENIED)),
        };
    }
    match handles::get(handle)?.object {
        Object::Token(held) if held.rights & rights == rights => Ok(Arc::clone(&held.token)),
        Object::Token(_) => Err(Failure(code::ACCESS_DENIED)),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// That by which the calling thread acts.
pub(crate) fn effective() -> Outcome<Arc<AccessToken>> {
    match impersonation::of_thread() {
        Some(token) => Ok(token),
        None => AccessToken::of_process(),
    }
}

/// A level by its number.
pub(crate) fn level(number: u32) -> Outcome<ImpersonationLevel> {
    ImpersonationLevel::from_win32(number).ok_or(Failure(code::INVALID_PARAMETER))
}

fn duplicate(
    source: Handle,
    desired: u32,
    inherit: bool,
    (level_number, kind): (u32, u32),
    made: Out<Handle>,
) -> Outcome<Bool> {
    let token = get(source, TOKEN_DUPLICATE)?;
    let kind = match kind {
        TOKEN_PRIMARY => Kind::Primary,
        TOKEN_IMPERSONATION => Kind::Impersonation,
        _ => return Err(Failure(code::INVALID_PARAMETER)),
    };
    if made.is_null() {
        return Err(Failure(code::NOACCESS));
    }
    let duplicate = token.duplicate(kind, level(level_number)?)?;
    // 0: the same as the source.
    let desired = match (desired, handles::get(source)?.object) {
        (0, Object::Token(held)) => held.rights,
        _ => desired,
    };
    made.set(insert(duplicate, desired, inherit)?);
    Ok(TRUE)
}

crate::export! {
    /// OpenProcessToken, of this process.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE; ERROR_CALL_NOT_IMPLEMENTED for other processes.
    fn OpenProcessToken(process: Handle, desired: u32, made: Out<Handle>) -> Bool [FALSE] {
        if !crate::processes::is_this(process)? {
            return Err(not_implemented("OpenProcessToken of another process"));
        }
        if made.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        made.set(insert(AccessToken::of_process()?, desired, false)?);
        Ok(TRUE)
    }

    /// OpenThreadToken, of the calling thread.
    ///
    /// # Errors
    /// ERROR_NO_TOKEN (it does not impersonate), ERROR_CANT_OPEN_ANONYMOUS, ERROR_BAD_IMPERSONATION_LEVEL (as itself, at the
    /// level of identification), ERROR_INVALID_HANDLE; ERROR_CALL_NOT_IMPLEMENTED for other threads.
    // semantics 262
    fn OpenThreadToken(thread: Handle, desired: u32, as_self: Bool, made: Out<Handle>) -> Bool [FALSE] {
        impersonation::require_calling(thread, "OpenThreadToken of another thread")?;
        let token = impersonation::of_thread().ok_or(Failure(code::NO_TOKEN))?;
        token.who()?;
        if as_self == FALSE {
            npipe::impersonation::require_acting()?;
        }
        if made.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        made.set(insert(token, desired, false)?);
        Ok(TRUE)
    }

    /// DuplicateToken: an impersonation token, with TOKEN_QUERY and TOKEN_IMPERSONATE.
    ///
    /// # Errors
    /// As DuplicateTokenEx.
    fn DuplicateToken(source: Handle, level: u32, made: Out<Handle>) -> Bool [FALSE] {
        let desired = TOKEN_IMPERSONATE | TOKEN_QUERY;
        duplicate(source, desired, false, (level, TOKEN_IMPERSONATION), made)
    }

    /// DuplicateTokenEx.
    ///
    /// # Errors
    /// ERROR_BAD_IMPERSONATION_LEVEL (more than the source allows), ERROR_ACCESS_DENIED (no TOKEN_DUPLICATE),
    /// ERROR_INVALID_PARAMETER, ERROR_INVALID_HANDLE.
    fn DuplicateTokenEx(
        source: Handle,
        desired: u32,
        attributes: In<SECURITY_ATTRIBUTES>,
        level: u32,
        kind: u32,
        made: Out<Handle>,
    ) -> Bool [FALSE] {
        let inherit = attributes.get().is_some_and(|attributes| attributes.bInheritHandle != FALSE);
        duplicate(source, desired, inherit, (level, kind), made)
    }

    /// GetTokenInformation.
    ///
    /// # Errors
    /// ERROR_INSUFFICIENT_BUFFER, with the size it takes; ERROR_INVALID_PARAMETER for a class that does not exist, or the
    /// level of a primary token; ERROR_NOT_SUPPORTED for classes that have no like here; ERROR_ACCESS_DENIED,
    /// ERROR_INVALID_HANDLE.
    fn GetTokenInformation(
        token: Handle,
        class: u32,
        buffer: Buffer<'_>,
        size: u32,
        needed: Out<u32>,
    ) -> Bool [FALSE] {
        let token = get(token, TOKEN_QUERY)?;
        let length = information::of(&token, class, 0)?.len();
        if needed.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        needed.set(length as u32);
        if buffer.is_null() || (size as usize) < length {
            return Err(Status::BufferTooSmall.into());
        }
        let place = buffer.slice(size)?;
        let text = information::of(&token, class, place.as_ptr() as usize)?;
        // Its privileges may have changed meanwhile.
        let fitting = text.len().min(place.len());
        place[..fitting].copy_from_slice(&text[..fitting]);
        Ok(TRUE)
    }

    /// CheckTokenMembership: whether the token's user or one of its groups is `sid`. NULL is the calling thread's token, or
    /// the process'.
    ///
    /// # Errors
    /// ERROR_NO_IMPERSONATION_TOKEN for a primary token, ERROR_INVALID_SID, ERROR_INVALID_HANDLE.
    fn CheckTokenMembership(token: Handle, sid: Block, is_member: Out<Bool>) -> Bool [FALSE] {
        let token = match token {
            NULL => effective()?,
            handle => {
                let token = get(handle, TOKEN_QUERY)?;
                if token.kind() == Kind::Primary {
                    return Err(Failure(code::NO_IMPERSONATION_TOKEN));
                }
                token
            }
        };
        let sid = memory::sid(sid)?;
        if is_member.is_null() {
            return Err(Failure(code::NOACCESS));
        }
        is_member.set(Bool::from(token.who()?.has(&sid)));
        Ok(TRUE)
    }

    /// IsTokenRestricted: no token is.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE, ERROR_ACCESS_DENIED.
    fn IsTokenRestricted(token: Handle) -> Bool [FALSE] {
        get(token, TOKEN_QUERY).map(|_| FALSE)
    }
}
