/* The unit of wide texts, and how functions are declared and defined in these headers. */
#ifndef NPIPE_UNITS_H
#define NPIPE_UNITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define NPIPE_BEGIN extern "C" {
#define NPIPE_END }
#else
#define NPIPE_BEGIN
#define NPIPE_END
#endif

/* For the functions that are defined in headers. */
#define NPIPE_INLINE static __inline__ __attribute__((__unused__))

#if __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#define NPIPE_WIDE_(text) L##text
#elif defined(__cplusplus)
typedef char16_t WCHAR;
#define NPIPE_WIDE_(text) u##text
#else
typedef __CHAR16_TYPE__ WCHAR;
#define NPIPE_WIDE_(text) u##text
#endif
#define NPIPE_WIDE(text) NPIPE_WIDE_(text)

#endif
