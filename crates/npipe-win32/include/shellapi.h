/* Of the shell's functions, the one that programs take their arguments apart with. */
#ifndef NPIPE_SHELLAPI_H
#define NPIPE_SHELLAPI_H

#include <windows.h>

NPIPE_BEGIN
LPWSTR *WINAPI CommandLineToArgvW(LPCWSTR line, int *count);
NPIPE_END

#endif
