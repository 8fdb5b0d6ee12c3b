/* All of it is in windows.h. */
#ifndef NPIPE_SYNCHAPI_H
#define NPIPE_SYNCHAPI_H
#include <windows.h>
#endif
