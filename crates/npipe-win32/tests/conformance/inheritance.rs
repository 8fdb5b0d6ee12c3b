//! What of inheritance is not a case: what is said on stderr, tables that make no sense, the library linked statically, and
//! what it costs.

use std::process::Output;

use crate::support::{Build, Place, printed, repository};

const CANNOT: &str = r#"
#include <windows.h>

int main(void)
{
    SECURITY_ATTRIBUTES heritable = { sizeof(heritable), NULL, TRUE };
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION child;
    DWORD code = 1;
    char line[] = "sh -c true";
    CreateEventA(&heritable, TRUE, FALSE, NULL);
    CreateNamedPipeA("\\\\.\\pipe\\listens", PIPE_ACCESS_DUPLEX, 0, 1, 64, 64, 0, &heritable);
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child))
        return 2;
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
"#;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What stays behind is named, a line for each. semantics 259
#[test]
fn what_cannot_be_inherited_is_named() {
    let place = Place::new();
    let program = place.compile("cannot", &[place.source("cannot.c", CANNOT)], Build::default());
    let output = place.command(&program).output().expect("the program starts");
    printed(&output);
    let text = said(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].contains("handle 0x4 ") && lines[0].contains("an event"),
        "{text}"
    );
    assert!(
        lines[1].contains("handle 0x8 ") && lines[1].contains("without a client"),
        "{text}"
    );
}

const FIRST: &str = r#"
#include <windows.h>
#include <stdio.h>

int main(void)
{
    char value[8];
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
    printf("%d %d\n", (int)(ULONG_PTR)event, (int)GetEnvironmentVariableA("NPIPE_INHERITED_HANDLES", value, 8));
    return 0;
}
"#;

/// A program with a variable that names nothing usable runs as without, and says why. semantics 259
#[test]
fn a_table_that_makes_no_sense_is_refused() {
    let place = Place::new();
    let program = place.compile("first", &[place.source("first.c", FIRST)], Build::default());
    for (value, why) in [
        ("", "no number"),
        ("x", "no number"),
        ("-1", "not open"),
        ("0", "not open"),
        ("99999", "not open"),
    ] {
        let mut command = place.command(&program);
        let output = command.env("NPIPE_INHERITED_HANDLES", value).output();
        let output = output.expect("the program starts");
        assert_eq!(printed(&output), "4 0\n", "{value:?}");
        assert!(said(&output).contains(why), "{value:?}: {}", said(&output));
    }
    let script = format!("exec 5</dev/null; NPIPE_INHERITED_HANDLES=5 '{}'", program.display());
    let mut shell = place.command("sh".as_ref());
    let output = shell.args(["-c", &script]).output().expect("a shell");
    assert_eq!(printed(&output), "4 0\n");
    assert!(said(&output).contains("holds no memory"), "{}", said(&output));
}

/// The library takes over what it inherits in a program that has it inside. semantics 259, 260
#[test]
fn a_static_program_inherits() {
    let place = Place::new();
    let source = repository().join("conformance/children.c");
    let build = Build {
        flags: &["-fshort-wchar"],
        statically: true,
        ..Build::default()
    };
    let program = place.compile("children", &[source], build);
    let text = place.run(&program, &["pipes", "inherit", "named", "strangers"]);
    for line in [
        "children.child_rest_of_message: TRUE n=4 \"defg\"",
        "children.later_first: inheritable",
        "children.stranger_tells_more: TRUE n=5 \"again\"",
        "children.named_answer: TRUE n=16 \"asked \\x22question\\x22\"",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

const RELAYED: &str = r#"
#include <windows.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    SECURITY_ATTRIBUTES heritable = { sizeof(heritable), NULL, TRUE };
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION child;
    char line[] = "cat", data[16] = "";
    DWORD count = 0, mode = PIPE_NOWAIT;
    HANDLE server = CreateNamedPipeA("\\\\.\\pipe\\relayed", PIPE_ACCESS_DUPLEX, 0, 1, 64, 64, 0, &heritable), end = server;
    startup.dwFlags = STARTF_USESTDHANDLES;
    if (strcmp(argv[1], "listening"))
        end = CreateFileA("\\\\.\\pipe\\relayed", GENERIC_READ | GENERIC_WRITE, 0, &heritable, OPEN_EXISTING, 0, NULL);
    if (!strcmp(argv[1], "nowait"))
        SetNamedPipeHandleState(end, &mode, NULL, NULL);
    SetHandleInformation(server, HANDLE_FLAG_INHERIT, end == server ? HANDLE_FLAG_INHERIT : 0);
    startup.hStdInput = startup.hStdOutput = end;
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child))
        return printf("%u\n", GetLastError()), 0;
    CloseHandle(end);
    WriteFile(server, "echo", 4, &count, NULL);
    ReadFile(server, data, 16, &count, NULL);
    printf("%s\n", data);
    CloseHandle(server);
    WaitForSingleObject(child.hProcess, INFINITE);
    if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) printf("no children\n");
    return 0;
}
"#;

/// A relay is no child of the program's, and what cannot be relayed is refused with the reason. semantics 260
#[test]
fn a_relay_is_nobodys_child() {
    let place = Place::new();
    let program = place.compile("relayed", &[place.source("relayed.c", RELAYED)], Build::default());
    assert_eq!(place.run(&program, &["plain"]), "echo\nno children\n");
    for (end, why) in [("listening", "without a client"), ("nowait", "PIPE_NOWAIT")] {
        let output = place.command(&program).arg(end).output().expect("the program starts");
        assert_eq!(printed(&output), "50\n", "ERROR_NOT_SUPPORTED");
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}

const MASKED: &str = r#"
#include <windows.h>
#include <signal.h>

int main(void)
{
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION child;
    char line[] = "grep SigBlk: /proc/self/status";
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL, &startup, &child))
        return 2;
    ResumeThread(child.hThread);
    return WaitForSingleObject(child.hProcess, INFINITE) != WAIT_OBJECT_0;
}
"#;

/// No rule: a suspended child blocks the signals that its parent does, whichever thread has started it.
#[test]
fn a_suspended_child_has_its_parents_signals() {
    let place = Place::new();
    let program = place.compile("masked", &[place.source("masked.c", MASKED)], Build::default());
    assert_eq!(place.run(&program, &[]), "SigBlk:\t0000000000000200\n");
}

const WATCHED: &str = r#"
#include <windows.h>
#include <stdio.h>
#include <string.h>
#include <dirent.h>

static void describe(const char *task)
{
    char path[300], line[200], name[64] = "";
    FILE *file;
    snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
    if (!(file = fopen(path, "r"))) return;
    while (fgets(line, sizeof(line), file))
    {
        sscanf(line, "Name: %63s", name);
        if (strncmp(name, "npipe", 5) == 0 && strncmp(line, "SigBlk:", 7) == 0)
            printf("%s %d\n", name, strtoull(line + 7, NULL, 16) != 0);
    }
    fclose(file);
}

int main(void)
{
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION child;
    char line[] = "true";
    struct dirent *entry;
    DIR *tasks;
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child)) return 2;
    /* When this returns, the thread that has told of it is at work. */
    WaitForSingleObject(child.hProcess, INFINITE);
    tasks = opendir("/proc/self/task");
    while ((entry = readdir(tasks))) describe(entry->d_name);
    closedir(tasks);
    return 0;
}
"#;

/// No rule: signal handlers of the program's do not run on the thread that watches children.
#[test]
fn the_watching_thread_blocks_signals() {
    let place = Place::new();
    let program = place.compile("watched", &[place.source("watched.c", WATCHED)], Build::default());
    assert_eq!(place.run(&program, &[]), "npipe-children 1\n");
}

const FORKED: &str = r#"
#include <windows.h>
#include <sys/wait.h>
#include <unistd.h>

static int child(char *line)
{
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION child;
    DWORD code = 99;
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child))
        return 98;
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}

int main(void)
{
    char first[] = "sh -c \"exit 3\"", second[] = "sh -c \"exit 4\"";
    int status = 0;
    pid_t forked;
    if (child(first) != 3)
        return 1;
    forked = fork();
    if (!forked)
        _exit(child(second));
    waitpid(forked, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 4 ? 0 : 2;
}
"#;

/// No rule: there are no forks on Windows.
#[test]
fn a_forked_process_has_children_of_its_own() {
    let place = Place::new();
    let program = place.compile("forked", &[place.source("forked.c", FORKED)], Build::default());
    assert_eq!(place.run(&program, &[]), "");
}

const COST: &str = r#"
#include <windows.h>
#include <stdio.h>
#include <dirent.h>

static int descriptors(void)
{
    DIR *open = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(open)) count++;
    closedir(open);
    return count;
}

static void pair(void)
{
    CreateNamedPipeA("\\\\.\\pipe\\cost", PIPE_ACCESS_DUPLEX, 0, 255, 64, 64, 0, NULL);
    CreateFileA("\\\\.\\pipe\\cost", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
}

int main(void)
{
    int before, i;
    pair();
    before = descriptors();
    for (i = 0; i < 100; i++) pair();
    printf("%d\n", descriptors() - before);
    return 0;
}
"#;

/// An end in a connection costs its socket, and a descriptor so that it can be inherited whenever the program wants it.
#[test]
fn an_end_takes_two_descriptors() {
    let place = Place::new();
    let program = place.compile("cost", &[place.source("cost.c", COST)], Build::default());
    let printed = place.run(&program, &[]);
    let taken: i32 = printed.trim().parse().expect("a number");
    // The background thread may have one in its hands that it is about to close.
    assert!((390..=410).contains(&taken), "{taken} for 100 pairs");
}
