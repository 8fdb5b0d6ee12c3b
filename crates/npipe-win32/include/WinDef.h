/* As many programs spell it. */
#ifndef NPIPE_SPELLED_WinDef_h
#define NPIPE_SPELLED_WinDef_h
#include <windef.h>
#endif
