//! The modes of an end.

use npipe_core::{ReadMode, Status, WaitMode};

use super::{PLENTY, Pipe};

/// semantics 197, 201
#[test]
fn both_modes_are_set_at_once() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.client.set_modes(ReadMode::Message, WaitMode::NoWait).unwrap();
    assert_eq!(
        (pipe.client.reader.mode(), pipe.client.reader.wait_mode()),
        (ReadMode::Message, WaitMode::NoWait)
    );
    pipe.client.set_modes(ReadMode::Byte, WaitMode::Wait).unwrap();
    assert_eq!(
        (pipe.client.reader.mode(), pipe.client.reader.wait_mode()),
        (ReadMode::Byte, WaitMode::Wait)
    );
}

/// semantics 201, 203
#[test]
fn a_refused_mode_leaves_the_wait_mode_as_it_was() {
    let mut pipe = Pipe::byte(PLENTY);
    pipe.client.set_modes(ReadMode::Byte, WaitMode::NoWait).unwrap();
    assert_eq!(
        pipe.client.set_modes(ReadMode::Message, WaitMode::Wait),
        Err(Status::InvalidParameter)
    );
    assert_eq!(pipe.client.reader.wait_mode(), WaitMode::NoWait);
}

/// semantics 180
#[test]
fn the_modes_outlive_a_disconnection() {
    let mut pipe = Pipe::message(PLENTY);
    pipe.server.set_modes(ReadMode::Message, WaitMode::NoWait).unwrap();
    pipe.disconnect();
    let _old = pipe.reconnect();
    assert_eq!(pipe.server.reader.mode(), ReadMode::Message);
    assert_eq!(pipe.server.get(10), Err(Status::PipeEmpty));
}
