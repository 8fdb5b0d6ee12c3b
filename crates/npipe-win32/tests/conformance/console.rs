//! The console of a program that has a terminal. What has none is in `conformance/system.c`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{Build, Place};

/// A terminal: the side that a person has, and the side that a program has.
fn terminal() -> (File, File) {
    let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&person).expect("it is ours");
    unlockpt(&person).expect("it is ours");
    let name = ptsname(&person, Vec::new()).expect("it has a name");
    let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let program = File::options().read(true).write(true).open(path).expect("it opens");
    (File::from(person), program)
}

/// Reads until `end` has come.
fn read_until(person: &mut File, seen: &mut String, end: &str) {
    let mut some = [0; 256];
    let mut bytes = seen.clone().into_bytes();
    while !bytes.ends_with(end.as_bytes()) {
        let length = person.read(&mut some).expect("the program is there");
        // The terminal adds carriage returns.
        bytes.extend(some[..length].iter().filter(|&&byte| byte != b'\r'));
    }
    *seen = String::from_utf8(bytes).expect("UTF-8");
}

#[test]
fn a_terminal_is_a_console() {
    let text = r#"
#include <windows.h>
#include <stdio.h>
int main(void)
{
    HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD mode = 0, count = 0, read;
    WCHAR wide[100], accent[] = { 0xe9, '\n', 0 }, title[] = { 't', 27, 0xe9, 0 };
    char line[200], part[4];
    BOOL done;
    setbuf(stdout, NULL);
    done = GetConsoleMode(in, &mode); printf("%d %u ", done, mode);
    done = SetConsoleMode(in, mode & ~ENABLE_ECHO_INPUT); printf("%d ", done);
    done = GetConsoleMode(in, &mode); printf("%d %u ", done, mode);
    done = SetConsoleMode(in, 0x8000); printf("%d %u\n", done, GetLastError());
    printf("%u %u %d %d\n", GetConsoleCP(), GetConsoleOutputCP(), SetConsoleOutputCP(CP_UTF8), SetConsoleOutputCP(1251));
    WriteConsoleA(out, "one\n", 4, &count, NULL); printf("%u ", count);
    WriteConsoleW(out, accent, 2, &count, NULL); printf("%u\n", count);
    SetConsoleTextAttribute(out, FOREGROUND_RED | FOREGROUND_INTENSITY | BACKGROUND_BLUE);
    SetConsoleTextAttribute(out, FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE);
    printf(" %d ready\n", SetConsoleTitleW(title));
    ReadConsoleW(in, wide, 100, &read, NULL); printf("%u %d %d %x\n", read, wide[read - 2], wide[read - 1], wide[5]);
    ReadConsoleA(in, part, 4, &read, NULL); printf("%u %.3s\n", read, part);
    ReadConsoleA(in, line, 200, &read, NULL); printf("%u %.*s", read, (int)read, line);
    printf("end\n");
    return 0;
}
"#;
    let place = Place::new();
    let source = place.source("console.c", text);
    let program = place.compile("console", &[source], Build::default());
    let (mut person, terminal) = terminal();
    let mut command = place.command(&program);
    command
        .stdin(terminal.try_clone().expect("a copy"))
        .stdout(terminal.try_clone().expect("a copy"));
    let mut child = command.spawn().expect("the program starts");
    drop(command);
    let mut seen = String::new();
    read_until(&mut person, &mut seen, "ready\n");
    person.write_all("line é\nabcdef\n".as_bytes()).expect("it is read");
    read_until(&mut person, &mut seen, "end\n");
    assert!(child.wait().expect("it ends").success());
    let want = "1 7 1 1 3 0 87\n65001 65001 1 0\none\n4 é\n2\n\x1b[91;44m\x1b[37;49m\x1b]0;té\x07 1 ready\n8 13 10 e9\n\
                3 abc\n5 def\nend\n";
    assert_eq!(seen, want);
}
