/* All of it is in windows.h. */
#ifndef NPIPE_STRINGAPISET_H
#define NPIPE_STRINGAPISET_H
#include <windows.h>
#endif
