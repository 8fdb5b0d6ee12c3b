//! One program of C and C++, of ANSI and wide parts, linked with either form of the library.

use crate::support::{Build, Place};

const C_PART: &str = r#"
#include <windows.h>

/* Wide names from C, without any flag. */
HANDLE serve(LPCWSTR name)
{
    return CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 1, 64, 64, 0, NULL);
}
"#;

const CPP_PART: &str = r#"
#define UNICODE
#define _UNICODE
#include <windows.h>
#include <tchar.h>
#include <strsafe.h>
#include <string>
#include <algorithm>
#include <errno.h>

extern "C" HANDLE serve(LPCWSTR name);

int _tmain(int argc, TCHAR **argv)
{
    TCHAR name[64];
    StringCchPrintf(name, ARRAYSIZE(name), TEXT("\\\\.\\pipe\\%s"), argc > 1 ? argv[1] : TEXT(""));
    TCHAR text[32];
    DWORD bytes = 0;
    HANDLE server = serve(name);
    HANDLE client = CreateFile(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (argc != 2 || server == INVALID_HANDLE_VALUE || client == INVALID_HANDLE_VALUE)
        return 1;
    StringCchPrintf(text, ARRAYSIZE(text), TEXT("%s %d"), argv[1], std::max(6, 7));
    if (!WriteFile(client, text, (lstrlen(text) + 1) * sizeof(TCHAR), &bytes, NULL))
        return 2;
    TCHAR read[32];
    if (!ReadFile(server, read, sizeof(read), &bytes, NULL))
        return 3;
    _tprintf(TEXT("%s|%d|%hs\n"), read, (int)bytes, "narrow");
    CloseHandle(client);
    /* The last error and errno agree. */
    if (ReadFile(server, read, sizeof(read), &bytes, NULL) || GetLastError() != ERROR_BROKEN_PIPE || errno != EPIPE)
        return 4;
    if ((ULONG_PTR)server >= 1u << 31 || !CloseHandle(server) || CloseHandle(server) || errno != EBADF)
        return 5;
    return 0;
}
"#;

/// semantics 2, 17
#[test]
fn both_languages_in_one_program() {
    let place = Place::new();
    let sources = [place.source("part.c", C_PART), place.source("program.cpp", CPP_PART)];
    for statically in [false, true] {
        for flags in [&[][..], &["-fshort-wchar"]] {
            let program = place.compile(
                "program",
                &sources,
                Build {
                    flags,
                    statically,
                    ..Build::default()
                },
            );
            assert_eq!(place.run(&program, &["Gruß"]), "Gruß 7|14|narrow\n");
        }
    }
}
