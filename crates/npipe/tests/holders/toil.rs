//! Many processes read and write at one end, and are killed while they do: in their turns, between them, in calls that wait.
//!
//! Each message says who wrote it and which of that one's it is. What must hold at the other end: every write that returned
//! is there once, whole and in order, and of each process that was killed at most one more, whole too. Of what the other end
//! wrote, each message is read by one process, and for each that was killed at most one is missing, which it had taken.
//!
//! `NPIPE_TOIL_KILLS` sets how many are killed, 150 by default.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use npipe::{PipeClient, PipeServer};

use super::passing_on::message_pair;
use crate::support::{Place, Process, Random, again, announce, said, say};

const TOILERS: usize = 3;
const HEADER_BYTES: usize = 8;
const LONGEST: usize = 100_000;
const CHILD_VARIABLE: &str = "NPIPE_TEST_TOILER";

/// A message of some writer: its length and its content follow from these.
fn message(writer: u32, number: u32) -> Vec<u8> {
    let length = match number % 8 {
        7 => HEADER_BYTES + (number as usize * 7919) % (LONGEST - HEADER_BYTES),
        small => HEADER_BYTES + small as usize * 5,
    };
    let mut bytes = vec![(writer ^ number) as u8; length];
    bytes[..4].copy_from_slice(&writer.to_le_bytes());
    bytes[4..HEADER_BYTES].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Who wrote it, and which one it is.
fn identify(bytes: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let (writer, number) = (word(0), word(4));
    assert!(bytes == message(writer, number), "message {number} of {writer} is torn");
    (writer, number)
}

/// Reads and writes at the end that it was given until it is killed, and says what it has done.
pub(crate) fn toil() {
    let raw = std::io::stdin().as_fd().try_clone_to_owned().expect("it is there");
    let client = PipeClient::from_raw(raw).expect("an end was inherited");
    let own: u32 = std::env::var(CHILD_VARIABLE)
        .expect("a number")
        .parse()
        .expect("a number");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                client.write(&message(own, number)).expect("somebody reads");
                say(&format!("wrote {number}"));
            }
        });
        let mut buffer = vec![0; LONGEST];
        loop {
            let count = client.read(&mut buffer).expect("somebody writes");
            say(&format!("read {}", identify(&buffer[..count]).1));
        }
    });
}

/// What one process has said that it did.
#[derive(Default)]
struct Told {
    wrote: u32,
    read: Vec<u32>,
}

struct Toiler {
    number: u32,
    process: Process,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    told: Told,
}

impl Toiler {
    fn start(place: &Place, client: &PipeClient, number: u32) -> Toiler {
        let raw = client.try_clone().expect("a handle").into_raw().expect("shareable");
        let mut command = again("toiler", place.path());
        command
            .env(CHILD_VARIABLE, number.to_string())
            .stdin(raw)
            .stdout(Stdio::piped());
        let mut process = Process(command.spawn().expect("it starts"));
        let output = process.0.stdout.take().expect("it is piped");
        Toiler {
            number,
            process,
            lines: BufReader::new(output).lines(),
            told: Told::default(),
        }
    }

    /// Takes in one more thing that it has done; `false` at the end.
    fn listen(&mut self) -> bool {
        let Some(line) = self.lines.next() else { return false };
        let line = line.expect("text");
        match said(&line).and_then(|text| text.split_once(' ')) {
            Some(("wrote", number)) => {
                assert_eq!(self.told.wrote, number.parse::<u32>().expect("a number"));
                self.told.wrote += 1;
            }
            Some(("read", number)) => self.told.read.push(number.parse().expect("a number")),
            _ => {}
        }
        true
    }

    /// Kills it after it has done so many things more.
    fn kill(mut self, after: u64) -> (u32, Told) {
        for _ in 0..after {
            assert!(self.listen(), "it ends before it is killed");
        }
        let ended = self.process.0.try_wait().expect("it is ours");
        assert!(ended.is_none(), "it has ended by itself; it says why above");
        self.process.kill();
        while self.listen() {}
        (self.number, self.told)
    }
}

/// What the other end has read, by writer: the numbers in the order in which they came.
fn read_all(server: &PipeServer) -> HashMap<u32, u32> {
    let mut next: HashMap<u32, u32> = HashMap::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        let count = match server.read(&mut buffer) {
            Ok(count) => count,
            Err(error) => {
                assert_eq!(error.status().win32_name(), "ERROR_BROKEN_PIPE");
                return next;
            }
        };
        let (writer, number) = identify(&buffer[..count]);
        let expected = next.entry(writer).or_default();
        assert_eq!(number, *expected, "writer {writer}");
        *expected += 1;
    }
}

/// semantics 101, 128, 129, 190
#[test]
fn what_many_processes_do_at_one_end_survives_their_deaths() {
    let kills: u32 = std::env::var("NPIPE_TOIL_KILLS").map_or(150, |kills| kills.parse().expect("a number"));
    let place = Place::new();
    let (server, client) = message_pair(&place);
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut random = Random::new(0x7011);
    let (told, received) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(&server));
        let writing = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let number = written.load(Ordering::Relaxed);
                if server.write(&message(0, number)).is_err() {
                    return;
                }
                written.store(number + 1, Ordering::Relaxed);
            }
        });
        let mut told: Vec<(u32, Told)> = Vec::new();
        let mut toilers: Vec<Toiler> = (1..=TOILERS as u32)
            .map(|number| Toiler::start(&place, &client, number))
            .collect();
        for killed in 0..kills {
            let victim = toilers.swap_remove(random.below(toilers.len() as u64) as usize);
            told.push(victim.kill(1 + random.below(40)));
            toilers.push(Toiler::start(&place, &client, killed + 1 + TOILERS as u32));
        }
        stop.store(true, Ordering::Relaxed);
        told.extend(toilers.into_iter().map(|toiler| toiler.kill(1)));
        // What nobody has read is for us, and the writer comes to its end with it.
        let mut own = Told::default();
        let mut buffer = vec![0; LONGEST];
        while !writing.is_finished() || client.peek(&mut []).expect("it is open").total > 0 {
            client.set_read_timeout(Some(std::time::Duration::from_millis(10)));
            if let Ok(count) = client.read(&mut buffer) {
                own.read.push(identify(&buffer[..count]).1);
            }
        }
        told.push((0, own));
        drop(client);
        (told, reading.join().expect("no panic"))
    });
    let written = written.load(Ordering::Relaxed);
    let mut read = vec![0; written as usize];
    for (writer, told) in &told {
        let arrived = received.get(writer).copied().unwrap_or(0);
        assert!(
            arrived == told.wrote || arrived == told.wrote + 1,
            "{writer}: {arrived} of {}",
            told.wrote
        );
        assert!(
            told.read.is_sorted_by(|one, next| one < next),
            "{writer} reads in order"
        );
        for &number in &told.read {
            read[number as usize] += 1;
        }
    }
    let deaths = told.len() - 1;
    let missing = read.iter().filter(|&&times| times == 0).count();
    announce(&format!(
        "killed {deaths} of the holders of one end, which had read {} messages of {written} and written {}: \
         lost {missing}, with those who had taken them",
        read.iter().sum::<u32>(),
        received.values().sum::<u32>(),
    ));
    assert!(read.iter().all(|&times| times <= 1), "read once");
    assert!(missing <= deaths, "{missing} lost by {deaths}");
}
