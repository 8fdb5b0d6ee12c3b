/* As many programs spell it. */
#ifndef NPIPE_SPELLED_Strsafe_h
#define NPIPE_SPELLED_Strsafe_h
#include <strsafe.h>
#endif
