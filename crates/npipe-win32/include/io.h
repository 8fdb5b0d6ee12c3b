/* The system's files by Microsoft's names. Handles have no descriptors here, so _open_osfhandle and its like are missing. */
#ifndef NPIPE_IO_H
#define NPIPE_IO_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define _O_RDONLY O_RDONLY
#define _O_WRONLY O_WRONLY
#define _O_RDWR O_RDWR
#define _O_APPEND O_APPEND
#define _O_CREAT O_CREAT
#define _O_TRUNC O_TRUNC
#define _O_EXCL O_EXCL
/* There is one way to write a line here, and one way to write wide texts. */
#define _O_TEXT 0x4000
#define _O_BINARY 0x8000
#define _O_WTEXT 0x10000
#define _O_U16TEXT 0x20000
#define _O_U8TEXT 0x40000
#define O_BINARY 0

#define _access access
#define _close close
#define _dup dup
#define _dup2 dup2
#define _lseek lseek
#define _read read
#define _unlink unlink
#define _write write

/* The mode before, which is always the same: no mode changes what is read or written. */
static __inline__ __attribute__((__unused__)) int _setmode(int descriptor, int mode)
{
    (void)mode;
    return fcntl(descriptor, F_GETFD) < 0 ? -1 : _O_TEXT;
}
#define setmode _setmode

#endif
