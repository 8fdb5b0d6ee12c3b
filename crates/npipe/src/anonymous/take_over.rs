//! Ends of the system's pipes that came from elsewhere: standard streams, and what a parent has left.

use std::os::fd::{AsFd, OwnedFd};

use npipe_core::Status;

use super::{AnonymousReader, AnonymousWriter, DEFAULT_SIZE, Descriptions, Handle};
use crate::error::{Error, Result};
use crate::info::PipeEnd;
use crate::sys::anonymous as channel;

/// Makes the private description anew.
fn take_over(fd: OwnedFd, role: PipeEnd, size: u32) -> Result<Handle> {
    const OPERATION: &str = "take over an end of a pipe";
    let failed = |error| Error::from_sys(error, OPERATION);
    let writes = role == PipeEnd::Client;
    if !channel::is_end(fd.as_fd(), writes).map_err(failed)? {
        let detail = match writes {
            true => "the descriptor is not the write end of a pipe",
            false => "the descriptor is not the read end of a pipe",
        };
        return Err(Error::new(Status::InvalidHandle, OPERATION).because(detail));
    }
    let private = match writes {
        true => channel::private_writer(fd.as_fd()),
        false => channel::private_reader(fd.as_fd()),
    };
    let fds = Descriptions {
        private: private.map_err(failed)?,
        given_away: fd,
    };
    Ok(Handle::new(fds, role, if size == 0 { DEFAULT_SIZE } else { size }))
}

impl AnonymousReader {
    /// Takes over the read end of a pipe of the system's that came from elsewhere, for example standard input. `size` is what
    /// [`info`](AnonymousReader::info) tells; 0 stands for 4096. Win32 equivalent: GetStdHandle.
    ///
    /// # Errors
    /// * [`Status::InvalidHandle`]: no read end of a pipe.
    /// * [`Status::AccessDenied`], [`Status::ObjectPathNotFound`], [`Status::TooManyOpenedFiles`]: it cannot be opened anew
    ///   through /proc, as it has to be.
    #[doc(alias = "GetStdHandle")]
    pub fn from_fd(fd: OwnedFd, size: u32) -> Result<AnonymousReader> {
        let handle = take_over(fd, PipeEnd::Server, size)?;
        Ok(AnonymousReader { handle })
    }
}

impl AnonymousWriter {
    /// Takes over the write end of a pipe of the system's that came from elsewhere, for example standard output. `size` is
    /// what [`info`](AnonymousWriter::info) tells; 0 stands for 4096. Win32 equivalent: GetStdHandle.
    ///
    /// # Errors
    /// As [`AnonymousReader::from_fd`], for the write end.
    #[doc(alias = "GetStdHandle")]
    pub fn from_fd(fd: OwnedFd, size: u32) -> Result<AnonymousWriter> {
        let handle = take_over(fd, PipeEnd::Client, size)?;
        Ok(AnonymousWriter { handle })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// semantics 255, 260
    #[test]
    fn an_end_is_taken_over_as_what_it_is() {
        let (reader, writer) = std::io::pipe().unwrap();
        let copies = (reader.try_clone().unwrap(), writer.try_clone().unwrap());
        let wrong = AnonymousReader::from_fd(copies.1.into(), 0).unwrap_err();
        assert_eq!(wrong.status(), Status::InvalidHandle);
        let wrong = AnonymousWriter::from_fd(copies.0.into(), 0).unwrap_err();
        assert_eq!(wrong.status(), Status::InvalidHandle);
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(AnonymousReader::from_fd(file.into(), 0).is_err());

        let reader = AnonymousReader::from_fd(reader.into(), 100).unwrap();
        let writer = AnonymousWriter::from_fd(writer.into(), 0).unwrap();
        assert_eq!(reader.info().in_buffer_size, 100);
        assert_eq!(writer.info().in_buffer_size, DEFAULT_SIZE);
        writer.write(b"passed on").unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        assert_eq!(reader.read(&mut buffer).unwrap(), 9);
        assert_eq!(reader.read(&mut buffer).unwrap_err().status(), Status::PipeBroken);
    }
}
