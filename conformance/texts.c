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

/* FormatMessage with inserts, by a va_list and by an array. */
static const char *inserted(const char *format, ...)
{
    static char b[200]; va_list ap; DWORD n;
    va_start(ap, format);
    CLR();
    n = FormatMessageA(FORMAT_MESSAGE_FROM_STRING, format, 0, 0, b, sizeof(b), &ap);
    va_end(ap);
    if (!n) sprintf(b, "%s", en(GetLastError()));
    return b;
}

static void t_inserts(void)
{
    static const WCHAR wide[] = { 'w', 'i', 'd', 'e', 0 };
    static const WCHAR format[] = { '%', '1', ' ', '%', '2', '!', 'h', 's', '!', ' ', '%', '3', '!', '0', '5', 'd', '!', 0 };
    WCHAR w[64]; char b[64]; DWORD_PTR array[4]; int i;
    P("insert_texts", "%s", inserted("%1 and %2!s! and %1", "one", "two"));
    P("insert_numbers", "%s", inserted("%1!d! %2!u! %3!x! %4!X! %5!o!", -5, 4000000000u, 48879, 48879, 8));
    P("insert_many", "%s", inserted("%1!d!%2!d!%3!d!%4!d!%5!d!%6!d!%7!d!%8!d!%9!d!%10!d!", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    P("insert_padded", "%s", inserted("[%1!5d!] [%2!-5d!] [%3!05d!] [%4!+d!] [%5!.3d!]", 42, 42, -42, 42, 7));
    P("insert_text_padded", "%s", inserted("[%1!8s!] [%1!-8s!] [%1!.2s!]", "text"));
#ifndef UNDER_WINE /* Which dies of it, and of the rest with it. */
    P("insert_star", "%s", inserted("%1!*.*s! %4 %5!*s!", 4, 2, "Bill", "Bob", 6, "Bill"));
#endif
    P("insert_other_form", "%s", inserted("%1!ls! %1!S! %2!hs!", wide, "ansi"));
    P("insert_long", "%s", inserted("%1!ld! %2!I64d! %3!lu!", -1, (LONGLONG)-5000000000LL, 77));
    P("insert_character", "%s", inserted("%1!c!%2!c!", 'x', 'y'));
    P("insert_prefix", "%s", inserted("%1!#x! %2!08lX!", 255, 0xbeef));
    P("insert_line", "%s", dat(inserted("%1%n%2", "a", "b"), 4));
    array[0] = (DWORD_PTR)"text"; array[1] = (DWORD_PTR)-9; array[2] = 12;
    FormatMessageA(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_ARGUMENT_ARRAY, "%3!3u! %2!d! %1", 0, 0, b, sizeof(b), (va_list *)array);
    P("insert_array", "%s", b);
    array[0] = (DWORD_PTR)wide; array[1] = (DWORD_PTR)"narrow"; array[2] = 42;
    FormatMessageW(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_ARGUMENT_ARRAY, format, 0, 0, w, 64, (va_list *)array);
    for (i = 0; w[i] && i < 63; i++) b[i] = (char)w[i];
    b[i] = 0;
    P("insert_wide", "%s", b);
    P("insert_no_arguments", "%s", B(FormatMessageA(FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_ARGUMENT_ARRAY, "%1", 0, 0, b, sizeof(b), NULL) != 0));
}

static void t_heaps(void)
{
    HANDLE h = HeapCreate(0, 0, 0), small; char *p, *q; int i, zeros = 1;
    P("heap", "%d", h != NULL && h != GetProcessHeap());
    p = (char *)HeapAlloc(h, HEAP_ZERO_MEMORY, 100);
    for (i = 0; i < 100; i++) zeros &= !p[i];
    P("heap_block", "%d size=%lu valid=%d", zeros, (unsigned long)HeapSize(h, 0, p), HeapValidate(h, 0, p));
    fill(p, 'x', 100);
    p = (char *)HeapReAlloc(h, HEAP_ZERO_MEMORY, p, 3000);
    P("heap_grown", "%c%c %d size=%lu", p[0], p[99], p[100] | p[2999], (unsigned long)HeapSize(h, 0, p));
    q = (char *)HeapReAlloc(h, HEAP_REALLOC_IN_PLACE_ONLY, p, 10);
    P("heap_shrunk", "%d size=%lu", p == q, (unsigned long)HeapSize(h, 0, p));
    P("heap_free", "%d", HeapFree(h, 0, p));
    P("heap_free_nothing", "%d", HeapFree(h, 0, NULL));
    HeapAlloc(h, 0, 50);
    P("heap_valid", "%d", HeapValidate(h, 0, NULL));
    P("heap_destroyed", "%d", HeapDestroy(h));
    small = HeapCreate(0, 4096, 65536);
    P("heap_full", "%d %d", HeapAlloc(small, 0, 1000) != NULL, HeapAlloc(small, 0, 1000000) != NULL);
    P("heap_small_destroyed", "%d", HeapDestroy(small));
    { HLOCAL m = LocalAlloc(LHND, 10); void *at = LocalLock(m); P("local_lock", "%d", at != NULL); LocalUnlock(m); P("local_free", "%d", LocalFree(m) == NULL); }
    { HANDLE f = CreateFileA("goes-with-its-handle", GENERIC_WRITE, FILE_SHARE_DELETE, NULL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE, NULL), g;
      wrs(f, "x", 1);
      CloseHandle(f);
      P("deleted_on_close", "%s", H(CreateFileA("goes-with-its-handle", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL)));
      g = CreateFileA("goes-with-its-handle", GENERIC_WRITE, FILE_SHARE_DELETE, NULL, CREATE_NEW, FILE_FLAG_DELETE_ON_CLOSE, NULL);
      DuplicateHandle(GetCurrentProcess(), g, GetCurrentProcess(), &f, 0, FALSE, DUPLICATE_SAME_ACCESS);
      CloseHandle(g);
      P("not_before_the_last", "%s", wrs(f, "still", 5));
      CloseHandle(f); }
    { STARTUPINFOA s; fill(&s, 0xcc, sizeof(s)); GetStartupInfoA(&s); P("startup", "%d", s.cb == sizeof(s)); }
}

static void t_input(void)
{
    char word[8], letter = '?'; WCHAR wide[8]; int a = 0, b = 0, n; long long big = 0;
    n = sscanf_s("42 hello x", "%d %s %c", &a, word, (unsigned)sizeof(word), &letter, 1u); P("scan", "%d %d %s %c", n, a, word, letter);
    n = sscanf_s("abcdefgh 5", "%s %d", word, (unsigned)sizeof(word), &a); P("scan_too_long", "%d [%s]", n, word);
    n = sscanf_s("abcdefgh 5", "%7s %d", word, (unsigned)sizeof(word), &a); P("scan_width", "%d [%s]", n, word);
    n = sscanf_s("ab12=7", "%[a-z0-9]=%d", word, (unsigned)sizeof(word), &a); P("scan_set", "%d [%s] %d", n, word, a);
    n = sscanf_s("1-2", "%d-%d", &a, &b); P("scan_literal", "%d %d %d", n, a, b);
    n = sscanf_s("1+2", "%d-%d", &a, &b); P("scan_other_literal", "%d", n);
    n = sscanf_s("skipped 9", "%*s %d", &a); P("scan_skipped", "%d %d", n, a);
    n = sscanf_s("-5000000000", "%I64d", &big); P("scan_sixty_four_bits", "%d %d", n, big == -5000000000ll);
    n = sscanf_s("", "%d", &a); P("scan_nothing", "%d", n);
    n = sscanf_s("x", "%d", &a); P("scan_no_number", "%d", n);
    n = swscanf_s(L"7 word", L"%d %s", &a, wide, 8u); P("scan_wide", "%d %d %d", n, a, wide[3] == 'd' && !wide[4]);
    n = swscanf_s(L"7 word", L"%d %S", &a, word, 8u); P("scan_narrow_of_wide", "%d %s", n, word);
    n = sscanf_s("wide", "%S", wide, 8u); P("scan_wide_of_narrow", "%d %d", n, wide[3] == 'e' && !wide[4]);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "formats", t_formats }, { "copies", t_copies }, { "conversions", t_conversions },
        { "messages", t_messages }, { "memory", t_memory }, { "other", t_other }, { "inserts", t_inserts }, { "heaps", t_heaps }, { "input", t_input }, { NULL, NULL } };
    return probe_run("texts", s, argc, argv);
}
