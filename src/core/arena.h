/* Arenas are named for how long their memory lasts. With base = NULL only `peak` grows: a dry pass that sizes the
 * block. */
#ifndef VW_CORE_ARENA_H
#define VW_CORE_ARENA_H

#include "core/status.h"

enum { VW_ALIGN = 64 }; /* a cache line, and the widest vector load */

typedef struct vw_arena {
  char *base;  /* NULL: dry */
  size_t size; /* bytes of base */
  size_t used; /* bytes in use */
  size_t peak; /* largest `used` */
  bool owned;  /* base was allocated by vw_arena_create */
} vw_arena;

/* Allocates `bytes`, zeroed. The arena owns them until vw_arena_destroy. Errors: VW_ERR_MEMORY. */
vw_status vw_arena_create(vw_arena *a, size_t bytes);
void vw_arena_destroy(vw_arena *a);

/* Bytes aligned to VW_ALIGN, or an error when the arena is too small. *out is NULL in a dry pass. */
vw_status vw_arena_take(vw_arena *a, size_t bytes, void **out);

static inline size_t vw_arena_mark(const vw_arena *a) {
  return a->used;
}

/* Gives back all taken since `mark`. Debug builds fill it with NaN, so that a stale reader is seen. */
void vw_arena_release(vw_arena *a, size_t mark);

#endif
