/* conv2d and its gradient: implicit matrix products, for machines without a library that has convolutions, and for what
 * it does not take (conv2d_library.cu).
 *
 *   result     rows: positions of y; columns: output channels; sums over (tap, input channel)
 *   gradient   rows: positions of x; columns: input channels; sums over (tap, output channel)
 *
 * Factors in bf16, both: tensor cores. A block of 4 warps makes 128 rows x 64 columns, a warp 64 x 32, 32 channels of
 * all taps at a time: their weights lie in shared memory as the hub has them, rows are copied tap by tap, the next
 * while one is multiplied. Others: CUDA cores, a block of 256 threads makes 64 rows x 64 columns, a thread 4 x 4, 16
 * channels of one tap at a time.
 *
 * Sums are fp32 and have one order: the same bits in every run and at any number of pictures. bias, shift and residual
 * are added as the result is stored. 2 rows columns K operations; traffic: the picture columns / 64 times for each tap,
 * the weight rows / 128 (64) times, mostly from caches. A gradient of stride 2 multiplies zeros for three taps of four.
 */
#include "kernels/cuda/conv2d.cuh"

#include "kernels/cuda/mma.cuh"

enum { BLOCK = 64, DEEP = 16, SIDE = 16, EACH = BLOCK / SIDE, THREADS = SIDE * SIDE, PAD = BLOCK + 1 };
static_assert(DEEP == SIDE, "a thread fetches one depth of EACH rows and EACH columns");

/* Row (b, i, j) reads, for tap (u, v), position ((up i + sign u + top) / down, ...) of a picture [B, H, W, C], zeros
 * outside and where the division leaves a rest. Column n of channel c and a tap is weight n of_column + c of_channel +
 * tap. */
struct geometry {
  int64_t rows, columns, H, W, C, rows_h, rows_w;
  int K, up, sign, top, left, down;
  int64_t of_column, of_channel;
};

/* First channel that `row` reads, -1: zeros. */
__device__ static int64_t read_at(const geometry &g, int64_t row, int u, int v) {
  if (row >= g.rows) return -1;
  const int64_t j = row % g.rows_w, i = row / g.rows_w % g.rows_h, b = row / (g.rows_w * g.rows_h);
  const int64_t h = g.up * i + g.sign * u + g.top, w = g.up * j + g.sign * v + g.left;
  if (h < 0 || w < 0 || h % g.down || w % g.down || h / g.down >= g.H || w / g.down >= g.W) return -1;
  return ((b * g.H + h / g.down) * g.W + w / g.down) * g.C;
}

struct factors {
  float a[DEEP][PAD], b[DEEP][PAD];
};

/* The sums of a thread: rows SIDE apart from threadIdx.x / SIDE, columns from threadIdx.x % SIDE. */
template <typename X, typename W>
__device__ static void multiply(factors &f, const X *__restrict__ x, const W *__restrict__ weight, const geometry &g,
                                int64_t row0, int64_t col0, float (&sum)[EACH][EACH]) {
  const int deep = threadIdx.x % DEEP, line = threadIdx.x / DEEP;
  for (int tap = 0; tap < g.K * g.K; tap++) {
    int64_t from[EACH];
    for (int i = 0; i < EACH; i++) from[i] = read_at(g, row0 + line + SIDE * i, tap / g.K, tap % g.K);
    for (int64_t c0 = 0; c0 < g.C; c0 += DEEP) {
      const int64_t c = c0 + deep;
      for (int i = 0; i < EACH; i++) {
        const int64_t col = col0 + line + SIDE * i;
        f.a[deep][line + SIDE * i] = c < g.C && from[i] >= 0 ? vw_load(x, from[i] + c) : 0.0f;
        f.b[deep][line + SIDE * i] =
            c < g.C && col < g.columns ? vw_load(weight, col * g.of_column + c * g.of_channel + tap) : 0.0f;
      }
      __syncthreads();
      for (int k = 0; k < DEEP; k++)
        for (int i = 0; i < EACH; i++)
          for (int j = 0; j < EACH; j++)
            sum[i][j] += f.a[k][threadIdx.x / SIDE + SIDE * i] * f.b[k][threadIdx.x % SIDE + SIDE * j];
      __syncthreads();
    }
  }
}

/* A tensor of either storage type, for what is touched once an element of the result: one instance of a kernel serves
 * all of them. data is NULL where it is absent. */
struct either {
  void *data;
  bool is_bf16;
};

__device__ static float load_either(const either &t, int64_t i) {
  return t.is_bf16 ? vw_load(static_cast<const __nv_bfloat16 *>(t.data), i)
                   : vw_load(static_cast<const float *>(t.data), i);
}

__device__ static void store_either(const either &t, int64_t i, float x) {
  if (t.is_bf16)
    vw_store(static_cast<__nv_bfloat16 *>(t.data), i, x);
  else
    vw_store(static_cast<float *>(t.data), i, x);
}

struct results {
  either y, bias, shift, residual;
};

/* One element of the result. */
__device__ static void store_sum(const results &to, float sum, int64_t row, int64_t col, const geometry &g) {
  if (row >= g.rows || col >= g.columns) return;
  if (to.bias.data) sum += load_either(to.bias, col);
  if (to.shift.data) sum += load_either(to.shift, row / (g.rows_h * g.rows_w) * g.columns + col);
  if (to.residual.data) sum += load_either(to.residual, row * g.columns + col);
  store_either(to.y, row * g.columns + col, sum);
}

template <typename X, typename W>
__global__ static void __launch_bounds__(THREADS)
    conv2d_kernel(results to, const X *__restrict__ x, const W *__restrict__ weight, geometry g) {
  __shared__ factors f;
  const int64_t across = (g.columns + BLOCK - 1) / BLOCK;
  const int64_t row0 = blockIdx.x / across * BLOCK, col0 = blockIdx.x % across * BLOCK;
  float sum[EACH][EACH] = {};
  multiply(f, x, weight, g, row0, col0, sum);
  for (int i = 0; i < EACH; i++)
    for (int j = 0; j < EACH; j++) {
      const int64_t row = row0 + threadIdx.x / SIDE + SIDE * i, col = col0 + threadIdx.x % SIDE + SIDE * j;
      store_sum(to, sum[i][j], row, col, g);
    }
}

/* ---- tensor cores ------------------------------------------------------------------------------------------------ */

enum { MMA_ROWS = 128, MMA_COLUMNS = 64, MMA_DEEP = 32, MMA_THREADS = 128, WARP_ROWS = 64, WARP_COLUMNS = 32 };
enum { ROW_TILES = WARP_ROWS / 16, COLUMN_TILES = WARP_COLUMNS / 8, ROW_PITCH = MMA_DEEP + 8 };

/* Where a row begins to read: position of tap (0, 0) before `down` divides it, and its picture's first element. */
struct row_origin {
  int h, w;
  int64_t picture; /* -1: no such row */
};

/* Shared memory: the weights of MMA_COLUMNS columns, two buffers of rows, the rows' origins. */
struct mma_room {
  __nv_bfloat16 *weights, *rows[2];
  row_origin *origin;
  int pitch; /* of a column's weights */
};

__host__ __device__ static inline int weights_pitch(int K) {
  return MMA_DEEP * K * K + 8; /* a multiple of 8: what follows keeps to 16 bytes */
}

__device__ static mma_room room_of(const geometry &g) {
  mma_room m;
  m.pitch = weights_pitch(g.K);
  m.weights = reinterpret_cast<__nv_bfloat16 *>(vw_shared());
  m.rows[0] = m.weights + MMA_COLUMNS * m.pitch, m.rows[1] = m.rows[0] + MMA_ROWS * ROW_PITCH;
  m.origin = reinterpret_cast<row_origin *>(m.rows[1] + MMA_ROWS * ROW_PITCH);
  return m;
}

static size_t room_bytes(const geometry &g) {
  return (static_cast<size_t>(MMA_COLUMNS * weights_pitch(g.K)) + 2 * MMA_ROWS * ROW_PITCH) * sizeof(__nv_bfloat16) +
         MMA_ROWS * sizeof(row_origin);
}

__device__ static void find_origins(const mma_room &m, const geometry &g, int64_t row0) {
  for (int r = static_cast<int>(threadIdx.x); r < MMA_ROWS; r += MMA_THREADS) {
    const int64_t row = row0 + r, j = row % g.rows_w, i = row / g.rows_w % g.rows_h, b = row / (g.rows_w * g.rows_h);
    m.origin[r] = {static_cast<int>(g.up * i) + g.top, static_cast<int>(g.up * j) + g.left,
                   row < g.rows ? b * g.H * g.W * g.C : -1};
  }
}

/* Channels c0.. of all taps for the block's columns, [column][channel][tap], zeros behind; neighbours in memory are
 * read by neighbouring threads. */
__device__ static void copy_weights(const mma_room &m, const __nv_bfloat16 *weight, const geometry &g, int64_t col0,
                                    int64_t c0) {
  const int taps = g.K * g.K, all = MMA_COLUMNS * MMA_DEEP * taps;
  const bool by_column = g.of_channel == taps;
  for (int i = static_cast<int>(threadIdx.x); i < all; i += MMA_THREADS) {
    const int tap = i % taps, rest = i / taps;
    const int column = by_column ? rest / MMA_DEEP : rest % MMA_COLUMNS;
    const int channel = by_column ? rest % MMA_DEEP : rest / MMA_COLUMNS;
    const bool there = col0 + column < g.columns && c0 + channel < g.C;
    const int64_t at = (col0 + column) * g.of_column + (c0 + channel) * g.of_channel + tap;
    m.weights[column * m.pitch + channel * taps + tap] = there ? weight[at] : __float2bfloat16_rn(0.0f);
  }
}

/* Channels c0.. of one tap for the block's rows. */
__device__ static void copy_tap(const mma_room &m, const __nv_bfloat16 *x, const geometry &g, int64_t c0, int tap,
                                bool packs) {
  const int u = g.sign * (tap / g.K), v = g.sign * (tap % g.K);
  const int n = g.C - c0 < MMA_DEEP ? static_cast<int>(g.C - c0) : static_cast<int>(MMA_DEEP);
  vw_copy_rows(m.rows[tap % 2], MMA_ROWS, MMA_DEEP, ROW_PITCH, n, packs, static_cast<int>(threadIdx.x), MMA_THREADS,
               [&](int r) -> const __nv_bfloat16 * {
                 const row_origin o = m.origin[r];
                 const int h = o.h + u, w = o.w + v;
                 if (o.picture < 0 || h < 0 || w < 0 || h % g.down || w % g.down) return nullptr;
                 if (h / g.down >= g.H || w / g.down >= g.W) return nullptr;
                 return x + o.picture + (static_cast<int64_t>(h / g.down) * g.W + w / g.down) * g.C + c0;
               });
  vw_copy_commit();
}

__device__ static uint32_t weight_pair(const __nv_bfloat16 *first, int taps) {
  const __nv_bfloat162 pair = __halves2bfloat162(first[0], first[taps]);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

/* Adds one tap's products to the sums of a warp. */
__device__ static void multiply_tap(const mma_room &m, int tap, int taps, float (&sum)[ROW_TILES][COLUMN_TILES][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int row0 = warp / 2 * WARP_ROWS + lane / 8 % 2 * 8 + lane % 8, col0 = warp % 2 * WARP_COLUMNS + lane / 4;
  for (int k = 0; k < MMA_DEEP; k += 16) {
    uint32_t a[ROW_TILES][4];
    for (int i = 0; i < ROW_TILES; i++)
      vw_ldmatrix(a[i], m.rows[tap % 2] + (row0 + 16 * i) * ROW_PITCH + k + lane / 16 * 8);
    for (int j = 0; j < COLUMN_TILES; j++) {
      const __nv_bfloat16 *w = m.weights + (col0 + 8 * j) * m.pitch + (k + lane % 4 * 2) * taps + tap;
      const uint32_t b0 = weight_pair(w, taps), b1 = weight_pair(w + 8 * taps, taps);
      for (int i = 0; i < ROW_TILES; i++) vw_mma_bf16(sum[i][j], a[i], b0, b1);
    }
  }
}

__global__ static void __launch_bounds__(MMA_THREADS)
    conv2d_mma_kernel(results to, const __nv_bfloat16 *__restrict__ x, const __nv_bfloat16 *__restrict__ weight,
                      geometry g, bool packs) {
  const mma_room m = room_of(g);
  const int64_t across = (g.columns + MMA_COLUMNS - 1) / MMA_COLUMNS;
  const int64_t row0 = blockIdx.x / across * MMA_ROWS, col0 = blockIdx.x % across * MMA_COLUMNS;
  const int taps = g.K * g.K;
  float sum[ROW_TILES][COLUMN_TILES][4] = {};
  find_origins(m, g, row0);
  for (int64_t c0 = 0; c0 < g.C; c0 += MMA_DEEP) {
    __syncthreads(); /* origins are there; weights and rows before have been read */
    copy_weights(m, weight, g, col0, c0);
    copy_tap(m, x, g, c0, 0, packs);
    for (int tap = 0; tap < taps; tap++) {
      if (tap + 1 < taps) {
        copy_tap(m, x, g, c0, tap + 1, packs);
        vw_copy_wait<1>();
      } else {
        vw_copy_wait<0>();
      }
      __syncthreads(); /* everybody's copies of this tap are there */
      multiply_tap(m, tap, taps, sum);
      __syncthreads(); /* its buffer may be written again */
    }
  }
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int i = 0; i < ROW_TILES; i++)
    for (int j = 0; j < COLUMN_TILES; j++)
      for (int e = 0; e < 4; e++)
        store_sum(to, sum[i][j][e], row0 + warp / 2 * WARP_ROWS + 16 * i + lane / 4 + e / 2 * 8,
                  col0 + warp % 2 * WARP_COLUMNS + 8 * j + lane % 4 * 2 + e % 2, g);
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

static int64_t pieces(int64_t n, int64_t size) {
  return (n + size - 1) / size;
}

static vw_status either_of(const char *op, const vw_tensor *t, either *out) {
  *out = {t->data, t->dtype == VW_BF16};
  VW_CHECK(!t->data || t->dtype == VW_BF16 || t->dtype == VW_F32, VW_ERR_UNSUPPORTED,
           "%s on cuda stores f32 or bf16, not %s: change the dtype policy", op, vw_dtype_name(t->dtype));
  return VW_OK;
}

/* Tensor cores where both factors are bf16. */
static vw_status multiply_all(vw_context *ctx, const char *op, const results &to, const vw_tensor *x,
                              const vw_tensor *weight, const geometry &g) {
  if (x->dtype == VW_BF16 && weight->dtype == VW_BF16) {
    const auto *from = vw_data<const __nv_bfloat16>(x);
    return vw_launch(ctx, op, conv2d_mma_kernel, pieces(g.rows, MMA_ROWS) * pieces(g.columns, MMA_COLUMNS), 1,
                     MMA_THREADS, room_bytes(g), to, from, vw_data<const __nv_bfloat16>(weight), g,
                     vw_packs(from, g.C));
  }
  const int64_t blocks = pieces(g.rows, BLOCK) * pieces(g.columns, BLOCK);
  return vw_with_type(op, x, [&](auto p) {
    return vw_with_type(op, weight, [&](auto w) {
      return vw_launch(ctx, op, conv2d_kernel<decltype(p), decltype(w)>, blocks, 1, THREADS, 0, to,
                       vw_data<const decltype(p)>(x), vw_data<const decltype(w)>(weight), g);
    });
  });
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  return vw_conv2d_library_measure(ctx, c, true);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  if (c->state) return vw_conv2d_library_run(ctx, c);
  const vw_conv2d_attr *a = static_cast<const vw_conv2d_attr *>(c->attr);
  const vw_tensor *x = &c->in[CONV_X], *w = &c->in[CONV_WEIGHT], *y = &c->out[0];
  const int K = static_cast<int>(w->dim[2]);
  const geometry g = {vw_rows(y),
                      w->dim[0],
                      x->dim[1],
                      x->dim[2],
                      x->dim[3],
                      y->dim[1],
                      y->dim[2],
                      K,
                      static_cast<int>(a->stride),
                      1,
                      static_cast<int>(-a->padding.top),
                      static_cast<int>(-a->padding.left),
                      1,
                      x->dim[3] * K * K,
                      static_cast<int64_t>(K) * K};
  results to;
  VW_TRY(either_of("conv2d", y, &to.y));
  VW_TRY(either_of("conv2d", &c->in[CONV_BIAS], &to.bias));
  VW_TRY(either_of("conv2d", &c->in[CONV_SHIFT], &to.shift));
  VW_TRY(either_of("conv2d", &c->in[CONV_RESIDUAL], &to.residual));
  return multiply_all(ctx, "conv2d", to, x, w, g);
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  return vw_conv2d_library_measure(ctx, c, false);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  if (c->state) return vw_conv2d_library_run(ctx, c);
  const vw_conv2d_attr *a = static_cast<const vw_conv2d_attr *>(c->attr);
  const vw_tensor *dy = &c->in[CONV_GRAD_DY], *w = &c->in[CONV_GRAD_WEIGHT], *dx = &c->out[0];
  const int K = static_cast<int>(w->dim[2]);
  const geometry g = {vw_rows(dx),
                      w->dim[1],
                      dy->dim[1],
                      dy->dim[2],
                      dy->dim[3],
                      dx->dim[1],
                      dx->dim[2],
                      K,
                      1,
                      -1,
                      static_cast<int>(a->padding.top),
                      static_cast<int>(a->padding.left),
                      static_cast<int>(a->stride),
                      static_cast<int64_t>(K) * K,
                      w->dim[1] * K * K};
  results to = {};
  VW_TRY(either_of("conv2d_grad", dx, &to.y));
  return multiply_all(ctx, "conv2d_grad", to, dy, w, g);
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  return vw_conv2d_library_prepare(ctx, c, true, run);
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  return vw_conv2d_library_prepare(ctx, c, false, run_grad);
}

extern "C" const vw_kernel conv2d_cuda = {run, measure, prepare, vw_conv2d_library_release, 0};
extern "C" const vw_kernel conv2d_grad_cuda = {run_grad, measure_grad, prepare_grad, vw_conv2d_library_release, 0};
