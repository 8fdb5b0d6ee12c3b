/* Narrow formats with wide arguments and Microsoft's sizes: %S, %ls, %ws, %C, %I64d.
 *
 * A format without any of these goes to the C library as it is, in which l means `long`. With one of these, a wide text is
 * of WCHAR, written as UTF-8.
 */
#ifndef NPIPE_NARROW_H
#define NPIPE_NARROW_H

#ifdef __cplusplus
/* It takes the macros below away, so it comes before. */
#include <cstdio>
#endif

#include <npipe/wide.h>

/* One conversion, from its % on. */
typedef struct { const char *end; size_t flags; char letter; int wide, sized, bits, stars; } npipe_narrow_conversion;

NPIPE_INLINE npipe_narrow_conversion npipe_look(const char *format)
{
    npipe_narrow_conversion found;
    memset(&found, 0, sizeof(found));
    found.end = format + 1;
    for (; *found.end && strchr("-+ #0123456789.*", *found.end); found.end++)
        found.stars += *found.end == '*';
    found.flags = (size_t)(found.end - format);
    for (; *found.end && strchr("hlwIzjtLq", *found.end); found.end++)
    {
        if (*found.end == 'w' || *found.end == 'l')
            found.wide++;
        else if (*found.end == 'h')
            found.wide--;
        else if (*found.end == 'I')
        {
            found.sized = 1;
            found.bits = sizeof(void *) * 8;
            if ((found.end[1] == '6' && found.end[2] == '4') || (found.end[1] == '3' && found.end[2] == '2'))
            {
                found.bits = found.end[1] == '6' ? 64 : 32;
                found.end += 2;
            }
        }
    }
    found.letter = *found.end;
    if (found.letter == 'S' || found.letter == 'C')
        found.wide = found.wide >= 0;
    else if (found.letter == 's' || found.letter == 'c')
        found.wide = found.wide > 0;
    else
        found.wide = 0;
    return found;
}

/* Whether the C library knows all of a format. */
NPIPE_INLINE int npipe_is_plain(const char *format)
{
    while ((format = strchr(format, '%')) != NULL)
    {
        npipe_narrow_conversion found = npipe_look(format);
        if (found.wide || found.sized || found.letter == 'S' || found.letter == 'C')
            return 0;
        if (!found.letter)
            return 1;
        format = found.end + 1;
    }
    return 1;
}

/* Where formatted text goes; what does not fit is counted. */
typedef struct { char *to; size_t size, length; } npipe_narrow_sink;

/* One argument, by a format of the C library's; `before` are the numbers for its stars. */
#define NPIPE_NARROW_PUT(sink, spec, stars, before, value) \
    do { \
        char *npipe_to = (sink)->length < (sink)->size ? (sink)->to + (sink)->length : NULL; \
        size_t npipe_room = npipe_to ? (sink)->size - (sink)->length : 0; \
        int npipe_length = (stars) == 2 ? snprintf(npipe_to, npipe_room, spec, before[0], before[1], value) \
                           : (stars) == 1 ? snprintf(npipe_to, npipe_room, spec, before[0], value) \
                                          : snprintf(npipe_to, npipe_room, spec, value); \
        if (npipe_length > 0) \
            (sink)->length += (size_t)npipe_length; \
    } while (0)

NPIPE_INLINE void npipe_narrow_text(npipe_narrow_sink *sink, const char *spec, int stars, const int *before,
                                    const WCHAR *text, int single)
{
    WCHAR unit[2];
    char *narrow;
    unit[0] = text ? *text : 0;
    unit[1] = 0;
    narrow = text ? npipe_narrow(single ? unit : text) : NULL;
    NPIPE_NARROW_PUT(sink, spec, stars, before, text ? (narrow ? narrow : "") : "(null)");
    free(narrow);
}

NPIPE_INLINE void npipe_narrow_convert(npipe_narrow_sink *sink, const char *format, const npipe_narrow_conversion *found,
                                       npipe_arguments *arguments)
{
    char spec[40];
    int before[2] = { 0, 0 }, index;
    size_t length = found->flags < 32 ? found->flags : 32;
    char letter = found->letter == 'S' || found->letter == 'C' ? (char)(found->letter + 32) : found->letter;
    memcpy(spec, format, length);
    for (index = 0; index < found->stars && index < 2; index++)
        before[index] = va_arg(arguments->list, int);
    if (found->wide)
    {
        WCHAR unit;
        strcpy(spec + length, "s");
        if (letter == 's')
        {
            npipe_narrow_text(sink, spec, found->stars, before, va_arg(arguments->list, const WCHAR *), 0);
            return;
        }
        unit = (WCHAR)va_arg(arguments->list, int);
        npipe_narrow_text(sink, spec, found->stars, before, &unit, 1);
        return;
    }
    if (!found->sized)
    {
        /* With its sizes, but for an h before a text. */
        const char *sizes = format + found->flags;
        size_t more = (size_t)(found->end - sizes);
        if (letter == 's' || letter == 'c' || more > 3)
            more = 0;
        memcpy(spec + length, sizes, more);
        length += more;
    }
    else if (found->bits == 64)
        spec[length++] = 'l', spec[length++] = 'l';
    spec[length++] = letter;
    spec[length] = 0;
    switch (letter)
    {
    case '%':
        strcpy(spec, "%c");
        NPIPE_NARROW_PUT(sink, spec, 0, before, '%');
        break;
    case 's':
        NPIPE_NARROW_PUT(sink, spec, found->stars, before, va_arg(arguments->list, const char *));
        break;
    case 'p':
        NPIPE_NARROW_PUT(sink, spec, found->stars, before, va_arg(arguments->list, void *));
        break;
    case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A':
        if (format[found->flags] == 'L')
            NPIPE_NARROW_PUT(sink, spec, found->stars, before, va_arg(arguments->list, long double));
        else
            NPIPE_NARROW_PUT(sink, spec, found->stars, before, va_arg(arguments->list, double));
        break;
    case 'c': case 'd': case 'i': case 'u': case 'x': case 'X': case 'o':
        if (found->bits == 64 || (!found->sized && strpbrk(spec, "lzjtq")))
            NPIPE_NARROW_PUT(sink, spec, found->stars, before, va_arg(arguments->list, long long));
        else
            NPIPE_NARROW_PUT(sink, spec, found->stars, before, va_arg(arguments->list, int));
        break;
    default:
        break;
    }
}

/* As vsnprintf. */
NPIPE_INLINE int npipe_vsnprintf(char *to, size_t size, const char *format, va_list list)
{
    npipe_narrow_sink sink;
    npipe_arguments arguments;
    if (npipe_is_plain(format))
        return vsnprintf(to, size, format, list);
    sink.to = to;
    sink.size = size;
    sink.length = 0;
    va_copy(arguments.list, list);
    while (*format)
    {
        npipe_narrow_conversion found;
        if (*format != '%')
        {
            if (sink.length + 1 < size)
                to[sink.length] = *format;
            sink.length++;
            format++;
            continue;
        }
        found = npipe_look(format);
        if (!found.letter)
            break;
        npipe_narrow_convert(&sink, format, &found, &arguments);
        format = found.end + 1;
    }
    va_end(arguments.list);
    if (size)
        to[sink.length < size ? sink.length : size - 1] = 0;
    return sink.length > INT32_MAX ? -1 : (int)sink.length;
}

NPIPE_INLINE int npipe_vfprintf(FILE *stream, const char *format, va_list arguments)
{
    va_list again;
    int length;
    char *text;
    if (npipe_is_plain(format))
        return vfprintf(stream, format, arguments);
    va_copy(again, arguments);
    length = npipe_vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = length < 0 ? NULL : (char *)malloc((size_t)length + 1);
    if (!text)
        return -1;
    npipe_vsnprintf(text, (size_t)length + 1, format, arguments);
    if (fwrite(text, 1, (size_t)length, stream) != (size_t)length)
        length = -1;
    free(text);
    return length;
}

/* The bound of the C library's sprintf: none. */
NPIPE_INLINE int npipe_vsprintf(char *to, const char *format, va_list arguments)
{
    return npipe_vsnprintf(to, INT32_MAX, format, arguments);
}

NPIPE_INLINE int npipe_vprintf(const char *format, va_list arguments) { return npipe_vfprintf(stdout, format, arguments); }

#define NPIPE_VARIADIC(name, parameters, last, call) \
    NPIPE_INLINE int name parameters \
    { \
        int length; \
        va_list arguments; \
        va_start(arguments, last); \
        length = call; \
        va_end(arguments); \
        return length; \
    }
NPIPE_VARIADIC(npipe_printf, (const char *format, ...), format, npipe_vfprintf(stdout, format, arguments))
NPIPE_VARIADIC(npipe_fprintf, (FILE *stream, const char *format, ...), format, npipe_vfprintf(stream, format, arguments))
NPIPE_VARIADIC(npipe_sprintf, (char *to, const char *format, ...), format, npipe_vsprintf(to, format, arguments))
NPIPE_VARIADIC(npipe_snprintf, (char *to, size_t size, const char *format, ...), format,
               npipe_vsnprintf(to, size, format, arguments))

#ifdef __cplusplus
namespace std {
using ::npipe_fprintf;
using ::npipe_printf;
using ::npipe_snprintf;
using ::npipe_sprintf;
using ::npipe_vfprintf;
using ::npipe_vprintf;
using ::npipe_vsnprintf;
using ::npipe_vsprintf;
}
#endif
/* Only where they are called: the names stay free for attributes and pointers. */
#define printf(...) npipe_printf(__VA_ARGS__)
#define fprintf(...) npipe_fprintf(__VA_ARGS__)
#define sprintf(...) npipe_sprintf(__VA_ARGS__)
#define snprintf(...) npipe_snprintf(__VA_ARGS__)
#define vprintf(...) npipe_vprintf(__VA_ARGS__)
#define vfprintf(...) npipe_vfprintf(__VA_ARGS__)
#define vsprintf(...) npipe_vsprintf(__VA_ARGS__)
#define vsnprintf(...) npipe_vsnprintf(__VA_ARGS__)

#endif
