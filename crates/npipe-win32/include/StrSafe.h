/* As many programs spell it. */
#ifndef NPIPE_SPELLED_StrSafe_h
#define NPIPE_SPELLED_StrSafe_h
#include <strsafe.h>
#endif
