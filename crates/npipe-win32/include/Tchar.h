/* As many programs spell it. */
#ifndef NPIPE_SPELLED_Tchar_h
#define NPIPE_SPELLED_Tchar_h
#include <tchar.h>
#endif
