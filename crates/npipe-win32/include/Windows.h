/* As many programs spell it. */
#ifndef NPIPE_SPELLED_Windows_h
#define NPIPE_SPELLED_Windows_h
#include <windows.h>
#endif
