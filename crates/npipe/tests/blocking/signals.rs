//! Signals that arrive while a call waits: the handler runs and the call goes on.
#![allow(unsafe_code, reason = "installs a signal handler and sends the signal to one thread")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Call, until};
use crate::{NAME, Place, call, error};

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn handle(_signal: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Has the signal interrupt system calls instead of restarting them.
fn install() {
    // SAFETY: all zero is a valid value of this structure of numbers and pointers.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
    // SAFETY: a valid action, whose handler does nothing but add to a number.
    let done = unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
    assert_eq!(done, 0);
}

/// Interrupts a call that waits, some times over.
fn interrupt<T>(call: &Call<T>) {
    for _ in 0..5 {
        let before = HANDLED.load(Ordering::SeqCst);
        // SAFETY: plain numbers; a thread of this process, which waits in the call.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), call.thread(), libc::SIGUSR1) };
        assert_eq!(sent, 0);
        until(|| (HANDLED.load(Ordering::SeqCst) != before).then_some(()));
    }
    call.waits();
}

/// semantics 61, 84, 92, 120, 163: a call ends for the reasons the rules know, and a signal is none.
#[test]
fn calls_go_on_after_a_signal() {
    install();
    let place = Place::new();
    let server = place.bytes().in_buffer_size(1).create(NAME).unwrap();
    let connector = server.try_clone().unwrap();
    let connecting = call(move || connector.connect()).blocked();
    interrupt(&connecting);
    let client = place.open();
    connecting.end().unwrap();

    let namespace = place.namespace();
    let waiting = call(move || namespace.wait(NAME, None)).blocked();
    interrupt(&waiting);
    let another = place.bytes().create(NAME).unwrap();
    waiting.end().unwrap();
    drop(another);

    let reader = server.try_clone().unwrap();
    let reading = call(move || reader.read(&mut [0; 10])).blocked();
    interrupt(&reading);
    client.write(b"x").unwrap();
    assert_eq!(reading.end().unwrap(), 1);

    let (writer, flusher) = (client.try_clone().unwrap(), client.try_clone().unwrap());
    let writing = call(move || writer.write(b"long")).blocked();
    let flushing = call(move || flusher.flush()).blocked();
    interrupt(&writing);
    interrupt(&flushing);
    assert_eq!(server.read(&mut [0; 10]).unwrap(), 4);
    assert_eq!(writing.end().unwrap(), 4);
    flushing.end().unwrap();
}

/// No rule: time-outs are this library's; a signal does not lengthen them.
#[test]
fn a_time_out_is_kept_across_signals() {
    install();
    let place = Place::new();
    let (server, _client) = place.byte_pair();
    // Long enough for the signals to arrive in it on a busy machine.
    const TIME_OUT: Duration = Duration::from_secs(3);
    server.set_read_timeout(Some(TIME_OUT));
    let start = Instant::now();
    let reading = call(move || server.read(&mut [0])).blocked();
    interrupt(&reading);
    assert_eq!(error(reading.end()), "ERROR_SEM_TIMEOUT");
    assert!(start.elapsed() >= TIME_OUT);
}
