//! What a server asks for when it creates an instance, and the checks on it that do
//! not depend on what exists already.
//!
//! Sizes are in bytes and times in milliseconds. The open mode and the pipe mode of
//! Win32 are two words of bits; [`InstanceParams::from_win32`] takes them apart.

use crate::mode::{Access, Direction, PipeType, ReadMode, WaitMode};
use crate::security::SecurityDescriptor;
use crate::security::rights::{ACCESS_SYSTEM_SECURITY, WRITE_DAC, WRITE_OWNER};
use crate::status::Status;

/// The maximum that stands for no limit.
// semantics 23, 196
#[doc(alias = "PIPE_UNLIMITED_INSTANCES")]
pub const UNLIMITED_INSTANCES: u32 = 255;

/// The default time-out that 0 stands for.
// semantics 37
pub const DEFAULT_TIMEOUT_MS: u32 = 50;

const ACCESS_MODES: u32 = 0x0000_0003;
const FILE_FLAG_FIRST_PIPE_INSTANCE: u32 = 0x0008_0000;
/// Bits that are accepted and change nothing here: the flags for writing through and
/// overlapped calls belong to the handle.
const OTHER_OPEN_MODES: u32 = 0x8000_0000 | 0x4000_0000;
/// Rights that the handle is to have besides.
const OPEN_RIGHTS: u32 = WRITE_DAC | ACCESS_SYSTEM_SECURITY | WRITE_OWNER;

const PIPE_NOWAIT: u32 = 0x1;
const PIPE_READMODE_MESSAGE: u32 = 0x2;
const PIPE_TYPE_MESSAGE: u32 = 0x4;
const PIPE_REJECT_REMOTE_CLIENTS: u32 = 0x8;

/// What a server asks for when it creates an instance.
///
/// The default is a duplex byte pipe without a limit on its instances, with quotas
/// of 64 KiB, and nothing said about who may open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceParams {
    /// Which way data flows.
    pub direction: Direction,
    /// Stream or messages.
    pub pipe_type: PipeType,
    /// How the server end reads at first.
    pub read_mode: ReadMode,
    /// Whether the server end blocks at first.
    pub wait_mode: WaitMode,
    /// 1 to 254, or [`UNLIMITED_INSTANCES`].
    pub max_instances: u32,
    /// Limit on unread data from server to client, in bytes.
    pub out_quota: u32,
    /// Limit on unread data from client to server, in bytes.
    pub in_quota: u32,
    /// How long a client waits that does not say; 0 is [`DEFAULT_TIMEOUT_MS`].
    pub default_timeout_ms: u32,
    /// Whether the name must not exist yet.
    pub first_instance: bool,
    /// Further rights of the server end: WRITE_DAC, WRITE_OWNER, ACCESS_SYSTEM_SECURITY.
    pub further_rights: u32,
    /// Whose the pipe is, and who may open it.
    pub security: SecurityDescriptor,
}

impl Default for InstanceParams {
    fn default() -> InstanceParams {
        InstanceParams {
            direction: Direction::Duplex,
            pipe_type: PipeType::Byte,
            read_mode: ReadMode::Byte,
            wait_mode: WaitMode::Wait,
            max_instances: UNLIMITED_INSTANCES,
            out_quota: 64 * 1024,
            in_quota: 64 * 1024,
            default_timeout_ms: 0,
            first_instance: false,
            further_rights: 0,
            security: SecurityDescriptor::default(),
        }
    }
}

impl InstanceParams {
    /// Takes Win32's open mode and pipe mode apart; the other fields keep their
    /// defaults.
    ///
    /// `FILE_FLAG_OVERLAPPED`, `FILE_FLAG_WRITE_THROUGH` and `PIPE_REJECT_REMOTE_CLIENTS`
    /// are accepted; `WRITE_DAC` and `ACCESS_SYSTEM_SECURITY` are rights of the handle, and
    /// so is `WRITE_OWNER`, the same bit as `FILE_FLAG_FIRST_PIPE_INSTANCE`.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] if no direction is given, if any other bit is set,
    /// or if the pipe is to carry bytes and be read by messages.
    // semantics 19-21, 27, 30-32, 45
    #[doc(alias = "dwOpenMode")]
    #[doc(alias = "dwPipeMode")]
    pub fn from_win32(open_mode: u32, pipe_mode: u32) -> Result<InstanceParams, Status> {
        let known_open = ACCESS_MODES | FILE_FLAG_FIRST_PIPE_INSTANCE | OTHER_OPEN_MODES | OPEN_RIGHTS;
        let known_pipe = PIPE_NOWAIT | PIPE_READMODE_MESSAGE | PIPE_TYPE_MESSAGE | PIPE_REJECT_REMOTE_CLIENTS;
        if open_mode & !known_open != 0 || pipe_mode & !known_pipe != 0 {
            return Err(Status::InvalidParameter);
        }
        let has = |bit| pipe_mode & bit != 0;
        let params = InstanceParams {
            direction: match open_mode & ACCESS_MODES {
                1 => Direction::Inbound,
                2 => Direction::Outbound,
                3 => Direction::Duplex,
                _ => return Err(Status::InvalidParameter),
            },
            pipe_type: if has(PIPE_TYPE_MESSAGE) {
                PipeType::Message
            } else {
                PipeType::Byte
            },
            read_mode: if has(PIPE_READMODE_MESSAGE) {
                ReadMode::Message
            } else {
                ReadMode::Byte
            },
            wait_mode: if has(PIPE_NOWAIT) {
                WaitMode::NoWait
            } else {
                WaitMode::Wait
            },
            first_instance: open_mode & FILE_FLAG_FIRST_PIPE_INSTANCE != 0,
            further_rights: open_mode & OPEN_RIGHTS,
            ..InstanceParams::default()
        };
        params.validate()?;
        Ok(params)
    }

    /// Checks what does not depend on what exists already.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] if a byte pipe is to be read by messages, or the
    /// maximum is not 1 to 255.
    // semantics 21-23, 34
    pub fn validate(&self) -> Result<(), Status> {
        let maximum_fits = (1..=UNLIMITED_INSTANCES).contains(&self.max_instances);
        if !maximum_fits || !self.pipe_type.permits(self.read_mode) {
            return Err(Status::InvalidParameter);
        }
        Ok(())
    }

    /// The rights of the server end, in a pipe of this direction.
    // semantics 32, 40
    pub fn access(&self, direction: Direction) -> Access {
        let first = if self.first_instance { WRITE_OWNER } else { 0 };
        Access::of_server(direction).union(Access::from_win32(self.further_rights | first))
    }

    /// The default time-out that these parameters mean.
    // semantics 37
    pub fn effective_timeout_ms(&self) -> u32 {
        match self.default_timeout_ms {
            0 => DEFAULT_TIMEOUT_MS,
            timeout_ms => timeout_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUPLEX: u32 = 3;

    fn open_mode(bits: u32) -> Result<InstanceParams, Status> {
        InstanceParams::from_win32(bits, 0)
    }

    fn pipe_mode(bits: u32) -> Result<InstanceParams, Status> {
        InstanceParams::from_win32(DUPLEX, bits)
    }

    /// semantics 19
    #[test]
    fn a_direction_must_be_given() {
        assert_eq!(open_mode(0), Err(Status::InvalidParameter));
        assert_eq!(open_mode(0x4000_0000), Err(Status::InvalidParameter));
        assert_eq!(open_mode(1).unwrap().direction, Direction::Inbound);
        assert_eq!(open_mode(2).unwrap().direction, Direction::Outbound);
        assert_eq!(open_mode(3).unwrap().direction, Direction::Duplex);
    }

    /// semantics 20, 45
    #[test]
    fn only_documented_bits_are_accepted() {
        let documented_open = [0, 1, 18, 19, 24, 30, 31];
        let documented_pipe = [0, 2, 3];
        for bit in 0..32 {
            let accepted = open_mode(DUPLEX | 1 << bit).is_ok();
            assert_eq!(accepted, documented_open.contains(&bit), "open mode {bit}");
            // Bit 1 alone is message reading of a byte pipe, which the next test has.
            if bit != 1 {
                let accepted = pipe_mode(1 << bit).is_ok();
                assert_eq!(accepted, documented_pipe.contains(&bit), "pipe mode {bit}");
            }
        }
    }

    /// semantics 21, 27
    #[test]
    fn read_and_wait_mode_belong_to_the_handle() {
        let modes = |bits| pipe_mode(bits).map(|p| (p.pipe_type, p.read_mode, p.wait_mode));
        use {PipeType as T, ReadMode as R, WaitMode as W};
        assert_eq!(modes(0), Ok((T::Byte, R::Byte, W::Wait)));
        assert_eq!(modes(4), Ok((T::Message, R::Byte, W::Wait)));
        assert_eq!(modes(4 | 2 | 1), Ok((T::Message, R::Message, W::NoWait)));
        assert_eq!(modes(8 | 1), Ok((T::Byte, R::Byte, W::NoWait)));
        assert_eq!(modes(2), Err(Status::InvalidParameter));
    }

    /// semantics 30, 32
    #[test]
    fn the_first_instance_flag_is_the_write_owner_bit() {
        let both = open_mode(DUPLEX | WRITE_OWNER).unwrap();
        assert!(both.first_instance && both.further_rights == WRITE_OWNER);
        let neither = open_mode(DUPLEX).unwrap();
        assert!(!neither.first_instance && neither.further_rights == 0);
    }

    /// semantics 22, 23
    #[test]
    fn the_maximum_is_1_to_255() {
        for (max_instances, fits) in [
            (0, false),
            (1, true),
            (254, true),
            (255, true),
            (256, false),
            (u32::MAX, false),
        ] {
            let params = InstanceParams {
                max_instances,
                ..InstanceParams::default()
            };
            assert_eq!(params.validate().is_ok(), fits, "{max_instances}");
        }
    }

    /// semantics 34, 37
    #[test]
    fn quotas_may_be_anything_and_no_timeout_means_50_ms() {
        let with = |out_quota, default_timeout_ms| InstanceParams {
            out_quota,
            default_timeout_ms,
            ..InstanceParams::default()
        };
        assert_eq!(with(0, 0).validate(), Ok(()));
        assert_eq!(with(u32::MAX, 0).validate(), Ok(()));
        assert_eq!(with(0, 0).effective_timeout_ms(), 50);
        assert_eq!(with(0, 7).effective_timeout_ms(), 7);
    }
}
