//! Serving one client after another.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use npipe::{PipeClient, PipeListener, PipeServer};

use crate::support::{PATIENCE, until};
use crate::{NAME, Place, call, error, text};

fn listener(place: &Place) -> PipeListener {
    PipeListener::bind_with(&place.bytes(), NAME).unwrap()
}

/// semantics 13
#[test]
fn a_name_goes_with_its_listener() {
    let place = Place::new();
    drop(listener(&place));
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    drop(self::listener(&place));
}

/// semantics 46-48, 82: there is always an instance, and it listens unless a client has just taken it.
#[test]
fn a_name_with_a_listener_is_always_found() {
    const OPENS: usize = 1000;
    let place = Place::new();
    let listener = listener(&place);
    let mut options = place.client();
    options.connect_timeout(PATIENCE);
    let opening = call(move || {
        for number in 0..OPENS {
            let client = options.open(NAME)?;
            client.write(&number.to_ne_bytes())?;
        }
        Ok::<(), npipe::Error>(())
    });
    let mut seen = HashSet::new();
    for server in listener.incoming().take(OPENS) {
        let mut number = [0; 8];
        assert_eq!(server.unwrap().read(&mut number).unwrap(), 8);
        assert!(seen.insert(usize::from_ne_bytes(number)));
    }
    opening.end().unwrap();
    assert_eq!(seen.len(), OPENS);
}

/// semantics 28, 29, 47: at the maximum clients are told that it is busy, until an instance is given up.
#[test]
fn a_maximum_of_instances() {
    let place = Place::new();
    let mut options = place.bytes();
    let listener = PipeListener::bind_with(options.max_instances(2), NAME).unwrap();
    let first = place.open();
    let first_server = listener.accept().unwrap();
    let second = place.open();
    let second_server = listener.accept().unwrap();
    first_server.write(b"first").unwrap();
    second_server.write(b"second").unwrap();
    assert_eq!((text(&first), text(&second)), ("first".to_owned(), "second".to_owned()));
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");

    let namespace = place.namespace();
    let waiting = call(move || namespace.wait(NAME, Some(PATIENCE))).blocked();
    let accepting = call(move || listener.accept().map(|server| (server, listener))).blocked();
    accepting.waits();
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    drop(first_server);
    waiting.end().unwrap();
    let third = place.open();
    let (third_server, _listener) = accepting.end().unwrap();
    third_server.write(b"third").unwrap();
    assert_eq!(text(&third), "third");
}

/// semantics 13, 29, 46: with a maximum of one the name goes with each client; those who come again are served one by one.
#[test]
fn a_maximum_of_one_instance() {
    const CLIENTS: usize = 50;
    let place = Place::new();
    let mut options = place.bytes();
    let listener = PipeListener::bind_with(options.max_instances(1), NAME).unwrap();
    let serving = call(move || {
        for server in listener.incoming().take(CLIENTS) {
            assert_eq!(text(&server.unwrap()), "x");
        }
    });
    for _ in 0..CLIENTS {
        let client = until(|| place.client().connect_timeout(PATIENCE).open(NAME).ok());
        client.write(b"x").unwrap();
    }
    serving.end();
}

/// semantics 63: a client that has left again is handed out with what it wrote.
#[test]
fn a_client_that_has_left() {
    let place = Place::new();
    let listener = listener(&place);
    place.open().write(b"was here").unwrap();
    let server = listener.accept().unwrap();
    assert_eq!(text(&server), "was here");
    assert_eq!(error(server.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 131: with PIPE_NOWAIT there is nothing to accept, or there is.
#[test]
fn accepting_without_waiting() {
    let place = Place::new();
    let listener = PipeListener::bind_with(place.bytes().nowait(true), NAME).unwrap();
    assert_eq!(error(listener.accept()), "ERROR_PIPE_LISTENING");
    let client = place.open();
    client.write(b"x").unwrap();
    assert_eq!(text(&listener.accept().unwrap()), "x");
    assert_eq!(error(listener.accept()), "ERROR_PIPE_LISTENING");
}

/// semantics 54: several threads accept, and each client is one thread's.
#[test]
fn several_threads_accept() {
    const CLIENTS: usize = 60;
    let place = Place::new();
    let listener = Arc::new(listener(&place));
    let accepting: Vec<_> = (0..3)
        .map(|_| {
            let listener = listener.clone();
            call(move || {
                let echo = |server: PipeServer| -> npipe::Result<usize> {
                    let mut buffer = [0; 8];
                    let count = server.read(&mut buffer)?;
                    server.write(&buffer[..count])
                };
                for server in listener.incoming().take(CLIENTS / 3) {
                    echo(server?)?;
                }
                Ok::<(), npipe::Error>(())
            })
        })
        .collect();
    let clients: Vec<PipeClient> = (0..CLIENTS)
        .map(|number| {
            let client = place
                .client()
                .connect_timeout(Duration::from_secs(10))
                .open(NAME)
                .unwrap();
            client.write(number.to_string().as_bytes()).unwrap();
            client
        })
        .collect();
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(text(client), number.to_string());
    }
    for thread in accepting {
        thread.end().unwrap();
    }
}
