/* Packed weights of the process: one copy for all plans that use a weight the same way, freed with the last of them. */
#include "kernels/cpu/gemm.h"

#include "kernels/pages.h"
#include <pthread.h>
#include <stdlib.h>

struct vw_packed {
  const void *w; /* identity, the first part's address: weights outlive the plans that use them */
  vw_dtype type;
  bool transposed;
  int64_t M, K, taps, users;
  size_t bytes;
  float *data;
  vw_packed *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vw_packed *first;

static vw_packed *find(bool transposed, int64_t M, int64_t K, int64_t taps, const vw_parts *w) {
  const vw_tensor *t = &w->part[0];
  for (vw_packed *p = first; p; p = p->next)
    if (p->w == t->data && p->type == t->dtype && p->transposed == transposed && p->M == M && p->K == K &&
        p->taps == taps)
      return p;
  return NULL;
}

static vw_status create(const vw_context *ctx, bool transposed, int64_t M, int64_t K, int64_t taps, const vw_parts *w,
                        vw_packed **out) {
  const vw_tile *tile = vw_tile_best();
  const size_t bytes = (size_t)vw_packed_b(tile, M, K) * sizeof(float);
  vw_packed *p = calloc(1, sizeof *p);
  float *data = vw_host_pages(bytes);
  if (!p || !data) {
    free(p), free(data);
    return VW_RAISE(VW_ERR_MEMORY, "out of memory: %zu bytes for packed weights; run fewer ranks on this node", bytes);
  }
  *p = (vw_packed){w->part[0].data, w->part[0].dtype, transposed, M, K, taps, 0, bytes, data, first};
  if (taps > 1)
    vw_pack_taps(ctx, tile, transposed, M, K, taps, w, data);
  else
    vw_pack_b(ctx, tile, transposed, M, K, w, data);
  first = p;
  *out = p;
  return VW_OK;
}

vw_status vw_packed_get(const vw_context *ctx, bool transposed, int64_t M, int64_t K, int64_t taps, const vw_parts *w,
                        vw_packed **out) {
  vw_status st = VW_OK;
  (void)pthread_mutex_lock(&lock);
  vw_packed *p = find(transposed, M, K, taps, w);
  if (!p) st = create(ctx, transposed, M, K, taps, w, &p);
  if (st == VW_OK) p->users++;
  (void)pthread_mutex_unlock(&lock);
  *out = p;
  return st;
}

vw_kept vw_packed_plan(int weight, bool transposed, int64_t M, int64_t K, int64_t taps) {
  const size_t bytes = (size_t)vw_packed_b(vw_tile_best(), M, K) * sizeof(float);
  return (vw_kept){.input = weight, .form = 2 * taps + transposed, .bytes = bytes};
}

void vw_packed_put(vw_packed *p) {
  if (!p) return;
  (void)pthread_mutex_lock(&lock);
  if (--p->users == 0) {
    vw_packed **at = &first;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
    free(p->data), free(p);
  }
  (void)pthread_mutex_unlock(&lock);
}

const float *vw_packed_data(const vw_packed *p) {
  return p->data;
}

int64_t vw_packed_bytes(void) {
  int64_t bytes = 0;
  (void)pthread_mutex_lock(&lock);
  for (const vw_packed *p = first; p; p = p->next) bytes += (int64_t)p->bytes;
  (void)pthread_mutex_unlock(&lock);
  return bytes;
}
