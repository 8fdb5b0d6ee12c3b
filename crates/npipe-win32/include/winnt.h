/* Types and the constants that belong to objects, handles and access rights.
 *
 * DWORD has 32 bits and LONG too, whatever `long` has; BOOL is int; WCHAR has 16 bits: wchar_t where that has 16 (gcc
 * -fshort-wchar), else char16_t, and TEXT("…") follows it. The functions of ANSI form take UTF-8.
 */
#ifndef NPIPE_WINNT_H
#define NPIPE_WINNT_H

#include <npipe/units.h>

#ifndef WINAPI
#define WINAPI
#define CALLBACK
#define APIENTRY
#define NTAPI
#define WINAPIV
#define WINBASEAPI
#endif
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __stdcall
#define __stdcall
#endif
#ifndef _cdecl
#define _cdecl
#endif
#ifndef _stdcall
#define _stdcall
#endif
#ifndef __int64
#define __int64 long long
#endif
#ifndef __forceinline
#define __forceinline static __inline__ __attribute__((__always_inline__))
#endif
#ifndef __fastcall
#define __fastcall
#endif
#ifndef __thiscall
#define __thiscall
#endif
#ifndef PASCAL
#define PASCAL
#endif

/* Microsoft's way to write attributes. */
#ifndef __declspec
#define __declspec(what) NPIPE_DECLSPEC_(what)
#define NPIPE_DECLSPEC_(what) NPIPE_DECLSPEC_##what
#define NPIPE_DECLSPEC_dllimport
#define NPIPE_DECLSPEC_dllexport __attribute__((__visibility__("default")))
#define NPIPE_DECLSPEC_thread __thread
#define NPIPE_DECLSPEC_noreturn __attribute__((__noreturn__))
#define NPIPE_DECLSPEC_noinline __attribute__((__noinline__))
#define NPIPE_DECLSPEC_nothrow __attribute__((__nothrow__))
#define NPIPE_DECLSPEC_selectany __attribute__((__weak__))
#define NPIPE_DECLSPEC_novtable
#define NPIPE_DECLSPEC_restrict
#define NPIPE_DECLSPEC_align(bytes) __attribute__((__aligned__(bytes)))
#define NPIPE_DECLSPEC_deprecated __attribute__((__deprecated__))
#endif

#ifndef VOID
#define VOID void
#endif
#define CONST const
#define FAR
#define NEAR
#define IN
#define OUT
#define OPTIONAL

#include <sal.h>

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

typedef char CHAR, *PCHAR, CCHAR;
typedef signed char INT8, *PINT8;
typedef unsigned char BYTE, *PBYTE, *LPBYTE, UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN, UINT8, *PUINT8;
typedef short SHORT, *PSHORT, INT16, *PINT16;
typedef unsigned short WORD, *PWORD, *LPWORD, USHORT, *PUSHORT, UINT16, *PUINT16, ATOM, LANGID;
typedef int INT, *PINT, *LPINT, BOOL, *PBOOL, *LPBOOL, LONG, *PLONG, *LPLONG, INT32, *PINT32, LONG32, *PLONG32;
typedef unsigned int UINT, *PUINT, DWORD, *PDWORD, *LPDWORD, ULONG, *PULONG, UINT32, *PUINT32, DWORD32, *PDWORD32,
    ULONG32, *PULONG32, LCID, ACCESS_MASK, *PACCESS_MASK;
typedef long long LONGLONG, *PLONGLONG, INT64, *PINT64, LONG64, *PLONG64;
typedef unsigned long long ULONGLONG, *PULONGLONG, DWORDLONG, UINT64, *PUINT64, ULONG64, *PULONG64, DWORD64, *PDWORD64;
typedef float FLOAT;
typedef double DOUBLE;
typedef intptr_t INT_PTR, *PINT_PTR, LONG_PTR, *PLONG_PTR, SSIZE_T, *PSSIZE_T, LPARAM, LRESULT;
typedef uintptr_t UINT_PTR, *PUINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR, WPARAM;
typedef size_t SIZE_T, *PSIZE_T;
typedef void *PVOID, *LPVOID, *HANDLE, **PHANDLE, **LPHANDLE, *HGLOBAL, *HLOCAL, *HMODULE, *HINSTANCE, *HWND, *HKEY;
typedef const void *LPCVOID, *PCVOID;
typedef int (*FARPROC)(void);
/* Unsigned here, so that a cast to `unsigned long`, as programs print it, shows the eight digits that it has on Windows.
 * FAILED and SUCCEEDED know; comparing with 0 does not. */
typedef unsigned int HRESULT;
typedef int NTSTATUS;

typedef CHAR *LPSTR, *PSTR, *NPSTR;
typedef const CHAR *LPCSTR, *PCSTR, *LPCCH, *PCCH;
typedef WCHAR *LPWSTR, *PWSTR, *PWCHAR, *LPWCH, *PWCH;
typedef const WCHAR *LPCWSTR, *PCWSTR, *LPCWCH, *PCWCH;

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, *LPTCH;
typedef LPWSTR LPTSTR, PTSTR;
typedef LPCWSTR LPCTSTR, PCTSTR;
#define TEXT(text) NPIPE_WIDE(text)
#else
typedef CHAR TCHAR, *PTCHAR, *LPTCH;
typedef LPSTR LPTSTR, PTSTR;
typedef LPCSTR LPCTSTR, PCTSTR;
#define TEXT(text) text
#endif
#define _TCHAR_DEFINED

typedef union _LARGE_INTEGER {
    __extension__ struct { DWORD LowPart; LONG HighPart; };
    struct { DWORD LowPart; LONG HighPart; } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    __extension__ struct { DWORD LowPart; DWORD HighPart; };
    struct { DWORD LowPart; DWORD HighPart; } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define MAXDWORD 0xffffffffu
#define MAXLONG 0x7fffffff
#define MAX_PATH 260
#define ANYSIZE_ARRAY 1
#define MAX_COMPUTERNAME_LENGTH 15

#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))
#define _countof(array) ARRAYSIZE(array)
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))
#define CONTAINING_RECORD(address, type, field) ((type *)((char *)(address) - offsetof(type, field)))
#define MAKELANGID(primary, sub) ((WORD)((sub) << 10 | (primary)))
#define LANG_NEUTRAL 0
#define LANG_ENGLISH 9
#define SUBLANG_NEUTRAL 0
#define SUBLANG_DEFAULT 1
#define SUBLANG_ENGLISH_US 1

#define MAKEWORD(low, high) ((WORD)((BYTE)(low) | (WORD)(BYTE)(high) << 8))
#define MAKELONG(low, high) ((LONG)((WORD)(low) | (DWORD)(WORD)(high) << 16))
#define LOWORD(value) ((WORD)(DWORD_PTR)(value))
#define HIWORD(value) ((WORD)((DWORD_PTR)(value) >> 16))
#define LOBYTE(value) ((BYTE)(DWORD_PTR)(value))
#define HIBYTE(value) ((BYTE)((DWORD_PTR)(value) >> 8))

/* Identities. */
typedef PVOID PSID;
typedef struct _SID_AND_ATTRIBUTES {
    PSID Sid;
    DWORD Attributes;
} SID_AND_ATTRIBUTES, *PSID_AND_ATTRIBUTES;
#define SE_GROUP_MANDATORY 0x00000001u
#define SE_GROUP_ENABLED_BY_DEFAULT 0x00000002u
#define SE_GROUP_ENABLED 0x00000004u
#define SE_GROUP_OWNER 0x00000008u
#define SE_GROUP_USE_FOR_DENY_ONLY 0x00000010u
#define SE_GROUP_INTEGRITY 0x00000020u
#define SE_GROUP_INTEGRITY_ENABLED 0x00000040u
typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID, *PLUID;
typedef struct _LUID_AND_ATTRIBUTES {
    LUID Luid;
    DWORD Attributes;
} LUID_AND_ATTRIBUTES, *PLUID_AND_ATTRIBUTES;

/* Access rights. */
#define DELETE 0x00010000u
#define READ_CONTROL 0x00020000u
#define WRITE_DAC 0x00040000u
#define WRITE_OWNER 0x00080000u
#define SYNCHRONIZE 0x00100000u
#define STANDARD_RIGHTS_REQUIRED 0x000f0000u
#define STANDARD_RIGHTS_READ READ_CONTROL
#define STANDARD_RIGHTS_WRITE READ_CONTROL
#define STANDARD_RIGHTS_ALL 0x001f0000u
#define ACCESS_SYSTEM_SECURITY 0x01000000u
#define MAXIMUM_ALLOWED 0x02000000u
#define GENERIC_READ 0x80000000u
#define GENERIC_WRITE 0x40000000u
#define GENERIC_EXECUTE 0x20000000u
#define GENERIC_ALL 0x10000000u
#define FILE_READ_DATA 0x0001u
#define FILE_WRITE_DATA 0x0002u
#define FILE_APPEND_DATA 0x0004u
#define FILE_CREATE_PIPE_INSTANCE 0x0004u
#define FILE_READ_EA 0x0008u
#define FILE_WRITE_EA 0x0010u
#define FILE_EXECUTE 0x0020u
#define FILE_READ_ATTRIBUTES 0x0080u
#define FILE_WRITE_ATTRIBUTES 0x0100u
#define FILE_ALL_ACCESS (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x1ffu)
#define FILE_GENERIC_READ (STANDARD_RIGHTS_READ | FILE_READ_DATA | FILE_READ_ATTRIBUTES | FILE_READ_EA | SYNCHRONIZE)
#define FILE_GENERIC_WRITE \
    (STANDARD_RIGHTS_WRITE | FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES | FILE_WRITE_EA | FILE_APPEND_DATA | SYNCHRONIZE)
#define STANDARD_RIGHTS_EXECUTE READ_CONTROL
#define FILE_GENERIC_EXECUTE (STANDARD_RIGHTS_EXECUTE | FILE_READ_ATTRIBUTES | FILE_EXECUTE | SYNCHRONIZE)
#define EVENT_MODIFY_STATE 0x0002u
#define EVENT_ALL_ACCESS 0x001f0003u
#define TIMER_QUERY_STATE 0x0001u
#define TIMER_MODIFY_STATE 0x0002u
#define TIMER_ALL_ACCESS 0x001f0003u
#define MUTEX_ALL_ACCESS 0x001f0001u
#define SEMAPHORE_MODIFY_STATE 0x0002u
#define SEMAPHORE_ALL_ACCESS 0x001f0003u
#define THREAD_TERMINATE 0x0001u
#define THREAD_SET_CONTEXT 0x0010u
#define THREAD_ALL_ACCESS 0x001fffffu
#define PROCESS_TERMINATE 0x0001u
#define PROCESS_DUP_HANDLE 0x0040u
#define PROCESS_QUERY_INFORMATION 0x0400u
#define PROCESS_QUERY_LIMITED_INFORMATION 0x1000u
#define PROCESS_ALL_ACCESS 0x001fffffu

#define FILE_SHARE_READ 1u
#define FILE_SHARE_WRITE 2u
#define FILE_SHARE_DELETE 4u
#define FILE_ATTRIBUTE_READONLY 0x00000001u
#define FILE_ATTRIBUTE_HIDDEN 0x00000002u
#define FILE_ATTRIBUTE_SYSTEM 0x00000004u
#define FILE_ATTRIBUTE_DIRECTORY 0x00000010u
#define FILE_ATTRIBUTE_ARCHIVE 0x00000020u
#define FILE_ATTRIBUTE_NORMAL 0x00000080u
#define FILE_ATTRIBUTE_TEMPORARY 0x00000100u

#define DUPLICATE_CLOSE_SOURCE 1u
#define DUPLICATE_SAME_ACCESS 2u

#define MAXIMUM_WAIT_OBJECTS 64
#define STATUS_WAIT_0 ((DWORD)0x00000000)
#define STATUS_ABANDONED_WAIT_0 ((DWORD)0x00000080)
#define STATUS_USER_APC ((DWORD)0x000000c0)
#define STATUS_TIMEOUT ((DWORD)0x00000102)
#define STATUS_PENDING ((DWORD)0x00000103)
#define STATUS_CONTROL_C_EXIT ((DWORD)0xc000013a)
#define CONTROL_C_EXIT STATUS_CONTROL_C_EXIT

#define HEAP_NO_SERIALIZE 0x1u
#define HEAP_GENERATE_EXCEPTIONS 0x4u
#define HEAP_ZERO_MEMORY 0x8u
#define HEAP_REALLOC_IN_PLACE_ONLY 0x10u

/* Locks whose initial state is all zeros. */
typedef struct _RTL_SRWLOCK { PVOID Ptr; } RTL_SRWLOCK, *PRTL_SRWLOCK, SRWLOCK, *PSRWLOCK;
typedef struct _RTL_CONDITION_VARIABLE { PVOID Ptr; } RTL_CONDITION_VARIABLE, CONDITION_VARIABLE, *PCONDITION_VARIABLE;
typedef union _RTL_RUN_ONCE { PVOID Ptr; } RTL_RUN_ONCE, INIT_ONCE, *PINIT_ONCE, *LPINIT_ONCE;
#define RTL_SRWLOCK_INIT { 0 }
#define SRWLOCK_INIT { 0 }
#define CONDITION_VARIABLE_INIT { 0 }
#define INIT_ONCE_STATIC_INIT { 0 }
#define INIT_ONCE_CTX_RESERVED_BITS 2
#define CONDITION_VARIABLE_LOCKMODE_SHARED 1u

typedef struct _RTL_CRITICAL_SECTION {
    PVOID DebugInfo;
    LONG LockCount;
    LONG RecursionCount;
    HANDLE OwningThread;
    HANDLE LockSemaphore;
    ULONG_PTR SpinCount;
} RTL_CRITICAL_SECTION, CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

/* Interlocked functions work on integers of any size, `long` included, and order everything around them. */
#define InterlockedIncrement(target) __atomic_add_fetch((target), 1, __ATOMIC_SEQ_CST)
#define InterlockedDecrement(target) __atomic_sub_fetch((target), 1, __ATOMIC_SEQ_CST)
#define InterlockedExchange(target, value) __atomic_exchange_n((target), (value), __ATOMIC_SEQ_CST)
#define InterlockedExchangeAdd(target, value) __atomic_fetch_add((target), (value), __ATOMIC_SEQ_CST)
#define InterlockedAdd(target, value) __atomic_add_fetch((target), (value), __ATOMIC_SEQ_CST)
#define InterlockedCompareExchange(target, value, comparand) __sync_val_compare_and_swap((target), (comparand), (value))
#define InterlockedAnd(target, value) __atomic_fetch_and((target), (value), __ATOMIC_SEQ_CST)
#define InterlockedOr(target, value) __atomic_fetch_or((target), (value), __ATOMIC_SEQ_CST)
#define InterlockedXor(target, value) __atomic_fetch_xor((target), (value), __ATOMIC_SEQ_CST)
#define InterlockedIncrement64(target) InterlockedIncrement(target)
#define InterlockedDecrement64(target) InterlockedDecrement(target)
#define InterlockedExchange64(target, value) InterlockedExchange(target, value)
#define InterlockedExchangeAdd64(target, value) InterlockedExchangeAdd(target, value)
#define InterlockedAdd64(target, value) InterlockedAdd(target, value)
#define InterlockedCompareExchange64(target, value, comparand) InterlockedCompareExchange(target, value, comparand)
#define InterlockedExchangePointer(target, value) \
    __atomic_exchange_n((PVOID volatile *)(target), (PVOID)(value), __ATOMIC_SEQ_CST)
#define InterlockedCompareExchangePointer(target, value, comparand) \
    __sync_val_compare_and_swap((PVOID volatile *)(target), (PVOID)(comparand), (PVOID)(value))
#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#if defined(__x86_64__) || defined(__i386__)
#define YieldProcessor() __builtin_ia32_pause()
#else
#define YieldProcessor() ((void)0)
#endif

#endif
