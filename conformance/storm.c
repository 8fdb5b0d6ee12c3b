/* Sixty-four threads that open, call, cancel and close at random; every result is a total, and nothing is left. */
#include "probe.h"

#define THREADS 64
#define ROUNDS 60
#define NAMES 6

static LONG strange, done_ops, seed = 1;
static const char *sname_of(int i) { static char n[NAMES][64]; if (!n[i][0]) sprintf(n[i], "\\\\.\\pipe\\storm-%lu-%d", (unsigned long)GetCurrentProcessId(), i); return n[i]; }
static PVOID shared[8];

static unsigned rnd(unsigned *s) { *s = *s * 1103515245u + 12345u; return *s >> 16 & 0x7fff; }
/* what may be said in the middle of a storm */
static void expect(BOOL ok)
{
    InterlockedIncrement(&done_ops);
    if (ok) return;
    switch (GetLastError())
    {
    case ERROR_FILE_NOT_FOUND: case ERROR_INVALID_HANDLE: case ERROR_BROKEN_PIPE: case ERROR_SEM_TIMEOUT: case ERROR_BAD_PIPE:
    case ERROR_PIPE_BUSY: case ERROR_NO_DATA: case ERROR_PIPE_NOT_CONNECTED: case ERROR_MORE_DATA: case ERROR_PIPE_CONNECTED:
    case ERROR_PIPE_LISTENING: case ERROR_OPERATION_ABORTED: case ERROR_IO_PENDING: case ERROR_IO_INCOMPLETE: case ERROR_NOT_FOUND:
    case ERROR_INVALID_PARAMETER: case ERROR_ACCESS_DENIED: case WAIT_TIMEOUT: break;
    default: if (!InterlockedExchange(&strange, (LONG)GetLastError())) break;
    }
}

static void serve_once(unsigned *s)
{
    HANDLE h = mk(sname_of(rnd(s) % NAMES), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, MSGPIPE, 255, 256, 256); OV v; DWORD n; char b[64]; BOOL pending;
    if (h == INVALID_HANDLE_VALUE) { expect(FALSE); return; }
    ov_init(&v);
    pending = !ConnectNamedPipe(h, &v.o) && GetLastError() == ERROR_IO_PENDING;
    expect(pending || GetLastError() == ERROR_PIPE_CONNECTED);
    if (WaitForSingleObject(v.o.hEvent, rnd(s) % 20) == WAIT_TIMEOUT && rnd(s) % 2) expect(CancelIoEx(h, &v.o));
    expect(GetOverlappedResult(h, &v.o, &n, FALSE));
    if (pending && !HasOverlappedIoCompleted(&v.o)) { CloseHandle(h); WaitForSingleObject(v.o.hEvent, INFINITE); ov_free(&v); return; }
    if (rnd(s) % 4) { pending = !ReadFile(h, b, sizeof(b), NULL, &v.o) && GetLastError() == ERROR_IO_PENDING; if (WaitForSingleObject(v.o.hEvent, rnd(s) % 20) == WAIT_TIMEOUT) CancelIo(h); else expect(WriteFile(h, "answer", 6, &n, NULL)); }
    if (rnd(s) % 3 == 0) expect(DisconnectNamedPipe(h));
    CloseHandle(h);
    /* the structure is the operation's until then */
    if (pending) WaitForSingleObject(v.o.hEvent, INFINITE);
    ov_free(&v);
}

static void ask_once(unsigned *s)
{
    char b[64]; DWORD n, m = PIPE_READMODE_MESSAGE; HANDLE h; OV v;
    if (rnd(s) % 3 == 0) { expect(WaitNamedPipeA(sname_of(rnd(s) % NAMES), 1 + rnd(s) % 10)); return; }
    h = op(sname_of(rnd(s) % NAMES), RW, rnd(s) % 2 ? FILE_FLAG_OVERLAPPED : 0);
    if (h == INVALID_HANDLE_VALUE) { expect(FALSE); return; }
    expect(SetNamedPipeHandleState(h, &m, NULL, NULL));
    expect(WriteFile(h, "question", 8, &n, NULL));
    ov_init(&v);
    expect(PeekNamedPipe(h, b, sizeof(b), &n, NULL, NULL));
    { HANDLE d; if (DuplicateHandle(GetCurrentProcess(), h, GetCurrentProcess(), &d, 0, FALSE, DUPLICATE_SAME_ACCESS)) { InterlockedExchangePointer(&shared[rnd(s) % 8], d); Sleep(0); expect(CancelIoEx(d, NULL)); CloseHandle(d); } }
    CloseHandle(h);
    ov_free(&v);
}

/* handles of other threads, which may be closed or anything */
static void meddle(unsigned *s)
{
    DWORD n; char b[8]; HANDLE h = InterlockedCompareExchangePointer(&shared[rnd(s) % 8], NULL, NULL);
    expect(PeekNamedPipe(h, b, 8, &n, NULL, NULL));
    expect(CancelIoEx(h, NULL));
    expect(GetNamedPipeInfo(h, NULL, NULL, NULL, NULL));
}

static DWORD WINAPI storm(LPVOID p)
{
    unsigned s = (unsigned)(ULONG_PTR)p * 7919u + (unsigned)InterlockedIncrement(&seed); int i;
    for (i = 0; i < ROUNDS; i++) switch (rnd(&s) % 4) { case 0: case 1: serve_once(&s); break; case 2: ask_once(&s); break; default: meddle(&s); }
    return 0;
}

static void t_storm(void)
{
    static HANDLE t[THREADS]; DWORD before = 0, after = 0; int i, k;
    GetProcessHandleCount(GetCurrentProcess(), &before);
    for (i = 0; i < THREADS; i++) t[i] = CreateThread(NULL, 0, storm, (LPVOID)(ULONG_PTR)(i + 1), 0, NULL);
    P("ended", "%s", wr(WaitForMultipleObjects(THREADS, t, TRUE, 100000)));
    for (i = 0; i < THREADS; i++) CloseHandle(t[i]);
    GetProcessHandleCount(GetCurrentProcess(), &after);
    P("handles_left", "%ld", (long)after - (long)before);
    P("strange_errors", "%s", en((DWORD)strange));
    P("operations", "%s", done_ops > THREADS * ROUNDS / 2 ? "many" : "few");
    for (i = k = 0; i < NAMES; i++) k += op(sname_of(i), RW, 0) != INVALID_HANDLE_VALUE;
    P("names_left", "%d", k);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "storm", t_storm }, { NULL, NULL } };
    return probe_run("storm", s, argc, argv);
}
