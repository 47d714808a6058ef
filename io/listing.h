/* Folders of pictures, each read once. A data set's readers look into a folder for pictures, for folders, for what they
 * do not read; hundreds of ranks that do so at once are more than a file system likes. Between begin and end what was
 * read of a folder is kept; rank 0's folders come to all, and the others take its word for those that are the same
 * there (place on disk, time of the last change: one stat a folder). Others they read themselves, so that nodes whose
 * copies differ are still found.
 *
 * One list a process, one thread. */
#ifndef VW_IO_LISTING_H
#define VW_IO_LISTING_H

#include "cluster/ranks.h"
#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct vw_listing_entry {
  const char *name;
  bool is_folder; /* or a link to one */
  bool is_output; /* of these, an output directory of viswords */
} vw_listing_entry;

typedef struct vw_listing {
  vw_listing_entry *entry; /* sorted bytewise; without "." and ".." */
  int64_t n;
} vw_listing;

/* From now on what is read is kept; then rank 0's comes to all (collective. Errors: VW_ERR_COMM, VW_ERR_MEMORY on all
 * ranks); then all is forgotten. */
void vw_listings_begin(void);
vw_status vw_listings_share(const vw_ranks *ranks);
void vw_listings_end(void);

/* Reads a folder, or takes what is known of it. The caller gives it back. Errors: VW_ERR_IO (*err, where it is not NULL:
 * the system's number), VW_ERR_MEMORY. */
vw_status vw_listing_open(const char *folder, const vw_listing **l, int *err);
void vw_listing_close(const vw_listing *l);

/* Folders that this process has read since vw_listings_begin. */
int64_t vw_listings_read(void);

#endif
