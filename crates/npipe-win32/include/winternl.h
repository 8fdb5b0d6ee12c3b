/* NT's own functions for pipes. What each does stands at its definition in src/nt/. */
#ifndef NPIPE_WINTERNL_H
#define NPIPE_WINTERNL_H

#include <windows.h>
#include <winioctl.h>
#include <ntstatus.h>

NPIPE_BEGIN

#ifndef NT_SUCCESS
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)
#endif
#define NT_INFORMATION(status) ((ULONG)(status) >> 30 == 1)
#define NT_WARNING(status) ((ULONG)(status) >> 30 == 2)
#define NT_ERROR(status) ((ULONG)(status) >> 30 == 3)

typedef struct _IO_STATUS_BLOCK {
    __extension__ union {
        NTSTATUS Status;
        PVOID Pointer;
    };
    ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef VOID (NTAPI *PIO_APC_ROUTINE)(PVOID context, PIO_STATUS_BLOCK block, ULONG reserved);

typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING *PCUNICODE_STRING;

typedef enum _FILE_INFORMATION_CLASS {
    FileDirectoryInformation = 1,
    FileStandardInformation = 5,
    FileNameInformation = 9,
    FileModeInformation = 16,
    FilePipeInformation = 23,
    FilePipeLocalInformation = 24,
    FilePipeRemoteInformation = 25
} FILE_INFORMATION_CLASS, *PFILE_INFORMATION_CLASS;

#define FILE_PIPE_BYTE_STREAM_MODE 0u
#define FILE_PIPE_MESSAGE_MODE 1u
#define FILE_PIPE_QUEUE_OPERATION 0u
#define FILE_PIPE_COMPLETE_OPERATION 1u
#define FILE_PIPE_BYTE_STREAM_TYPE 0u
#define FILE_PIPE_MESSAGE_TYPE 1u
#define FILE_PIPE_INBOUND 0u
#define FILE_PIPE_OUTBOUND 1u
#define FILE_PIPE_FULL_DUPLEX 2u
#define FILE_PIPE_DISCONNECTED_STATE 1u
#define FILE_PIPE_LISTENING_STATE 2u
#define FILE_PIPE_CONNECTED_STATE 3u
#define FILE_PIPE_CLOSING_STATE 4u
#define FILE_PIPE_CLIENT_END 0u
#define FILE_PIPE_SERVER_END 1u
#define FILE_SYNCHRONOUS_IO_ALERT 0x10u
#define FILE_SYNCHRONOUS_IO_NONALERT 0x20u

typedef struct _FILE_PIPE_INFORMATION {
    ULONG ReadMode;
    ULONG CompletionMode;
} FILE_PIPE_INFORMATION, *PFILE_PIPE_INFORMATION;

typedef struct _FILE_PIPE_LOCAL_INFORMATION {
    ULONG NamedPipeType;
    ULONG NamedPipeConfiguration;
    ULONG MaximumInstances;
    ULONG CurrentInstances;
    ULONG InboundQuota;
    ULONG ReadDataAvailable;
    ULONG OutboundQuota;
    ULONG WriteQuotaAvailable;
    ULONG NamedPipeState;
    ULONG NamedPipeEnd;
} FILE_PIPE_LOCAL_INFORMATION, *PFILE_PIPE_LOCAL_INFORMATION;

typedef struct _FILE_STANDARD_INFORMATION {
    LARGE_INTEGER AllocationSize;
    LARGE_INTEGER EndOfFile;
    ULONG NumberOfLinks;
    BOOLEAN DeletePending;
    BOOLEAN Directory;
} FILE_STANDARD_INFORMATION, *PFILE_STANDARD_INFORMATION;

typedef struct _FILE_NAME_INFORMATION {
    ULONG FileNameLength;
    WCHAR FileName[1];
} FILE_NAME_INFORMATION, *PFILE_NAME_INFORMATION;

typedef struct _FILE_MODE_INFORMATION {
    ULONG Mode;
} FILE_MODE_INFORMATION, *PFILE_MODE_INFORMATION;

NTSTATUS NTAPI NtFsControlFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE routine, PVOID context,
                               PIO_STATUS_BLOCK block, ULONG code, PVOID input, ULONG input_size, PVOID output,
                               ULONG output_size);
NTSTATUS NTAPI NtQueryInformationFile(HANDLE file, PIO_STATUS_BLOCK block, PVOID information, ULONG size,
                                      FILE_INFORMATION_CLASS information_class);
NTSTATUS NTAPI NtSetInformationFile(HANDLE file, PIO_STATUS_BLOCK block, PVOID information, ULONG size,
                                    FILE_INFORMATION_CLASS information_class);
ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status);

NPIPE_END

#endif
