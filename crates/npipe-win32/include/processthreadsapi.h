/* All of it is in windows.h. */
#ifndef NPIPE_PROCESSTHREADSAPI_H
#define NPIPE_PROCESSTHREADSAPI_H
#include <windows.h>
#endif
