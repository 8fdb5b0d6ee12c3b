//! A server by hand that lies to its clients: about itself, about the segment, and about how long they have to wait.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use npipe::{PipeMode, PipeType, Status};
use npipe_core::handshake::{ClientReport, Connection, InstanceReport, Message};
use npipe_shm::layout::Side;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::intruder::{Intruder, answer, knock, name, request};
use crate::scribbles::bout;
use crate::support::{NAME, Place, Random, error};
use crate::tally::{Tally, rounds};
use crate::victim::{HUNG_MS, LONGEST, MARKER, TIMEOUT, call, judge};

/// How long the client is willing to wait.
const SHORT: Duration = Duration::from_millis(50);

/// Stands where a server of ours would stand.
fn listen(place: &Place) -> UnixListener {
    let key = u128::from_be_bytes(name(NAME).key());
    let file = format!("{key:032x}.{}", rustix::process::geteuid().as_raw());
    UnixListener::bind(place.path().join(file)).expect("nobody else is here")
}

/// What a real server says of a connection.
fn connection() -> Connection {
    let place = Place::new();
    let _server = place.server(PipeMode::Message).create(NAME).expect("the name is free");
    let mut socket = knock(place.path(), NAME);
    socket.write_all(&request(NAME)).expect("the server listens");
    match answer(&socket) {
        Some((Message::Opened(connection), _)) => connection,
        other => panic!("an instance listens: {other:?}"),
    }
}

/// Shared memory of a size, with seals.
fn memory(bytes: u64, seals: SealFlags) -> OwnedFd {
    named_memory("lie", bytes, seals)
}

fn named_memory(name: &str, bytes: u64, seals: SealFlags) -> OwnedFd {
    let memory = rustix::fs::memfd_create(name, MemfdFlags::ALLOW_SEALING).expect("shared memory");
    rustix::fs::ftruncate(&memory, bytes).expect("a size");
    rustix::fs::fcntl_add_seals(&memory, seals).expect("seals");
    memory
}

/// Descriptors that are no segment, or not this one.
fn lies(place: &Place, total: u64) -> Vec<(&'static str, OwnedFd)> {
    const ALL: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
    let file = place.path().join("file");
    std::fs::write(&file, vec![0; total as usize]).expect("a file");
    let socket = UnixStream::pair().expect("a pair").0;
    vec![
        ("a file", File::open(file).expect("it was just written").into()),
        ("a device", File::open("/dev/zero").expect("it is there").into()),
        ("a directory", File::open(place.path()).expect("it is there").into()),
        ("a socket", socket.into()),
        ("memory without seals", memory(total, SealFlags::empty())),
        (
            "memory that can shrink",
            memory(total, SealFlags::GROW | SealFlags::SEAL),
        ),
        (
            "memory that can grow",
            memory(total, SealFlags::SHRINK | SealFlags::SEAL),
        ),
        ("memory that is too short", memory(total - 1, ALL)),
        ("memory that is too long", memory(total + 1, ALL)),
        ("no memory at all", memory(0, ALL)),
        (
            "memory that cannot be written to",
            memory(total, ALL | SealFlags::WRITE),
        ),
    ]
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
    let _ = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL);
}

/// Lets one client in and answers its request.
fn serve(listener: &UnixListener, answer: impl FnOnce(UnixStream)) {
    let (mut socket, _) = listener.accept().expect("a client comes");
    let _ = socket.read(&mut [0; 4096]);
    answer(socket);
}

/// Who asks about a pipe asks those who serve it, and not as many at once as its server makes up.
///
/// semantics 195-197
#[test]
fn a_server_of_a_thousand_processes_is_not_believed_at_once() {
    const AT_ONCE: usize = 64;
    let place = Place::new();
    let own = place.server(PipeMode::Message).create(NAME).expect("the name is free");
    let mut socket = knock(place.path(), NAME);
    let question = Message::Query {
        name: Some(name(NAME)),
        server_pid: None,
    };
    socket.write_all(&question.encode()).expect("the server listens");
    let Some((Message::Info(mut report), _)) = answer(&socket) else {
        panic!("a server answers questions");
    };
    drop(own);
    report.instances[0].client = Some(ClientReport {
        pid: None,
        uid: 0,
        gid: 0,
    });
    let instances = (1..=900).map(|server_pid| InstanceReport {
        server_pid,
        ..report.instances[0].clone()
    });
    report.instances = instances.collect();
    let listener = listen(&place);
    std::thread::scope(|scope| {
        let answers = Message::Info(report).encode();
        let listener = &listener;
        scope.spawn(move || serve(listener, |mut socket| socket.write_all(&answers).expect("it listens")));
        place.namespace().info(NAME).expect("it is told something");
    });
    listener.set_nonblocking(true).expect("a socket");
    let knocks = listener.incoming().take_while(Result::is_ok).count();
    assert!(knocks <= AT_ONCE, "{knocks} questions at once");
}

/// What a client is told that opens the pipe while an impostor answers it once.
fn open_with(place: &Place, listener: &UnixListener, answer: impl FnOnce(UnixStream) + Send) -> Result<(), Status> {
    std::thread::scope(|scope| {
        scope.spawn(|| serve(listener, answer));
        let opened = place.client().pipe_mode(PipeMode::Message).open(NAME);
        opened.map(drop).map_err(|error| error.status())
    })
}

/// How many descriptors this process has of memory of that name, whatever tests run beside this one.
fn descriptors_of(name: &str) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("it is there");
    let is_it = |entry: &std::io::Result<std::fs::DirEntry>| {
        let target = entry
            .as_ref()
            .ok()
            .and_then(|entry| std::fs::read_link(entry.path()).ok());
        target.is_some_and(|target| target.to_string_lossy().starts_with(&format!("/memfd:{name} ")))
    };
    links.filter(is_it).count()
}

/// semantics 46-47
#[test]
fn a_segment_that_is_none_is_not_mapped() {
    let place = Place::new();
    let listener = listen(&place);
    let tally = Tally::default();
    let connection = connection();
    for (what, descriptor) in lies(&place, connection.segment_bytes) {
        let opened = Message::Opened(connection.clone()).encode();
        let opened = open_with(&place, &listener, |socket| {
            send(&socket, &opened, &[descriptor.as_fd()]);
        });
        assert!(opened.is_err(), "a client took {what} for a segment");
        tally.count(1);
    }
    let absurd: [fn(&mut Connection); 4] = [
        |connection| connection.segment_bytes += 1,
        |connection| connection.segment_bytes = 0,
        |connection| connection.out_quota = u32::MAX,
        |connection| connection.segment_bytes = u64::MAX,
    ];
    for spoil in absurd {
        let mut connection = connection.clone();
        spoil(&mut connection);
        let segment = memory(1 << 20, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL);
        let opened = open_with(&place, &listener, |socket| {
            send(&socket, &Message::Opened(connection).encode(), &[segment.as_fd()]);
        });
        assert!(opened.is_err());
        tally.count(1);
    }
    let opened = open_with(&place, &listener, |socket| {
        send(&socket, &Message::Opened(connection).encode(), &[]);
    });
    assert_eq!(opened, Err(Status::PeerMisbehaved));
    tally.report("segments that are none");
}

/// semantics 46-47, 81, 84
#[test]
fn nonsense_from_a_server_is_an_error() {
    const ANSWERS: u64 = 2_000;
    let place = Place::new();
    let listener = listen(&place);
    let tally = Tally::default();
    let mut random = Random::new(12);
    let genuine = Message::Opened(connection()).encode();
    for _ in 0..ANSWERS {
        let mut bytes = genuine.clone();
        match random.below(3) {
            0 => bytes = (0..random.magnitude(9_000)).map(|_| random.next() as u8).collect(),
            1 => bytes.truncate(random.below(bytes.len() as u64) as usize),
            _ => {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next() as u8;
            }
        }
        let keeps_quiet = bytes.len() < 12;
        let descriptors: Vec<OwnedFd> = (0..random.below(4))
            .map(|_| named_memory("gift", 4096, SealFlags::SEAL))
            .collect();
        // The name is there and then it is not: a server that hangs up is looked for again.
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    serve(&listener, |socket| {
                        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
                        send(&socket, &bytes, if keeps_quiet { &[] } else { &descriptors });
                    });
                }
            });
            let opened = place.client().pipe_mode(PipeMode::Message).open(NAME).map(drop);
            over.store(true, Ordering::Release);
            // The last visitor: so that the impostor sees that it is over.
            knock(place.path(), NAME);
            assert!(opened.is_err(), "{bytes:02x?} is no connection");
        });
        tally.count(1);
    }
    assert_eq!(descriptors_of("gift"), 0, "descriptors were sent, and kept");
    tally.report("nonsense from a server");
}

/// What comes of a wait with a time-out while an impostor answers, again and again, whoever comes.
fn wait_with(answer: impl Fn(UnixStream) + Sync) -> &'static str {
    let place = Place::new();
    let listener = listen(&place);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                serve(&listener, &answer);
            }
        });
        let (send, receive) = mpsc::channel();
        let namespace = place.namespace();
        scope.spawn(move || send.send(error(namespace.wait(NAME, Some(SHORT)))));
        let outcome = receive.recv_timeout(Duration::from_millis(HUNG_MS));
        over.store(true, Ordering::Release);
        // The last visitor: so that the impostor sees that it is over.
        knock(place.path(), NAME);
        outcome.unwrap_or("it has hung")
    })
}

/// A server's word that the client has to wait.
fn put_off() -> Vec<u8> {
    let message = Message::Waiting {
        default_timeout_ms: u32::MAX,
    };
    message.encode()
}

/// semantics 82, 84-85
#[test]
fn a_server_that_puts_off_without_end_does_not_outlast_a_time_out() {
    const WRITERS: usize = 4;
    let outcome = wait_with(|socket| {
        // Several, so that there is always something to hear; each until the client hangs up.
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| while (&socket).write_all(&put_off()).is_ok() {});
            }
        });
    });
    assert_eq!(outcome, "ERROR_SEM_TIMEOUT");
}

/// semantics 82, 84-85
#[test]
fn a_server_that_hangs_up_without_end_does_not_outlast_a_time_out() {
    let outcome = wait_with(|mut socket| drop(socket.write_all(&put_off())));
    assert_eq!(outcome, "ERROR_SEM_TIMEOUT");
}

/// The client's calls with time-outs set, on a segment that the server scribbles over.
///
/// semantics 91, 99, 119, 127-129, 142, 163, 172, 183
#[test]
fn a_server_full_of_lies_harms_its_own_connection_alone() {
    const INPUTS: u64 = 5_000;
    const ALL: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
    let connection = connection();
    let tally = Tally::default();
    let (place, other) = (Place::new(), Place::new());
    let listener = listen(&place);
    // Beside it, a connection whose ends are both ours.
    let honest = other.server(PipeMode::Message).create(NAME).expect("the name is free");
    let innocent = other.message_client();
    let mut random = Random::new(14);
    let mut buffer = vec![0; LONGEST as usize];
    while tally.inputs() < INPUTS * rounds() {
        std::thread::scope(|scope| {
            let mut scribbles = Random::new(random.next());
            let (tally, listener, connection) = (&tally, &listener, &connection);
            scope.spawn(move || {
                serve(listener, |socket| {
                    let segment = memory(connection.segment_bytes, ALL);
                    send(
                        &socket,
                        &Message::Opened(connection.clone()).encode(),
                        &[segment.as_fd()],
                    );
                    let intruder = Intruder::new(socket, segment, connection, Side::Server);
                    tally.count(bout(intruder, PipeType::Message, &mut scribbles));
                });
            });
            let victim = place
                .client()
                .pipe_mode(PipeMode::Message)
                .open(NAME)
                .expect("all was in order so far");
            victim.set_read_timeout(Some(TIMEOUT));
            victim.set_write_timeout(Some(TIMEOUT));
            loop {
                let begun = Instant::now();
                let goes_on = judge_client(call(&victim, &mut random, &mut buffer));
                let hung = begun.elapsed() >= Duration::from_millis(HUNG_MS);
                tally.hung.fetch_add(u64::from(hung), Ordering::Relaxed);
                if !goes_on {
                    break;
                }
            }
        });
        let exact =
            innocent.write(MARKER).is_ok() && honest.read(&mut buffer).is_ok_and(|count| buffer[..count] == *MARKER);
        tally.exchanges.fetch_add(1, Ordering::Relaxed);
        tally.disturbed.fetch_add(u64::from(!exact), Ordering::Relaxed);
    }
    tally.report("a server full of lies");
}

/// As for a server, and a client can be disconnected.
fn judge_client(result: npipe::Result<()>) -> bool {
    match result {
        Err(error) if error.status() == Status::PipeDisconnected => false,
        result => judge(result),
    }
}
