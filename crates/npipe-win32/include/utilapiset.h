/* All of it is in windows.h. */
#ifndef NPIPE_UTILAPISET_H
#define NPIPE_UTILAPISET_H
#include <windows.h>
#endif
