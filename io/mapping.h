/* Files mapped into memory. Where one is cut short by somebody else, or its disk fails, the next look at the lost pages
 * is a SIGBUS: the process then writes which file it was and ends with exit code 1. (What was committed before is kept;
 * under mpirun the other ranks are ended by it.) */
#ifndef VW_IO_MAPPING_H
#define VW_IO_MAPPING_H

#include <stddef.h>

#include "core/status.h"

/* Maps `bytes` of an open file read-only; `path` is what the message names. The caller calls vw_unmap_file.
 * Errors: VW_ERR_IO. */
vw_status vw_map_file(int fd, const char *path, size_t bytes, void **at);
void vw_unmap_file(void *at, size_t bytes); /* NULL: nothing */

#endif
