/* Children: what they inherit, what their standard handles are, how they end. The program is its own child. */
#include "probe.h"
#include <stdlib.h>

/* A command of the system's shell, which knows nothing of npipe. */
#ifdef _WIN32
#define SHELL(windows, unix) "cmd /c " windows
#else
#define SHELL(windows, unix) "sh -c \"" unix "\""
#endif

static char self[512];
static SECURITY_ATTRIBUTES heritable;
/* What the cases of the next child begin with. */
static const char *label = "child";

typedef struct { STARTUPINFOA startup; PROCESS_INFORMATION info; } CHILD;

static void child_init(CHILD *c)
{
    zero(c, sizeof(*c));
    c->startup.cb = sizeof(c->startup);
    c->startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    c->startup.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    c->startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
}

/* Runs this program in a role, with the values of some handles. */
static BOOL child_start(CHILD *c, BOOL inherit, const char *role, HANDLE a, HANDLE b)
{
    char line[1024];
    fflush(stdout);
    sprintf(line, "\"%s\" child %s %lu %lu %s", self, role, (unsigned long)(ULONG_PTR)a, (unsigned long)(ULONG_PTR)b, label);
    return CreateProcessA(NULL, line, NULL, NULL, inherit, 0, NULL, NULL, &c->startup, &c->info);
}

/* Waits for its end: what it was, and what it left. */
static const char *child_end(CHILD *c)
{
    static char text[64];
    DWORD code = 0, waited = WaitForSingleObject(c->info.hProcess, 15000);
    GetExitCodeProcess(c->info.hProcess, &code);
    sprintf(text, "%s exit=%lu", wr(waited), (unsigned long)code);
    CloseHandle(c->info.hProcess);
    CloseHandle(c->info.hThread);
    return text;
}

static const char *run(BOOL inherit, const char *role, HANDLE a, HANDLE b)
{
    CHILD c;
    child_init(&c);
    if (!child_start(&c, inherit, role, a, b)) return br(FALSE);
    return child_end(&c);
}

static HANDLE client(const char *name, DWORD access)
{
    return CreateFileA(name, access, 0, &heritable, OPEN_EXISTING, 0, NULL);
}

static const char *flagged(HANDLE h)
{
    DWORD f = 0xcccc;
    CLR();
    if (!GetHandleInformation(h, &f)) return br(FALSE);
    return f & HANDLE_FLAG_INHERIT ? "inheritable" : "not inheritable";
}

/* ---------------------------------------------------------------- named pipes -- */

static void t_pipes(void)
{
    const char *name = newname(), *a, *b;
    HANDLE s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096), c, d;
    DWORD mode = PIPE_READMODE_MESSAGE;
    CHILD child;
    c = client(name, RW);
    SetNamedPipeHandleState(c, &mode, NULL, NULL);
    P("marked", "%s", flagged(c));
    wrs(s, "abcdefg", 7); wrs(s, "next", 4);
    P("begun_here", "%s", rds(c, 3));
    P("child", "%s", run(TRUE, "goes_on", c, NULL));
    P("after_child", "%s", rds(c, 99));
    P("from_child", "%s", rds(s, 99));
    P("mode_set_by_child", "%s", states(c));
    mode = PIPE_READMODE_MESSAGE; SetNamedPipeHandleState(c, &mode, NULL, NULL);

    DuplicateHandle(GetCurrentProcess(), c, GetCurrentProcess(), &d, GENERIC_READ, TRUE, 0);
    wrs(s, "for the duplicate", 17);
    P("reduced_child", "%s", run(TRUE, "reduced", d, NULL));
    CloseHandle(d);

    /* The end of the file comes with the last holder. */
    { HANDLE r, w; JOB j; char buf[16];
      CreatePipe(&r, &w, &heritable, 0);
      SetHandleInformation(w, HANDLE_FLAG_INHERIT, 0);
      child_init(&child);
      child_start(&child, TRUE, "holds", r, c);
      CloseHandle(c);
      P("held_by_child", "%s", rds(s, 99));
      P("write_to_child", "%s", wrs(s, "x", 1));
      job_read(&j, s, buf, 9); a = blocked(&j);
      CloseHandle(w);
      b = job_end(&j, 0);
      P("child_leaves", "%s then %s", a, b);
      P("holder", "%s", child_end(&child));
      CloseHandle(r); }
    CloseHandle(s);
}

static void t_servers(void)
{
    const char *name = newname();
    HANDLE s = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 4096, 4096, 0, &heritable), c, r, w;
    CHILD child;
    c = op(name, RW, 0);
    CreatePipe(&r, &w, &heritable, 0);
    SetHandleInformation(w, HANDLE_FLAG_INHERIT, 0);
    child_init(&child);
    child_start(&child, TRUE, "holds", r, s);
    CloseHandle(s);
    P("served_by_child", "%s", rds(c, 99));
    P("name_kept", "%s", H(op(name, RW, 0)));
    CloseHandle(w);
    P("server_leaves", "%s", rds(c, 9));
    P("server", "%s", child_end(&child));
    CloseHandle(r); CloseHandle(c);
    while (WaitNamedPipeA(name, 1) || GetLastError() != ERROR_FILE_NOT_FOUND) continue;
    P("name_gone", "%s", H(op(name, RW, 0)));
}

/* Operations that complete later, on an inherited handle. */
static void t_overlapped(void)
{
    const char *name = newname();
    HANDLE s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096), c;
    CHILD child;
    c = CreateFileA(name, RW, 0, &heritable, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    child_init(&child);
    child_start(&child, TRUE, "overlapped", c, NULL);
    CloseHandle(c);
    P("overlapped_asked", "%s", rds(s, 99));
    P("overlapped_reply", "%s", wrs(s, "reply", 5));
    P("overlapped_end", "%s", child_end(&child));
    CloseHandle(s);
}

static void t_killed(void)
{
    const char *name = newname(), *a;
    HANDLE s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096), c = client(name, RW), p, r, w;
    CHILD child; DWORD code = 0;
    CreatePipe(&r, &w, &heritable, 0);
    child_init(&child);
    P("started", "%s", B(child_start(&child, TRUE, "writes_and_waits", c, w)));
    CloseHandle(c); CloseHandle(w);
    P("it_has_written", "%s", rds(r, 99));
    GetExitCodeProcess(child.info.hProcess, &code);
    P("running", "%s code=%lu", sig(child.info.hProcess), (unsigned long)code);
    P("ids", "%d %d", GetProcessId(child.info.hProcess) == child.info.dwProcessId, GetThreadId(child.info.hThread) == child.info.dwThreadId);
    p = OpenProcess(PROCESS_ALL_ACCESS, FALSE, child.info.dwProcessId);
    a = B(TerminateProcess(p, 77));
    P("terminate", "%s", a);
    P("opened", "%s", wr(WaitForSingleObject(p, 15000)));
    P("thread_too", "%s", wr(WaitForSingleObject(child.info.hThread, 15000)));
    P("killed", "%s", child_end(&child));
    P("again", "%s", B(TerminateProcess(p, 1)));
    CloseHandle(p);
    P("written_before", "%s", rds(s, 99));
    P("killed_then", "%s", rds(s, 99));
    CloseHandle(s);
    P("killed_anonymous", "%s", rds(r, 99));
    CloseHandle(r);
    P("no_such_process", "%s", H(OpenProcess(PROCESS_ALL_ACCESS, FALSE, 0x7ffffff0)));
}

/* ---------------------------------------------------------------- inheritance -- */

static void t_inherit(void)
{
    HANDLE r, w, plain, later, f;
    CreatePipe(&r, &w, &heritable, 0);
    CreatePipe(&plain, &later, NULL, 0);
    label = "marked";
    P("only_marked", "%s", run(TRUE, "sees", w, plain));
    P("read", "%s", rds(r, 99));
    label = "not_asked";
    P("only_if_asked", "%s", run(FALSE, "sees", w, plain));
    SetHandleInformation(later, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    SetHandleInformation(w, HANDLE_FLAG_INHERIT, 0);
    label = "later";
    P("marked_later", "%s", run(TRUE, "sees", later, w));
    P("read_later", "%s", rds(plain, 99));
    P("grandchild", "%s", run(TRUE, "passes_on", later, NULL));
    P("read_grandchild", "%s", rds(plain, 99));
    { char line[700]; CHILD c;
      child_init(&c);
      sprintf(line, SHELL("\"\"%s\" child sees %lu 0 in_shell& exit 3\"", "'%s' child sees %lu 0 in_shell; exit 3"), self, (unsigned long)(ULONG_PTR)later);
      fflush(stdout);
      P("through_a_shell", "%s", B(CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &c.startup, &c.info)));
      P("shell_end", "%s", child_end(&c)); }
    CloseHandle(later);
    P("read_shell", "%s", rds(plain, 99));
    P("end_of_file", "%s", rds(plain, 99));
    CloseHandle(plain); CloseHandle(r); CloseHandle(w);
    f = CreateFileA("shared-position", RW, 0, &heritable, CREATE_ALWAYS, 0, NULL);
    wrs(f, "one ", 4);
    label = "file";
    P("file", "%s", run(TRUE, "sees", f, NULL));
    SetFilePointer(f, 0, NULL, FILE_BEGIN);
    P("file_read", "%s", rds(f, 99));
    CloseHandle(f);
    DeleteFileA("shared-position");
}

/* ------------------------------------------------------------ standard handles -- */

static const char *filter(const char *line_text, BOOL role, const char *text)
{
    static char out[400];
    HANDLE in_r, in_w, out_r, out_w;
    CHILD c; char line[1024], data[300]; DWORD n = 0, all = 0; BOOL ok;
    CreatePipe(&in_r, &in_w, &heritable, 0);
    CreatePipe(&out_r, &out_w, &heritable, 0);
    SetHandleInformation(in_w, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(out_r, HANDLE_FLAG_INHERIT, 0);
    child_init(&c);
    c.startup.dwFlags = STARTF_USESTDHANDLES;
    c.startup.hStdInput = in_r; c.startup.hStdOutput = out_w;
    if (role) sprintf(line, "\"%s\" child %s", self, line_text); else sprintf(line, "%s", line_text);
    ok = CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &c.startup, &c.info);
    if (!ok) sprintf(out, "%s", br(FALSE));
    CloseHandle(in_r); CloseHandle(out_w);
    if (ok)
    {
        WriteFile(in_w, text, lstrlenA(text), &n, NULL);
        CloseHandle(in_w); in_w = NULL;
        while (all < sizeof(data) && ReadFile(out_r, data + all, sizeof(data) - all, &n, NULL)) all += n;
        sprintf(out, "%s %s", dat(data, all), en(GetLastError()));
        sprintf(out + lstrlenA(out), " %s", child_end(&c));
    }
    if (in_w) CloseHandle(in_w);
    CloseHandle(out_r);
    return out;
}

static void t_standard(void)
{
#ifdef _WIN32
    P("cat", "%s", filter("copies", TRUE, "through cat"));
#else
    P("cat", "%s", filter("cat", FALSE, "through cat"));
#endif
    P("shell", "%s", filter(SHELL("\"set /p word=& call echo got %word%& exit 5\"", "read word; printf 'got %s\\r\\n' $word; exit 5"), FALSE, "this\n"));
    P("argument_of_quotes", "%s", filter("arguments \"a b\" c\\d \"\" \\\"q\\\\\\\" \"e\\\\\"", TRUE, ""));
    P("ours", "%s", filter("standard", TRUE, "to the child"));
    { HANDLE r, w; CHILD c; HANDLE before = GetStdHandle(STD_OUTPUT_HANDLE);
      char line[64] = SHELL("echo by SetStdHandle", "printf 'by SetStdHandle\\r\\n'");
      CreatePipe(&r, &w, &heritable, 0);
      SetStdHandle(STD_OUTPUT_HANDLE, w);
      zero(&c, sizeof(c)); c.startup.cb = sizeof(c.startup);
      P("set_here", "%s", B(CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &c.startup, &c.info)));
      SetStdHandle(STD_OUTPUT_HANDLE, before);
      CloseHandle(w);
      P("set_here_end", "%s", child_end(&c));
      { char all[64]; DWORD n, k = 0;
        while (k < sizeof(all) && ReadFile(r, all + k, sizeof(all) - k, &n, NULL)) k += n;
        P("set_here_read", "%s then %s", dat(all, k), en(GetLastError())); }
      CloseHandle(r); }
}

/* A named pipe's end as a standard handle. */
static void t_named(void)
{
    HANDLE s, c; CHILD child; const char *name = newname(); char line[64] = SHELL("exit 0", "exit 0"); char own[600];
    s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4096, 4096);
    c = client(name, RW);
    child_init(&child);
    child.startup.dwFlags = STARTF_USESTDHANDLES;
    child.startup.hStdInput = c; child.startup.hStdOutput = c;
    P("named_stranger", "%s", B(CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &child.startup, &child.info)));
    if (child.info.hProcess) child_end(&child);
    sprintf(own, "\"%s\" child answers", self);
    wrs(s, "question", 8);
    P("named_ours", "%s", B(CreateProcessA(NULL, own, NULL, NULL, TRUE, 0, NULL, NULL, &child.startup, &child.info)));
    CloseHandle(c);
    P("named_answer", "%s", rds(s, 99));
    P("named_end", "%s", child_end(&child));
    P("named_closed", "%s", rds(s, 99));
    CloseHandle(s);
}

/* -------------------------------------------------------------------- creating -- */

static void t_create(void)
{
    CHILD c; HANDLE none[2]; char bad[] = "no-such-program at-all"; DWORD code = 0;
    child_init(&c);
    P("not_found", "%s", B(CreateProcessA(NULL, bad, NULL, NULL, FALSE, 0, NULL, NULL, &c.startup, &c.info)));
    P("no_application", "%s", B(CreateProcessA("no-such-program", NULL, NULL, NULL, FALSE, 0, NULL, NULL, &c.startup, &c.info)));
    P("no_directory", "%s", B(CreateProcessA(self, NULL, NULL, NULL, FALSE, 0, NULL, "no-such-directory", &c.startup, &c.info)));
    P("exit_code", "%s", run(FALSE, "exits", (HANDLE)(ULONG_PTR)42, NULL));
    P("ends_itself", "%s", run(FALSE, "ends_itself", NULL, NULL));
    P("aborts", "%s", run(FALSE, "aborts", NULL, NULL));
    { char line[700]; char block[] = "COLOUR=blue\0=C:=ignored\0SHAPE=round\0";
      sprintf(line, "\"%s\" child environment", self);
      fflush(stdout);
      P("with_environment", "%s", B(CreateProcessA(self, line, NULL, NULL, FALSE, 0, block, "/", &c.startup, &c.info)));
      P("environment_end", "%s", child_end(&c)); }
    { WCHAR line[600]; int i; WCHAR block[] = L"COLOUR=gr\x00fcn\0"; STARTUPINFOW w;
      zero(&w, sizeof(w)); w.cb = sizeof(w);
      { char narrow[600]; sprintf(narrow, "\"%s\" child coloured", self); for (i = 0; (line[i] = (WCHAR)narrow[i]) != 0; i++) continue; }
      P("wide", "%s", B(CreateProcessW(NULL, line, &heritable, NULL, FALSE, CREATE_UNICODE_ENVIRONMENT, block, NULL, &w, &c.info)));
      P("process_handle", "%s", flagged(c.info.hProcess));
      P("thread_handle", "%s", flagged(c.info.hThread));
      none[0] = c.info.hProcess; none[1] = c.info.hThread;
      P("wait_for_all", "%s", wr(WaitForMultipleObjects(2, none, TRUE, 15000)));
      GetExitCodeThread(c.info.hThread, &code);
      P("thread_code", "%lu", (unsigned long)code);
      P("wide_end", "%s", child_end(&c)); }
    GetExitCodeProcess(GetCurrentProcess(), &code);
    P("own_code", "%lu", (unsigned long)code);
}

/* Other processes at the other end: who they are, and what is left of what they had begun. */
static void t_others(void)
{
    const char *name = newname(); HANDLE s = mk(name, PIPE_ACCESS_DUPLEX, MSGPIPE, 1, 4, 4), c, r, w;
    CHILD child; ULONG id = 0; BOOL ok;
    /* the name goes where labels go */
    label = name;
    child_init(&child);
    child_start(&child, FALSE, "opens", NULL, NULL);
    label = "child";
    ConnectNamedPipe(s, NULL);
    CLR(); ok = GetNamedPipeClientProcessId(s, &id);
    P("client_process", "%s %d", br(ok), id == child.info.dwProcessId);
    P("from_client", "%s", rds(s, 9));
    P("to_client", "%s", wrs(s, "go", 2));
    P("client_end", "%s", child_end(&child));
    CLR(); ok = GetNamedPipeClientProcessId(s, &id);
    P("client_process_ended", "%s %d", br(ok), id == child.info.dwProcessId);
    DisconnectNamedPipe(s);
    CloseHandle(s);

    name = newname();
    s = mk(name, PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 4, 4);
    c = CreateFileA(name, RW, 0, &heritable, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    CreatePipe(&r, &w, &heritable, 0);
    SetHandleInformation(r, HANDLE_FLAG_INHERIT, 0);
    child_init(&child);
    child_start(&child, TRUE, "leaves_pending", c, w);
    CloseHandle(c); CloseHandle(w);
    P("has_begun", "%s", rds(r, 99));
    P("pending_is_there", "%s", pks(s, 20));
    TerminateProcess(child.info.hProcess, 1);
    P("pending_end", "%s", child_end(&child));
    P("after_its_end", "%s", rds(s, 20));
    P("pending_is_gone", "%s", rds(s, 20));
    CloseHandle(s); CloseHandle(r);
}

static void t_nothing(void)
{
    CHILD c;
    child_init(&c);
    P("nothing", "%s", B(CreateProcessA(NULL, NULL, NULL, NULL, FALSE, 0, NULL, NULL, &c.startup, &c.info)));
}

/* ---------------------------------------------------------------- the children -- */

static HANDLE number(const char *text)
{
    ULONG_PTR n = 0;
    while (*text >= '0' && *text <= '9') n = n * 10 + (ULONG_PTR)(*text++ - '0');
    return (HANDLE)n;
}

static int play(const char *role, HANDLE a, HANDLE b)
{
    DWORD n = 0, mode; char buf[64];
    probe_group = "children";
    if (probe_same(role, "goes_on"))
    {
        P("child_rest_of_message", "%s", rds(a, 99));
        P("child_info", "%s", infos(a));
        P("child_state", "%s", states(a));
        P("child_writes", "%s", wrs(a, "from the child", 14));
        mode = PIPE_READMODE_BYTE;
        P("child_sets_mode", "%s", B(SetNamedPipeHandleState(a, &mode, NULL, NULL)));
    }
    else if (probe_same(role, "reduced"))
    {
        P("child_reads", "%s", rds(a, 99));
        P("child_may_not_write", "%s", wrs(a, "x", 1));
    }
    else if (probe_same(role, "holds"))
    {
        WriteFile(b, "held", 4, &n, NULL);
        ReadFile(a, buf, 1, &n, NULL);
    }
    else if (probe_same(role, "writes_and_waits"))
    {
        WriteFile(a, "whole", 5, &n, NULL);
        WriteFile(b, "ready", 5, &n, NULL);
        ReadFile(a, buf, 1, &n, NULL);
    }
    else if (probe_same(role, "overlapped"))
    {
        OV read, write; HANDLE d; const char *begun;
        ov_init(&read); ov_init(&write);
        DuplicateHandle(GetCurrentProcess(), a, GetCurrentProcess(), &d, 0, FALSE, DUPLICATE_SAME_ACCESS);
        begun = ord(a, &read, 99);
        owr(a, &write, "request", 7);
        P("child_pending", "%s then %s", begun, wr(WaitForSingleObject(read.o.hEvent, 15000)));
        P("child_through_duplicate", "%s", gor(d, &read, TRUE, TRUE));
        ov_free(&read); ov_free(&write);
    }
    else if (probe_same(role, "opens"))
    {
        HANDLE h = op(label, RW, 0), parent; ULONG id = 0; BOOL ok;
        CLR(); ok = GetNamedPipeServerProcessId(h, &id);
        P("server_process", "%s %d", br(ok), ok && id != GetCurrentProcessId());
        parent = OpenProcess(SYNCHRONIZE, FALSE, id);
        P("server_runs", "%s", sig(parent));
        CloseHandle(parent);
        WriteFile(h, "hello", 5, &n, NULL);
        ReadFile(h, buf, sizeof(buf), &n, NULL);
        CloseHandle(h);
    }
    else if (probe_same(role, "leaves_pending"))
    {
        OV done, pending;
        ov_init(&done); ov_init(&pending);
        owr(a, &done, "0123", 4); owr(a, &pending, "pending", 7);
        WriteFile(b, "begun", 5, &n, NULL);
        Sleep(INFINITE);
    }
    else if (probe_same(role, "sees"))
    {
        char name[64];
        sprintf(name, "%s_first", label); P(name, "%s", flagged(a));
        sprintf(name, "%s_second", label); P(name, "%s", flagged(b));
        sprintf(name, "%s_writes", label); P(name, "%s", wrs(a, "by number", 9));
    }
    else if (probe_same(role, "passes_on"))
    {
        char left[64];
        P("child_variable", "%lu", (unsigned long)GetEnvironmentVariableA("NPIPE_INHERITED_HANDLES", left, sizeof(left)));
        GetModuleFileNameA(NULL, self, sizeof(self));
        label = "without";
        P("grandchild_without", "%s", run(FALSE, "sees", a, NULL));
        label = "with";
        P("grandchild_with", "%s", run(TRUE, "sees", a, NULL));
    }
    else if (probe_same(role, "standard"))
    {
        HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE);
        char text[200]; const char *first;
        DWORD all = 0;
        while (all < 12 && ReadFile(in, buf + all, sizeof(buf) - all, &n, NULL)) all += n;
        first = dat(buf, all);
        CLR();
        n = ReadFile(in, buf, sizeof(buf), &n, NULL) ? 0 : GetLastError();
        sprintf(text, "read %s then %s, types %lu %lu", first, en(n), (unsigned long)GetFileType(in), (unsigned long)GetFileType(out));
        WriteFile(out, text, lstrlenA(text), &n, NULL);
    }
    else if (probe_same(role, "answers"))
    {
        HANDLE in = GetStdHandle(STD_INPUT_HANDLE), out = GetStdHandle(STD_OUTPUT_HANDLE);
        char text[200];
        n = 0;
        ReadFile(in, buf, sizeof(buf), &n, NULL);
        sprintf(text, "asked %s", dat(buf, n));
        WriteFile(out, text, lstrlenA(text), &n, NULL);
    }
    else if (probe_same(role, "copies"))
        while ((n = (DWORD)fread(buf, 1, sizeof(buf), stdin)) != 0) fwrite(buf, 1, n, stdout);
    else if (probe_same(role, "coloured"))
    {
        WCHAR colour[8];
        n = GetEnvironmentVariableW(L"COLOUR", colour, 8);
        return n == 4 && same(colour, L"gr\x00fcn", 10) ? 0 : 1;
    }
    else if (probe_same(role, "exits"))
        ExitProcess((UINT)(ULONG_PTR)a);
    else if (probe_same(role, "ends_itself"))
        TerminateProcess(GetCurrentProcess(), 9);
    else if (probe_same(role, "aborts"))
        abort();
    else if (probe_same(role, "environment"))
    {
        char colour[32] = "", shape[32] = "", path[32] = "";
        GetEnvironmentVariableA("COLOUR", colour, sizeof(colour));
        GetEnvironmentVariableA("SHAPE", shape, sizeof(shape));
        P("child_environment", "%s %s path=%lu", colour, shape, (unsigned long)GetEnvironmentVariableA("PATH", path, sizeof(path)));
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "pipes", t_pipes }, { "servers", t_servers }, { "overlapped", t_overlapped }, { "killed", t_killed }, { "inherit", t_inherit }, { "standard", t_standard }, { "named", t_named }, { "create", t_create },
        { "others", t_others }, { "nothing", t_nothing }, { NULL, NULL } };
    if (argc > 2 && probe_same(argv[1], "child"))
    {
        if (probe_same(argv[2], "arguments"))
        {
            for (argv += 3; *argv; argv++) printf("%s|", *argv);
            return 0;
        }
        if (argc > 5) label = argv[5];
        return play(argv[2], argc > 3 ? number(argv[3]) : NULL, argc > 4 ? number(argv[4]) : NULL);
    }
    GetModuleFileNameA(NULL, self, sizeof(self));
    heritable.nLength = sizeof(heritable); heritable.lpSecurityDescriptor = NULL; heritable.bInheritHandle = TRUE;
    return probe_run("children", s, argc, argv);
}
