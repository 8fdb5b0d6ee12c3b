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
#define CreateProcessAsUser CreateProcessAsUserW
#define CreateSemaphore CreateSemaphoreW
#define CreateWaitableTimer CreateWaitableTimerW
#define CreateWaitableTimerEx CreateWaitableTimerExW
#define DeleteFile DeleteFileW
#define FormatMessage FormatMessageW
#define GetCommandLine GetCommandLineW
#define GetEnvironmentVariable GetEnvironmentVariableW
#define GetModuleFileName GetModuleFileNameW
#define GetModuleHandle GetModuleHandleW
#define GetNamedPipeClientComputerName GetNamedPipeClientComputerNameW
#define GetNamedPipeHandleState GetNamedPipeHandleStateW
#define GetStartupInfo GetStartupInfoW
#define GetUserName GetUserNameW
#define LoadLibrary LoadLibraryW
#define LookupPrivilegeValue LookupPrivilegeValueW
#define SetEnvironmentVariable SetEnvironmentVariableW
#define WaitNamedPipe WaitNamedPipeW
#define lstrcat lstrcatW
#define lstrcmp lstrcmpW
#define lstrcmpi lstrcmpiW
#define lstrcpy lstrcpyW
#define lstrcpyn lstrcpynW
#define lstrlen lstrlenW
#define CreateMutexEx CreateMutexExW
#define GetComputerName GetComputerNameW
#define GetCurrentDirectory GetCurrentDirectoryW
#define GetTempPath GetTempPathW
#define OutputDebugString OutputDebugStringW
#define ReadConsole ReadConsoleW
#define SetConsoleTitle SetConsoleTitleW
#define SetCurrentDirectory SetCurrentDirectoryW
#define WriteConsole WriteConsoleW
#else
#define CallNamedPipe CallNamedPipeA
#define CreateEvent CreateEventA
#define CreateEventEx CreateEventExA
#define CreateFile CreateFileA
#define CreateMutex CreateMutexA
#define CreateNamedPipe CreateNamedPipeA
#define CreateProcess CreateProcessA
#define CreateProcessAsUser CreateProcessAsUserA
#define CreateSemaphore CreateSemaphoreA
#define CreateWaitableTimer CreateWaitableTimerA
#define CreateWaitableTimerEx CreateWaitableTimerExA
#define DeleteFile DeleteFileA
#define FormatMessage FormatMessageA
#define GetCommandLine GetCommandLineA
#define GetEnvironmentVariable GetEnvironmentVariableA
#define GetModuleFileName GetModuleFileNameA
#define GetModuleHandle GetModuleHandleA
#define GetNamedPipeClientComputerName GetNamedPipeClientComputerNameA
#define GetNamedPipeHandleState GetNamedPipeHandleStateA
#define GetStartupInfo GetStartupInfoA
#define GetUserName GetUserNameA
#define LoadLibrary LoadLibraryA
#define LookupPrivilegeValue LookupPrivilegeValueA
#define SetEnvironmentVariable SetEnvironmentVariableA
#define WaitNamedPipe WaitNamedPipeA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrlen lstrlenA
#define GetComputerName GetComputerNameA
#define GetCurrentDirectory GetCurrentDirectoryA
#define GetTempPath GetTempPathA
#define OutputDebugString OutputDebugStringA
#define ReadConsole ReadConsoleA
#define SetConsoleTitle SetConsoleTitleA
#define SetCurrentDirectory SetCurrentDirectoryA
#define WriteConsole WriteConsoleA
#endif

#endif
