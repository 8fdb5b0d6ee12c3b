/* As many programs spell it. */
#ifndef NPIPE_SPELLED_WinError_h
#define NPIPE_SPELLED_WinError_h
#include <winerror.h>
#endif
