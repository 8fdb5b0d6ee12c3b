/* What ends tell: of the pipe, of themselves, of who is at the other end, before and after that one has gone. */
#include "probe.h"

static const char *set(HANDLE h, DWORD mode) { return B(SetNamedPipeHandleState(h, &mode, NULL, NULL)); }

/* A process' number: whether it is this one's. */
static const char *idr(BOOL ok, ULONG id)
{
    static char text[8][64]; static LONG slot; char *o = text[InterlockedIncrement(&slot) & 7];
    const char *r = br(ok);
    sprintf(o, "%s%s", r, !ok ? "" : id == GetCurrentProcessId() ? " this" : " other");
    return o;
}
static const char *client_of(HANDLE h) { ULONG id = 0; BOOL ok; CLR(); ok = GetNamedPipeClientProcessId(h, &id); return idr(ok, id); }
static const char *server_of(HANDLE h) { ULONG id = 0; BOOL ok; CLR(); ok = GetNamedPipeServerProcessId(h, &id); return idr(ok, id); }

static void t_ids(void)
{
    HANDLE s, c;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    P2("ids_at_the_server", "%s, %s", client_of(s), server_of(s));
    P2("ids_at_the_client", "%s, %s", client_of(c), server_of(c));
    CloseHandle(c);
    P2("client_closed", "%s, %s", client_of(s), server_of(s));
    CloseHandle(s);
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    CloseHandle(s);
    P2("server_closed", "%s, %s", client_of(c), server_of(c));
    CloseHandle(c);
    s = mk(newname(), PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 0, 0);
    P("server_of_listening", "%s", server_of(s));
    CloseHandle(s);
    P("server_of_nothing", "%s", server_of(s));
    { HANDLE e = CreateEventA(NULL, TRUE, FALSE, NULL);
      P("client_of_an_event", "%s", client_of(e));
      CloseHandle(e); }
}

static void t_disconnected_ids(void)
{
    HANDLE s, c;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    DisconnectNamedPipe(s);
    P2("disconnected_server", "%s, %s", client_of(s), server_of(s));
    P2("disconnected_client", "%s, %s", client_of(c), server_of(c));
    CloseHandle(s); CloseHandle(c);
}

static void t_info(void)
{
    static const struct { const char *name; DWORD open, type, max, out, in; } pipes[] = {
        { "message", PIPE_ACCESS_DUPLEX, MSGPIPE, 3, 1, 2 }, { "byte", PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 0, 0 },
        { "message_in_bytes", PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE, 254, 0xf000, 100 },
        { "inbound", PIPE_ACCESS_INBOUND, MSGPIPE, 2, 10, 20 }, { "outbound", PIPE_ACCESS_OUTBOUND, BYTEPIPE, 2, 10, 20 } };
    unsigned i; char name[64];
    for (i = 0; i < sizeof(pipes) / sizeof(pipes[0]); i++)
    {
        const char *path = newname();
        DWORD access = pipes[i].open == PIPE_ACCESS_DUPLEX ? RW : pipes[i].open == PIPE_ACCESS_INBOUND ? GENERIC_WRITE : GENERIC_READ;
        HANDLE s = mk(path, pipes[i].open, pipes[i].type, pipes[i].max, pipes[i].out, pipes[i].in), c;
        sprintf(name, "%s_listening", pipes[i].name); P(name, "%s", infos(s));
        c = op(path, access | FILE_READ_ATTRIBUTES, 0);
        sprintf(name, "%s_server", pipes[i].name); P2(name, "%s %s", infos(s), states(s));
        sprintf(name, "%s_client", pipes[i].name); P2(name, "%s %s", infos(c), states(c));
        CloseHandle(c);
        sprintf(name, "%s_client_closed", pipes[i].name); P2(name, "%s %s", infos(s), states(s));
        CloseHandle(s);
    }
}

static void t_modes(void)
{
    HANDLE s, c;
    if (!pair_ex(&s, &c, MSGPIPE, 0, 64, 64, FALSE)) return;
    P2("to_message", "%s %s", set(c, PIPE_READMODE_MESSAGE), states(c));
    P2("to_nowait_alone", "%s %s", set(c, PIPE_NOWAIT), states(c));
    P2("both_at_once", "%s %s", set(c, PIPE_READMODE_MESSAGE | PIPE_NOWAIT), states(c));
    P2("neither", "%s %s", set(c, 0), states(c));
    P("server_is_its_own", "%s", states(s));
    P2("server_to_byte", "%s %s", set(s, PIPE_READMODE_BYTE), states(s));
    P("client_is_its_own", "%s", states(c));
    P2("same_again", "%s %s", set(c, 0), states(c));
    P("info_of_type", "%s", infos(s));
    CloseHandle(c);
    P2("after_client_closed", "%s %s", set(s, PIPE_READMODE_MESSAGE), states(s));
    CloseHandle(s);
    P("closed_handle", "%s", set(s, 0));
    if (!pair_ex(&s, &c, BYTEPIPE, 0, 64, 64, FALSE)) return;
    P2("byte_to_message", "%s %s", set(c, PIPE_READMODE_MESSAGE), states(c));
    P2("byte_to_message_nowait", "%s %s", set(c, PIPE_READMODE_MESSAGE | PIPE_NOWAIT), states(c));
    P2("byte_to_nowait", "%s %s", set(c, PIPE_NOWAIT), states(c));
    P2("nowait_to_message_changes_nothing", "%s %s", set(c, PIPE_READMODE_MESSAGE), states(c));
    P2("byte_server_to_message", "%s %s", set(s, PIPE_READMODE_MESSAGE), states(s));
    CloseHandle(s); CloseHandle(c);
}

static void t_instances(void)
{
    const char *name = newname(); HANDLE s[3], c; int i;
    for (i = 0; i < 3; i++) s[i] = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 3, 0, 0);
    c = op(name, RW, 0);
    P2("three", "%s %s", states(s[0]), states(c));
    CloseHandle(s[1]);
    P2("two", "%s %s", states(s[2]), states(c));
    CloseHandle(s[0]);
    P2("its_own_is_gone", "%s %s", states(s[2]), states(c));
    CloseHandle(s[2]);
    P("none", "%s", states(c));
    P("none_info", "%s", infos(c));
    CloseHandle(c);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "ids", t_ids }, { "disconnected_ids", t_disconnected_ids }, { "info", t_info }, { "modes", t_modes },
        { "instances", t_instances }, { NULL, NULL } };
    return probe_run("state", s, argc, argv);
}
