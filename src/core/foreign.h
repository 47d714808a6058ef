/* Files that somebody else made: pictures, weights, tokenizers, lists, and whatever lies in a folder of ours under a
 * name of ours. Only a regular file is opened. A FIFO, a device or a socket would keep its reader waiting for ever, and
 * opening one may already have an effect. */
#ifndef VW_CORE_FOREIGN_H
#define VW_CORE_FOREIGN_H

#include <sys/stat.h>

#include "core/status.h"

/* Opens `path` for reading; links are followed. *info (may be NULL) is what fstat says. The caller closes *fd, which is
 * -1 on failure. Errors: VW_ERR_IO: the system refused; VW_ERR_INPUT: not a regular file (says what it is). */
vw_status vw_foreign_open(const char *path, int *fd, struct stat *info);

/* The same, but the last part of the path may not be a symbolic link. For files of ours that only we replace. */
vw_status vw_foreign_open_own(const char *path, int *fd, struct stat *info);

/* "a directory", "a FIFO", "a symbolic link" ...: for messages. */
const char *vw_file_kind(mode_t mode);

#endif
