/* The edges of calls on pipes: pointers that may or may not be NULL, flags, ends that a call is not for, the device. */
#include "probe.h"

static const char *set(HANDLE h, DWORD mode) { return B(SetNamedPipeHandleState(h, &mode, NULL, NULL)); }

static void t_ends(void)
{
    HANDLE s, c; DWORD m = 0;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    P("disconnect_by_client", "%s", B(DisconnectNamedPipe(c)));
    P("no_effect", "%s", wrs(c, "x", 1));
    P("connect_by_client", "%s", B(ConnectNamedPipe(c, NULL)));
    P("client_signaled", "%s", sig(c));
    DisconnectNamedPipe(s);
    P("disconnected_client_not_signaled", "%s", sig(c));
    P("server_still_signaled", "%s", sig(s));
    CloseHandle(c); CloseHandle(s);
    { HANDLE e = CreateEventA(NULL, TRUE, FALSE, NULL);
      P("event_connect", "%s", B(ConnectNamedPipe(e, NULL)));
      P("event_peek", "%s", B(PeekNamedPipe(e, NULL, 0, NULL, NULL, NULL)));
      P("event_state", "%s", states(e));
      P("event_info", "%s", infos(e));
      P("event_flush", "%s", B(FlushFileBuffers(e)));
      P("event_set_state", "%s", set(e, m));
      P("event_file_type", "%lu", (unsigned long)GetFileType(e));
      CloseHandle(e); }
}

static void t_null(void)
{
    HANDLE s, c; DWORD d = 7, mode = PIPE_READMODE_MESSAGE; ULONG id = 0; const char *r;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    P("info_all_null", "%s", B(GetNamedPipeInfo(s, NULL, NULL, NULL, NULL)));
    P("state_all_null", "%s", B(GetNamedPipeHandleStateA(s, NULL, NULL, NULL, NULL, NULL, 0)));
    P("state_wide_all_null", "%s", B(GetNamedPipeHandleStateW(s, NULL, NULL, NULL, NULL, NULL, 0)));
    P("state_collection_count", "%s", B(GetNamedPipeHandleStateA(s, NULL, NULL, &d, NULL, NULL, 0)));
    P("state_collection_timeout", "%s", B(GetNamedPipeHandleStateA(c, NULL, NULL, NULL, &d, NULL, 0)));
    P("set_collection_count", "%s", B(SetNamedPipeHandleState(c, &mode, &d, NULL)));
    P("set_collection_timeout", "%s", B(SetNamedPipeHandleState(c, NULL, NULL, &d)));
    P("set_null", "%s", B(SetNamedPipeHandleState(c, NULL, NULL, NULL)));
    P("set_null_changes_nothing", "%s", states(c));
    P("set_unknown_bit", "%s", set(c, 4));
    P("set_unknown_bits", "%s", set(c, 0x80000001));
    P("unknown_bits_change_nothing", "%s", states(c));
    P("client_id_null", "%s", B(GetNamedPipeClientProcessId(s, NULL)));
    P("server_id_null", "%s", B(GetNamedPipeServerProcessId(c, NULL)));
    P("client_session_null", "%s", B(GetNamedPipeClientSessionId(s, NULL)));
    P("server_session_null", "%s", B(GetNamedPipeServerSessionId(c, NULL)));
    r = B(GetNamedPipeClientProcessId(s, &id)); P("client_id", "%s %d", r, id == GetCurrentProcessId()); id = 0;
    r = B(GetNamedPipeServerProcessId(c, &id)); P("server_id", "%s %d", r, id == GetCurrentProcessId()); id = 0;
    r = B(GetNamedPipeServerProcessId(s, &id)); P("own_id_of_server", "%s %d", r, id == GetCurrentProcessId()); id = 0;
    r = B(GetNamedPipeClientProcessId(c, &id)); P("own_id_of_client", "%s %d", r, id == GetCurrentProcessId());
    P("session", "%s", B(GetNamedPipeClientSessionId(s, &id)));
    P("closed_handle_keeps_nothing", "%s", B(GetNamedPipeInfo((HANDLE)(ULONG_PTR)0x7ffffffc, NULL, NULL, NULL, NULL)));
    DisconnectNamedPipe(s);
    P("client_id_after_disconnect", "%s", B(GetNamedPipeClientProcessId(s, &id)));
    P("server_id_of_dead_client", "%s", B(GetNamedPipeServerProcessId(c, &id)));
    P("own_id_of_dead_client", "%s", B(GetNamedPipeClientProcessId(c, &id)));
    CloseHandle(c); CloseHandle(s);
}

static void t_computer(void)
{
    HANDLE s, c; char name[32];
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    P("computer_of_local_client", "%s", B(GetNamedPipeClientComputerNameA(s, name, sizeof(name))));
    CloseHandle(c); CloseHandle(s);
}

static void t_device(void)
{
    static const char *const names[] = { "\\\\.\\pipe", "\\\\.\\pipe\\" };
    int i; char b[4]; DWORD n;
    for (i = 0; i < 2; i++)
    {
        HANDLE h; const char *r, *p, *w;
        CLR(); h = CreateFileA(names[i], FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL); r = hr(h);
        p = B(PeekNamedPipe(h, NULL, 0, NULL, NULL, NULL));
        w = B(WriteFile(h, "x", 1, &n, NULL));
        { const char *d = B(ReadFile(h, b, 4, &n, NULL)); P(i ? "device_slash" : "device", "%s read=%s write=%s peek=%s type=%lu", r, d, w, p, (unsigned long)GetFileType(h)); }
        CloseHandle(h);
    }
}

static void t_duplicate(void)
{
    HANDLE s, c, d = NULL; DWORD f;
    if (!pair(&s, &c, BYTEPIPE, 0)) return;
    DuplicateHandle(GetCurrentProcess(), c, GetCurrentProcess(), &d, GENERIC_READ, FALSE, 0);
    { HANDLE e = NULL; P("more_access_than_the_source", "%s", B(DuplicateHandle(GetCurrentProcess(), d, GetCurrentProcess(), &e, GENERIC_WRITE, FALSE, 0))); }
    P("reduced_set_state", "%s", set(d, PIPE_READMODE_BYTE));
    P("reduced_flush", "%s", B(FlushFileBuffers(d)));
    P("reduced_peek", "%s", pks(d, 0));
    CloseHandle(d);
    P("protect", "%s", B(SetHandleInformation(c, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE)));
    P("close_protected", "%s", B(CloseHandle(c)));
    GetHandleInformation(c, &f); P("protected_flags", "%lu", (unsigned long)f);
    SetHandleInformation(c, HANDLE_FLAG_PROTECT_FROM_CLOSE, 0);
    P("unknown_flag", "%s", B(SetHandleInformation(c, 8, 8)));
    P("close_unprotected", "%s", B(CloseHandle(c)));
    CloseHandle(s);
    P("duplicate_of_thread", "%s", B(DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &d, 0, FALSE, DUPLICATE_SAME_ACCESS)));
    P("thread_runs", "%s %d", sig(d), GetThreadId(d) == GetCurrentThreadId());
    CloseHandle(d);
    P("pseudo_handles_close", "%s", B(CloseHandle(GetCurrentProcess())));
    d = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, GetCurrentProcessId());
    P("own_process", "%s %d", sig(d), GetProcessId(d) == GetCurrentProcessId());
    CloseHandle(d);
}

/* of several calls that wait on one end, the named thread's and no other */
static void t_cancel_one(void)
{
    HANDLE s, c; JOB first, second, third; char one[8], two[8], three[8]; OV ov; const char *a, *b;
    if (!pair_ex(&s, &c, MSGPIPE, FILE_FLAG_OVERLAPPED, 4096, 4096, TRUE)) return;
    ov_init(&ov);
    job_read(&first, s, one, 8); blocked(&first);
    job_read(&second, s, two, 8); blocked(&second);
    ord(s, &ov, 8);
    job_read(&third, s, three, 8); a = blocked(&third);
    b = B(CancelSynchronousIo(second.thread));
    P("cancel_one", "%s cancel=%s then %s", a, b, job_end(&second, 0));
    P("cancel_one_others", "%s %s %s", blocked(&first), gor(s, &ov, FALSE, FALSE), blocked(&third));
    wrs(c, "first", 5); P("cancel_one_first", "%s", job_end(&first, 1));
    wrs(c, "then", 4); P("cancel_one_overlapped", "%s", gor(s, &ov, TRUE, TRUE));
    wrs(c, "third", 5); P("cancel_one_third", "%s", job_end(&third, 1));
    job_transact(&first, c, (void *)"asks", 4, one, 8); a = blocked(&first);
    b = B(CancelSynchronousIo(first.thread));
    P("cancel_transact", "%s cancel=%s then %s", a, b, job_end(&first, 0));
    P("cancel_transact_request", "%s", rds(s, 8));
    ov_free(&ov); CloseHandle(s); CloseHandle(c);
}

/* calls that another thread ends */
static void t_cancel(void)
{
    HANDLE s, c; JOB j; char buf[8]; const char *a, *b;
    if (!pair_ex(&s, &c, BYTEPIPE, 0, 4, 4, FALSE)) return;
    P("cancel_nothing", "%s", B(CancelIoEx(s, NULL)));
    P("cancel_own_nothing", "%s", B(CancelIo(s)));
    job_read(&j, s, buf, 8); a = blocked(&j);
    b = B(CancelIoEx(s, NULL));
    P("cancel_blocked_read", "%s cancel=%s then %s", a, b, job_end(&j, 0));
    job_write(&j, c, "too long", 8); a = blocked(&j);
    b = B(CancelSynchronousIo(j.thread));
    P("cancel_synchronous_write", "%s cancel=%s then %s", a, b, job_end(&j, 0));
    P("its_data_is_gone", "%s", pks(s, 8));
    wrs(c, "abcd", 4);
    job_flush(&j, c); a = blocked(&j);
    b = B(CancelSynchronousIo(j.thread));
    P("cancel_flush", "%s cancel=%s then %s", a, b, job_end(&j, 0));
    P("cancel_idle_thread", "%s", B(CancelSynchronousIo(GetCurrentThread())));
    CloseHandle(c); CloseHandle(s);
    s = mk(newname(), PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 512, 512);
    job_connect(&j, s); a = blocked(&j);
    b = B(CancelSynchronousIo(j.thread));
    P("cancel_connect", "%s cancel=%s then %s", a, b, job_end(&j, 0));
    job_connect(&j, s); a = blocked(&j);
    P("handle_not_signaled_inside", "%s", sig(s));
    CloseHandle(s);
    P("close_ends_connect", "%s then %s", a, job_end(&j, 0));
    if (!pair(&s, &c, BYTEPIPE, 0)) return;
    job_read(&j, c, buf, 8); a = blocked(&j);
    CloseHandle(c);
    P("close_ends_read", "%s then %s", a, job_end(&j, 0));
    P("peer_sees_close", "%s", rds(s, 1));
    CloseHandle(s);
}

/* what a structure and its event are left as by calls that are refused */
static void t_refused(void)
{
    const char *n = newname(); HANDLE s, c; OV v; char b[4]; DWORD d; const char *r;
    s = mk(n, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED, MSGPIPE, 2, 512, 512); c = op(n, GENERIC_WRITE, FILE_FLAG_OVERLAPPED);
    ov_init(&v); SetEvent(v.o.hEvent); v.o.Internal = 7; v.o.InternalHigh = 9;
    r = B(ReadFile(c, b, 4, &d, &v.o)); P("denied_read", "%s %s %d event=%s", r, st(v.o.Internal), (int)v.o.InternalHigh, sig(v.o.hEvent));
    v.o.Internal = 7;
    r = B(WriteFile(s, b, 4, &d, &v.o)); P("denied_write", "%s %s %d event=%s", r, st(v.o.Internal), (int)v.o.InternalHigh, sig(v.o.hEvent));
    v.o.Internal = 7;
    r = B(TransactNamedPipe(s, b, 1, b, 4, &d, &v.o)); P("denied_transact", "%s event=%s", r, sig(v.o.hEvent));
    v.o.Internal = 7;
    r = B(ConnectNamedPipe(c, &v.o)); P("client_connect", "%s %s event=%s", r, st(v.o.Internal), sig(v.o.hEvent));
    P("sets_nothing", "%s", B(SetNamedPipeHandleState(s, NULL, NULL, NULL)));
    CloseHandle(c); CloseHandle(s);
    /* a client in byte mode that was disconnected hears of that, and not of its mode */
    n = newname(); s = mk(n, PIPE_ACCESS_DUPLEX, MSGPIPE, 2, 512, 512); c = op(n, GENERIC_READ | GENERIC_WRITE, 0);
    DisconnectNamedPipe(s);
    P("disconnected_transact", "%s", B(TransactNamedPipe(c, "x", 1, b, 4, &d, NULL)));
    P("disconnected_sets_nothing", "%s", B(SetNamedPipeHandleState(c, NULL, NULL, NULL)));
    ov_free(&v); CloseHandle(c); CloseHandle(s);
    /* of several writes that wait for a reader who closes, none is done, though the last would fit without the first */
    { OV w; ov_init(&v); ov_init(&w);
      n = newname(); s = mk(n, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, MSGPIPE, 2, 4, 4); c = op(n, GENERIC_READ | GENERIC_WRITE, 0);
      owr(s, &v, "0123456789", 10); owr(s, &w, "abc", 3);
      CloseHandle(c);
      r = gor(s, &v, TRUE, 0); P("closed_on_two_writes", "%s %s", r, gor(s, &w, TRUE, 0));
      ov_free(&v); ov_free(&w); CloseHandle(s); }
    /* a write that writes nothing, since it may not wait, ends no read of nothing */
    ov_init(&v);
    n = newname(); s = mk(n, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE | PIPE_NOWAIT, 2, 4, 4); c = op(n, GENERIC_READ | GENERIC_WRITE, FILE_FLAG_OVERLAPPED);
    ord(c, &v, 0); r = wrs(s, "0123456789", 10);
    P("nothing_for_read_of_nothing", "%s event=%s", r, sig(v.o.hEvent));
    CloseHandle(s); gor(c, &v, TRUE, 0); ov_free(&v); CloseHandle(c);
}

/* files by the same functions */
static void t_files(void)
{
    char path[64]; HANDLE h; DWORD n = 0; char b[16]; LARGE_INTEGER size; OVERLAPPED o; const char *r;
    sprintf(path, "edges-%lu.txt", (unsigned long)GetCurrentProcessId());
    P("open_missing", "%s", H(CreateFileA(path, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL)));
    P("open_no_directory", "%s", H(CreateFileA("no-such-directory\\x", GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL)));
    CLR(); h = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL); r = hr(h);
    P("create_new", "%s %lu", r, (unsigned long)GetFileType(h));
    P("write", "%s", wrs(h, "0123456789", 10));
    P("position", "%lu", (unsigned long)SetFilePointer(h, -4, NULL, FILE_END));
    P("read", "%s", rds(h, 9));
    P("end", "%s", rds(h, 9));
    zero(&o, sizeof(o)); o.Offset = 2;
    r = B(ReadFile(h, b, 3, &n, &o)); P("at_offset", "%s %s", r, dat(b, n));
    o.Offset = 100; P("beyond", "%s", B(ReadFile(h, b, 3, &n, &o)));
    GetFileSizeEx(h, &size); P("size", "%d", (int)size.QuadPart);
    P("not_a_pipe", "%s", B(PeekNamedPipe(h, NULL, 0, NULL, NULL, NULL)));
    CloseHandle(h);
    P("create_new_again", "%s", H(CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL)));
    CLR(); h = CreateFileA(path, GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0, NULL);
    P("open_always", "%lu", (unsigned long)GetLastError());
    P("read_only_write", "%s", wrs(h, "x", 1));
    CloseHandle(h);
    P("bad_disposition", "%s", H(CreateFileA(path, GENERIC_READ, 0, NULL, 9, 0, NULL)));
    P("delete", "%s", B(DeleteFileA(path)));
    P("delete_again", "%s", B(DeleteFileA(path)));
    h = CreateFileA("NUL", GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    P("nul", "%s", wrs(h, "x", 1));
    CloseHandle(h);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "ends", t_ends }, { "null", t_null }, { "computer", t_computer }, { "device", t_device }, { "duplicate", t_duplicate },
        { "cancel", t_cancel }, { "cancel_one", t_cancel_one }, { "refused", t_refused }, { "files", t_files }, { NULL, NULL } };
    return probe_run("edges", s, argc, argv);
}
