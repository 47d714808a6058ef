/* What is read of every picture's file when a study is opened: the hash of its bytes, and whether its EXIF turns it.
 * Thousands of pictures read by hundreds of ranks at once would be more than a file system likes: rank 0 reads them, and
 * the other ranks take its word for files that are the same there (place on disk, size, time of the last change: one
 * stat a picture). Others they read themselves, so that nodes whose copies differ are still found.
 *
 * One list a process, one thread. */
#ifndef VW_TASKS_LOOKS_H
#define VW_TASKS_LOOKS_H

#include "cluster/ranks.h"
#include "core/hash.h"

#include <stdbool.h>

/* From now on what vw_look_at reads is remembered. */
void vw_looks_begin(void);

/* Collective: rank 0's list comes to all. Errors: VW_ERR_COMM, VW_ERR_MEMORY (on all ranks). */
vw_status vw_looks_share(const vw_ranks *ranks);

/* Forgets all. */
void vw_looks_end(void);

/* turned may be NULL: not asked for. Errors: as of vw_file_hash and vw_image_is_turned; VW_ERR_MEMORY. */
vw_status vw_look_at(const char *path, vw_hash *hash, bool *turned);

/* Files that this process has read since vw_looks_begin. */
int64_t vw_looks_read(void);

#endif
