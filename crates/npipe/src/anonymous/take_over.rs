//! Ends of the system's pipes that came from elsewhere: standard streams, and what a parent has left.

#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(windows)]
use std::os::windows::io::OwnedHandle;

#[cfg(doc)]
use npipe_core::Status;

use super::end::End;
use super::{AnonymousReader, AnonymousWriter, DEFAULT_SIZE, Handle, Raw};
use crate::error::Result;
use crate::info::PipeEnd;

fn take_over(raw: Raw, role: PipeEnd, size: u32) -> Result<Handle> {
    let size = if size == 0 { DEFAULT_SIZE } else { size };
    let (raw, end) = End::take_over(raw, role, size)?;
    Ok(Handle::new(raw, end))
}

impl AnonymousReader {
    /// Takes over the read end of a pipe of the system's that came from elsewhere, for example standard input. `size` is what
    /// [`info`](AnonymousReader::info) tells; 0 stands for 4096. Win32 equivalent: GetStdHandle.
    ///
    /// # Errors
    /// * [`Status::InvalidHandle`]: no read end of a pipe.
    /// * [`Status::AccessDenied`], [`Status::ObjectPathNotFound`], [`Status::TooManyOpenedFiles`]: it cannot be opened anew
    ///   through /proc, as it has to be.
    #[cfg(unix)]
    #[doc(alias = "GetStdHandle")]
    pub fn from_fd(fd: OwnedFd, size: u32) -> Result<AnonymousReader> {
        let handle = take_over(fd, PipeEnd::Server, size)?;
        Ok(AnonymousReader { handle })
    }

    /// Takes over the read end of a pipe that came from elsewhere, for example standard input; one that was made for calls that
    /// block, as those of CreatePipe are. `size` is what [`info`](AnonymousReader::info) tells; 0 stands for 4096. Win32
    /// equivalent: GetStdHandle.
    ///
    /// # Errors
    /// * [`Status::InvalidHandle`]: no read end of a pipe.
    /// * [`Status::AccessDenied`], [`Status::SystemError`]: what the system refused is in the detail.
    #[cfg(windows)]
    #[doc(alias = "GetStdHandle")]
    pub fn from_handle(handle: OwnedHandle, size: u32) -> Result<AnonymousReader> {
        let handle = take_over(handle, PipeEnd::Server, size)?;
        Ok(AnonymousReader { handle })
    }
}

impl AnonymousWriter {
    /// Takes over the write end of a pipe of the system's that came from elsewhere, for example standard output. `size` is
    /// what [`info`](AnonymousWriter::info) tells; 0 stands for 4096. Win32 equivalent: GetStdHandle.
    ///
    /// # Errors
    /// As [`AnonymousReader::from_fd`], for the write end.
    #[cfg(unix)]
    #[doc(alias = "GetStdHandle")]
    pub fn from_fd(fd: OwnedFd, size: u32) -> Result<AnonymousWriter> {
        let handle = take_over(fd, PipeEnd::Client, size)?;
        Ok(AnonymousWriter { handle })
    }

    /// Takes over the write end of a pipe that came from elsewhere, for example standard output; one that was made for calls that
    /// block, as those of CreatePipe are. `size` is what [`info`](AnonymousWriter::info) tells; 0 stands for 4096. Win32
    /// equivalent: GetStdHandle.
    ///
    /// # Errors
    /// As [`AnonymousReader::from_handle`], for the write end.
    #[cfg(windows)]
    #[doc(alias = "GetStdHandle")]
    pub fn from_handle(handle: OwnedHandle, size: u32) -> Result<AnonymousWriter> {
        let handle = take_over(handle, PipeEnd::Client, size)?;
        Ok(AnonymousWriter { handle })
    }
}

#[cfg(test)]
mod tests {
    use npipe_core::Status;

    use super::*;

    #[cfg(unix)]
    fn reader(raw: impl Into<Raw>, size: u32) -> Result<AnonymousReader> {
        AnonymousReader::from_fd(raw.into(), size)
    }

    #[cfg(unix)]
    fn writer(raw: impl Into<Raw>, size: u32) -> Result<AnonymousWriter> {
        AnonymousWriter::from_fd(raw.into(), size)
    }

    #[cfg(windows)]
    fn reader(raw: impl Into<Raw>, size: u32) -> Result<AnonymousReader> {
        AnonymousReader::from_handle(raw.into(), size)
    }

    #[cfg(windows)]
    fn writer(raw: impl Into<Raw>, size: u32) -> Result<AnonymousWriter> {
        AnonymousWriter::from_handle(raw.into(), size)
    }

    /// semantics 255, 260
    #[test]
    fn an_end_is_taken_over_as_what_it_is() {
        let (to_read, to_write) = std::io::pipe().unwrap();
        let copies = (to_read.try_clone().unwrap(), to_write.try_clone().unwrap());
        assert_eq!(reader(copies.1, 0).unwrap_err().status(), Status::InvalidHandle);
        assert_eq!(writer(copies.0, 0).unwrap_err().status(), Status::InvalidHandle);
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(reader(file, 0).is_err());

        let reader = reader(to_read, 100).unwrap();
        let writer = writer(to_write, 0).unwrap();
        assert_eq!(reader.info().in_buffer_size, 100);
        assert_eq!(writer.info().in_buffer_size, DEFAULT_SIZE);
        writer.write(b"passed on").unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        assert_eq!(reader.read(&mut buffer).unwrap(), 9);
        assert_eq!(reader.read(&mut buffer).unwrap_err().status(), Status::PipeBroken);
    }
}
