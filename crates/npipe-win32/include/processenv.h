/* All of it is in windows.h. */
#ifndef NPIPE_PROCESSENV_H
#define NPIPE_PROCESSENV_H
#include <windows.h>
#endif
