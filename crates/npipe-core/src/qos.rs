//! What a client lets its server do with its identity: the security quality of service.
//!
//! The client says it when it opens the pipe; it can only lower what the server gets. Who the client is never comes from
//! here, but from the system.

use serde::{Deserialize, Serialize};

use crate::status::Status;

const SECURITY_SQOS_PRESENT: u32 = 0x0010_0000;
const SECURITY_CONTEXT_TRACKING: u32 = 0x0004_0000;
const SECURITY_EFFECTIVE_ONLY: u32 = 0x0008_0000;
const LEVEL_SHIFT: u32 = 16;
const LEVEL_MASK: u32 = 0x0003_0000;
/// The bits that mean something once [`SECURITY_SQOS_PRESENT`] is set.
const QOS_MASK: u32 = LEVEL_MASK | SECURITY_CONTEXT_TRACKING | SECURITY_EFFECTIVE_ONLY;

/// How far a server may act as its client; each level includes those before it.
// semantics 262
#[doc(alias = "SECURITY_IMPERSONATION_LEVEL")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ImpersonationLevel {
    /// Not at all: it may not even know who the client is.
    #[doc(alias = "SECURITY_ANONYMOUS")]
    Anonymous,
    /// It may know who the client is, and decide by it what the client may do.
    #[doc(alias = "SECURITY_IDENTIFICATION")]
    Identification,
    /// It may act as the client on this computer.
    #[default]
    #[doc(alias = "SECURITY_IMPERSONATION")]
    Impersonation,
    /// The same, on other computers too; there are none here.
    #[doc(alias = "SECURITY_DELEGATION")]
    Delegation,
}

impl ImpersonationLevel {
    /// All of them, by Windows' numbers.
    const ALL: [ImpersonationLevel; 4] = [
        ImpersonationLevel::Anonymous,
        ImpersonationLevel::Identification,
        ImpersonationLevel::Impersonation,
        ImpersonationLevel::Delegation,
    ];

    /// The level with this number of SECURITY_IMPERSONATION_LEVEL.
    pub fn from_win32(number: u32) -> Option<ImpersonationLevel> {
        ImpersonationLevel::ALL.get(number as usize).copied()
    }

    /// Its number in SECURITY_IMPERSONATION_LEVEL.
    pub const fn to_win32(self) -> u32 {
        self as u32
    }
}

/// What a client lets its server do with its identity. By default: act as the client, as it was when it opened the pipe.
// semantics 262
#[doc(alias = "SECURITY_QUALITY_OF_SERVICE")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecurityQos {
    /// How far the server may act as the client.
    pub level: ImpersonationLevel,
    /// Whether the server is to see later changes of the client's identity: SECURITY_DYNAMIC_TRACKING.
    pub dynamic_tracking: bool,
    /// Whether the server gets only what is enabled in the client's identity.
    pub effective_only: bool,
}

impl SecurityQos {
    /// What flags of CreateFile say, of which others than these are ignored. Without SECURITY_SQOS_PRESENT, the default.
    ///
    /// With SECURITY_SQOS_PRESENT alone the level is [`ImpersonationLevel::Anonymous`], whose number is 0.
    // semantics 262
    pub fn from_win32(flags: u32) -> SecurityQos {
        if flags & SECURITY_SQOS_PRESENT == 0 {
            return SecurityQos::default();
        }
        let level = ImpersonationLevel::from_win32((flags & LEVEL_MASK) >> LEVEL_SHIFT);
        SecurityQos {
            level: level.unwrap_or(ImpersonationLevel::Anonymous),
            dynamic_tracking: flags & SECURITY_CONTEXT_TRACKING != 0,
            effective_only: flags & SECURITY_EFFECTIVE_ONLY != 0,
        }
    }

    /// The same for flags that are to say nothing else.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] for other bits, or without SECURITY_SQOS_PRESENT.
    pub fn from_flags(flags: u32) -> Result<SecurityQos, Status> {
        match flags & !QOS_MASK {
            SECURITY_SQOS_PRESENT => Ok(SecurityQos::from_win32(flags)),
            _ => Err(Status::InvalidParameter),
        }
    }

    /// The flags of CreateFile that say so, SECURITY_SQOS_PRESENT among them.
    pub fn to_win32(self) -> u32 {
        let flag = |set, bit| if set { bit } else { 0 };
        SECURITY_SQOS_PRESENT
            | self.level.to_win32() << LEVEL_SHIFT
            | flag(self.dynamic_tracking, SECURITY_CONTEXT_TRACKING)
            | flag(self.effective_only, SECURITY_EFFECTIVE_ONLY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 262
    #[test]
    fn without_flags_the_server_may_act_as_the_client() {
        for flags in [0, 0x0003_0000, 0x4000_0000] {
            let qos = SecurityQos::from_win32(flags);
            assert_eq!(qos, SecurityQos::default());
            assert_eq!(
                (qos.level, qos.dynamic_tracking),
                (ImpersonationLevel::Impersonation, false)
            );
        }
    }

    /// semantics 262
    #[test]
    fn flags_say_the_level_and_the_tracking() {
        use ImpersonationLevel as L;
        for (number, level) in [L::Anonymous, L::Identification, L::Impersonation, L::Delegation]
            .into_iter()
            .enumerate()
        {
            for (more, dynamic_tracking, effective_only) in
                [(0, false, false), (0x0004_0000, true, false), (0x000c_0000, true, true)]
            {
                let flags = SECURITY_SQOS_PRESENT | (number as u32) << 16 | more;
                let qos = SecurityQos::from_flags(flags).unwrap();
                let expected = SecurityQos {
                    level,
                    dynamic_tracking,
                    effective_only,
                };
                assert_eq!((qos, qos.to_win32()), (expected, flags));
                // Of CreateFile's flags the others mean something else.
                assert_eq!(SecurityQos::from_win32(flags | 0x4000_0080), expected);
            }
        }
        assert!(L::Anonymous < L::Identification && L::Impersonation < L::Delegation);
        assert_eq!(L::from_win32(4), None);
    }

    /// semantics 262
    #[test]
    fn what_is_no_quality_of_service_is_refused() {
        let present = SECURITY_SQOS_PRESENT;
        for flags in [0, 0x0002_0000, present | 1, present | 0x4000_0000, u32::MAX] {
            assert_eq!(
                SecurityQos::from_flags(flags),
                Err(Status::InvalidParameter),
                "{flags:#x}"
            );
        }
    }
}
