//! Anonymous pipes, in one process and between parent and child.
//!
//! A child is this program again, with [`CHILD`] set to what it is to do. It writes to its standard error, since the harness
//! writes to the other one.
//!
//! On Windows the same tests hold the kernel's pipes to the same rules, but for what only the library's own do. What Wine does
//! otherwise is in `wine.tsv`.

#![allow(unsafe_code, reason = "the disposition of a signal has no safe binding")]

use std::io::{Read, Write};
#[cfg(unix)]
use std::os::fd::OwnedFd as Raw;
#[cfg(windows)]
use std::os::windows::io::OwnedHandle as Raw;
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use npipe::anonymous::{AnonymousReader, AnonymousWriter, pipe};
use npipe::{PipeEnd, PipeMode, Result, Status};

const CHILD: &str = "NPIPE_TEST_CHILD";

/// Between fork and exec a child has copies of all descriptors. Tests in which a close must take effect at once keep
/// others from spawning meanwhile.
static SPAWNING: RwLock<()> = RwLock::new(());

fn no_spawning() -> RwLockReadGuard<'static, ()> {
    SPAWNING.read().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(command: &mut Command) -> Child {
    let _alone = SPAWNING.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

/// This program as a child that does one thing.
fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child_does_as_it_is_told", "--nocapture", "--test-threads=1"])
        .env(CHILD, role)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// The child of the tests below; nothing by itself. No rule of its own.
#[test]
fn child_does_as_it_is_told() {
    let Some(role) = std::env::var_os(CHILD) else { return };
    let (mut input, mut output) = (std::io::stdin(), std::io::stderr());
    match role.to_str() {
        Some("lines") => (0..5000).for_each(|_| output.write_all(b"line\n").unwrap()),
        Some("copy") => drop(std::io::copy(&mut input, &mut output).unwrap()),
        #[cfg(unix)]
        Some("write without a reader") => {
            restore_default_sigpipe();
            writes_without_a_reader_fail();
        }
        _ => panic!("nobody is told that: {role:?}"),
    }
    std::process::exit(0);
}

fn nowait_pair(size: u32) -> (AnonymousReader, AnonymousWriter) {
    let (reader, writer) = pipe(size).unwrap();
    reader.set_state(PipeMode::Byte, true).unwrap();
    writer.set_state(PipeMode::Byte, true).unwrap();
    (reader, writer)
}

fn status<T: std::fmt::Debug>(result: Result<T>) -> Status {
    result.unwrap_err().status()
}

/// Fills the pipe to the last byte, whatever its size. The writer waits.
fn fill(writer: &AnonymousWriter) {
    writer.set_write_timeout(Some(Duration::ZERO));
    while writer.write(&[0; 4096]).is_ok() {}
    while writer.write(&[0]).is_ok() {}
    writer.set_write_timeout(None);
}

/// semantics 195, 253, 254
#[test]
fn info_tells_ends_and_sizes() {
    for (given, told) in [
        (0, 4096),
        (1, 1),
        (100, 100),
        (4096, 4096),
        (70_000, 70_000),
        (u32::MAX, u32::MAX),
    ] {
        let (reader, writer) = pipe(given).unwrap();
        assert_eq!(reader.info().end, PipeEnd::Server);
        assert_eq!(writer.info().end, PipeEnd::Client);
        for info in [reader.info(), writer.info()] {
            assert_eq!(info.mode, PipeMode::Byte);
            assert_eq!(info.max_instances, 1);
            assert_eq!((info.out_buffer_size, info.in_buffer_size), (told, told));
        }
    }
}

/// semantics 91, 92, 253
#[test]
fn bytes_are_a_stream() {
    let (reader, writer) = pipe(0).unwrap();
    assert_eq!(writer.write(b"one").unwrap(), 3);
    assert_eq!(writer.write(b"two").unwrap(), 3);
    let mut buffer = [0; 4];
    assert_eq!(reader.read(&mut buffer).unwrap(), 4);
    assert_eq!(&buffer, b"onet");
    assert_eq!(reader.read(&mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"wo");
}

/// semantics 93-95, 125, 188
#[test]
fn nothing_is_written_and_read() {
    let _quiet = no_spawning();
    let (reader, writer) = pipe(0).unwrap();
    reader.set_state(PipeMode::Byte, true).unwrap();
    assert_eq!(writer.write(&[]).unwrap(), 0);
    assert_eq!(status(reader.read(&mut [])), Status::PipeEmpty);
    reader.set_state(PipeMode::Byte, false).unwrap();
    reader.set_read_timeout(Some(Duration::from_millis(1)));
    assert_eq!(status(reader.read(&mut [])), Status::IoTimeout);
    fill(&writer);
    assert_eq!(writer.write(&[]).unwrap(), 0, "nothing fits into a full pipe");
    assert_eq!(reader.read(&mut []).unwrap(), 0, "and is read from it");
    let total = reader.peek(&mut []).unwrap().total;
    drop(writer);
    assert_eq!(reader.read(&mut vec![0; total]).unwrap(), total);
    assert_eq!(status(reader.read(&mut [])), Status::PipeBroken);
}

/// semantics 129, 132, 183, 257
#[test]
fn end_of_file_comes_after_the_data() {
    let _quiet = no_spawning();
    for nowait in [false, true] {
        let (mut reader, writer) = pipe(0).unwrap();
        reader.set_state(PipeMode::Byte, nowait).unwrap();
        writer.write(b"last").unwrap();
        drop(writer);
        let mut text = String::new();
        // Where the standard library reads, the end is no error.
        assert_eq!(Read::read_to_string(&mut reader, &mut text).unwrap(), 4);
        assert_eq!(text, "last");
        assert_eq!(status(reader.read(&mut [0])), Status::PipeBroken);
        assert_eq!(status(reader.peek(&mut [0])), Status::PipeBroken);
    }
}

/// semantics 257
#[test]
fn duplicates_keep_an_end_open() {
    let _quiet = no_spawning();
    let (reader, writer) = nowait_pair(0);
    let duplicate = writer.try_clone().unwrap();
    drop(writer);
    assert_eq!(status(reader.read(&mut [0])), Status::PipeEmpty);
    let descriptor = Raw::from(duplicate);
    assert_eq!(status(reader.read(&mut [0])), Status::PipeEmpty);
    drop(descriptor);
    assert_eq!(status(reader.read(&mut [0])), Status::PipeBroken);
}

/// semantics 185, 191
#[test]
fn writes_without_a_reader_fail() {
    let _quiet = no_spawning();
    for nowait in [false, true] {
        let (reader, writer) = pipe(0).unwrap();
        writer.set_state(PipeMode::Byte, nowait).unwrap();
        let duplicate = reader.try_clone().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"read later").unwrap(), 10);
        drop(duplicate);
        let error = writer.write(b"lost").unwrap_err();
        assert_eq!((error.status(), error.win32()), (Status::PipeClosing, 232));
        assert_eq!(status(writer.write(&[])), Status::PipeClosing);
        assert_eq!(
            Write::write(&mut &writer, b"lost").unwrap_err().raw_os_error(),
            Some(232)
        );
    }
}

/// semantics 186
#[test]
fn a_waiting_write_ends_when_the_reader_closes() {
    let (reader, writer) = pipe(0).unwrap();
    let waiting = thread::spawn(move || writer.write(&vec![7; 1 << 20]));
    // Once a part is in the pipe, the write has begun, and it cannot end: the pipe holds less.
    assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    drop(reader);
    assert_eq!(status(waiting.join().unwrap()), Status::PipeBroken);
}

/// semantics 186
#[test]
fn a_waiting_read_ends_when_the_writer_closes() {
    let (reader, writer) = pipe(0).unwrap();
    let waiting = thread::spawn(move || (reader.read(&mut [0; 8]), reader.read(&mut [0; 8])));
    writer.write(b"data").unwrap();
    drop(writer);
    let (first, second) = waiting.join().unwrap();
    assert_eq!(first.unwrap(), 4);
    assert_eq!(status(second), Status::PipeBroken);
}

/// semantics 119, 254: what fits in the size never waits, however it is cut into writes.
#[test]
fn the_size_fits() {
    for size in [1, 100, 4096, 4097, 65_536, 100_000] {
        let (reader, writer) = pipe(size).unwrap();
        writer.set_write_timeout(Some(Duration::ZERO));
        let mut left = size as usize;
        while left > 0 {
            let next = left.min(2049);
            assert_eq!(writer.write(&vec![1; next]).unwrap(), next);
            left -= next;
        }
        assert_eq!(reader.peek(&mut []).unwrap().total, size as usize);
    }
}

/// semantics 117, 120, 124: a write larger than the pipe waits for the reader, and no other gets between its bytes.
#[test]
fn large_writes_stay_together() {
    const LENGTH: usize = 200_000;
    const WRITERS: u8 = 4;
    let (mut reader, writer) = pipe(0).unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|mark| {
            let writer = writer.try_clone().unwrap();
            thread::spawn(move || writer.write(&vec![mark; LENGTH]).unwrap())
        })
        .collect();
    drop(writer);
    let mut data = Vec::new();
    reader.read_to_end(&mut data).unwrap();
    assert_eq!(data.len(), LENGTH * usize::from(WRITERS));
    assert!(
        data.chunks(LENGTH)
            .all(|chunk| chunk.iter().all(|byte| *byte == chunk[0]))
    );
    for writer in writers {
        assert_eq!(writer.join().unwrap(), LENGTH);
    }
}

/// semantics 256: without PIPE_NOWAIT calls wait, here until their time-out.
#[test]
fn timeouts_end_waits() {
    let (reader, writer) = pipe(0).unwrap();
    reader.set_read_timeout(Some(Duration::from_millis(1)));
    assert_eq!(status(reader.read(&mut [0])), Status::IoTimeout);
    writer.set_write_timeout(Some(Duration::from_millis(1)));
    let written = writer.write(&vec![0; 1 << 20]);
    if cfg!(windows) {
        // semantics 127
        assert_eq!(status(written), Status::IoTimeout);
        assert_eq!(reader.peek(&mut []).unwrap().total, 0);
        fill(&writer);
        writer.set_write_timeout(Some(Duration::from_millis(1)));
    } else {
        let fitted = written.unwrap();
        assert!(fitted >= 4096, "{fitted}");
        assert_eq!(reader.peek(&mut []).unwrap().total, fitted);
    }
    assert_eq!(status(writer.write(&[0])), Status::IoTimeout);
    // Behind a write that waits without a time-out, another waits no longer than it wants to.
    let (behind, duplicate) = (writer.try_clone().unwrap(), writer.try_clone().unwrap());
    writer.set_write_timeout(None);
    reader.set_read_timeout(None);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| duplicate.write(&vec![1; 1 << 20]));
        // It has begun when its first byte comes; then it has its turn until all is read.
        let mut seen = [0; 1];
        while seen[0] == 0 {
            reader.read(&mut seen).unwrap();
        }
        behind.set_write_timeout(Some(Duration::from_millis(1)));
        assert_eq!(status(behind.write(&[2])), Status::IoTimeout);
        // The kernel's own pipes have the mode kept while a call waits (semantics 138).
        if cfg!(unix) {
            behind.set_state(PipeMode::Byte, true).unwrap();
            assert_eq!(behind.write(&[2]).unwrap(), 0);
        }
        let mut left = (1 << 20) - 1;
        while left > 0 {
            left -= reader.read(&mut [0; 65_536]).unwrap();
        }
        assert_eq!(waiting.join().unwrap().unwrap(), 1 << 20);
    });
}

/// semantics 131, 134: all or nothing, by the size that was given.
#[test]
fn nowait_counts_the_size() {
    for size in [100, 4096, 100_000] {
        let (reader, writer) = nowait_pair(size);
        let size = size as usize;
        assert_eq!(status(reader.read(&mut [0])), Status::PipeEmpty);
        assert_eq!(writer.write(&vec![0; size + 1]).unwrap(), 0);
        assert_eq!(writer.write(&vec![0; size - 10]).unwrap(), size - 10);
        assert_eq!(writer.write(&[0; 11]).unwrap(), 0);
        assert_eq!(writer.write(&[0; 10]).unwrap(), 10);
        assert_eq!(writer.write(&[0]).unwrap(), 0);
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 1);
        assert_eq!(writer.write(&[0]).unwrap(), 1);
    }
}

/// semantics 98, 137, 197, 201, 203, 255
#[test]
fn state_belongs_to_one_end() {
    let (reader, writer) = pipe(0).unwrap();
    let duplicate = reader.try_clone().unwrap();
    let state = reader.state().unwrap();
    assert_eq!(
        (state.read_mode, state.nowait, state.instances),
        (PipeMode::Byte, false, 1)
    );
    reader.set_state(PipeMode::Byte, true).unwrap();
    assert_eq!(
        status(reader.set_state(PipeMode::Message, false)),
        Status::InvalidParameter
    );
    assert!(reader.state().unwrap().nowait, "nothing changes when it is refused");
    assert!(duplicate.state().unwrap().nowait);
    assert!(!writer.state().unwrap().nowait);
    assert_eq!(
        status(writer.set_state(PipeMode::Message, true)),
        Status::InvalidParameter
    );
    writer.set_state(PipeMode::Byte, true).unwrap();
    reader.set_state(PipeMode::Byte, false).unwrap();
    assert!(!duplicate.state().unwrap().nowait);
    assert!(writer.state().unwrap().nowait);
}

/// semantics 189
#[test]
fn without_a_server_there_are_no_instances() {
    let _quiet = no_spawning();
    let (reader, writer) = pipe(0).unwrap();
    assert_eq!(writer.state().unwrap().instances, 1);
    drop(reader);
    assert_eq!(writer.state().unwrap().instances, 0);
    writer.set_state(PipeMode::Byte, true).unwrap();
    assert_eq!(writer.info().end, PipeEnd::Client);
}

/// semantics 140-142, 144, 145, 149: across writes, beyond a page, and again and again.
#[test]
fn peek_takes_nothing() {
    let (reader, writer) = pipe(100_000).unwrap();
    let empty = reader.peek(&mut [0; 4]).unwrap();
    assert_eq!((empty.bytes, empty.total, empty.left), (0, 0, 0));
    let data: Vec<u8> = (0..70_000_u32).map(|number| (number % 251) as u8).collect();
    for part in data.chunks(7001) {
        writer.write(part).unwrap();
    }
    drop(writer);
    for wanted in [0, 4, 5000, 70_000, 80_000] {
        let mut buffer = vec![0; wanted];
        let seen = reader.peek(&mut buffer).unwrap();
        assert_eq!((seen.bytes, seen.total, seen.left), (wanted.min(70_000), 70_000, 0));
        assert_eq!(buffer[..seen.bytes], data[..seen.bytes]);
    }
    let mut read = Vec::new();
    (&reader).read_to_end(&mut read).unwrap();
    assert!(read == data);
    assert_eq!(status(reader.peek(&mut [])), Status::PipeBroken);
}

/// semantics 183, 257: a child's output is read to its end.
#[test]
fn a_childs_output_ends() {
    let (mut reader, writer) = pipe(0).unwrap();
    let mut child = spawn(child("lines").stderr(writer));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(text, "line\n".repeat(5000));
}

/// semantics 257: a child that holds a copy of the write end keeps the reader from the end of the file, alive and
/// silent though it is. Its input is an anonymous pipe too.
#[test]
fn a_child_with_a_copy_holds_back_the_end() {
    let (child_input, control) = pipe(0).unwrap();
    let (reader, writer) = nowait_pair(0);
    let mut child = spawn(child("copy").stdin(child_input).stderr(writer.try_clone().unwrap()));
    drop(writer);
    assert_eq!(status(reader.read(&mut [0])), Status::PipeEmpty);
    reader.set_state(PipeMode::Byte, false).unwrap();
    control.write(b"echo").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(reader.read(&mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"echo");
    drop(control);
    assert_eq!(status(reader.read(&mut buffer)), Status::PipeBroken);
    assert!(child.wait().unwrap().success());
}

/// semantics 257: ends are not inherited unless they are given.
#[test]
fn children_inherit_nothing_unasked() {
    let (reader, writer) = pipe(0).unwrap();
    let mut other = spawn(child("copy").stdin(Stdio::piped()).stderr(Stdio::null()));
    drop(writer);
    assert_eq!(status(reader.read(&mut [0])), Status::PipeBroken);
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
}

/// semantics 137, 256: what a child gets blocks, whatever the state of the end here. The kernel's own pipes have one state for both.
#[cfg(unix)]
#[test]
fn a_child_waits_whatever_the_state() {
    let (child_input, control) = nowait_pair(0);
    let (mut reader, writer) = pipe(0).unwrap();
    let keep_the_state = child_input.try_clone().unwrap();
    let mut child = spawn(child("copy").stdin(child_input).stderr(writer));
    assert!(keep_the_state.state().unwrap().nowait);
    assert_eq!(status(keep_the_state.read(&mut [0])), Status::PipeEmpty);
    control.write(b"late").unwrap();
    drop(control);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(
        child.wait().unwrap().success(),
        "with a descriptor that does not block, it fails"
    );
    assert_eq!(text, "late");
}

/// semantics 191: in a program that leaves SIGPIPE as the system has it, a write without a reader is an error and not its
/// end.
#[cfg(unix)]
#[test]
fn sigpipe_does_not_end_the_program() {
    let mut child = spawn(&mut child("write without a reader"));
    let ended = child.wait().unwrap();
    assert!(ended.success(), "{ended}");
}

#[cfg(unix)]
fn restore_default_sigpipe() {
    // SAFETY: no handler is installed, only the default restored, in a process of this test's own.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
