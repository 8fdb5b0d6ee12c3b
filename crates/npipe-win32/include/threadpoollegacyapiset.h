/* All of it is in windows.h. */
#ifndef NPIPE_THREADPOOLLEGACYAPISET_H
#define NPIPE_THREADPOOLLEGACYAPISET_H
#include <windows.h>
#endif
