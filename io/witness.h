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
} vw_witness;

/* How the open file looks now; nothing is hashed. */
void vw_witness_take(vw_witness *w, const struct stat *info);

/* Errors: VW_ERR_IO naming the file where its bytes are others than those of w->hash, or it is gone. A file that only
 * looks otherwise (touched, copied over itself) is remembered by its new looks. */
vw_status vw_witness_check(vw_witness *w, const char *path);

/* Whether `path` as seen by `mine` is the file of `theirs`, which another process hashed: by its looks, else by hashing
 * it. On success `mine` has the hash. Errors: VW_ERR_IO. */
vw_status vw_witness_compare(vw_witness *mine, const vw_witness *theirs, const char *path);

#endif
