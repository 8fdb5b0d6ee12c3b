//! The shared-memory data plane: what lies where in a segment, how frames go through a lane, how ends wake each other.
//!
//! A *segment* belongs to one connection. It begins with a [`control::Control`] page of atomics, after which come the
//! areas of two *lanes*, one in each direction. [`ring`] moves frames through a lane, [`doorbell`] is the protocol of
//! sleeping and waking. The memory itself is behind [`memory::Memory`]: the systems map it, the tests take the heap, and
//! under `--cfg loom` the atomics are loom's.
//!
//! The peer can write anywhere in the segment at any moment. So every shared word is copied once, the copy is checked, and
//! only the copy is used; a word of ours that the peer has changed can mislead the peer alone.

#![deny(unsafe_code)]

pub mod control;
pub mod doorbell;
pub mod layout;
pub mod memory;
pub mod object;
pub mod ring;
mod sync;
