/* All of it is in windows.h. */
#ifndef NPIPE_BASETSD_H
#define NPIPE_BASETSD_H
#include <windows.h>
#endif
