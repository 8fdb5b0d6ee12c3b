//! Programs under ThreadSanitizer: what the library orders is no race, and what it does not order is one.
//!
//! The library is not instrumented, and says at its boundary what its calls order. `ignore_noninstrumented_modules` keeps
//! the sanitizer from looking at the memory that the library copies for itself; nothing of the program is suppressed.

use std::process::Output;

use crate::support::{Build, Place, printed};
use crate::tables::{Expected, answers, source};

const BUILD: Build<'_> = Build {
    flags: &["-fshort-wchar", "-g", "-fsanitize=thread"],
    statically: false,
    strictly: false,
};

/// With which a program ends in which a race was found.
const RACE: i32 = 66;

#[track_caller]
fn run(place: &Place, program: &std::path::Path, arguments: &[&str]) -> Output {
    let options = format!("ignore_noninstrumented_modules=1 exitcode={RACE}");
    let mut command = place.command(program);
    command.args(arguments).env("TSAN_OPTIONS", options);
    command.output().expect("the program starts")
}

/// One thread writes a variable and signals, another waits and reads it: by an object that both use, or by two different
/// ones, one of which nobody else needs.
const ORDERS: &str = r#"
#include <windows.h>
#include <stdio.h>
#include <string.h>

static int variable;
static HANDLE object[2], other[2], finished, reader_thread;
static CRITICAL_SECTION section[2];
static SRWLOCK lock[2] = { SRWLOCK_INIT, SRWLOCK_INIT };
static CONDITION_VARIABLE condition[2] = { CONDITION_VARIABLE_INIT, CONDITION_VARIABLE_INIT };
static int full[2];
static OVERLAPPED pending[2];
static char into[2][8];

static void make_event(int i) { object[i] = CreateEventA(NULL, TRUE, FALSE, NULL); }
static void set_event(int i) { SetEvent(object[i]); }
static void await(int i) { WaitForSingleObject(object[i], INFINITE); }

static void make_semaphore(int i) { object[i] = CreateSemaphoreA(NULL, 0, 9, NULL); }
static void post(int i) { ReleaseSemaphore(object[i], 1, NULL); }

static void make_port(int i) { object[i] = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0); }
static void put(int i) { PostQueuedCompletionStatus(object[i], 0, 0, NULL); }
static void get(int i) { DWORD n; ULONG_PTR key; OVERLAPPED *o; GetQueuedCompletionStatus(object[i], &n, &key, &o, INFINITE); }

static void make_named(int i, DWORD flags)
{
    char name[64];
    sprintf(name, "\\\\.\\pipe\\races-%d", i);
    object[i] = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | flags, 0, 1, 64, 64, 0, NULL);
    other[i] = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
}
static void make_pipe(int i) { make_named(i, 0); }
static void make_anonymous(int i) { CreatePipe(&object[i], &other[i], NULL, 0); }
static void send(int i) { DWORD n; WriteFile(other[i], "x", 1, &n, NULL); }
static void receive(int i) { DWORD n; char c; ReadFile(object[i], &c, 1, &n, NULL); }
static void make_overlapped(int i)
{
    make_named(i, FILE_FLAG_OVERLAPPED);
    pending[i].hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    ReadFile(object[i], into[i], 1, NULL, &pending[i]);
}
static void result(int i) { DWORD n; GetOverlappedResult(object[i], &pending[i], &n, TRUE); }

static void make_section(int i) { InitializeCriticalSection(&section[i]); }
static void fill(int i)
{
    EnterCriticalSection(&section[i]); full[i] = 1; LeaveCriticalSection(&section[i]);
    WakeConditionVariable(&condition[i]);
}
static void until_full(int i)
{
    EnterCriticalSection(&section[i]);
    while (!full[i]) SleepConditionVariableCS(&condition[i], &section[i], INFINITE);
    LeaveCriticalSection(&section[i]);
}
static void make_lock(int i) { (void)i; }
static void fill_alone(int i) { AcquireSRWLockExclusive(&lock[i]); full[i] = 1; ReleaseSRWLockExclusive(&lock[i]); WakeAllConditionVariable(&condition[i]); }
static void until_full_shared(int i)
{
    AcquireSRWLockShared(&lock[i]);
    while (!full[i]) SleepConditionVariableSRW(&condition[i], &lock[i], INFINITE, CONDITION_VARIABLE_LOCKMODE_SHARED);
    ReleaseSRWLockShared(&lock[i]);
}

static VOID CALLBACK call(ULONG_PTR unused) { (void)unused; }
static void queue(int i) { if (i == 0) QueueUserAPC(call, reader_thread, 0); else SetEvent(object[1]); }
static void be_called(int i) { if (i == 0) SleepEx(INFINITE, TRUE); else await(1); }
static VOID CALLBACK called(PVOID event, BOOLEAN timed_out) { (void)timed_out; SetEvent(event); }
static void make_wait(int i)
{
    HANDLE wait;
    other[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
    make_event(i);
    RegisterWaitForSingleObject(&wait, other[i], called, object[i], INFINITE, WT_EXECUTEONLYONCE);
}
static void set_other(int i) { SetEvent(other[i]); }

static void make_timer(int i) { object[i] = CreateWaitableTimerA(NULL, TRUE, NULL); }
static void set_timer(int i) { LARGE_INTEGER due; due.QuadPart = -1; SetWaitableTimer(object[i], &due, 0, NULL, NULL, FALSE); }
static void set_queued(int i) { HANDLE timer; CreateTimerQueueTimer(&timer, NULL, called, object[i], 0, 0, 0); }
static DWORD WINAPI done(LPVOID event) { SetEvent(event); return 0; }
static void queue_work(int i) { QueueUserWorkItem(done, object[i], 0); }
static VOID CALLBACK worked(PTP_CALLBACK_INSTANCE none, PVOID event, PTP_WORK work) { (void)none; (void)work; SetEvent(event); }
static void submit(int i) { SubmitThreadpoolWork(CreateThreadpoolWork(worked, object[i], NULL)); }
static VOID CALLBACK timed(PTP_CALLBACK_INSTANCE none, PVOID event, PTP_TIMER timer) { (void)none; (void)timer; SetEvent(event); }
static void set_pooled(int i) { FILETIME now = { 0, 0 }; SetThreadpoolTimer(CreateThreadpoolTimer(timed, object[i], NULL), &now, 0, 0); }
static VOID CALLBACK waited(PTP_CALLBACK_INSTANCE none, PVOID event, PTP_WAIT wait, TP_WAIT_RESULT result) { (void)none; (void)wait; (void)result; SetEvent(event); }
static void make_pool_wait(int i)
{
    other[i] = CreateEventA(NULL, FALSE, FALSE, NULL);
    make_event(i);
    SetThreadpoolWait(CreateThreadpoolWait(waited, object[i], NULL), other[i], NULL);
}
static VOID CALLBACK moved(PTP_CALLBACK_INSTANCE none, PVOID event, PVOID o, ULONG error, ULONG_PTR bytes, PTP_IO io)
{
    (void)none; (void)o; (void)error; (void)bytes; (void)io;
    SetEvent(event);
}
static void make_pool_io(int i)
{
    HANDLE server; PTP_IO io;
    make_named(i, FILE_FLAG_OVERLAPPED);
    server = object[i];
    make_event(i);
    io = CreateThreadpoolIo(server, moved, object[i], NULL);
    StartThreadpoolIo(io);
    ReadFile(server, into[i], 1, NULL, &pending[i]);
}

static const struct { const char *name; void (*make)(int), (*signal)(int), (*wait)(int); } kinds[] = {
    { "event", make_event, set_event, await }, { "semaphore", make_semaphore, post, await }, { "port", make_port, put, get },
    { "pipe", make_pipe, send, receive }, { "anonymous", make_anonymous, send, receive },
    { "overlapped", make_overlapped, send, result }, { "condition", make_section, fill, until_full },
    { "shared", make_lock, fill_alone, until_full_shared }, { "call", make_event, queue, be_called },
    { "registered", make_wait, set_other, await }, { "timer", make_timer, set_timer, await },
    { "queued_timer", make_event, set_queued, await }, { "work", make_event, queue_work, await },
    { "pool_work", make_event, submit, await }, { "pool_timer", make_event, set_pooled, await },
    { "pool_wait", make_pool_wait, set_other, await }, { "pool_io", make_pool_io, send, await } };
static int kind, waits_for;

static DWORD WINAPI writer(LPVOID p)
{
    (void)p;
    variable = 1;
    kinds[kind].signal(0);
    return 0;
}
static DWORD WINAPI reader(LPVOID p)
{
    int seen;
    (void)p;
    kinds[kind].wait(waits_for);
    seen = variable;
    return seen > 1;
}

int main(int argc, char **argv)
{
    HANDLE threads[2];
    while (strcmp(kinds[kind].name, argv[1])) kind++;
    waits_for = !strcmp(argv[2], "other");
    kinds[kind].make(0); kinds[kind].make(1);
    /* What nobody else needs is signaled already. */
    if (waits_for) kinds[kind].signal(1);
    reader_thread = threads[1] = CreateThread(NULL, 0, reader, NULL, CREATE_SUSPENDED, NULL);
    threads[0] = CreateThread(NULL, 0, writer, NULL, CREATE_SUSPENDED, NULL);
    ResumeThread(threads[0]); ResumeThread(threads[1]);
    WaitForMultipleObjects(2, threads, TRUE, INFINITE);
    return variable != 1;
}
"#;

/// What orders threads does so by itself and nothing else: waiting for another object of the same kind is a race.
#[test]
fn the_sanitizer_sees_what_orders() {
    let place = Place::new();
    let program = place.compile("orders", &[place.source("orders.c", ORDERS)], BUILD);
    let kinds = [
        "event",
        "semaphore",
        "port",
        "pipe",
        "anonymous",
        "overlapped",
        "condition",
        "shared",
        "call",
        "registered",
        "timer",
        "queued_timer",
        "work",
        "pool_work",
        "pool_timer",
        "pool_wait",
        "pool_io",
    ];
    for kind in kinds {
        let output = run(&place, &program, &[kind, "same"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{kind} orders\n{said}");
        let output = run(&place, &program, &[kind, "other"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(RACE), "another {kind} does not\n{said}");
        assert!(
            said.contains("data race") && said.contains("'variable'"),
            "{kind}\n{said}"
        );
    }
}

/// The groups in which threads meet.
#[test]
fn groups_without_races() {
    let place = Place::new();
    for group in [
        "objects",
        "ports",
        "apc",
        "timers",
        "pools",
        "overlapped",
        "stress",
        "storm",
    ] {
        let program = place.compile(group, &[source(group)], BUILD);
        let text = printed(&run(&place, &program, &[]));
        let wrong = Expected::of_npipe(group).differences(&answers(group, &text));
        assert!(wrong.is_empty(), "{group}\n{}", wrong.join("\n"));
    }
}
