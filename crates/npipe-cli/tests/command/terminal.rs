//! The command as people see it: on a terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::{Root, end};

/// A terminal, of which the test has the keyboard and the screen.
struct Terminal {
    screen: File,
    child: Option<Child>,
    seen: String,
}

impl Terminal {
    /// Runs a command on a terminal of so many columns.
    fn run(root: &Root, words: &[&str], columns: u16, change: impl FnOnce(&mut Command)) -> Terminal {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&keyboard).expect("it is ours");
        unlockpt(&keyboard).expect("it is ours");
        let path = ptsname(&keyboard, Vec::new()).expect("its name");
        let path = path.to_str().expect("text").to_owned();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keyboard, size).expect("it has a size");
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&path)
                .expect("the terminal")
        };
        let mut command = root.command(words);
        command.stdin(open()).stdout(open()).stderr(open());
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        change(&mut command);
        Terminal {
            screen: File::from(keyboard),
            child: Some(command.spawn().expect("the command starts")),
            seen: String::new(),
        }
    }

    fn type_in(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).expect("it is read");
    }

    /// Waits until that has been shown; fails if the command ends before.
    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.look(), "{text:?} is missing in {:?}", self.seen);
        }
    }

    /// Takes in what is shown; `false` once nobody has the terminal any more.
    fn look(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.screen.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
        }
    }

    fn interrupt(&self) {
        let child = self.child.as_ref().expect("a running command");
        kill_process(Pid::from_child(child), Signal::INT).expect("the signal is sent");
    }

    /// The end: the exit code, and all that was shown, with plain newlines.
    fn end(mut self) -> (Option<i32>, String) {
        while self.look() {}
        let code = end(self.child.take().expect("a running command")).code;
        (code, self.seen.replace("\r\n", "\n"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Without the sequences for colours and the cursor.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = sequence
            .split_once(|c: char| c.is_ascii_alphabetic())
            .map_or("", |(_, after)| after);
    }
    plain + rest
}

/// A table fits the terminal, and its head stands out.
#[test]
fn a_table_fits_the_terminal() {
    let root = Root::new();
    let long = "a-name-that-is-longer-than-the-terminal-is-wide-by-far";
    let _server = root.serve(&[long]);
    for columns in [60, 80] {
        let (code, shown) = Terminal::run(&root, &["list"], columns, |_| ()).end();
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.starts_with("\u{1b}[1mSERVER\u{1b}[0m"), "{shown:?}");
        let shown = plain(&shown);
        let widest = shown.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|width| width <= columns.into()), "{shown}");
        assert!(shown.contains('…'), "{shown}");
    }
    let whole = root.run(&["list"]).stdout;
    assert!(whole.contains(long) && !whole.contains('\u{1b}'), "{whole}");
}

/// Those who do not want colours, or have none.
#[test]
fn colours_can_be_had_without() {
    let root = Root::new();
    let _server = root.serve(&["room"]);
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let terminal = Terminal::run(&root, &["info", "room"], 100, |command| {
            command.env(variable, value);
        });
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(0), "{shown}");
        assert!(!shown.contains('\u{1b}') && shown.contains("listening"), "{shown:?}");
    }
    let (code, shown) = Terminal::run(&root, &["nonsense"], 80, |_| ()).end();
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains('\u{1b}'), "{shown:?}");
}

/// The next table lies over the last.
#[test]
fn a_watch_refreshes_in_place() {
    let root = Root::new();
    let server = root.serve(&["first"]);
    let words = ["list", "--watch", "--interval", "10ms", "--columns", "name"];
    let mut terminal = Terminal::run(&root, &words, 80, |_| ());
    terminal.wait_for("first");
    let _second = root.serve(&["second"]);
    terminal.wait_for("second");
    server.signal(Signal::INT);
    assert_eq!(server.end().code, Some(130));
    // Head and one line: the first has gone.
    terminal.wait_for("\u{1b}[2A");
    terminal.wait_for("\u{1b}[3A");
    terminal.interrupt();
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(130), "{shown}");
}

/// On a terminal only, and gone when the work is done.
#[test]
fn long_work_shows_how_far_it_is() {
    let root = Root::new();
    let _server = root.serve(&["room"]);
    let (code, shown) = Terminal::run(&root, &["send", "room", "hello", "--count", "4"], 80, |_| ()).end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("\r[#####...............]  25 %  1 messages, 5 B, "),
        "{shown:?}"
    );
    assert!(shown.ends_with("\r\u{1b}[K"), "{shown:?}");
    let terminal = Terminal::run(&root, &["send", "room", "hello", "--count", "4"], 80, |command| {
        command.stderr(Stdio::null());
    });
    assert_eq!(terminal.end(), (Some(0), String::new()));
    let quick = ["bench", "--quick", "--rounds", "1", "--slice", "1ms", "--clients", "2"];
    let terminal = Terminal::run(&root, &quick, 200, |_| ());
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("round 1 of 1, round trip"), "{shown:?}");
}

/// A person types lines, sees the answers, and ends by Ctrl-D. semantics 92
#[test]
fn a_person_talks_through_connect() {
    let root = Root::new();
    let _server = root.serve(&["room", "--reply", "heard"]);
    let mut terminal = Terminal::run(&root, &["connect", "room", "--eof", "close"], 80, |_| ());
    for count in 1..=2 {
        terminal.type_in("a line\n");
        while terminal.seen.matches("heard").count() < count {
            assert!(terminal.look(), "{:?}", terminal.seen);
        }
    }
    terminal.type_in("\u{4}");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
}

/// The reply has no newline of its own; on a terminal it gets one.
#[test]
fn a_reply_ends_its_line() {
    let root = Root::new();
    let _server = root.serve(&["room", "--echo"]);
    let terminal = Terminal::run(&root, &["call", "room", "hello"], 80, |_| ());
    assert_eq!(terminal.end(), (Some(0), "hello\n".to_owned()));
}
