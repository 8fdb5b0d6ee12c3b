/* All of it is in windows.h. */
#ifndef NPIPE_MINWINDEF_H
#define NPIPE_MINWINDEF_H
#include <windows.h>
#endif
