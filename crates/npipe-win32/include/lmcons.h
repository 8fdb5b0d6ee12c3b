/* Lengths of names. */
#ifndef NPIPE_LMCONS_H
#define NPIPE_LMCONS_H
#include <windows.h>
#define UNLEN 256
#define CNLEN 15
#endif
