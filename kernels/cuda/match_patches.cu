/* match_patches (contract: kernels/match_patches.h). A block a word and picture, as many blocks as fit BLOCKS rooms of
 * scratch, each of which goes through its share. Prices and paths are double, as on the host, and are compared in the
 * same order: the nearest patch, of equally near ones a free one, then the first. Boxes are added one at a time; a step
 * of a path is one pass of all threads over the patches. Traffic: a box of n reads N costs once for each box before it
 * on its path. A picture without boxes costs zeros alone. */
#include "kernels/match_patches.h"

#include "kernels/cuda/device.cuh"

#include <cmath>

enum { THREADS = 256, BLOCKS = 256 };

struct match_table {
  const int32_t *picture, *first;
  const float *place;
  int64_t each, S, N, boxes; /* words of a row of pictures; rows of `place` */
  int64_t pairs, blocks;     /* words x pictures; of the launch */
  float alpha;
};

/* A block's room in scratch. */
struct match_room {
  double *word, *shortest, *patch_price, *box_price;
  int32_t *from, *owner, *done, *patch;
};

__host__ __device__ static int64_t room_bytes(int64_t boxes, int64_t N) {
  return ((3 * N + boxes) * 8 + (3 * N + boxes) * 4 + 63) / 64 * 64;
}

__device__ static match_room room_of(char *scratch, const match_table &t) {
  double *d = reinterpret_cast<double *>(scratch + blockIdx.x * room_bytes(t.boxes, t.N));
  int32_t *i = reinterpret_cast<int32_t *>(d + 3 * t.N + t.boxes);
  return {d, d + t.N, d + 2 * t.N, d + 3 * t.N, i, i + t.N, i + 2 * t.N, i + 3 * t.N};
}

__device__ static float softplus_of(float y, float e) {
  return fmaxf(y, 0.0f) + log1pf(e);
}

/* What the focal loss of a patch grows by when it has a box. */
__device__ static float word_cost(float z, float alpha) {
  const float e = expf(-fabsf(z)), p = (z >= 0 ? 1.0f : e) / (1.0f + e), q = (z >= 0 ? e : 1.0f) / (1.0f + e);
  return alpha * q * q * softplus_of(-z, e) - (1.0f - alpha) * p * p * softplus_of(z, e);
}

/* The nearer of two patches; index -1: none. */
struct nearest {
  double length;
  int32_t index, owned;
};

__device__ static bool comes_before(const nearest &a, const nearest &b) {
  if (a.index < 0 || b.index < 0) return a.index >= 0;
  if (a.length != b.length) return a.length < b.length;
  return a.owned != b.owned ? a.owned < b.owned : a.index < b.index;
}

/* Extends paths through `box`, reached at `length`, and finds the nearest patch that is not done: in best[0], for all.
 */
__device__ static void extend(const match_table &t, const match_room &r, const float *place, int64_t box, double length,
                              nearest *best) {
  nearest own = {INFINITY, -1, 0};
  for (int64_t j = threadIdx.x; j < t.N; j += THREADS) {
    if (r.done[j]) continue;
    const double cost = static_cast<double>(place[box * t.N + j]) + r.word[j];
    const double through = length + cost - r.box_price[box] - r.patch_price[j];
    if (through < r.shortest[j]) r.shortest[j] = through, r.from[j] = static_cast<int32_t>(box);
    const nearest one = {r.shortest[j], static_cast<int32_t>(j), r.owner[j] >= 0};
    if (comes_before(one, own)) own = one;
  }
  best[threadIdx.x] = own;
  __syncthreads();
  for (unsigned half = THREADS / 2; half; half /= 2) {
    if (threadIdx.x < half && comes_before(best[threadIdx.x + half], best[threadIdx.x]))
      best[threadIdx.x] = best[threadIdx.x + half];
    __syncthreads();
  }
}

/* The patch at the end of the new box's path changes owner, and so on back to the box. One thread. */
__device__ static void turn_path(const match_room &r, int64_t box, int64_t end) {
  for (int64_t i = -1, j = end; i != box;) {
    i = r.from[j];
    r.owner[j] = static_cast<int32_t>(i);
    const int64_t before = r.patch[i];
    r.patch[i] = static_cast<int32_t>(j);
    j = before;
  }
}

__device__ static void add_box(const match_table &t, const match_room &r, const float *place, int64_t box,
                               nearest *best) {
  int64_t at = box, end = -1;
  double length = 0;
  for (int64_t j = threadIdx.x; j < t.N; j += THREADS)
    r.shortest[j] = INFINITY, r.from[j] = static_cast<int32_t>(box), r.done[j] = 0;
  __syncthreads();
  while (end < 0) {
    extend(t, r, place, at, length, best);
    const int64_t j = best[0].index;
    length = best[0].length;
    if (best[0].owned)
      at = r.owner[j];
    else
      end = j;
    __syncthreads(); /* all have read best[0] */
    if (threadIdx.x == 0) r.done[j] = 1;
    __syncthreads();
  }
  if (threadIdx.x == 0) r.box_price[box] += length;
  for (int64_t k = threadIdx.x; k < t.N; k += THREADS) {
    if (!r.done[k] || k == end) continue;
    r.box_price[r.owner[k]] += length - r.shortest[k]; /* a patch's owner is no other's, and never the new box */
    r.patch_price[k] -= length - r.shortest[k];
  }
  __syncthreads();
  if (threadIdx.x == 0) turn_path(r, box, end);
  __syncthreads();
}

__global__ static void __launch_bounds__(THREADS)
    match_patches_kernel(int32_t *__restrict__ matched, const float *__restrict__ z, match_table t,
                         char *__restrict__ scratch) {
  __shared__ nearest best[THREADS];
  const match_room r = room_of(scratch, t);
  for (int64_t i = blockIdx.x; i < t.pairs; i += t.blocks) {
    const int64_t p = t.picture[i / t.S / t.each * t.S + i % t.S], first = t.first[p], n = t.first[p + 1] - first;
    for (int64_t j = threadIdx.x; j < t.N; j += THREADS) {
      matched[i * t.N + j] = 0;
      if (n) r.word[j] = static_cast<double>(word_cost(z[i * t.N + j], t.alpha)), r.owner[j] = -1, r.patch_price[j] = 0;
    }
    for (int64_t b = threadIdx.x; b < n; b += THREADS) r.patch[b] = -1, r.box_price[b] = 0;
    for (int64_t b = 0; b < n; b++) add_box(t, r, t.place + first * t.N, b, best); /* begins with a barrier */
    for (int64_t b = threadIdx.x; b < n; b += THREADS) matched[i * t.N + r.patch[b]] = 1;
    __syncthreads();
  }
}

static int64_t blocks_of(int64_t pairs) {
  const int64_t most = BLOCKS;
  return pairs < most ? pairs : most;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  const vw_tensor *z = &c->in[MATCH_Z];
  (void)ctx;
  c->scratch_bytes =
      static_cast<size_t>(blocks_of(z->dim[0] * z->dim[1]) * room_bytes(c->in[MATCH_PLACE].dim[0], z->dim[2]));
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *z = &c->in[MATCH_Z], *picture = &c->in[MATCH_PICTURE], *place = &c->in[MATCH_PLACE];
  VW_TRY(vw_check_f32("match_patches", "logits", z));
  VW_TRY(vw_check_f32("match_patches", "costs", place));
  const match_table t = {vw_i32(picture),
                         vw_i32(&c->in[MATCH_FIRST]),
                         vw_f32(place),
                         z->dim[0] / picture->dim[0],
                         z->dim[1],
                         z->dim[2],
                         place->dim[0],
                         z->dim[0] * z->dim[1],
                         blocks_of(z->dim[0] * z->dim[1]),
                         static_cast<float>(static_cast<const vw_match_patches_attr *>(c->attr)->alpha)};
  return vw_launch(ctx, "match_patches", match_patches_kernel, t.blocks, 1, THREADS, 0, vw_i32(&c->out[0]), vw_f32(z),
                   t, static_cast<char *>(c->scratch));
}

extern "C" const vw_kernel match_patches_cuda = {run, measure, nullptr, nullptr, 0};
