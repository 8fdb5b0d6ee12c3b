/* All of it is in windows.h. */
#ifndef NPIPE_PROFILEAPI_H
#define NPIPE_PROFILEAPI_H
#include <windows.h>
#endif
