/* Thread pools: timers, waits, I/O on pipes, and a server that consists of the last. */
#include "probe.h"

#define FAR 600000
static HANDLE fired, go;
static volatile LONG count;
static volatile LONG wanted;
static PVOID volatile last_context, last_object;
static volatile LONG last_thread, last_result;

static void expect(LONG calls)
{
    if (!fired) { fired = CreateEventA(NULL, TRUE, FALSE, NULL); go = CreateEventA(NULL, TRUE, FALSE, NULL); }
    InterlockedExchange(&count, 0);
    InterlockedExchange(&wanted, calls);
    ResetEvent(fired);
    ResetEvent(go);
}
#define KEEP(what, value) InterlockedExchangePointer(&what, (PVOID)(value))
static void called(void) { InterlockedExchange(&last_thread, (LONG)GetCurrentThreadId()); if (InterlockedIncrement(&count) == InterlockedCompareExchange(&wanted, 0, 0)) SetEvent(fired); }
static const char *come(void) { return wr(WaitForSingleObject(fired, 15000)); }
static FILETIME time_of(LONGLONG units) { ULARGE_INTEGER u; FILETIME t; u.QuadPart = (ULONGLONG)units; t.dwLowDateTime = u.LowPart; t.dwHighDateTime = u.HighPart; return t; }
static FILETIME in_ms(LONGLONG ms) { return time_of(-ms * 10000); }

/* ---------------------------------------------------------------- timers -- */

static VOID CALLBACK on_timer(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_TIMER timer) { (void)i; KEEP(last_context, context); KEEP(last_object, timer); called(); }
static VOID CALLBACK slow_timer(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_TIMER timer) { (void)i; (void)context; (void)timer; SetEvent(fired); WaitForSingleObject(go, 15000); InterlockedIncrement(&count); }

static void t_timers(void)
{
    PTP_TIMER t = CreateThreadpoolTimer(on_timer, &count, NULL); FILETIME due = in_ms(1), later = in_ms(FAR), now; ULARGE_INTEGER u; const char *a; int set;
    P("timer_made", "%s", t ? "timer" : "none");
    P("timer_not_set", "%d", IsThreadpoolTimerSet(t));
    expect(1); SetThreadpoolTimer(t, &due, 0, 0); a = come();
    P("timer_once", "%s context=%d timer=%d other_thread=%d", a, last_context == &count, last_object == (void *)t, last_thread != (LONG)GetCurrentThreadId());
    WaitForThreadpoolTimerCallbacks(t, FALSE);
    P("timer_set_when_it_has_come", "%d", IsThreadpoolTimerSet(t));
    expect(1); due = time_of(0); SetThreadpoolTimer(t, &due, 0, 0); P("timer_at_once", "%s", come());
    expect(1); GetSystemTimeAsFileTime(&now); u.LowPart = now.dwLowDateTime; u.HighPart = now.dwHighDateTime; due = time_of((LONGLONG)u.QuadPart + 20000); SetThreadpoolTimer(t, &due, 0, 0); P("timer_at_a_time", "%s", come());
    expect(1); due = time_of(1); SetThreadpoolTimer(t, &due, 0, 0); P("timer_in_the_past", "%s", come());
    expect(3); due = in_ms(0); SetThreadpoolTimer(t, &due, 1, 0); P("timer_again_and_again", "%s", come());
    SetThreadpoolTimer(t, NULL, 0, 0); WaitForThreadpoolTimerCallbacks(t, TRUE);
    set = IsThreadpoolTimerSet(t); expect(1); P("timer_stopped", "set=%d %s", set, wr(WaitForSingleObject(fired, 20)));
    expect(1); SetThreadpoolTimer(t, &later, 0, 0); due = in_ms(1); SetThreadpoolTimer(t, &due, 0, 0); P("timer_set_anew", "%s", come());
    WaitForThreadpoolTimerCallbacks(t, FALSE); CloseThreadpoolTimer(t);
    expect(0); t = CreateThreadpoolTimer(slow_timer, NULL, NULL); due = in_ms(0); SetThreadpoolTimer(t, &due, 0, 0); come();
    SetEvent(go); WaitForThreadpoolTimerCallbacks(t, FALSE); P("timer_waited_for", "%ld", (long)count);
    CloseThreadpoolTimer(t);
    expect(1); t = CreateThreadpoolTimer(on_timer, NULL, NULL); due = in_ms(20); SetThreadpoolTimer(t, &due, 0, 0); SetThreadpoolTimer(t, NULL, 0, 0); WaitForThreadpoolTimerCallbacks(t, TRUE); CloseThreadpoolTimer(t);
    P("timer_closed", "%s", wr(WaitForSingleObject(fired, 60)));
}

/* ----------------------------------------------------------------- waits -- */

static VOID CALLBACK on_wait(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_WAIT wait, TP_WAIT_RESULT result) { (void)i; KEEP(last_context, context); KEEP(last_object, wait); InterlockedExchange(&last_result, (LONG)result); called(); }
static VOID CALLBACK again(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_WAIT wait, TP_WAIT_RESULT result) { (void)i; (void)result; SetThreadpoolWait(wait, context, NULL); called(); }

static void t_waits(void)
{
    HANDLE e = CreateEventA(NULL, FALSE, FALSE, NULL), m = CreateEventA(NULL, TRUE, FALSE, NULL), s = CreateSemaphoreA(NULL, 0, 9, NULL); PTP_WAIT w = CreateThreadpoolWait(on_wait, &count, NULL); FILETIME due; const char *a, *b; int i;
    P("wait_made", "%s", w ? "wait" : "none");
    expect(1); SetThreadpoolWait(w, e, NULL); SetEvent(e); a = come();
    P("wait_signaled", "%s %s context=%d wait=%d other_thread=%d", a, wr((DWORD)last_result), last_context == &count, last_object == (void *)w, last_thread != (LONG)GetCurrentThreadId());
    P("wait_took_the_signal", "%s", sig(e));
    SetEvent(e); P("wait_once", "%s", sig(e));
    expect(1); due = in_ms(1); SetThreadpoolWait(w, e, &due); a = come(); P("wait_timed_out", "%s %s", a, wr((DWORD)last_result));
    expect(1); due = time_of(0); SetThreadpoolWait(w, e, &due); a = come(); P("wait_not_signaled_now", "%s %s", a, wr((DWORD)last_result));
    expect(1); SetThreadpoolWait(w, e, NULL); SetThreadpoolWait(w, NULL, NULL); WaitForThreadpoolWaitCallbacks(w, TRUE); SetEvent(e); a = wr(WaitForSingleObject(fired, 20)); P("wait_waits_no_more", "%s left=%s", a, sig(e));
    expect(1); ResetEvent(m); SetThreadpoolWait(w, m, NULL); SetThreadpoolWait(w, e, NULL); SetEvent(m); a = wr(WaitForSingleObject(fired, 20)); SetEvent(e); b = come(); P("wait_another_object", "%s then %s", a, b);
    WaitForThreadpoolWaitCallbacks(w, FALSE);
    CloseThreadpoolWait(w);
    expect(5); w = CreateThreadpoolWait(again, s, NULL); SetThreadpoolWait(w, s, NULL); ReleaseSemaphore(s, 5, NULL); P("wait_set_by_itself", "%s", come());
    SetThreadpoolWait(w, NULL, NULL); WaitForThreadpoolWaitCallbacks(w, TRUE); CloseThreadpoolWait(w);
    { PTP_WAIT many[80]; HANDLE each[80];
      expect(80);
      for (i = 0; i < 80; i++) { each[i] = CreateEventA(NULL, TRUE, FALSE, NULL); many[i] = CreateThreadpoolWait(on_wait, NULL, NULL); SetThreadpoolWait(many[i], each[i], NULL); }
      for (i = 79; i >= 0; i--) SetEvent(each[i]);
      P("wait_many", "%s", come());
      for (i = 0; i < 80; i++) { WaitForThreadpoolWaitCallbacks(many[i], FALSE); CloseThreadpoolWait(many[i]); CloseHandle(each[i]); } }
    CloseHandle(e); CloseHandle(m); CloseHandle(s);
}

/* ------------------------------------------------------------------- I/O -- */

static volatile LONG last_status, last_bytes; static PVOID volatile last_overlapped;
static VOID CALLBACK on_io(PTP_CALLBACK_INSTANCE i, PVOID context, PVOID overlapped, ULONG error, ULONG_PTR bytes, PTP_IO io)
{
    (void)i; KEEP(last_context, context); KEEP(last_overlapped, overlapped); KEEP(last_object, io);
    InterlockedExchange(&last_status, (LONG)error); InterlockedExchange(&last_bytes, (LONG)bytes); called();
}
static const char *told(void) { static char text[4][80]; static int slot; char *p = text[slot++ & 3]; const char *a = come(); sprintf(p, "%s %s n=%lu", a, en((DWORD)last_status), (unsigned long)last_bytes); return p; }

static void t_io(void)
{
    HANDLE s, c, e = CreateEventA(NULL, TRUE, FALSE, NULL); OVERLAPPED o, p; char in[16], other[16]; DWORD n; PTP_IO io; const char *a;
    pair(&s, &c, MSGPIPE, FILE_FLAG_OVERLAPPED); zero(&o, sizeof(o)); zero(&p, sizeof(p));
    P("io_not_a_file", "%s", (CLR(), CreateThreadpoolIo(e, on_io, NULL, NULL) ? "io" : en(GetLastError())));
    io = CreateThreadpoolIo(s, on_io, &count, NULL); P("io_made", "%s", io ? "io" : "none");
    P("io_second", "%s", (CLR(), CreateThreadpoolIo(s, on_io, NULL, NULL) ? "io" : en(GetLastError())));
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); wrs(c, "hello", 5);
    P3("io_read", "%s %s %s", a, told(), dat(in, 5));
    P("io_read_of", "context=%d overlapped=%d io=%d other_thread=%d", last_context == &count, last_overlapped == &o, last_object == (void *)io, last_thread != (LONG)GetCurrentThreadId());
    wrs(c, "at once", 7);
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); P2("io_complete_at_once", "%s %s", a, told());
    wrs(c, "too long", 8);
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, 3, NULL, &o)); P2("io_more_data", "%s %s", a, told());
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); P2("io_rest", "%s %s", a, told());
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); CancelIoEx(s, &o); P2("io_cancelled", "%s %s", a, told());
    expect(1); StartThreadpoolIo(io); a = B(WriteFile(s, "abc", 3, NULL, &o)); P2("io_write", "%s %s", a, told());
    rds(c, 16);
    /* One that fails at once has no callback, and is taken back; waiting is over then. */
    expect(1); StartThreadpoolIo(io); a = B(ConnectNamedPipe(s, &o)); CancelThreadpoolIo(io); WaitForThreadpoolIoCallbacks(io, FALSE); P2("io_failed_at_once", "%s then %s", a, wr(WaitForSingleObject(fired, 20)));
    /* What is cancelled here goes on, and nobody is called for it. */
    expect(1); StartThreadpoolIo(io); ReadFile(s, in, sizeof(in), NULL, &o); WaitForThreadpoolIoCallbacks(io, TRUE); wrs(c, "quiet", 5);
    a = B(GetOverlappedResult(s, &o, &n, TRUE)); P3("io_callback_cancelled", "%s %s then %s", a, dat(in, 5), wr(WaitForSingleObject(fired, 20)));
    expect(2); StartThreadpoolIo(io); ReadFile(s, in, sizeof(in), NULL, &o); StartThreadpoolIo(io); ReadFile(s, other, sizeof(other), NULL, &p); wrs(c, "one", 3); wrs(c, "two", 3); WaitForThreadpoolIoCallbacks(io, FALSE);
    P("io_two", "calls=%ld %s %s", (long)count, dat(in, 3), dat(other, 3));
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); CloseHandle(c); P2("io_broken", "%s %s", a, told());
    WaitForThreadpoolIoCallbacks(io, FALSE); CloseThreadpoolIo(io); CloseHandle(s);
    pair(&s, &c, MSGPIPE, 0); P("io_not_overlapped", "%s", (CLR(), CreateThreadpoolIo(s, on_io, NULL, NULL) ? "io" : en(GetLastError())));
    CloseHandle(s); CloseHandle(c);
    pair(&s, &c, MSGPIPE, FILE_FLAG_OVERLAPPED); SetFileCompletionNotificationModes(s, 1); io = CreateThreadpoolIo(s, on_io, NULL, NULL);
    wrs(c, "skip", 4); expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); CancelThreadpoolIo(io); WaitForThreadpoolIoCallbacks(io, FALSE); P2("io_skipped_on_success", "%s then %s", a, wr(WaitForSingleObject(fired, 20)));
    expect(1); StartThreadpoolIo(io); a = B(ReadFile(s, in, sizeof(in), NULL, &o)); CloseHandle(s); P2("io_handle_closed", "%s %s", a, told());
    WaitForThreadpoolIoCallbacks(io, FALSE); CloseThreadpoolIo(io); CloseHandle(c); CloseHandle(e);
}

/* ------------------------------------------------------ handles of pools -- */

static VOID CALLBACK nothing(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_WORK work) { (void)i; (void)context; (void)work; }
static VOID CALLBACK waits_for_another(PTP_CALLBACK_INSTANCE i, PVOID context, PVOID overlapped, ULONG error, ULONG_PTR bytes, PTP_IO io)
{
    (void)i; (void)context; (void)overlapped; (void)error; (void)bytes; (void)io;
    if (InterlockedIncrement(&count) == InterlockedCompareExchange(&wanted, 0, 0)) SetEvent(fired);
    WaitForSingleObject(fired, 15000);
    SetEvent(go);
}

/* Callbacks that wait for each other: each has a thread. */
static void t_callbacks(void)
{
    enum { PIPES = 8 };
    HANDLE s[PIPES], c[PIPES]; PTP_IO io[PIPES]; OVERLAPPED o[PIPES]; char in[PIPES]; int i;
    expect(PIPES); zero(o, sizeof(o));
    for (i = 0; i < PIPES; i++) { pair(&s[i], &c[i], MSGPIPE, FILE_FLAG_OVERLAPPED); io[i] = CreateThreadpoolIo(s[i], waits_for_another, NULL, NULL); StartThreadpoolIo(io[i]); ReadFile(s[i], &in[i], 1, NULL, &o[i]); }
    for (i = 0; i < PIPES; i++) wrs(c[i], "x", 1);
    P("that_wait_for_each_other", "%s", come());
    for (i = 0; i < PIPES; i++) { WaitForThreadpoolIoCallbacks(io[i], FALSE); CloseThreadpoolIo(io[i]); CloseHandle(s[i]); CloseHandle(c[i]); }
}

static void t_handles(void)
{
    PTP_WORK w = CreateThreadpoolWork(nothing, NULL, NULL); HANDLE h = NULL;
    P("close_work_as_handle", "%s", B(CloseHandle((HANDLE)w)));
    P("wait_for_work_as_handle", "%s", (CLR(), WaitForSingleObject((HANDLE)w, 0) == WAIT_FAILED ? en(GetLastError()) : "waited"));
    P("duplicate_work", "%s", B(DuplicateHandle(GetCurrentProcess(), (HANDLE)w, GetCurrentProcess(), &h, 0, FALSE, DUPLICATE_SAME_ACCESS)));
    CloseThreadpoolWork(w);
}

/* ------------------------------------------------------------------ races -- */

/* Threads set, cancel, change and close what others use at the same time. */
enum { RACERS = 8, LAPS = 150 };
static HANDLE shared_timer, shared_event;
static volatile LONG ran;
static VOID CALLBACK raced(PVOID context, BOOLEAN timed_out) { (void)context; (void)timed_out; InterlockedIncrement(&ran); }
static VOID CALLBACK raced_call(LPVOID context, DWORD low, DWORD high) { (void)context; (void)low; (void)high; InterlockedIncrement(&ran); }
static VOID CALLBACK raced_timer(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_TIMER timer) { (void)i; (void)context; (void)timer; InterlockedIncrement(&ran); }
static VOID CALLBACK raced_wait(PTP_CALLBACK_INSTANCE i, PVOID context, PTP_WAIT wait, TP_WAIT_RESULT result) { (void)i; (void)context; (void)wait; (void)result; InterlockedIncrement(&ran); }

static DWORD WINAPI races(LPVOID p)
{
    unsigned seed = (unsigned)(ULONG_PTR)p * 2654435761u + 1; int lap; LARGE_INTEGER due; FILETIME soon = in_ms(0); HANDLE own, timer, wait, queue; PTP_TIMER pool_timer; PTP_WAIT pool_wait;
    for (lap = 0; lap < LAPS; lap++)
    {
        seed = seed * 1664525u + 1013904223u; due.QuadPart = -(LONGLONG)(seed >> 20);
        switch (seed >> 28)
        {
        case 0: case 1: SetWaitableTimer(shared_timer, &due, (LONG)(seed >> 25 & 1), raced_call, NULL, FALSE); break;
        case 2: CancelWaitableTimer(shared_timer); break;
        case 3: own = CreateWaitableTimerA(NULL, seed >> 24 & 1, NULL); SetWaitableTimer(own, &due, 1, raced_call, NULL, FALSE); CloseHandle(own); break;
        case 4: case 5: if (CreateTimerQueueTimer(&timer, NULL, raced, NULL, 0, seed >> 25 & 1, 0)) { ChangeTimerQueueTimer(NULL, timer, 1, 1); DeleteTimerQueueTimer(NULL, timer, INVALID_HANDLE_VALUE); } break;
        case 6: queue = CreateTimerQueue(); CreateTimerQueueTimer(&timer, queue, raced, NULL, 0, 1, 0); CreateTimerQueueTimer(&timer, queue, raced, NULL, 1, 0, 0); DeleteTimerQueueEx(queue, INVALID_HANDLE_VALUE); break;
        case 7: case 8: RegisterWaitForSingleObject(&wait, shared_event, raced, NULL, seed >> 24 & 3, seed >> 23 & 1 ? WT_EXECUTEONLYONCE : 0); SetEvent(shared_event); UnregisterWaitEx(wait, INVALID_HANDLE_VALUE); break;
        case 9: case 10: pool_timer = CreateThreadpoolTimer(raced_timer, NULL, NULL); SetThreadpoolTimer(pool_timer, &soon, seed >> 25 & 1, 0); SetThreadpoolTimer(pool_timer, NULL, 0, 0); WaitForThreadpoolTimerCallbacks(pool_timer, TRUE); CloseThreadpoolTimer(pool_timer); break;
        case 11: case 12: pool_wait = CreateThreadpoolWait(raced_wait, NULL, NULL); SetThreadpoolWait(pool_wait, shared_event, NULL); SetEvent(shared_event); SetThreadpoolWait(pool_wait, NULL, NULL); WaitForThreadpoolWaitCallbacks(pool_wait, TRUE); CloseThreadpoolWait(pool_wait); break;
        case 13: WaitForSingleObjectEx(shared_timer, 1, TRUE); break;
        default: SleepEx(0, TRUE);
        }
    }
    return 0;
}

static void t_races(void)
{
    HANDLE t[RACERS]; DWORD before, after; int i; const char *a; LONG come;
    shared_timer = CreateWaitableTimerA(NULL, FALSE, NULL); shared_event = CreateEventA(NULL, FALSE, FALSE, NULL);
    GetProcessHandleCount(GetCurrentProcess(), &before);
    for (i = 0; i < RACERS; i++) t[i] = CreateThread(NULL, 0, races, (LPVOID)(ULONG_PTR)(i + 1), 0, NULL);
    a = wr(WaitForMultipleObjects(RACERS, t, TRUE, 60000));
    for (i = 0; i < RACERS; i++) CloseHandle(t[i]);
    CancelWaitableTimer(shared_timer);
    GetProcessHandleCount(GetCurrentProcess(), &after);
    P("races", "%s ran=%d", a, InterlockedCompareExchange(&ran, 0, 0) > 0);
    P("races_leave", "%ld handles", (long)after - (long)before);
    /* Nothing is called any more. */
    SleepEx(0, TRUE);
    come = InterlockedCompareExchange(&ran, 0, 0); Sleep(20); P("races_are_over", "%d", come == InterlockedCompareExchange(&ran, 0, 0));
    CloseHandle(shared_timer); CloseHandle(shared_event);
}

/* ---------------------------------------------------------------- server -- */

enum { INSTANCES = 4, CLIENTS = 12, MESSAGES = 25 };
typedef struct { OVERLAPPED o; HANDLE pipe; PTP_IO io; enum { CONNECTING, READING, WRITING } state; DWORD bytes; char data[64]; } CONNECTION;
static CONNECTION connections[INSTANCES];
#define STOPPING InterlockedCompareExchange(&stopping, 0, 0)
static const char *server_name;
static volatile LONG answered, left_over, stopping;

/* Starts what comes next on a connection, until something is under way. */
static void step(CONNECTION *c)
{
    while (!STOPPING)
    {
        BOOL ok; DWORD error;
        zero(&c->o, sizeof(c->o));
        StartThreadpoolIo(c->io);
        if (c->state == CONNECTING) ok = ConnectNamedPipe(c->pipe, &c->o);
        else if (c->state == READING) ok = ReadFile(c->pipe, c->data, sizeof(c->data), NULL, &c->o);
        else ok = WriteFile(c->pipe, c->data, c->bytes, NULL, &c->o);
        error = ok ? ERROR_SUCCESS : GetLastError();
        if (ok || error == ERROR_IO_PENDING)
        {
            if (STOPPING) CancelIoEx(c->pipe, NULL);
            return;
        }
        CancelThreadpoolIo(c->io);
        if (c->state == CONNECTING && error == ERROR_PIPE_CONNECTED) { c->state = READING; continue; }
        /* The client is gone: for the next one. */
        DisconnectNamedPipe(c->pipe);
        c->state = CONNECTING;
    }
    InterlockedDecrement(&left_over);
}

static VOID CALLBACK on_step(PTP_CALLBACK_INSTANCE i, PVOID context, PVOID overlapped, ULONG error, ULONG_PTR bytes, PTP_IO io)
{
    CONNECTION *c = context;
    DWORD k;
    (void)i; (void)overlapped; (void)io;
    if (error) { DisconnectNamedPipe(c->pipe); c->state = CONNECTING; }
    else if (c->state == CONNECTING) c->state = READING;
    else if (c->state == READING)
    {
        for (k = 0; k < bytes; k++) if (c->data[k] >= 'a' && c->data[k] <= 'z') c->data[k] -= 'a' - 'A';
        c->bytes = (DWORD)bytes; c->state = WRITING;
    }
    else { InterlockedIncrement(&answered); c->state = READING; }
    step(c);
}

static DWORD WINAPI client(LPVOID p)
{
    char request[64], answer[64]; DWORD n, mode = PIPE_READMODE_MESSAGE; int k, wrong = 0; HANDLE h;
    for (;;)
    {
        h = op(server_name, RW, 0);
        if (h != INVALID_HANDLE_VALUE) break;
        if (GetLastError() != ERROR_PIPE_BUSY || !WaitNamedPipeA(server_name, 15000)) return 99;
    }
    SetNamedPipeHandleState(h, &mode, NULL, NULL);
    for (k = 0; k < MESSAGES; k++)
    {
        sprintf(request, "client %d message %d", (int)(ULONG_PTR)p, k);
        zero(answer, sizeof(answer));
        if (!TransactNamedPipe(h, request, (DWORD)strlen(request) + 1, answer, sizeof(answer), &n, NULL) || n != strlen(request) + 1 || !same(answer, "CLIENT", 6)) wrong++;
    }
    CloseHandle(h);
    return (DWORD)wrong;
}

static void t_server(void)
{
    HANDLE t[CLIENTS]; int i; DWORD code, wrong = 0; const char *a;
    server_name = newname(); left_over = INSTANCES;
    for (i = 0; i < INSTANCES; i++)
    {
        CONNECTION *c = &connections[i];
        c->pipe = mk(server_name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, MSGPIPE, INSTANCES, 256, 256);
        c->io = CreateThreadpoolIo(c->pipe, on_step, c, NULL);
        c->state = CONNECTING;
        step(c);
    }
    for (i = 0; i < CLIENTS; i++) t[i] = CreateThread(NULL, 0, client, (LPVOID)(ULONG_PTR)i, 0, NULL);
    a = wr(WaitForMultipleObjects(CLIENTS, t, TRUE, 60000));
    for (i = 0; i < CLIENTS; i++) { GetExitCodeThread(t[i], &code); wrong += code; CloseHandle(t[i]); }
    P("clients", "%s wrong=%lu", a, (unsigned long)wrong);
    InterlockedExchange(&stopping, 1);
    for (i = 0; i < INSTANCES; i++) { CancelIoEx(connections[i].pipe, NULL); WaitForThreadpoolIoCallbacks(connections[i].io, FALSE); CloseThreadpoolIo(connections[i].io); CloseHandle(connections[i].pipe); }
    P("answered", "%ld", (long)answered);
    P("left", "%ld", (long)left_over);
    P("gone", "%s", (CLR(), op(server_name, RW, 0) == INVALID_HANDLE_VALUE ? en(GetLastError()) : "open"));
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "timers", t_timers }, { "waits", t_waits }, { "io", t_io }, { "callbacks", t_callbacks }, { "handles", t_handles }, { "races", t_races }, { "server", t_server }, { NULL, NULL } };
    return probe_run("pools", s, argc, argv);
}
