/* What Windows programs include. */
#ifndef NPIPE_WINDOWS_H
#define NPIPE_WINDOWS_H

#if defined(_UNICODE) && !defined(UNICODE)
#define UNICODE
#endif

/* What the wide functions below stand in for must be declared before. */
#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#include <windef.h>
#include <winerror.h>
#include <winbase.h>
#include <npipe/wide.h>
#include <npipe/crt.h>
#endif
