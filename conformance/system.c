/* Names, calendars, directories, and the events of a console. */
#include "probe.h"
#include <process.h>

static char self[512];

static void t_names(void)
{
    char a[256]; WCHAR w[256]; DWORD n, m; BOOL r;
    n = sizeof(a); r = GetComputerNameA(a, &n); P("computer", "%d %d", r, n == strlen(a) && n > 0 && n <= MAX_COMPUTERNAME_LENGTH);
    m = 256; r = GetComputerNameW(w, &m); P("computer_wide", "%d %d", r, m == n && lstrlenW(w) == (int)m);
    m = 1; CLR(); r = GetComputerNameA(a, &m); P("computer_too_small", "%d %s %d", r, GetLastError() == ERROR_BUFFER_OVERFLOW ? "overflow" : en(GetLastError()), m == n + 1);
    n = sizeof(a); r = GetUserNameA(a, &n); P("user", "%d %d", r, n == strlen(a) + 1 && n > 1);
    m = 256; r = GetUserNameW(w, &m); P("user_wide", "%d %d", r, m == n);
    m = 1; CLR(); r = GetUserNameA(a, &m); P("user_too_small", "%d %s %d", r, en(GetLastError()), m == n);
    P("debugger", "%d", IsDebuggerPresent());
    OutputDebugStringA("nobody sees this\n"); OutputDebugStringW(L"nor this\n");
}

static void t_calendar(void)
{
    SYSTEMTIME t, back; FILETIME f, now, later; ULARGE_INTEGER u; BOOL r;
    memset(&t, 0, sizeof(t)); t.wYear = 2024; t.wMonth = 2; t.wDay = 29; t.wHour = 23; t.wMinute = 59; t.wSecond = 58; t.wMilliseconds = 987;
    r = SystemTimeToFileTime(&t, &f); u.LowPart = f.dwLowDateTime; u.HighPart = f.dwHighDateTime;
    P("to_file", "%d %llu", r, (unsigned long long)u.QuadPart);
    r = FileTimeToSystemTime(&f, &back);
    P("and_back", "%d %u-%u-%u %u %u:%u:%u.%u", r, back.wYear, back.wMonth, back.wDay, back.wDayOfWeek, back.wHour, back.wMinute, back.wSecond, back.wMilliseconds);
    t.wYear = 2023; CLR(); r = SystemTimeToFileTime(&t, &f); P("no_such_day", "%d %s", r, en(GetLastError()));
    t.wYear = 1600; t.wDay = 1; CLR(); r = SystemTimeToFileTime(&t, &f); P("too_early", "%d %s", r, en(GetLastError()));
    f.dwLowDateTime = f.dwHighDateTime = 0; r = FileTimeToSystemTime(&f, &back); P("first", "%d %u-%u-%u %u", r, back.wYear, back.wMonth, back.wDay, back.wDayOfWeek);
    f.dwHighDateTime = 0x80000000u; CLR(); r = FileTimeToSystemTime(&f, &back); P("too_late", "%d %s", r, en(GetLastError()));
    GetSystemTimeAsFileTime(&now); GetSystemTime(&t); SystemTimeToFileTime(&t, &later); FileTimeToSystemTime(&later, &back);
    u.LowPart = later.dwLowDateTime - now.dwLowDateTime;
    P("now", "%d %d", u.LowPart + 10000u < 10u * 10000000u, memcmp(&t, &back, sizeof(t)) == 0);
    GetLocalTime(&t); FileTimeToLocalFileTime(&now, &f); FileTimeToSystemTime(&f, &back);
    P("local", "%d", t.wYear == back.wYear || t.wYear == back.wYear + 1);
}

static void t_machine(void)
{
    SYSTEM_INFO i; char a[600], b[600]; WCHAR w[600]; DWORD n, m; BOOL r;
    GetSystemInfo(&i); P("processors", "%d %d %d", i.dwNumberOfProcessors > 0, i.dwPageSize >= 4096, i.dwAllocationGranularity == 65536);
    n = GetCurrentDirectoryA(sizeof(a), a); m = GetCurrentDirectoryA(0, NULL); P("directory", "%d %d", n == strlen(a), m == n + 1);
    m = GetCurrentDirectoryW(600, w); P("directory_wide", "%d", m == (DWORD)lstrlenW(w));
    n = GetTempPathA(sizeof(b), b); P("temporary", "%d %d", n == strlen(b), n > 0 && (b[n - 1] == '\\' || b[n - 1] == '/'));
    r = SetCurrentDirectoryA(b); P("set_directory", "%d", r);
    CLR(); r = SetCurrentDirectoryW(L"no such directory"); P("no_directory", "%d %s", r, en(GetLastError()));
    CLR(); r = SetCurrentDirectoryA(self); P("a_file", "%d %s", r, en(GetLastError()));
    P("return", "%d", SetCurrentDirectoryA(a));
}

static BOOL WINAPI refuses(DWORD event) { (void)event; return FALSE; }

static void t_console(void)
{
    HANDLE h; DWORD n; SECURITY_ATTRIBUTES s = { sizeof(s), NULL, FALSE }; HANDLE r, w; BOOL b;
    CreatePipe(&r, &w, &s, 0);
    CLR(); b = GetConsoleMode(r, &n); P("no_console", "%d %s", b, en(GetLastError()));
    CLR(); b = WriteConsoleA(w, "x", 1, &n, NULL); P("no_output", "%d %s", b, en(GetLastError()));
    CLR(); b = SetConsoleTextAttribute(w, FOREGROUND_RED); P("no_colour", "%d %s", b, en(GetLastError()));
    CloseHandle(r); CloseHandle(w);
    h = (HANDLE)(ULONG_PTR)0x7ffc; CLR(); b = GetConsoleMode(h, &n); P("no_handle", "%d %s", b, en(GetLastError()));
    CLR(); b = SetConsoleCtrlHandler(refuses, FALSE); P("never_added", "%d %s", b, en(GetLastError()));
    b = SetConsoleCtrlHandler(refuses, TRUE); P("added", "%d %d", b, SetConsoleCtrlHandler(refuses, TRUE));
    b = SetConsoleCtrlHandler(refuses, FALSE); P("removed", "%d %d", b, SetConsoleCtrlHandler(refuses, FALSE));
    CLR(); b = GenerateConsoleCtrlEvent(7, 0); P("no_event", "%d %s", b, en(GetLastError()));
}

/* A child in a group of its own tells when it is ready and what it got. */
static HANDLE asked;
static DWORD got = 99;
static BOOL WINAPI takes(DWORD event) { got = event; SetEvent(asked); return TRUE; }

static int child(const char *role)
{
    DWORD n;
    asked = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (strcmp(role, "handles") == 0) { SetConsoleCtrlHandler(takes, TRUE); SetConsoleCtrlHandler(refuses, TRUE); }
    if (strcmp(role, "refuses") == 0) SetConsoleCtrlHandler(refuses, TRUE);
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "r", 1, &n, NULL);
    WaitForSingleObject(asked, INFINITE);
    return 40 + (int)got;
}

static const char *breaks(const char *role)
{
    static char out[60]; char line[600], ready = 0; HANDLE r, w; DWORD n, code = 0; BOOL b;
    SECURITY_ATTRIBUTES s = { sizeof(s), NULL, TRUE }; STARTUPINFOA start; PROCESS_INFORMATION p;
    CreatePipe(&r, &w, &s, 0); SetHandleInformation(r, HANDLE_FLAG_INHERIT, 0);
    memset(&start, 0, sizeof(start)); start.cb = sizeof(start); start.dwFlags = STARTF_USESTDHANDLES; start.hStdOutput = w; start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    sprintf(line, "\"%s\" child %s", self, role);
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, CREATE_NEW_PROCESS_GROUP, NULL, NULL, &start, &p)) return en(GetLastError());
    CloseHandle(w);
    ReadFile(r, &ready, 1, &n, NULL);
    b = GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, p.dwProcessId);
    WaitForSingleObject(p.hProcess, INFINITE); GetExitCodeProcess(p.hProcess, &code);
    sprintf(out, "%c %d %lx", ready, b, (unsigned long)code);
    CloseHandle(r); CloseHandle(p.hProcess); CloseHandle(p.hThread);
    return out;
}

static void t_events(void)
{
#ifndef UNDER_WINE /* Without a desktop it brings no Ctrl+Break to a group, and the child waits for ever. */
    P("taken", "%s", breaks("handles"));
    P("refused", "%s", breaks("refuses"));
#endif
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "names", t_names }, { "calendar", t_calendar }, { "machine", t_machine },
        { "console", t_console }, { "events", t_events }, { NULL, NULL } };
    GetModuleFileNameA(NULL, self, sizeof(self));
    if (argc == 3 && strcmp(argv[1], "child") == 0) return child(argv[2]);
    return probe_run("system", s, argc, argv);
}
