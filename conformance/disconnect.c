/* DisconnectNamedPipe: what it ends, what it leaves, and what the old client still gets. */
#include "probe.h"

#define N(x) (sprintf(name, "%s_" x, of), name)

static const char *set(HANDLE h, DWORD mode) { return B(SetNamedPipeHandleState(h, &mode, NULL, NULL)); }

static void dead(const char *of, DWORD type)
{
    HANDLE s, c; char name[64];
    if (!pair(&s, &c, type, 0)) return;
    wrs(s, "to the client", 13); wrs(c, "to the server", 13);
    P(N("disconnect"), "%s", B(DisconnectNamedPipe(s)));
    P(N("client_read"), "%s", rds(c, 20));
    P(N("client_read0"), "%s", rds(c, 0));
    P(N("client_write"), "%s", wrs(c, "x", 1));
    P(N("client_write0"), "%s", wrs(c, "", 0));
    P(N("client_peek"), "%s", pks(c, 20));
    P(N("client_flush"), "%s", B(FlushFileBuffers(c)));
    P(N("client_state"), "%s", states(c));
    P(N("client_set_state"), "%s", set(c, 0));
    P(N("client_info"), "%s", infos(c));
    P(N("client_signaled"), "%s", sig(c));
    P(N("client_type"), "%lu", (unsigned long)GetFileType(c));
    P(N("server_read"), "%s", rds(s, 20));
    P(N("server_write"), "%s", wrs(s, "x", 1));
    P(N("server_write0"), "%s", wrs(s, "", 0));
    P(N("server_peek"), "%s", pks(s, 20));
    P(N("server_flush"), "%s", B(FlushFileBuffers(s)));
    P(N("server_state"), "%s", states(s));
    P(N("server_info"), "%s", infos(s));
    P2(N("server_set_state"), "%s %s", set(s, type & PIPE_READMODE_MESSAGE), states(s));
    P(N("again"), "%s", B(DisconnectNamedPipe(s)));
    CloseHandle(s);
    P(N("server_gone_read"), "%s", rds(c, 1));
    P(N("server_gone_write"), "%s", wrs(c, "x", 1));
    P(N("server_gone_state"), "%s", states(c));
    P(N("close"), "%s", B(CloseHandle(c)));
}
static void t_byte(void) { dead("byte", BYTEPIPE); }
static void t_message(void) { dead("message", MSGPIPE); }

static void t_gone(void)
{
    HANDLE s, c;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    wrs(c, "lost", 4);
    CloseHandle(c);
    P("client_gone", "%s", B(DisconnectNamedPipe(s)));
    P("its_data", "%s", rds(s, 9));
    P("gone_again", "%s", B(DisconnectNamedPipe(s)));
    CloseHandle(s);
}

static void t_reuse(void)
{
    const char *name = newname();
    HANDLE s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096), old = op(name, RW, 0), c, d; DWORD mode = PIPE_READMODE_MESSAGE; JOB j; const char *a;
    SetNamedPipeHandleState(old, &mode, NULL, NULL);
    wrs(s, "old", 3);
    DisconnectNamedPipe(s);
    P("slot_remains", "%s", H(mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096)));
    P("busy_until_connect", "%s", H(op(name, RW, 0)));
    P("wait_until_connect", "%s", B(WaitNamedPipeA(name, 10)));
    job_connect(&j, s); a = blocked(&j);
    c = op(name, RW, 0);
    P2("connect", "%s then %s", a, job_end(&j, FALSE));
    SetNamedPipeHandleState(c, &mode, NULL, NULL);
    P("nothing_stale", "%s", pks(c, 9));
    P("modes_remain", "%s", states(s));
    P2("old_client", "%s %s", rds(old, 9), wrs(old, "x", 1));
    P("old_client_peek", "%s", pks(old, 9));
    P2("new_conversation", "%s %s", wrs(c, "new", 3), rds(s, 9));
    CloseHandle(old);
    P2("old_closes", "%s %s", wrs(s, "still", 5), rds(c, 9));
    P("instances", "%s", states(s));
    DuplicateHandle(GetCurrentProcess(), s, GetCurrentProcess(), &d, 0, FALSE, DUPLICATE_SAME_ACCESS);
    P("by_duplicate", "%s", B(DisconnectNamedPipe(d)));
    P("by_original", "%s", B(DisconnectNamedPipe(s)));
    CloseHandle(d); CloseHandle(c); CloseHandle(s);
    P("name_gone", "%s", H(op(name, RW, 0)));
}

/* What is pending at either end. */
static void t_pending(void)
{
    HANDLE s, c; OV sr, cr, sw, cw; const char *a; char big[64];
    zero(big, sizeof(big));
    if (!pair_ex(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED, 8, 8, FALSE)) return;
    ov_init(&sr); ov_init(&cr); ov_init(&sw); ov_init(&cw);
    ord(s, &sr, 9); ord(c, &cr, 9);
    P("reads", "%s", B(DisconnectNamedPipe(s)));
    a = gor(s, &sr, TRUE, FALSE);
    P3("server_read", "%s %s %s", a, sig(sr.o.hEvent), st(sr.o.Internal));
    a = gor(c, &cr, TRUE, FALSE);
    P3("client_read", "%s %s %s", a, sig(cr.o.hEvent), st(cr.o.Internal));
    CloseHandle(s); CloseHandle(c);
    if (!pair_ex(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED, 8, 8, FALSE)) return;
    { OVERLAPPED o; zero(&o, sizeof(o)); ReadFile(c, big, 9, NULL, &o); DisconnectNamedPipe(s);
      P("handle_of_client_read", "%s", wr(WaitForSingleObject(c, 5000))); }
    CloseHandle(s); CloseHandle(c);
    if (!pair_ex(&s, &c, BYTEPIPE, FILE_FLAG_OVERLAPPED, 8, 8, FALSE)) return;
    owr(s, &sw, big, 20); owr(c, &cw, big, 20);
    P("writes", "%s", B(DisconnectNamedPipe(s)));
    P2("server_write", "%s %s", gor(s, &sw, TRUE, FALSE), st(sw.o.Internal));
    P2("client_write", "%s %s", gor(c, &cw, TRUE, FALSE), st(cw.o.Internal));
    CloseHandle(s); CloseHandle(c);
    ov_free(&sr); ov_free(&cr); ov_free(&sw); ov_free(&cw);
}

/* Calls of other threads that wait at either end. */
static void t_blocked(void)
{
    HANDLE s, c; JOB j; char buf[16], out[16]; const char *a;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    job_read(&j, c, buf, 9); a = blocked(&j);
    DisconnectNamedPipe(s);
    P2("blocked_client_read", "%s then %s", a, job_end(&j, FALSE));
    CloseHandle(s); CloseHandle(c);
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    wrs(c, "unread", 6);
    job_flush(&j, c); a = blocked(&j);
    DisconnectNamedPipe(s);
    P2("blocked_client_flush", "%s then %s", a, job_end(&j, FALSE));
    CloseHandle(s); CloseHandle(c);
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    job_transact(&j, c, "ask", 3, out, sizeof(out)); a = blocked(&j);
    DisconnectNamedPipe(s);
    P2("blocked_client_transact", "%s then %s", a, job_end(&j, FALSE));
    CloseHandle(s); CloseHandle(c);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "byte", t_byte }, { "message", t_message }, { "gone", t_gone }, { "reuse", t_reuse },
        { "pending", t_pending }, { "blocked", t_blocked }, { NULL, NULL } };
    return probe_run("disconnect", s, argc, argv);
}
