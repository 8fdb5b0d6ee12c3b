//! One program on every system: what it finds through this crate on Windows is tokio's, and npipe's elsewhere.

use std::time::Duration;

use futures_util::StreamExt;
use npipe_tokio::named_pipe::{
    ClientOptions, NamedPipeExt, NamedPipeListener, NamedPipeServer, PipeEnd, PipeMode, ServerOptions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ERROR_FILE_NOT_FOUND: i32 = 2;
const ERROR_PIPE_BUSY: i32 = 231;

/// A name of a test's own. Windows has one place for all; elsewhere it is a directory, gone with this value.
struct Place {
    name: String,
    #[cfg(unix)]
    directory: tempfile::TempDir,
}

impl Place {
    fn new(test: &str) -> Place {
        Place {
            name: format!(r"\\.\pipe\npipe-tokio-{}-{test}", std::process::id()),
            #[cfg(unix)]
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn server(&self) -> ServerOptions {
        #[allow(unused_mut, reason = "Windows has no root")]
        let mut options = ServerOptions::new();
        #[cfg(unix)]
        options.root(self.directory.path());
        options
    }

    fn client(&self) -> ClientOptions {
        #[allow(unused_mut, reason = "Windows has no root")]
        let mut options = ClientOptions::new();
        #[cfg(unix)]
        options.root(self.directory.path());
        options
    }
}

/// semantics 46, 48, 60: the errors that programs look for, and a conversation.
#[tokio::test]
async fn a_program_for_windows() {
    let place = Place::new("conversation");
    let refused = place.client().open(&place.name).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(ERROR_FILE_NOT_FOUND));
    let mut server = place.server().first_pipe_instance(true).create(&place.name).unwrap();
    let mut client = place.client().open(&place.name).unwrap();
    let refused = place.client().open(&place.name).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(ERROR_PIPE_BUSY));
    server.connect().await.unwrap();
    client.write_all(b"ping").await.unwrap();
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"ping");
    drop(server);
    assert_eq!(client.read(&mut buffer).await.unwrap_or(0), 0, "the end");
}

/// semantics 99, 195: messages keep their boundaries.
#[tokio::test]
async fn messages() {
    let place = Place::new("messages");
    let mut server = place.server().pipe_mode(PipeMode::Message).create(&place.name).unwrap();
    let mut client = place.client().pipe_mode(PipeMode::Message).open(&place.name).unwrap();
    server.connect().await.unwrap();
    assert_eq!(server.info().unwrap().end, PipeEnd::Server);
    assert_eq!(client.info().unwrap().mode, PipeMode::Message);
    server.write_all(b"one").await.unwrap();
    server.write_all(b"three").await.unwrap();
    let mut buffer = [0; 16];
    assert_eq!(client.read(&mut buffer).await.unwrap(), 3);
    assert_eq!(client.read(&mut buffer).await.unwrap(), 5);
}

/// semantics 13, 56: a client always finds an instance that listens.
#[tokio::test]
async fn a_listener_leaves_no_gap() {
    const CLIENTS: usize = 50;
    async fn echo(mut client: NamedPipeServer) -> std::io::Result<()> {
        let mut buffer = [0; 16];
        let count = client.read(&mut buffer).await?;
        client.write_all(&buffer[..count]).await?;
        // Until it has read that and left.
        while client.read(&mut buffer).await.unwrap_or(0) > 0 {}
        Ok(())
    }
    let place = Place::new("listener");
    let mut listener = NamedPipeListener::bind_with(&place.server(), &place.name).unwrap();
    let serving = tokio::spawn(async move {
        for _ in 0..CLIENTS {
            tokio::spawn(echo(listener.accept().await.unwrap()));
        }
    });
    for number in 0..CLIENTS {
        let mut client = place.client().open(&place.name).expect("one listens");
        let question = format!("client {number}");
        client.write_all(question.as_bytes()).await.unwrap();
        let mut answer = vec![0; question.len()];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, question.as_bytes());
    }
    serving.await.unwrap();
}

/// The number of the process at the other end, of either end.
fn pid_of_peer(end: &impl NamedPipeExt) -> Option<u32> {
    end.peer().unwrap().pid
}

/// semantics 99, 206: what goes beyond tokio on every system.
#[tokio::test]
async fn beyond_tokio() {
    let place = Place::new("beyond");
    let mut listener = NamedPipeListener::bind_with(place.server().pipe_mode(PipeMode::Message), &place.name).unwrap();
    let client = place.client().pipe_mode(PipeMode::Message).open(&place.name).unwrap();
    let mut server = listener.next().await.unwrap().unwrap();
    let own = Some(std::process::id());
    assert_eq!((pid_of_peer(&server), pid_of_peer(&client)), (own, own));
    // The second is more than the pipe has room for.
    let writing = async {
        for message in [&b"first"[..], &[7; 100_000], b"last"] {
            client.write_message(message).await.unwrap();
        }
    };
    let reading = async {
        let mut buffer = [0; 100_000];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 5);
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(buffer, [7; 100_000]);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
    };
    tokio::join!(writing, reading);
}

/// A listener whose instances are all in use goes on when one is dropped. semantics 28, 29
#[tokio::test]
async fn a_listener_with_a_maximum() {
    let place = Place::new("maximum");
    let mut listener = NamedPipeListener::bind_with(place.server().max_instances(2), &place.name).unwrap();
    let clients = [(); 2].map(|()| place.client().open(&place.name).unwrap());
    let servers = [listener.accept().await.unwrap(), listener.accept().await.unwrap()];
    let refused = place.client().open(&place.name).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(ERROR_PIPE_BUSY));
    let serving = tokio::spawn(async move { listener.accept().await });
    drop(servers);
    let third = loop {
        match place.client().open(&place.name) {
            Ok(third) => break third,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    drop((serving.await.unwrap().unwrap(), third, clients));
}

/// semantics 82: a free instance is there at once.
#[tokio::test]
async fn waiting_for_an_instance() {
    let place = Place::new("wait");
    #[cfg(unix)]
    let namespace = npipe::Namespace::at(place.directory.path()).unwrap();
    #[cfg(windows)]
    let namespace = npipe::Namespace::find().unwrap();
    let wait = || npipe_tokio::named_pipe::wait_in(&namespace, &place.name, Some(Duration::from_secs(60)));
    let refused = wait().await.unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(ERROR_FILE_NOT_FOUND));
    let _server = place.server().create(&place.name).unwrap();
    wait().await.unwrap();
}
