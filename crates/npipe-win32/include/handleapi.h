/* All of it is in windows.h. */
#ifndef NPIPE_HANDLEAPI_H
#define NPIPE_HANDLEAPI_H
#include <windows.h>
#endif
