/* As many programs spell it. */
#ifndef NPIPE_SPELLED_Conio_h
#define NPIPE_SPELLED_Conio_h
#include <conio.h>
#endif
