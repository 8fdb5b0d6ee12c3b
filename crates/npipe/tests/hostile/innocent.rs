//! Clients that do nothing wrong, beside those that do nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use npipe::{PipeClient, PipeMode};

use crate::support::{PATIENCE, Place, Random};
use crate::tally::Tally;
use crate::victim::{ECHO, MARKER};

/// The longest message of an innocent.
const LONGEST: u64 = 6_000;

/// Opens a pipe whose next instance echoes.
pub(crate) fn open(place: &Place, mode: PipeMode, name: &str) -> PipeClient {
    let client = place
        .client()
        .pipe_mode(mode)
        .connect_timeout(PATIENCE)
        .open(name)
        .expect("an innocent gets in");
    client.set_read_timeout(Some(PATIENCE));
    client.set_write_timeout(Some(PATIENCE));
    client
}

/// Sends something and expects it back.
pub(crate) fn exchange(client: &PipeClient, random: &mut Random, tally: &Tally) {
    let mut sent = MARKER.to_vec();
    sent.extend((0..random.magnitude(LONGEST)).map(|_| random.next() as u8));
    let mut back = vec![0; sent.len()];
    let echoed = client.write(&sent).and_then(|_| {
        let mut filled = 0;
        while filled < back.len() {
            filled += client.read(&mut back[filled..])?;
        }
        Ok(())
    });
    tally.exchanges.fetch_add(1, Ordering::Relaxed);
    if echoed.is_err() || back != sent {
        eprintln!("an innocent is disturbed: {echoed:?}");
        tally.disturbed.fetch_add(1, Ordering::Relaxed);
    }
}

/// One exchange after the other.
pub(crate) fn exchange_until(client: &PipeClient, over: &AtomicBool, tally: &Tally) {
    let mut random = Random::new(7);
    while !over.load(Ordering::Acquire) {
        exchange(client, &mut random, tally);
    }
}

/// One client after the other, an exchange for each.
pub(crate) fn come_and_go_until(place: &Place, over: &AtomicBool, tally: &Tally) {
    let mut random = Random::new(8);
    while !over.load(Ordering::Acquire) {
        exchange(&open(place, PipeMode::Message, ECHO), &mut random, tally);
    }
}
