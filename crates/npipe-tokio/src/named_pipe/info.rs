//! What a program can ask about a pipe, with tokio's types.

/// Whether a pipe carries bytes or messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipeMode {
    /// A stream of bytes: PIPE_TYPE_BYTE.
    Byte,
    /// Messages: PIPE_TYPE_MESSAGE.
    Message,
}

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PipeEnd {
    /// The end that opened the pipe: PIPE_CLIENT_END.
    Client,
    /// The end that created the instance: PIPE_SERVER_END.
    Server,
}

/// What is fixed about a pipe. Win32 equivalent: the results of GetNamedPipeInfo.
#[doc(alias = "GetNamedPipeInfo")]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PipeInfo {
    /// The type of the pipe.
    pub mode: PipeMode,
    /// Which end was asked.
    pub end: PipeEnd,
    /// The most instances there may be; 255 for any number.
    pub max_instances: u32,
    /// Bytes from server to client that may be unread before writes wait.
    pub out_buffer_size: u32,
    /// Bytes from client to server that may be unread before writes wait.
    pub in_buffer_size: u32,
}

impl From<PipeMode> for npipe::PipeMode {
    fn from(mode: PipeMode) -> npipe::PipeMode {
        match mode {
            PipeMode::Byte => npipe::PipeMode::Byte,
            PipeMode::Message => npipe::PipeMode::Message,
        }
    }
}

impl From<npipe::PipeInfo> for PipeInfo {
    fn from(info: npipe::PipeInfo) -> PipeInfo {
        PipeInfo {
            mode: match info.mode {
                npipe::PipeMode::Message => PipeMode::Message,
                _ => PipeMode::Byte,
            },
            end: match info.end {
                npipe::PipeEnd::Server => PipeEnd::Server,
                _ => PipeEnd::Client,
            },
            max_instances: info.max_instances,
            out_buffer_size: info.out_buffer_size,
            in_buffer_size: info.in_buffer_size,
        }
    }
}
