/* All of it is in windows.h. */
#ifndef NPIPE_HEAPAPI_H
#define NPIPE_HEAPAPI_H
#include <windows.h>
#endif
