/* Waitable timers, timer queues, work on threads of the library, waits for addresses. */
#include "probe.h"

#ifndef WT_EXECUTELONGFUNCTION
#define WT_EXECUTELONGFUNCTION 0x10
#endif

static LARGE_INTEGER after_ms(LONGLONG ms) { LARGE_INTEGER due; due.QuadPart = -ms * 10000; return due; }
static const char *set_ms(HANDLE t, LONGLONG ms, LONG period) { LARGE_INTEGER due = after_ms(ms); return B(SetWaitableTimer(t, &due, period, NULL, NULL, FALSE)); }
#define FAR 600000

static int calls;
static LPVOID last_argument;
static DWORD last_high;
static VOID CALLBACK on_timer(LPVOID argument, DWORD low, DWORD high) { (void)low; calls++; last_argument = argument; last_high = high; }
static const char *slp(DWORD ms) { return SleepEx(ms, TRUE) == WAIT_IO_COMPLETION ? "WAIT_IO_COMPLETION" : "0"; }

static void t_waitable(void)
{
    HANDLE t = CreateWaitableTimerA(NULL, FALSE, NULL), m = CreateWaitableTimerW(NULL, TRUE, NULL), e = CreateEventA(NULL, TRUE, FALSE, NULL), both[2];
    LARGE_INTEGER due; FILETIME now; const char *a, *b, *c;
    P("unknown_flags", "%s", (CLR(), CreateWaitableTimerExW(NULL, NULL, 0x80, TIMER_ALL_ACCESS) ? "handle" : en(GetLastError())));
    P("new", "%s %s", sig(t), sig(m));
    a = set_ms(t, 5, 0); b = wr(WaitForSingleObject(t, 10000)); P("taken_by_the_wait", "%s %s then %s", a, b, sig(t));
    a = set_ms(m, 5, 0); b = wr(WaitForSingleObject(m, 10000)); P("stays", "%s %s then %s", a, b, sig(m));
    a = set_ms(m, FAR, 0); P("setting_resets", "%s %s", a, sig(m));
    a = B(CancelWaitableTimer(m)); P("cancelled", "%s %s", a, sig(m));
    set_ms(m, 0, 0); a = wr(WaitForSingleObject(m, 10000)); b = B(CancelWaitableTimer(m)); P("cancelling_leaves_the_signal", "%s %s %s", a, b, sig(m));
    a = B(CancelWaitableTimer(m)); P("cancelled_twice", "%s", a);
    due.QuadPart = 1; a = B(SetWaitableTimer(t, &due, 0, NULL, NULL, FALSE)); P("past", "%s %s", a, sig(t));
    GetSystemTimeAsFileTime(&now); due.LowPart = now.dwLowDateTime; due.HighPart = (LONG)now.dwHighDateTime; due.QuadPart += 50000;
    a = B(SetWaitableTimer(t, &due, 0, NULL, NULL, FALSE)); P("at_a_time", "%s %s", a, wr(WaitForSingleObject(t, 10000)));
    a = set_ms(t, 1, 1); b = wr(WaitForSingleObject(t, 10000)); c = wr(WaitForSingleObject(t, 10000));
    P("again_and_again", "%s %s %s %s", a, b, c, wr(WaitForSingleObject(t, 10000)));
    CancelWaitableTimer(t);
    P("negative_period", "%s", set_ms(t, 1, -1));
    both[0] = e; both[1] = m; set_ms(m, 5, 0);
    P("one_of_two", "%lu", (unsigned long)WaitForMultipleObjects(2, both, FALSE, 10000));
    due = after_ms(1);
    P("no_timer", "%s", B(SetWaitableTimer(e, &due, 0, NULL, NULL, FALSE)));
    P("cancel_no_timer", "%s", B(CancelWaitableTimer(e)));
    P("set_a_timer_as_an_event", "%s", B(SetEvent(t)));
    set_ms(t, FAR, 0);
    P("close", "%s", B(CloseHandle(t)));
    CloseHandle(m); CloseHandle(e);
}

static void t_routines(void)
{
    HANDLE t = CreateWaitableTimerA(NULL, TRUE, NULL); LARGE_INTEGER due = after_ms(1); const char *a, *b;
    a = B(SetWaitableTimer(t, &due, 0, on_timer, &due, FALSE)); b = wr(WaitForSingleObject(t, 10000));
    P("not_called_by_plain_wait", "%s %s calls=%d", a, b, calls);
    a = slp(INFINITE); P("called_by_alertable_wait", "%s calls=%d argument=%d time=%d", a, calls, last_argument == &due, last_high != 0);
    a = slp(0); P("once", "%s calls=%d", a, calls);
    calls = 0;
    SetWaitableTimer(t, &due, 0, on_timer, NULL, FALSE); WaitForSingleObject(t, 10000); CancelWaitableTimer(t);
    a = slp(0); P("cancelling_takes_the_call_back", "%s calls=%d", a, calls);
    SetWaitableTimer(t, &due, 0, on_timer, NULL, FALSE); WaitForSingleObject(t, 10000); set_ms(t, FAR, 0);
    a = slp(0); P("setting_takes_the_call_back", "%s calls=%d", a, calls);
    due.QuadPart = 1; calls = 0; SetWaitableTimer(t, &due, 0, on_timer, NULL, FALSE);
    a = slp(0); P("in_the_past", "%s calls=%d %s", a, calls, sig(t));
    CloseHandle(t);
}

/* Another thread sets it, and only that thread calls. */
static HANDLE theirs, set_by_them; static DWORD their_calls;
static DWORD WINAPI sets(LPVOID p)
{
    LARGE_INTEGER due = after_ms(0); (void)p;
    SetWaitableTimer(theirs, &due, 0, on_timer, NULL, FALSE); SetEvent(set_by_them);
    WaitForSingleObject(theirs, 10000); Sleep(1);
    if (!calls) SleepEx(INFINITE, TRUE);
    their_calls = (DWORD)calls;
    return 0;
}
static DWORD WINAPI sets_and_ends(LPVOID p) { LARGE_INTEGER due = after_ms(0); (void)p; SetWaitableTimer(theirs, &due, 0, on_timer, NULL, FALSE); return 0; }
static void t_threads(void)
{
    HANDLE t; const char *a, *b;
    theirs = CreateWaitableTimerA(NULL, TRUE, NULL); set_by_them = CreateEventA(NULL, TRUE, FALSE, NULL); calls = 0;
    t = CreateThread(NULL, 0, sets, NULL, 0, NULL); WaitForSingleObject(set_by_them, 10000); WaitForSingleObject(theirs, 10000);
    a = slp(0); b = wr(WaitForSingleObject(t, 10000)); P("only_who_has_set_it_calls", "%s %s theirs=%lu", a, b, (unsigned long)their_calls); CloseHandle(t);
    t = CreateThread(NULL, 0, sets_and_ends, NULL, 0, NULL); WaitForSingleObject(t, 10000); CloseHandle(t);
    P("of_a_thread_that_is_over", "%s", wr(WaitForSingleObject(theirs, 10000)));
    CloseHandle(theirs); CloseHandle(set_by_them);
}

static void t_periodic(void)
{
    HANDLE t = CreateWaitableTimerA(NULL, TRUE, NULL); LARGE_INTEGER due = after_ms(1); int tries;
    calls = 0; SetWaitableTimer(t, &due, 1, on_timer, NULL, FALSE);
    for (tries = 0; calls < 3 && tries < 20; tries++) SleepEx(500, TRUE);
    P("periodic_calls", "%s", calls >= 3 ? "come" : "stay away");
    CancelWaitableTimer(t); CloseHandle(t);
}

static HANDLE fired, go; static volatile LONG count; static volatile LONG wanted; static volatile LONG by_timer, caller;
static VOID CALLBACK on_queue(PVOID context, BOOLEAN timed_out) { (void)context; InterlockedExchange(&by_timer, timed_out); InterlockedExchange(&caller, (LONG)GetCurrentThreadId()); if (InterlockedIncrement(&count) == InterlockedCompareExchange(&wanted, 0, 0)) SetEvent(fired); }
static VOID CALLBACK blocks(PVOID context, BOOLEAN timed_out) { (void)context; (void)timed_out; SetEvent(fired); WaitForSingleObject(go, 10000); InterlockedIncrement(&count); }
static void expect_calls(LONG n) { InterlockedExchange(&count, 0); InterlockedExchange(&wanted, n); ResetEvent(fired); ResetEvent(go); }

static void t_queues(void)
{
    HANDLE q = CreateTimerQueue(), t, e = CreateEventA(NULL, TRUE, FALSE, NULL); const char *a, *b;
    fired = CreateEventA(NULL, TRUE, FALSE, NULL); go = CreateEventA(NULL, TRUE, FALSE, NULL);
    expect_calls(1);
    a = B(CreateTimerQueueTimer(&t, NULL, on_queue, NULL, 1, 0, 0)); b = wr(WaitForSingleObject(fired, 10000));
    P("default_queue", "%s %s timer=%d other_thread=%d", a, b, (int)by_timer, caller != (LONG)GetCurrentThreadId());
    P("delete_waits", "%s", B(DeleteTimerQueueTimer(NULL, t, INVALID_HANDLE_VALUE)));
    expect_calls(3);
    a = B(CreateTimerQueueTimer(&t, q, on_queue, NULL, 0, 1, WT_EXECUTEDEFAULT));
    P("queue_again_and_again", "%s %s", a, wr(WaitForSingleObject(fired, 10000)));
    DeleteTimerQueueTimer(q, t, INVALID_HANDLE_VALUE);
    expect_calls(1);
    CreateTimerQueueTimer(&t, q, on_queue, NULL, FAR, 0, 0);
    a = B(ChangeTimerQueueTimer(q, t, 1, 0)); P("changed", "%s %s", a, wr(WaitForSingleObject(fired, 10000)));
    DeleteTimerQueueTimer(q, t, INVALID_HANDLE_VALUE);
    expect_calls(0);
    CreateTimerQueueTimer(&t, q, on_queue, NULL, FAR, 0, 0);
    a = B(DeleteTimerQueueTimer(q, t, INVALID_HANDLE_VALUE)); P("deleted_before", "%s calls=%ld", a, (long)count);
    expect_calls(0);
    CreateTimerQueueTimer(&t, q, blocks, NULL, 0, 0, WT_EXECUTELONGFUNCTION); WaitForSingleObject(fired, 10000);
    P("delete_while_it_runs", "%s", B(DeleteTimerQueueTimer(q, t, NULL)));
    SetEvent(go);
    P("queue_waits_for_it", "%s", B(DeleteTimerQueueEx(q, INVALID_HANDLE_VALUE)));
    P("it_ran", "%ld", (long)count);
    q = CreateTimerQueue(); expect_calls(0);
    CreateTimerQueueTimer(&t, q, blocks, NULL, 0, 0, WT_EXECUTELONGFUNCTION); WaitForSingleObject(fired, 10000);
    DeleteTimerQueueEx(q, e); a = sig(e); SetEvent(go);
    P("event_of_a_queue", "%s then %s", a, wr(WaitForSingleObject(e, 10000)));
    q = CreateTimerQueue(); expect_calls(0); CreateTimerQueueTimer(&t, q, on_queue, NULL, FAR, 0, 0);
    P("timer_as_handle", "%s", B(CloseHandle(t)));
    P("queue_with_timers", "%s", B(DeleteTimerQueueEx(q, INVALID_HANDLE_VALUE)));
    P("null_queue", "%s", (CLR(), DeleteTimerQueueEx(NULL, NULL) ? "TRUE" : en(GetLastError())));
    CloseHandle(e);
}

static DWORD WINAPI item(LPVOID context) { (void)context; on_queue(NULL, FALSE); return 0; }
static DWORD WINAPI waits(LPVOID context) { (void)context; WaitForSingleObject(go, 10000); on_queue(NULL, FALSE); return 0; }
static DWORD WINAPI releases(LPVOID context) { SetEvent(context); return 0; }
static VOID CALLBACK work(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_WORK which) { (void)instance; if (context == (PVOID)&count && which) InterlockedIncrement(&count); }
static VOID CALLBACK simple(PTP_CALLBACK_INSTANCE instance, PVOID context) { (void)instance; SetEvent(context); }

static void t_work(void)
{
    PTP_WORK w; const char *a, *b; int i;
    if (!fired) { fired = CreateEventA(NULL, TRUE, FALSE, NULL); go = CreateEventA(NULL, TRUE, FALSE, NULL); }
    expect_calls(1); a = B(QueueUserWorkItem(item, NULL, WT_EXECUTEDEFAULT));
    b = wr(WaitForSingleObject(fired, 10000)); P("item", "%s %s other_thread=%d", a, b, caller != (LONG)GetCurrentThreadId());
    expect_calls(100); for (i = 0; i < 100; i++) QueueUserWorkItem(item, NULL, 0);
    P("hundred_items", "%s", wr(WaitForSingleObject(fired, 10000)));
    expect_calls(8); for (i = 0; i < 8; i++) QueueUserWorkItem(waits, NULL, WT_EXECUTELONGFUNCTION);
    QueueUserWorkItem(releases, go, WT_EXECUTELONGFUNCTION);
    P("items_that_wait_do_not_stop_others", "%s", wr(WaitForSingleObject(fired, 20000)));
    expect_calls(0); w = CreateThreadpoolWork(work, (PVOID)&count, NULL);
    for (i = 0; i < 5; i++) SubmitThreadpoolWork(w);
    WaitForThreadpoolWorkCallbacks(w, FALSE); P("work", "%s %ld", w ? "made" : "none", (long)count);
    CloseThreadpoolWork(w);
    expect_calls(0); a = B(TrySubmitThreadpoolCallback(simple, fired, NULL)); P("simple", "%s %s", a, wr(WaitForSingleObject(fired, 10000)));
}

typedef BOOL (WINAPI *WAIT_ON)(volatile VOID *, PVOID, SIZE_T, DWORD);
typedef VOID (WINAPI *WAKE)(PVOID);
static WAIT_ON wait_on; static WAKE wake_one, wake_all; static volatile LONG word; static volatile LONG waiting;
static DWORD WINAPI waits_on(LPVOID p)
{
    LONG old = 0; (void)p; InterlockedIncrement(&waiting);
    while (InterlockedCompareExchange(&word, 0, 0) == old) if (!wait_on(&word, &old, sizeof(word), 10000)) return 1;
    return 0;
}
static void t_addresses(void)
{
    /* By name, as programs do that also run where there is none; mingw has a library of its own for them. */
    HMODULE m = GetModuleHandleA("kernelbase.dll"); HANDLE t[3]; int i; DWORD code, bad = 0; LONG old = 5; LONGLONG wide = 7, other = 8; char byte = 1, same = 1;
    wait_on = (WAIT_ON)(void *)GetProcAddress(m, "WaitOnAddress"); wake_one = (WAKE)(void *)GetProcAddress(m, "WakeByAddressSingle"); wake_all = (WAKE)(void *)GetProcAddress(m, "WakeByAddressAll");
    if (!wait_on || !wake_one || !wake_all) { P("found", "no"); return; }
    P("differs", "%s", B(wait_on(&word, &old, sizeof(word), INFINITE)));
    P("wide_differs", "%s", B(wait_on(&wide, &other, sizeof(wide), INFINITE)));
    P("byte_is_the_same", "%s", B(wait_on(&byte, &same, 1, 5)));
    P("bad_size", "%s", B(wait_on(&wide, &other, 3, 5)));
    t[0] = CreateThread(NULL, 0, waits_on, NULL, 0, NULL);
    while (!InterlockedCompareExchange(&waiting, 0, 0)) Sleep(1);
    InterlockedExchange(&word, 1); wake_one((PVOID)&word);
    P("one", "%s", wr(WaitForSingleObject(t[0], 15000))); CloseHandle(t[0]);
    InterlockedExchange(&word, 0); InterlockedExchange(&waiting, 0);
    for (i = 0; i < 3; i++) t[i] = CreateThread(NULL, 0, waits_on, NULL, 0, NULL);
    while (InterlockedCompareExchange(&waiting, 0, 0) < 3) Sleep(1);
    InterlockedExchange(&word, 1); wake_all((PVOID)&word);
    P("all", "%s", wr(WaitForMultipleObjects(3, t, TRUE, 15000)));
    for (i = 0; i < 3; i++) { GetExitCodeThread(t[i], &code); bad += code; CloseHandle(t[i]); }
    P("nobody_was_late", "%lu", (unsigned long)bad);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "waitable", t_waitable }, { "routines", t_routines }, { "threads", t_threads }, { "periodic", t_periodic }, { "queues", t_queues }, { "work", t_work }, { "addresses", t_addresses }, { NULL, NULL } };
    return probe_run("timers", s, argc, argv);
}
