//! The interface below: operations on raw memory, completed into a sink of one's own, and waits on several signals.
#![allow(unsafe_code, reason = "raw memory is what the C interface hands over")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use npipe::Status;
use npipe::overlapped::engine::{
    self, Buffer, Completion, MAX_SIGNALS, OperationId, Order, Signal, Sink, Started, wait_until,
};

use crate::{NAME, PATIENCE, Place, call, moved, text, until};

/// Keeps what it gets.
#[derive(Default)]
struct Kept(Mutex<Vec<(OperationId, Result<usize, Status>)>>);

impl Sink for Kept {
    fn complete(&self, completion: Completion) {
        let bytes = completion.result.map(|outcome| outcome.bytes);
        self.0.lock().unwrap().push((completion.id, bytes));
    }
}

impl Kept {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn next(&self) -> Option<(OperationId, Result<usize, Status>)> {
        let mut kept = self.0.lock().unwrap();
        (!kept.is_empty()).then(|| kept.remove(0))
    }
}

fn order(sink: &Arc<Kept>, signal: &Arc<Signal>) -> Order {
    Order {
        sink: sink.clone(),
        signal: signal.clone(),
        issuer: None,
    }
}

fn pending(started: Result<Started, engine::Refused>) -> OperationId {
    match started {
        Ok(Started::Pending(id)) => id,
        other => panic!("not pending: {other:?}"),
    }
}

fn deadline() -> Option<Instant> {
    Some(Instant::now() + PATIENCE)
}

/// semantics 211, 213, 214: memory of the caller's, a sink of the caller's.
#[test]
fn raw_memory_and_a_sink() {
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let (kept, signal) = (Arc::<Kept>::default(), Arc::new(Signal::new()));
    let mut memory = [0; 8];
    // SAFETY: the memory is used again only after the completion.
    let buffer = unsafe { Buffer::from_raw(memory.as_mut_ptr(), memory.len()) };
    let id = pending(engine::read(&server, buffer, order(&kept, &signal)));
    assert_eq!(kept.count(), 0);
    client.write(b"raw").unwrap();
    engine::pump(&server);
    assert_eq!(kept.next(), Some((id, Ok(3))));
    assert_eq!(&memory[..4], b"raw\0");
    assert_eq!(engine::cancel(&server, id), Err(Status::NotFound));

    let mut data = *b"written";
    // SAFETY: nobody writes to the memory meanwhile.
    let buffer = unsafe { Buffer::from_raw(data.as_mut_ptr(), data.len()) };
    match engine::write(&server, buffer, order(&kept, &signal)) {
        Ok(Started::Complete(completion)) => assert_eq!(completion.result, moved(7)),
        other => panic!("not complete at once: {other:?}"),
    }
    assert_eq!((text(&client), kept.count()), ("written".to_owned(), 0));

    drop(client);
    // SAFETY: as above.
    let buffer = unsafe { Buffer::from_raw(memory.as_mut_ptr(), memory.len()) };
    let refused = engine::read(&server, buffer, order(&kept, &signal)).unwrap_err();
    assert_eq!((refused.status, refused.buffer.len()), (Status::PipeBroken, 8));
    assert_eq!(kept.count(), 0);
}

/// semantics 62, 71, 246: of a connect too, an immediate failure reaches no sink.
#[test]
fn connects_and_transactions() {
    let place = Place::new();
    let server = place.messages().create(NAME).unwrap();
    let (kept, signal) = (Arc::<Kept>::default(), Arc::new(Signal::new()));
    let id = pending(engine::connect(&server, order(&kept, &signal)));
    let client = place.message_client();
    assert_eq!(wait_until(&[&signal], deadline(), || kept.next()), Some((id, Ok(0))));
    let refused = engine::connect(&server, order(&kept, &signal)).unwrap_err();
    assert_eq!(refused.status, Status::PipeConnected);
    let (request, reply) = (b"question".to_vec().into(), vec![0; 8].into());
    let id = pending(engine::transact(&client, request, reply, order(&kept, &signal)));
    assert_eq!(text(&server), "question");
    server.write(b"answer").unwrap();
    assert_eq!(wait_until(&[&signal], deadline(), || kept.next()), Some((id, Ok(6))));
    assert_eq!(kept.count(), 0);
}

/// semantics 227, 228
#[test]
fn one_operation_and_those_of_an_issuer() {
    let place = Place::new();
    let (server, _client) = place.byte_pair();
    let (kept, signal) = (Arc::<Kept>::default(), Arc::new(Signal::new()));
    let issuer = Some(engine::current_issuer());
    let read = |issuer| {
        let order = Order {
            issuer,
            ..order(&kept, &signal)
        };
        pending(engine::read(&server, vec![0; 8].into(), order))
    };
    let (first, second, third) = (read(issuer), read(None), read(issuer));
    assert_eq!(engine::cancel_issued(&server, engine::current_issuer()), 2);
    assert_eq!(kept.next(), Some((first, Err(Status::Cancelled))));
    assert_eq!(kept.next(), Some((third, Err(Status::Cancelled))));
    assert_eq!(engine::cancel(&server, second), Ok(()));
    assert_eq!(kept.next(), Some((second, Err(Status::Cancelled))));
    assert_eq!(engine::cancel(&server, second), Err(Status::NotFound));
}

/// semantics 216: a wait for any of many objects ends with the first.
#[test]
fn a_wait_on_many_signals() {
    let place = Place::new();
    let kept = Arc::<Kept>::default();
    let names: Vec<String> = (0..MAX_SIGNALS).map(|number| format!(r"\\.\pipe\{number}")).collect();
    let servers: Vec<_> = names.iter().map(|name| place.bytes().create(name).unwrap()).collect();
    let clients: Vec<_> = names.iter().map(|name| place.client().open(name).unwrap()).collect();
    let signals: Vec<_> = names.iter().map(|_| Arc::new(Signal::new())).collect();
    let read = |number: usize| {
        pending(engine::read(
            &servers[number],
            vec![0; 8].into(),
            order(&kept, &signals[number]),
        ))
    };
    let ids: Vec<_> = (0..MAX_SIGNALS).map(read).collect();
    // Those that the waiting thread attends itself, and those that it leaves to others.
    for number in [0, 1, MAX_SIGNALS / 2, MAX_SIGNALS - 1] {
        let (waited, sink) = (signals.clone(), kept.clone());
        let waiting = call(move || {
            let all: Vec<&Signal> = waited.iter().map(|signal| &**signal).collect();
            wait_until(&all, deadline(), || sink.next())
        })
        .blocked();
        clients[number].write(b"wake").unwrap();
        assert_eq!(waiting.end(), Some((ids[number], Ok(4))));
    }
    // One that nothing completes, but somebody notifies.
    let (signal, notified) = (Arc::new(Signal::new()), Arc::new(AtomicU32::new(0)));
    let (waited, flag) = (signal.clone(), notified.clone());
    let look = move || (flag.load(Ordering::Acquire) > 0).then_some(());
    let waiting = call(move || wait_until(&[&waited], deadline(), look)).blocked();
    signal.notify();
    let waiting = waiting.blocked();
    waiting.waits();
    notified.store(1, Ordering::Release);
    signal.notify();
    assert_eq!(waiting.end(), Some(()));
}

/// A sink may use the library, even the end that it hears of. semantics 211
#[test]
fn a_sink_may_start_and_cancel_operations() {
    struct Chain {
        server: npipe::PipeServer,
        kept: Arc<Kept>,
        signal: Arc<Signal>,
    }
    impl Sink for Chain {
        fn complete(&self, completion: Completion) {
            self.kept.complete(completion);
        }

        fn notify(&self) {
            let order = order(&self.kept, &self.signal);
            let id = pending(engine::read(&self.server, vec![0; 8].into(), order));
            engine::cancel(&self.server, id).unwrap();
        }
    }
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let (kept, signal) = (Arc::<Kept>::default(), Arc::new(Signal::new()));
    let chain = Chain {
        server: server.try_clone().unwrap(),
        kept: kept.clone(),
        signal: signal.clone(),
    };
    let order = Order {
        sink: Arc::new(chain),
        signal,
        issuer: None,
    };
    pending(engine::read(&server, vec![0; 8].into(), order));
    client.write(b"data").unwrap();
    engine::pump(&server);
    until(|| (kept.count() == 2).then_some(()));
}

/// A server that has answered many times and always come back to wait does not come back once. What it has started goes on all
/// the same, as its client finds out, which waits until everything is read.
///
/// semantics 163, 219
#[test]
fn operations_go_on_when_nobody_comes_back() {
    const ROUNDS: usize = 2000;
    let place = Place::new();
    let (server, client) = place.byte_pair();
    let (kept, signal) = (Arc::<Kept>::default(), Arc::new(Signal::new()));
    let read = || engine::read(&server, vec![0; 8].into(), order(&kept, &signal));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                client.write(b"?").unwrap();
                assert_eq!(client.read(&mut [0]).unwrap(), 1);
            }
        });
        for _ in 0..ROUNDS {
            if let Started::Pending(id) = read().unwrap() {
                assert_eq!(wait_until(&[&signal], deadline(), || kept.next()), Some((id, Ok(1))));
            }
            server.write(b"!").unwrap();
        }
    });
    for _ in 0..3 {
        pending(read());
        client.write(b"data").unwrap();
        client.flush().unwrap();
        assert_eq!(until(|| kept.next()).1, Ok(4));
    }
}
