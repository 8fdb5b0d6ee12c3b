/* All of it is in windows.h. */
#ifndef NPIPE_MINWINBASE_H
#define NPIPE_MINWINBASE_H
#include <windows.h>
#endif
