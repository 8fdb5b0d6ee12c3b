//! The servers, each on one thread of this process, which echoes blocks.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener as BlockingListener, UnixStream as BlockingStream};
use std::path::Path;
use std::thread::JoinHandle;

use npipe_tokio::named_pipe::{NamedPipeListener, ServerOptions};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::{BLOCK_BYTES, Kind, NAME, Outcome, SOCKET, runtime};

/// A server, ended when it is dropped.
pub(crate) struct Server {
    stop: Option<BlockingStream>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has said why.
            let _ = thread.join();
        }
    }
}

impl Server {
    /// Starts one, which listens when this returns.
    pub(crate) fn start(kind: Kind, directory: &Path) -> Outcome<Server> {
        let (stop, stopped) = BlockingStream::pair()?;
        let directory = directory.to_owned();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let served = match kind {
                Kind::Epoll => serve_by_epoll(&directory, stopped, || ready.send(()).unwrap_or(())),
                _ => serve_by_tokio(kind, &directory, stopped, || ready.send(()).unwrap_or(())),
            };
            if let Err(error) = served {
                eprintln!("the server has failed: {error}");
            }
        });
        is_ready.recv()?;
        Ok(Server {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut block = [0; BLOCK_BYTES];
    while stream.read_exact(&mut block).await.is_ok() && stream.write_all(&block).await.is_ok() {}
}

fn serve_by_tokio(kind: Kind, directory: &Path, stopped: BlockingStream, ready: impl FnOnce()) -> Outcome<()> {
    runtime()?.block_on(async {
        if kind == Kind::Unix {
            let listener = UnixListener::bind(directory.join(SOCKET))?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(echo(stream));
                }
            });
        } else {
            let mut listener = NamedPipeListener::bind_with(ServerOptions::new().root(directory), NAME)?;
            tokio::spawn(async move {
                while let Ok(stream) = listener.accept().await {
                    tokio::spawn(echo(stream));
                }
            });
        }
        ready();
        stopped.set_nonblocking(true)?;
        // At its end it is readable.
        Ok(tokio::net::UnixStream::from_std(stopped)?.readable().await?)
    })
}

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

fn serve_by_epoll(directory: &Path, stopped: BlockingStream, ready: impl FnOnce()) -> Outcome<()> {
    let poller = epoll::create(CreateFlags::CLOEXEC)?;
    let listener = BlockingListener::bind(directory.join(SOCKET))?;
    let watch =
        |socket: &dyn AsFd, token| epoll::add(&poller, socket.as_fd(), EventData::new_u64(token), EventFlags::IN);
    watch(&listener, LISTENER)?;
    watch(&stopped, STOP)?;
    ready();
    let mut streams = HashMap::new();
    let mut last = 0;
    let mut events = [const { std::mem::MaybeUninit::uninit() }; 256];
    loop {
        let (happened, _) = epoll::wait(&poller, &mut events, None)?;
        for event in happened {
            match event.data.u64() {
                STOP => return Ok(()),
                LISTENER => {
                    let (stream, _) = listener.accept()?;
                    last += 1;
                    watch(&stream, last)?;
                    streams.insert(last, stream);
                }
                token => {
                    if !streams
                        .get(&token)
                        .is_some_and(|stream| has_echoed(stream).unwrap_or(false))
                    {
                        streams.remove(&token);
                    }
                }
            }
        }
    }
}

fn has_echoed(mut stream: &BlockingStream) -> io::Result<bool> {
    let mut block = [0; BLOCK_BYTES];
    let count = stream.read(&mut block)?;
    stream.write_all(&block[..count])?;
    Ok(count > 0)
}
