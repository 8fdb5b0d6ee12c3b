/* Input by a format: Microsoft's functions that know the size of their buffers, and those for texts of WCHAR.
 *
 * Formats mean what they do in narrow.h and wide.h, so %s is of WCHAR in a wide one and %S in a narrow one, but that l before
 * a number means `long` in both: it is written to the program's variable. What is read is UTF-8; a width counts its bytes,
 * and %c reads ASCII alone into a WCHAR. A text that does not fit ends the input, and leaves an empty one, as Microsoft's do.
 */
#ifndef NPIPE_SCAN_H
#define NPIPE_SCAN_H

#include <npipe/narrow.h>

/* A stream, or what is left of a text; and how much was read of it. */
typedef struct { FILE *stream; const char *text; int consumed; } npipe_source;

/* One conversion, from its % on. */
typedef struct { const char *width, *end; size_t width_length; char letter; int skipped, wide, bits, is_text; } npipe_scan_conversion;

NPIPE_INLINE npipe_scan_conversion npipe_scan_look(const char *format, int wide)
{
    npipe_scan_conversion found;
    const char *at = format + 1;
    int wideness = 0;
    memset(&found, 0, sizeof(found));
    found.skipped = *at == '*';
    found.width = at += found.skipped;
    while (*at >= '0' && *at <= '9')
        at++;
    found.width_length = (size_t)(at - found.width);
    for (; *at && strchr("hlwI", *at); at++)
    {
        wideness += *at == 'h' ? -1 : 1;
        if (*at == 'I')
        {
            found.bits = sizeof(void *) * 8;
            if ((at[1] == '6' && at[2] == '4') || (at[1] == '3' && at[2] == '2'))
            {
                found.bits = at[1] == '6' ? 64 : 32;
                at += 2;
            }
        }
    }
    found.end = *at ? at + 1 : at;
    found.letter = *at;
    found.is_text = *at && strchr("sScC[", *at) != NULL;
    if (*at == 'S' || *at == 'C')
        wide = !wide;
    found.wide = wideness ? wideness > 0 : wide;
    if (*at == '[')
    {
        /* A bracket that comes first is one of the set. */
        at += at[1] == '^' ? 2 : 1;
        at += *at == ']';
        while (*at && *at != ']')
            at++;
        found.end = *at ? at + 1 : at;
    }
    return found;
}

/* The C library's form of a conversion; texts that end with a zero are allocated. */
NPIPE_INLINE void npipe_scan_spec(char *to, const npipe_scan_conversion *found)
{
    const char *rest = found->width + found->width_length;
    char *end = to;
    *end++ = '%';
    if (found->skipped)
        *end++ = '*';
    memcpy(end, found->width, found->width_length);
    end += found->width_length;
    if (found->is_text)
    {
        if (!found->skipped && found->letter != 'c' && found->letter != 'C')
            *end++ = 'm';
        while (*rest != found->letter)
            rest++;
        *end++ = found->letter == 'S' ? 's' : found->letter == 'C' ? 'c' : *rest;
        rest++;
    }
    else if (found->bits)
    {
        if (found->bits == 64)
            *end++ = 'l', *end++ = 'l';
        rest = found->end - (found->letter != 0);
    }
    memcpy(end, rest, (size_t)(found->end - rest));
    end[found->end - rest] = 0;
}

/* Reads what a part of a format says, one conversion at most: 1, 0 for something else, EOF. */
NPIPE_INLINE int npipe_scan_part(npipe_source *source, char *part, void *to)
{
    int used = -1, result;
    strcat(part, "%n");
    if (source->stream)
        result = to ? fscanf(source->stream, part, to, &used) : fscanf(source->stream, part, &used);
    else
        result = to ? sscanf(source->text, part, to, &used) : sscanf(source->text, part, &used);
    if (used < 0)
        return result == EOF ? EOF : 0;
    source->consumed += used;
    if (!source->stream)
        source->text += used;
    return 1;
}

/* Units of a single letter's conversion, which have no end. */
NPIPE_INLINE int npipe_scan_units(const char *units, size_t count, int wide, void *to, size_t room)
{
    size_t index;
    if (count > room)
        return 0;
    for (index = 0; index < count; index++)
    {
        if (!wide)
            ((char *)to)[index] = units[index];
        else if ((unsigned char)units[index] < 128)
            ((WCHAR *)to)[index] = (WCHAR)units[index];
        else
            return 0;
    }
    return 1;
}

NPIPE_INLINE int npipe_scan_text(const char *text, int wide, void *to, size_t room)
{
    WCHAR *units = wide ? npipe_widen(text) : NULL;
    size_t length = units ? npipe_wcslen(units) : strlen(text), size = units ? sizeof(WCHAR) : 1;
    int fits = length < room && (units || !wide);
    if (fits)
        memcpy(to, units ? (const void *)units : text, (length + 1) * size);
    else if (room)
        memset(to, 0, wide ? sizeof(WCHAR) : 1);
    free(units);
    return fits;
}

/* Reads a text into the program's buffer. */
NPIPE_INLINE int npipe_scan_into(npipe_source *source, char *part, const npipe_scan_conversion *found, void *to, size_t room)
{
    int is_units = found->letter == 'c' || found->letter == 'C', result;
    size_t width = found->width_length ? (size_t)strtoul(found->width, NULL, 10) : 1;
    char *got = is_units ? (char *)malloc(width) : NULL;
    if (is_units && !got)
        return 0;
    result = npipe_scan_part(source, part, is_units ? (void *)got : (void *)&got);
    if (result == 1)
        result = is_units ? npipe_scan_units(got, width, found->wide, to, room) : npipe_scan_text(got, found->wide, to, room);
    free(got);
    return result;
}

/* The next part of a format, up to one conversion; `sized` buffers have their sizes behind them. */
NPIPE_INLINE int npipe_scan_next(npipe_source *source, const char **format, char *part, int sized, int wide,
                                 npipe_arguments *arguments, int *count)
{
    npipe_scan_conversion found;
    const char *at = *format;
    size_t length;
    void *to;
    int result;
    while (*at && (*at != '%' || at[1] == '%'))
        at += *at == '%' ? 2 : 1;
    length = (size_t)(at - *format);
    memcpy(part, *format, length);
    part[length] = 0;
    *format = at;
    if (!*at)
        return npipe_scan_part(source, part, NULL);
    found = npipe_scan_look(at, wide);
    *format = found.end;
    if (found.letter == 'n')
    {
        result = npipe_scan_part(source, part, NULL);
        if (result == 1 && !found.skipped)
            *va_arg(arguments->list, int *) = source->consumed;
        return result;
    }
    npipe_scan_spec(part + length, &found);
    if (found.skipped)
        return npipe_scan_part(source, part, NULL);
    to = va_arg(arguments->list, void *);
    if (found.is_text)
        result = npipe_scan_into(source, part, &found, to, sized ? va_arg(arguments->list, unsigned) : (size_t)-1);
    else
        result = npipe_scan_part(source, part, to);
    *count += result == 1;
    return result;
}

NPIPE_INLINE int npipe_scan(npipe_source source, const char *format, int sized, int wide, va_list list)
{
    char *part = format ? (char *)malloc(strlen(format) + 8) : NULL;
    npipe_arguments arguments;
    int count = 0, result = part ? 1 : EOF;
    va_copy(arguments.list, list);
    while (result == 1 && *format)
        result = npipe_scan_next(&source, &format, part, sized, wide, &arguments, &count);
    va_end(arguments.list);
    free(part);
    return count == 0 && result == EOF ? EOF : count;
}

NPIPE_INLINE int npipe_scan_narrow(FILE *stream, const char *format, int sized, va_list list)
{
    npipe_source source = { stream, NULL, 0 };
    return npipe_scan(source, format, sized, 0, list);
}

NPIPE_INLINE int npipe_scan_narrow_text(const char *text, const char *format, int sized, va_list list)
{
    npipe_source source = { NULL, text, 0 };
    return text ? npipe_scan(source, format, sized, 0, list) : EOF;
}

NPIPE_INLINE int npipe_scan_wide(FILE *stream, const WCHAR *format, int sized, va_list list)
{
    npipe_source source = { stream, NULL, 0 };
    char *narrow = format ? npipe_narrow(format) : NULL;
    int count = npipe_scan(source, narrow, sized, 1, list);
    free(narrow);
    return count;
}

NPIPE_INLINE int npipe_scan_wide_text(const WCHAR *text, const WCHAR *format, int sized, va_list list)
{
    npipe_source source = { NULL, NULL, 0 };
    char *narrow = text ? npipe_narrow(text) : NULL, *narrow_format = format ? npipe_narrow(format) : NULL;
    int count;
    source.text = narrow;
    count = narrow ? npipe_scan(source, narrow_format, sized, 1, list) : EOF;
    free(narrow_format);
    free(narrow);
    return count;
}

/* The functions of one kind of format. */
#define NPIPE_SCANS(UNIT, sized, scan, scan_text, from_input, from_stream, from_text) \
    NPIPE_SCANS_BY(from_input, (const UNIT *format, ...), scan(stdin, format, sized, list)) \
    NPIPE_SCANS_BY(from_stream, (FILE *stream, const UNIT *format, ...), scan(stream, format, sized, list)) \
    NPIPE_SCANS_BY(from_text, (const UNIT *text, const UNIT *format, ...), scan_text(text, format, sized, list))
#define NPIPE_SCANS_BY(name, parameters, call) \
    NPIPE_INLINE int name parameters \
    { \
        va_list list; \
        int count; \
        va_start(list, format); \
        count = call; \
        va_end(list); \
        return count; \
    }
NPIPE_SCANS(char, 1, npipe_scan_narrow, npipe_scan_narrow_text, scanf_s, fscanf_s, sscanf_s)
NPIPE_SCANS(WCHAR, 1, npipe_scan_wide, npipe_scan_wide_text, wscanf_s, fwscanf_s, swscanf_s)
NPIPE_SCANS(WCHAR, 0, npipe_scan_wide, npipe_scan_wide_text, npipe_wscanf, npipe_fwscanf, npipe_swscanf)

#if __SIZEOF_WCHAR_T__ == 2
#ifdef __cplusplus
/* Headers of the C++ library say std:: before the names. */
namespace std {
using ::npipe_fwscanf;
using ::npipe_swscanf;
using ::npipe_wscanf;
}
#endif
#define wscanf npipe_wscanf
#define fwscanf npipe_fwscanf
#define swscanf npipe_swscanf
#endif

#endif
