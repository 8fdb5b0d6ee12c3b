/* Copies and formats that never write beyond their buffer: what does not fit is cut, ends with a zero, and is reported.
 *
 * Cch counts units, Cb bytes.
 */
#ifndef NPIPE_STRSAFE_H
#define NPIPE_STRSAFE_H

#include <windows.h>

#define STRSAFE_MAX_CCH 2147483647u
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007au)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057u)
#define STRSAFE_E_END_OF_FILE ((HRESULT)0x80070026u)

NPIPE_INLINE size_t npipe_strnlenA(const CHAR *text, size_t most) { return npipe_strnlen(text, most); }
NPIPE_INLINE size_t npipe_strnlenW(const WCHAR *text, size_t most) { return npipe_wcsnlen(text, most); }

NPIPE_INLINE int npipe_vsafeA(CHAR *to, size_t size, const CHAR *format, va_list arguments)
{
    int length = vsnprintf(to, size, format, arguments);
    return length >= 0 && (size_t)length < size;
}

NPIPE_INLINE int npipe_vsafeW(WCHAR *to, size_t size, const WCHAR *format, va_list arguments)
{
    return npipe_vformat(to, size, format, arguments) < size;
}

/* All functions for one kind of unit. */
#define NPIPE_STRSAFE(U, UNIT) \
    NPIPE_INLINE HRESULT StringCchCopyN##U(UNIT *to, size_t size, const UNIT *from, size_t most) \
    { \
        size_t length; \
        if (!size || size > STRSAFE_MAX_CCH) \
            return STRSAFE_E_INVALID_PARAMETER; \
        for (length = 0; length < most && length + 1 < size && from[length]; length++) \
            to[length] = from[length]; \
        to[length] = 0; \
        return length == most || !from[length] ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER; \
    } \
    NPIPE_INLINE HRESULT StringCchCopy##U(UNIT *to, size_t size, const UNIT *from) \
    { \
        return StringCchCopyN##U(to, size, from, (size_t)-1); \
    } \
    NPIPE_INLINE HRESULT StringCchLength##U(const UNIT *text, size_t most, size_t *length) \
    { \
        size_t found = text && most <= STRSAFE_MAX_CCH ? npipe_strnlen##U(text, most) : most; \
        if (length) \
            *length = found < most ? found : 0; \
        return found < most ? S_OK : STRSAFE_E_INVALID_PARAMETER; \
    } \
    NPIPE_INLINE HRESULT StringCchCatN##U(UNIT *to, size_t size, const UNIT *from, size_t most) \
    { \
        size_t length; \
        if (!size || StringCchLength##U(to, size, &length) != S_OK) \
            return STRSAFE_E_INVALID_PARAMETER; \
        return StringCchCopyN##U(to + length, size - length, from, most); \
    } \
    NPIPE_INLINE HRESULT StringCchCat##U(UNIT *to, size_t size, const UNIT *from) \
    { \
        return StringCchCatN##U(to, size, from, (size_t)-1); \
    } \
    NPIPE_INLINE HRESULT StringCchVPrintf##U(UNIT *to, size_t size, const UNIT *format, va_list arguments) \
    { \
        if (!size || size > STRSAFE_MAX_CCH) \
            return STRSAFE_E_INVALID_PARAMETER; \
        return npipe_vsafe##U(to, size, format, arguments) ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER; \
    } \
    NPIPE_INLINE HRESULT StringCchPrintf##U(UNIT *to, size_t size, const UNIT *format, ...) \
    { \
        va_list arguments; \
        HRESULT result; \
        va_start(arguments, format); \
        result = StringCchVPrintf##U(to, size, format, arguments); \
        va_end(arguments); \
        return result; \
    } \
    NPIPE_INLINE HRESULT StringCbCopy##U(UNIT *to, size_t bytes, const UNIT *from) \
    { \
        return StringCchCopy##U(to, bytes / sizeof(UNIT), from); \
    } \
    NPIPE_INLINE HRESULT StringCbCat##U(UNIT *to, size_t bytes, const UNIT *from) \
    { \
        return StringCchCat##U(to, bytes / sizeof(UNIT), from); \
    } \
    NPIPE_INLINE HRESULT StringCbLength##U(const UNIT *text, size_t most, size_t *bytes) \
    { \
        size_t length = 0; \
        HRESULT result = StringCchLength##U(text, most / sizeof(UNIT), &length); \
        if (bytes) \
            *bytes = length * sizeof(UNIT); \
        return result; \
    } \
    NPIPE_INLINE HRESULT StringCbPrintf##U(UNIT *to, size_t bytes, const UNIT *format, ...) \
    { \
        va_list arguments; \
        HRESULT result; \
        va_start(arguments, format); \
        result = StringCchVPrintf##U(to, bytes / sizeof(UNIT), format, arguments); \
        va_end(arguments); \
        return result; \
    }

NPIPE_STRSAFE(A, CHAR)
NPIPE_STRSAFE(W, WCHAR)

#ifdef UNICODE
#define NPIPE_STRSAFE_NAME(name) name##W
#else
#define NPIPE_STRSAFE_NAME(name) name##A
#endif
#define StringCchCopy NPIPE_STRSAFE_NAME(StringCchCopy)
#define StringCchCopyN NPIPE_STRSAFE_NAME(StringCchCopyN)
#define StringCchLength NPIPE_STRSAFE_NAME(StringCchLength)
#define StringCchCat NPIPE_STRSAFE_NAME(StringCchCat)
#define StringCchCatN NPIPE_STRSAFE_NAME(StringCchCatN)
#define StringCchPrintf NPIPE_STRSAFE_NAME(StringCchPrintf)
#define StringCchVPrintf NPIPE_STRSAFE_NAME(StringCchVPrintf)
#define StringCbCopy NPIPE_STRSAFE_NAME(StringCbCopy)
#define StringCbCat NPIPE_STRSAFE_NAME(StringCbCat)
#define StringCbLength NPIPE_STRSAFE_NAME(StringCbLength)
#define StringCbPrintf NPIPE_STRSAFE_NAME(StringCbPrintf)

#endif
