//! Acting as a client of another user, in C: the thread alone, and what it starts meanwhile. Only the superuser has other
//! users; elsewhere it is the same user, and what then can be different is not looked at.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use crate::support::{Build, Place};

const CLIENT: u32 = 40_001;

const SOURCE: &str = r#"
#include <windows.h>
#include <stdio.h>
#include <unistd.h>

static DWORD WINAPI thread(LPVOID name)
{
    uid_t real, effective, saved;
    getresuid(&real, &effective, &saved);
    printf("%s %u %u %u\n", (const char *)name, real, effective, saved);
    return 0;
}

static const char *level(void)
{
    static const char *const names[] = { "anonymous", "identification", "impersonation", "delegation" };
    DWORD size, number = 0;
    HANDLE token;
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
        return "none";
    GetTokenInformation(token, TokenImpersonationLevel, &number, sizeof(number), &size);
    CloseHandle(token);
    return names[number];
}

static int serve(char *program)
{
    SECURITY_DESCRIPTOR descriptor;
    SECURITY_ATTRIBUTES everybody = { sizeof(everybody), &descriptor, FALSE };
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION child;
    HANDLE pipe, file, other;
    char text[64], line[300], name[64] = "";
    DWORD size;
    InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    SetSecurityDescriptorDacl(&descriptor, TRUE, NULL, FALSE);
    pipe = CreateNamedPipeA("\\\\.\\pipe\\acts", PIPE_ACCESS_DUPLEX, 0, 1, 64, 64, 0, &everybody);
    printf("serves %d\n", pipe != INVALID_HANDLE_VALUE);
    fflush(stdout);
    ConnectNamedPipe(pipe, NULL);
    ReadFile(pipe, text, sizeof(text), &size, NULL);
    thread("before");
    printf("impersonates %d\n", ImpersonateNamedPipeClient(pipe));
    printf("level %s\n", level());
    thread("thread");
    file = CreateFileA("made", GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    printf("file %lu\n", file == INVALID_HANDLE_VALUE ? (unsigned long)GetLastError() : 0);
    fflush(stdout);
    other = CreateThread(NULL, 0, thread, "started", 0, NULL);
    WaitForSingleObject(other, INFINITE);
    fflush(stdout);
    snprintf(line, sizeof(line), "%s child", program);
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child))
        printf("child fails %lu\n", (unsigned long)GetLastError());
    else
        WaitForSingleObject(child.hProcess, INFINITE);
    thread("again");
    printf("reverts %d\n", RevertToSelf());
    thread("after");
    if (!GetNamedPipeHandleStateA(pipe, NULL, NULL, NULL, NULL, name, sizeof(name)))
        sprintf(name, "error %lu", (unsigned long)GetLastError());
    printf("name %s\n", name);
    return 0;
}

int main(int argc, char **argv)
{
    DWORD size;
    HANDLE pipe;
    if (argc > 1 && !strcmp(argv[1], "child"))
        return (int)thread("child");
    if (argc == 1)
        return serve(argv[0]);
    pipe = CreateFileA("\\\\.\\pipe\\acts", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                       (DWORD)strtoul(argv[1], NULL, 16), NULL);
    if (pipe == INVALID_HANDLE_VALUE)
        return 2;
    WriteFile(pipe, "x", 1, &size, NULL);
    /* It stays until its standard input ends. */
    return getchar() == EOF ? 0 : 3;
}
"#;

/// What the server prints for a client that was opened with these flags; the owner of the file that it made.
fn served(place: &Place, flags: &str, client_uid: u32) -> (Vec<String>, Option<u32>) {
    let build = Build {
        statically: true,
        ..Build::default()
    };
    let program = place.compile("acts", &[place.source("acts.c", SOURCE)], build);
    // Whoever the client is, it needs the program, the names, and a place for its file.
    for (path, mode) in [
        (place.path("."), 0o1777),
        (place.names(), 0o1777),
        (program.clone(), 0o755),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let mut server = place.start(&program, &[]);
    let mut lines = BufReader::new(server.stdout.take().expect("it is piped")).lines();
    let first = lines.next().expect("a line").expect("text");
    let mut command = place.command(&program);
    command.arg(flags).stdin(std::process::Stdio::piped());
    if rustix::process::geteuid().is_root() {
        command.uid(client_uid).gid(client_uid);
    }
    let mut client = command.spawn().expect("the program starts");
    let mut printed = vec![first];
    printed.extend(lines.map(|line| line.expect("text")));
    assert!(server.wait().expect("it ends").success());
    drop(client.stdin.take().map(|mut input| input.flush()));
    assert!(client.wait().expect("it ends").success());
    let made = std::fs::metadata(place.path("made")).ok();
    (printed, made.map(|made| std::os::unix::fs::MetadataExt::uid(&made)))
}

/// The thread is the client, its file too; another thread and a child that it starts are the process. semantics 200, 261-263
#[test]
fn a_thread_acts_and_nobody_else() {
    let place = Place::new();
    let own = rustix::process::geteuid().as_raw();
    let client = if own == 0 { CLIENT } else { own };
    if client == own {
        let left_out = "left out, since only the superuser has other users: that the client is another one";
        // Past the harness, which keeps what the macros print.
        let _ = writeln!(std::io::stderr(), "{left_out}");
    }
    let (printed, owner) = served(&place, "0", client);
    let process = format!("{own} {own} {own}");
    let acting = format!("{own} {client} {own}");
    let name = printed.last().cloned().unwrap_or_default();
    let expected = [
        "serves 1".to_owned(),
        format!("before {process}"),
        "impersonates 1".to_owned(),
        "level impersonation".to_owned(),
        format!("thread {acting}"),
        "file 0".to_owned(),
        format!("started {process}"),
        format!("child {process}"),
        format!("again {acting}"),
        "reverts 1".to_owned(),
        format!("after {process}"),
        name.clone(),
    ];
    assert_eq!(printed, expected);
    assert_eq!(owner, Some(client));
    if own == 0 {
        assert_eq!(name, format!("name {CLIENT}"), "a user without a name is a number");
    }
}

/// At the level of identification the thread is the server, and opens nothing. semantics 200, 262
#[test]
fn a_client_that_lets_itself_be_identified_alone() {
    const BAD_IMPERSONATION_LEVEL: u32 = 1346;
    let place = Place::new();
    let own = rustix::process::geteuid().as_raw();
    let (printed, owner) = served(&place, "110000", CLIENT);
    let process = format!("{own} {own} {own}");
    let expected = [
        "serves 1".to_owned(),
        format!("before {process}"),
        "impersonates 1".to_owned(),
        "level identification".to_owned(),
        format!("thread {process}"),
        format!("file {BAD_IMPERSONATION_LEVEL}"),
        format!("started {process}"),
        format!("child fails {BAD_IMPERSONATION_LEVEL}"),
        format!("again {process}"),
        "reverts 1".to_owned(),
        format!("after {process}"),
        format!("name error {BAD_IMPERSONATION_LEVEL}"),
    ];
    assert_eq!(printed, expected);
    assert_eq!(owner, None);
}
