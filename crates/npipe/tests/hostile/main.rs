//! Peers that do whatever a peer can: to the segment, to those who wait, at the door, in place of a server.
//!
//! The attacked side uses the public interface alone. The attackers use none of it: they speak the protocol by hand
//! ([`intruder`]) and know the segment as its layout says. Beside every attacked connection an innocent one goes on, whose
//! every exchange has to be exact. The attacked server is a process of its own ([`victim`]), so that a crash is seen as
//! one, and so that its memory and its descriptors can be counted.
//!
//! Each test says how many hostile inputs it made. `NPIPE_HOSTILE_ROUNDS` has the longest ones go on so many times as long.

#![cfg(unix)]

mod bells;
mod crowd;
mod delegate;
mod door;
mod impostor;
mod innocent;
mod intruder;
mod member;
mod memory;
mod scribbles;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod victim;

/// What another process of these tests does.
fn play(role: &str, root: &std::path::Path) {
    match role {
        "victim" => victim::suffer(root),
        "thief" => bells::steal(root),
        "scribbler" => scribbles::scribble_for_ever(root),
        _ => panic!("no such role: {role:?}"),
    }
}
