/* What Microsoft's C library has beside the standard's, as far as pipe programs use it. */
#ifndef NPIPE_CRT_H
#define NPIPE_CRT_H

#include <strings.h>

#include <npipe/scan.h>
#include <npipe/secure.h>

#define _stricmp strcasecmp
#define _strcmpi strcasecmp
#define stricmp strcasecmp
#define _strnicmp strncasecmp
#define strnicmp strncasecmp
#define _strdup strdup
#define _snprintf snprintf
#define _vsnprintf vsnprintf
#define _fileno fileno
#define _isatty isatty
#define _atoi64 atoll
#define _strtoi64 strtoll
#define _strtoui64 strtoull
#define _popen popen
#define _pclose pclose
#define _flushall() fflush(NULL)
#define _wtoi(text) ((int)npipe_wcstol((text), NULL, 10))
#define _wtol(text) npipe_wcstol((text), NULL, 10)

#define _MAX_PATH 260

#endif
