/* As many programs spell it. */
#ifndef NPIPE_SPELLED_Winsock2_h
#define NPIPE_SPELLED_Winsock2_h
#include <winsock2.h>
#endif
