//! What the processes that serve one name say to each other.
//!
//! One of them leads: it accepts clients, counts instances and holds those who wait. The others are *members*; each has one
//! connection to the leader, on which both send what they have to say without waiting for each other.
//!
//! | member | leader |
//! |---|---|
//! | [`Serving::Join`], then a post for each instance that it has already | [`Serving::Joined`] and the listening socket, or `Refused` |
//! | [`Serving::Create`] | [`Serving::Created`], [`Serving::NotCreated`] |
//! | [`Serving::Post`]: an instance has changed | |
//! | | [`Serving::Admit`] and the socket of a client for an instance |
//! | | [`Serving::Asked`] and the socket of somebody who wants to know about the member's instances |
//! | | [`Serving::Members`]: who would have to come again if the leader died |
//! | | [`Serving::Security`]: the descriptor, when it has changed |
//!
//! Instances are known by the numbers that their own process gave them. Members are of the leader's user, but what they
//! send is checked like anybody's.

use super::fields::{FieldWriter, Fields};
use super::{
    DIRECTIONS, InstanceReport, PIPE_TYPES, ProtocolError, maximum_in, name_in, number_of, one_of, qos_in, security_in,
    tag, write_qos,
};
use crate::mode::{Access, Direction, ReadMode};
use crate::name::PipeName;
use crate::pipe::Attributes;
use crate::qos::SecurityQos;
use crate::security::SecurityDescriptor;
use crate::status::Status;

/// So many members fit into a message.
const MAX_LISTED: usize = 1024;

/// One message between processes that serve the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// A process wants to serve the name too, or its leader has died and it comes to the next.
    Join {
        /// The pipe.
        name: PipeName,
        /// Which member this is; a number drawn once.
        member: u64,
        /// Which pipe of that name it has served before; 0 for a process that comes for the first time.
        pipe_id: u64,
        /// How many posts follow, one for each instance that it has already.
        posts: u32,
    },
    /// It is a member now. The listening socket comes along.
    Joined {
        /// Tells this pipe from earlier and later ones of its name.
        pipe_id: u64,
        /// The process that made the listening socket, whom clients take for the server.
        listener_pid: u32,
        /// What the first instance fixed.
        attributes: Attributes,
    },
    /// A member asks for another instance.
    Create {
        /// How it calls the instance.
        number: u64,
        /// What it is to be like.
        wanted: WantedInstance,
    },
    /// The instance exists and listens.
    Created {
        /// Which.
        number: u64,
    },
    /// It may not exist.
    NotCreated {
        /// Which.
        number: u64,
        /// Why.
        status: Status,
    },
    /// What an instance of a member is doing now, known to the leader or not.
    Post {
        /// Which.
        number: u64,
        /// Since when it listens, by a count of its process that never falls.
        since: u64,
        /// What else there is to know; `None`: it is closed.
        report: Option<InstanceReport>,
    },
    /// A client for an instance; its socket comes along.
    Admit {
        /// Which.
        number: u64,
        /// Since when the instance listened when it was chosen.
        since: u64,
        /// The rights that the client asked for.
        access: Access,
        /// What the server may do with the client's identity.
        qos: SecurityQos,
        /// How many instances the pipe has.
        instances: u32,
    },
    /// Somebody asks about the member's own instances, and is answered by it; the socket comes along.
    Asked,
    /// Who is a member at this moment.
    Members {
        /// Their numbers.
        members: Vec<u64>,
    },
    /// The descriptor has changed.
    Security {
        /// What it is now.
        security: SecurityDescriptor,
    },
}

/// What a member asks for. What only the first instance decides is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedInstance {
    /// Which way data is to flow.
    pub direction: Direction,
    /// How its end reads.
    pub read_mode: ReadMode,
    /// Whether it must be the first of its name.
    pub first_instance: bool,
    /// Limit on unread data from server to client, in bytes.
    pub out_quota: u32,
    /// Limit on unread data from client to server, in bytes.
    pub in_quota: u32,
    /// Further rights of its end.
    pub further_rights: u32,
}

/// Numbers of these messages. Never used again for anything else.
pub(super) mod kind {
    pub(in crate::handshake) const JOIN: u16 = 32;
    pub(in crate::handshake) const JOINED: u16 = 33;
    pub(in crate::handshake) const CREATE: u16 = 34;
    pub(in crate::handshake) const CREATED: u16 = 35;
    pub(in crate::handshake) const NOT_CREATED: u16 = 36;
    pub(in crate::handshake) const POST: u16 = 37;
    pub(in crate::handshake) const ADMIT: u16 = 38;
    pub(in crate::handshake) const MEMBERS: u16 = 39;
    pub(in crate::handshake) const SECURITY: u16 = 40;
    pub(in crate::handshake) const ASKED: u16 = 41;
}

const READ_MODES: [ReadMode; 2] = [ReadMode::Byte, ReadMode::Message];

impl Serving {
    /// Writes the fields and returns the kind.
    pub(super) fn write(&self, fields: &mut FieldWriter) -> u16 {
        match self {
            Serving::Join {
                name,
                member,
                pipe_id,
                posts,
            } => {
                fields.units(tag::NAME, name.units());
                fields.u64(tag::MEMBER, *member);
                fields.u64(tag::PIPE_ID, *pipe_id);
                fields.u32(tag::INSTANCE_COUNT, *posts);
                kind::JOIN
            }
            Serving::Joined {
                pipe_id,
                listener_pid,
                attributes,
            } => {
                fields.u64(tag::PIPE_ID, *pipe_id);
                fields.u32(tag::LISTENER_PID, *listener_pid);
                write_attributes(attributes, fields);
                kind::JOINED
            }
            Serving::Create { number, wanted } => {
                fields.u64(tag::NUMBER, *number);
                wanted.write(fields);
                kind::CREATE
            }
            Serving::Created { number } => {
                fields.u64(tag::NUMBER, *number);
                kind::CREATED
            }
            Serving::NotCreated { number, status } => {
                fields.u64(tag::NUMBER, *number);
                fields.u32(tag::STATUS, status.ntstatus());
                kind::NOT_CREATED
            }
            Serving::Post { number, since, report } => {
                write_choice(*number, *since, fields);
                if let Some(report) = report {
                    report.write(fields);
                }
                kind::POST
            }
            Serving::Admit {
                number,
                since,
                access,
                qos,
                instances,
            } => {
                write_choice(*number, *since, fields);
                fields.u32(tag::ACCESS, access.to_win32());
                write_qos(*qos, fields);
                fields.u32(tag::INSTANCE_COUNT, *instances);
                kind::ADMIT
            }
            Serving::Asked => kind::ASKED,
            Serving::Members { members } => {
                write_members(members, fields);
                kind::MEMBERS
            }
            Serving::Security { security } => {
                fields.bytes(tag::SECURITY, &security.encode());
                kind::SECURITY
            }
        }
    }

    /// `None`: the kind is none of these.
    pub(super) fn read(kind: u16, fields: Fields<'_>) -> Result<Option<Serving>, ProtocolError> {
        Ok(Some(match kind {
            kind::JOIN => Serving::Join {
                name: name_in(fields)?,
                member: fields.u64(tag::MEMBER)?,
                pipe_id: fields.u64(tag::PIPE_ID)?,
                posts: fields.u32(tag::INSTANCE_COUNT)?,
            },
            kind::JOINED => Serving::Joined {
                pipe_id: fields.u64(tag::PIPE_ID)?,
                listener_pid: fields.u32(tag::LISTENER_PID)?,
                attributes: read_attributes(fields)?,
            },
            kind::CREATE => Serving::Create {
                number: fields.u64(tag::NUMBER)?,
                wanted: WantedInstance::read(fields)?,
            },
            kind::CREATED => Serving::Created {
                number: fields.u64(tag::NUMBER)?,
            },
            kind::NOT_CREATED => Serving::NotCreated {
                number: fields.u64(tag::NUMBER)?,
                status: Status::from_ntstatus(fields.u32(tag::STATUS)?).unwrap_or(Status::SystemError),
            },
            kind::POST => Serving::Post {
                number: fields.u64(tag::NUMBER)?,
                since: fields.u64(tag::SINCE)?,
                report: match fields.optional(tag::STATE) {
                    Some(_) => Some(InstanceReport::read(fields)?),
                    None => None,
                },
            },
            kind::ADMIT => Serving::Admit {
                number: fields.u64(tag::NUMBER)?,
                since: fields.u64(tag::SINCE)?,
                access: Access::from_win32(fields.u32(tag::ACCESS)?),
                qos: qos_in(fields)?,
                instances: fields.u32(tag::INSTANCE_COUNT)?,
            },
            kind::ASKED => Serving::Asked,
            kind::MEMBERS => Serving::Members {
                members: fields.all_u64(tag::MEMBER).collect::<Result<_, _>>()?,
            },
            kind::SECURITY => Serving::Security {
                security: security_in(fields)?,
            },
            _ => return Ok(None),
        }))
    }

    /// Whether a descriptor comes along with it.
    pub const fn brings_descriptor(&self) -> bool {
        matches!(self, Serving::Joined { .. } | Serving::Admit { .. } | Serving::Asked)
    }
}

/// An instance, and since when it listens.
fn write_choice(number: u64, since: u64, fields: &mut FieldWriter) {
    fields.u64(tag::NUMBER, number);
    fields.u64(tag::SINCE, since);
}

/// As many as fit.
fn write_members(members: &[u64], fields: &mut FieldWriter) {
    for member in members.iter().take(MAX_LISTED) {
        fields.u64(tag::MEMBER, *member);
    }
}

impl WantedInstance {
    fn write(&self, fields: &mut FieldWriter) {
        fields.u32(tag::DIRECTION, number_of(&DIRECTIONS, self.direction));
        fields.u32(tag::READ_MODE, number_of(&READ_MODES, self.read_mode));
        fields.u32(tag::FIRST_INSTANCE, u32::from(self.first_instance));
        fields.u32(tag::OUT_QUOTA, self.out_quota);
        fields.u32(tag::IN_QUOTA, self.in_quota);
        fields.u32(tag::FURTHER_RIGHTS, self.further_rights);
    }

    fn read(fields: Fields<'_>) -> Result<WantedInstance, ProtocolError> {
        Ok(WantedInstance {
            direction: one_of(&DIRECTIONS, fields, tag::DIRECTION)?,
            read_mode: one_of(&READ_MODES, fields, tag::READ_MODE)?,
            first_instance: fields.u32(tag::FIRST_INSTANCE)? != 0,
            out_quota: fields.u32(tag::OUT_QUOTA)?,
            in_quota: fields.u32(tag::IN_QUOTA)?,
            further_rights: fields.u32(tag::FURTHER_RIGHTS)?,
        })
    }
}

fn write_attributes(attributes: &Attributes, fields: &mut FieldWriter) {
    fields.u32(tag::PIPE_TYPE, number_of(&PIPE_TYPES, attributes.pipe_type));
    fields.u32(tag::DIRECTION, number_of(&DIRECTIONS, attributes.direction));
    fields.u32(tag::MAX_INSTANCES, attributes.max_instances);
    fields.u32(tag::DEFAULT_TIMEOUT_MS, attributes.default_timeout_ms);
    fields.bytes(tag::SECURITY, &attributes.security.encode());
}

fn read_attributes(fields: Fields<'_>) -> Result<Attributes, ProtocolError> {
    Ok(Attributes {
        direction: one_of(&DIRECTIONS, fields, tag::DIRECTION)?,
        pipe_type: one_of(&PIPE_TYPES, fields, tag::PIPE_TYPE)?,
        max_instances: maximum_in(fields)?,
        default_timeout_ms: fields.u32(tag::DEFAULT_TIMEOUT_MS)?,
        security: security_in(fields)?,
    })
}
