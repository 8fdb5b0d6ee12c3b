/* Threads by the names of Microsoft's C library. */
#ifndef NPIPE_PROCESS_H
#define NPIPE_PROCESS_H

#include <windows.h>
#include <unistd.h>

#define _getpid getpid

NPIPE_INLINE uintptr_t _beginthreadex(void *attributes, unsigned stack, unsigned (__stdcall *routine)(void *),
                                      void *parameter, unsigned flags, unsigned *id)
{
    return (uintptr_t)CreateThread((LPSECURITY_ATTRIBUTES)attributes, stack, routine, parameter, flags, id);
}

NPIPE_INLINE void _endthreadex(unsigned code) { ExitThread(code); }

#endif
