#include "core/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 65536, GRAIN = 16 };

typedef struct vw_pool_chunk {
  struct vw_pool_chunk *next;
  size_t used, size; /* bytes of data */
  _Alignas(GRAIN) char data[];
} vw_pool_chunk;

void *vw_pool_take(vw_pool *pool, size_t bytes) {
  if (bytes > SIZE_MAX / 2) return NULL;
  const size_t rounded = (bytes + GRAIN) / GRAIN * GRAIN; /* never 0: every take has its own address */
  vw_pool_chunk *c = pool->head;
  if (!c || c->size - c->used < rounded) {
    const size_t size = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;
    c = calloc(1, sizeof *c + size);
    if (!c) return NULL;
    c->size = size, c->next = pool->head, pool->head = c;
  }
  void *p = c->data + c->used;
  c->used += rounded;
  return p;
}

char *vw_pool_text(vw_pool *pool, const char *text, ptrdiff_t n) {
  const size_t bytes = n < 0 ? strlen(text) : (size_t)n;
  char *copy = vw_pool_take(pool, bytes + 1);
  if (!copy) return NULL;
  memcpy(copy, text, bytes);
  copy[bytes] = 0;
  return copy;
}

void vw_pool_fini(vw_pool *pool) {
  while (pool->head) {
    vw_pool_chunk *next = pool->head->next;
    free(pool->head);
    pool->head = next;
  }
}
