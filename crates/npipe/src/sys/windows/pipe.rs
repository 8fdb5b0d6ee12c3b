#![allow(unsafe_code, reason = "the system's calls on pipes, which take pointers")]
//! Making and opening ends, and asking about them.

use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::time::Duration;

use npipe_core::PipeName;
use windows_sys::Wdk::Foundation::{NtQueryObject, ObjectBasicInformation};
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation, NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_OVERLAPPED, FILE_NAME_INFO, FileNameInfo, GetFileInformationByHandleEx, OPEN_EXISTING,
    SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, DisconnectNamedPipe, GetNamedPipeClientProcessId, GetNamedPipeHandleStateW, GetNamedPipeInfo,
    GetNamedPipeServerProcessId, NMPWAIT_USE_DEFAULT_WAIT, NMPWAIT_WAIT_FOREVER, PIPE_NOWAIT, PIPE_READMODE_MESSAGE,
    PIPE_SERVER_END, PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES, PeekNamedPipe, SetNamedPipeHandleState,
    WaitNamedPipeW,
};
use windows_sys::Win32::System::WindowsProgramming::PUBLIC_OBJECT_BASIC_INFORMATION;

use super::transfer::waiting;
use super::{Code, CodeResult, done, milliseconds, terminated};

/// The numbers of CreateNamedPipe.
pub(crate) struct Creation<'a> {
    pub(crate) open_mode: u32,
    pub(crate) pipe_mode: u32,
    pub(crate) max_instances: u32,
    pub(crate) out_quota: u32,
    pub(crate) in_quota: u32,
    pub(crate) default_timeout_ms: u32,
    /// The descriptor as bytes, self-relative.
    pub(crate) descriptor: &'a [u8],
}

/// Creates an instance.
pub(crate) fn create(name: &PipeName, creation: &Creation<'_>) -> CodeResult<OwnedHandle> {
    let path = terminated(&name.path_units());
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: creation.descriptor.as_ptr().cast_mut().cast(),
        bInheritHandle: 0,
    };
    // SAFETY: the path ends with a zero, and the descriptor is a whole one; both live until the call returns.
    let handle = unsafe {
        CreateNamedPipeW(
            path.as_ptr(),
            creation.open_mode | FILE_FLAG_OVERLAPPED,
            creation.pipe_mode,
            creation.max_instances,
            creation.out_quota,
            creation.in_quota,
            creation.default_timeout_ms,
            &raw const attributes,
        )
    };
    owned(handle)
}

/// Opens a client's end, with these rights and this quality of service.
pub(crate) fn open(name: &PipeName, access: u32, qos_flags: u32) -> CodeResult<OwnedHandle> {
    let path = terminated(&name.path_units());
    let flags = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | qos_flags;
    // SAFETY: the path ends with a zero and lives until the call returns.
    let handle = unsafe { CreateFileW(path.as_ptr(), access, 0, null(), OPEN_EXISTING, flags, null_mut()) };
    owned(handle)
}

fn owned(handle: RawHandle) -> CodeResult<OwnedHandle> {
    if handle == INVALID_HANDLE_VALUE {
        return Err(Code::last());
    }
    // SAFETY: it is a new handle that nobody else closes.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Waits until an instance listens; `None` for ever, zero as long as the server says.
pub(crate) fn wait_for(name: &PipeName, timeout: Option<Duration>) -> CodeResult<()> {
    let path = terminated(&name.path_units());
    let timeout_ms = match timeout {
        Some(Duration::ZERO) => NMPWAIT_USE_DEFAULT_WAIT,
        // 1 means not at all.
        Some(time) => milliseconds(Some(time)).max(2),
        None => NMPWAIT_WAIT_FOREVER,
    };
    // SAFETY: the path ends with a zero and lives until the call returns.
    waiting(|| done(unsafe { WaitNamedPipeW(path.as_ptr(), timeout_ms) }))
}

/// Throws the client out.
pub(crate) fn disconnect(end: BorrowedHandle<'_>) -> CodeResult<()> {
    // SAFETY: the handle is open.
    done(unsafe { DisconnectNamedPipe(end.as_raw_handle()) })
}

/// How much was copied, how much there is, and how much the first message has beyond that.
pub(crate) fn peek(end: BorrowedHandle<'_>, buffer: &mut [u8]) -> CodeResult<[u32; 3]> {
    let (mut copied, mut total, mut left) = (0, 0, 0);
    // SAFETY: the buffer and the counts live until the call returns.
    done(unsafe {
        PeekNamedPipe(
            end.as_raw_handle(),
            buffer.as_mut_ptr().cast(),
            u32::try_from(buffer.len()).unwrap_or(u32::MAX),
            &raw mut copied,
            &raw mut total,
            &raw mut left,
        )
    })?;
    Ok([copied, total, left])
}

/// What GetNamedPipeInfo tells.
pub(crate) struct Fixed {
    pub(crate) is_message: bool,
    pub(crate) is_server: bool,
    pub(crate) max_instances: u32,
    pub(crate) out_quota: u32,
    pub(crate) in_quota: u32,
}

/// What is fixed about the pipe.
pub(crate) fn fixed(end: BorrowedHandle<'_>) -> CodeResult<Fixed> {
    let (mut flags, mut out_quota, mut in_quota, mut max_instances) = (0, 0, 0, 0);
    // SAFETY: the numbers live until the call returns.
    done(unsafe {
        GetNamedPipeInfo(
            end.as_raw_handle(),
            &raw mut flags,
            &raw mut out_quota,
            &raw mut in_quota,
            &raw mut max_instances,
        )
    })?;
    Ok(Fixed {
        is_message: flags & PIPE_TYPE_MESSAGE != 0,
        is_server: flags & PIPE_SERVER_END != 0,
        max_instances: maximum(max_instances),
        out_quota,
        in_quota,
    })
}

/// NT has all bits set where there is no limit (semantics 196).
fn maximum(instances: u32) -> u32 {
    instances.min(PIPE_UNLIMITED_INSTANCES)
}

/// What changes about an end.
pub(crate) struct Changing {
    pub(crate) reads_messages: bool,
    pub(crate) nowait: bool,
    pub(crate) instances: u32,
}

/// What changes about the end.
pub(crate) fn changing(end: BorrowedHandle<'_>) -> CodeResult<Changing> {
    let (mut modes, mut instances) = (0, 0);
    // SAFETY: the two numbers live until the call returns; the others are not asked for.
    done(unsafe {
        GetNamedPipeHandleStateW(
            end.as_raw_handle(),
            &raw mut modes,
            &raw mut instances,
            null_mut(),
            null_mut(),
            null_mut(),
            0,
        )
    })?;
    Ok(Changing {
        reads_messages: modes & PIPE_READMODE_MESSAGE != 0,
        nowait: modes & PIPE_NOWAIT != 0,
        instances,
    })
}

/// Sets both modes.
pub(crate) fn set_modes(end: BorrowedHandle<'_>, reads_messages: bool, nowait: bool) -> CodeResult<()> {
    let mut modes = 0;
    if reads_messages {
        modes |= PIPE_READMODE_MESSAGE;
    }
    if nowait {
        modes |= PIPE_NOWAIT;
    }
    // SAFETY: the number lives until the call returns; the others are left as they are.
    done(unsafe { SetNamedPipeHandleState(end.as_raw_handle(), &raw const modes, null(), null()) })
}

/// NT's numbers of an end.
pub(crate) struct Local {
    /// 0 inbound, 1 outbound, 2 duplex.
    pub(crate) configuration: u32,
    pub(crate) is_message: bool,
    pub(crate) instances: u32,
    pub(crate) max_instances: u32,
    pub(crate) readable: u32,
    pub(crate) writable: u32,
    /// 1 disconnected, 2 listening, 3 connected, 4 closing.
    pub(crate) state: u32,
}

/// What there is in the end's pipe.
pub(crate) fn local(end: BorrowedHandle<'_>) -> CodeResult<Local> {
    let mut found = FILE_PIPE_LOCAL_INFORMATION::default();
    let mut outcome = IO_STATUS_BLOCK {
        Anonymous: IO_STATUS_BLOCK_0 { Status: 0 },
        Information: 0,
    };
    // SAFETY: both live until the call returns, and the length is that of what is to be filled.
    let status = unsafe {
        NtQueryInformationFile(
            end.as_raw_handle(),
            &raw mut outcome,
            (&raw mut found).cast(),
            size_of::<FILE_PIPE_LOCAL_INFORMATION>() as u32,
            FilePipeLocalInformation,
        )
    };
    if status < 0 {
        return Err(Code::Nt(status));
    }
    Ok(Local {
        configuration: found.NamedPipeConfiguration,
        is_message: found.NamedPipeType != 0,
        instances: found.CurrentInstances,
        max_instances: maximum(found.MaximumInstances),
        readable: found.ReadDataAvailable,
        writable: found.WriteQuotaAvailable,
        state: found.NamedPipeState,
    })
}

/// The process that opened this server's end's other one.
pub(crate) fn client_process(end: BorrowedHandle<'_>) -> CodeResult<u32> {
    let mut pid = 0;
    // SAFETY: the number lives until the call returns.
    done(unsafe { GetNamedPipeClientProcessId(end.as_raw_handle(), &raw mut pid) })?;
    Ok(pid)
}

/// The process that created the instance.
pub(crate) fn server_process(end: BorrowedHandle<'_>) -> CodeResult<u32> {
    let mut pid = 0;
    // SAFETY: the number lives until the call returns.
    done(unsafe { GetNamedPipeServerProcessId(end.as_raw_handle(), &raw mut pid) })?;
    Ok(pid)
}

/// The rights that the handle was opened with.
pub(crate) fn granted_access(end: BorrowedHandle<'_>) -> CodeResult<u32> {
    let mut found = PUBLIC_OBJECT_BASIC_INFORMATION::default();
    // SAFETY: what is to be filled lives until the call returns, and has that length.
    let status = unsafe {
        NtQueryObject(
            end.as_raw_handle(),
            ObjectBasicInformation,
            (&raw mut found).cast(),
            size_of::<PUBLIC_OBJECT_BASIC_INFORMATION>() as u32,
            null_mut(),
        )
    };
    if status < 0 {
        return Err(Code::Nt(status));
    }
    Ok(found.GrantedAccess)
}

/// The name that the system knows the end by, without what stands before it.
pub(crate) fn name_of(end: BorrowedHandle<'_>) -> CodeResult<Vec<u16>> {
    // A length in bytes and the name, in words that are aligned for both.
    let mut found = [0_u32; 512];
    // SAFETY: what is to be filled lives until the call returns, and has that length.
    done(unsafe {
        GetFileInformationByHandleEx(
            end.as_raw_handle(),
            FileNameInfo,
            found.as_mut_ptr().cast(),
            size_of_val(&found) as u32,
        )
    })?;
    debug_assert_eq!(std::mem::offset_of!(FILE_NAME_INFO, FileName), 4);
    let units = found[1..]
        .iter()
        .flat_map(|word| [(word & 0xFFFF) as u16, (word >> 16) as u16]);
    let name: Vec<u16> = units.take(found[0] as usize / 2).collect();
    Ok(match name.strip_prefix(&[u16::from(b'\\')]) {
        Some(rest) => rest.to_vec(),
        None => name,
    })
}
