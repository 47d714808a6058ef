/* A file that a run goes on reading through a mapping, and whether it is still what it was: cheap to ask, as the file
 * is hashed again only where its size, times or inode differ. */
#ifndef VW_IO_WITNESS_H
#define VW_IO_WITNESS_H

#include <stdint.h>
#include <sys/stat.h>

#include "core/hash.h"
#include "core/status.h"

typedef struct vw_witness {
  int64_t inode, bytes, modified, modified_ns, changed, changed_ns;
  vw_hash hash;   /* XXH3-128 of the file's bytes, once `hashed` */
  bool hashed;    /* false: a file that looks otherwise counts as changed */
  bool too_fresh; /* its times are so young that another write might not show in them: hashed once more */
  int watch;      /* this process is told of writes to it; 0: not */
  int64_t writes; /* it was told of before that */
} vw_witness;

/* How the open file looks now; nothing is hashed. */
void vw_witness_take(vw_witness *w, const struct stat *info);

/* Before the file is hashed: the system tells this process of writes to it from now on, where it can (inotify: writes
 * of this machine, but none through a mapping). So bytes that changed and came back between two checks are found. */
void vw_witness_watch(vw_witness *w, const char *path);

/* Errors: VW_ERR_IO naming the file where its bytes are others than those of w->hash, it was written to, or it is gone.
 * A file that only looks otherwise (touched, replaced by an equal one) is remembered by its new looks. Not for several
 * threads at once. */
vw_status vw_witness_check(vw_witness *w, const char *path);

/* Whether `path` as seen by `mine` is the file of `theirs`, which another process hashed: by its looks, else by hashing
 * it. On success `mine` has the hash. Errors: VW_ERR_IO. */
vw_status vw_witness_compare(vw_witness *mine, const vw_witness *theirs, const char *path);

#endif
