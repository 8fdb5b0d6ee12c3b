/* As many programs spell it. */
#ifndef NPIPE_SPELLED_WinBase_h
#define NPIPE_SPELLED_WinBase_h
#include <winbase.h>
#endif
