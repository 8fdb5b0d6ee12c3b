/* Microsoft's functions that know the size of their buffer, most of which end in _s.
 *
 * Where Microsoft's end the program, since a text does not fit or an argument is missing, these leave an empty text and
 * return the error that Microsoft's return with a handler of one's own. In C++ an array's size need not be told.
 */
#ifndef NPIPE_SECURE_H
#define NPIPE_SECURE_H

#include <errno.h>
#include <time.h>

#include <npipe/narrow.h>

typedef int errno_t;
typedef size_t rsize_t;

#ifndef _TRUNCATE
#define _TRUNCATE ((size_t)-1)
#endif
#define STRUNCATE 80

/* strnlen, which strict C hides. */
NPIPE_INLINE size_t npipe_strnlen(const char *text, size_t most)
{
    size_t length = 0;
    while (length < most && text[length])
        length++;
    return length;
}

/* An empty text, and why. */
#define NPIPE_REFUSE(to, size, error) \
    do { \
        if ((to) && (size)) \
            (to)[0] = 0; \
        return (error); \
    } while (0)

/* Copies of one kind of unit: `most` units of `from`, or as many as fit. */
#define NPIPE_COPIES(UNIT, length_within, copy, copy_some, append, append_some) \
    NPIPE_INLINE errno_t copy_some(UNIT *to, size_t size, const UNIT *from, size_t most) \
    { \
        size_t length; \
        if (!to || !size || (!from && most)) \
            NPIPE_REFUSE(to, size, EINVAL); \
        length = most ? length_within(from, most == _TRUNCATE ? size : most) : 0; \
        if (length >= size && most != _TRUNCATE) \
            NPIPE_REFUSE(to, size, ERANGE); \
        most = length < size ? length : size - 1; \
        memmove(to, from, most * sizeof(UNIT)); \
        to[most] = 0; \
        return most == length ? 0 : STRUNCATE; \
    } \
    NPIPE_INLINE errno_t copy(UNIT *to, size_t size, const UNIT *from) \
    { \
        return from ? copy_some(to, size, from, _TRUNCATE - 1) : copy_some(to, size, NULL, 1); \
    } \
    NPIPE_INLINE errno_t append_some(UNIT *to, size_t size, const UNIT *from, size_t most) \
    { \
        size_t length = to ? length_within(to, size) : 0; \
        errno_t error; \
        if (!to || length >= size) \
            NPIPE_REFUSE(to, size, EINVAL); \
        error = copy_some(to + length, size - length, from, most); \
        if (error && error != STRUNCATE) \
            to[0] = 0; \
        return error; \
    } \
    NPIPE_INLINE errno_t append(UNIT *to, size_t size, const UNIT *from) \
    { \
        return append_some(to, size, from, from ? _TRUNCATE - 1 : 1); \
    }
NPIPE_COPIES(char, npipe_strnlen, strcpy_s, strncpy_s, strcat_s, strncat_s)
NPIPE_COPIES(WCHAR, npipe_wcsnlen, wcscpy_s, wcsncpy_s, wcscat_s, wcsncat_s)

/* Formats of one kind of unit. `whole` gives the length of all, and writes what fits. */
#define NPIPE_FORMATS(UNIT, whole, format_list, format_some_list, format, format_some) \
    NPIPE_INLINE int format_list(UNIT *to, size_t size, const UNIT *text, va_list arguments) \
    { \
        int length = to && size && text ? (int)whole(to, size, text, arguments) : -1; \
        if (length < 0 || (size_t)length >= size) \
            NPIPE_REFUSE(to, size, -1); \
        return length; \
    } \
    NPIPE_INLINE int format_some_list(UNIT *to, size_t size, size_t most, const UNIT *text, va_list arguments) \
    { \
        int length; \
        size_t room = most < size ? most + 1 : size; \
        if (!to || !size || !text) \
            NPIPE_REFUSE(to, size, -1); \
        length = (int)whole(to, room, text, arguments); \
        if (length >= 0 && (size_t)length < room) \
            return length; \
        if (length < 0 || (most != _TRUNCATE && most >= size)) \
            to[0] = 0; \
        return -1; \
    } \
    NPIPE_INLINE int format(UNIT *to, size_t size, const UNIT *text, ...) \
    { \
        int length; \
        va_list arguments; \
        va_start(arguments, text); \
        length = format_list(to, size, text, arguments); \
        va_end(arguments); \
        return length; \
    } \
    NPIPE_INLINE int format_some(UNIT *to, size_t size, size_t most, const UNIT *text, ...) \
    { \
        int length; \
        va_list arguments; \
        va_start(arguments, text); \
        length = format_some_list(to, size, most, text, arguments); \
        va_end(arguments); \
        return length; \
    }
NPIPE_FORMATS(char, vsnprintf, vsprintf_s, _vsnprintf_s, sprintf_s, _snprintf_s)
NPIPE_FORMATS(WCHAR, npipe_vformat, vswprintf_s, _vsnwprintf_s, swprintf_s, _snwprintf_s)

NPIPE_INLINE errno_t memmove_s(void *to, size_t size, const void *from, size_t bytes)
{
    if (!bytes)
        return 0;
    if (!to || !from)
        return EINVAL;
    if (bytes > size)
        return ERANGE;
    memmove(to, from, bytes);
    return 0;
}

NPIPE_INLINE errno_t memcpy_s(void *to, size_t size, const void *from, size_t bytes)
{
    errno_t error = memmove_s(to, size, from, bytes);
    if (error && to)
        memset(to, 0, size);
    return error;
}

NPIPE_INLINE errno_t fopen_s(FILE **stream, const char *path, const char *mode)
{
    if (!stream)
        return EINVAL;
    *stream = path && mode ? fopen(path, mode) : NULL;
    return *stream ? 0 : path && mode ? errno : EINVAL;
}

NPIPE_INLINE errno_t _wfopen_s(FILE **stream, const WCHAR *path, const WCHAR *mode)
{
    if (!stream)
        return EINVAL;
    *stream = path && mode ? npipe_wfopen(path, mode) : NULL;
    return *stream ? 0 : path && mode ? errno : EINVAL;
}

/* A line without its end. One that is too long is no line. */
NPIPE_INLINE char *gets_s(char *to, size_t size)
{
    size_t length;
    if (!to || !size || size > INT32_MAX || !fgets(to, (int)size, stdin))
        return NULL;
    length = strlen(to);
    if (length && to[length - 1] == '\n')
        to[length - 1] = 0;
    else if (!feof(stdin))
        NPIPE_REFUSE(to, size, NULL);
    return to;
}

NPIPE_INLINE char *strtok_s(char *text, const char *delimiters, char **rest)
{
    char *end;
    if (!text)
        text = *rest;
    text += strspn(text, delimiters);
    end = text + strcspn(text, delimiters);
    *rest = *end ? end + 1 : end;
    if (end == text)
        return NULL;
    *end = 0;
    return text;
}

#define NPIPE_CALENDAR(name, standard) \
    NPIPE_INLINE errno_t name(struct tm *calendar, const time_t *when) \
    { \
        struct tm *found = calendar && when ? standard(when) : NULL; \
        if (!found) \
            return EINVAL; \
        *calendar = *found; \
        return 0; \
    }
NPIPE_CALENDAR(localtime_s, localtime)
NPIPE_CALENDAR(gmtime_s, gmtime)

/* A number in a base from 2 to 36; one of base 10 may be negative. */
#define NPIPE_NUMBERS(UNIT, sized, bare) \
    NPIPE_INLINE errno_t sized(int value, UNIT *to, size_t size, int base) \
    { \
        UNIT digits[34]; \
        size_t count = 0, index; \
        int negative = base == 10 && value < 0; \
        unsigned rest = negative ? 0u - (unsigned)value : (unsigned)value; \
        if (!to || !size || base < 2 || base > 36) \
            NPIPE_REFUSE(to, size, EINVAL); \
        do \
            digits[count++] = (UNIT)"0123456789abcdefghijklmnopqrstuvwxyz"[rest % (unsigned)base]; \
        while ((rest /= (unsigned)base) != 0); \
        if (negative) \
            digits[count++] = '-'; \
        if (count >= size) \
            NPIPE_REFUSE(to, size, ERANGE); \
        for (index = 0; index < count; index++) \
            to[index] = digits[count - 1 - index]; \
        to[count] = 0; \
        return 0; \
    } \
    NPIPE_INLINE UNIT *bare(int value, UNIT *to, int base) \
    { \
        sized(value, to, 34, base); \
        return to; \
    }
NPIPE_NUMBERS(char, _itoa_s, _itoa)
NPIPE_NUMBERS(WCHAR, _itow_s, _itow)
#define itoa _itoa

#ifdef __cplusplus
/* The same with the size of an array. */
#define NPIPE_ARRAY_COPY(name, UNIT) \
    template <size_t Size> inline errno_t name(UNIT (&to)[Size], const UNIT *from) { return name(to, Size, from); }
#define NPIPE_ARRAY_SOME(name, UNIT) \
    template <size_t Size> inline errno_t name(UNIT (&to)[Size], const UNIT *from, size_t most) \
    { \
        return name(to, Size, from, most); \
    }
#define NPIPE_ARRAY_FORMAT(name, list, UNIT) \
    template <size_t Size> inline int name(UNIT (&to)[Size], const UNIT *text, ...) \
    { \
        va_list arguments; \
        va_start(arguments, text); \
        int length = list(to, Size, text, arguments); \
        va_end(arguments); \
        return length; \
    } \
    template <size_t Size> inline int list(UNIT (&to)[Size], const UNIT *text, va_list arguments) \
    { \
        return list(to, Size, text, arguments); \
    }
#define NPIPE_ARRAY_FORMAT_SOME(name, list, UNIT) \
    template <size_t Size> inline int name(UNIT (&to)[Size], size_t most, const UNIT *text, ...) \
    { \
        va_list arguments; \
        va_start(arguments, text); \
        int length = list(to, Size, most, text, arguments); \
        va_end(arguments); \
        return length; \
    }
NPIPE_ARRAY_COPY(strcpy_s, char)
NPIPE_ARRAY_COPY(strcat_s, char)
NPIPE_ARRAY_COPY(wcscpy_s, WCHAR)
NPIPE_ARRAY_COPY(wcscat_s, WCHAR)
NPIPE_ARRAY_SOME(strncpy_s, char)
NPIPE_ARRAY_SOME(strncat_s, char)
NPIPE_ARRAY_SOME(wcsncpy_s, WCHAR)
NPIPE_ARRAY_SOME(wcsncat_s, WCHAR)
NPIPE_ARRAY_FORMAT(sprintf_s, vsprintf_s, char)
NPIPE_ARRAY_FORMAT(swprintf_s, vswprintf_s, WCHAR)
NPIPE_ARRAY_FORMAT_SOME(_snprintf_s, _vsnprintf_s, char)
NPIPE_ARRAY_FORMAT_SOME(_snwprintf_s, _vsnwprintf_s, WCHAR)
template <size_t Size> inline errno_t _itoa_s(int value, char (&to)[Size], int base) { return _itoa_s(value, to, Size, base); }
template <size_t Size> inline errno_t _itow_s(int value, WCHAR (&to)[Size], int base) { return _itow_s(value, to, Size, base); }
template <size_t Size> inline char *gets_s(char (&to)[Size]) { return gets_s(to, Size); }
#endif

#define printf_s printf
#define fprintf_s fprintf
#define vprintf_s vprintf
#define vfprintf_s vfprintf
#define wprintf_s npipe_wprintf
#define fwprintf_s npipe_fwprintf

#endif
