/* A pool: many small things that live and die together (the strings of a study, the trials of a plan). It grows by
 * chunks; pointers stay valid until vw_pool_fini. */
#ifndef VW_CORE_POOL_H
#define VW_CORE_POOL_H

#include "core/status.h"

typedef struct vw_pool {
  struct vw_pool_chunk *head; /* newest first; all zeros is an empty pool */
} vw_pool;

/* Zeroed bytes aligned to 16, owned by the pool. NULL: out of memory. */
void *vw_pool_take(vw_pool *pool, size_t bytes);

/* A copy of `n` bytes of text with an end; n < 0: all of it. NULL: out of memory. */
char *vw_pool_text(vw_pool *pool, const char *text, ptrdiff_t n);

void vw_pool_fini(vw_pool *pool);

#endif
