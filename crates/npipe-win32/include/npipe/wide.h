/* Texts of WCHAR: lengths, copies, and formats in Microsoft's meaning.
 *
 * The C library's own wide functions work on 32 bits and cannot be used with these. In a wide format %s and %c take wide
 * arguments and %S and %C narrow ones; h makes them narrow and l or w wide; l before a number means 32 bits, as it does
 * where these formats come from, and I64 or ll 64. What is written to a stream goes out as UTF-8.
 */
#ifndef NPIPE_WIDE_H
#define NPIPE_WIDE_H

#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#include <npipe/units.h>

/* As winbase.h has them. */
#define NPIPE_UTF8 65001u
NPIPE_BEGIN
int MultiByteToWideChar(unsigned page, unsigned flags, const char *text, int length, WCHAR *to, int size);
int WideCharToMultiByte(unsigned page, unsigned flags, const WCHAR *text, int length, char *to, int size,
                        const char *fallback, int *used_fallback);
NPIPE_END

NPIPE_INLINE size_t npipe_wcslen(const WCHAR *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

NPIPE_INLINE size_t npipe_wcsnlen(const WCHAR *text, size_t most)
{
    size_t length = 0;
    while (length < most && text[length])
        length++;
    return length;
}

NPIPE_INLINE WCHAR *npipe_wcscpy(WCHAR *to, const WCHAR *from)
{
    memcpy(to, from, (npipe_wcslen(from) + 1) * sizeof(WCHAR));
    return to;
}

NPIPE_INLINE WCHAR *npipe_wcsncpy(WCHAR *to, const WCHAR *from, size_t count)
{
    size_t index = 0;
    for (; index < count && from[index]; index++)
        to[index] = from[index];
    for (; index < count; index++)
        to[index] = 0;
    return to;
}

NPIPE_INLINE WCHAR *npipe_wcscat(WCHAR *to, const WCHAR *from)
{
    npipe_wcscpy(to + npipe_wcslen(to), from);
    return to;
}

NPIPE_INLINE WCHAR *npipe_wcsncat(WCHAR *to, const WCHAR *from, size_t count)
{
    size_t length = npipe_wcsnlen(from, count);
    WCHAR *end = to + npipe_wcslen(to);
    memcpy(end, from, length * sizeof(WCHAR));
    end[length] = 0;
    return to;
}

NPIPE_INLINE int npipe_wcsncmp(const WCHAR *one, const WCHAR *other, size_t count)
{
    for (; count; one++, other++, count--)
        if (*one != *other || !*one)
            return (int)*one - (int)*other;
    return 0;
}

NPIPE_INLINE int npipe_wcscmp(const WCHAR *one, const WCHAR *other) { return npipe_wcsncmp(one, other, (size_t)-1); }

NPIPE_INLINE WCHAR npipe_towlower(WCHAR unit) { return unit >= 'A' && unit <= 'Z' ? (WCHAR)(unit + 32) : unit; }
NPIPE_INLINE WCHAR npipe_towupper(WCHAR unit) { return unit >= 'a' && unit <= 'z' ? (WCHAR)(unit - 32) : unit; }

/* Case of ASCII letters, as in the C locale. */
NPIPE_INLINE int npipe_wcsnicmp(const WCHAR *one, const WCHAR *other, size_t count)
{
    for (; count; one++, other++, count--)
    {
        WCHAR a = npipe_towlower(*one), b = npipe_towlower(*other);
        if (a != b || !a)
            return (int)a - (int)b;
    }
    return 0;
}

NPIPE_INLINE int npipe_wcsicmp(const WCHAR *one, const WCHAR *other) { return npipe_wcsnicmp(one, other, (size_t)-1); }

NPIPE_INLINE WCHAR *npipe_wcschr(const WCHAR *text, WCHAR unit)
{
    for (;; text++)
    {
        if (*text == unit)
            return (WCHAR *)text;
        if (!*text)
            return NULL;
    }
}

NPIPE_INLINE WCHAR *npipe_wcsrchr(const WCHAR *text, WCHAR unit)
{
    const WCHAR *found = NULL;
    for (;; text++)
    {
        if (*text == unit)
            found = text;
        if (!*text)
            return (WCHAR *)found;
    }
}

NPIPE_INLINE WCHAR *npipe_wcsstr(const WCHAR *text, const WCHAR *part)
{
    size_t length = npipe_wcslen(part);
    for (;; text++)
    {
        if (npipe_wcsncmp(text, part, length) == 0)
            return (WCHAR *)text;
        if (!*text)
            return NULL;
    }
}

NPIPE_INLINE WCHAR *npipe_wcsdup(const WCHAR *text)
{
    size_t bytes = (npipe_wcslen(text) + 1) * sizeof(WCHAR);
    WCHAR *copy = (WCHAR *)malloc(bytes);
    return copy ? (WCHAR *)memcpy(copy, text, bytes) : NULL;
}

/* A number's characters are ASCII: enough of them for the narrow functions to read. */
NPIPE_INLINE size_t npipe_narrow_number(char *to, size_t size, const WCHAR *text)
{
    size_t length = 0;
    for (; length + 1 < size && text[length] && text[length] < 128; length++)
        to[length] = (char)text[length];
    to[length] = 0;
    return length;
}

/* The narrow function for each kind of number. */
#define NPIPE_WIDE_NUMBER(name, type, narrow_call, parameters) \
    NPIPE_INLINE type name parameters \
    { \
        char narrow[128], *narrow_end; \
        type value; \
        npipe_narrow_number(narrow, sizeof(narrow), text); \
        value = narrow_call; \
        if (end) \
            *end = (WCHAR *)text + (narrow_end - narrow); \
        return value; \
    }
#define NPIPE_WIDE_INTEGER(letters, type) \
    NPIPE_WIDE_NUMBER(npipe_wcsto##letters, type, strto##letters(narrow, &narrow_end, base), \
                      (const WCHAR *text, WCHAR **end, int base))
#define NPIPE_WIDE_REAL(letters, type) \
    NPIPE_WIDE_NUMBER(npipe_wcsto##letters, type, strto##letters(narrow, &narrow_end), (const WCHAR *text, WCHAR **end))
NPIPE_WIDE_INTEGER(l, long)
NPIPE_WIDE_INTEGER(ul, unsigned long)
NPIPE_WIDE_INTEGER(ll, long long)
NPIPE_WIDE_INTEGER(ull, unsigned long long)
NPIPE_WIDE_REAL(f, float)
NPIPE_WIDE_REAL(d, double)
NPIPE_WIDE_REAL(ld, long double)

/* A copy in UTF-8, to be freed. */
NPIPE_INLINE char *npipe_narrow(const WCHAR *text)
{
    int size = WideCharToMultiByte(NPIPE_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *narrow = (char *)malloc(size > 0 ? (size_t)size : 1);
    if (narrow && WideCharToMultiByte(NPIPE_UTF8, 0, text, -1, narrow, size, NULL, NULL) == 0)
        *narrow = 0;
    return narrow;
}

/* A copy of a text in UTF-8, to be freed. */
NPIPE_INLINE WCHAR *npipe_widen(const char *text)
{
    int size = MultiByteToWideChar(NPIPE_UTF8, 0, text, -1, NULL, 0);
    WCHAR *wide = (WCHAR *)malloc(size > 0 ? (size_t)size * sizeof(WCHAR) : sizeof(WCHAR));
    if (wide && MultiByteToWideChar(NPIPE_UTF8, 0, text, -1, wide, size) == 0)
        *wide = 0;
    return wide;
}

/* Where formatted text goes; what does not fit is counted. */
typedef struct { WCHAR *to; size_t size, length; } npipe_sink;

NPIPE_INLINE void npipe_put(npipe_sink *sink, WCHAR unit)
{
    if (sink->length + 1 < sink->size)
        sink->to[sink->length] = unit;
    sink->length++;
}

/* One conversion of a format. */
typedef struct { int left, zero, wide, bits, width, precision; char flags[8]; } npipe_conversion;

NPIPE_INLINE void npipe_put_text(npipe_sink *sink, const npipe_conversion *conversion, const WCHAR *text, size_t length)
{
    size_t padding = conversion->width > 0 && (size_t)conversion->width > length ? conversion->width - length : 0;
    size_t index;
    for (index = 0; !conversion->left && index < padding; index++)
        npipe_put(sink, conversion->zero ? '0' : ' ');
    for (index = 0; index < length; index++)
        npipe_put(sink, text[index]);
    for (index = 0; conversion->left && index < padding; index++)
        npipe_put(sink, ' ');
}

NPIPE_INLINE void npipe_put_narrow(npipe_sink *sink, const npipe_conversion *conversion, const char *text)
{
    WCHAR *wide = npipe_widen(text);
    if (wide)
        npipe_put_text(sink, conversion, wide,
                       npipe_wcsnlen(wide, conversion->precision < 0 ? (size_t)-1 : (size_t)conversion->precision));
    free(wide);
}

/* The arguments, in a form that can be handed on while they are used up. */
typedef struct { va_list list; } npipe_arguments;

/* A number of a format, or a star that stands for one. */
NPIPE_INLINE const WCHAR *npipe_parse_number(const WCHAR *format, int *number, npipe_arguments *arguments)
{
    *number = 0;
    if (*format == '*')
    {
        *number = va_arg(arguments->list, int);
        return format + 1;
    }
    for (; *format >= '0' && *format <= '9'; format++)
        *number = *number * 10 + (*format - '0');
    return format;
}

/* The flags, width, precision and size of a conversion; what follows is its letter. */
NPIPE_INLINE const WCHAR *npipe_parse(const WCHAR *format, npipe_conversion *conversion, npipe_arguments *arguments)
{
    size_t flags = 0;
    memset(conversion, 0, sizeof(*conversion));
    conversion->bits = 32;
    for (; *format == '-' || *format == '+' || *format == ' ' || *format == '#' || *format == '0'; format++)
    {
        conversion->left |= *format == '-';
        conversion->zero |= *format == '0';
        if (flags + 1 < sizeof(conversion->flags))
            conversion->flags[flags++] = (char)*format;
    }
    format = npipe_parse_number(format, &conversion->width, arguments);
    if (conversion->width < 0)
    {
        conversion->left = 1;
        conversion->width = -conversion->width;
        if (flags + 1 < sizeof(conversion->flags))
            conversion->flags[flags++] = '-';
    }
    conversion->precision = -1;
    if (*format == '.')
        format = npipe_parse_number(format + 1, &conversion->precision, arguments);
    for (;; format++)
    {
        if (*format == 'h')
            conversion->wide = -1, conversion->bits = conversion->bits == 16 ? 8 : 16;
        else if (*format == 'l')
            conversion->bits = conversion->wide > 0 ? 64 : 32, conversion->wide = 1;
        else if (*format == 'w')
            conversion->wide = 1;
        else if (*format == 'I' && format[1] == '6' && format[2] == '4')
            conversion->bits = 64, format += 2;
        else if (*format == 'I' && format[1] == '3' && format[2] == '2')
            format += 2;
        else if (*format == 'I' || *format == 'z' || *format == 'j' || *format == 't')
            conversion->bits = 64;
        else if (*format == 'L')
            conversion->bits = 128;
        else
            return format;
    }
}

NPIPE_INLINE void npipe_put_integer(npipe_sink *sink, const npipe_conversion *conversion, char letter, long long value)
{
    char narrow[16 + sizeof(conversion->flags)], text[600];
    const char *digit = text;
    WCHAR wide[600];
    size_t length = 0;
    npipe_conversion bare = *conversion;
    int is_signed = letter == 'd' || letter == 'i';
    if (conversion->bits == 32)
        value = is_signed ? (long long)(int)value : (long long)(unsigned)value;
    else if (conversion->bits == 16)
        value = is_signed ? (long long)(short)value : (long long)(unsigned short)value;
    else if (conversion->bits == 8)
        value = is_signed ? (long long)(signed char)value : (long long)(unsigned char)value;
    if (bare.width > 500)
        bare.width = 500;
    if (bare.precision > 500)
        bare.precision = 500;
    snprintf(narrow, sizeof(narrow), "%%%s*.*ll%c", conversion->flags, letter);
    snprintf(text, sizeof(text), narrow, bare.width, bare.precision, value);
    for (; *digit; digit++)
        wide[length++] = (WCHAR)(unsigned char)*digit;
    bare.width = 0;
    npipe_put_text(sink, &bare, wide, length);
}

NPIPE_INLINE void npipe_put_real(npipe_sink *sink, const npipe_conversion *conversion, char letter, double value)
{
    char narrow[16 + sizeof(conversion->flags)], text[1200];
    const char *digit = text;
    snprintf(narrow, sizeof(narrow), "%%%s*.*%c", conversion->flags, letter);
    snprintf(text, sizeof(text), narrow, conversion->width > 500 ? 500 : conversion->width,
             conversion->precision > 500 ? 500 : conversion->precision, value);
    for (; *digit; digit++)
        npipe_put(sink, (WCHAR)(unsigned char)*digit);
}

/* One converted argument. */
NPIPE_INLINE void npipe_convert(npipe_sink *sink, npipe_conversion *conversion, WCHAR letter, npipe_arguments *arguments)
{
    static const WCHAR nothing[] = { '(', 'n', 'u', 'l', 'l', ')', 0 };
    switch (letter)
    {
    case '%':
        npipe_put(sink, '%');
        break;
    case 'd': case 'i': case 'u': case 'x': case 'X': case 'o':
        npipe_put_integer(sink, conversion, (char)letter,
                          conversion->bits == 64 ? va_arg(arguments->list, long long)
                                                 : (long long)va_arg(arguments->list, int));
        break;
    case 'p':
        conversion->bits = 64;
        conversion->precision = 2 * sizeof(void *);
        npipe_put_integer(sink, conversion, 'X', (long long)(uintptr_t)va_arg(arguments->list, void *));
        break;
    case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A':
        npipe_put_real(sink, conversion, (char)letter,
                       conversion->bits == 128 ? (double)va_arg(arguments->list, long double)
                                               : va_arg(arguments->list, double));
        break;
    case 'c': case 'C':
    {
        WCHAR unit = (WCHAR)va_arg(arguments->list, int);
        npipe_put_text(sink, conversion, &unit, 1);
        break;
    }
    case 's': case 'S':
        if (conversion->wide > 0 || (conversion->wide == 0 && letter == 's'))
        {
            const WCHAR *text = va_arg(arguments->list, const WCHAR *);
            size_t most = conversion->precision < 0 ? (size_t)-1 : (size_t)conversion->precision;
            if (!text)
                text = nothing;
            npipe_put_text(sink, conversion, text, npipe_wcsnlen(text, most));
        }
        else
        {
            const char *text = va_arg(arguments->list, const char *);
            npipe_put_narrow(sink, conversion, text ? text : "(null)");
        }
        break;
    default:
        npipe_put(sink, '%');
        npipe_put(sink, letter);
    }
}

/* Formats into `size` units with a zero at the end, and returns how many units the whole takes without it. */
NPIPE_INLINE size_t npipe_vformat(WCHAR *to, size_t size, const WCHAR *format, va_list list)
{
    npipe_sink sink = { to, size, 0 };
    npipe_arguments arguments;
    va_copy(arguments.list, list);
    for (; *format; format++)
    {
        npipe_conversion conversion;
        if (*format != '%')
        {
            npipe_put(&sink, *format);
            continue;
        }
        format = npipe_parse(format + 1, &conversion, &arguments);
        if (!*format)
            break;
        npipe_convert(&sink, &conversion, *format, &arguments);
    }
    va_end(arguments.list);
    if (size)
        to[sink.length < size ? sink.length : size - 1] = 0;
    return sink.length;
}

/* As snprintf; Microsoft's older functions return -1 for what does not fit. */
NPIPE_INLINE int npipe_vsnwprintf(WCHAR *to, size_t size, const WCHAR *format, va_list arguments)
{
    size_t length = npipe_vformat(to, size, format, arguments);
    return length < size ? (int)length : -1;
}

NPIPE_INLINE int npipe_snwprintf(WCHAR *to, size_t size, const WCHAR *format, ...)
{
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = npipe_vsnwprintf(to, size, format, arguments);
    va_end(arguments);
    return length;
}

NPIPE_INLINE int npipe_swprintf(WCHAR *to, const WCHAR *format, ...)
{
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = (int)npipe_vformat(to, (size_t)-1 / sizeof(WCHAR), format, arguments);
    va_end(arguments);
    return length;
}

NPIPE_INLINE int npipe_fputws(const WCHAR *text, FILE *stream)
{
    char *narrow = npipe_narrow(text);
    int result = narrow ? fputs(narrow, stream) : EOF;
    free(narrow);
    return result;
}

NPIPE_INLINE int npipe_vfwprintf(FILE *stream, const WCHAR *format, va_list arguments)
{
    va_list again;
    size_t length;
    WCHAR *text;
    int result;
    va_copy(again, arguments);
    length = npipe_vformat(NULL, 0, format, again);
    va_end(again);
    text = (WCHAR *)malloc((length + 1) * sizeof(WCHAR));
    if (!text)
        return -1;
    npipe_vformat(text, length + 1, format, arguments);
    result = npipe_fputws(text, stream) < 0 ? -1 : (int)length;
    free(text);
    return result;
}

NPIPE_INLINE int npipe_fwprintf(FILE *stream, const WCHAR *format, ...)
{
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = npipe_vfwprintf(stream, format, arguments);
    va_end(arguments);
    return length;
}

NPIPE_INLINE int npipe_wprintf(const WCHAR *format, ...)
{
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = npipe_vfwprintf(stdout, format, arguments);
    va_end(arguments);
    return length;
}

NPIPE_INLINE int npipe_vwprintf(const WCHAR *format, va_list arguments)
{
    return npipe_vfwprintf(stdout, format, arguments);
}

/* A line of UTF-8, at most `size` units with its zero. */
NPIPE_INLINE WCHAR *npipe_fgetws(WCHAR *to, int size, FILE *stream)
{
    char *narrow = size > 0 ? (char *)malloc((size_t)size) : NULL;
    WCHAR *wide = NULL;
    if (narrow && fgets(narrow, size, stream) && (wide = npipe_widen(narrow)) != NULL)
        npipe_wcscpy(to, wide);
    free(narrow);
    free(wide);
    return wide ? to : NULL;
}

NPIPE_INLINE int npipe_putwchar(WCHAR unit)
{
    WCHAR text[2];
    text[0] = unit;
    text[1] = 0;
    return npipe_fputws(text, stdout) < 0 ? EOF : (int)unit;
}

NPIPE_INLINE int npipe_putws(const WCHAR *text)
{
    return npipe_fputws(text, stdout) < 0 ? EOF : putchar('\n');
}

NPIPE_INLINE FILE *npipe_wfopen(const WCHAR *path, const WCHAR *mode)
{
    char *narrow_path = npipe_narrow(path), *narrow_mode = npipe_narrow(mode);
    FILE *stream = narrow_path && narrow_mode ? fopen(narrow_path, narrow_mode) : NULL;
    free(narrow_path);
    free(narrow_mode);
    return stream;
}

/* wsprintf has room for 1024 units, whatever the buffer. */
#define wsprintfA sprintf
#define wsprintfW npipe_swprintf
#define wvsprintfA vsprintf
#ifdef UNICODE
#define wsprintf wsprintfW
#else
#define wsprintf wsprintfA
#endif

/* With wchar_t of 16 bits (gcc -fshort-wchar) programs may use the standard's names: those of the C library would read
 * twice as far. */
#if __SIZEOF_WCHAR_T__ == 2
NPIPE_INLINE WCHAR *npipe_wmemcpy(WCHAR *to, const WCHAR *from, size_t count)
{
    return (WCHAR *)memcpy(to, from, count * sizeof(WCHAR));
}

NPIPE_INLINE WCHAR *npipe_wmemmove(WCHAR *to, const WCHAR *from, size_t count)
{
    return (WCHAR *)memmove(to, from, count * sizeof(WCHAR));
}

NPIPE_INLINE WCHAR *npipe_wmemset(WCHAR *to, WCHAR unit, size_t count)
{
    size_t index;
    for (index = 0; index < count; index++)
        to[index] = unit;
    return to;
}

NPIPE_INLINE int npipe_wmemcmp(const WCHAR *one, const WCHAR *other, size_t count)
{
    for (; count; one++, other++, count--)
        if (*one != *other)
            return *one < *other ? -1 : 1;
    return 0;
}

NPIPE_INLINE WCHAR *npipe_wmemchr(const WCHAR *text, WCHAR unit, size_t count)
{
    for (; count; text++, count--)
        if (*text == unit)
            return (WCHAR *)text;
    return NULL;
}

#ifdef __cplusplus
#include <cwchar>
/* Headers of the C++ library say std:: before the names. */
namespace std {
using ::npipe_fgetws;
using ::npipe_fputws;
using ::npipe_fwprintf;
using ::npipe_putws;
using ::npipe_snwprintf;
using ::npipe_vfwprintf;
using ::npipe_vsnwprintf;
using ::npipe_vwprintf;
using ::npipe_wcscat;
using ::npipe_wcschr;
using ::npipe_wcscmp;
using ::npipe_wcscpy;
using ::npipe_wcsdup;
using ::npipe_wcslen;
using ::npipe_wcsncat;
using ::npipe_wcsncmp;
using ::npipe_wcsncpy;
using ::npipe_wcsnlen;
using ::npipe_wcsrchr;
using ::npipe_wcsstr;
using ::npipe_wcstod;
using ::npipe_wcstof;
using ::npipe_wcstol;
using ::npipe_wcstold;
using ::npipe_wcstoll;
using ::npipe_wcstoul;
using ::npipe_wcstoull;
using ::npipe_wmemchr;
using ::npipe_wmemcmp;
using ::npipe_wmemcpy;
using ::npipe_wmemmove;
using ::npipe_wmemset;
using ::npipe_wprintf;
}
#endif
#define wcslen npipe_wcslen
#define wcsnlen npipe_wcsnlen
#define wcscpy npipe_wcscpy
#define wcsncpy npipe_wcsncpy
#define wcscat npipe_wcscat
#define wcsncat npipe_wcsncat
#define wcscmp npipe_wcscmp
#define wcsncmp npipe_wcsncmp
#define wcschr npipe_wcschr
#define wcsrchr npipe_wcsrchr
#define wcsstr npipe_wcsstr
#define wcsdup npipe_wcsdup
#define wmemcpy npipe_wmemcpy
#define wmemmove npipe_wmemmove
#define wmemset npipe_wmemset
#define wmemcmp npipe_wmemcmp
#define wmemchr npipe_wmemchr
#define wprintf npipe_wprintf
#define fwprintf npipe_fwprintf
#define vwprintf npipe_vwprintf
#define vfwprintf npipe_vfwprintf
#define swprintf npipe_snwprintf
#define vswprintf npipe_vsnwprintf
#define fputws npipe_fputws
#define fgetws npipe_fgetws
#define _putws npipe_putws
#define wcstol npipe_wcstol
#define wcstoul npipe_wcstoul
#define wcstoll npipe_wcstoll
#define wcstoull npipe_wcstoull
#define wcstof npipe_wcstof
#define wcstod npipe_wcstod
#define wcstold npipe_wcstold
#endif
#define _wcsicmp npipe_wcsicmp
#define _wcsnicmp npipe_wcsnicmp
#define _wcsdup npipe_wcsdup
#define _snwprintf npipe_snwprintf
#define _vsnwprintf npipe_vsnwprintf
#define _wfopen npipe_wfopen

#endif
