/* Events, mutexes, semaphores, threads, waits, calls queued to threads, locks. */
#include "probe.h"
#include <process.h>

static DWORD WINAPI keeps_mutex(LPVOID p) { WaitForSingleObject(p, INFINITE); return 5; }
static DWORD WINAPI wait_for(LPVOID p) { return WaitForSingleObject(p, 10000); }

static void t_mutex(void)
{
    HANDLE m = CreateMutexA(NULL, FALSE, NULL), t; HANDLE two[2]; const char *a;
    P("release_free", "%s", B(ReleaseMutex(m)));
    t = CreateThread(NULL, 0, keeps_mutex, m, 0, NULL); WaitForSingleObject(t, INFINITE); CloseHandle(t);
    P("abandoned", "%s", wr(WaitForSingleObject(m, 5000)));
    a = B(ReleaseMutex(m));
    P("abandoned_once", "%s then %s", a, sig(m));
    ReleaseMutex(m);
    t = CreateThread(NULL, 0, keeps_mutex, m, 0, NULL); WaitForSingleObject(t, INFINITE); CloseHandle(t);
    two[0] = CreateEventA(NULL, TRUE, FALSE, NULL); two[1] = m;
    P("abandoned_any", "%lx", (unsigned long)WaitForMultipleObjects(2, two, FALSE, 5000));
    P("owned_by_us", "%s", B(ReleaseMutex(m)));
    WaitForSingleObject(m, 0);
    t = CreateThread(NULL, 0, wait_for, m, 0, NULL);
    P("others_wait", "%s", wr(WaitForSingleObject(t, 50)));
    ReleaseMutex(m);
    { DWORD c = 9; WaitForSingleObject(t, 10000); GetExitCodeThread(t, &c); P("handed_over", "%s", wr(c)); }
    CloseHandle(t); CloseHandle(m); CloseHandle(two[0]);
}

static void t_semaphore(void)
{
    HANDLE s; LONG prev = -1; DWORD c; HANDLE t[3]; int i, done = 0;
    P("bad_counts", "%s", (CLR(), CreateSemaphoreA(NULL, 2, 1, NULL) ? "handle" : en(GetLastError())));
    s = CreateSemaphoreA(NULL, 0, 3, NULL);
    P("beyond_maximum", "%s", B(ReleaseSemaphore(s, 4, &prev)));
    P("release_none", "%s", B(ReleaseSemaphore(s, 0, NULL)));
    for (i = 0; i < 3; i++) t[i] = CreateThread(NULL, 0, wait_for, s, 0, NULL);
    { const char *r = B(ReleaseSemaphore(s, 2, &prev)); P("release_two", "%s %ld", r, (long)prev); }
    i = (int)WaitForMultipleObjects(3, t, TRUE, 50);
    for (i = 0; i < 3; i++) if (GetExitCodeThread(t[i], &c) && c == WAIT_OBJECT_0) done++;
    P("two_released", "%d", done);
    ReleaseSemaphore(s, 1, NULL);
    P("all_released", "%s", wr(WaitForMultipleObjects(3, t, TRUE, 10000)));
    for (i = 0; i < 3; i++) CloseHandle(t[i]);
    CloseHandle(s);
}

static unsigned __stdcall by_crt(void *p) { if (p) _endthreadex(8); return 6; }

static void t_threads(void)
{
    HANDLE t[2]; DWORD a = 0, b = 0; unsigned id = 0;
    t[0] = (HANDLE)_beginthreadex(NULL, 0, by_crt, NULL, 0, &id); t[1] = (HANDLE)_beginthreadex(NULL, 0, by_crt, t, 0, NULL);
    WaitForMultipleObjects(2, t, TRUE, 10000);
    GetExitCodeThread(t[0], &a); GetExitCodeThread(t[1], &b);
    P("beginthreadex", "%lu %lu %d", (unsigned long)a, (unsigned long)b, id != 0);
    P("unknown_flags", "%s", (CLR(), CreateThread(NULL, 0, wait_for, NULL, 0x80000000, NULL) ? "thread" : en(GetLastError())));
    CloseHandle(t[0]); CloseHandle(t[1]);
}

static void t_waits(void)
{
    HANDLE a = CreateEventA(NULL, FALSE, TRUE, NULL), m = CreateEventA(NULL, TRUE, FALSE, NULL), both[2], t; DWORD c = 9; const char *x, *y;
    both[0] = a; both[1] = m;
    x = wr(WaitForMultipleObjects(2, both, TRUE, 10)); P("all_takes_nothing_when_one_is_missing", "%s then %s", x, sig(a));
    SetEvent(a); SetEvent(m);
    x = wr(WaitForMultipleObjects(2, both, TRUE, 10)); y = sig(a); P("all", "%s then %s %s", x, y, sig(m));
    both[1] = a;
    P("all_of_the_same", "%s", (CLR(), WaitForMultipleObjects(2, both, TRUE, 10) == WAIT_FAILED ? en(GetLastError()) : "waited"));
    P("none", "%s", (CLR(), WaitForMultipleObjects(0, both, FALSE, 10) == WAIT_FAILED ? en(GetLastError()) : "waited"));
    P("too_many", "%s", (CLR(), WaitForMultipleObjects(65, both, FALSE, 10) == WAIT_FAILED ? en(GetLastError()) : "waited"));
    both[1] = (HANDLE)(ULONG_PTR)0x7ffffffc;
    P("bad_handle_among", "%s", (CLR(), WaitForMultipleObjects(2, both, FALSE, 10) == WAIT_FAILED ? en(GetLastError()) : "waited"));
    ResetEvent(m); ResetEvent(a);
    t = CreateThread(NULL, 0, wait_for, m, 0, NULL);
    P("pulse_wakes_who_waits", "%s", (WaitForSingleObject(t, 50), PulseEvent(m), wr(WaitForSingleObject(t, 10000))));
    P("pulse_leaves_it_reset", "%s", sig(m));
    GetExitCodeThread(t, &c); P("pulsed", "%s", wr(c));
    CloseHandle(t);
    P("named_event", "%s", (CLR(), CreateEventA(NULL, TRUE, FALSE, "name") ? "handle" : en(GetLastError())));
    P("set_what_is_no_event", "%s", (t = CreateMutexA(NULL, FALSE, NULL), B(SetEvent(t))));
    CloseHandle(t); CloseHandle(a); CloseHandle(m);
}

static int ran; static ULONG_PTR last;
static VOID CALLBACK count(ULONG_PTR p) { ran++; last = p; }
static VOID CALLBACK again(ULONG_PTR p) { ran++; if (p) QueueUserAPC(again, GetCurrentThread(), p - 1); }
static VOID CALLBACK leave(ULONG_PTR p) { ExitThread((DWORD)p); }
static DWORD WINAPI leaves_by_call(LPVOID p) { (void)p; QueueUserAPC(leave, GetCurrentThread(), 33); SleepEx(INFINITE, TRUE); return 1; }
static DWORD WINAPI alertable(LPVOID p) { SetEvent(p); return SleepEx(10000, TRUE); }

static void t_calls(void)
{
    HANDLE e = CreateEventA(NULL, FALSE, FALSE, NULL), t; DWORD c = 9; const char *a;
    ran = 0; QueueUserAPC(again, GetCurrentThread(), 3);
    a = SleepEx(0, TRUE) == WAIT_IO_COMPLETION ? "io" : "0";
    P("queued_by_themselves", "%s %d", a, ran);
    ran = 0; QueueUserAPC(count, GetCurrentThread(), 4); SetEvent(e);
    a = wr(WaitForSingleObjectEx(e, 1000, TRUE));
    P("signaled_first", "%s %d", a, ran);
    a = wr(WaitForSingleObjectEx(e, 1000, TRUE));
    P("then_the_call", "%s %d %d", a, ran, (int)last);
    t = CreateThread(NULL, 0, alertable, e, 0, NULL); WaitForSingleObject(e, 10000);
    ran = 0; P("to_another_thread", "%d", QueueUserAPC(count, t, 5) != 0);
    WaitForSingleObject(t, 10000); GetExitCodeThread(t, &c);
    P("it_ran", "%d %s", ran, wr(c));
    P("to_a_thread_that_is_over", "%d", QueueUserAPC(count, t, 5) != 0);
    CloseHandle(t);
    t = CreateThread(NULL, 0, leaves_by_call, NULL, 0, NULL); WaitForSingleObject(t, 10000); GetExitCodeThread(t, &c);
    P("exit_in_a_call", "%lu", (unsigned long)c);
    CloseHandle(t); CloseHandle(e);
}

static CRITICAL_SECTION section; static SRWLOCK lock = SRWLOCK_INIT; static CONDITION_VARIABLE filled = CONDITION_VARIABLE_INIT;
static int counter, shared_counter, items; static DWORD slot; static INIT_ONCE once = INIT_ONCE_STATIC_INIT; static LONG begun;
static BOOL CALLBACK begin(PINIT_ONCE o, PVOID p, PVOID *c) { (void)o; (void)p; (void)c; InterlockedIncrement(&begun); return TRUE; }
static DWORD WINAPI counts(LPVOID p)
{
    int i; TlsSetValue(slot, p);
    InitOnceExecuteOnce(&once, begin, NULL, NULL);
    for (i = 0; i < 20000; i++)
    {
        EnterCriticalSection(&section); EnterCriticalSection(&section); counter++; LeaveCriticalSection(&section); LeaveCriticalSection(&section);
        AcquireSRWLockExclusive(&lock); shared_counter++; ReleaseSRWLockExclusive(&lock);
        AcquireSRWLockShared(&lock); if (shared_counter < 0) i = 0; ReleaseSRWLockShared(&lock);
    }
    return TlsGetValue(slot) == p;
}
static DWORD WINAPI consumes(LPVOID p)
{
    int got = 0; (void)p;
    while (got < 100) { EnterCriticalSection(&section); while (!items) if (!SleepConditionVariableCS(&filled, &section, 10000)) { LeaveCriticalSection(&section); return 0; } items--; got++; LeaveCriticalSection(&section); }
    return 1;
}

static void t_locks(void)
{
    HANDLE t[4]; int i, own = 0; DWORD c;
    InitializeCriticalSectionAndSpinCount(&section, 100); slot = TlsAlloc();
    P("slot_is_empty", "%d", TlsGetValue(slot) == NULL);
    for (i = 0; i < 4; i++) t[i] = CreateThread(NULL, 0, counts, (LPVOID)(INT_PTR)(i + 1), 0, NULL);
    WaitForMultipleObjects(4, t, TRUE, 60000);
    for (i = 0; i < 4; i++) { if (GetExitCodeThread(t[i], &c) && c == 1) own++; CloseHandle(t[i]); }
    P("counted", "%d %d slots=%d once=%ld", counter, shared_counter, own, (long)begun);
    t[0] = CreateThread(NULL, 0, consumes, NULL, 0, NULL); t[1] = CreateThread(NULL, 0, consumes, NULL, 0, NULL);
    for (i = 0; i < 200; i++) { EnterCriticalSection(&section); items++; LeaveCriticalSection(&section); WakeConditionVariable(&filled); }
    { const char *r = wr(WaitForMultipleObjects(2, t, TRUE, 20000)); P("consumed", "%s left=%d", r, items); }
    EnterCriticalSection(&section);
    P("condition_times_out", "%s", B(SleepConditionVariableCS(&filled, &section, 10)));
    LeaveCriticalSection(&section);
    i = TryAcquireSRWLockShared(&lock); P("try_locks", "%d %d", i, TryAcquireSRWLockExclusive(&lock));
    ReleaseSRWLockShared(&lock);
    TlsFree(slot);
    P("free_again", "%s", B(TlsFree(slot)));
    P("freed_slot", "%s", B(TlsSetValue(slot, &slot)));
    P("freed_slot_value", "%d", TlsGetValue(slot) == &slot);
    P("beyond_all_slots", "%s", B(TlsSetValue(0x7fffffff, NULL)));
    i = (int)TlsAlloc(); P("same_slot_anew", "%d %d", i == (int)slot, TlsGetValue(slot) == NULL);
    TlsFree(slot);
    DeleteCriticalSection(&section); CloseHandle(t[0]); CloseHandle(t[1]);
}

/* one thread closes what the others use: whatever they are told, nothing worse happens */
static PVOID victim[8]; static LONG stop, odd;
static HANDLE get_victim(int i) { return InterlockedCompareExchangePointer(&victim[i & 7], NULL, NULL); }
static DWORD WINAPI uses(LPVOID p)
{
    char b[4]; DWORD n; (void)p;
    while (!InterlockedCompareExchange(&stop, 0, 0))
    {
        HANDLE h = get_victim((int)InterlockedIncrement(&odd));
        if (!WriteFile(h, "x", 1, &n, NULL)) switch (GetLastError()) { case ERROR_INVALID_HANDLE: case ERROR_NO_DATA: case ERROR_BROKEN_PIPE: case ERROR_PIPE_LISTENING: case ERROR_PIPE_NOT_CONNECTED: break; default: return GetLastError(); }
        if (!PeekNamedPipe(h, b, 4, &n, NULL, NULL)) switch (GetLastError()) { case ERROR_INVALID_HANDLE: case ERROR_BROKEN_PIPE: case ERROR_BAD_PIPE: case ERROR_PIPE_NOT_CONNECTED: break; default: return GetLastError(); }
        if (WaitForSingleObject(h, 0) == WAIT_FAILED && GetLastError() != ERROR_INVALID_HANDLE) return GetLastError();
    }
    return 0;
}
static void new_victims(int i)
{
    HANDLE s, c;
    pair_ex(&s, &c, BYTEPIPE, 0, 100000, 100000, FALSE);
    InterlockedExchangePointer(&victim[i], s); InterlockedExchangePointer(&victim[i + 1], c);
}
static void t_races(void)
{
    HANDLE t[4]; int i, k; DWORD c, bad = 0;
    for (i = 0; i < 8; i += 2) new_victims(i);
    for (i = 0; i < 4; i++) t[i] = CreateThread(NULL, 0, uses, NULL, 0, NULL);
    for (k = 0; k < 100; k++)
    {
        i = (k & 3) * 2;
        CloseHandle(get_victim(i)); CloseHandle(get_victim(i + 1));
        new_victims(i);
    }
    InterlockedExchange(&stop, 1);
    P("users_end", "%s", wr(WaitForMultipleObjects(4, t, TRUE, 20000)));
    for (i = 0; i < 4; i++) { GetExitCodeThread(t[i], &c); if (c) bad = c; CloseHandle(t[i]); }
    P("nothing_else_was_said", "%s", en(bad));
    for (i = 0; i < 8; i++) CloseHandle(victim[i]);
}

static INIT_ONCE two_calls = INIT_ONCE_STATIC_INIT;
static BOOL CALLBACK fails(PINIT_ONCE o, PVOID p, PVOID *c) { (void)o; (void)p; (void)c; return FALSE; }
static BOOL CALLBACK makes(PINIT_ONCE o, PVOID p, PVOID *c) { (void)o; *c = p; return TRUE; }
static DWORD WINAPI waits_for_begun(LPVOID p) { BOOL pending = 9; PVOID made = NULL; BOOL ok = InitOnceBeginInitialize(&two_calls, 0, &pending, &made); return ok && !pending && made == p; }

static void t_once(void)
{
    INIT_ONCE o = INIT_ONCE_STATIC_INIT; BOOL pending; PVOID made; HANDLE t; DWORD c; static int thing[4]; const char *a, *b;
    P("once_check_before", "%s", B(InitOnceBeginInitialize(&o, INIT_ONCE_CHECK_ONLY, &pending, &made)));
    P("once_complete_before", "%s", B(InitOnceComplete(&o, 0, NULL)));
    made = NULL; a = B(InitOnceExecuteOnce(&o, fails, NULL, &made)); P("once_routine_fails", "%s", a);
    made = NULL; a = B(InitOnceExecuteOnce(&o, makes, thing, &made)); P("once_routine_makes", "%s %d", a, made == thing);
    made = NULL; a = B(InitOnceExecuteOnce(&o, fails, NULL, &made)); P("once_made", "%s %d", a, made == thing);
    made = NULL; pending = 9; a = B(InitOnceBeginInitialize(&o, 0, &pending, &made)); P("once_begin_when_done", "%s pending=%d %d", a, pending, made == thing);
    made = NULL; pending = 9; a = B(InitOnceBeginInitialize(&o, INIT_ONCE_CHECK_ONLY, &pending, &made)); P("once_check_when_done", "%s pending=%d %d", a, pending, made == thing);
    P("once_complete_when_done", "%s", B(InitOnceComplete(&o, 0, NULL)));
    P("once_word", "%d", o.Ptr == (PVOID)((ULONG_PTR)thing | 2));
    pending = 9; a = B(InitOnceBeginInitialize(&two_calls, 0, &pending, NULL)); P("once_begin", "%s pending=%d", a, pending);
    P("once_other_kind", "%s", B(InitOnceBeginInitialize(&two_calls, INIT_ONCE_ASYNC, &pending, NULL)));
    P("once_bad_context", "%s", B(InitOnceComplete(&two_calls, 0, (PVOID)1)));
    t = CreateThread(NULL, 0, waits_for_begun, thing, 0, NULL); a = wr(WaitForSingleObject(t, 50));
    P("once_failed_with_context", "%s", B(InitOnceComplete(&two_calls, INIT_ONCE_INIT_FAILED, thing)));
    b = B(InitOnceComplete(&two_calls, 0, thing)); WaitForSingleObject(t, 10000); GetExitCodeThread(t, &c); CloseHandle(t);
    P("once_complete", "%s %s got=%lu", a, b, (unsigned long)c);
    InitOnceInitialize(&o); InitOnceBeginInitialize(&o, 0, &pending, NULL); a = B(InitOnceComplete(&o, INIT_ONCE_INIT_FAILED, NULL)); InitOnceBeginInitialize(&o, 0, &pending, NULL); P("once_failed", "%s pending=%d", a, pending);
    InitOnceInitialize(&o); a = B(InitOnceBeginInitialize(&o, INIT_ONCE_ASYNC, &pending, NULL)); pending = 9; b = B(InitOnceBeginInitialize(&o, INIT_ONCE_ASYNC, &pending, NULL)); P("once_several", "%s %s pending=%d", a, b, pending);
    P("once_waits_for_several", "%s", B(InitOnceBeginInitialize(&o, 0, &pending, NULL)));
    P("once_several_other_kind", "%s", B(InitOnceComplete(&o, 0, thing)));
    a = B(InitOnceComplete(&o, INIT_ONCE_ASYNC, thing)); b = B(InitOnceComplete(&o, INIT_ONCE_ASYNC, thing + 1)); P("once_first_counts", "%s %s", a, b);
    made = NULL; InitOnceBeginInitialize(&o, INIT_ONCE_CHECK_ONLY, &pending, &made); P("once_made_by_the_first", "%d", made == thing);
    P("once_unknown_flags", "%s", B(InitOnceBeginInitialize(&o, 0x100, &pending, NULL)));
}

static DWORD WINAPI has_a_priority(LPVOID p) { WaitForSingleObject(p, 10000); return 0; }
static void t_scheduling(void)
{
    HANDLE e = CreateEventA(NULL, TRUE, FALSE, NULL), t = CreateThread(NULL, 0, has_a_priority, e, 0, NULL); DWORD_PTR own = 0, all = 0; const char *a; SYSTEM_INFO info; int bits = 0; DWORD_PTR rest; FILETIME rough, precise;
    P("priority", "%d", GetThreadPriority(t));
    a = B(SetThreadPriority(t, THREAD_PRIORITY_BELOW_NORMAL)); P("priority_below", "%s %d", a, GetThreadPriority(t));
    a = B(SetThreadPriority(t, THREAD_PRIORITY_IDLE)); P("priority_idle", "%s %d", a, GetThreadPriority(t));
    a = B(SetThreadPriority(t, 7)); P("priority_unknown", "%s %d", a, GetThreadPriority(t));
    P("priority_of_an_event", "%s %d", B(SetThreadPriority(e, 0)), GetThreadPriority(e) == THREAD_PRIORITY_ERROR_RETURN);
    P("priority_of_the_caller", "%d", GetThreadPriority(GetCurrentThread()));
    SetEvent(e); WaitForSingleObject(t, 10000); CloseHandle(t);
    a = B(GetProcessAffinityMask(GetCurrentProcess(), &own, &all)); GetSystemInfo(&info); for (rest = own; rest; rest &= rest - 1) bits++;
    P("affinity", "%s some=%d within=%d counted=%d", a, own != 0, (own & ~all) == 0, bits == (int)info.dwNumberOfProcessors);
    P("affinity_of_an_event", "%s", B(GetProcessAffinityMask(e, &own, &all)));
    GetSystemTimeAsFileTime(&rough); GetSystemTimePreciseAsFileTime(&precise);
    P("precise_time", "%d", precise.dwHighDateTime == rough.dwHighDateTime || precise.dwHighDateTime == rough.dwHighDateTime + 1);
    CloseHandle(e);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "mutex", t_mutex }, { "semaphore", t_semaphore }, { "threads", t_threads }, { "waits", t_waits }, { "calls", t_calls },
        { "locks", t_locks }, { "races", t_races }, { "once", t_once },
        { "scheduling", t_scheduling }, { NULL, NULL } };
    return probe_run("objects", s, argc, argv);
}
