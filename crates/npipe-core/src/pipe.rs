//! One name: its instances, who listens, and who waits for a listener.
//!
//! A [`Pipe`] begins with its first instance and is over when the last one closes;
//! the next pipe of that name is a new `Pipe`. Each instance is in one of four
//! states:
//!
//! ```text
//!              open                client_gone
//!  Listening ───────▶ Connected ───────────────▶ Closing
//!     ▲  │                │                         │
//!     │  └──────────────┐ │ disconnect              │ disconnect
//!     │ listen          ▼ ▼                         │
//!     └───────────── Disconnected ◀─────────────────┘
//! ```
//!
//! Instances of one pipe may belong to several server processes, so events come from
//! many places, some of which may be faulty or late. Everything is ordered by its
//! arrival here; there are no clocks. An id that is not known (any more) changes
//! nothing. A client's end is told apart from the next client's on the same instance
//! by its [`ConnectionId`], so that a late event cannot disturb a newer connection.
//!
//! Nobody is called back: an operation that lets waiters go returns them, in the
//! order in which they came, and has already forgotten them.

use std::collections::BTreeMap;

use crate::mode::{Access, Direction, PipeType};
use crate::params::{InstanceParams, UNLIMITED_INSTANCES};
use crate::security::rights::FILE_CREATE_PIPE_INSTANCE;
use crate::security::{PeerIdentity, SecurityDescriptor, SecurityInformation};
use crate::status::Status;

/// A server process, as numbered by whoever keeps the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(pub u64);

/// An instance; never used again within a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u64);

/// One client's use of an instance; never used again within a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Somebody who waits for a listening instance, as numbered by whoever keeps the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Open to the next client.
    Listening,
    /// A client holds the other end.
    Connected,
    /// The client has closed its end and the server has not disconnected yet.
    Closing,
    /// The server has disconnected and does not listen yet.
    Disconnected,
}

/// One instance, as [`Pipe::instances`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Which one.
    pub id: InstanceId,
    /// The server process that it belongs to.
    pub owner: OwnerId,
    /// What it is doing.
    pub state: InstanceState,
    /// Limit on unread data from server to client, in bytes.
    pub out_quota: u32,
    /// Limit on unread data from client to server, in bytes.
    pub in_quota: u32,
}

/// A successful open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The instance that was taken.
    pub instance: InstanceId,
    /// The server process that it belongs to.
    pub owner: OwnerId,
    /// What the client closes later on.
    pub connection: ConnectionId,
    /// The rights of the client end.
    pub access: Access,
}

/// How a wait begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// An instance is listening now. Nothing is reserved.
    Ready,
    /// The waiter will come out of a later operation, or is withdrawn.
    Queued,
}

/// What closing an instance leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Remaining {
    /// So many instances.
    Instances(usize),
    /// Nothing: the name is gone, and these waiters end with
    /// [`Status::ObjectNameNotFound`].
    Nothing(Vec<WaiterId>),
}

/// What the private state adds to [`InstanceState`].
#[derive(Clone, Copy, Debug)]
enum Phase {
    Listening,
    Connected(ConnectionId),
    Closing,
    Disconnected,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    owner: OwnerId,
    phase: Phase,
    /// When it last began to listen: the key in `Pipe::listeners` while it does.
    since: u64,
    out_quota: u32,
    in_quota: u32,
}

/// What the first instance fixes about a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Which way data flows.
    pub direction: Direction,
    /// Stream or messages.
    pub pipe_type: PipeType,
    /// 1 to 254, or [`UNLIMITED_INSTANCES`].
    pub max_instances: u32,
    /// How long a client waits that does not say, in milliseconds.
    pub default_timeout_ms: u32,
    /// Whose the pipe is, and who may open it. Unlike the rest, it can be changed.
    pub security: SecurityDescriptor,
}

impl Attributes {
    /// The rights that a client gets who asks for `access`.
    ///
    /// # Errors
    /// [`Status::AccessDenied`]: against the pipe's direction, or by its access list.
    // semantics 49-53, 264
    pub fn admit(&self, client: &PeerIdentity, access: Access) -> Result<Access, Status> {
        let asked = access.of_client(self.direction)?;
        let granted = self.security.check(client, asked.to_win32())?;
        Ok(Access::from_win32(granted).within(self.direction))
    }

    /// Whether `creator` may add an instance, whose end has these further rights.
    ///
    /// # Errors
    /// [`Status::AccessDenied`].
    // semantics 265
    pub fn admit_instance(&self, creator: &PeerIdentity, further_rights: u32) -> Result<(), Status> {
        let needed = FILE_CREATE_PIPE_INSTANCE | further_rights;
        self.security.check(creator, needed).map(|_| ())
    }

    /// Changes parts of the descriptor, if `by` may.
    ///
    /// # Errors
    /// [`Status::AccessDenied`]; those of [`SecurityDescriptor::change`].
    // semantics 265
    pub fn set_security(
        &mut self,
        parts: SecurityInformation,
        source: &SecurityDescriptor,
        by: &PeerIdentity,
    ) -> Result<(), Status> {
        self.security.check(by, parts.rights_to_write())?;
        Ok(self.security.change(parts, source, by)?)
    }
}

/// The state of one name, or of one process's share of it. [The module](self) has the model.
#[derive(Debug)]
pub struct Pipe {
    attributes: Attributes,
    slots: BTreeMap<InstanceId, Slot>,
    /// Listening instances by the order in which they began to.
    listeners: BTreeMap<u64, InstanceId>,
    waiters: Vec<WaiterId>,
    /// Source of ids and of the order of listening.
    next: u64,
}

impl Pipe {
    /// A pipe that begins with this instance, which fixes its direction, type,
    /// maximum, default time-out and security descriptor.
    ///
    /// # Errors
    /// As [`InstanceParams::validate`].
    // semantics 13, 14, 24, 31, 38
    pub fn first(owner: OwnerId, params: &InstanceParams) -> Result<(Pipe, InstanceId), Status> {
        params.validate()?;
        let mut pipe = Pipe::share(Attributes {
            direction: params.direction,
            pipe_type: params.pipe_type,
            max_instances: params.max_instances,
            default_timeout_ms: params.effective_timeout_ms(),
            security: params.security.clone(),
        });
        let id = pipe.insert(owner, params);
        Ok((pipe, id))
    }

    /// One process's share of a pipe that another process keeps: it has no instances
    /// yet, [`Pipe::adopt`] adds those that the other allowed.
    pub fn share(attributes: Attributes) -> Pipe {
        Pipe {
            attributes,
            slots: BTreeMap::new(),
            listeners: BTreeMap::new(),
            waiters: Vec::new(),
            next: 0,
        }
    }

    /// Changes the descriptor; the other attributes stay those of the first instance.
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }

    /// An id for an instance that is to be adopted; also the moment at which it begins to
    /// listen, if it does.
    pub fn reserve(&mut self) -> InstanceId {
        InstanceId(self.number())
    }

    /// Adds an instance that exists already, by its reserved id, without asking
    /// whether there may be one more: it has a place in the pipe that others know of.
    /// One that listens lets all waiters go; of one that is connected, the id of its
    /// connection is returned.
    pub fn adopt(&mut self, instance: Instance) -> (Option<ConnectionId>, Vec<WaiterId>) {
        let (mut connection, mut released) = (None, Vec::new());
        // Numbers of both kinds come from one source: this one is free.
        let since = instance.id.0;
        let phase = match instance.state {
            InstanceState::Listening => {
                self.listeners.insert(since, instance.id);
                released = std::mem::take(&mut self.waiters);
                Phase::Listening
            }
            InstanceState::Connected => {
                let id = ConnectionId(self.number());
                connection = Some(id);
                Phase::Connected(id)
            }
            InstanceState::Closing => Phase::Closing,
            InstanceState::Disconnected => Phase::Disconnected,
        };
        let slot = Slot {
            owner: instance.owner,
            phase,
            since,
            out_quota: instance.out_quota,
            in_quota: instance.in_quota,
        };
        self.slots.insert(instance.id, slot);
        (connection, released)
    }

    /// When an instance last began to listen, in the order of all that happened here;
    /// `None` if it is closed.
    pub fn since(&self, id: InstanceId) -> Option<u64> {
        self.slots.get(&id).map(|slot| slot.since)
    }

    /// As [`Pipe::open`], to the instance that somebody else has chosen. It must still
    /// listen as it did then.
    ///
    /// # Errors
    /// Those of [`Pipe::open`]; [`Status::PipeNotAvailable`] if it listens no longer, or
    /// again.
    pub fn open_chosen(&mut self, id: InstanceId, since: u64, access: Access) -> Result<Opened, Status> {
        let access = access.of_client(self.attributes.direction)?;
        match self.slot(id) {
            Ok(slot) if matches!(slot.phase, Phase::Listening) && slot.since == since => {}
            _ => return Err(Status::PipeNotAvailable),
        }
        self.listeners.remove(&since);
        self.connect(id, access)
    }

    fn connect(&mut self, instance: InstanceId, access: Access) -> Result<Opened, Status> {
        let connection = ConnectionId(self.number());
        let slot = self.slot(instance)?;
        slot.phase = Phase::Connected(connection);
        Ok(Opened {
            instance,
            owner: slot.owner,
            connection,
            access,
        })
    }

    /// Another instance, which listens at once; lets all waiters go.
    ///
    /// Its type, maximum, time-out and descriptor may differ from those of the pipe
    /// and have no effect; its quotas are its own. Whether its creator may make one at all
    /// ([`Attributes::admit_instance`]) must have been checked.
    ///
    /// # Errors
    /// In this order: those of [`InstanceParams::validate`];
    /// [`Status::InstanceNotAvailable`] at the maximum; [`Status::AccessDenied`] if it
    /// must be the first, or for another direction; [`Status::InvalidParameter`] if
    /// it would read a byte pipe by messages; [`Status::ObjectNameNotFound`] if the
    /// pipe is over.
    // semantics 25-35, 38, 86, 98
    #[doc(alias = "CreateNamedPipe")]
    pub fn create_instance(
        &mut self,
        owner: OwnerId,
        params: &InstanceParams,
    ) -> Result<(InstanceId, Vec<WaiterId>), Status> {
        params.validate()?;
        if self.is_over() {
            return Err(Status::ObjectNameNotFound);
        }
        let is_limited = self.attributes.max_instances != UNLIMITED_INSTANCES;
        if is_limited && self.slots.len() >= self.attributes.max_instances as usize {
            return Err(Status::InstanceNotAvailable);
        }
        if params.first_instance || params.direction != self.attributes.direction {
            return Err(Status::AccessDenied);
        }
        if !self.attributes.pipe_type.permits(params.read_mode) {
            return Err(Status::InvalidParameter);
        }
        let id = self.insert(owner, params);
        Ok((id, std::mem::take(&mut self.waiters)))
    }

    /// Connects a client to the instance that has listened longest.
    ///
    /// Whether the client is let in at all ([`Attributes::admit`]) must have been checked.
    ///
    /// # Errors
    /// None of them takes an instance. In this order: [`Status::ObjectNameNotFound`]
    /// if the pipe is over; [`Status::AccessDenied`] for data in a direction that it
    /// does not have; [`Status::PipeNotAvailable`] if no instance listens.
    // semantics 46-53, 56
    #[doc(alias = "CreateFile")]
    pub fn open(&mut self, access: Access) -> Result<Opened, Status> {
        if self.is_over() {
            return Err(Status::ObjectNameNotFound);
        }
        let access = access.of_client(self.attributes.direction)?;
        let (_, instance) = self.listeners.pop_first().ok_or(Status::PipeNotAvailable)?;
        self.connect(instance, access)
    }

    /// Makes a disconnected instance listen; lets all waiters go.
    ///
    /// One that listens already goes on, and keeps its place.
    ///
    /// # Errors
    /// [`Status::PipeConnected`] while a client is connected,
    /// [`Status::PipeClosing`] once it has gone, [`Status::InvalidHandle`] for an
    /// unknown instance.
    // semantics 56, 62-64, 67, 76-78, 86, 88
    #[doc(alias = "ConnectNamedPipe")]
    pub fn listen(&mut self, id: InstanceId) -> Result<Vec<WaiterId>, Status> {
        match self.slot(id)?.phase {
            Phase::Listening => Ok(Vec::new()),
            Phase::Connected(_) => Err(Status::PipeConnected),
            Phase::Closing => Err(Status::PipeClosing),
            Phase::Disconnected => {
                let since = self.number();
                let slot = self.slot(id)?;
                (slot.phase, slot.since) = (Phase::Listening, since);
                self.listeners.insert(since, id);
                Ok(std::mem::take(&mut self.waiters))
            }
        }
    }

    /// Notes that a client has closed its end. Says whether that meant anything: it
    /// does not if the instance is closed, disconnected or with another client.
    // semantics 15, 48, 63, 87, 181
    pub fn client_gone(&mut self, instance: InstanceId, connection: ConnectionId) -> bool {
        match self.slots.get_mut(&instance) {
            Some(slot) if matches!(slot.phase, Phase::Connected(now) if now == connection) => {
                slot.phase = Phase::Closing;
                true
            }
            _ => false,
        }
    }

    /// Disconnects an instance, whatever its client is doing, or stops its listening.
    ///
    /// # Errors
    /// [`Status::PipeDisconnected`] if it is disconnected already,
    /// [`Status::InvalidHandle`] for an unknown instance.
    // semantics 87, 172, 176, 178, 180
    #[doc(alias = "DisconnectNamedPipe")]
    pub fn disconnect(&mut self, id: InstanceId) -> Result<(), Status> {
        let slot = self.slot(id)?;
        match std::mem::replace(&mut slot.phase, Phase::Disconnected) {
            Phase::Disconnected => return Err(Status::PipeDisconnected),
            Phase::Listening => {
                let since = slot.since;
                self.listeners.remove(&since);
            }
            Phase::Connected(_) | Phase::Closing => {}
        }
        Ok(())
    }

    /// Closes an instance, whatever its state; its place is free at once.
    ///
    /// An unknown instance changes nothing.
    // semantics 13, 16, 29, 89, 182, 189
    #[doc(alias = "CloseHandle")]
    pub fn close(&mut self, id: InstanceId) -> Remaining {
        if let Some(slot) = self.slots.remove(&id)
            && let Phase::Listening = slot.phase
        {
            self.listeners.remove(&slot.since);
        }
        self.remaining()
    }

    /// Closes all instances of a server process that is gone.
    // semantics 13, 16, 89, 190
    pub fn owner_gone(&mut self, owner: OwnerId) -> Remaining {
        self.slots.retain(|_, slot| slot.owner != owner);
        self.listeners.retain(|_, id| self.slots.contains_key(id));
        self.remaining()
    }

    /// Begins a wait for a listening instance.
    ///
    /// # Errors
    /// [`Status::ObjectNameNotFound`] if the pipe is over.
    // semantics 81-84
    #[doc(alias = "WaitNamedPipe")]
    pub fn wait(&mut self, waiter: WaiterId) -> Result<WaitOutcome, Status> {
        if self.is_over() {
            return Err(Status::ObjectNameNotFound);
        }
        if !self.listeners.is_empty() {
            return Ok(WaitOutcome::Ready);
        }
        self.waiters.push(waiter);
        Ok(WaitOutcome::Queued)
    }

    /// Forgets a waiter whose time-out has passed or who is gone.
    // semantics 84
    pub fn withdraw(&mut self, waiter: WaiterId) {
        self.waiters.retain(|&queued| queued != waiter);
    }

    /// How long a wait may take in milliseconds; `None` is for ever.
    ///
    /// `requested_ms` is as Win32 has it: 0 is the pipe's default, `u32::MAX` for ever.
    // semantics 85
    #[doc(alias = "NMPWAIT_USE_DEFAULT_WAIT")]
    #[doc(alias = "NMPWAIT_WAIT_FOREVER")]
    pub const fn wait_limit_ms(&self, requested_ms: u32) -> Option<u32> {
        match requested_ms {
            0 => Some(self.attributes.default_timeout_ms),
            u32::MAX => None,
            timeout_ms => Some(timeout_ms),
        }
    }

    /// Whether the last instance is closed.
    // semantics 13, 189
    pub fn is_over(&self) -> bool {
        self.slots.is_empty()
    }

    /// All instances, in the order of their creation.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = Instance> + '_ {
        self.slots.iter().map(|(&id, slot)| slot.shown_as(id))
    }

    /// The instance `id`, unless it is closed.
    pub fn instance(&self, id: InstanceId) -> Option<Instance> {
        self.slots.get(&id).map(|slot| slot.shown_as(id))
    }

    /// What its first instance fixed.
    // semantics 24, 196
    pub const fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn insert(&mut self, owner: OwnerId, params: &InstanceParams) -> InstanceId {
        let id = InstanceId(self.number());
        let since = self.number();
        self.listeners.insert(since, id);
        self.slots.insert(
            id,
            Slot {
                owner,
                phase: Phase::Listening,
                since,
                out_quota: params.out_quota,
                in_quota: params.in_quota,
            },
        );
        id
    }

    fn remaining(&mut self) -> Remaining {
        match self.slots.len() {
            0 => Remaining::Nothing(std::mem::take(&mut self.waiters)),
            count => Remaining::Instances(count),
        }
    }

    fn slot(&mut self, id: InstanceId) -> Result<&mut Slot, Status> {
        self.slots.get_mut(&id).ok_or(Status::InvalidHandle)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Slot {
    fn shown_as(&self, id: InstanceId) -> Instance {
        Instance {
            id,
            owner: self.owner,
            state: match self.phase {
                Phase::Listening => InstanceState::Listening,
                Phase::Connected(_) => InstanceState::Connected,
                Phase::Closing => InstanceState::Closing,
                Phase::Disconnected => InstanceState::Disconnected,
            },
            out_quota: self.out_quota,
            in_quota: self.in_quota,
        }
    }
}
