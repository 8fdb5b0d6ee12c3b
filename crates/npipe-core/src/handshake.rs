//! What processes say to each other on the control socket of a pipe.
//!
//! A client asks and a server answers:
//!
//! | request | answers |
//! |---|---|
//! | [`Message::Open`] | [`Message::Opened`], [`Message::Refused`] |
//! | [`Message::Wait`] | [`Message::Ready`], or [`Message::Waiting`] and then `Ready`, [`Message::Refused`] |
//! | [`Message::Query`] | [`Message::Info`], [`Message::Refused`] |
//! | [`Message::SetSecurity`] | [`Message::SecuritySet`], [`Message::Refused`] |
//!
//! Processes that serve one name together have messages of their own, [`Serving`].
//!
//! The bytes are described where they are made: [`frame`] and `fields`. A peer is not
//! trusted: every value is checked when it is decoded, nothing panics, and whatever
//! comes out of a [`Decoder`] is within the limits that its type promises. Texts from
//! a peer may hold any character; whoever prints them has to escape them.
//!
//! Who the peer is never comes from a message, but from the system.

mod fields;
pub mod frame;
mod serving;

use fields::{FieldWriter, Fields};
pub use frame::{Decoder, ProtocolError};
pub use serving::{Serving, WantedInstance};

use crate::mode::{Access, Direction, PipeType};
use crate::name::PipeName;
use crate::params::UNLIMITED_INSTANCES;
use crate::pipe::InstanceState;
use crate::qos::SecurityQos;
use crate::security::descriptor::MAX_DESCRIPTOR_BYTES;
use crate::security::{SecurityDescriptor, SecurityInformation};
use crate::status::Status;

/// One message.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A client wants to open the pipe.
    Open {
        /// Which pipe.
        name: PipeName,
        /// The rights it asks for.
        access: Access,
        /// What the server may do with its identity.
        qos: SecurityQos,
        /// The processor it runs on, if it says so: a hint for who waits for it.
        processor: Option<u32>,
    },
    /// It is connected.
    Opened(Connection),
    /// The request failed.
    Refused {
        /// Why. A status unknown here is [`Status::SystemError`].
        status: Status,
    },
    /// A client waits for a listening instance.
    Wait {
        /// Of which pipe.
        name: PipeName,
    },
    /// No instance is listening; the answer to the wait follows. It is the client who
    /// keeps the time, and who hangs up when it has passed.
    Waiting {
        /// The pipe's default time-out, in milliseconds.
        default_timeout_ms: u32,
    },
    /// An instance is listening now.
    Ready,
    /// Somebody wants to know about a pipe. This takes no instance.
    Query {
        /// Which pipe; `None` is the one whose socket this is.
        name: Option<PipeName>,
        /// Which of the processes that serve it is to tell of its own instances; `None`: whichever answers, of all.
        server_pid: Option<u32>,
    },
    /// What there is to know.
    Info(PipeReport),
    /// Somebody wants to change parts of the descriptor, and may if it says so.
    SetSecurity {
        /// Of which pipe; an identity tells it from a later one of the name.
        pipe_id: u64,
        /// Which parts.
        parts: SecurityInformation,
        /// What they are to be.
        security: SecurityDescriptor,
    },
    /// They are changed.
    SecuritySet,
    /// Between processes that serve one name.
    Serving(Serving),
    /// A kind of message that this version does not know.
    Unknown {
        /// Its number.
        kind: u16,
    },
}

/// What a client learns when it is connected. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Stream or messages.
    pub pipe_type: PipeType,
    /// Which way data flows.
    pub direction: Direction,
    /// Limit on unread data from server to client.
    pub out_quota: u32,
    /// Limit on unread data from client to server.
    pub in_quota: u32,
    /// 1 to 254, or [`UNLIMITED_INSTANCES`].
    pub max_instances: u32,
    /// How many instances there are.
    pub instances: u32,
    /// The process that serves the instance.
    pub server_pid: u32,
    /// The process that made the socket on which the client was accepted.
    pub listener_pid: u32,
    /// Size of the shared segment.
    pub segment_bytes: u64,
    /// Tells this pipe from earlier and later ones of its name.
    pub pipe_id: u64,
    /// The rights of the client end.
    pub access: Access,
    /// Whose the pipe is, and who may open it, for when there is nobody left to ask.
    pub security: SecurityDescriptor,
}

/// What there is to know about a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeReport {
    /// The pipe.
    pub name: PipeName,
    /// Stream or messages.
    pub pipe_type: PipeType,
    /// Which way data flows.
    pub direction: Direction,
    /// 1 to 254, or [`UNLIMITED_INSTANCES`].
    pub max_instances: u32,
    /// How long a client waits that does not say, in milliseconds.
    pub default_timeout_ms: u32,
    /// The process that answers for the pipe.
    pub server_pid: u32,
    /// The process that made the socket on which it answers.
    pub listener_pid: u32,
    /// Tells this pipe from earlier and later ones of its name.
    pub pipe_id: u64,
    /// Whose it is, and who may open it.
    pub security: SecurityDescriptor,
    /// How many instances there are, which may be more than the message has room for.
    pub instance_count: u32,
    /// The instances, oldest first.
    pub instances: Vec<InstanceReport>,
}

/// What there is to know about an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceReport {
    /// What it is doing.
    pub state: InstanceState,
    /// The process that serves it.
    pub server_pid: u32,
    /// The client at its other end.
    pub client: Option<ClientReport>,
    /// Limit on unread data from server to client, in bytes.
    pub out_quota: u32,
    /// Limit on unread data from client to server, in bytes.
    pub in_quota: u32,
    /// For how long the client has been there, in milliseconds.
    pub age_ms: Option<u64>,
    /// What has passed, if the process that answers has the instance itself.
    pub traffic: Option<Traffic>,
}

/// What has passed between an instance and its client since that came. The counts are taken beside the calls that change
/// them: one that is being made may be in some and not in others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From client to server.
    pub inbound: Flow,
    /// From server to client.
    pub outbound: Flow,
}

/// What has passed in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Bytes written.
    pub bytes: u64,
    /// Bytes of them that are not read yet.
    pub unread_bytes: u64,
    /// Messages that the server has read or written; `None` of a stream.
    pub messages: Option<u64>,
}

/// What there is to know about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientReport {
    /// Its process, if it can be named here.
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Numbers of messages. Never used again for anything else.
mod kind {
    pub(super) const OPEN: u16 = 1;
    pub(super) const OPENED: u16 = 2;
    pub(super) const REFUSED: u16 = 3;
    pub(super) const WAIT: u16 = 4;
    pub(super) const WAITING: u16 = 5;
    pub(super) const READY: u16 = 6;
    pub(super) const QUERY: u16 = 7;
    pub(super) const INFO: u16 = 8;
    pub(super) const SET_SECURITY: u16 = 9;
    pub(super) const SECURITY_SET: u16 = 10;
}

/// Numbers of fields, the same in all messages. Never used again for anything else: 14 and 26 to 28 had access rules.
mod tag {
    pub(super) const NAME: u16 = 1;
    pub(super) const ACCESS: u16 = 2;
    pub(super) const STATUS: u16 = 3;
    pub(super) const PIPE_TYPE: u16 = 4;
    pub(super) const DIRECTION: u16 = 5;
    pub(super) const OUT_QUOTA: u16 = 6;
    pub(super) const IN_QUOTA: u16 = 7;
    pub(super) const MAX_INSTANCES: u16 = 8;
    pub(super) const INSTANCE_COUNT: u16 = 9;
    pub(super) const SERVER_PID: u16 = 10;
    pub(super) const SEGMENT_BYTES: u16 = 11;
    pub(super) const PIPE_ID: u16 = 12;
    pub(super) const DEFAULT_TIMEOUT_MS: u16 = 13;
    pub(super) const INSTANCE: u16 = 15;
    pub(super) const STATE: u16 = 16;
    pub(super) const CLIENT_PID: u16 = 17;
    pub(super) const CLIENT_UID: u16 = 18;
    pub(super) const CLIENT_GID: u16 = 19;
    pub(super) const LISTENER_PID: u16 = 20;
    pub(super) const MEMBER: u16 = 21;
    pub(super) const NUMBER: u16 = 22;
    pub(super) const SINCE: u16 = 23;
    pub(super) const READ_MODE: u16 = 24;
    pub(super) const FIRST_INSTANCE: u16 = 25;
    pub(super) const SECURITY: u16 = 29;
    pub(super) const SECURITY_PARTS: u16 = 30;
    pub(super) const FURTHER_RIGHTS: u16 = 31;
    pub(super) const QOS: u16 = 32;
    pub(super) const AGE_MS: u16 = 33;
    pub(super) const IN_BYTES: u16 = 34;
    pub(super) const IN_UNREAD: u16 = 35;
    pub(super) const IN_MESSAGES: u16 = 36;
    pub(super) const OUT_BYTES: u16 = 37;
    pub(super) const OUT_UNREAD: u16 = 38;
    pub(super) const OUT_MESSAGES: u16 = 39;
    pub(super) const PROCESSOR: u16 = 40;

    /// Of the counts of one direction.
    pub(super) const INBOUND: [u16; 3] = [IN_BYTES, IN_UNREAD, IN_MESSAGES];
    pub(super) const OUTBOUND: [u16; 3] = [OUT_BYTES, OUT_UNREAD, OUT_MESSAGES];
}

impl Message {
    /// The message as a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        let kind = match self {
            Message::Open {
                name,
                access,
                qos,
                processor,
            } => {
                fields.units(tag::NAME, name.units());
                fields.u32(tag::ACCESS, access.to_win32());
                write_qos(*qos, &mut fields);
                fields.optional_u32(tag::PROCESSOR, *processor);
                kind::OPEN
            }
            Message::Opened(connection) => {
                connection.write(&mut fields);
                kind::OPENED
            }
            Message::Refused { status } => {
                fields.u32(tag::STATUS, status.ntstatus());
                kind::REFUSED
            }
            Message::Wait { name } => {
                fields.units(tag::NAME, name.units());
                kind::WAIT
            }
            Message::Waiting { default_timeout_ms } => {
                fields.u32(tag::DEFAULT_TIMEOUT_MS, *default_timeout_ms);
                kind::WAITING
            }
            Message::Ready => kind::READY,
            Message::Query { name, server_pid } => {
                if let Some(name) = name {
                    fields.units(tag::NAME, name.units());
                }
                fields.optional_u32(tag::SERVER_PID, *server_pid);
                kind::QUERY
            }
            Message::Info(report) => {
                report.write(&mut fields);
                kind::INFO
            }
            Message::SetSecurity {
                pipe_id,
                parts,
                security,
            } => {
                fields.u64(tag::PIPE_ID, *pipe_id);
                fields.u32(tag::SECURITY_PARTS, parts.to_win32());
                fields.bytes(tag::SECURITY, &security.encode());
                kind::SET_SECURITY
            }
            Message::SecuritySet => kind::SECURITY_SET,
            Message::Serving(serving) => serving.write(&mut fields),
            Message::Unknown { kind } => *kind,
        };
        frame::frame(kind, &fields.into_bytes())
    }

    fn parse(kind: u16, body: &[u8]) -> Result<Message, ProtocolError> {
        let fields = Fields::parse(body)?;
        Ok(match kind {
            kind::OPEN => Message::Open {
                name: name_in(fields)?,
                access: Access::from_win32(fields.u32(tag::ACCESS)?),
                qos: qos_in(fields)?,
                processor: fields.optional_u32(tag::PROCESSOR)?,
            },
            kind::OPENED => Message::Opened(Connection::read(fields)?),
            kind::REFUSED => Message::Refused {
                status: Status::from_ntstatus(fields.u32(tag::STATUS)?).unwrap_or(Status::SystemError),
            },
            kind::WAIT => Message::Wait { name: name_in(fields)? },
            kind::WAITING => Message::Waiting {
                default_timeout_ms: fields.u32(tag::DEFAULT_TIMEOUT_MS)?,
            },
            kind::READY => Message::Ready,
            kind::QUERY => Message::Query {
                name: match fields.optional(tag::NAME) {
                    Some(_) => Some(name_in(fields)?),
                    None => None,
                },
                server_pid: fields.optional_u32(tag::SERVER_PID)?,
            },
            kind::INFO => Message::Info(PipeReport::read(fields)?),
            kind::SET_SECURITY => Message::SetSecurity {
                pipe_id: fields.u64(tag::PIPE_ID)?,
                parts: SecurityInformation::from_win32(fields.u32(tag::SECURITY_PARTS)?),
                security: security_in(fields)?,
            },
            kind::SECURITY_SET => Message::SecuritySet,
            kind => Serving::read(kind, fields)?.map_or(Message::Unknown { kind }, Message::Serving),
        })
    }
}

impl Connection {
    fn write(&self, fields: &mut FieldWriter) {
        fields.u32(tag::PIPE_TYPE, number_of(&PIPE_TYPES, self.pipe_type));
        fields.u32(tag::DIRECTION, number_of(&DIRECTIONS, self.direction));
        fields.u32(tag::OUT_QUOTA, self.out_quota);
        fields.u32(tag::IN_QUOTA, self.in_quota);
        fields.u32(tag::MAX_INSTANCES, self.max_instances);
        fields.u32(tag::INSTANCE_COUNT, self.instances);
        fields.u32(tag::SERVER_PID, self.server_pid);
        fields.u32(tag::LISTENER_PID, self.listener_pid);
        fields.u64(tag::SEGMENT_BYTES, self.segment_bytes);
        fields.u64(tag::PIPE_ID, self.pipe_id);
        fields.u32(tag::ACCESS, self.access.to_win32());
        fields.bytes(tag::SECURITY, &self.security.encode());
    }

    fn read(fields: Fields<'_>) -> Result<Connection, ProtocolError> {
        Ok(Connection {
            pipe_type: one_of(&PIPE_TYPES, fields, tag::PIPE_TYPE)?,
            direction: one_of(&DIRECTIONS, fields, tag::DIRECTION)?,
            out_quota: fields.u32(tag::OUT_QUOTA)?,
            in_quota: fields.u32(tag::IN_QUOTA)?,
            max_instances: maximum_in(fields)?,
            instances: fields.u32(tag::INSTANCE_COUNT)?,
            server_pid: fields.u32(tag::SERVER_PID)?,
            listener_pid: fields.u32(tag::LISTENER_PID)?,
            segment_bytes: fields.u64(tag::SEGMENT_BYTES)?,
            pipe_id: fields.u64(tag::PIPE_ID)?,
            access: Access::from_win32(fields.u32(tag::ACCESS)?),
            security: security_in(fields)?,
        })
    }
}

impl PipeReport {
    fn write(&self, fields: &mut FieldWriter) {
        fields.units(tag::NAME, self.name.units());
        fields.u32(tag::PIPE_TYPE, number_of(&PIPE_TYPES, self.pipe_type));
        fields.u32(tag::DIRECTION, number_of(&DIRECTIONS, self.direction));
        fields.u32(tag::MAX_INSTANCES, self.max_instances);
        fields.u32(tag::DEFAULT_TIMEOUT_MS, self.default_timeout_ms);
        fields.u32(tag::SERVER_PID, self.server_pid);
        fields.u32(tag::LISTENER_PID, self.listener_pid);
        fields.u64(tag::PIPE_ID, self.pipe_id);
        fields.bytes(tag::SECURITY, &self.security.encode());
        fields.u32(tag::INSTANCE_COUNT, self.instance_count);
        for instance in &self.instances {
            let mut inner = FieldWriter::default();
            instance.write(&mut inner);
            let inner = inner.into_bytes();
            if fields.length_with(inner.len()) > frame::MAX_FRAME_BYTES - frame::HEADER_BYTES {
                break;
            }
            fields.bytes(tag::INSTANCE, &inner);
        }
    }

    fn read(fields: Fields<'_>) -> Result<PipeReport, ProtocolError> {
        Ok(PipeReport {
            name: name_in(fields)?,
            pipe_type: one_of(&PIPE_TYPES, fields, tag::PIPE_TYPE)?,
            direction: one_of(&DIRECTIONS, fields, tag::DIRECTION)?,
            max_instances: maximum_in(fields)?,
            default_timeout_ms: fields.u32(tag::DEFAULT_TIMEOUT_MS)?,
            server_pid: fields.u32(tag::SERVER_PID)?,
            listener_pid: fields.u32(tag::LISTENER_PID)?,
            pipe_id: fields.u64(tag::PIPE_ID)?,
            security: security_in(fields)?,
            instance_count: fields.u32(tag::INSTANCE_COUNT)?,
            instances: fields
                .all(tag::INSTANCE)
                .map(|body| InstanceReport::read(Fields::parse(body)?))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl InstanceReport {
    fn write(&self, fields: &mut FieldWriter) {
        fields.u32(tag::STATE, number_of(&STATES, self.state));
        fields.u32(tag::SERVER_PID, self.server_pid);
        fields.u32(tag::OUT_QUOTA, self.out_quota);
        fields.u32(tag::IN_QUOTA, self.in_quota);
        if let Some(client) = self.client {
            fields.u32(tag::CLIENT_UID, client.uid);
            fields.u32(tag::CLIENT_GID, client.gid);
            fields.optional_u32(tag::CLIENT_PID, client.pid);
        }
        fields.optional_u64(tag::AGE_MS, self.age_ms);
        if let Some(Traffic { inbound, outbound }) = self.traffic {
            inbound.write(tag::INBOUND, fields);
            outbound.write(tag::OUTBOUND, fields);
        }
    }

    fn read(fields: Fields<'_>) -> Result<InstanceReport, ProtocolError> {
        Ok(InstanceReport {
            state: one_of(&STATES, fields, tag::STATE)?,
            server_pid: fields.u32(tag::SERVER_PID)?,
            client: match fields.optional_u32(tag::CLIENT_UID)? {
                Some(uid) => Some(ClientReport {
                    pid: fields.optional_u32(tag::CLIENT_PID)?,
                    uid,
                    gid: fields.u32(tag::CLIENT_GID)?,
                }),
                None => None,
            },
            out_quota: fields.u32(tag::OUT_QUOTA)?,
            in_quota: fields.u32(tag::IN_QUOTA)?,
            age_ms: fields.optional_u64(tag::AGE_MS)?,
            traffic: match (Flow::read(tag::INBOUND, fields)?, Flow::read(tag::OUTBOUND, fields)?) {
                (Some(inbound), Some(outbound)) => Some(Traffic { inbound, outbound }),
                _ => None,
            },
        })
    }
}

impl Flow {
    fn write(self, [bytes, unread, messages]: [u16; 3], fields: &mut FieldWriter) {
        fields.u64(bytes, self.bytes);
        fields.u64(unread, self.unread_bytes);
        fields.optional_u64(messages, self.messages);
    }

    fn read([bytes, unread, messages]: [u16; 3], fields: Fields<'_>) -> Result<Option<Flow>, ProtocolError> {
        let Some(bytes) = fields.optional_u64(bytes)? else {
            return Ok(None);
        };
        Ok(Some(Flow {
            bytes,
            unread_bytes: fields.u64(unread)?,
            messages: fields.optional_u64(messages)?,
        }))
    }
}

// An enum travels as its place in one of these, counted from 1; they only ever grow.
const PIPE_TYPES: [PipeType; 2] = [PipeType::Byte, PipeType::Message];
const DIRECTIONS: [Direction; 3] = [Direction::Inbound, Direction::Outbound, Direction::Duplex];
const STATES: [InstanceState; 4] = [
    InstanceState::Listening,
    InstanceState::Connected,
    InstanceState::Closing,
    InstanceState::Disconnected,
];

fn number_of<T: PartialEq>(values: &[T], value: T) -> u32 {
    let place = values.iter().position(|listed| *listed == value);
    place.map_or(0, |place| place as u32 + 1)
}

fn one_of<T: Copy>(values: &[T], fields: Fields<'_>, tag: u16) -> Result<T, ProtocolError> {
    let place = fields.u32(tag)?.checked_sub(1);
    place
        .and_then(|place| values.get(place as usize).copied())
        .ok_or(ProtocolError::Field(tag))
}

/// A descriptor, which is no longer than one that is accepted when it is set.
fn security_in(fields: Fields<'_>) -> Result<SecurityDescriptor, ProtocolError> {
    let bytes = fields.required(tag::SECURITY)?;
    let wrong = ProtocolError::Field(tag::SECURITY);
    if bytes.len() > MAX_DESCRIPTOR_BYTES {
        return Err(wrong);
    }
    SecurityDescriptor::decode(bytes).map_err(|_| wrong)
}

fn name_in(fields: Fields<'_>) -> Result<PipeName, ProtocolError> {
    let units = fields.units(tag::NAME)?;
    PipeName::from_units(&units).map_err(|_| ProtocolError::Field(tag::NAME))
}

/// What is the default anyway is not said.
fn write_qos(qos: SecurityQos, fields: &mut FieldWriter) {
    if qos != SecurityQos::default() {
        fields.u32(tag::QOS, qos.to_win32());
    }
}

fn qos_in(fields: Fields<'_>) -> Result<SecurityQos, ProtocolError> {
    match fields.optional_u32(tag::QOS)? {
        None => Ok(SecurityQos::default()),
        Some(flags) => SecurityQos::from_flags(flags).map_err(|_| ProtocolError::Field(tag::QOS)),
    }
}

fn maximum_in(fields: Fields<'_>) -> Result<u32, ProtocolError> {
    let maximum = fields.u32(tag::MAX_INSTANCES)?;
    if (1..=UNLIMITED_INSTANCES).contains(&maximum) {
        Ok(maximum)
    } else {
        Err(ProtocolError::Field(tag::MAX_INSTANCES))
    }
}
