/* What programs include for the types alone. */
#ifndef NPIPE_WINDEF_H
#define NPIPE_WINDEF_H
#include <winnt.h>
#if !defined(__cplusplus) && !defined(NOMINMAX)
#ifndef max
#define max(a, b) ((a) > (b) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) ((a) < (b) ? (a) : (b))
#endif
#endif
#endif
