/* All of it is in windows.h. */
#ifndef NPIPE_IOAPISET_H
#define NPIPE_IOAPISET_H
#include <windows.h>
#endif
