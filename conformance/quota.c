/* Quotas: which writes wait, until when, in which order, and what becomes of those that are cancelled. */
#include "probe.h"

#define N(x) (sprintf(name, "%s_" x, of), name)

static BOOL limited(HANDLE *s, HANDLE *c, DWORD type, DWORD quota)
{
    return pair_ex(s, c, type, FILE_FLAG_OVERLAPPED, quota, quota, (type & PIPE_READMODE_MESSAGE) != 0);
}

/* Reads at once what is there; both handles are overlapped. */
static const char *take(HANDLE h, DWORD n)
{
    static char text[8][400]; static LONG slot; char *o = text[InterlockedIncrement(&slot) & 7]; OV v; const char *a;
    ov_init(&v);
    a = ord(h, &v, n);
    if (*a == 'F' && GetLastError() == ERROR_IO_PENDING) CancelIoEx(h, &v.o);
    sprintf(o, "%s", gor(h, &v, TRUE, TRUE));
    ov_free(&v);
    return o;
}

static void waiting(const char *of, DWORD type)
{
    HANDLE s, c; OV a, b, d; char name[64]; const char *x;
    if (!limited(&s, &c, type, 10)) return;
    ov_init(&a); ov_init(&b); ov_init(&d);
    P(N("fits"), "%s", owr(s, &a, "0123456", 7));
    P(N("fits_exactly"), "%s", owr(s, &a, "789", 3));
    x = owr(s, &a, "abc", 3);
    P2(N("waits"), "%s %s", x, gor(s, &a, FALSE, FALSE));
    P(N("visible_at_once"), "%s", pks(c, 40));
    x = owr(s, &b, "", 0);
    P2(N("write0_never_waits"), "%s %s", x, sig(b.o.hEvent));
    x = owr(s, &b, "de", 2);
    P(N("second_waits"), "%s", x);
    P(N("total"), "%s", pks(c, 0));
    P2(N("take_two"), "%s then %s", take(c, 2), gor(s, &a, FALSE, FALSE));
    P2(N("take_five"), "%s then %s", take(c, 5), gor(s, &a, FALSE, FALSE));
    P(N("second_still"), "%s", gor(s, &b, FALSE, FALSE));
    P(N("take_rest"), "%s", take(c, 30));
    P(N("take_more"), "%s", take(c, 30));
    P(N("second"), "%s", gor(s, &b, FALSE, FALSE));
    P(N("other_direction"), "%s", owr(c, &d, "0123456789", 10));
    P(N("other_direction_full"), "%s", owr(c, &d, "x", 1));
    CancelIoEx(c, &d.o);
    P2(N("cancelled_leaves"), "%s %s", gor(c, &d, TRUE, FALSE), pks(s, 0));
    CloseHandle(s); CloseHandle(c); ov_free(&a); ov_free(&b); ov_free(&d);
}
static void t_bytes(void) { waiting("byte", BYTEPIPE); }
static void t_messages(void) { waiting("message", MSGPIPE); }

static void larger(const char *of, DWORD type)
{
    HANDLE s, c; OV a; char name[64]; const char *x;
    if (!limited(&s, &c, type, 4)) return;
    ov_init(&a);
    x = owr(s, &a, "0123456789", 10);
    P(N("larger_waits"), "%s", x);
    P(N("larger_is_there"), "%s", pks(c, 20));
    P2(N("five_of_ten"), "%s then %s", take(c, 5), gor(s, &a, FALSE, FALSE));
    P2(N("all_but_the_quota"), "%s then %s", take(c, 1), gor(s, &a, FALSE, FALSE));
    P(N("the_quota"), "%s", take(c, 9));
    CloseHandle(s); CloseHandle(c); ov_free(&a);
    if (!limited(&s, &c, type, 0)) return;
    ov_init(&a);
    x = owr(s, &a, "ab", 2);
    P(N("no_quota_waits"), "%s", x);
    P2(N("half_is_not_enough"), "%s then %s", take(c, 1), gor(s, &a, FALSE, FALSE));
    P2(N("read_completely"), "%s then %s", take(c, 1), gor(s, &a, FALSE, FALSE));
    P(N("no_quota_write0"), "%s", owr(s, &a, "", 0));
    CloseHandle(s); CloseHandle(c); ov_free(&a);
    if (!limited(&s, &c, type, 0)) return;
    { OV r; ov_init(&a); ov_init(&r);
      ord(c, &r, 5);
      P2(N("reader_takes_all"), "%s then %s", owr(s, &a, "abcde", 5), gor(c, &r, FALSE, TRUE));
      ord(c, &r, 2);
      x = owr(s, &a, "abcde", 5);
      P2(N("reader_takes_part"), "%s then %s", x, gor(c, &r, FALSE, TRUE));
      P(N("part_waits"), "%s", gor(s, &a, FALSE, FALSE));
      P2(N("rest"), "%s then %s", take(c, 9), gor(s, &a, FALSE, FALSE));
      ov_free(&a); ov_free(&r); }
    CloseHandle(s); CloseHandle(c);
}
static void t_larger_bytes(void) { larger("byte", BYTEPIPE); }
static void t_larger_messages(void) { larger("message", MSGPIPE); }

static void cancelling(const char *of, DWORD type)
{
    HANDLE s, c; OV a, b, d; char name[64]; const char *x;
    if (!limited(&s, &c, type, 4)) return;
    ov_init(&a); ov_init(&b); ov_init(&d);
    owr(s, &a, "0123", 4);
    owr(s, &b, "first", 5);
    owr(s, &d, "second", 6);
    x = B(CancelIoEx(s, &b.o));
    P3(N("cancel"), "%s %s %s", x, gor(s, &b, TRUE, FALSE), pks(c, 0));
    P2(N("next_moves_up"), "%s / %s", take(c, 4), take(c, 20));
    P(N("and_completes"), "%s", gor(s, &d, FALSE, FALSE));
    owr(s, &a, "0123456", 7);
    P(N("partly_read"), "%s", take(c, 2));
    x = B(CancelIoEx(s, &a.o));
    P3(N("rest_is_gone"), "%s %s %s", x, gor(s, &a, TRUE, FALSE), pks(c, 20));
    owr(s, &b, "later", 5);
    P(N("later"), "%s", take(c, 20));
    P(N("later_done"), "%s", gor(s, &b, FALSE, FALSE));
    owr(s, &a, "0123456", 7);
    owr(s, &b, "abc", 3);
    x = B(CancelIo(s));
    P3(N("all"), "%s %s %s", x, gor(s, &a, TRUE, FALSE), gor(s, &b, TRUE, FALSE));
    P(N("nothing_left"), "%s", pks(c, 20));
    P(N("room_for_all"), "%s", owr(s, &a, "wxyz", 4));
    take(c, 9);
    owr(s, &a, "0123456", 7);
    owr(s, &b, "abc", 3);
    x = B(CancelIoEx(s, NULL));
    P3(N("all_of_any_thread"), "%s %s %s", x, gor(s, &a, TRUE, FALSE), gor(s, &b, TRUE, FALSE));
    P(N("of_any_thread_left"), "%s", pks(c, 20));
    CloseHandle(s); CloseHandle(c); ov_free(&a); ov_free(&b); ov_free(&d);
}
static void t_cancel_bytes(void) { cancelling("byte", BYTEPIPE); }
static void t_cancel_messages(void) { cancelling("message", MSGPIPE); }

/* Calls that block, of threads. */
static void t_threads(void)
{
    HANDLE s, c; JOB j, k; const char *a, *b;
    if (!pair_ex(&s, &c, BYTEPIPE, 0, 4, 4, FALSE)) return;
    wrs(s, "0123", 4);
    job_write(&j, s, "x", 1); a = blocked(&j);
    P3("blocked_write", "%s then %s %s", a, rds(c, 1), job_end(&j, FALSE));
    CloseHandle(c); CloseHandle(s);
    if (!pair_ex(&s, &c, MSGPIPE, 0, 4, 4, TRUE)) return;
    job_write(&j, s, "longer than four", 16); a = blocked(&j);
    P("blocked_message", "%s", a);
    P("part_of_message", "%s", rds(c, 11));
    P("still", "%s", blocked(&j));
    b = rds(c, 1);
    P2("but_four", "%s %s", b, job_end(&j, FALSE));
    P("last_four", "%s", rds(c, 9));
    job_write(&j, s, "answer me", 9); a = blocked(&j);
    job_write(&k, c, "no, you me", 10); b = blocked(&k);
    P2("both_ways", "%s %s", a, b);
    P2("each_read", "%s %s", rds(c, 20), rds(s, 20));
    P2("both_done", "%s %s", job_end(&j, FALSE), job_end(&k, FALSE));
    CloseHandle(c); CloseHandle(s);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "bytes", t_bytes }, { "messages", t_messages }, { "larger_bytes", t_larger_bytes },
        { "larger_messages", t_larger_messages }, { "cancel_bytes", t_cancel_bytes }, { "cancel_messages", t_cancel_messages },
        { "threads", t_threads }, { NULL, NULL } };
    return probe_run("quota", s, argc, argv);
}
