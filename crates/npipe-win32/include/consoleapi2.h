/* All of it is in windows.h. */
#ifndef NPIPE_CONSOLEAPI2_H
#define NPIPE_CONSOLEAPI2_H
#include <windows.h>
#endif
