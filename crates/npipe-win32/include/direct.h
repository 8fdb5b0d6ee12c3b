/* Directories by Microsoft's names. */
#ifndef NPIPE_DIRECT_H
#define NPIPE_DIRECT_H

#include <sys/stat.h>
#include <unistd.h>

#define _chdir chdir
#define _getcwd getcwd
#define _mkdir(path) mkdir((path), 0777)
#define _rmdir rmdir

#endif
