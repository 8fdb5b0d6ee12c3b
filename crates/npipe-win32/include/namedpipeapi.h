/* All of it is in windows.h. */
#ifndef NPIPE_NAMEDPIPEAPI_H
#define NPIPE_NAMEDPIPEAPI_H
#include <windows.h>
#endif
