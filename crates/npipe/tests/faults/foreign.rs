//! A namespace directory with other things in it: what is not ours is never removed, never followed and never in the way
//! without saying so.

use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use npipe::{ClientOptions, Namespace, PipeMode, PipeName, ServerOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{NAME, Place, Puppet, error, until};

/// The file that stands for [`NAME`]: its key and our user.
fn file_of_the_name() -> String {
    let key = PipeName::from_path(NAME.as_bytes()).expect("a name").key();
    format!(
        "{:032x}.{}",
        u128::from_be_bytes(key),
        rustix::process::geteuid().as_raw()
    )
}

/// What somebody may put where a file of ours should be.
const KINDS: [&str; 5] = ["file", "directory", "link", "dangling link", "fifo"];

fn put(kind: &str, path: &Path, elsewhere: &Path) {
    match kind {
        "file" => std::fs::write(path, "mine").unwrap(),
        "directory" => std::fs::create_dir(path).unwrap(),
        "link" => symlink(elsewhere, path).unwrap(),
        "dangling link" => symlink("/nowhere/at/all", path).unwrap(),
        "fifo" => mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        other => panic!("no such kind: {other}"),
    }
}

/// Kind and text of a file, to be compared.
fn portrait(path: &Path) -> String {
    let kind = std::fs::symlink_metadata(path).unwrap().file_type();
    let text = kind.is_file().then(|| std::fs::read_to_string(path).unwrap());
    format!("{} {} {} {text:?}", kind.is_dir(), kind.is_symlink(), kind.is_fifo())
}

/// A file outside of the namespace that must stay as it is.
fn elsewhere() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("elsewhere");
    std::fs::write(&path, "not yours").unwrap();
    (directory, path)
}

/// semantics 13: neighbours of any kind and of similar names are not looked at.
#[test]
fn neighbours_stay() {
    let place = Place::new();
    let own = file_of_the_name();
    let (_directory, elsewhere) = elsewhere();
    let names = [
        "notes.txt".to_owned(),
        ".hidden".to_owned(),
        own.to_uppercase().replace('.', ".0"),
        format!("{own}x"),
        format!("{own}.lock.old"),
        format!("{}.4294967296", &own[..32]),
    ];
    for (name, kind) in names.iter().zip(KINDS.iter().cycle()) {
        put(kind, &place.path().join(name), &elsewhere);
    }
    let _listener = UnixListener::bind(place.path().join("other.socket")).unwrap();
    drop(UnixListener::bind(place.path().join("dead.socket")).unwrap());
    let before = place.files();

    let server = place.server(PipeMode::Byte).create(NAME).unwrap();
    let client = place.client().open(NAME).unwrap();
    assert_eq!(place.namespace().list().unwrap().len(), 1);
    drop((server, client));
    let mut killed = Puppet::start(&place);
    assert_eq!(killed.ask(&format!("create byte {NAME} quota=100")), "0");
    killed.kill();
    assert!(place.namespace().list().unwrap().is_empty());
    assert_eq!(place.files(), before);
    assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "not yours");
}

/// semantics 46, 81: in place of the socket; the server says what is in its way, for others there is no pipe.
#[test]
fn something_else_in_place_of_the_socket() {
    for suffix in ["", ".new"] {
        for kind in KINDS {
            let place = Place::new();
            let (_directory, elsewhere) = elsewhere();
            let path = place.path().join(file_of_the_name() + suffix);
            put(kind, &path, &elsewhere);
            let before = portrait(&path);

            let failed = place.server(PipeMode::Byte).create(NAME).unwrap_err();
            let text = failed.to_string();
            assert!(text.contains("it is not a socket; remove it"), "{kind}: {text}");
            assert!(text.contains(&*path.to_string_lossy()), "{kind}: {text}");
            assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND");
            assert_eq!(error(place.namespace().wait(NAME, None)), "ERROR_FILE_NOT_FOUND");
            assert!(place.namespace().list().unwrap().is_empty());

            assert_eq!(portrait(&path), before);
            assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "not yours");
            assert_eq!(
                place.files(),
                [file_of_the_name() + suffix],
                "{kind}: something was left behind"
            );
        }
    }
}

/// semantics 13: in place of the lock, which is written to: links are the danger.
#[test]
fn something_else_in_place_of_the_lock() {
    for kind in ["directory", "link", "dangling link", "fifo", "second name"] {
        let place = Place::new();
        let (_directory, elsewhere) = elsewhere();
        let path = place.path().join(file_of_the_name() + ".lock");
        match kind {
            "second name" => {
                std::fs::write(place.path().join("mine"), "not yours").unwrap();
                std::fs::hard_link(place.path().join("mine"), &path).unwrap();
            }
            _ => put(kind, &path, &elsewhere),
        }
        let (before, names) = (portrait(&path), place.files());
        let failed = place.server(PipeMode::Byte).create(NAME).unwrap_err().to_string();
        assert!(failed.contains("remove it or use another root"), "{kind}: {failed}");
        assert!(failed.contains(&*path.to_string_lossy()), "{kind}: {failed}");
        assert_eq!((portrait(&path), place.files()), (before, names), "{kind}");
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "not yours");
    }
}

/// semantics 13-14, 46, 81: what killed servers left is no obstacle, and goes when somebody meets it.
#[test]
fn what_killed_servers_left_goes() {
    let place = Place::new();
    let kill_one = || {
        let mut server = Puppet::start(&place);
        assert_eq!(server.ask(&format!("create message {NAME} quota=100")), "0");
        server.kill();
        assert_eq!(place.files().len(), 2);
    };
    let meets: [(&str, &dyn Fn()); 4] = [
        ("list", &|| assert!(place.namespace().list().unwrap().is_empty())),
        ("open", &|| {
            assert_eq!(error(place.client().open(NAME)), "ERROR_FILE_NOT_FOUND")
        }),
        ("wait", &|| {
            assert_eq!(error(place.namespace().wait(NAME, None)), "ERROR_FILE_NOT_FOUND")
        }),
        ("create", &|| {
            drop(
                place
                    .server(PipeMode::Byte)
                    .first_pipe_instance(true)
                    .create(NAME)
                    .unwrap(),
            )
        }),
    ];
    for (who, meet) in meets {
        kill_one();
        meet();
        assert!(place.files().is_empty(), "{who} left {:?}", place.files());
    }
    // A lock without a socket, of one that died before it listened, or one that says nonsense.
    for text in ["", "npipe 1\n1\n", "nonsense"] {
        std::fs::write(place.path().join(file_of_the_name() + ".lock"), text).unwrap();
        assert!(place.namespace().list().unwrap().is_empty());
        let server = place.server(PipeMode::Byte).create(NAME).unwrap();
        assert_eq!(place.namespace().list().unwrap()[0].name.to_string(), "test");
        drop(server);
        assert!(place.files().is_empty());
    }
}

/// semantics 46: somebody listens at the name who knows nothing of pipes.
#[test]
fn a_stranger_listens_there() {
    let place = Place::new();
    let path = place.path().join(file_of_the_name());
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The first hangs up each time, the second talks nonsense.
            for _ in 0..17 {
                drop(listener.accept().unwrap());
            }
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, &[b'?'; 4096]).unwrap();
            // Until it has been read.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        assert_eq!(error(place.client().open(NAME)), "ERROR_PIPE_BUSY");
        let failed = place.client().open(NAME).unwrap_err();
        assert_eq!(failed.status(), npipe::Status::PeerMisbehaved, "{failed}");
    });
}

/// What every use of a directory says.
#[track_caller]
fn all_uses_fail(directory: &Path, expected: &str) {
    let texts = [
        ServerOptions::new()
            .root(directory)
            .create(NAME)
            .unwrap_err()
            .to_string(),
        ClientOptions::new().root(directory).open(NAME).unwrap_err().to_string(),
        Namespace::at(directory).unwrap_err().to_string(),
    ];
    for text in texts {
        assert!(
            text.contains(expected) && text.contains(&*directory.to_string_lossy()),
            "{text}"
        );
    }
}

/// semantics 9, 46: what is wrong with the directory itself is said.
#[test]
fn directories_that_will_not_do() {
    let place = Place::new();
    let inside = |name: &str| place.path().join(name);
    let made = inside("made");
    drop(ServerOptions::new().root(&made).create(NAME).unwrap());
    assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o7777, 0o700);
    all_uses_fail(&inside("missing/below"), "does not exist");
    std::fs::write(inside("file"), "mine").unwrap();
    all_uses_fail(&inside("file"), "it is not a directory");
    symlink(&made, inside("link")).unwrap();
    all_uses_fail(&inside("link"), "symbolic links are not followed");
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o777)).unwrap();
    all_uses_fail(&made, "other users may write to it");
    let others = Path::new("/");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&made, Some(65534), Some(65534)).unwrap();
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o755)).unwrap();
        all_uses_fail(&made, "it belongs to user 65534");
    } else {
        all_uses_fail(others, "it belongs to user 0");
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o000)).unwrap();
        all_uses_fail(&made, "ermission denied");
    }
    assert_eq!(std::fs::read_to_string(inside("file")).unwrap(), "mine");
}

/// semantics 13, 46, 183: a directory that is taken away takes the names with it, not the connections.
#[test]
fn the_directory_goes_while_it_is_in_use() {
    let place = Place::new();
    let root = place.path().join("root");
    let server = ServerOptions::new().root(&root).create(NAME).unwrap();
    let client = ClientOptions::new().root(&root).open(NAME).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    client.write(b"hello").unwrap();
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 5);
    assert_eq!(
        error(ClientOptions::new().root(&root).open(NAME)),
        "ERROR_FILE_NOT_FOUND"
    );
    drop(server);
    assert_eq!(error(client.read(&mut [0; 8])), "ERROR_BROKEN_PIPE");
    // As good as new.
    let server = ServerOptions::new().root(&root).create(NAME).unwrap();
    ClientOptions::new().root(&root).open(NAME).unwrap();
    drop(server);
    until(|| crate::support::files(&root).is_empty().then_some(()));
}
