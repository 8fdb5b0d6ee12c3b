/* All of it is in windows.h. */
#ifndef NPIPE_FILEAPI_H
#define NPIPE_FILEAPI_H
#include <windows.h>
#endif
