/* All of it is in windows.h. */
#ifndef NPIPE_SECURITYBASEAPI_H
#define NPIPE_SECURITYBASEAPI_H
#include <windows.h>
#endif
