/* All of it is in windows.h. */
#ifndef NPIPE_LIBLOADERAPI_H
#define NPIPE_LIBLOADERAPI_H
#include <windows.h>
#endif
