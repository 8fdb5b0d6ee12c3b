/* All of it is in windows.h. */
#ifndef NPIPE_SYSINFOAPI_H
#define NPIPE_SYSINFOAPI_H
#include <windows.h>
#endif
