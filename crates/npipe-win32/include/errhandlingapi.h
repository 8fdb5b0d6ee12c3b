/* All of it is in windows.h. */
#ifndef NPIPE_ERRHANDLINGAPI_H
#define NPIPE_ERRHANDLINGAPI_H
#include <windows.h>
#endif
