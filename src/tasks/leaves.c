#include "tasks/leaves.h"

#include <stdio.h>
#include <stdlib.h>

vw_status vw_write_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, const void *data) {
  const vw_value v = vw_find(g, name);
  VW_CHECK(v != VW_NONE, VW_ERR_ARG, "block: the graph has no leaf '%s'", name);
  shape.data = (void *)(uintptr_t)data;
  return vw_program_write(p, v, &shape);
}

vw_status vw_read_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, void *data) {
  shape.data = data;
  return vw_program_read(p, vw_find(g, name), &shape);
}

vw_status vw_write_pool(vw_program *p, const vw_graph *g, const char *name, int64_t first, int64_t n, int64_t count,
                        int64_t streams) {
  int32_t *pool = malloc((size_t)(n + 2 * streams) * sizeof *pool), *offset = pool + n, *counts = offset + streams;
  char leaf[64];
  vw_status st = VW_OK;
  VW_CHECK(pool, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t i = 0; i < n; i++) pool[i] = (int32_t)(first + i);
  for (int64_t i = 0; i < streams; i++) offset[i] = 0, counts[i] = (int32_t)count;
  (void)snprintf(leaf, sizeof leaf, "%s_pool", name);
  VW_GOTO(vw_write_leaf(p, g, leaf, vw_shape(VW_I32, n), pool));
  (void)snprintf(leaf, sizeof leaf, "%s_offset", name);
  VW_GOTO(vw_write_leaf(p, g, leaf, vw_shape(VW_I32, streams), offset));
  (void)snprintf(leaf, sizeof leaf, "%s_count", name);
  VW_GOTO(vw_write_leaf(p, g, leaf, vw_shape(VW_I32, streams), counts));
cleanup:
  free(pool);
  return st;
}

vw_status vw_write_streams(vw_program *p, const vw_graph *g, const uint64_t *keys, int64_t streams, int64_t K) {
  int32_t *row = malloc((size_t)(2 * K) * sizeof *row), *stream = row + K;
  uint32_t *key = malloc((size_t)(2 * streams) * sizeof *key);
  vw_status st = row && key ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  if (st != VW_OK) goto cleanup;
  for (int64_t k = 0; k < K; k++) row[k] = (int32_t)k, stream[k] = (int32_t)(k * streams / K);
  for (int64_t i = 0; i < streams; i++) key[2 * i] = (uint32_t)keys[i], key[2 * i + 1] = (uint32_t)(keys[i] >> 32);
  VW_GOTO(vw_write_leaf(p, g, "row_word", vw_shape(VW_I32, K), row));
  VW_GOTO(vw_write_leaf(p, g, "row_stream", vw_shape(VW_I32, K), stream));
  VW_GOTO(vw_write_leaf(p, g, "key", vw_shape(VW_U32, streams, 2), key));
cleanup:
  free(row), free(key);
  return st;
}

vw_draw_pools vw_step_pool(vw_graph *g, const char *name, int64_t entries, int64_t streams) {
  return (vw_draw_pools){.pool = vw_input(g, vw_shape(VW_I32, entries), "%s_pool", name),
                         .offset = vw_input(g, vw_shape(VW_I32, streams), "%s_offset", name),
                         .count = vw_input(g, vw_shape(VW_I32, streams), "%s_count", name)};
}
