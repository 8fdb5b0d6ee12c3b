//! What programs ask an end about itself and its pipe.

use std::time::Instant;

use npipe_core::pipe::InstanceState;
use npipe_core::wire::PeerState;
use npipe_core::{Access, EndRole, ReadMode, Status, WaitMode};

use super::{End, Home};
use crate::connect::{self, Account};
use crate::error::{Explain, Result};
use crate::host::Seat;
use crate::info::{LocalState, Peer, PipeEnd, PipeInfo, PipeState};

impl End {
    /// What is fixed about the pipe.
    pub(crate) fn info(&self) -> Result<PipeInfo, Status> {
        self.require_live()?;
        let shape = &self.shape;
        Ok(PipeInfo {
            mode: shape.pipe_type.into(),
            end: match self.role() {
                EndRole::Server => PipeEnd::Server,
                EndRole::Client => PipeEnd::Client,
            },
            max_instances: shape.max_instances,
            out_buffer_size: shape.out_quota,
            in_buffer_size: shape.in_quota,
        })
    }

    /// What changes about the end.
    pub(crate) fn state(&self) -> Result<PipeState> {
        let (mode, wait) = self.modes_if_allowed().explain("state", &self.shape.name)?;
        let known = match &self.home {
            Home::Server { seat: Some(seat), .. } => seat.instances(),
            _ => None,
        };
        let instances = match known {
            Some(instances) => instances,
            None => self.instances_of(self.pipe_id())?,
        };
        Ok(PipeState {
            read_mode: mode.into(),
            nowait: wait == WaitMode::NoWait,
            instances,
        })
    }

    fn modes_if_allowed(&self) -> Result<(ReadMode, WaitMode), Status> {
        self.shape.access.require_read_attributes()?;
        self.require_live()?;
        self.modes()
    }

    /// How many instances the pipe has that this client opened, whoever uses its name by now (semantics 189, 197).
    fn instances_of(&self, pipe_id: u64) -> Result<u32> {
        let deadline = Some(Instant::now() + connect::ANSWER_TIME);
        match connect::query(&self.shape.root, &self.shape.name, deadline) {
            Ok(Account { report, .. }) if report.pipe_id == pipe_id => Ok(report.instance_count),
            Ok(_) => Ok(0),
            Err(error) if error.status() == Status::ObjectNameNotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Result<Peer, Status> {
        self.require_live()?;
        let link = self.link().ok_or(Status::NotFound)?;
        Ok(Peer::new(link.peer()))
    }

    /// What the end may do.
    pub(crate) fn access(&self) -> Access {
        self.shape.access
    }

    /// The process that has made the end.
    pub(crate) fn creator(&self) -> u32 {
        self.shape.creator
    }

    /// What there is in both directions (semantics 210).
    pub(crate) fn local_state(&self) -> Result<LocalState, Status> {
        self.require_live()?;
        let state = match (self.peer_state(), &self.home) {
            (Some(PeerState::Open), _) => InstanceState::Connected,
            (Some(PeerState::Closed), _) => InstanceState::Closing,
            (_, Home::Server { seat: Some(seat), .. }) => seat.state()?,
            _ => InstanceState::Disconnected,
        };
        let (readable, writable) = self.fill()?;
        Ok(LocalState {
            state,
            readable: usize::try_from(readable).unwrap_or(usize::MAX),
            writable,
        })
    }

    /// The end's place in its pipe, if this process has created it.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        match &self.home {
            Home::Server { seat, .. } => seat.as_ref(),
            Home::Client { .. } => None,
        }
    }

    /// Waits for a client.
    pub(crate) fn listen(&self) -> Result<(), Status> {
        match self.seat() {
            Some(seat) => seat.connect(self),
            None => self.connect_elsewhere(),
        }
    }

    /// Throws the client out.
    pub(crate) fn disconnect(&self) -> Result<(), Status> {
        match self.seat() {
            Some(seat) => seat.disconnect(self),
            None => self.disconnect_elsewhere(),
        }
    }
}
