//! Completion routines, and calls queued to a thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use npipe::overlapped::{AlertableThread, CompletionPort, Waited, Woken, sleep_alertable};
use npipe::{PipeServer, Status};

use crate::{PATIENCE, Place, call, error, outcome, pending_read, text, whole};

/// What routines have seen, in their order.
type Log = Rc<RefCell<Vec<Result<(String, bool), &'static str>>>>;

/// Reads, and has the routine write down what that brings.
#[track_caller]
fn read_into(log: &Log, server: &PipeServer, size: usize) {
    let log = log.clone();
    let routine = move |completed| log.borrow_mut().push(outcome(completed));
    server.read_then(vec![0; size], routine).expect("it can be read");
}

/// semantics 234, 235: even if the data is there, the routine runs in an alertable wait and not before.
#[test]
fn a_routine_waits_for_an_alertable_wait() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let log = Log::default();
    client.write(b"there").unwrap();
    read_into(&log, &server, 8);
    read_into(&log, &server, 8);
    client.write(b"later").unwrap();
    assert!(log.borrow().is_empty());
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::Completions);
    assert_eq!(*log.borrow(), [whole("there"), whole("later")]);
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::TimedOut);
}

/// semantics 75, 238: calls that block and waits that are not alertable run no routine.
#[test]
fn only_alertable_waits_run_routines() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let log = Log::default();
    client.write(b"x").unwrap();
    read_into(&log, &server, 8);
    let reading = pending_read(&server);
    client.write(b"y").unwrap();
    assert!(reading.wait(Some(PATIENCE)) && reading.is_complete());
    drop(reading);
    server.write(b"z").unwrap();
    assert_eq!(text(&client), "z");
    client.flush().unwrap();
    server.connect().unwrap();
    let port = CompletionPort::new();
    port.post(1, 2, 3);
    assert!(port.get(None).is_some());
    assert!(server.start_read(vec![0; 8]).unwrap().result().is_err());
    assert!(log.borrow().is_empty());
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert_eq!(*log.borrow(), [whole("x")]);
}

/// semantics 236: in the order of completion, and those that routines queue themselves in the same wait.
#[test]
fn a_chain_of_routines_runs_in_one_wait() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let (server, log) = (Rc::new(server), Log::default());
    fn read_on(server: Rc<PipeServer>, log: Log) {
        let (next, lines) = (server.clone(), log.clone());
        let routine = move |completed| {
            lines.borrow_mut().push(outcome(completed));
            read_on(next, lines);
        };
        server.read_then(vec![0; 16], routine).unwrap();
    }
    for word in ["one", "two", "three"] {
        client.write(word.as_bytes()).unwrap();
    }
    read_on(server.clone(), log.clone());
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert_eq!(*log.borrow(), ["one", "two", "three"].map(whole));
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::TimedOut);
    client.write(b"four").unwrap();
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert_eq!(log.borrow()[3], whole("four"));
}

/// semantics 236: the order is that of completion, not of the start.
#[test]
fn routines_run_in_the_order_of_completion() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let other = place.bytes().create(r"\\.\pipe\other").unwrap();
    let other_client = place.client().open(r"\\.\pipe\other").unwrap();
    let log = Log::default();
    read_into(&log, &server, 8);
    read_into(&log, &other, 8);
    other_client.write(b"first").unwrap();
    // One that is looked at is complete.
    assert!(!other.start_read(vec![0; 8]).unwrap().is_complete());
    client.write(b"second").unwrap();
    assert!(!server.start_read(vec![0; 8]).unwrap().is_complete());
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert_eq!(*log.borrow(), [whole("first"), whole("second")]);
}

/// semantics 218, 237: an object that is signaled goes first, and the routine stays queued.
#[test]
fn a_complete_operation_goes_before_routines() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let log = Log::default();
    client.write(b"routine's").unwrap();
    read_into(&log, &server, 16);
    client.write(b"operation's").unwrap();
    let complete = server.start_read(vec![0; 16]).unwrap();
    assert_eq!(complete.wait_alertable(None), Waited::Complete);
    assert!(log.borrow().is_empty());
    let pending = pending_read(&server);
    assert_eq!(pending.wait_alertable(None), Waited::Completions);
    assert_eq!(*log.borrow(), [whole("routine's")]);
    assert_eq!(pending.wait_alertable(Some(Duration::ZERO)), Waited::TimedOut);
    assert_eq!(pending.wait_alertable(Some(Duration::from_millis(1))), Waited::TimedOut);
    assert_eq!(outcome(complete.finish()), whole("operation's"));
}

/// semantics 230, 239: a routine learns of errors and of being cancelled, without any bytes.
#[test]
fn routines_learn_of_errors() {
    let place = Place::new();
    let server = place.messages().out_buffer_size(1).create(crate::NAME).unwrap();
    let client = place.message_client();
    let log = Log::default();
    read_into(&log, &server, 8);
    assert_eq!(server.cancel_own(), 1);
    assert_eq!(sleep_alertable(None), Woken::Completions);
    read_into(&log, &server, 8);
    let status = Rc::new(Cell::new(None));
    let seen = status.clone();
    let routine =
        move |completed: npipe::overlapped::Completed| seen.set(Some((completed.result, completed.data().len())));
    server.write_then("waits for quota", routine).unwrap();
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::TimedOut);
    drop(client);
    while log.borrow().len() < 2 || status.get().is_none() {
        assert_eq!(sleep_alertable(Some(PATIENCE)), Woken::Completions);
    }
    assert_eq!(
        *log.borrow(),
        [Err("ERROR_OPERATION_ABORTED"), Err("ERROR_BROKEN_PIPE")]
    );
    assert_eq!(status.get(), Some((Err(Status::PipeBroken), 0)));
}

/// semantics 240: what fails at once runs no routine.
#[test]
fn an_immediate_failure_runs_no_routine() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    drop(client);
    let never = |_| unreachable!("it was refused");
    assert_eq!(error(server.read_then(vec![0; 4], never)), "ERROR_BROKEN_PIPE");
    assert_eq!(error(server.write_then("x", never)), "ERROR_NO_DATA");
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::TimedOut);
}

/// semantics 242: a message that is longer is no failure; the routine gets what was copied, and learns that there is more.
#[test]
fn a_routine_learns_of_more() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let log = Log::default();
    client.write(b"longer").unwrap();
    read_into(&log, &server, 4);
    assert_eq!(sleep_alertable(None), Woken::Completions);
    read_into(&log, &server, 4);
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert_eq!(*log.borrow(), [Ok(("long".to_owned(), true)), whole("er")]);
}

/// semantics 244: nothing queued; a call that is queued to a thread is that thread's alone.
#[test]
fn calls_are_queued_to_a_thread() {
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::TimedOut);
    let (tell, told) = std::sync::mpsc::channel();
    let sleeping = call(move || {
        tell.send(AlertableThread::current()).unwrap();
        (sleep_alertable(None), std::thread::current().id())
    });
    let thread = told.recv().unwrap();
    let sleeping = sleeping.blocked();
    let (tell, told) = std::sync::mpsc::channel();
    thread.queue(move || tell.send(std::thread::current().id()).unwrap());
    let (woken, id) = sleeping.end();
    assert_eq!((woken, told.recv().unwrap()), (Woken::Completions, id));
    assert_eq!(sleep_alertable(Some(Duration::ZERO)), Woken::TimedOut);

    // Of several, each runs; one that a call queues itself too.
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let own = AlertableThread::current();
    for _ in 0..3 {
        let (count, own) = (count.clone(), own.clone());
        AlertableThread::current().queue(move || {
            let inner = count.clone();
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            own.queue(move || {
                inner.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
        });
    }
    assert_eq!(sleep_alertable(None), Woken::Completions);
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 6);
}

/// semantics 244: a wait that is not alertable is not woken.
#[test]
fn a_wait_that_is_not_alertable_sleeps_on() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = call(move || {
        tell.send(AlertableThread::current()).unwrap();
        let reading = pending_read(&server);
        assert!(reading.wait(Some(PATIENCE)));
        (outcome(reading.finish()), sleep_alertable(Some(Duration::ZERO)))
    });
    let thread = told.recv().unwrap();
    let waiting = waiting.blocked();
    thread.queue(|| {});
    waiting.waits();
    client.write(b"data").unwrap();
    assert_eq!(waiting.end(), (whole("data"), Woken::Completions));
}

/// semantics 245
#[test]
fn an_end_with_a_port_takes_no_routines() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    CompletionPort::new().associate(&server, 1).unwrap();
    let never = |_| unreachable!("it was refused");
    assert_eq!(error(server.read_then(vec![0; 4], never)), "ERROR_INVALID_PARAMETER");
    assert_eq!(error(server.write_then("x", never)), "ERROR_INVALID_PARAMETER");
    assert_eq!(client.peek(&mut []).unwrap().total, 0);
}

/// semantics 236: a panic of what runs comes out of the wait, and what is behind it runs in the next one.
#[test]
fn a_panic_comes_out_of_the_wait() {
    let place = Place::new();
    let (server, client) = place.message_pair();
    let log = Log::default();
    client.write(b"one").unwrap();
    client.write(b"two").unwrap();
    server.read_then(vec![0; 8], |_| panic!("as it should")).unwrap();
    read_into(&log, &server, 8);
    let wait = || sleep_alertable(Some(PATIENCE));
    assert!(std::panic::catch_unwind(wait).is_err());
    assert!(log.borrow().is_empty());
    assert_eq!(wait(), Woken::Completions);
    assert_eq!(*log.borrow(), [whole("two")]);
}
