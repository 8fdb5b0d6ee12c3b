/* Names that mean the narrow or the wide function by _UNICODE, and the entry of programs. */
#ifndef NPIPE_TCHAR_H
#define NPIPE_TCHAR_H

#if defined(UNICODE) && !defined(_UNICODE)
#define _UNICODE
#endif

#include <windows.h>
#include <ctype.h>

#define _T(text) NPIPE_T(text)
#define _TEXT(text) NPIPE_T(text)
#define __T(text) NPIPE_T(text)

#ifdef _UNICODE
#define NPIPE_T(text) NPIPE_WIDE(text)
typedef WCHAR _TCHAR, _TSCHAR, _TUCHAR, _TXCHAR;
#define _tprintf npipe_wprintf
#define _ftprintf npipe_fwprintf
#define _stprintf npipe_swprintf
#define _sntprintf npipe_snwprintf
#define _stprintf_s swprintf_s
#define _vtprintf npipe_vwprintf
#define _vftprintf npipe_vfwprintf
#define _vsntprintf npipe_vsnwprintf
#define _vstprintf_s vswprintf_s
#define _tcslen npipe_wcslen
#define _tcsnlen npipe_wcsnlen
#define _tcscpy npipe_wcscpy
#define _tcsncpy npipe_wcsncpy
#define _tcscat npipe_wcscat
#define _tcsncat npipe_wcsncat
#define _tcscmp npipe_wcscmp
#define _tcsncmp npipe_wcsncmp
#define _tcsicmp npipe_wcsicmp
#define _tcsnicmp npipe_wcsnicmp
#define _tcschr npipe_wcschr
#define _tcsrchr npipe_wcsrchr
#define _tcsstr npipe_wcsstr
#define _tcsdup npipe_wcsdup
#define _tcstol npipe_wcstol
#define _tcstoul npipe_wcstoul
#define _tcstod npipe_wcstod
#define _totlower npipe_towlower
#define _totupper npipe_towupper
#define _puttchar npipe_putwchar
#define _putts npipe_putws
#define _fputts npipe_fputws
#define _fgetts npipe_fgetws
#define _tfopen npipe_wfopen
#define _tprintf_s wprintf_s
#define _tscanf npipe_wscanf
#define _ftscanf npipe_fwscanf
#define _stscanf npipe_swscanf
#define _tscanf_s wscanf_s
#define _ftscanf_s fwscanf_s
#define _stscanf_s swscanf_s
#define _ftprintf_s fwprintf_s
#define _sntprintf_s _snwprintf_s
#define _vsntprintf_s _vsnwprintf_s
#define _tcscpy_s wcscpy_s
#define _tcsncpy_s wcsncpy_s
#define _tcscat_s wcscat_s
#define _tcsncat_s wcsncat_s
#define _tfopen_s _wfopen_s
#define _itot _itow
#define _itot_s _itow_s
#define _ttoi(text) ((int)npipe_wcstol((text), NULL, 10))
#define _tstoi(text) _ttoi(text)
#define _ttol(text) npipe_wcstol((text), NULL, 10)
#define _ttoi64(text) npipe_wcstoll((text), NULL, 10)
#define _istdigit(unit) ((unit) < 128 && isdigit((int)(unit)))
#define _istspace(unit) ((unit) < 128 && isspace((int)(unit)))
#define _istalpha(unit) ((unit) < 128 && isalpha((int)(unit)))
#define _istalnum(unit) ((unit) < 128 && isalnum((int)(unit)))

/* The arguments of a program in wide form; they live as long as it does. */
NPIPE_INLINE WCHAR **npipe_wide_arguments(int count, char **arguments)
{
    WCHAR **wide = (WCHAR **)calloc((size_t)count + 1, sizeof(*wide));
    int index;
    if (!wide)
        abort();
    for (index = 0; index < count; index++)
        wide[index] = npipe_widen(arguments[index]);
    return wide;
}

/* The system calls main; the program has wmain, with or without parameters. */
#ifdef __cplusplus
inline int npipe_enter(int (*entry)(), int, char **) { return entry(); }
template <class Text> int npipe_enter(int (*entry)(int, Text **), int count, char **arguments)
{
    return entry(count, const_cast<Text **>(npipe_wide_arguments(count, arguments)));
}
template <class Text> int npipe_enter(int (*entry)(int, Text **, Text **), int count, char **arguments)
{
    static Text *none[] = { nullptr };
    return entry(count, const_cast<Text **>(npipe_wide_arguments(count, arguments)), none);
}
#define NPIPE_ENTER(entry, count, arguments) npipe_enter(entry, count, arguments)
#else
/* A function that takes fewer arguments leaves the others alone. */
NPIPE_INLINE int npipe_enter(void (*entry)(void), int count, char **arguments)
{
    int (*wide_entry)(int, WCHAR **, WCHAR **) = (int (*)(int, WCHAR **, WCHAR **))entry;
    return wide_entry(count, npipe_wide_arguments(count, arguments), npipe_wide_arguments(0, NULL));
}
#define NPIPE_ENTER(entry, count, arguments) npipe_enter((void (*)(void))(entry), count, arguments)
#endif
#define NPIPE_ENTRY(...) \
    npipe_wmain(__VA_ARGS__); \
    int main(int npipe_count, char **npipe_arguments) \
    { \
        return NPIPE_ENTER(npipe_wmain, npipe_count, npipe_arguments); \
    } \
    int npipe_wmain(__VA_ARGS__)
#define _tmain(...) NPIPE_ENTRY(__VA_ARGS__)
#define wmain(...) NPIPE_ENTRY(__VA_ARGS__)

#else
#define NPIPE_T(text) text
typedef char _TCHAR;
typedef signed char _TSCHAR;
typedef unsigned char _TUCHAR, _TXCHAR;
#define _tmain main
#define _tprintf printf
#define _ftprintf fprintf
#define _stprintf sprintf
#define _sntprintf snprintf
#define _stprintf_s sprintf_s
#define _vtprintf vprintf
#define _vftprintf vfprintf
#define _vsntprintf vsnprintf
#define _vstprintf_s vsprintf_s
#define _tcslen strlen
#define _tcsnlen strnlen
#define _tcscpy strcpy
#define _tcsncpy strncpy
#define _tcscat strcat
#define _tcsncat strncat
#define _tcscmp strcmp
#define _tcsncmp strncmp
#define _tcsicmp strcasecmp
#define _tcsnicmp strncasecmp
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcsstr strstr
#define _tcsdup strdup
#define _tcstol strtol
#define _tcstoul strtoul
#define _tcstod strtod
#define _totlower tolower
#define _totupper toupper
#define _puttchar putchar
#define _putts puts
#define _fputts fputs
#define _fgetts fgets
#define _tfopen fopen
#define _tprintf_s printf_s
#define _tscanf scanf
#define _ftscanf fscanf
#define _stscanf sscanf
#define _tscanf_s scanf_s
#define _ftscanf_s fscanf_s
#define _stscanf_s sscanf_s
#define _ftprintf_s fprintf_s
#define _sntprintf_s _snprintf_s
#define _vsntprintf_s _vsnprintf_s
#define _tcscpy_s strcpy_s
#define _tcsncpy_s strncpy_s
#define _tcscat_s strcat_s
#define _tcsncat_s strncat_s
#define _tfopen_s fopen_s
#define _itot _itoa
#define _itot_s _itoa_s
#define _ttoi atoi
#define _tstoi atoi
#define _ttol atol
#define _ttoi64 atoll
#define _istdigit isdigit
#define _istspace isspace
#define _istalpha isalpha
#define _istalnum isalnum
#endif

#endif
