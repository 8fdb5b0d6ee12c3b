/* As many programs spell it. */
#ifndef NPIPE_SPELLED_WinSock2_h
#define NPIPE_SPELLED_WinSock2_h
#include <winsock2.h>
#endif
