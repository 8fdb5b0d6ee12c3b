/* Wide formats, copies that keep to their buffers, conversions, messages. */
#define STRSAFE_NO_DEPRECATE
#include "probe.h"
#include <tchar.h>
#include <strsafe.h>

static const char *fmt(HRESULT r, const WCHAR *w)
{
    static char b[4][200]; static LONG slot; char *o = b[InterlockedIncrement(&slot) & 3];
    int n = sprintf(o, "%lx ", (unsigned long)r);
    WideCharToMultiByte(CP_UTF8, 0, w, -1, o + n, 200 - n, NULL, NULL);
    return o;
}
#define F(...) (r = StringCchPrintfW(w, 64, __VA_ARGS__), fmt(r, w))

static void t_formats(void)
{
    WCHAR w[64]; HRESULT r;
    P("text", "%s", F(L"[%s] [%S] [%hs] [%ls]", L"wide", "narrow", "narrow", L"wide"));
    P("width", "%s", F(L"[%6s] [%-6s] [%.2s] [%*s]", L"ab", L"ab", L"abcdef", 4, L"x"));
    P("star_precision", "%s", F(L"[%.*s] [%-*s]", 3, L"abcdef", 4, L"x"));
    P("numbers", "%s", F(L"%d %i %u %x %X %#o %c", -1, 2, 3u, 0xabcu, 0xabcu, 8, 'z'));
    P("padded", "%s", F(L"[%5d] [%-5d] [%05d] [%+d]", 42, 42, 42, 42));
    P("thirty_two_bits", "%s", F(L"%lu %ld", (DWORD)0xffffffff, (LONG)-1));
    P("sixty_four_bits", "%s", F(L"%I64d %llu", (LONGLONG)-5000000000ll, 5000000000ull));
    P("short", "%s", F(L"%hd %hu", 65535, 65535));
    P("real", "%s", F(L"%.2f %e %g", 3.14159, 1.5, 0.5));
    P("percent", "%s", F(L"100%%"));
    P("null_text", "%s", F(L"%s", (WCHAR *)NULL));
    P("pointer", "%s", F(L"%p", (void *)(ULONG_PTR)0x1234));
    r = StringCchPrintfW(w, 4, L"%d", 123456);
    P("cut", "%s", fmt(r, w));
    P("hresult", "%d %d", FAILED(r), SUCCEEDED(S_OK));
}

static void t_copies(void)
{
    char a[8]; WCHAR w[8]; size_t n = 99; HRESULT r;
    StringCchCopyA(a, 8, "abc"); r = StringCchCatA(a, 8, "def"); P("cat", "%lx %s", (unsigned long)r, a);
    r = StringCchCatA(a, 8, "ghi"); P("cat_cut", "%lx %s", (unsigned long)r, a);
    r = StringCchLengthA(a, 8, &n); P("length", "%lx %d", (unsigned long)r, (int)n);
    r = StringCchLengthA(a, 3, &n); P("length_beyond", "%lx %d", (unsigned long)r, (int)n);
    r = StringCbCopyW(w, sizeof(w), L"1234567"); P("bytes", "%lx %d", (unsigned long)r, lstrlenW(w));
    r = StringCchCopyNA(a, 8, "abcdef", 2); P("some", "%lx %s", (unsigned long)r, a);
    lstrcpyA(a, "ab"); lstrcatA(a, "cd"); P("lstrcat", "%s", a);
    lstrcpynA(a, "abcdefgh", 4); P("lstrcpyn", "%s", a);
    P("lstrcmp", "%d %d %d", lstrcmpA("a", "b") < 0, lstrcmpA("b", "a") > 0, lstrcmpW(L"x", L"x"));
}

static void t_conversions(void)
{
    WCHAR w[16]; char b[16]; int n, m;
    n = MultiByteToWideChar(CP_UTF8, 0, "h\xc3\xa9\xf0\x9f\x98\x80", -1, w, 16);
    m = WideCharToMultiByte(CP_ACP, 0, w, -1, b, 16, NULL, NULL);
    P("there_and_back", "%d %d %s", n, m, dat(b, (DWORD)(m > 0 ? m - 1 : 0)));
    P("size_alone", "%d", MultiByteToWideChar(CP_UTF8, 0, "abc", -1, NULL, 0));
    P("counted", "%d", MultiByteToWideChar(CP_UTF8, 0, "abc", 2, w, 16));
    CLR(); n = MultiByteToWideChar(CP_UTF8, 0, "abc", -1, w, 2); P("too_small", "%d %s", n, en(GetLastError()));
    CLR(); n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, "\xff", -1, w, 16); P("invalid", "%d %lu", n, (unsigned long)GetLastError());
    CLR(); n = MultiByteToWideChar(1252, 0, "abc", -1, w, 16); P("other_page", "%d %s", n, en(GetLastError()));
}

static void t_messages(void)
{
    char b[200]; char *m = NULL; DWORD n; DWORD_PTR inserts[2];
    n = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, ERROR_BROKEN_PIPE, 0, b, sizeof(b), NULL);
    P("system", "%d %d", n > 10, n > 2 && b[n - 2] == '\r' && b[n - 1] == '\n' && !b[n]);
    CLR(); n = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, NULL, 0xfffff, 0, b, sizeof(b), NULL); P("unknown", "%lu %lu", (unsigned long)n, (unsigned long)GetLastError());
    CLR(); n = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, NULL, ERROR_BROKEN_PIPE, 0, b, 4, NULL); P("too_small", "%lu %s", (unsigned long)n, en(GetLastError()));
    inserts[0] = (DWORD_PTR)"one"; inserts[1] = (DWORD_PTR)"two";
    n = FormatMessageA(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_ARGUMENT_ARRAY | FORMAT_MESSAGE_ALLOCATE_BUFFER, "%2 before %1!s!%%", 0, 0, (LPSTR)&m, 0, (va_list *)inserts);
    P("inserts", "%lu %s", (unsigned long)n, m ? m : "nothing"); LocalFree(m);
    n = FormatMessageA(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_IGNORE_INSERTS, "%1 stays", 0, 0, b, sizeof(b), NULL); P("ignored", "%lu %s", (unsigned long)n, b);
}

static void t_memory(void)
{
    char *p = HeapAlloc(GetProcessHeap(), 0, 10); int i, z = 1;
    fill(p, 1, 10);
    p = HeapReAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, p, 100);
    for (i = 10; i < 100; i++) if (p[i]) z = 0;
    P("grown_with_zeros", "%d %d %d", p[9], z, (int)HeapSize(GetProcessHeap(), 0, p));
    P("free", "%s", B(HeapFree(GetProcessHeap(), 0, p)));
    P("free_nothing", "%s", B(HeapFree(GetProcessHeap(), 0, NULL)));
    p = GlobalLock(GlobalAlloc(GHND, 20)); P("movable", "%d %d", p != NULL && p[19] == 0, (int)GlobalSize(p)); GlobalFree(p);
    { HANDLE same = GetStdHandle(STD_OUTPUT_HANDLE); P("standard_handle", "%d", same == GetStdHandle(STD_OUTPUT_HANDLE)); }
    P("bad_standard_handle", "%s", H(GetStdHandle(3)));
}

static void t_other(void)
{
    void *p = HeapAlloc(GetProcessHeap(), 0, 10);
    P("other_heap", "%s", B(HeapFree((HANDLE)(ULONG_PTR)4, 0, p)));
    HeapFree(GetProcessHeap(), 0, p);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "formats", t_formats }, { "copies", t_copies }, { "conversions", t_conversions },
        { "messages", t_messages }, { "memory", t_memory }, { "other", t_other }, { NULL, NULL } };
    return probe_run("texts", s, argc, argv);
}
