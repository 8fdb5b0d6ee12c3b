/* As many programs spell it. */
#ifndef NPIPE_SPELLED_Process_h
#define NPIPE_SPELLED_Process_h
#include <process.h>
#endif
