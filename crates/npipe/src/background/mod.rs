//! The one thread that answers while the program's threads are elsewhere.
//!
//! It is started when the process first serves or opens a pipe, and lives as long as the process. It admits clients and
//! answers questions ([`handshake`]), sees the other sides die, and completes calls that nobody waits on, for which the
//! peers ring it by a byte on their connections' sockets. It holds no lock while it waits, never blocks on a peer, and
//! handles no signals.

mod asked;
mod handshake;
mod newcomers;
mod spare;
mod vacated;
mod visitor;

use std::cell::Cell;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use npipe_core::pipe::{ConnectionId, InstanceId, OwnerId};
use npipe_shm::object::Seen;

use crate::end::pledge::TICK;
use crate::end::{End, link::Link, locked};
use crate::host::{Host, Line, Seat};
use crate::process::Process;
use crate::sys::epoll::{Event, Interest, Poller};
use crate::sys::forks::ProcessFd;
use crate::sys::{SysError, SysResult, impersonation, signals, socket};
use asked::Asked;
use newcomers::Newcomers;
use spare::Spare;
use vacated::Vacated;
pub(crate) use visitor::Guest;
use visitor::Visitor;

/// Enough for the handshake's buffers; nothing here recurses.
const STACK_BYTES: usize = 128 * 1024;

/// What the thread shares with the others.
#[derive(Debug)]
pub(crate) struct Background {
    poller: Poller,
    watches: Mutex<HashMap<u64, Watch>>,
    next_token: AtomicU64,
    spare: Spare,
    /// Connections whose threads are trusted to come back.
    trusted: Mutex<Vec<(Weak<Link>, Weak<End>)>>,
    newcomers: Newcomers,
    vacated: Vacated,
    /// Whom those who keep doors have left to the desk, by token.
    arrivals: Mutex<HashMap<u64, Visitor>>,
}

/// Why a descriptor is watched.
#[derive(Clone, Debug)]
enum Watch {
    /// Clients knock at a name.
    Host(Weak<Host>),
    /// Another process that serves a name has something to say: a member, or our leader.
    Line(Weak<Host>, Option<OwnerId>),
    /// The sign of life of a peer, and its bell for calls that nobody waits on; at a server, with whom to tell.
    Life {
        link: Weak<Link>,
        end: Weak<End>,
        seat: Option<(Weak<Host>, InstanceId, ConnectionId)>,
    },
    /// It is time to watch connections that were young, and doors that were left.
    Newcomers,
    /// Somebody has come to hold an end of ours too, or has left it.
    Bell(Weak<End>, Weak<Link>),
    /// The process of one who does.
    Holder(Weak<End>, Weak<Link>, Seen),
    /// Whether anybody holds a server end that this process has passed on.
    Place(Arc<ProcessFd>, Arc<Host>, InstanceId),
    /// Somebody waits until all is seen that happened before this.
    Asked(Arc<OwnedFd>, Arc<Asked>),
}

fn running() -> SysResult<Arc<Background>> {
    let mut slot = locked(&Process::current().background);
    if let Some(background) = &*slot {
        return Ok(background.clone());
    }
    let background = Arc::new(Background {
        poller: Poller::new()?,
        watches: Mutex::default(),
        next_token: AtomicU64::new(1),
        // Before anything can run out.
        spare: Spare::new(),
        trusted: Mutex::default(),
        newcomers: Newcomers::new()?,
        vacated: Vacated::default(),
        arrivals: Mutex::default(),
    });
    background.watch(Watch::Newcomers, background.newcomers.timer(), Interest::Readable)?;
    let runner = background.clone();
    let thread = std::thread::Builder::new()
        .name("npipe".to_owned())
        .stack_size(STACK_BYTES);
    // A thread is who started it.
    impersonation::at_home(|| thread.spawn(move || run(&runner)))
        .map_err(|error| SysError::new("start the background thread", error))?;
    *slot = Some(background.clone());
    Ok(background)
}

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread that answers while others are elsewhere, and so waits for nobody for long.
pub(crate) fn is_here() -> bool {
    HERE.get()
}

/// Starts the thread, for those who must not fail once they have what they asked for.
pub(crate) fn start() -> SysResult<()> {
    running().map(drop)
}

/// Does something for which a descriptor is needed for a moment, with the spare one if there is no other.
pub(crate) fn with_spare<T>(act: impl Fn() -> SysResult<T>) -> SysResult<T> {
    match act() {
        Err(error) if error.is_descriptor_shortage() => running()?.spare.lend(act),
        other => other,
    }
}

/// Answers for a name from now on.
pub(crate) fn watch_host(host: &Arc<Host>) -> SysResult<()> {
    let background = running()?;
    let token = background.insert(Watch::Host(Arc::downgrade(host)));
    host.token.store(token, Ordering::Relaxed);
    let added = host.with_listener(|listener| background.poller.add(listener, token, Interest::Readable));
    added.unwrap_or(Ok(())).inspect_err(|_| {
        background.forget(token);
        host.token.store(0, Ordering::Relaxed);
    })
}

/// Whether [`watch_host`] has succeeded.
pub(crate) fn is_watched(host: &Host) -> bool {
    host.token.load(Ordering::Relaxed) != 0
}

/// Whether to answer those who knock, while [`watch_host`] lasts; a thread that keeps the door does so in our place.
pub(crate) fn heed_door(host: &Host, wanted: bool) {
    let interest = if wanted { Interest::Readable } else { Interest::Hangup };
    let token = host.token.load(Ordering::Relaxed);
    if let Ok(background) = running() {
        // Fails if the name has gone meanwhile.
        host.with_listener(|listener| background.poller.modify(listener, token, interest));
    }
}

/// A thread keeps the door from now on.
pub(crate) fn keep_door(host: &Host) {
    if let Ok(background) = running() {
        background.vacated.keep(host);
    }
}

/// The thread that has kept the door does so no longer.
pub(crate) fn leave_door(host: &Arc<Host>) {
    if let Ok(background) = running() {
        background.vacated.leave(host);
        background.newcomers.start_timer();
    }
}

/// Answers at once at all doors that were left, for a client that may be the thread which would come back to one of them.
pub(crate) fn heed_vacated() {
    let background = locked(&Process::current().background).clone();
    if let Some(background) = background {
        background.vacated.heed();
    }
}

/// Ends [`watch_host`], before the listener is closed.
pub(crate) fn unwatch_host(host: &Host) {
    if let Ok(background) = running() {
        background.forget(host.token.load(Ordering::Relaxed));
        host.with_listener(|listener| background.poller.remove(listener));
    }
}

/// Listens to another process that serves the name too; `None` is the one that leads.
pub(crate) fn watch_line(host: &Arc<Host>, owner: Option<OwnerId>, line: &mut Line) -> SysResult<()> {
    let background = running()?;
    let token = background.insert(Watch::Line(Arc::downgrade(host), owner));
    background
        .poller
        .add(line.socket(), token, Interest::Readable)
        .inspect_err(|_| background.forget(token))?;
    line.watched_as(token);
    Ok(())
}

/// Whether to tell a line also when its socket has room again.
pub(crate) fn watch_for_room(socket: &ProcessFd, token: u64, wanted: bool) {
    let interest = if wanted {
        Interest::ReadableOrWritable
    } else {
        Interest::Readable
    };
    if let Ok(background) = running() {
        // Fails only for a socket that is not watched.
        let _ = background.poller.modify(socket, token, interest);
    }
}

/// Ends [`watch_line`], before the socket is closed.
pub(crate) fn unwatch_line(socket: &ProcessFd, token: u64) {
    if let Ok(background) = running() {
        background.forget(token);
        let _ = background.poller.remove(socket);
    }
}

/// Watches the client of a server end.
pub(crate) fn watch_client(
    link: &Arc<Link>,
    end: Weak<End>,
    seat: (Weak<Host>, InstanceId, ConnectionId),
) -> SysResult<()> {
    running()?.watch_life(link, end, Some(seat))
}

/// Watches the peer of a client end.
pub(crate) fn watch_peer(link: &Arc<Link>, end: Weak<End>) -> SysResult<()> {
    running()?.watch_life(link, end, None)
}

/// Has the thread listen for the peer's bell, from now on; until then what a peer sends is not even read.
pub(crate) fn heed(link: &Link) {
    let heeds = link.heeds_bell();
    if link.heard_elsewhere().load(Ordering::SeqCst) {
        return;
    }
    if heeds.load(Ordering::Relaxed) || heeds.swap(true, Ordering::SeqCst) {
        return;
    }
    let token = link.token().load(Ordering::SeqCst);
    if token != 0
        && let Ok(background) = running()
    {
        // Fails if it is not watched any more.
        let _ = background.watch_as_heeded(link, token);
    }
}

/// Ends [`heed`], for somebody who hears the bell from now on. What the thread has heard meanwhile it tells the attendant of
/// the end.
pub(crate) fn ignore(link: &Link) {
    let token = link.token().load(Ordering::SeqCst);
    if link.heeds_bell().swap(false, Ordering::SeqCst)
        && token != 0
        && let Ok(background) = running()
    {
        // Fails if it is not watched any more.
        let _ = background.watch_as_heeded(link, token);
    }
}

/// Has the thread look now and then whether the threads of a connection come back to what they have started.
#[cold]
pub(crate) fn trust(link: &Arc<Link>, end: &Arc<End>) {
    let Ok(background) = running() else {
        return link.pledge().distrust();
    };
    locked(&background.trusted).push((Arc::downgrade(link), Arc::downgrade(end)));
    // It may be asleep for as long as nothing happens.
    stir(link);
}

/// Has the thread look after the calls of a new connection's end, for somebody who holds locks that are in the way.
pub(crate) fn stir(link: &Link) {
    let token = link.token().load(Ordering::Acquire);
    if token != 0
        && let Ok(background) = running()
    {
        // There is room to write on a socket that is new, and that is an event.
        let _ = background.newcomers.stir(&background.poller, link, token);
    }
}

/// Stops to watch a peer, before its socket is closed.
pub(crate) fn unwatch(link: &Link) {
    let token = link.token().swap(0, Ordering::AcqRel);
    if token != 0
        && let Ok(background) = running()
    {
        background.forget(token);
        background.newcomers.forget(&background.poller, link, token);
    }
}

/// Listens to who comes to hold an end, and leaves it.
pub(crate) fn watch_bell((end, link): (&Arc<End>, &Arc<Link>), bell: BorrowedFd<'_>) -> SysResult<u64> {
    let watch = Watch::Bell(Arc::downgrade(end), Arc::downgrade(link));
    running()?.watch(watch, bell, Interest::Stir)
}

/// Watches the process of another who holds an end.
pub(crate) fn watch_holder(
    (end, link): (&Arc<End>, &Arc<Link>),
    process: BorrowedFd<'_>,
    holder: Seen,
) -> SysResult<u64> {
    let watch = Watch::Holder(Arc::downgrade(end), Arc::downgrade(link), holder);
    running()?.watch(watch, process, Interest::Readable)
}

/// Stops to watch a descriptor, before it is closed.
pub(crate) fn unwatch_descriptor(descriptor: BorrowedFd<'_>, token: u64) {
    if token != 0
        && let Ok(background) = running()
    {
        background.forget(token);
        let _ = background.poller.remove(descriptor);
    }
}

/// Keeps an instance's place in its pipe for those who hold its end in other processes, until nobody does.
pub(crate) fn watch_place(place: ProcessFd, seat: &Seat) {
    let place = Arc::new(place);
    let watch = Watch::Place(place.clone(), seat.host.clone(), seat.id);
    let watched = running().and_then(|background| background.watch(watch, place.as_fd(), Interest::Hangup));
    if watched.is_err() {
        // Better gone too early than never.
        seat.host.vacate(seat.id);
    }
}

/// Waits until the thread has seen which peers are gone by now. Without a descriptor to ask with it does not wait.
pub(crate) fn catch_up() {
    let background = locked(&Process::current().background).clone();
    let Some(background) = background.filter(|_| !is_here()) else {
        return;
    };
    background.watch_all();
    let Ok((question, other)) = socket::pair() else { return };
    drop(other);
    let (question, asked) = (Arc::new(question), Arc::new(Asked::default()));
    let watch = Watch::Asked(question.clone(), asked.clone());
    // What is ready is told in the order in which it became so: peers that are gone come before this.
    if background.watch(watch, question.as_fd(), Interest::Hangup).is_ok() {
        asked.wait();
    }
}

/// Whether what has that number is watched, or would be heard of without being known.
#[cfg(test)]
pub(crate) fn knows(token: u64) -> bool {
    let background = running().expect("it was started");
    let is_known = locked(&background.watches).contains_key(&token);
    is_known || background.poller.tokens().contains(&token)
}

impl Background {
    fn watch(&self, watch: Watch, descriptor: BorrowedFd<'_>, interest: Interest) -> SysResult<u64> {
        let token = self.insert(watch);
        self.poller
            .add(descriptor, token, interest)
            .inspect_err(|_| self.forget(token))?;
        Ok(token)
    }

    fn insert(&self, watch: Watch) -> u64 {
        let token = self.token();
        locked(&self.watches).insert(token, watch);
        token
    }

    fn token(&self) -> u64 {
        self.next_token.fetch_add(1, Ordering::Relaxed)
    }

    fn forget(&self, token: u64) {
        locked(&self.watches).remove(&token);
    }

    fn watch_life(
        &self,
        link: &Arc<Link>,
        end: Weak<End>,
        seat: Option<(Weak<Host>, InstanceId, ConnectionId)>,
    ) -> SysResult<()> {
        let token = self.insert(Watch::Life {
            link: Arc::downgrade(link),
            end,
            seat,
        });
        link.token().store(token, Ordering::SeqCst);
        self.newcomers.add(token);
        if link.heeds_bell().load(Ordering::SeqCst) {
            self.watch_as_heeded(link, token).inspect_err(|_| self.forget(token))?;
        }
        Ok(())
    }

    fn watch_as_heeded(&self, link: &Link, token: u64) -> SysResult<()> {
        self.newcomers.watch_as_heeded(&self.poller, link, token)
    }

    /// All connections that are young, and all doors that were left.
    fn watch_all(&self) {
        self.vacated.heed();
        for token in self.newcomers.all() {
            let Some(Watch::Life { link, end, seat }) = locked(&self.watches).get(&token).cloned() else {
                continue;
            };
            let Some(young) = link.upgrade() else { continue };
            if self.newcomers.grow(&self.poller, &young, token).is_err() {
                // Nobody would know of its peer's end.
                hung_up(&link, &end, seat);
            }
        }
    }
}

impl Background {
    /// The peer has rung, or a thread of ours has: calls that nobody waits on may go on.
    fn rung(&self, link: &Weak<Link>, end: &Weak<End>, event: &Event) {
        let (Some(link), Some(end)) = (link.upgrade(), end.upgrade()) else {
            return;
        };
        if event.readable && !link.heard_elsewhere().load(Ordering::SeqCst) {
            link.hear_bell();
            if let Some(object) = link.object() {
                // It may be for the operations of others who hold the end.
                object.stir();
            }
        } else {
            // Stirred; before the look, so that one who stirs again is heard.
            let token = link.token().load(Ordering::Acquire);
            let _ = self.watch_as_heeded(&link, token);
        }
        end.entrust();
    }

    /// When to look at those who are trusted.
    fn next_tick(&self) -> Option<Instant> {
        (!locked(&self.trusted).is_empty()).then(|| Instant::now() + TICK)
    }

    /// Looks at them. What nobody comes back to is looked after here from now on.
    fn tick(&self) {
        let mut broken = Vec::new();
        locked(&self.trusted).retain(|(link, end)| match link.upgrade() {
            Some(link) if link.pledge().tick() => true,
            _ => {
                broken.extend(end.upgrade());
                false
            }
        });
        // Without the lock: others are taken.
        broken.iter().for_each(|end| end.entrust());
    }
}

fn run(background: &Background) {
    // A signal handler of the program must not run here.
    let _ = signals::block_all();
    HERE.set(true);
    let mut desk = handshake::Desk::new(background);
    let mut events = Vec::new();
    let mut tick = None;
    loop {
        tick = tick.or_else(|| background.next_tick());
        let until = desk.next_deadline().into_iter().chain(tick).min();
        if background.poller.wait(&mut events, until).is_err() {
            // Only a descriptor that is not one can do this; there is nothing left to watch.
            return;
        }
        if tick.take_if(|tick| *tick <= Instant::now()).is_some() {
            background.tick();
        }
        for event in &events {
            let watch = locked(&background.watches).get(&event.token).cloned();
            match watch {
                Some(Watch::Host(host)) => {
                    if let Some(host) = host.upgrade() {
                        desk.accept(&host);
                    }
                }
                Some(Watch::Line(host, owner)) => {
                    if let Some(host) = host.upgrade() {
                        desk.hear(&host, owner);
                    }
                }
                Some(Watch::Newcomers) => background.watch_all(),
                Some(Watch::Life { link, end, seat }) if event.hangup => hung_up(&link, &end, seat),
                Some(Watch::Life { link, end, .. }) => background.rung(&link, &end, event),
                Some(Watch::Bell(end, link)) => {
                    if let (Some(end), Some(link)) = (end.upgrade(), link.upgrade()) {
                        end.look_around(&link);
                        // The peer's bell may have been heard by another holder alone.
                        end.entrust();
                    }
                }
                Some(Watch::Holder(end, link, holder)) => {
                    if let (Some(end), Some(link)) = (end.upgrade(), link.upgrade()) {
                        end.holder_gone(&link, &holder);
                    }
                }
                Some(Watch::Place(place, host, instance)) => {
                    unwatch_descriptor(place.as_fd(), event.token);
                    host.vacate_for_others(instance);
                }
                Some(Watch::Asked(question, asked)) => {
                    unwatch_descriptor(question.as_fd(), event.token);
                    asked.answer();
                }
                None => desk.handle(event.token),
            }
        }
        desk.expire();
        background.spare.restore();
    }
}

fn hung_up(link: &Weak<Link>, end: &Weak<End>, seat: Option<(Weak<Host>, InstanceId, ConnectionId)>) {
    let Some(link) = link.upgrade() else { return };
    unwatch(&link);
    link.peer_hung_up();
    if let Some(end) = end.upgrade() {
        end.entrust();
    }
    let Some((host, instance, connection)) = seat else {
        return;
    };
    let Some(host) = host.upgrade() else { return };
    if link.object().is_some_and(|object| object.is_disconnected()) {
        host.disconnected_elsewhere(instance, connection);
    } else {
        host.client_gone(instance, connection);
    }
}
