/* As many programs spell it. */
#ifndef NPIPE_SPELLED_SDKDDKVer_h
#define NPIPE_SPELLED_SDKDDKVer_h
#include <sdkddkver.h>
#endif
