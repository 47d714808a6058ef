/* patch_embed: a convolution of stride P as one product of patches [B n, 3PP] and weights [D, 3PP]^T; patches are
 * gathered from the picture while they are read. Sums are fp32 and have one order: the same bits in every run and at any
 * number of pictures. 6 PP D operations a patch.
 *
 * Pixels and weights in bf16, or in fp32 that may be rounded to TF32: tensor cores. Sums go over the lines of a patch,
 * as they lie in the picture: 3P numbers each, in pieces of 96 bytes. The weight is first put into that order, with
 * zeros behind each line (14 x 14: 48 for 42), into scratch: [piece][D][96 bytes]. A block of 8 warps makes 128 patches
 * x 128 channels, a warp 64 x 32; pieces of both factors come by asynchronous copies, two ahead of the one that is
 * multiplied. Where that leaves multiprocessors without a block, 32 patches x 128 channels. Traffic: the result once,
 * pixels D / 128 and weights B n / 128 times, mostly from the L2 cache.
 *
 * Others: CUDA cores, in the order of the hub's weights. Blocks of 256 threads make 64 patches x 64 channels, a thread
 * 4 x 4 of them, in steps of 16 along 3PP. A thread fetches one k of four patches and four channels a step: the
 * divisions that find a patch are done once, those that find a pixel once a step. */
#include "kernels/patch_embed.h"

#include "kernels/cuda/mma.cuh"

enum { BLOCK = 64, DEEP = 16, SIDE = 16, EACH = BLOCK / SIDE, THREADS = SIDE * SIDE, PAD = BLOCK + 1 };
static_assert(BLOCK * DEEP == EACH * THREADS && DEEP == SIDE, "each thread fetches EACH numbers of either factor");

struct geometry {
  int64_t rows, n, D, K, P, W, pixels; /* rows: patches of all pictures; pixels: numbers of a picture */
};

__device__ static int64_t patch_at(const geometry &g, int64_t row) {
  const int64_t i = row % g.n, across = g.W / g.P;
  return row / g.n * g.pixels + (i / across * g.P * g.W + i % across * g.P) * 3;
}

__device__ static int64_t pixel_at(const geometry &g, int64_t at) {
  const int k = static_cast<int>(at), P = static_cast<int>(g.P), in_channel = k % (P * P);
  return (in_channel / P * g.W + in_channel % P) * 3 + k / (P * P);
}

template <typename Y, typename X, typename W>
__global__ static void __launch_bounds__(THREADS)
    patch_kernel(Y *__restrict__ y, const X *__restrict__ pixels, const W *__restrict__ weight,
                 const W *__restrict__ position, geometry g) {
  __shared__ float a[DEEP][PAD], b[DEEP][PAD];
  const int64_t across = (g.D + BLOCK - 1) / BLOCK;
  const int64_t row0 = blockIdx.x / across * BLOCK, col0 = blockIdx.x % across * BLOCK;
  const int deep = threadIdx.x % DEEP, line = threadIdx.x / DEEP; /* what this thread fetches, and every 16th line */
  float sum[EACH][EACH] = {};
  int64_t patch[EACH];
  for (int i = 0; i < EACH; i++) patch[i] = patch_at(g, row0 + line + SIDE * i);
  for (int64_t k0 = 0; k0 < g.K; k0 += DEEP) {
    const int64_t k = k0 + deep, pixel = k < g.K ? pixel_at(g, k) : 0;
    for (int i = 0; i < EACH; i++) {
      const int64_t row = row0 + line + SIDE * i, col = col0 + line + SIDE * i;
      a[deep][line + SIDE * i] = k < g.K && row < g.rows ? vw_load(pixels, patch[i] + pixel) : 0.0f;
      b[deep][line + SIDE * i] = k < g.K && col < g.D ? vw_load(weight, col * g.K + k) : 0.0f;
    }
    __syncthreads();
    for (int k = 0; k < DEEP; k++)
      for (int i = 0; i < EACH; i++)
        for (int j = 0; j < EACH; j++)
          sum[i][j] += a[k][threadIdx.x / SIDE + SIDE * i] * b[k][threadIdx.x % SIDE + SIDE * j];
    __syncthreads();
  }
  for (int i = 0; i < EACH; i++)
    for (int j = 0; j < EACH; j++) {
      const int64_t row = row0 + threadIdx.x / SIDE + SIDE * i, col = col0 + threadIdx.x % SIDE + SIDE * j;
      if (row >= g.rows || col >= g.D) continue;
      const int64_t place = 1 + row % g.n;
      vw_store(y, (row / g.n * (g.n + 1) + place) * g.D + col, sum[i][j] + vw_load(position, place * g.D + col));
    }
}

/* ---- tensor cores ------------------------------------------------------------------------------------------------ */

enum { COLUMNS = 128, PIECE_BYTES = 96, PITCH_BYTES = 112, STAGES = 3, MMA_THREADS = 256, WARP_COLUMNS = 32 };
enum { ACROSS = COLUMNS / WARP_COLUMNS, COLUMN_TILES = WARP_COLUMNS / 8 };

/* Numbers of a piece, and from row to row in shared memory: 112 bytes keep 8 rows off each other's banks. */
template <typename X> constexpr int DEPTH = PIECE_BYTES / static_cast<int>(sizeof(X));
template <typename X> constexpr int PITCH = PITCH_BYTES / static_cast<int>(sizeof(X));

/* Of a patch: its first pixel (-1: none), its row of the result, its position. */
struct patch_origin {
  int64_t pixel;
  int row, place;
};

struct piece_geometry {
  int lines, parts, width; /* parts of a line of `width` numbers, 3P */
  int64_t columns;         /* of the weight's pieces: D up to a multiple of COLUMNS */
};

static int64_t pieces(int64_t n, int64_t size) {
  return (n + size - 1) / size;
}

template <typename X> static piece_geometry pieces_of(int64_t P, int64_t D) {
  const int width = static_cast<int>(3 * P);
  return {static_cast<int>(P), static_cast<int>(pieces(width, DEPTH<X>)), width, pieces(D, COLUMNS) * COLUMNS};
}

/* As the tensor cores want it: fp32 rounded to TF32. */
__device__ static __nv_bfloat16 as_factor(__nv_bfloat16 x) {
  return x;
}
__device__ static float as_factor(float x) {
  return __uint_as_float(vw_tf32(x));
}

/* The weight [D, 3, P, P] as pieces; item: a number of the pieces. */
template <typename X>
__global__ static void __launch_bounds__(THREADS)
    arrange_kernel(X *__restrict__ to, const X *__restrict__ weight, piece_geometry g, int64_t D, int64_t items) {
  const int64_t item = vw_thread(), piece = item / (g.columns * DEPTH<X>), d = item / DEPTH<X> % g.columns;
  if (item >= items) return;
  const int64_t at = piece % g.parts * DEPTH<X> + item % DEPTH<X>, line = piece / g.parts, P = g.lines;
  X x;
  vw_store(&x, 0, 0.0f);
  if (d < D && at < g.width) x = as_factor(weight[(d * 3 + at % 3) * P * P + line * P + at / 3]);
  to[item] = x;
}

/* Shared memory: STAGES pieces of the block's patches, then of its channels, then where the patches lie. */
template <typename X, int ROWS> struct stage { X a[ROWS * PITCH<X>], b[COLUMNS * PITCH<X>]; };

template <typename X, int ROWS> struct patch_room {
  stage<X, ROWS> stages[STAGES];
  patch_origin origin[ROWS];
};

/* n numbers of each patch from `from` on, zeros behind them and for patches that are not there: BYTES at once. */
template <int BYTES, int ROWS, typename X>
__device__ static void fetch_pixels(X *to, const patch_origin *origin, const X *from, int n) {
  constexpr int EACH = BYTES / static_cast<int>(sizeof(X)), PER_ROW = PIECE_BYTES / BYTES;
  for (int i = static_cast<int>(threadIdx.x); i < ROWS * PER_ROW; i += MMA_THREADS) {
    const int r = i / PER_ROW, c = i % PER_ROW * EACH;
    const int64_t pixel = origin[r].pixel;
    X *here = to + r * PITCH<X> + c;
    if (pixel < 0 || c >= n) {
      for (int e = 0; e < EACH; e++) vw_store(here, e, 0.0f);
    } else if constexpr (BYTES == 16) {
      vw_copy_async(here, from + pixel + c);
    } else if constexpr (BYTES == 4) {
      vw_copy_async_word(here, from + pixel + c);
    } else {
      here[0] = from[pixel + c];
    }
  }
}

/* A piece of both factors; `at_once`: bytes that lines of pixels can be copied in. */
template <typename X, int ROWS>
__device__ static void fetch(stage<X, ROWS> &s, const patch_origin *origin, const X *pixels, const X *weight,
                             const geometry &g, const piece_geometry &p, int piece, int at_once) {
  constexpr int EACH = 16 / static_cast<int>(sizeof(X)), PER_ROW = PIECE_BYTES / 16;
  const int part = piece % p.parts, rest = p.width - part * DEPTH<X>, n = rest < DEPTH<X> ? rest : DEPTH<X>;
  const X *line = pixels + piece / p.parts * 3 * g.W + part * DEPTH<X>;
  if (at_once == 16)
    fetch_pixels<16, ROWS>(s.a, origin, line, n);
  else if (at_once == 4)
    fetch_pixels<4, ROWS>(s.a, origin, line, n);
  else
    fetch_pixels<sizeof(X), ROWS>(s.a, origin, line, n);
  const X *from = weight + piece * p.columns * DEPTH<X>;
  for (int i = static_cast<int>(threadIdx.x); i < COLUMNS * PER_ROW; i += MMA_THREADS)
    vw_copy_async(s.b + i / PER_ROW * PITCH<X> + i % PER_ROW * EACH, from + i * EACH);
}

/* Adds a piece's products to a warp's sums, which begin at row0 and col0. */
template <int TILES>
__device__ static void multiply(const __nv_bfloat16 *a, const __nv_bfloat16 *b, int row0, int col0,
                                float (&sum)[TILES][COLUMN_TILES][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const __nv_bfloat16 *rows = a + (row0 + lane % 16) * PITCH<__nv_bfloat16> + lane / 16 * 8,
                      *columns = b + (col0 + lane / 16 * 8 + lane % 8) * PITCH<__nv_bfloat16> + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < DEPTH<__nv_bfloat16>; k += 16) {
    uint32_t x[TILES][4], w[COLUMN_TILES / 2][4];
    for (int i = 0; i < TILES; i++) vw_ldmatrix(x[i], rows + 16 * i * PITCH<__nv_bfloat16> + k);
    for (int j = 0; j < COLUMN_TILES / 2; j++) vw_ldmatrix(w[j], columns + 16 * j * PITCH<__nv_bfloat16> + k);
    for (int i = 0; i < TILES; i++)
      for (int j = 0; j < COLUMN_TILES; j++) vw_mma_bf16(sum[i][j], x[i], w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]);
  }
}

template <int TILES>
__device__ static void multiply(const float *a, const float *b, int row0, int col0,
                                float (&sum)[TILES][COLUMN_TILES][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, side = lane / 4, deep = lane % 4;
  const float *rows = a + (row0 + side) * PITCH<float> + deep, *columns = b + (col0 + side) * PITCH<float> + deep;
#pragma unroll
  for (int k = 0; k < DEPTH<float>; k += 8) {
    uint32_t x[TILES][4];
    for (int i = 0; i < TILES; i++)
      for (int e = 0; e < 4; e++) x[i][e] = vw_tf32(rows[(16 * i + e % 2 * 8) * PITCH<float> + k + e / 2 * 4]);
    for (int j = 0; j < COLUMN_TILES; j++) {
      const float *w = columns + 8 * j * PITCH<float> + k; /* rounded already */
      for (int i = 0; i < TILES; i++) vw_mma_tf32(sum[i][j], x[i], __float_as_uint(w[0]), __float_as_uint(w[4]));
    }
  }
}

/* Two neighbours of the result, their position added; the second may be behind the end. */
template <typename Y, typename X>
__device__ static void put_pair(Y *y, const X *position, float a, float b, int64_t col, int64_t D) {
  a += vw_load(position, col);
  if (col + 1 == D) return vw_store(y, col, a);
  b += vw_load(position, col + 1);
  if (D % 2 == 0) return vw_store_pair(y + col, a, b);
  vw_store(y, col, a), vw_store(y, col + 1, b);
}

template <typename Y, typename X, int TILES>
__global__ static void __launch_bounds__(MMA_THREADS)
    patch_mma_kernel(Y *__restrict__ y, const X *__restrict__ pixels, const X *__restrict__ weight,
                     const X *__restrict__ position, geometry g, piece_geometry p, int at_once) {
  constexpr int WARP_ROWS = 16 * TILES, ROWS = WARP_ROWS * (MMA_THREADS / 32 / ACROSS);
  auto &room = *reinterpret_cast<patch_room<X, ROWS> *>(vw_shared());
  const int64_t row_0 = blockIdx.x / (p.columns / COLUMNS) * ROWS, col_0 = blockIdx.x % (p.columns / COLUMNS) * COLUMNS;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32, all = p.lines * p.parts;
  const int row0 = warp / ACROSS * WARP_ROWS, col0 = warp % ACROSS * WARP_COLUMNS;
  float sum[TILES][COLUMN_TILES][4] = {};
  if (thread < ROWS) {
    const int64_t row = row_0 + thread, place = 1 + row % g.n;
    room.origin[thread] = {row < g.rows ? patch_at(g, row) : -1, static_cast<int>(row / g.n * (g.n + 1) + place),
                           static_cast<int>(place)};
  }
  __syncthreads(); /* origins are there */
  const X *mine = weight + col_0 * DEPTH<X>;
  for (int i = 0; i < STAGES - 1; i++) {
    if (i < all) fetch(room.stages[i], room.origin, pixels, mine, g, p, i, at_once);
    vw_copy_commit();
  }
  for (int i = 0; i < all; i++) {
    const int next = i + STAGES - 1;
    vw_copy_wait<STAGES - 2>();
    __syncthreads(); /* everybody's copies of this piece are there; the piece before has been read */
    if (next < all) fetch(room.stages[next % STAGES], room.origin, pixels, mine, g, p, next, at_once);
    vw_copy_commit();
    multiply(room.stages[i % STAGES].a, room.stages[i % STAGES].b, row0, col0, sum);
  }
  for (int i = 0; i < TILES; i++)
    for (int half = 0; half < 2; half++) {
      const patch_origin o = room.origin[row0 + 16 * i + half * 8 + lane / 4];
      for (int j = 0; o.pixel >= 0 && j < COLUMN_TILES; j++) {
        const int64_t col = col_0 + col0 + 8 * j + lane % 4 * 2;
        if (col < g.D)
          put_pair(y + o.row * g.D, position + o.place * g.D, sum[i][j][2 * half], sum[i][j][2 * half + 1], col, g.D);
      }
    }
}

/* Bytes at once in which the lines of all patches can be copied. */
template <typename X> static int copied_at_once(const X *pixels, const geometry &g) {
  const int64_t line = 3 * g.P * static_cast<int64_t>(sizeof(X));
  for (const int bytes : {16, 4})
    if (line % bytes == 0 && reinterpret_cast<uintptr_t>(pixels) % static_cast<uintptr_t>(bytes) == 0) return bytes;
  return static_cast<int>(sizeof(X));
}

template <typename Y, typename X, int TILES>
static vw_status launch_tiles(vw_context *ctx, const vw_call *c, const geometry &g, const piece_geometry &p) {
  constexpr int ROWS = 16 * TILES * (MMA_THREADS / 32 / ACROSS);
  const auto *pixels = vw_data<const X>(&c->in[PATCH_PIXELS]);
  return vw_launch(ctx, "patch_embed", patch_mma_kernel<Y, X, TILES>, pieces(g.rows, ROWS) * (p.columns / COLUMNS), 1,
                   MMA_THREADS, sizeof(patch_room<X, ROWS>), vw_data<Y>(&c->out[0]), pixels,
                   static_cast<const X *>(c->scratch), vw_data<const X>(&c->in[PATCH_POSITION]), g, p,
                   copied_at_once(pixels, g));
}

template <typename Y, typename X> static vw_status launch_mma(vw_context *ctx, const vw_call *c, const geometry &g) {
  enum { MANY = 4, FEW = 1 };
  const piece_geometry p = pieces_of<X>(g.P, g.D);
  const int64_t items = p.lines * p.parts * p.columns * DEPTH<X>;
  VW_CHECK(g.rows / g.n * (g.n + 1) <= INT_MAX, VW_ERR_ARG, "patch_embed: %lld patches are too many for one call",
           static_cast<long long>(g.rows));
  VW_TRY(vw_check_aligned("patch_embed", "scratch", c->scratch));
  VW_TRY(vw_launch(ctx, "patch_embed_arrange", arrange_kernel<X>, items, THREADS, THREADS, 0,
                   static_cast<X *>(c->scratch), vw_data<const X>(&c->in[PATCH_WEIGHT]), p, g.D, items));
  const bool fills =
      pieces(g.rows, 2 * 16 * MANY) * (p.columns / COLUMNS) > vw_cuda_of(ctx)->properties.multiProcessorCount;
  return fills ? launch_tiles<Y, X, MANY>(ctx, c, g, p) : launch_tiles<Y, X, FEW>(ctx, c, g, p);
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Factors of one type that tensor cores take. */
static bool takes_tensor_cores(const vw_context *ctx, const vw_call *c) {
  const vw_dtype x = c->in[PATCH_PIXELS].dtype, y = c->out[0].dtype;
  if (c->in[PATCH_WEIGHT].dtype != x) return false;
  return x == VW_BF16 || (x == VW_F32 && y == VW_F32 && ctx->tf32);
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  const int64_t P = c->in[PATCH_WEIGHT].dim[2], D = c->out[0].dim[2];
  if (!takes_tensor_cores(ctx, c)) return VW_OK;
  const piece_geometry p =
      c->in[PATCH_WEIGHT].dtype == VW_BF16 ? pieces_of<__nv_bfloat16>(P, D) : pieces_of<float>(P, D);
  c->scratch_bytes = static_cast<size_t>(p.lines * p.parts * p.columns) * PIECE_BYTES;
  return VW_OK;
}

template <typename Y, typename W>
__global__ static void __launch_bounds__(THREADS)
    class_kernel(Y *__restrict__ y, const W *__restrict__ token, const W *__restrict__ position, int64_t B, int64_t n,
                 int64_t D) {
  const int64_t i = vw_thread(), d = i % D;
  if (i < B * D) vw_store(y, i / D * (n + 1) * D + d, vw_load(token, d) + vw_load(position, d));
}

template <typename Y, typename X, typename W>
static vw_status multiply_all(vw_context *ctx, const vw_call *c, const geometry &g) {
  if constexpr (sizeof(X) == sizeof(W) && (sizeof(X) == sizeof(__nv_bfloat16) || sizeof(Y) == sizeof(float)))
    if (takes_tensor_cores(ctx, c)) return launch_mma<Y, X>(ctx, c, g);
  return vw_launch(ctx, "patch_embed", patch_kernel<Y, X, W>, pieces(g.rows, BLOCK) * pieces(g.D, BLOCK), 1, THREADS, 0,
                   vw_data<Y>(&c->out[0]), vw_data<const X>(&c->in[PATCH_PIXELS]),
                   vw_data<const W>(&c->in[PATCH_WEIGHT]), vw_data<const W>(&c->in[PATCH_POSITION]), g);
}

template <typename Y, typename X, typename W> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_tensor *in = c->in, *pixels = &in[PATCH_PIXELS], *y = &c->out[0];
  const int64_t B = y->dim[0], n = y->dim[1] - 1, D = y->dim[2], P = in[PATCH_WEIGHT].dim[2];
  const geometry g = {B * n, n, D, 3 * P * P, P, pixels->dim[2], pixels->dim[1] * pixels->dim[2] * 3};
  VW_TRY((multiply_all<Y, X, W>(ctx, c, g)));
  return vw_launch(ctx, "patch_embed_class", class_kernel<Y, W>, B * D, THREADS, THREADS, 0, vw_data<Y>(y),
                   vw_data<const W>(&in[PATCH_CLASS]), vw_data<const W>(&in[PATCH_POSITION]), B, n, D);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *weight = &c->in[PATCH_WEIGHT];
  VW_CHECK(c->in[PATCH_CLASS].dtype == weight->dtype && c->in[PATCH_POSITION].dtype == weight->dtype,
           VW_ERR_UNSUPPORTED, "patch_embed on cuda wants weights of one type: change the dtype policy");
  return vw_with_type("patch_embed", &c->out[0], [&](auto y) {
    return vw_with_type("patch_embed", &c->in[PATCH_PIXELS], [&](auto x) {
      return vw_with_type("patch_embed", weight,
                          [&](auto w) { return launch<decltype(y), decltype(x), decltype(w)>(ctx, c); });
    });
  });
}

extern "C" const vw_kernel patch_embed_cuda = {run, measure, nullptr, nullptr, 0};
