//! CreateFile, and ordinary files.
//!
//! A path that is not a pipe's is the system's; backslashes in it are slashes, NUL and CON are what they are. Share modes
//! are not enforced, as the system has none; attributes are not kept. Files block, with an OVERLAPPED too, whose offset
//! they then read or write at.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use npipe::Access;

use crate::dispatch::locked;
use crate::failure::{Failure, Outcome, not_implemented, set_last_error};
use crate::handles;
use crate::object::Object;
use crate::overlapped::{self, Moved};
use crate::pipes::create::{self, Kind};
use crate::pointers::{Ansi, In, Out, Shared, WideText};
use crate::security::memory::keeps_out;
use crate::text::Words;
use crate::types::{
    Bool, FALSE, FILE_TYPE_CHAR, FILE_TYPE_DISK, FILE_TYPE_PIPE, FILE_TYPE_UNKNOWN, Handle, INVALID_HANDLE_VALUE, NULL,
    OVERLAPPED, SECURITY_ATTRIBUTES, TRUE, code,
};

const CREATE_NEW: u32 = 1;
const CREATE_ALWAYS: u32 = 2;
const OPEN_ALWAYS: u32 = 4;
const TRUNCATE_EXISTING: u32 = 5;
const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
const INVALID_SET_FILE_POINTER: u32 = u32::MAX;
const FIRST_STANDARD_HANDLE: u32 = -12_i32 as u32;

/// An ordinary file, or a standard stream.
pub(crate) struct OpenFile {
    file: File,
}

impl From<OwnedFd> for OpenFile {
    fn from(fd: OwnedFd) -> OpenFile {
        OpenFile { file: File::from(fd) }
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether a file has a structure that says where to read or write.
fn offset(overlapped: Shared<'_, OVERLAPPED>) -> Option<u64> {
    let overlapped = overlapped.get()?;
    let high = u64::from(overlapped.OffsetHigh.load(Ordering::Relaxed));
    Some(high << 32 | u64::from(overlapped.Offset.load(Ordering::Relaxed)))
}

/// Goes on where a signal interrupted.
fn uninterrupted<T>(mut act: impl FnMut() -> std::io::Result<T>) -> Outcome<T> {
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return Ok(other?),
        }
    }
}

impl OpenFile {
    /// What there is to be read, without an OVERLAPPED.
    pub(crate) fn read_some(&self, into: &mut [u8]) -> Outcome<usize> {
        uninterrupted(|| (&self.file).read(into))
    }

    /// Some of `data`, without an OVERLAPPED.
    pub(crate) fn write_some(&self, data: &[u8]) -> Outcome<usize> {
        uninterrupted(|| (&self.file).write(data))
    }

    pub(crate) fn read(&self, into: &mut [u8], overlapped: Shared<'_, OVERLAPPED>) -> Outcome<Moved> {
        let Some(offset) = offset(overlapped) else {
            return Ok(self.read_some(into)?.into());
        };
        overlapped::synchronously(overlapped, || {
            let bytes = uninterrupted(|| self.file.read_at(into, offset))?;
            // With a position there is no end that is not an error.
            if bytes == 0 && !into.is_empty() {
                return Err(Failure(code::HANDLE_EOF));
            }
            Ok(bytes.into())
        })
    }

    pub(crate) fn write(&self, data: &[u8], overlapped: Shared<'_, OVERLAPPED>) -> Outcome<Moved> {
        match offset(overlapped) {
            None => {
                (&self.file).write_all(data)?;
                Ok(data.len().into())
            }
            Some(offset) => overlapped::synchronously(overlapped, || {
                self.file.write_all_at(data, offset)?;
                Ok(data.len().into())
            }),
        }
    }

    pub(crate) fn flush(&self) -> Outcome<()> {
        match self.file.sync_all() {
            // Terminals and pipes have nothing to sync.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            other => Ok(other?),
        }
    }

    pub(crate) fn file_type(&self) -> u32 {
        let Ok(metadata) = self.file.metadata() else {
            return FILE_TYPE_UNKNOWN;
        };
        let kind = metadata.file_type();
        if kind.is_fifo() || kind.is_socket() {
            FILE_TYPE_PIPE
        } else if kind.is_char_device() {
            FILE_TYPE_CHAR
        } else {
            FILE_TYPE_DISK
        }
    }
}

/// The system's path for one of Windows'.
pub(crate) fn system_path(path: &OsStr) -> OsString {
    let bytes = path.as_bytes();
    let bare = bytes
        .strip_prefix(br"\\.\")
        .or_else(|| bytes.strip_prefix(br"\\?\"))
        .unwrap_or(bytes);
    if bare.eq_ignore_ascii_case(b"NUL") {
        return "/dev/null".into();
    }
    if ["CON", "CONIN$", "CONOUT$"]
        .iter()
        .any(|name| bare.eq_ignore_ascii_case(name.as_bytes()))
    {
        return "/dev/tty".into();
    }
    let slashed = bare.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte });
    OsString::from_vec(slashed.collect())
}

/// Opens or makes an ordinary file; says whether it was there before.
fn open_file(path: &Path, access: Access, disposition: u32) -> Outcome<(File, bool)> {
    let existed = path.exists();
    let mut options = OpenOptions::new();
    let makes = matches!(disposition, CREATE_NEW | CREATE_ALWAYS | OPEN_ALWAYS);
    let empties = matches!(disposition, CREATE_ALWAYS | TRUNCATE_EXISTING);
    if disposition == TRUNCATE_EXISTING && !access.write {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    options
        .read(access.read || !access.write)
        // Without this the system makes and empties nothing; what the handle allows is checked by the handle.
        .write(access.write || (makes && !existed) || empties)
        .create(makes && disposition != CREATE_NEW && (access.write || !existed))
        .create_new(disposition == CREATE_NEW)
        .truncate(empties);
    let file = options.open(path).map_err(|error| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match error.kind() {
            ErrorKind::NotFound if parent.is_some_and(|parent| !parent.exists()) => Failure(code::PATH_NOT_FOUND),
            _ => Failure::from(error),
        }
    })?;
    if file.metadata()?.is_dir() {
        return Err(Failure(code::ACCESS_DENIED));
    }
    Ok((file, existed))
}

fn create_file(
    path: &OsStr,
    desired: u32,
    attributes: In<SECURITY_ATTRIBUTES>,
    disposition: u32,
    flags: u32,
) -> Outcome<Handle> {
    if path.is_empty() {
        return Err(Failure(code::PATH_NOT_FOUND));
    }
    if !(CREATE_NEW..=TRUNCATE_EXISTING).contains(&disposition) {
        return Err(Failure(code::INVALID_PARAMETER));
    }
    let inherit = attributes
        .get()
        .is_some_and(|attributes| attributes.bInheritHandle != FALSE);
    match create::kind_of(path) {
        Kind::Pipe => return create::open(path, desired, inherit, flags),
        Kind::PipeDevice => return handles::insert(Object::PipeDevice, Access::READ_WRITE, inherit),
        Kind::Device | Kind::Ordinary => {}
    }
    if flags & FILE_FLAG_DELETE_ON_CLOSE != 0 {
        return Err(not_implemented("CreateFile with FILE_FLAG_DELETE_ON_CLOSE"));
    }
    // semantics 262
    npipe::impersonation::require_acting()?;
    let may_create = matches!(disposition, CREATE_NEW | CREATE_ALWAYS | OPEN_ALWAYS);
    if may_create
        && let Some(attributes) = attributes.get()
        && keeps_out(&attributes)?
    {
        return Err(not_implemented("CreateFile with an access list for a new file"));
    }
    let access = Access::from_win32(desired);
    let (file, existed) = open_file(Path::new(&system_path(path)), access, disposition)?;
    let handle = handles::insert(Object::File(Arc::new(OpenFile { file })), access, inherit)?;
    if matches!(disposition, CREATE_ALWAYS | OPEN_ALWAYS) {
        set_last_error(if existed { code::ALREADY_EXISTS } else { code::SUCCESS });
    }
    Ok(handle)
}

/// The file behind a handle.
fn file(handle: Handle) -> Outcome<Arc<OpenFile>> {
    match handles::get(handle)?.object {
        Object::File(file) => Ok(file),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

fn seek(handle: Handle, distance: i64, method: u32) -> Outcome<u64> {
    let file = file(handle)?;
    let target = match method {
        0 => SeekFrom::Start(u64::try_from(distance).map_err(|_| Failure(code::NEGATIVE_SEEK))?),
        1 => SeekFrom::Current(distance),
        2 => SeekFrom::End(distance),
        _ => return Err(Failure(code::INVALID_PARAMETER)),
    };
    (&file.file).seek(target).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => Failure(code::NEGATIVE_SEEK),
        _ => Failure::from(error),
    })
}

/// The standard handles, from the input on; 0 until somebody asks or sets.
static STANDARD: [AtomicUsize; 3] = [const { AtomicUsize::new(NULL) }; 3];

/// -10, -11 and -12 are input, output and error.
fn standard(which: u32) -> Outcome<usize> {
    match which.wrapping_sub(FIRST_STANDARD_HANDLE) {
        number @ 0..=2 => Ok(2 - number as usize),
        _ => Err(Failure(code::INVALID_HANDLE)),
    }
}

/// A handle of this process' stream.
fn open_standard(stream: usize) -> Outcome<Handle> {
    let fd = match stream {
        0 => std::io::stdin().as_fd().try_clone_to_owned(),
        1 => std::io::stdout().as_fd().try_clone_to_owned(),
        _ => std::io::stderr().as_fd().try_clone_to_owned(),
    }?;
    // semantics 260
    let (object, access) = match create::stream_of_pipe(fd.as_fd(), stream) {
        Some(end) => end,
        None => (Object::File(Arc::new(OpenFile::from(fd))), Access::READ_WRITE),
    };
    handles::insert(object, access, true)
}

/// What stands for a stream, if the program has asked for it or set it.
pub(crate) fn standard_handle(stream: usize) -> Option<Handle> {
    Some(STANDARD[stream].load(Ordering::Relaxed)).filter(|&handle| handle != NULL)
}

/// Has a handle stand for a stream.
pub(crate) fn set_standard(stream: usize, handle: Handle) {
    STANDARD[stream].store(handle, Ordering::Relaxed);
}

fn delete(path: &OsStr) -> Outcome<Bool> {
    npipe::impersonation::require_acting()?;
    std::fs::remove_file(system_path(path))?;
    Ok(TRUE)
}

crate::export! {
    /// CreateFileA: the client's end of a pipe, `\\.\pipe\` itself, or an ordinary file.
    ///
    /// # Errors
    /// Of pipes: ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, ERROR_ACCESS_DENIED, ERROR_INVALID_NAME. Of files also
    /// ERROR_PATH_NOT_FOUND, ERROR_FILE_EXISTS, ERROR_INVALID_PARAMETER. ERROR_BAD_IMPERSONATION_LEVEL where the thread
    /// impersonates and may not act as the client.
    fn CreateFileA(
        name: Ansi<'_>,
        access: u32,
        _share: u32,
        attributes: In<SECURITY_ATTRIBUTES>,
        disposition: u32,
        flags: u32,
        _template: Handle,
    ) -> Handle [INVALID_HANDLE_VALUE] {
        create_file(&name.path(), access, attributes, disposition, flags)
    }

    /// CreateFileW.
    ///
    /// # Errors
    /// As CreateFileA.
    fn CreateFileW(
        name: WideText<'_>,
        access: u32,
        _share: u32,
        attributes: In<SECURITY_ATTRIBUTES>,
        disposition: u32,
        flags: u32,
        _template: Handle,
    ) -> Handle [INVALID_HANDLE_VALUE] {
        create_file(&name.path(), access, attributes, disposition, flags)
    }

    /// DeleteFileA, of an ordinary file.
    ///
    /// # Errors
    /// ERROR_FILE_NOT_FOUND, ERROR_ACCESS_DENIED.
    fn DeleteFileA(name: Ansi<'_>) -> Bool [FALSE] {
        delete(&name.path())
    }

    /// DeleteFileW.
    ///
    /// # Errors
    /// As DeleteFileA.
    fn DeleteFileW(name: WideText<'_>) -> Bool [FALSE] {
        delete(&name.path())
    }

    /// GetFileSizeEx.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for what is no ordinary file.
    fn GetFileSizeEx(handle: Handle, size: Out<i64>) -> Bool [FALSE] {
        size.set(file(handle)?.file.metadata()?.len() as i64);
        Ok(TRUE)
    }

    /// GetFileSize.
    ///
    /// # Errors
    /// As GetFileSizeEx.
    fn GetFileSize(handle: Handle, high: Out<u32>) -> u32 [u32::MAX] {
        let size = file(handle)?.file.metadata()?.len();
        high.set((size >> 32) as u32);
        Ok(size as u32)
    }

    /// SetFilePointerEx.
    ///
    /// # Errors
    /// ERROR_NEGATIVE_SEEK, ERROR_INVALID_PARAMETER, ERROR_INVALID_HANDLE.
    fn SetFilePointerEx(handle: Handle, distance: i64, position: Out<i64>, method: u32) -> Bool [FALSE] {
        position.set(seek(handle, distance, method)? as i64);
        Ok(TRUE)
    }

    /// SetFilePointer.
    ///
    /// # Errors
    /// As SetFilePointerEx.
    fn SetFilePointer(handle: Handle, low: i32, high: Out<i32>, method: u32) -> u32 [INVALID_SET_FILE_POINTER] {
        let distance = match high.get() {
            None => i64::from(low),
            Some(high) => i64::from(high) << 32 | i64::from(low as u32),
        };
        let position = seek(handle, distance, method)?;
        high.set((position >> 32) as i32);
        if position as u32 == INVALID_SET_FILE_POINTER {
            set_last_error(code::SUCCESS);
        }
        Ok(position as u32)
    }

    /// SetEndOfFile: where the position is.
    ///
    /// # Errors
    /// ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE.
    fn SetEndOfFile(handle: Handle) -> Bool [FALSE] {
        handles::get(handle)?.access.require_write()?;
        let file = file(handle)?;
        let position = (&file.file).stream_position()?;
        file.file.set_len(position)?;
        Ok(TRUE)
    }

    /// GetStdHandle: a handle of the stream, the same each time.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for other numbers.
    fn GetStdHandle(which: u32) -> Handle [INVALID_HANDLE_VALUE] {
        static OPENING: Mutex<()> = Mutex::new(());
        let stream = standard(which)?;
        let _opening = locked(&OPENING);
        crate::processes::claim::keep_linked();
        if let Some(known) = standard_handle(stream) {
            return Ok(known);
        }
        let handle = open_standard(stream)?;
        set_standard(stream, handle);
        Ok(handle)
    }

    /// SetStdHandle: what GetStdHandle gives from now on. The stream itself stays what it is.
    ///
    /// # Errors
    /// ERROR_INVALID_HANDLE for other numbers.
    fn SetStdHandle(which: u32, handle: Handle) -> Bool [FALSE] {
        set_standard(standard(which)?, handle);
        Ok(TRUE)
    }
}
