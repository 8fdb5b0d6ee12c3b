/* All of it is in windows.h. */
#ifndef NPIPE_CONSOLEAPI_H
#define NPIPE_CONSOLEAPI_H
#include <windows.h>
#endif
