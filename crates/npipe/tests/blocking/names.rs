//! Every name that can be typed, and the life of a name.

use std::ffi::OsStr;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;

use npipe::{PipeMode, PipeName};

use crate::support::Puppet;
use crate::{NAME, Place, error, text};

/// Serves and opens the two spellings and exchanges a message: they mean the same pipe.
#[track_caller]
fn reaches(place: &Place, served: impl AsRef<OsStr>, opened: impl AsRef<OsStr>) {
    let server = place.messages().create(&served).expect("a name that may be served");
    let client = place.client().open(&opened).expect("the same name");
    client.write(b"hello").unwrap();
    assert_eq!(text(&server), "hello");
    server.write(b"goodbye").unwrap();
    assert_eq!(text(&client), "goodbye");
}

/// Two pipes of their own.
#[track_caller]
fn differ(place: &Place, one: &str, other: &str) {
    let first = place.bytes().first_pipe_instance(true).create(one).unwrap();
    assert_eq!(error(place.client().open(other)), "ERROR_FILE_NOT_FOUND");
    let second = place.bytes().first_pipe_instance(true).create(other).unwrap();
    let (to_first, to_second) = (place.client().open(one).unwrap(), place.client().open(other).unwrap());
    to_first.write(b"one").unwrap();
    to_second.write(b"other").unwrap();
    assert_eq!((text(&first), text(&second)), ("one".to_owned(), "other".to_owned()));
}

fn prefixed(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}

/// semantics 1-3
#[test]
fn prefixes_and_names_ignore_case() {
    let place = Place::new();
    let served = r"\\.\pipe\Probe-MiXeD-É-ж-Ω-中";
    for opened in [
        r"\\.\pipe\probe-mixed-é-Ж-ω-中",
        r"\\.\PIPE\PROBE-MIXED-É-Ж-Ω-中",
        r"\\?\pipe\Probe-MiXeD-É-ж-Ω-中",
        r"\\?\PiPe\pRoBe-MiXeD-é-ж-ω-中",
        "//./pipe/Probe-MiXeD-É-ж-Ω-中",
        "//?/pipe/Probe-MiXeD-É-ж-Ω-中",
        r"/\.\PIPE/Probe-MiXeD-É-ж-Ω-中",
    ] {
        reaches(&place, served, opened);
        reaches(&place, opened, served);
    }
}

/// semantics 2: character by character, whatever the length of its upper case in words.
#[test]
fn folding_never_changes_the_length() {
    let place = Place::new();
    differ(&place, &prefixed("straße"), &prefixed("STRASSE"));
    differ(&place, &prefixed("ﬁle"), &prefixed("FIle"));
    // Composed and decomposed look alike.
    differ(&place, &prefixed("é"), &prefixed("e\u{301}"));
}

/// Names of all kinds of characters.
const CHARACTERS: [&str; 39] = [
    r#"<>*?|":"#,
    "a b",
    " a",
    "0",
    "4711",
    "con",
    "NUL",
    "a:b",
    "C:",
    ".hidden",
    "...x",
    "~",
    "-rf",
    "%s%n",
    "$HOME",
    "'",
    "`id`",
    ";&|",
    "#",
    "a\tb",
    "line\nbreak",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}gnp",
    "\u{feff}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    "мир",
    "ไปป์",
    "שלום",
    "管道",
    "パイプ",
    "🚰",
    "👩‍👩‍👧‍👦",
    "👩",
];

/// semantics 4
#[test]
fn any_character_will_do() {
    let place = Place::new();
    for name in CHARACTERS {
        reaches(&place, prefixed(name), prefixed(name));
        let exactly = format!(r"\\?\pipe\{name}");
        reaches(&place, &exactly, prefixed(name));
    }
    let _held: Vec<_> = CHARACTERS
        .iter()
        .map(|name| place.bytes().create(prefixed(name)).unwrap())
        .collect();
    for name in CHARACTERS {
        assert_eq!(place.namespace().info(prefixed(name)).unwrap().name.to_string(), name);
    }
}

/// semantics 5, 6
#[test]
fn backslashes_are_characters() {
    let place = Place::new();
    reaches(&place, r"\\.\pipe\a\b\c", r"\\.\pipe\A\B\C");
    reaches(&place, r"\\.\pipe\tsvcpipe\..hidden\x", r"\\?\pipe\tsvcpipe\..hidden\x");
    differ(&place, r"\\.\pipe\a", r"\\.\pipe\a\b");
    differ(&place, r"\\.\pipe\x\", r"\\.\pipe\x");
    differ(&place, r"\\?\pipe\x\\", r"\\?\pipe\x\");
    reaches(&place, r"\\?\pipe\\", r"\\?\pipe\\");
}

/// semantics 7
#[test]
fn paths_are_normalised_unless_verbatim() {
    let place = Place::new();
    for path in [
        r"\\.\pipe\a/b",
        r"\\.\pipe\a\.\b",
        r"\\.\pipe\a\x\..\b",
        r"\\.\pipe\..\pipe\a\b",
        r"\\.\pipe\\a\\\b",
        "//./pipe//a/b",
        r"\\.\pipe\a\b.",
        r"\\.\pipe\a\b. . ",
        r"\\.\pipe\..\..\..\pipe\a\b",
    ] {
        reaches(&place, path, r"\\?\pipe\a\b");
    }
    for name in [
        ".",
        "..",
        "a/b",
        r"a\..\b",
        r"a\.\b",
        "a.",
        "a ",
        r"..\..\etc\passwd",
        "../../etc/passwd",
        "/",
        "//",
    ] {
        let exactly = format!(r"\\?\pipe\{name}");
        let server = place.bytes().create(&exactly).unwrap();
        assert_eq!(place.namespace().info(&exactly).unwrap().name.to_string(), name);
        drop(server);
        reaches(&place, &exactly, &exactly);
    }
    differ(&place, r"\\?\pipe\a/b", r"\\?\pipe\a\b");
    differ(&place, r"\\?\pipe\a.", r"\\?\pipe\a");
}

/// semantics 4, 7: whatever a name says, its files lie in the namespace and nowhere else, and go with it.
#[cfg(unix)]
#[test]
fn no_name_leads_out_of_the_namespace() {
    let outer = Place::new();
    let inner = outer.path().join("namespace");
    for name in ["../x", "..", "/etc/x", "a/../../x", ".lock", "x.lock"] {
        let server = outer.bytes().root(&inner).create(format!(r"\\?\pipe\{name}")).unwrap();
        let files = |path| {
            std::fs::read_dir(path)
                .unwrap()
                .map(|file| file.unwrap().file_name())
                .collect::<Vec<_>>()
        };
        assert_eq!(files(outer.path()), ["namespace"]);
        assert_eq!(files(&inner).len(), 2, "a socket and a lock");
        drop(server);
        assert!(files(&inner).is_empty());
    }
}

/// semantics 8: counted in UTF-16 units, in every script.
#[cfg(unix)]
#[test]
fn the_longest_names_work() {
    let place = Place::new();
    let repeated = |character: &str, count: usize| character.repeat(count);
    for name in [
        repeated("a", 247),
        repeated("é", 247),
        repeated("ї", 247),
        repeated("ش", 247),
        repeated("中", 247),
        repeated("\u{301}", 247),
        repeated("😀", 123) + "x",
        repeated("𝔘", 123) + "中",
    ] {
        assert_eq!(name.encode_utf16().count(), 247);
        reaches(&place, prefixed(&name), prefixed(&name));
        let server = place.bytes().create(prefixed(&name)).unwrap();
        assert_eq!(place.namespace().list().unwrap()[0].name.to_string(), name);
        assert_eq!(place.namespace().info(prefixed(&name)).unwrap().name.to_string(), name);
        drop(server);
        let longer = prefixed(&(name + "x"));
        assert_eq!(error(place.bytes().create(&longer)), "ERROR_INVALID_NAME");
        assert_eq!(error(place.client().open(&longer)), "ERROR_INVALID_NAME");
    }
    let far_longer = prefixed(&"x".repeat(1 << 20));
    assert_eq!(error(place.bytes().create(far_longer)), "ERROR_INVALID_NAME");
    // The limit holds for what is left.
    let winding = prefixed(&(r"x\..\".repeat(1000) + "x"));
    reaches(&place, winding, prefixed("x"));
}

/// semantics 9-12
#[test]
fn what_is_no_name_is_refused() {
    let place = Place::new();
    let create = |path: &str| error(place.bytes().create(path));
    let open = |path: &str| error(place.client().open(path));
    assert_eq!(create(""), "ERROR_PATH_NOT_FOUND");
    assert_eq!(open(""), "ERROR_PATH_NOT_FOUND");
    for path in [
        "test",
        "pipe",
        r"pipe\test",
        r"\pipe\test",
        r"\.\pipe\test",
        r".\pipe\test",
        r"C:\pipe\test",
        "/tmp/test",
        " ",
        r"\\.\mailslot\test",
        r"\\.\pipes\test",
        r"\\.\pip\test",
        r"\\.pipe\test",
        r"\\",
        r"\\.",
        r"\\.\",
        r"\\?\",
        r"\??\pipe\x",
        // The device itself, however spelled.
        r"\\.\pipe",
        r"\\.\pipe\",
        r"\\.\PIPE\",
        r"\\?\pipe",
        r"\\?\pipe\",
        "//./pipe/",
        r"\\.\pipe\.",
        r"\\.\pipe\..",
        r"\\.\pipe\ ",
        r"\\.\pipe\...",
        r"\\.\pipe\x\..",
        r"\\.\pipe\\\",
        r"\\.\pipe\..\x",
        "\\\\.\\pipe\\a\0b",
        "\\\\.\\pipe\\\0",
        "\0",
    ] {
        assert_eq!(create(path), "ERROR_INVALID_NAME", "{path:?}");
        assert_eq!(open(path), "ERROR_INVALID_NAME", "{path:?}");
    }
    for path in [
        r"\\server\pipe\test",
        "//localhost/pipe/test",
        r"\\127.0.0.1\pipe\test",
        r"\\?\UNC\server\pipe\x",
    ] {
        assert_eq!(create(path), "ERROR_INVALID_NAME", "{path:?}");
        assert_eq!(open(path), "ERROR_NOT_SUPPORTED", "{path:?}");
    }
    let refusal = place.bytes().create("test").unwrap_err().to_string();
    assert!(
        refusal.contains("\"test\"") && refusal.contains(r"\\.\pipe\NAME"),
        "{refusal}"
    );
}

/// semantics 4: names are UTF-16, and lone surrogates characters like others.
#[cfg(unix)]
#[test]
fn lone_surrogates_are_names() {
    let place = Place::new();
    let path = |bytes: &[u8]| [br"\\.\pipe\", bytes].concat();
    let (high, low) = (path(b"\xED\xA0\xBD"), path(b"\xED\xB8\x80"));
    reaches(&place, OsStr::from_bytes(&high), OsStr::from_bytes(&high));
    let first = place.bytes().create(OsStr::from_bytes(&high)).unwrap();
    assert_eq!(
        error(place.client().open(OsStr::from_bytes(&low))),
        "ERROR_FILE_NOT_FOUND"
    );
    assert_eq!(place.namespace().list().unwrap()[0].name.units(), [0xD83D]);
    drop(first);
    reaches(
        &place,
        OsStr::from_bytes(&path(b"\xED\xB8\x80\xED\xA0\xBD")),
        OsStr::from_bytes(&path(b"\xED\xB8\x80\xED\xA0\xBD")),
    );

    for wrong in [
        &b"\xFF"[..],
        b"a\xC3",
        b"\xED\xA0",
        b"\xC0\x80",
        b"\xF4\x90\x80\x80",
        b"\xED\xA0\xBD\xED\xB8\x80",
    ] {
        let wrong = path(wrong);
        assert_eq!(
            error(place.bytes().create(OsStr::from_bytes(&wrong))),
            "ERROR_INVALID_NAME"
        );
        assert_eq!(
            error(place.client().open(OsStr::from_bytes(&wrong))),
            "ERROR_INVALID_NAME"
        );
    }
}

/// semantics 4, 17: the units of a name and its bytes lead to the same pipe.
#[test]
fn a_listed_name_can_be_opened() {
    let place = Place::new();
    let names: Vec<_> = CHARACTERS
        .into_iter()
        .chain(["wide-é中-😀/x."])
        .map(|name| PipeName::from_units(&name.encode_utf16().collect::<Vec<_>>()).unwrap())
        .collect();
    let _servers: Vec<_> = names
        .iter()
        .map(|name| place.bytes().create(name.path()).unwrap())
        .collect();
    let listed = place.namespace().list().unwrap();
    assert_eq!(listed.len(), names.len());
    for name in names {
        let entry = listed.iter().find(|entry| entry.name == name);
        let entry = entry.unwrap_or_else(|| panic!("{name:?} is not listed"));
        place.client().open(entry.name.path()).unwrap();
    }
}

/// semantics 13, 15, 190: what is listed is what is served, and nothing that was refused or has died.
#[test]
fn a_listing_follows_the_servers() {
    let place = Place::new();
    let listed = || place.namespace().list().unwrap().len();
    assert_eq!(error(place.bytes().create("test")), "ERROR_INVALID_NAME");
    assert_eq!(
        error(place.bytes().max_instances(0).create(NAME)),
        "ERROR_INVALID_PARAMETER"
    );
    assert_eq!(listed(), 0);
    let first = place.bytes().create(NAME).unwrap();
    let second = place.bytes().create(NAME).unwrap();
    let client = place.open();
    assert_eq!(listed(), 1);
    drop(first);
    assert_eq!(listed(), 1);
    drop(second);
    assert_eq!(listed(), 0);
    drop(client);
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("create byte {NAME}")), "0");
    let _client = place.open();
    assert_eq!(listed(), 1);
    child.kill();
    assert_eq!(listed(), 0);
}

/// semantics 13, 15
#[test]
fn the_name_goes_with_the_last_server() {
    let place = Place::new();
    let first = place.bytes().create(NAME).unwrap();
    let second = place.bytes().create(NAME).unwrap();
    let client = place.open();
    drop(place.open());
    drop(first);
    assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
    drop(second);
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    #[cfg(unix)]
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    drop(client);
}

/// semantics 14
#[test]
fn a_name_can_be_made_anew_while_old_clients_drain() {
    let place = Place::new();
    let server = place.bytes().access_inbound(false).create(NAME).unwrap();
    let old = place.client().write(false).open(NAME).unwrap();
    server.write(b"from the old pipe").unwrap();
    drop(server);

    let server = place
        .messages()
        .access_outbound(false)
        .max_instances(1)
        .create(NAME)
        .unwrap();
    let new = place.client().read(false).open(NAME).unwrap();
    assert_eq!(new.info().unwrap().mode, PipeMode::Message);
    new.write(b"to the new pipe").unwrap();
    assert_eq!(text(&server), "to the new pipe");
    assert_eq!(text(&old), "from the old pipe");
    assert_eq!(old.info().unwrap().mode, PipeMode::Byte);
    assert_eq!(error(old.read(&mut [0])), "ERROR_BROKEN_PIPE");
}

/// semantics 13, 14: also when a client comes at that very moment, every time.
#[test]
fn a_closed_name_is_free_whoever_knocks() {
    let place = Place::new();
    let (root, over) = (
        place.path().to_owned(),
        std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
    );
    let stop = over.clone();
    let knocking = crate::call(move || {
        let mut options = npipe::ClientOptions::new();
        options.root(root);
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let _ = options.open(NAME);
        }
    });
    for _ in 0..2000 {
        // With the second one the maximum would be reached if the first were still there.
        let server = place.bytes().max_instances(1).create(NAME);
        drop(server.expect("the name is free"));
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    knocking.end();
}

/// semantics 16, 190
#[test]
fn duplicates_keep_the_name() {
    let place = Place::new();
    let original = place.bytes().create(NAME).unwrap();
    let duplicate = original.try_clone().unwrap();
    drop(original);
    let client = place.open();
    client.write(b"still here").unwrap();
    assert_eq!(text(&duplicate), "still here");
    drop(duplicate);
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
}

/// semantics 13, 190: also when it did not go in order.
#[test]
fn the_name_goes_with_its_process() {
    let place = Place::new();
    let mut child = Puppet::start(&place);
    assert_eq!(child.ask(&format!("create byte {NAME}")), "0");
    let client = place.open();
    child.kill();
    assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
    let _server = place.messages().create(NAME).unwrap();
    place.open();
    assert_eq!(error(client.read(&mut [0])), "ERROR_BROKEN_PIPE");
}
