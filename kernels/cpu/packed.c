/* Packed weights of the process: one copy for all plans that use a weight the same way, freed with the last of them. */
#include "kernels/cpu/gemm.h"

#include "kernels/pages.h"
#include <pthread.h>
#include <stdlib.h>

struct vw_packed {
  const void *w; /* identity, the first part's address: weights outlive the plans that use them */
  vw_dtype type; /* of w */
  bool transposed;
  int64_t M, K, taps, users;
  size_t bytes;
  vw_dtype kept; /* of data */
  void *data;
  vw_packed *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vw_packed *first;

enum { LARGE = 1 << 18 }; /* numbers: 1 MB in fp32, more than a second-level cache should give to a weight */

/* The type that a weight [M, K] is kept in. */
static vw_dtype kept_type(int64_t M, int64_t K, vw_dtype stored) {
  return (stored == VW_F16 || stored == VW_BF16) && M * K >= LARGE ? stored : VW_F32;
}

static vw_dtype type_of(const vw_parts *w) {
  for (int i = 1; i < w->n; i++)
    if (w->part[i].dtype != w->part[0].dtype) return VW_F32;
  return w->part[0].dtype;
}

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
  const vw_dtype kept = kept_type(M, K, type_of(w));
  const size_t bytes = (size_t)vw_packed_b(tile, M, K) * vw_dtype_bytes(kept);
  vw_packed *p = calloc(1, sizeof *p);
  void *data = vw_host_pages(bytes);
  if (!p || !data) {
    free(p), free(data);
    return VW_RAISE(VW_ERR_MEMORY, "out of memory: %zu bytes for packed weights; run fewer ranks on this node", bytes);
  }
  *p = (vw_packed){w->part[0].data, w->part[0].dtype, transposed, M, K, taps, 0, bytes, kept, data, first};
  if (kept != VW_F32)
    vw_pack_halves(ctx, tile, transposed, M, K, taps, w, data);
  else if (taps > 1)
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

vw_kept vw_packed_plan(const vw_call *c, int weight, bool transposed, int64_t M, int64_t K, int64_t taps) {
  const vw_dtype kept = kept_type(M, K, c->stored[weight]);
  const size_t bytes = (size_t)vw_packed_b(vw_tile_best(), M, K) * vw_dtype_bytes(kept);
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

const void *vw_packed_data(const vw_packed *p) {
  return p->data;
}

vw_dtype vw_packed_type(const vw_packed *p) {
  return p->kept;
}

int64_t vw_packed_bytes(void) {
  int64_t bytes = 0;
  (void)pthread_mutex_lock(&lock);
  for (const vw_packed *p = first; p; p = p->next) bytes += (int64_t)p->bytes;
  (void)pthread_mutex_unlock(&lock);
  return bytes;
}
