/* As many programs spell it. */
#ifndef NPIPE_SPELLED_WinNT_h
#define NPIPE_SPELLED_WinNT_h
#include <winnt.h>
#endif
