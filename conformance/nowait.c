/* Handles that do not wait: what a read finds, what a write leaves, and what the mode has no say in. */
#include "probe.h"

#define BYTES (PIPE_TYPE_BYTE | PIPE_READMODE_BYTE)
#define MESSAGES (PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE)

static const char *set(HANDLE h, DWORD mode) { return B(SetNamedPipeHandleState(h, &mode, NULL, NULL)); }

/* Both ends without waiting. */
static BOOL hasty(HANDLE *s, HANDLE *c, DWORD type, DWORD ovl, DWORD quota)
{
    if (!pair_ex(s, c, type, ovl, quota, quota, FALSE)) return FALSE;
    set(*s, (type & PIPE_READMODE_MESSAGE) | PIPE_NOWAIT);
    set(*c, (type & PIPE_READMODE_MESSAGE) | PIPE_NOWAIT);
    return TRUE;
}

static void reads(const char *of, DWORD type)
{
    HANDLE s, c; OV v; char name[64]; const char *a;
#define N(x) (sprintf(name, "%s_" x, of), name)
    if (!hasty(&s, &c, type, 0, 4096)) return;
    P(N("empty"), "%s", rds(s, 9));
    P(N("empty_read0"), "%s", rds(c, 0));
    P(N("write"), "%s", wrs(c, "abcdef", 6));
    P(N("part"), "%s", rds(s, 4));
    P(N("rest"), "%s", rds(s, 9));
    P(N("empty_again"), "%s", rds(s, 9));
    P(N("write0"), "%s", wrs(c, "", 0));
    P(N("after_write0"), "%s", rds(s, 9));
    P(N("peek"), "%s", pks(s, 9));
    P(N("flush_nothing"), "%s", B(FlushFileBuffers(s)));
    wrs(c, "last", 4);
    CloseHandle(c);
    P(N("last_after_close"), "%s", rds(s, 9));
    P(N("drained"), "%s", rds(s, 9));
    P(N("write_to_nobody"), "%s", wrs(s, "x", 1));
    CloseHandle(s);
    if (!hasty(&s, &c, type, FILE_FLAG_OVERLAPPED, 4096)) return;
    ov_init(&v);
    a = ord(s, &v, 9);
    P3(N("overlapped_empty"), "%s event=%s status=%s", a, sig(v.o.hEvent), st(v.o.Internal));
    wrs(c, "now", 3);
    a = ord(s, &v, 9);
    P2(N("overlapped_data"), "%s then %s", a, gor(s, &v, FALSE, TRUE));
    CloseHandle(s); CloseHandle(c); ov_free(&v);
    if (!hasty(&s, &c, type, 0, 4096)) return;
    DisconnectNamedPipe(s);
    P2(N("disconnected"), "%s and %s", rds(s, 1), rds(c, 1));
    CloseHandle(s); CloseHandle(c);
}
static void t_byte_reads(void) { reads("byte", BYTES); }
static void t_message_reads(void) { reads("message", MESSAGES); }

/* Who writes does not wait, and a read of four bytes waits. */
static BOOL waited_for(HANDLE *s, HANDLE *c, DWORD type, OV *r)
{
    if (!pair_ex(s, c, type, FILE_FLAG_OVERLAPPED, 10, 10, FALSE)) return FALSE;
    set(*s, (type & PIPE_READMODE_MESSAGE) | PIPE_NOWAIT);
    set(*c, type & PIPE_READMODE_MESSAGE);
    ov_init(r);
    ord(*c, r, 4);
    return TRUE;
}

static void writes(const char *of, DWORD type)
{
    HANDLE s, c; char name[64]; OV r;
    if (!hasty(&s, &c, type, 0, 10)) return;
    P(N("fits"), "%s", wrs(s, "0123456", 7));
    P(N("does_not_fit"), "%s", wrs(s, "abcd", 4));
    P(N("nothing_of_it"), "%s", pks(c, 30));
    P(N("fits_exactly"), "%s", wrs(s, "789", 3));
    P(N("full"), "%s", wrs(s, "x", 1));
    P(N("full_write0"), "%s", wrs(s, "", 0));
    P(N("other_direction"), "%s", wrs(c, "back", 4));
    P(N("in_order"), "%s", rds(c, 7));
    P(N("room_again"), "%s", wrs(s, "y", 1));
    CloseHandle(s); CloseHandle(c);
    /* a reader that waits, on a handle that waits */
    if (!waited_for(&s, &c, type, &r)) return;
    P(N("to_a_reader_fits"), "%s", wrs(s, "0123456789", 10));
    P(N("reader_has"), "%s", gor(c, &r, TRUE, TRUE));
    P(N("left_over"), "%s", pks(c, 20));
    CloseHandle(s); CloseHandle(c); ov_free(&r);
    if (!pair_ex(&s, &c, type, 0, 10, 10, FALSE)) return;
    set(s, (type & PIPE_READMODE_MESSAGE) | PIPE_NOWAIT);
    P(N("longer_than_all"), "%s", wrs(s, "0123456789a", 11));
    P(N("longer_left"), "%s", pks(c, 20));
    CloseHandle(s); CloseHandle(c);
}
static void t_byte_writes(void) { writes("byte", BYTES); }
static void t_message_writes(void) { writes("message", MESSAGES); }

/* More than fits, with a reader that waits for a part of it. */
static void t_beyond_reader(void)
{
    HANDLE s, c; OV r;
    if (!waited_for(&s, &c, BYTES, &r)) return;
    P("byte_reader_takes_part", "%s", wrs(s, "0123456789abcdef", 16));
    P("byte_reader_part", "%s", gor(c, &r, TRUE, TRUE));
    P("byte_nothing_left", "%s", pks(c, 20));
    CloseHandle(s); CloseHandle(c); ov_free(&r);
}
static void t_beyond_message(void)
{
    HANDLE s, c; OV r;
    if (!waited_for(&s, &c, MESSAGES, &r)) return;
    P2("message_reader_goes_on", "%s %s", wrs(s, "0123456789abcdef", 16), gor(c, &r, FALSE, TRUE));
    wrs(s, "msg", 3);
    P("message_reader_gets_next", "%s", gor(c, &r, TRUE, TRUE));
    CloseHandle(s); CloseHandle(c); ov_free(&r);
}

static void t_modes(void)
{
    HANDLE s, c, d; char buf[64], out[64]; JOB j; const char *a;
    if (!pair_ex(&s, &c, MESSAGES, 0, 10, 10, TRUE)) return;
    P3("one_end", "%s %s %s", set(c, PIPE_READMODE_MESSAGE | PIPE_NOWAIT), states(c), states(s));
    P("that_end_hurries", "%s", rds(c, 9));
    job_read(&j, s, buf, 9); a = blocked(&j);
    wrs(c, "wait", 4);
    P2("the_other_waits", "%s then %s", a, job_end(&j, TRUE));
    DuplicateHandle(GetCurrentProcess(), c, GetCurrentProcess(), &d, 0, FALSE, DUPLICATE_SAME_ACCESS);
    P2("duplicate_hurries", "%s %s", states(d), rds(d, 9));
    P2("back_by_duplicate", "%s %s", set(d, PIPE_READMODE_MESSAGE), states(c));
    job_read(&j, c, buf, 9); a = blocked(&j);
    wrs(s, "again", 5);
    P2("waits_again", "%s then %s", a, job_end(&j, TRUE));
    CloseHandle(d);
    /* neither a flush nor a transaction is hurried */
    set(c, PIPE_READMODE_MESSAGE | PIPE_NOWAIT);
    wrs(c, "unread", 6);
    job_flush(&j, c); a = blocked(&j);
    rds(s, 9);
    P2("flush_waits", "%s then %s", a, job_end(&j, FALSE));
    zero(out, sizeof(out));
    job_transact(&j, c, "ask", 3, out, sizeof(out)); a = blocked(&j);
    rds(s, 9); wrs(s, "answer", 6);
    P2("transaction_waits", "%s then %s", a, job_end(&j, TRUE));
    CloseHandle(s); CloseHandle(c);
    s = mk(newname(), PIPE_ACCESS_DUPLEX, MESSAGES | PIPE_NOWAIT, 1, 0, 0);
    P("created_so", "%s", states(s));
    P("listening_read", "%s", rds(s, 1));
    P("listening_write", "%s", wrs(s, "x", 1));
    CloseHandle(s);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "byte_reads", t_byte_reads }, { "message_reads", t_message_reads }, { "byte_writes", t_byte_writes },
        { "message_writes", t_message_writes }, { "beyond_reader", t_beyond_reader }, { "beyond_message", t_beyond_message },
        { "modes", t_modes }, { NULL, NULL } };
    return probe_run("nowait", s, argc, argv);
}
