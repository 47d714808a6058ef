/* patch_embed: a convolution of stride P as one product of patches [B n, 3PP] and weights [D, 3PP]^T; patches are
 * gathered from the picture while they are read. Blocks of 256 threads make 64 patches x 64 channels, a thread 4 x 4 of
 * them, in steps of 16 along 3PP: fp32 sums in the order of the hub's weights. 6 PP D operations a patch; traffic:
 * pixels D / 64 times, weights B n / 64 times, mostly from L2. It runs once a picture and study, next to a tower of
 * hundreds of times its work: CUDA cores do. A thread fetches one k of four patches and four channels a step: the
 * divisions that find a patch are done once, those that find a pixel once a step. */
#include "kernels/patch_embed.h"

#include "kernels/cuda/device.cuh"

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

template <typename Y, typename W>
__global__ static void __launch_bounds__(THREADS)
    class_kernel(Y *__restrict__ y, const W *__restrict__ token, const W *__restrict__ position, int64_t B, int64_t n,
                 int64_t D) {
  const int64_t i = vw_thread(), d = i % D;
  if (i < B * D) vw_store(y, i / D * (n + 1) * D + d, vw_load(token, d) + vw_load(position, d));
}

template <typename Y, typename X, typename W> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_tensor *in = c->in, *pixels = &in[PATCH_PIXELS], *y = &c->out[0];
  const int64_t B = y->dim[0], n = y->dim[1] - 1, D = y->dim[2], P = in[PATCH_WEIGHT].dim[2];
  const geometry g = {B * n, n, D, 3 * P * P, P, pixels->dim[2], pixels->dim[1] * pixels->dim[2] * 3};
  const int64_t blocks = (g.rows + BLOCK - 1) / BLOCK * ((D + BLOCK - 1) / BLOCK);
  const W *position = vw_data<const W>(&in[PATCH_POSITION]);
  VW_TRY(vw_launch(ctx, "patch_embed", patch_kernel<Y, X, W>, blocks, 1, THREADS, 0, vw_data<Y>(y),
                   vw_data<const X>(pixels), vw_data<const W>(&in[PATCH_WEIGHT]), position, g));
  return vw_launch(ctx, "patch_embed_class", class_kernel<Y, W>, B * D, THREADS, THREADS, 0, vw_data<Y>(y),
                   vw_data<const W>(&in[PATCH_CLASS]), position, B, n, D);
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

extern "C" const vw_kernel patch_embed_cuda = {run, nullptr, nullptr, nullptr, 0};
