/* NT's own functions for pipes: peeking, asking and setting by information classes, statuses as errors. */
#include "probe.h"
#include <winternl.h>

/* What Windows keeps for its driver kit. */
#define PEEK 0x11400cu
#define TRANSCEIVE 0x11c017u
#define DISCONNECT 0x110004u
#define LISTEN 0x110008u
#define WAIT 0x110018u
#define STANDARD ((FILE_INFORMATION_CLASS)5)
#define NAME ((FILE_INFORMATION_CLASS)9)
#define MODE ((FILE_INFORMATION_CLASS)16)
#define PIPE ((FILE_INFORMATION_CLASS)23)
#define LOCAL ((FILE_INFORMATION_CLASS)24)
#define NONSENSE ((FILE_INFORMATION_CLASS)0x7000)

typedef NTSTATUS (NTAPI *CONTROL)(HANDLE, HANDLE, void *, void *, IO_STATUS_BLOCK *, ULONG, void *, ULONG, void *, ULONG);
typedef NTSTATUS (NTAPI *QUERY)(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, FILE_INFORMATION_CLASS);
typedef ULONG (NTAPI *TO_DOS)(NTSTATUS);
static CONTROL control;
static QUERY query, set;
static TO_DOS to_dos;

static const char *stn(NTSTATUS s)
{
    switch ((DWORD)s)
    {
    case 0xC000000D: return "STATUS_INVALID_PARAMETER";
    case 0xC0000004: return "STATUS_INFO_LENGTH_MISMATCH";
    case 0xC00000AF: return "STATUS_ILLEGAL_FUNCTION";
    case 0xC00000BB: return "STATUS_NOT_SUPPORTED";
    case 0xC0000034: return "STATUS_OBJECT_NAME_NOT_FOUND";
    case 0xC00000B5: return "STATUS_IO_TIMEOUT";
    }
    return st((DWORD)s);
}

static const char *peeks(HANDLE h, ULONG room)
{
    static char buf[8][200];
    static LONG slot;
    char *o = buf[InterlockedIncrement(&slot) & 7];
    struct { ULONG state, available, messages, length; char data[64]; } b;
    IO_STATUS_BLOCK io; NTSTATUS s;
    fill(&b, 0xcc, sizeof(b)); fill(&io, 0xcc, sizeof(io));
    s = control(h, NULL, NULL, NULL, &io, PEEK, NULL, 0, &b, 16 + room);
    if (s < 0 && (DWORD)s != 0x80000005) sprintf(o, "%s", stn(s));
    else sprintf(o, "%s state=%lu avail=%lu length=%lu info=%lu %s", stn(s), (unsigned long)b.state, (unsigned long)b.available, (unsigned long)b.length, (unsigned long)io.Information, dat(b.data, (DWORD)io.Information - 16));
    return o;
}

static const char *locals(HANDLE h)
{
    static char buf[8][200];
    static LONG slot;
    char *o = buf[InterlockedIncrement(&slot) & 7];
    ULONG w[10]; IO_STATUS_BLOCK io; NTSTATUS s = query(h, &io, w, sizeof(w), LOCAL);
    if (s) sprintf(o, "%s", stn(s));
    else sprintf(o, "type=%lu config=%lu max=%ld now=%lu in=%lu readable=%lu out=%lu writable=%lu state=%lu end=%lu", (unsigned long)w[0], (unsigned long)w[1], (long)(LONG)w[2], (unsigned long)w[3], (unsigned long)w[4], (unsigned long)w[5], (unsigned long)w[6], (unsigned long)w[7], (unsigned long)w[8], (unsigned long)w[9]);
    return o;
}

static void t_peek(void)
{
    HANDLE s, c, d; char small[8]; IO_STATUS_BLOCK io;
    pair(&s, &c, MSGPIPE, 0);
    P("empty", "%s", peeks(s, 8));
    wrs(c, "message", 7); wrs(c, "two", 3);
    P("whole", "%s", peeks(s, 32));
    P("beginning", "%s", peeks(s, 3));
    P("no_data_room", "%s", peeks(s, 0));
    P("too_short", "%s", stn(control(s, NULL, NULL, NULL, &io, PEEK, NULL, 0, small, sizeof(small))));
    { HANDLE e = CreateEventA(NULL, TRUE, FALSE, NULL); ULONG b[16];
      SetLastError(77);
      P("with_event", "%s %s", stn(control(s, e, NULL, NULL, &io, PEEK, NULL, 0, b, sizeof(b))), sig(e));
      P("last_error_kept", "%lu", (unsigned long)GetLastError());
      CloseHandle(e); }
    CloseHandle(c);
    P("closing", "%s", peeks(s, 32));
    rds(s, 99); rds(s, 99);
    P("broken", "%s", peeks(s, 32));
    P("disconnect", "%s", stn(control(s, NULL, NULL, NULL, &io, DISCONNECT, NULL, 0, NULL, 0)));
    P("disconnected", "%s", peeks(s, 32));
    CloseHandle(s);
    P("closed_handle", "%s", peeks(s, 32));
    pair(&s, &c, BYTEPIPE, 0);
    wrs(s, "stream", 6);
    P("bytes", "%s", peeks(c, 4));
    DuplicateHandle(GetCurrentProcess(), c, GetCurrentProcess(), &d, GENERIC_WRITE, FALSE, 0);
    P("write_only", "%s", peeks(d, 4));
    CloseHandle(d); CloseHandle(s); CloseHandle(c);
}

static void t_control(void)
{
    HANDLE s, c; char reply[8]; IO_STATUS_BLOCK io; NTSTATUS r; const char *name = newname(); JOB j; char in[16], out[16];
    s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096);
    c = op(name, RW, 0);
    P("listen", "%s", stn(control(s, NULL, NULL, NULL, &io, LISTEN, NULL, 0, NULL, 0)));
    P("listen_of_client", "%s", stn(control(c, NULL, NULL, NULL, &io, LISTEN, NULL, 0, NULL, 0)));
    { DWORD mode = PIPE_READMODE_MESSAGE; SetNamedPipeHandleState(c, &mode, NULL, NULL); }
    job_transact(&j, s, (void *)"question", 8, out, sizeof(out));
    P("asked", "%s", rds(c, 99));
    wrs(c, "the answer", 10);
    P("asked_answer", "%s", job_end(&j, TRUE));
    job_read(&j, s, in, sizeof(in));
    wrs(s, "long reply", 10);
    /* Unread data: no transaction begins. */
    r = control(c, NULL, NULL, NULL, &io, TRANSCEIVE, (void *)"hello", 5, reply, sizeof(reply));
    P("transceive_busy", "%s", stn(r));
    rds(c, 99);
    wrs(c, "ends the read", 13);
    job_end(&j, FALSE);
    CloseHandle(c); CloseHandle(s);
}

static DWORD answer(void *h) { char b[16]; DWORD n = 0; ReadFile(h, b, 16, &n, NULL); WriteFile(h, "long reply", 10, &n, NULL); return 0; }

static void t_transceive(void)
{
    HANDLE s, c; char reply[8]; IO_STATUS_BLOCK io; NTSTATUS r; JOB j;
    pair(&s, &c, MSGPIPE, 0);
    job_fn(&j, answer, s);
    r = control(c, NULL, NULL, NULL, &io, TRANSCEIVE, (void *)"hello", 5, reply, 4);
    P("transceive", "%s info=%lu %s", stn(r), (unsigned long)io.Information, dat(reply, (DWORD)io.Information));
    P("transceive_rest", "%s", rds(c, 99));
    job_end(&j, FALSE);
    CloseHandle(c); CloseHandle(s);
}

static void t_wait(void)
{
    struct { LONGLONG time; ULONG length; BOOLEAN given; BYTE pad; WCHAR name[40]; } b;
    HANDLE device = CreateFileA("\\\\.\\pipe\\", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL), s;
    const char *path = newname(), *name = path + 9; IO_STATUS_BLOCK io; ULONG i, size;
    zero(&b, sizeof(b));
    for (i = 0; name[i]; i++) b.name[i] = (WCHAR)name[i];
    b.length = i * 2; b.given = TRUE; b.time = -10000; size = 14 + i * 2;
    P("wait_nobody", "%s", stn(control(device, NULL, NULL, NULL, &io, WAIT, &b, size, NULL, 0)));
    s = mk(path, PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 64, 64);
    P("wait_listening", "%s", stn(control(device, NULL, NULL, NULL, &io, WAIT, &b, size, NULL, 0)));
    { HANDLE c = op(path, RW, 0);
      P("wait_busy", "%s", stn(control(device, NULL, NULL, NULL, &io, WAIT, &b, size, NULL, 0)));
      CloseHandle(c); }
    P("wait_short", "%s", stn(control(device, NULL, NULL, NULL, &io, WAIT, &b, 4, NULL, 0)));
    CloseHandle(s); CloseHandle(device);
}

static void t_local(void)
{
    HANDLE s, c; const char *name = newname();
    s = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 3, 1000, 2000, 0, NULL);
    P("local_listening", "%s", locals(s));
    c = op(name, RW, 0);
    wrs(c, "123456789", 9); wrs(s, "12345", 5);
    P("local_server", "%s", locals(s));
    P("local_client", "%s", locals(c));
    rds(c, 3);
    P("local_partly_read", "%s", locals(s));
    CloseHandle(c);
    P("local_closing", "state %s", locals(s) + lstrlenA(locals(s)) - 13);
    DisconnectNamedPipe(s);
    P("local_disconnected", "state %s", locals(s) + lstrlenA(locals(s)) - 13);
    CloseHandle(s);
    name = newname();
    s = mk(name, PIPE_ACCESS_OUTBOUND, BYTEPIPE, PIPE_UNLIMITED_INSTANCES, 10, 10);
    c = op(name, GENERIC_READ, 0);
    P("local_outbound_server", "%s", locals(s));
    P("local_outbound_client", "%s", locals(c));
    CloseHandle(s); CloseHandle(c);
}

static void t_information(void)
{
    HANDLE s, c; ULONG w[16]; IO_STATUS_BLOCK io; NTSTATUS r; ULONG i; char text[80]; const char *name = newname();
    union { struct { ULONG length; WCHAR text[80]; } n; ULONG words[44]; } u;
    s = mk(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, MSGPIPE, 1, 100, 200);
    c = op(name, RW, 0);
    r = query(c, &io, w, 8, PIPE);
    P("modes", "%s info=%lu %lu %lu", stn(r), (unsigned long)io.Information, (unsigned long)w[0], (unsigned long)w[1]);
    w[0] = 1; w[1] = 1;
    r = set(c, &io, w, 8, PIPE);
    P("set_modes", "%s", stn(r));
    P("set_modes_state", "%s", states(c));
    w[0] = 2; w[1] = 0;
    P("set_nonsense", "%s", stn(set(c, &io, w, 8, PIPE)));
    P("modes_short", "%s", stn(query(c, &io, w, 4, PIPE)));
    r = query(s, &io, &u, sizeof(u), NAME);
    for (i = 0; i < u.n.length / 2 && i < 79; i++) text[i] = (char)u.n.text[i];
    text[i] = 0;
    P("name", "%s %d info=%d", stn(r), text[0] == '\\' && probe_same(text + 1, name + 9), io.Information == 4 + u.n.length);
    r = query(c, &io, &u, 8, NAME);
    P("name_cut", "%s %d info=%lu", stn(r), u.n.length == (ULONG)lstrlenA(name + 8) * 2, (unsigned long)io.Information);
    P("by_handle", "%s %d", B(GetFileInformationByHandleEx(c, FileNameInfo, &u, sizeof(u))), u.n.length == (ULONG)lstrlenA(name + 8) * 2);
    P("by_handle_cut", "%s", B(GetFileInformationByHandleEx(c, FileNameInfo, &u, 8)));
    wrs(c, "xyz", 3);
    { struct { LONGLONG allocated, end; ULONG links; BOOLEAN gone, directory; BYTE pad[2]; } f;
      r = query(s, &io, &f, sizeof(f), STANDARD);
      P("standard", "%s info=%lu end=%lu links=%lu gone=%d directory=%d", stn(r), (unsigned long)io.Information, (unsigned long)f.end, (unsigned long)f.links, f.gone, f.directory); }
    query(s, &io, w, 4, MODE); query(c, &io, w + 1, 4, MODE);
    P("mode", "%lx %lx", (unsigned long)(w[0] & 0x30), (unsigned long)(w[1] & 0x30));
    CloseHandle(c); CloseHandle(s);
    P("query_closed", "%s", stn(query(c, &io, w, 8, PIPE)));
}

static void t_statuses(void)
{
    static const DWORD known[] = { 0, 0x103, 0x80000005, 0xC0000008, 0xC000000D, 0xC0000022, 0xC0000034, 0xC00000AB, 0xC00000AC, 0xC00000AD, 0xC00000AE, 0xC00000AF,
        0xC00000B0, 0xC00000B1, 0xC00000B2, 0xC00000B3, 0xC00000B5, 0xC00000BB, 0xC00000D9, 0xC000010D, 0xC0000120, 0xC000014B, 0xC0000225, 0xC0000004, 0xC0000005, 0xC0000002 };
    char name[24]; DWORD i;
    for (i = 0; i < sizeof(known) / sizeof(*known); i++)
    {
        sprintf(name, "dos_%08lx", (unsigned long)known[i]);
        P(name, "%lu", (unsigned long)to_dos((NTSTATUS)known[i]));
    }
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "peek", t_peek }, { "control", t_control }, { "transceive", t_transceive }, { "wait", t_wait }, { "local", t_local }, { "information", t_information }, { "statuses", t_statuses }, { NULL, NULL } };
    HMODULE m = GetModuleHandleA("ntdll.dll");
    control = (CONTROL)(void *)GetProcAddress(m, "NtFsControlFile");
    query = (QUERY)(void *)GetProcAddress(m, "NtQueryInformationFile");
    set = (QUERY)(void *)GetProcAddress(m, "NtSetInformationFile");
    to_dos = (TO_DOS)(void *)GetProcAddress(m, "RtlNtStatusToDosError");
    return probe_run("nt", s, argc, argv);
}
