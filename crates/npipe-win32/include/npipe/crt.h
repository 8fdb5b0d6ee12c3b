/* What Microsoft's C library has beside the standard's, as far as pipe programs use it. */
#ifndef NPIPE_CRT_H
#define NPIPE_CRT_H

#include <errno.h>
#include <strings.h>

#define _stricmp strcasecmp
#define _strcmpi strcasecmp
#define _strnicmp strncasecmp
#define _strdup strdup
#define _snprintf snprintf
#define _vsnprintf vsnprintf
#define sprintf_s snprintf
#define _fileno fileno
#define _isatty isatty

/* strnlen, which strict C hides. */
NPIPE_INLINE size_t npipe_strnlen(const char *text, size_t most)
{
    size_t length = 0;
    while (length < most && text[length])
        length++;
    return length;
}

NPIPE_INLINE int strcpy_s(char *to, size_t size, const char *from)
{
    size_t length;
    if (!to || !size)
        return EINVAL;
    to[0] = 0;
    if (!from)
        return EINVAL;
    length = strlen(from);
    if (length >= size)
        return ERANGE;
    memcpy(to, from, length + 1);
    return 0;
}

NPIPE_INLINE int strcat_s(char *to, size_t size, const char *from)
{
    size_t length = to ? npipe_strnlen(to, size) : 0;
    if (!to || length >= size)
        return EINVAL;
    return strcpy_s(to + length, size - length, from);
}

#endif
