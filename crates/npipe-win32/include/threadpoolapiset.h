/* All of it is in windows.h. */
#ifndef NPIPE_THREADPOOLAPISET_H
#define NPIPE_THREADPOOLAPISET_H
#include <windows.h>
#endif
