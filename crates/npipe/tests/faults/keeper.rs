//! A process that keeps a name by hand, and does not go on as a leader should: it goes at once, answers twice, or lets
//! nobody in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use npipe::{PipeMode, PipeName, PipeType};
use npipe_core::Direction;
use npipe_core::handshake::{Decoder, Message, Serving};
use npipe_core::pipe::Attributes;
use rustix::fs::FlockOperation;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::support::Puppet;
use crate::support::{NAME, Place, error, until, until_at_rest};

/// Who keeps the name of these tests.
struct Keeper {
    listener: UnixListener,
    door: PathBuf,
    lock_path: PathBuf,
    lock: File,
}

/// A process that was let in.
struct Member {
    socket: UnixStream,
    decoder: Decoder,
}

impl Keeper {
    fn new(place: &Place) -> Keeper {
        let key = PipeName::from_path(NAME.as_bytes()).expect("a name").key();
        let uid = rustix::process::geteuid().as_raw();
        let door = place.path().join(format!("{:032x}.{uid}", u128::from_be_bytes(key)));
        let lock_path = door.with_extension(format!("{uid}.lock"));
        let mut options = File::options();
        options.create_new(true).read(true).write(true).mode(0o600);
        let lock = options.open(&lock_path).expect("nobody else is here");
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).expect("it is ours");
        let listener = UnixListener::bind(&door).expect("nobody else is here");
        // As those who serve the name after us expect.
        listener.set_nonblocking(true).expect("a socket");
        Keeper {
            listener,
            door,
            lock_path,
            lock,
        }
    }

    /// The next who asks to be let in; who hangs up instead is not counted.
    fn asked(&self) -> Member {
        loop {
            let (socket, _) = until(|| self.listener.accept().ok());
            socket.set_nonblocking(false).expect("a socket");
            let mut member = Member {
                socket,
                decoder: Decoder::new(),
            };
            if let Some(Serving::Join { .. }) = member.hear() {
                return member;
            }
        }
    }

    /// Lets the next one in.
    fn let_in(&self) -> Member {
        let member = self.asked();
        let joined = Serving::Joined {
            pipe_id: 1,
            listener_pid: std::process::id(),
            attributes: Attributes {
                direction: Direction::Duplex,
                pipe_type: PipeType::Byte,
                max_instances: 10,
                default_timeout_ms: 50,
                security: "D:(A;;GA;;;WD)".parse().expect("SDDL"),
            },
        };
        let bytes = Message::Serving(joined).encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let listener = [self.listener.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&listener)));
        let bytes = [IoSlice::new(&bytes)];
        let _ = rustix::net::sendmsg(&member.socket, &bytes, &mut control, SendFlags::NOSIGNAL);
        member
    }

    /// Ends the name in order.
    fn end(self) {
        std::fs::remove_file(&self.door).expect("it is there");
        std::fs::remove_file(&self.lock_path).expect("it is there");
        drop(self.lock);
    }

    /// Dies.
    fn die(self) {}
}

impl Member {
    fn hear(&mut self) -> Option<Serving> {
        let mut buffer = [0; 4096];
        loop {
            match self.decoder.next_message().expect("a member speaks the protocol") {
                Some(Message::Serving(serving)) => return Some(serving),
                Some(other) => panic!("a member says {other:?}"),
                None => {}
            }
            match self.socket.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.push(&buffer[..count]),
            }
        }
    }

    /// The number of the instance that it asks for.
    fn wanted(&mut self) -> u64 {
        loop {
            match self.hear().expect("it asks for an instance") {
                Serving::Create { number, .. } => return number,
                _ => continue,
            }
        }
    }

    fn tell(&self, messages: &[Serving]) {
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|message| Message::Serving(message.clone()).encode())
            .collect();
        std::io::Write::write_all(&mut &self.socket, &bytes).expect("it listens");
    }
}

/// The keeper ends the name just when another process has been let in: that one begins anew, whether it has asked for its
/// instance yet or not.
///
/// semantics 13, 14, 28
#[test]
fn a_keeper_that_goes_at_once_holds_nobody_up() {
    const TIMES: usize = 2_000;
    /// Half of what a process gives a keeper that does not answer, in beats. A machine that is slow for the newcomer and its
    /// keeper is slow for the one who beats, too.
    const STUCK: u32 = 500;
    const BEAT: Duration = Duration::from_millis(10);
    let place = Place::new();
    let keeper = Keeper::new(&place);
    // How many since somebody was let in.
    let beats = AtomicU32::new(0);
    // Before the name is free: whoever has it next may be quicker than this thread's end.
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (beating, stop) = mpsc::channel::<()>();
        let (beats, is_over) = (&beats, &is_over);
        scope.spawn(move || {
            while stop.recv_timeout(BEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
                beats.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(move || {
            for _ in 0..TIMES {
                drop(keeper.let_in());
                beats.store(0, Ordering::Relaxed);
            }
            is_over.store(true, Ordering::Release);
            keeper.end();
        });
        let mut newcomer = Puppet::start(&place);
        for _ in 0..100 {
            newcomer.tell(&format!("create byte {NAME} max=10"));
            match newcomer.answer().as_str() {
                "0" => break,
                // Nobody is there, again and again, for as long as a server is looked for.
                "ERROR_FILE_NOT_FOUND" => {}
                // Or it was just being asked when that time was over.
                "ERROR_PIPE_BUSY" if beats.load(Ordering::Relaxed) < STUCK => {}
                status => panic!("{status}"),
            }
        }
        assert!(
            is_over.load(Ordering::Acquire),
            "the newcomer serves a name that is taken"
        );
        newcomer.end();
        drop(beating);
    });
}

/// An instance that was given twice, and refused besides, is one instance.
///
/// semantics 28, 29
#[test]
fn only_the_first_answer_counts() {
    let place = Place::new();
    let keeper = Keeper::new(&place);
    for answers in [["created", "created"], ["created", "refused"], ["refused", "created"]] {
        let mut puppet = Puppet::start(&place);
        puppet.tell(&format!("create byte {NAME} max=10"));
        let mut member = keeper.let_in();
        let number = member.wanted();
        let status = npipe_core::Status::InstanceNotAvailable;
        let answer = |answer| match answer {
            "created" => Serving::Created { number },
            _ => Serving::NotCreated { number, status },
        };
        member.tell(&answers.map(answer));
        let expected = if answers[0] == "created" {
            "0"
        } else {
            "ERROR_PIPE_BUSY"
        };
        assert_eq!(puppet.answer(), expected, "{answers:?}");
        puppet.tell("drop");
        assert_eq!(puppet.answer(), "dropped");
        puppet.end();
    }
    keeper.end();
}

/// A member whom one leader after another has hung up on before it was let in leads in the end, and is at rest.
///
/// semantics 13, 28, 46
#[test]
fn a_member_that_was_turned_away_often_leads_in_peace() {
    const TIMES: usize = 20;
    let place = Place::new();
    let keeper = Keeper::new(&place);
    let mut puppet = Puppet::start(&place);
    puppet.tell(&format!("create byte {NAME} max=10"));
    let mut member = keeper.let_in();
    let number = member.wanted();
    member.tell(&[Serving::Created { number }]);
    assert_eq!(puppet.answer(), "0");
    drop(member);
    (0..TIMES).for_each(|_| drop(keeper.asked()));
    keeper.die();
    drop(place.client().open(NAME).expect("it leads"));
    // Nobody has anything to say to it. Long enough for whoever looks again and again.
    let (_nobody, nothing) = mpsc::channel::<()>();
    until(|| {
        let before = awakenings(&puppet);
        let _ = nothing.recv_timeout(Duration::from_millis(100));
        (awakenings(&puppet) == before).then_some(())
    });
    puppet.end();
}

/// What a process has closed is closed before it asks for another instance, though its keeper has not listened for long.
///
/// semantics 28, 29
#[test]
fn a_request_does_not_overtake_what_happened_before() {
    /// More than a line between processes has room for.
    const CHANGES: usize = 3_000;
    let place = Place::new();
    let keeper = Keeper::new(&place);
    let (announce, thread) = mpsc::channel();
    std::thread::scope(|scope| {
        let place = &place;
        scope.spawn(move || {
            let options = place.server(PipeMode::Byte);
            let (busy, closed) = (options.create(NAME).expect("one"), options.create(NAME).expect("two"));
            busy.set_state(PipeMode::Byte, true).expect("no call waits");
            for _ in 0..CHANGES {
                busy.disconnect().expect("it listens");
                assert_eq!(busy.connect().unwrap_err().status(), npipe::Status::PipeListening);
            }
            drop(closed);
            let thread = rustix::thread::gettid().as_raw_nonzero().get();
            announce.send(thread).expect("it is listened for");
            assert_eq!(error(options.create(NAME)), "ERROR_PIPE_BUSY");
        });
        let mut member = keeper.let_in();
        let numbers = [(); 2].map(|()| {
            let number = member.wanted();
            member.tell(&[Serving::Created { number }]);
            number
        });
        until_at_rest(thread.recv().expect("the thread gets there"));
        let mut left = BTreeSet::from(numbers);
        let number = loop {
            match member.hear().expect("it goes on") {
                Serving::Create { number, .. } => break number,
                Serving::Post {
                    number, report: None, ..
                } => drop(left.remove(&number)),
                _ => {}
            }
        };
        let status = npipe_core::Status::InstanceNotAvailable;
        member.tell(&[Serving::NotCreated { number, status }]);
        assert_eq!(left, BTreeSet::from([numbers[0]]));
    });
    keeper.end();
}

/// While one thread waits for a keeper that does not answer, another closes an instance, and the keeper hears of it.
///
/// semantics 29
#[test]
fn closing_does_not_wait_for_a_request() {
    let place = Place::new();
    let keeper = Keeper::new(&place);
    let create = || place.server(PipeMode::Byte).create(NAME);
    std::thread::scope(|scope| {
        let first = scope.spawn(create);
        let mut member = keeper.let_in();
        let kept = member.wanted();
        member.tell(&[Serving::Created { number: kept }]);
        let first = first.join().expect("no panic").expect("it was created");
        let asking = scope.spawn(create);
        member.wanted();
        let closing = scope.spawn(|| drop(first));
        let closed = matches!(member.hear(), Some(Serving::Post { number, report: None, .. }) if number == kept);
        assert!(closed && !asking.is_finished());
        closing.join().expect("no panic");
        // And, with no instance left, the process has left too: whoever asks begins anew.
        assert!(member.hear().is_none());
        let mut member = keeper.let_in();
        let number = member.wanted();
        member.tell(&[Serving::Created { number }]);
        drop(asking.join().expect("no panic").expect("it was created"));
    });
    keeper.end();
}

/// How often the library's thread of another process went to sleep.
fn awakenings(puppet: &Puppet) -> u64 {
    let tasks = PathBuf::from(format!("/proc/{}/task", puppet.pid()));
    let mut tasks = std::fs::read_dir(tasks)
        .expect("it lives")
        .map(|task| task.expect("a task").path());
    let is_ours = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == "npipe");
    let task = tasks.find(is_ours).expect("the library has a thread");
    let status = std::fs::read_to_string(task.join("status")).expect("it lives");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("the kernel tells").trim().parse().expect("a number")
}
