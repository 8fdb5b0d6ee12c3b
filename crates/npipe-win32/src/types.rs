//! The types and numbers of the Win32 interface that this library works with. The headers have all of them.
//!
//! A `BOOL` is 0 or not 0, a `DWORD` has 32 bits, a handle is a number that fits in 31.

use std::sync::atomic::{AtomicU32, AtomicUsize};

use crate::pointers::Block;

/// BOOL.
pub(crate) type Bool = i32;
/// HANDLE: a number, in C dressed as a pointer.
pub(crate) type Handle = usize;
/// WCHAR: 16 bits.
pub(crate) type Wide = u16;

pub(crate) const TRUE: Bool = 1;
pub(crate) const FALSE: Bool = 0;
pub(crate) const NULL: Handle = 0;
pub(crate) const INVALID_HANDLE_VALUE: Handle = usize::MAX;
/// What GetCurrentProcess returns.
pub(crate) const CURRENT_PROCESS: Handle = usize::MAX;
/// What GetCurrentThread returns.
pub(crate) const CURRENT_THREAD: Handle = usize::MAX - 1;

pub(crate) const INFINITE: u32 = u32::MAX;
pub(crate) const MAXIMUM_WAIT_OBJECTS: usize = 64;
pub(crate) const WAIT_OBJECT_0: u32 = 0;
pub(crate) const WAIT_ABANDONED_0: u32 = 0x80;
pub(crate) const WAIT_IO_COMPLETION: u32 = 0xC0;
pub(crate) const WAIT_TIMEOUT: u32 = 258;
pub(crate) const WAIT_FAILED: u32 = u32::MAX;
pub(crate) const STILL_ACTIVE: u32 = 259;

pub(crate) const STATUS_PENDING: usize = 0x103;

pub(crate) const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
pub(crate) const FILE_FLAG_WRITE_THROUGH: u32 = 0x8000_0000;
pub(crate) const FILE_FLAG_FIRST_PIPE_INSTANCE: u32 = 0x0008_0000;
pub(crate) const WRITE_DAC: u32 = 0x0004_0000;
pub(crate) const ACCESS_SYSTEM_SECURITY: u32 = 0x0100_0000;

pub(crate) const PIPE_ACCESS_INBOUND: u32 = 1;
pub(crate) const PIPE_ACCESS_OUTBOUND: u32 = 2;
pub(crate) const PIPE_NOWAIT: u32 = 1;
pub(crate) const PIPE_READMODE_MESSAGE: u32 = 2;
pub(crate) const PIPE_TYPE_MESSAGE: u32 = 4;
pub(crate) const PIPE_REJECT_REMOTE_CLIENTS: u32 = 8;
pub(crate) const PIPE_SERVER_END: u32 = 1;
pub(crate) const PIPE_UNLIMITED_INSTANCES: u32 = 255;
pub(crate) const NMPWAIT_WAIT_FOREVER: u32 = u32::MAX;

pub(crate) const HANDLE_FLAG_INHERIT: u32 = 1;
pub(crate) const HANDLE_FLAG_PROTECT_FROM_CLOSE: u32 = 2;
pub(crate) const DUPLICATE_CLOSE_SOURCE: u32 = 1;
pub(crate) const DUPLICATE_SAME_ACCESS: u32 = 2;

pub(crate) const FILE_TYPE_UNKNOWN: u32 = 0;
pub(crate) const FILE_TYPE_DISK: u32 = 1;
pub(crate) const FILE_TYPE_CHAR: u32 = 2;
pub(crate) const FILE_TYPE_PIPE: u32 = 3;

/// The Win32 error numbers that this library gives beside those of npipe's statuses.
pub(crate) mod code {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const FILE_NOT_FOUND: u32 = 2;
    pub(crate) const PATH_NOT_FOUND: u32 = 3;
    pub(crate) const TOO_MANY_OPEN_FILES: u32 = 4;
    pub(crate) const ACCESS_DENIED: u32 = 5;
    pub(crate) const INVALID_HANDLE: u32 = 6;
    pub(crate) const NOT_ENOUGH_MEMORY: u32 = 8;
    pub(crate) const BAD_LENGTH: u32 = 24;
    pub(crate) const GEN_FAILURE: u32 = 31;
    pub(crate) const HANDLE_EOF: u32 = 38;
    pub(crate) const NOT_SUPPORTED: u32 = 50;
    pub(crate) const FILE_EXISTS: u32 = 80;
    pub(crate) const INVALID_PARAMETER: u32 = 87;
    pub(crate) const BROKEN_PIPE: u32 = 109;
    pub(crate) const BUFFER_OVERFLOW: u32 = 111;
    pub(crate) const DISK_FULL: u32 = 112;
    pub(crate) const CALL_NOT_IMPLEMENTED: u32 = 120;
    pub(crate) const INSUFFICIENT_BUFFER: u32 = 122;
    pub(crate) const MOD_NOT_FOUND: u32 = 126;
    pub(crate) const PROC_NOT_FOUND: u32 = 127;
    pub(crate) const NEGATIVE_SEEK: u32 = 131;
    pub(crate) const DIR_NOT_EMPTY: u32 = 145;
    pub(crate) const NOT_LOCKED: u32 = 158;
    pub(crate) const ALREADY_EXISTS: u32 = 183;
    pub(crate) const BAD_EXE_FORMAT: u32 = 193;
    pub(crate) const ENVVAR_NOT_FOUND: u32 = 203;
    pub(crate) const PIPE_LOCAL: u32 = 229;
    pub(crate) const MORE_DATA: u32 = 234;
    pub(crate) const DIRECTORY: u32 = 267;
    pub(crate) const NOT_OWNER: u32 = 288;
    pub(crate) const TOO_MANY_POSTS: u32 = 298;
    pub(crate) const MR_MID_NOT_FOUND: u32 = 317;
    pub(crate) const PIPE_CONNECTED: u32 = 535;
    pub(crate) const ABANDONED_WAIT_0: u32 = 735;
    pub(crate) const IO_INCOMPLETE: u32 = 996;
    pub(crate) const NOACCESS: u32 = 998;
    pub(crate) const NO_TOKEN: u32 = 1008;
    pub(crate) const NO_UNICODE_TRANSLATION: u32 = 1113;
    pub(crate) const NOT_FOUND: u32 = 1168;
    pub(crate) const NOT_ALL_ASSIGNED: u32 = 1300;
    pub(crate) const UNKNOWN_REVISION: u32 = 1305;
    pub(crate) const REVISION_MISMATCH: u32 = 1306;
    pub(crate) const NO_IMPERSONATION_TOKEN: u32 = 1309;
    pub(crate) const NO_SUCH_PRIVILEGE: u32 = 1313;
    pub(crate) const NONE_MAPPED: u32 = 1332;
    pub(crate) const INVALID_ACL: u32 = 1336;
    pub(crate) const INVALID_SID: u32 = 1337;
    pub(crate) const INVALID_SECURITY_DESCR: u32 = 1338;
    pub(crate) const ALLOTTED_SPACE_EXCEEDED: u32 = 1344;
    pub(crate) const BAD_TOKEN_TYPE: u32 = 1349;
    pub(crate) const INTERNAL_ERROR: u32 = 1359;
    pub(crate) const GENERIC_NOT_MAPPED: u32 = 1360;
    pub(crate) const BAD_DESCRIPTOR_FORMAT: u32 = 1361;
    pub(crate) const TIMEOUT: u32 = 1460;
}

/// OVERLAPPED. Others watch `Internal`, so its words are atomic.
#[repr(C)]
pub(crate) struct OVERLAPPED {
    pub(crate) Internal: AtomicUsize,
    pub(crate) InternalHigh: AtomicUsize,
    pub(crate) Offset: AtomicU32,
    pub(crate) OffsetHigh: AtomicU32,
    pub(crate) hEvent: AtomicUsize,
}

/// SECURITY_ATTRIBUTES.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SECURITY_ATTRIBUTES {
    pub(crate) nLength: u32,
    pub(crate) lpSecurityDescriptor: Block,
    pub(crate) bInheritHandle: Bool,
}

/// CRITICAL_SECTION. The counter of Windows' debugger is unused.
#[repr(C)]
pub(crate) struct CRITICAL_SECTION {
    pub(crate) DebugInfo: AtomicUsize,
    /// 0 free, 1 taken, 2 taken and wanted.
    pub(crate) LockCount: AtomicU32,
    pub(crate) RecursionCount: AtomicU32,
    /// The number of the thread that has it.
    pub(crate) OwningThread: AtomicUsize,
    pub(crate) LockSemaphore: AtomicUsize,
    pub(crate) SpinCount: AtomicUsize,
}

/// SRWLOCK, which has the size of a pointer.
#[repr(C, align(8))]
pub(crate) struct SRWLOCK {
    /// How many share it; all bits while one has it alone.
    pub(crate) holders: AtomicU32,
    /// Counts the times it became free, in steps of two; odd while threads wait for the next.
    pub(crate) turn: AtomicU32,
}

/// CONDITION_VARIABLE, which has the size of a pointer.
#[repr(C, align(8))]
pub(crate) struct CONDITION_VARIABLE {
    /// Counts the wakes.
    pub(crate) sequence: AtomicU32,
    pub(crate) unused: AtomicU32,
}

/// INIT_ONCE, which has the size of a pointer, and the layout of one where the lower half lies first.
#[repr(C, align(8))]
pub(crate) struct INIT_ONCE {
    pub(crate) low: AtomicU32,
    pub(crate) high: AtomicU32,
}
