#include "core/arena.h"

#include <stdlib.h>
#include <string.h>

vw_status vw_arena_create(vw_arena *a, size_t bytes) {
  const size_t rounded = (bytes + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
  *a = (vw_arena){.size = rounded, .owned = true};
  a->base = aligned_alloc(VW_ALIGN, rounded ? rounded : VW_ALIGN);
  VW_CHECK(a->base, VW_ERR_MEMORY, "cannot allocate %zu bytes", rounded);
  memset(a->base, 0, rounded);
  return VW_OK;
}

void vw_arena_destroy(vw_arena *a) {
  if (a->owned) free(a->base);
  *a = (vw_arena){0};
}

vw_status vw_arena_take(vw_arena *a, size_t bytes, void **out) {
  const size_t rounded = (bytes + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
  VW_CHECK(!a->base || rounded <= a->size - a->used, VW_ERR_MEMORY, "arena of %zu bytes has no %zu left", a->size,
           bytes);
  *out = a->base ? a->base + a->used : NULL;
  a->used += rounded;
  if (a->used > a->peak) a->peak = a->used;
  return VW_OK;
}

void vw_arena_release(vw_arena *a, size_t mark) {
#ifndef NDEBUG
  if (a->base && mark < a->used) memset(a->base + mark, 0xff, a->used - mark); /* all ones: NaN in every float type */
#endif
  a->used = mark;
}
