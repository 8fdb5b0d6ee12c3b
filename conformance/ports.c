/* Completion ports, and what becomes of operations when their thread ends. */
#include "probe.h"

static const char *get(HANDLE port, DWORD timeout, OVERLAPPED **o)
{
    static char buf[8][120]; static LONG slot; char *p = buf[InterlockedIncrement(&slot) & 7];
    DWORD n = 0xcccccccc; ULONG_PTR key = 0xcccccccc; OVERLAPPED *none; const char *r;
    if (!o) o = &none;
    *o = (OVERLAPPED *)1;
    r = B(GetQueuedCompletionStatus(port, &n, &key, o, timeout));
    if (!*o && n == 0xcccccccc) sprintf(p, "%s nothing", r);
    else sprintf(p, "%s n=%lu key=%lu %s", r, (unsigned long)n, (unsigned long)key, *o ? "overlapped" : "no overlapped");
    return p;
}

static HANDLE port_of(HANDLE h, ULONG_PTR key) { return CreateIoCompletionPort(h, NULL, key, 0); }

static void t_packets(void)
{
    HANDLE s, c, port; OV r, w; const char *a, *b; OVERLAPPED *o;
    if (!pair(&s, &c, MSGPIPE, FILE_FLAG_OVERLAPPED)) return;
    port = port_of(s, 7); ov_init(&r); ov_init(&w);
    P("time_out", "%s", get(port, 10, NULL));
    a = owr(s, &w, "now", 3); b = get(port, 1000, &o);
    P("immediate_write", "%s then %s same=%d", a, b, o == &w.o);
    rds(c, 9);
    a = ord(s, &r, 20); wrs(c, "later", 5); b = get(port, 5000, &o);
    P("pending_read", "%s then %s same=%d %s", a, b, o == &r.o, dat(r.buf, 5));
    a = ord(s, &r, 2); wrs(c, "longer", 6); b = get(port, 5000, NULL);
    P("longer_message", "%s then %s", a, b);
    a = ord(s, &r, 2);
    P("longer_at_once", "%s then %s", a, get(port, 1000, NULL));
    ord(s, &r, 20); get(port, 1000, NULL);
    r.o.hEvent = (HANDLE)((ULONG_PTR)r.o.hEvent | 1);
    a = ord(s, &r, 20); wrs(c, "quiet", 5);
    b = wr(WaitForSingleObject((HANDLE)((ULONG_PTR)r.o.hEvent & ~(ULONG_PTR)1), 5000));
    P("low_bit_of_the_event", "%s event=%s then %s", a, b, get(port, 10, NULL));
    r.o.hEvent = (HANDLE)((ULONG_PTR)r.o.hEvent & ~(ULONG_PTR)1);
    a = ord(s, &r, 20); b = B(CancelIoEx(s, &r.o));
    P("cancelled", "%s cancel=%s then %s", a, b, get(port, 5000, NULL));
    P("routines_and_ports", "%s", B(ReadFileEx(s, r.buf, 9, &r.o, (LPOVERLAPPED_COMPLETION_ROUTINE)(void *)t_packets)));
    a = ord(s, &r, 20); CloseHandle(c); b = get(port, 5000, NULL);
    P("broken_while_pending", "%s then %s", a, b);
    a = ord(s, &r, 20);
    P("broken_at_once", "%s then %s", a, get(port, 10, NULL));
    CloseHandle(s); CloseHandle(port); ov_free(&r); ov_free(&w);
}

static const char *opened_name;
static DWORD WINAPI opens(LPVOID client) { *(HANDLE *)client = op(opened_name, RW, 0); return 0; }

/* An operation is none of a port's that its handle gets when the operation is over. */
static void t_late_ports(void)
{
    int i, packets = 0;
    for (i = 0; i < 50; i++)
    {
        HANDLE s, c = INVALID_HANDLE_VALUE, port, t; OV v; DWORD n; ULONG_PTR key; OVERLAPPED *o;
        opened_name = newname();
        s = mk(opened_name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, BYTEPIPE, 1, 64, 64);
        ov_init(&v);
        ConnectNamedPipe(s, &v.o);
        t = CreateThread(NULL, 0, opens, &c, 0, NULL);
        WaitForSingleObject(v.o.hEvent, 10000);
        port = port_of(s, 1);
        WaitForSingleObject(t, 10000);
        packets += GetQueuedCompletionStatus(port, &n, &key, &o, 1);
        CloseHandle(t); CloseHandle(c); CloseHandle(s); CloseHandle(port); ov_free(&v);
    }
    P("port_after_the_operation", "%d packets", packets);
}

static void t_connects(void)
{
    const char *n = newname(), *a; HANDLE s = mk(n, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, BYTEPIPE, 1, 64, 64), c, port = port_of(s, 1); OV v;
    ov_init(&v);
    a = B(ConnectNamedPipe(s, &v.o)); c = op(n, RW, 0);
    P("connect", "%s then %s", a, get(port, 5000, NULL));
    a = B(ConnectNamedPipe(s, &v.o));
    P("connected_already", "%s then %s", a, get(port, 10, NULL));
    CloseHandle(c); CloseHandle(s); CloseHandle(port); ov_free(&v);
}

static void t_rules(void)
{
    HANDLE s, c, port, e = CreateEventA(NULL, TRUE, FALSE, NULL); OV w; const char *a; OVERLAPPED_ENTRY entries[4]; ULONG n = 0;
    if (!pair(&s, &c, BYTEPIPE, 0)) return;
    P("synchronous_handle", "%s", (CLR(), port_of(s, 1) ? "port" : en(GetLastError())));
    P("skip_mode_of_synchronous", "%s", B(SetFileCompletionNotificationModes(s, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)));
    P("no_file", "%s", (CLR(), port_of(e, 1) ? "port" : en(GetLastError())));
    CloseHandle(c); CloseHandle(s);
    if (!pair(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED)) return;
    port = port_of(s, 1);
    P("second_port", "%s", (CLR(), port_of(s, 2) ? "port" : en(GetLastError())));
    P("second_handle", "%d", CreateIoCompletionPort(c, port, 2, 0) == port);
    P("not_a_port", "%s", B(PostQueuedCompletionStatus(e, 0, 0, NULL)));
    ov_init(&w);
    PostQueuedCompletionStatus(port, 11, 12, NULL); owr(c, &w, "x", 1); PostQueuedCompletionStatus(port, 13, 14, &w.o);
    a = get(port, 1000, NULL); { const char *b = get(port, 1000, NULL); P("in_their_order", "%s / %s / %s", a, b, get(port, 1000, NULL)); }
    P("skip_mode", "%s", B(SetFileCompletionNotificationModes(c, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)));
    a = owr(c, &w, "y", 1);
    P("success_is_skipped", "%s then %s", a, get(port, 10, NULL));
    P("unknown_mode", "%s", B(SetFileCompletionNotificationModes(c, 0x80)));
    PostQueuedCompletionStatus(port, 1, 1, NULL); PostQueuedCompletionStatus(port, 2, 2, NULL);
    a = B(GetQueuedCompletionStatusEx(port, entries, 4, &n, 1000, FALSE));
    P("several", "%s %lu: %lu %lu", a, (unsigned long)n, (unsigned long)entries[0].dwNumberOfBytesTransferred, (unsigned long)entries[1].lpCompletionKey);
    P("several_time_out", "%s", B(GetQueuedCompletionStatusEx(port, entries, 4, &n, 10, FALSE)));
    CloseHandle(port); CloseHandle(s); CloseHandle(c); CloseHandle(e); ov_free(&w);
    P("closed_port", "%s", get(port, 0, NULL));
}

static DWORD WINAPI waits_at_port(LPVOID p)
{
    DWORD n; ULONG_PTR key; OVERLAPPED *o;
    return GetQueuedCompletionStatus(p, &n, &key, &o, 10000) ? 0 : GetLastError();
}
static int ran; static VOID CALLBACK count(ULONG_PTR p) { (void)p; ran++; }

static void t_waiting(void)
{
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0), t; DWORD c = 9; OVERLAPPED_ENTRY entry; ULONG n; const char *a;
    t = CreateThread(NULL, 0, waits_at_port, port, 0, NULL);
    a = wr(WaitForSingleObject(t, 50));
    PostQueuedCompletionStatus(port, 0, 0, NULL);
    WaitForSingleObject(t, 10000); GetExitCodeThread(t, &c);
    P("woken_by_a_post", "%s then %s", a, en(c));
    CloseHandle(t);
    QueueUserAPC(count, GetCurrentThread(), 0);
    a = B(GetQueuedCompletionStatusEx(port, &entry, 1, &n, 1000, TRUE));
    P("alertable", "%s ran=%d", a, ran);
    t = CreateThread(NULL, 0, waits_at_port, port, 0, NULL);
    WaitForSingleObject(t, 50); CloseHandle(port); WaitForSingleObject(t, 10000); GetExitCodeThread(t, &c);
    P("closed_while_waiting", "%s", en(c));
    CloseHandle(t);
}

/* a thread's operations end with it, but for those of a port */
static OV left; static HANDLE left_on;
static DWORD WINAPI starts_and_leaves(LPVOID p) { (void)p; ReadFile(left_on, left.buf, 9, NULL, &left.o); return 0; }

static void t_threads(void)
{
    HANDLE s, c, port, t; const char *a;
    if (!pair(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED)) return;
    ov_init(&left); left_on = s;
    t = CreateThread(NULL, 0, starts_and_leaves, NULL, 0, NULL); WaitForSingleObject(t, 10000); CloseHandle(t);
    a = wr(WaitForSingleObject(left.o.hEvent, 5000)); P("ends_with_its_thread", "%s %s", a, gor(s, &left, FALSE, 0));
    port = port_of(s, 3);
    t = CreateThread(NULL, 0, starts_and_leaves, NULL, 0, NULL); WaitForSingleObject(t, 10000); CloseHandle(t);
    a = get(port, 10, NULL); wrs(c, "late", 4);
    P("goes_on_at_a_port", "%s then %s", a, get(port, 5000, NULL));
    CloseHandle(s); CloseHandle(c); CloseHandle(port); ov_free(&left);
}

/* who cancels what */
static DWORD cancels_own(void *h) { return CancelIo(h); }

static void t_cancel(void)
{
    HANDLE s, c, d; OV r, q; JOB j; const char *a, *b;
    if (!pair(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED)) return;
    ov_init(&r); ov_init(&q);
    DuplicateHandle(GetCurrentProcess(), s, GetCurrentProcess(), &d, 0, FALSE, DUPLICATE_SAME_ACCESS);
    ord(s, &r, 9); ord(s, &q, 9);
    job_fn(&j, cancels_own, s); a = job_end(&j, 0);
    P("of_another_thread", "%s %s %s", a, gor(s, &r, FALSE, 0), gor(s, &q, FALSE, 0));
    a = B(CancelIoEx(d, &q.o));
    P("through_a_duplicate", "%s %s", a, gor(s, &q, TRUE, 0));
    P("again", "%s", B(CancelIoEx(s, &q.o)));
    ord(s, &q, 9);
    a = B(CancelIoEx(s, NULL)); b = gor(s, &r, TRUE, 0);
    P("all", "%s %s %s", a, b, gor(s, &q, TRUE, 0));
    P("none_left", "%s %s", B(CancelIoEx(s, NULL)), B(CancelIo(s)));
    ord(s, &r, 9); wrs(c, "done", 4); WaitForSingleObject(r.o.hEvent, 5000);
    a = B(CancelIoEx(s, &r.o));
    P("what_is_complete", "%s %s", a, gor(s, &r, FALSE, 1));
    ord(s, &r, 9); a = B(CancelIo(s));
    P("own", "%s %s", a, gor(s, &r, TRUE, 0));
    CloseHandle(s); CloseHandle(d); CloseHandle(c); ov_free(&r); ov_free(&q);
}

/* callbacks on threads that the program has not made */
static LONG called, timed; static HANDLE told;
static VOID CALLBACK wait_over(PVOID p, BOOLEAN timed_out) { InterlockedIncrement(timed_out ? &timed : &called); SetEvent((HANDLE)p); }
static DWORD bound_error, bound_n; static VOID CALLBACK bound(DWORD e, DWORD n, LPOVERLAPPED o) { (void)o; bound_error = e; bound_n = n; SetEvent(told); }

static void t_pool(void)
{
    HANDLE e = CreateEventA(NULL, FALSE, FALSE, NULL), w, s, c; const char *a; OV r;
    told = CreateEventA(NULL, FALSE, FALSE, NULL);
    RegisterWaitForSingleObject(&w, e, wait_over, told, INFINITE, WT_EXECUTEDEFAULT);
    SetEvent(e); WaitForSingleObject(told, 5000); SetEvent(e); WaitForSingleObject(told, 5000);
    a = B(UnregisterWaitEx(w, INVALID_HANDLE_VALUE));
    P("called_each_time", "%ld %ld %s", (long)called, (long)timed, a);
    SetEvent(e);
    P("not_afterwards", "%s", sig(told));
    ResetEvent(e);
    RegisterWaitForSingleObject(&w, e, wait_over, told, 1, WT_EXECUTEONLYONCE);
    a = wr(WaitForSingleObject(told, 5000));
    UnregisterWaitEx(w, INVALID_HANDLE_VALUE);
    P("timed_out_once", "%s %ld", a, (long)timed);
    if (!pair(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED)) return;
    P("bind", "%s", B(BindIoCompletionCallback(s, bound, 0)));
    ov_init(&r); ord(s, &r, 9); wrs(c, "bound", 5);
    a = wr(WaitForSingleObject(told, 5000));
    P("bound_called", "%s %s %lu", a, en(bound_error), (unsigned long)bound_n);
    ord(s, &r, 9); CloseHandle(c);
    a = wr(WaitForSingleObject(told, 5000));
    P("bound_error", "%s %s %lu", a, en(bound_error), (unsigned long)bound_n);
    CloseHandle(s); CloseHandle(e); CloseHandle(told); ov_free(&r);
}

static void t_unregistered(void)
{
    HANDLE e = CreateEventA(NULL, FALSE, FALSE, NULL), w;
    RegisterWaitForSingleObject(&w, e, wait_over, e, INFINITE, WT_EXECUTEDEFAULT);
    UnregisterWaitEx(w, INVALID_HANDLE_VALUE);
    P("unregistered_twice", "%s", B(UnregisterWait(w)));
    CloseHandle(e);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "packets", t_packets }, { "connects", t_connects }, { "late_ports", t_late_ports }, { "rules", t_rules }, { "waiting", t_waiting },
        { "threads", t_threads }, { "cancel", t_cancel }, { "pool", t_pool }, { "unregistered", t_unregistered }, { NULL, NULL } };
    return probe_run("ports", s, argc, argv);
}
