/* All of it is in windows.h. */
#ifndef NPIPE_DEBUGAPI_H
#define NPIPE_DEBUGAPI_H
#include <windows.h>
#endif
