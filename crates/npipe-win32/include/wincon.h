/* All of it is in windows.h. */
#ifndef NPIPE_WINCON_H
#define NPIPE_WINCON_H
#include <windows.h>
#endif
