/* For programs that get windows.h by way of it. Sockets are not offered: those are the system's own. */
#ifndef NPIPE_WINSOCK2_H
#define NPIPE_WINSOCK2_H
#include <windows.h>
#endif
