/* The generic names: W with UNICODE, A without. */
#ifndef NPIPE_GENERIC_H
#define NPIPE_GENERIC_H

#ifdef UNICODE
#define CallNamedPipe CallNamedPipeW
#define CreateEvent CreateEventW
#define CreateEventEx CreateEventExW
#define CreateFile CreateFileW
#define CreateMutex CreateMutexW
#define CreateNamedPipe CreateNamedPipeW
#define CreateProcess CreateProcessW
#define CreateSemaphore CreateSemaphoreW
#define DeleteFile DeleteFileW
#define FormatMessage FormatMessageW
#define GetCommandLine GetCommandLineW
#define GetEnvironmentVariable GetEnvironmentVariableW
#define GetModuleFileName GetModuleFileNameW
#define GetModuleHandle GetModuleHandleW
#define GetNamedPipeClientComputerName GetNamedPipeClientComputerNameW
#define GetNamedPipeHandleState GetNamedPipeHandleStateW
#define GetStartupInfo GetStartupInfoW
#define LoadLibrary LoadLibraryW
#define SetEnvironmentVariable SetEnvironmentVariableW
#define WaitNamedPipe WaitNamedPipeW
#define lstrcat lstrcatW
#define lstrcmp lstrcmpW
#define lstrcmpi lstrcmpiW
#define lstrcpy lstrcpyW
#define lstrcpyn lstrcpynW
#define lstrlen lstrlenW
#define CreateMutexEx CreateMutexExW
#else
#define CallNamedPipe CallNamedPipeA
#define CreateEvent CreateEventA
#define CreateEventEx CreateEventExA
#define CreateFile CreateFileA
#define CreateMutex CreateMutexA
#define CreateNamedPipe CreateNamedPipeA
#define CreateProcess CreateProcessA
#define CreateSemaphore CreateSemaphoreA
#define DeleteFile DeleteFileA
#define FormatMessage FormatMessageA
#define GetCommandLine GetCommandLineA
#define GetEnvironmentVariable GetEnvironmentVariableA
#define GetModuleFileName GetModuleFileNameA
#define GetModuleHandle GetModuleHandleA
#define GetNamedPipeClientComputerName GetNamedPipeClientComputerNameA
#define GetNamedPipeHandleState GetNamedPipeHandleStateA
#define GetStartupInfo GetStartupInfoA
#define LoadLibrary LoadLibraryA
#define SetEnvironmentVariable SetEnvironmentVariableA
#define WaitNamedPipe WaitNamedPipeA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrlen lstrlenA
#endif

#endif
