//! The programs that the library was first made for, unmodified, where they lie beside the project.
//!
//! Server and client run as processes of their own; what they print is compared with what they print on Windows' API.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Build, Place, printed, repository};

/// Text that leaves a program at once: some never end and are killed.
const UNBUFFERED: &str = r#"
#include <stdio.h>
__attribute__((constructor)) static void unbuffered(void) { setvbuf(stdout, NULL, _IONBF, 0); }
"#;

const UNICODE: &[&str] = &["-DUNICODE", "-D_UNICODE"];

/// Where the programs are; without them the test says so and is over.
fn seeds() -> Option<PathBuf> {
    let directory = repository().parent()?.join("shared/seeds");
    if directory.is_dir() {
        return Some(directory);
    }
    println!("{} is not there: the seed programs are not tested", directory.display());
    None
}

fn compile(place: &Place, seeds: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let sources = [seeds.join(name), place.source("unbuffered.c", UNBUFFERED)];
    place.compile(
        &name.replace('.', "-"),
        &sources,
        Build {
            flags,
            ..Build::default()
        },
    )
}

fn recorded(seeds: &Path, name: &str) -> String {
    fs::read_to_string(seeds.join(name)).expect("the recorded output")
}

/// The server first, then the client when the pipe is there: what both say.
#[track_caller]
fn talk(seeds: &Path, seed: &str, pipe: &str, arguments: &[&str], flags: &[&str]) -> (String, String) {
    let place = Place::new();
    let server = compile(&place, seeds, &format!("{seed}_server.cpp"), flags);
    let client = compile(&place, seeds, &format!("{seed}_client.cpp"), flags);
    let server = place.start(&server, &[]);
    place.until_served(pipe);
    let said = place.run(&client, arguments);
    let served = printed(&server.wait_with_output().expect("the server ends"));
    (said, served)
}

/// A conversation as it is recorded.
#[track_caller]
fn converse(seeds: &Path, seed: &str, pipe: &str, record: &str, arguments: &[&str], flags: &[&str]) {
    let (said, served) = talk(seeds, seed, pipe, arguments, flags);
    let recorded = |side: &str| recorded(seeds, &format!("{record}.{side}.txt"));
    assert_eq!(said, recorded("client"), "{seed} {flags:?}");
    assert_eq!(served, recorded("server"), "{seed} {flags:?}");
}

/// Blocking calls on a message pipe.
#[test]
fn seed_002() {
    let Some(seeds) = seeds() else { return };
    let pipe = r"\\.\pipe\mynamedpipe";
    converse(&seeds, "002", pipe, "002", &[], &[]);
    // The wide server sends a hundred wide characters, which the client prints as a narrow text.
    let (said, served) = talk(&seeds, "002", pipe, &[], UNICODE);
    let narrow = recorded(&seeds, "002.client.txt");
    assert_eq!(said, narrow.replace("100 'reply from 002 server'", "200 'r'"));
    assert_eq!(
        served,
        recorded(&seeds, "002.server.txt").replace("wrote 100", "wrote 200")
    );
}

/// The client before the server: WaitNamedPipe returns at once. semantics 81
#[test]
fn seed_002_client_first() {
    let Some(seeds) = seeds() else { return };
    let place = Place::new();
    let server = compile(&place, &seeds, "002_server.cpp", &[]);
    let client = compile(&place, &seeds, "002_client.cpp", &[]);
    let mut client = place.start(&client, &[]);
    let mut said = String::new();
    let mut output = std::io::BufReader::new(client.stdout.take().expect("its output is ours"));
    std::io::BufRead::read_line(&mut output, &mut said).expect("a line");
    let served = place.run(&server, &[]);
    std::io::Read::read_to_string(&mut output, &mut said).expect("the rest");
    assert!(client.wait().expect("the client ends").success());
    assert_eq!(said, recorded(&seeds, "002_client_first.client.txt"));
    assert_eq!(served, recorded(&seeds, "002_client_first.server.txt"));
}

/// A byte pipe whose server connects overlapped and then reads and writes without an OVERLAPPED. semantics 71, 222
#[test]
fn seed_003() {
    let Some(seeds) = seeds() else { return };
    for flags in [&[], UNICODE] {
        converse(&seeds, "003", r"\\.\pipe\mypipe", "003", &[], flags);
    }
}

/// The numbers of handles in brackets, which differ from run to run.
fn without_handles(text: &str) -> String {
    let lines = text.lines().map(
        |line| match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((number, rest)) if number.parse::<u32>().is_ok() => format!("[HANDLE]{rest}\n"),
            _ => format!("{line}\n"),
        },
    );
    lines.collect()
}

/// The completion-routine server, which never ends, and its clients one after the other.
#[track_caller]
fn ask_seed_000(seeds: &Path, source: &Path, flags: &[&str], conversations: &[&[&str]]) -> (String, String) {
    let place = Place::new();
    let unbuffered = place.source("unbuffered.c", UNBUFFERED);
    let build = Build {
        flags,
        ..Build::default()
    };
    let server = place.compile("server", &[source.to_owned(), unbuffered], build);
    let client = compile(&place, seeds, "000_client.c", flags);
    let mut server = place.start(&server, &[]);
    place.until_served(r"\\.\pipe\mynamedpipe");
    let mut said = String::new();
    for (number, requests) in conversations.iter().enumerate() {
        if conversations.len() > 1 {
            said += &format!("--- client {}\n", char::from(b'A' + number as u8));
        }
        said += &place.run(&client, requests);
    }
    server.kill().expect("it runs");
    let served = server.wait_with_output().expect("it has ended").stdout;
    (without_handles(&String::from_utf8_lossy(&served)), said)
}

/// One thread serves all clients by completion routines; as C++ and as C, ANSI and wide.
///
/// Of the wide server built as C++ the record has one letter for each text, which is a fault of the C library it was
/// recorded with. semantics 57, 68, 69, 71, 234-239
#[test]
fn seed_000() {
    let Some(seeds) = seeds() else { return };
    let cpp = seeds.join("000_server_verbatim.cpp");
    let both: &[&[&str]] = &[&["first", "second request"], &["hello from B"]];
    let alone: &[&[&str]] = &[&["alpha", "beta gamma"]];
    for (record, flags) in [("000_ansi", &[][..]), ("000_unicode", UNICODE)] {
        let (served, said) = ask_seed_000(&seeds, &cpp, flags, both);
        assert_eq!(said, recorded(&seeds, &format!("{record}.client.txt")));
        assert_eq!(served, recorded(&seeds, "000_ansi.server.txt"), "{record}");
    }
    let place = Place::new();
    let text = fs::read_to_string(&cpp).expect("the program");
    let c = place.source("000_server.c", &text);
    for (record, flags, conversations) in [("000_c", &[][..], both), ("000_c_unicode", UNICODE, alone)] {
        let (served, said) = ask_seed_000(&seeds, &c, flags, conversations);
        assert_eq!(said, recorded(&seeds, &format!("{record}.client.txt")));
        assert_eq!(served, recorded(&seeds, &format!("{record}.server.txt")));
    }
}

/// Threads, and a server without buffers.
#[test]
fn seed_004() {
    let Some(seeds) = seeds() else { return };
    for flags in [&[], UNICODE] {
        converse(&seeds, "004", r"\\.\pipe\test", "004", &[], flags);
    }
}

/// An overlapped client without an OVERLAPPED, in two threads. semantics 59, 222
#[test]
fn seed_004_delphi() {
    let Some(seeds) = seeds() else { return };
    for flags in [&[], UNICODE] {
        converse(&seeds, "004", r"\\.\pipe\test", "004_delphi", &["delphi"], flags);
    }
}
