//! Sources as people write them for Windows: spellings, safe functions, wide strings and streams of C++.

use crate::support::{Build, Place};

/// Compiles a source and runs it; what it printed.
#[track_caller]
fn printed(name: &str, text: &str, flags: &[&str]) -> String {
    let place = Place::new();
    let source = place.source(name, text);
    let build = Build {
        flags,
        ..Build::default()
    };
    let program = place.compile("program", &[source], build);
    place.run(&program, &[])
}

/// With which flags a source is compiled that must not care.
const WAYS: [&[&str]; 3] = [
    &[],
    &["-DUNICODE", "-D_UNICODE"],
    &["-DUNICODE", "-D_UNICODE", "-fshort-wchar"],
];

#[test]
fn spellings_and_attributes() {
    let text = r#"
#include <SDKDDKVer.h>
#include <WinSock2.h>
#include <Windows.h>
#include <TCHAR.H>
#include <Strsafe.h>
#include <Process.h>
#include <Conio.h>
#include <lmcons.h>
#include <io.h>
#include <direct.h>
#include <stdio.h>
#if _WIN32_WINNT < 0x0600
#error too old
#endif
__declspec(thread) static int each = 3;
typedef __declspec(align(32)) struct { char bytes[1]; } ALIGNED;
#ifdef __cplusplus
extern "C"
#endif
__declspec(dllexport) int twice(_In_ int number, _Out_writes_opt_(1) int *result)
{
    if (result)
        *result = 2 * number;
    return 2 * number;
}
int _tmain(int argc, _TCHAR *argv[])
{
    static ALIGNED aligned;
    char name[UNLEN + 1];
    _setmode(_fileno(stdout), _O_BINARY);
    printf("%d %d %d %d\n", twice(each, NULL), (int)((ULONG_PTR)&aligned % 32), (int)sizeof(name), _access("/", 0));
    return argc != 1 || !argv[0];
}
"#;
    for flags in WAYS {
        for name in ["spelled.cpp", "spelled.c"] {
            // C has no thread-local variable with `static` behind.
            let text = text.replace("__declspec(thread) static", "static __declspec(thread)");
            assert_eq!(printed(name, &text, flags), "6 0 257 0\n", "{name} {flags:?}");
        }
    }
}

#[test]
fn functions_that_know_the_size() {
    let text = r#"
#include <windows.h>
#include <tchar.h>
#include <stdio.h>
int main(void)
{
    char small[4], *rest = NULL, list[] = ",a,,b";
    WCHAR wide[8];
    TCHAR text[16];
    FILE *stream = (FILE *)1;
    int first, second;
    first = strcpy_s(small, sizeof(small), "abcd"); printf("%d [%s] ", first == ERANGE, small);
    first = strcpy_s(small, sizeof(small), "abc"); printf("%d [%s] ", first, small);
    first = strcat_s(small, sizeof(small), "d"); printf("%d [%s]\n", first == ERANGE, small);
    first = strncpy_s(small, sizeof(small), "abcdef", _TRUNCATE); printf("%d [%s] ", first == STRUNCATE, small);
    first = strncpy_s(small, sizeof(small), "abcdef", 2); printf("%d [%s] ", first, small);
    first = strncat_s(small, sizeof(small), "xyz", 1); printf("%d [%s] ", first, small);
    first = strcpy_s(small, sizeof(small), NULL); printf("%d [%s]\n", first == EINVAL, small);
    first = sprintf_s(small, sizeof(small), "%d", 123); printf("%d [%s] ", first, small);
    first = sprintf_s(small, sizeof(small), "%d", 1234); printf("%d [%s] ", first, small);
    first = _snprintf_s(small, sizeof(small), _TRUNCATE, "%d", 1234); printf("%d [%s] ", first, small);
    first = _snprintf_s(small, sizeof(small), 2, "%d", 1234); printf("%d [%s] ", first, small);
    first = _snprintf_s(small, sizeof(small), 9, "%d", 1234); printf("%d [%s]\n", first, small);
    first = swprintf_s(wide, 8, NPIPE_WIDE("%s%d"), NPIPE_WIDE("ab"), 34); second = wcscpy_s(wide + 5, 3, wide + 2);
    printf("%d %d %d ", first, second, lstrlenW(wide + 5));
    first = wcscat_s(wide, 8, wide); printf("%d\n", first == ERANGE);
    _tcscpy_s(text, 16, _T("text")); _tcscat_s(text, 16, _T(" two")); _tprintf_s(_T("%s "), text);
    first = _stprintf_s(text, 16, _T("%d-%s"), 7, _T("x")); _tprintf(_T("%d %s\n"), first, text);
    printf("%s ", strtok_s(list, ",", &rest)); printf("%s ", strtok_s(NULL, ",", &rest)); printf("%d\n", strtok_s(NULL, ",", &rest) == NULL);
    printf("%s ", _itoa(-42, list, 10)); first = _itoa_s(255, small, sizeof(small), 16); printf("%d %s ", first, small);
    first = _itoa_s(1234, small, sizeof(small), 10); printf("%d [%s]\n", first == ERANGE, small);
    first = memcpy_s(small, 4, "12345", 5); second = small[0]; printf("%d %d ", first == ERANGE, second);
    first = fopen_s(&stream, "no such file", "r"); printf("%d %d\n", first == ENOENT, stream == NULL);
    return 0;
}
"#;
    let want = "1 [] 0 [abc] 1 []\n1 [abc] 0 [ab] 0 [abx] 1 []\n3 [123] -1 [] -1 [123] -1 [12] -1 []\n4 0 2 1\n\
                text two 3 7-x\na b 1\n-42 0 ff 1 []\n1 0 1 1\n";
    for flags in WAYS {
        for name in ["sized.c", "sized.cpp"] {
            assert_eq!(printed(name, text, flags), want, "{name} {flags:?}");
        }
    }
}

#[test]
fn narrow_formats_of_wide_texts() {
    let text = r#"
#include <windows.h>
#include <stdio.h>
#ifdef __cplusplus
#include <cstdio>
#endif
__attribute__((format(printf, 1, 2))) static void mine(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}
int main(void)
{
    char text[64];
    WCHAR wide[] = { 'w', 0xe9, 0 };
    int length;
    int (*pointer)(const char *, ...) = &printf;
    printf("[%S] [%ls] [%6ws] [%-4S|%.1S] %d %s %lu %5.2f%%\n", wide, wide, wide, wide, wide, 5, "narrow", 7ul, 1.5);
    printf("%I64d %I64u %I32d %Ix %llx %*d %hs %C %C\n", -5000000000ll, 5000000000ull, -3, (size_t)255, 255ll, 4, 7, "hs",
           'x', 0xe9);
    length = sprintf(text, "%S-%d", wide, 3); printf("%d %s ", length, text);
    length = snprintf(text, 4, "%S%S", wide, wide); printf("%d [%s] ", length, text);
    length = sprintf_s(text, 64, "%ls", wide); printf("%d %s\n", length, text);
    fprintf(stdout, "%S %d ", (WCHAR *)NULL, 1);
    mine("%ld %zu %c ", -1l, (size_t)3, 'c');
    pointer("%s\n", "plain");
    return 0;
}
"#;
    let want = "[wé] [wé] [   wé] [wé |w] 5 narrow 7  1.50%\n-5000000000 5000000000 -3 ff ff    7 hs x é\n\
                5 wé-3 6 [wé] 3 wé\n(null) 1 -1 3 c plain\n";
    for flags in WAYS {
        for name in ["narrow.c", "narrow.cpp"] {
            assert_eq!(printed(name, text, flags), want, "{name} {flags:?}");
        }
    }
}

#[test]
fn input_by_formats() {
    let text = r#"
#include <windows.h>
#include <tchar.h>
#include <stdio.h>
int main(void)
{
    char word[8], set[4], letter; int number = 0, count, more = 0, at = 0; long long big = 0; WCHAR wide[8]; double real = 0; TCHAR text[8]; unsigned hex = 0;
    count = sscanf_s("42 hello, x", "%d %s %c", &number, word, (unsigned)sizeof(word), &letter, 1u); printf("%d %d [%s] %c\n", count, number, word, letter);
    count = sscanf_s("abcdefgh 5", "%s %d", word, (unsigned)sizeof(word), &number); printf("%d [%s]\n", count, word);
    count = sscanf_s("abcdefgh 5", "%7s%d", word, (unsigned)sizeof(word), &number); printf("%d [%s]\n", count, word);
    count = sscanf_s("a]b-c=7", "%[]a-c-]=%d", word, (unsigned)sizeof(word), &number); printf("%d [%s] %d\n", count, word, number);
    count = sscanf_s("aab 7", "%*[ab] %d%n", &number, &at); printf("%d %d %d\n", count, number, at);
    count = sscanf_s("-5000000000 1.5 ff", "%I64d %lf %x", &big, &real, &hex); printf("%d %lld %g %x\n", count, big, real, hex);
    count = sscanf_s("100%: w\303\251!", "%d%%: %S", &number, wide, 8u); printf("%d %d [%S]\n", count, number, wide);
    count = sscanf_s("", "%d", &number); more = sscanf_s("x", "%d", &number); printf("%d %d\n", count, more);
    count = sscanf_s("abc", "%3c", set, 2u); printf("%d\n", count);
    count = sscanf_s("abc", "%3c", set, 4u); printf("%d %.3s\n", count, set);
    count = swscanf_s(NPIPE_WIDE("7 w\u00e9 n"), NPIPE_WIDE("%d %s %hs"), &number, wide, 8u, word, 8u); printf("%d %d [%S] [%s]\n", count, number, wide, word);
    count = _stscanf_s(_T("3 ab"), _T("%d %s"), &number, text, 8u); printf("%d %d ", count, number); _tprintf(_T("[%s]\n"), text);
    count = _stscanf(_T("4 ac"), _T("%d %s"), &number, text); printf("%d %d ", count, number); _tprintf(_T("[%s]\n"), text);
    while ((count = scanf_s("%d %s", &number, word, 8u)) == 2) printf("<%d %s>", number, word);
    printf(" %d\n", count);
    return 0;
}
"#;
    let want = "3 42 [hello,] x\n0 []\n1 [abcdefg]\n2 [a]b-c] 7\n1 7 5\n3 -5000000000 1.5 ff\n2 100 [wé!]\n-1 0\n0\n1 abc\n\
                3 7 [wé] [n]\n2 3 [ab]\n2 4 [ac]\n<1 one><2 two> 1\n";
    for flags in WAYS {
        for name in ["input.c", "input.cpp"] {
            let place = Place::new();
            let source = place.source(name, text);
            let input = std::fs::File::open(place.source("input", "1 one\n2 two\n3")).expect("it was written just now");
            let build = Build {
                flags,
                ..Build::default()
            };
            let program = place.compile("program", &[source], build);
            let output = place
                .command(&program)
                .stdin(input)
                .output()
                .expect("the program starts");
            assert_eq!(crate::support::printed(&output), want, "{name} {flags:?}");
        }
    }
}

#[test]
fn arrays_know_their_size_in_cpp() {
    let text = r#"
#include <windows.h>
#include <tchar.h>
#include <cstdio>
int main()
{
    char small[4];
    TCHAR text[8];
    int first = strcpy_s(small, "abcd"), second = strcpy_s(small, "abc");
    std::printf("%d %d %s ", first == ERANGE, second, small);
    first = sprintf_s(small, "%d", 1234);
    second = _snprintf_s(small, _TRUNCATE, "%d", 1234);
    std::printf("%d %d %s\n", first, second, small);
    first = _stprintf_s(text, _T("%d"), 5);
    _tcscat_s(text, _T("!"));
    _tprintf(_T("%d %s %d\n"), first, text, (int)strncpy_s(small, "abcdef", _TRUNCATE));
}
"#;
    for flags in WAYS {
        assert_eq!(
            printed("arrays.cpp", text, flags),
            "1 0 abc -1 -1 123\n1 5! 80\n",
            "{flags:?}"
        );
    }
}

/// A program of strings and streams; `head` says in which order the headers come.
fn wide_program(head: &str) -> String {
    head.to_owned()
        + r#"
using namespace std;
int main()
{
    wstring name(L"\\\\.\\pipe\\x");
    name += L"yz" + to_wstring(42);
    name.append(3, L'q').insert(0, L"<").replace(1, 2, L"//");
    wcout << name << L" and " << "narrow " << 42 << L' ' << 'c' << 3.5 << hex << 255u << dec << boolalpha << true << endl;
    cout << "[" << name.size() << " " << name.find(L"pipe") << " " << (name < L"=") << (name == L"x") << "]" << endl;
    wcout << setw(6) << 7 << setw(5) << left << L"ab" << L"|" << setfill(L'.') << setw(4) << right << L"x" << endl;
    printf("%d\n", (int)sizeof(L"12"));
    wostringstream out;
    out << L"pid " << (DWORD)5 << L"!" << name.substr(5, 4) << L" " << -1;
    wcout << out.str() << endl;
    map<wstring, int> counts;
    counts[L"b"] = 2, counts[L"a"] = 1;
    wcout << counts.begin()->first << counts[L"b"] << stoi(L"77") << endl;
    wistringstream in(L"12 word 3.5 7x");
    int number = 0, last = 0;
    wstring word;
    double real = 0;
    in >> number >> word >> real >> last >> word;
    wcout << number << word << real << last << endl;
    wistringstream lines(L"one\n\ntwo");
    wchar_t line[8];
    getline(lines, word);
    lines.getline(line, 8);
    cout << word.size() << wcslen(line);
    lines.getline(line, 3);
    wcout << line << lines.fail() << L" \u00e9\U0001f600" << endl;
    swprintf(line, 8, L"%s-%d", L"w", 3);
    vector<wstring> many(3, wstring(line) + L"abcdefghijklmnopqrstuvwxyz");
    wcerr << L"";
    wcout << many[2].c_str() << wcslen(many[1].data()) << endl;
}
"#
}

#[test]
fn wide_strings_and_streams_of_cpp() {
    let library = "#include <iomanip>\n#include <iostream>\n#include <map>\n#include <sstream>\n#include <string>\n\
                   #include <vector>\n";
    let want = "<//.\\pipe\\xyz42qqq and narrow 42 c3.5fftrue\n[18 5 10]\n     7ab   |...x\n6\npid 5!pipe -1\na277\n\
                12x3.57\n30twtrue é😀\nw-3abcdefghijklmnopqrstuvwxyz29\n";
    for head in [
        format!("{library}#include <Windows.h>\n"),
        format!("#include <Windows.h>\n{library}"),
    ] {
        for flags in [["-std=c++11", "-fshort-wchar"], ["-std=c++17", "-fshort-wchar"]] {
            assert_eq!(
                printed("wide.cpp", &wide_program(&head), &flags),
                want,
                "{head} {flags:?}"
            );
        }
    }
    // What is not there does not compile.
    let place = Place::new();
    let source = place.source(
        "file.cpp",
        "#include <fstream>\nstd::wofstream file(\"x\");\nint main() {}\n",
    );
    assert!(!place.compiles(&source, &["-fshort-wchar"]));
    assert!(place.compiles(&source, &[]));
}
