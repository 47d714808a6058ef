/* patch_logits and its gradient (contract: kernels/patch_logits.h). Forward: a block makes SIDE words x SIDE patches of
 * one picture, SIDE channels at a time through shared memory. Gradient: a block sums PIECE patches of one picture for
 * SIDE words x SIDE channels into scratch; a second pass adds the pieces in their order: no atomics. fp32 sums whatever
 * the features are stored in; traffic: features once for every SIDE words. */
#include "kernels/patch_logits.h"

#include "kernels/cuda/device.cuh"

enum { SIDE = 32, LINES = 8, EACH = SIDE / LINES, PIECE = 512, THREADS = 256 };

struct patch_sizes {
  int64_t K, G, S, N, C;                    /* K: words of one row of pictures */
  int64_t words, patches, channels, pieces; /* tiles of words, of patches, of channels; pieces of a picture */
};

static int64_t parts(int64_t n, int64_t of) {
  return (n + of - 1) / of;
}

static patch_sizes sizes_of(const vw_tensor *z, const vw_tensor *picture, int64_t C) {
  patch_sizes s = {z->dim[0] / picture->dim[0], picture->dim[0], z->dim[1], z->dim[2], C, 0, 0, 0, 0};
  s.words = parts(s.K, SIDE), s.patches = parts(s.N, SIDE), s.channels = parts(C, SIDE), s.pieces = parts(s.N, PIECE);
  return s;
}

template <typename F>
__global__ static void __launch_bounds__(THREADS)
    patch_logits_kernel(float *__restrict__ z, const float *__restrict__ q, const F *__restrict__ features,
                        const float *__restrict__ shift, const float *__restrict__ scale,
                        const int32_t *__restrict__ picture, float factor, patch_sizes s) {
  __shared__ float words[SIDE][SIDE + 1], patches[SIDE][SIDE + 1];
  const int64_t n0 = blockIdx.x % s.patches * SIDE, k0 = blockIdx.x / s.patches % s.words * SIDE;
  const int64_t row = blockIdx.x / (s.patches * s.words), g = row / s.S, at = row % s.S;
  const int64_t first = picture[row] * s.N;
  float sum[EACH] = {};
  for (int64_t c0 = 0; c0 < s.C; c0 += SIDE) {
    const int64_t c = c0 + threadIdx.x;
    for (int i = 0; i < EACH; i++) {
      const int line = static_cast<int>(threadIdx.y) + i * LINES;
      const int64_t k = k0 + line, n = n0 + line;
      words[line][threadIdx.x] = k < s.K && c < s.C ? q[(g * s.K + k) * s.C + c] : 0.0f;
      patches[line][threadIdx.x] = n < s.N && c < s.C ? vw_load(features, (first + n) * s.C + c) : 0.0f;
    }
    __syncthreads();
    for (int j = 0; j < SIDE; j++)
      for (int i = 0; i < EACH; i++) sum[i] += words[threadIdx.y + i * LINES][j] * patches[threadIdx.x][j];
    __syncthreads();
  }
  const int64_t n = n0 + threadIdx.x;
  for (int i = 0; i < EACH; i++) {
    const int64_t k = k0 + threadIdx.y + i * LINES;
    if (k < s.K && n < s.N)
      z[((g * s.K + k) * s.S + at) * s.N + n] = (factor * sum[i] + shift[first + n]) * scale[first + n];
  }
}

/* partial [S pieces, G K, C] */
template <typename F>
__global__ static void __launch_bounds__(THREADS)
    patch_logits_grad_kernel(float *__restrict__ partial, const float *__restrict__ dz, const F *__restrict__ features,
                             const float *__restrict__ scale, const int32_t *__restrict__ picture, patch_sizes s) {
  __shared__ float weights[SIDE][SIDE + 1], patches[SIDE][SIDE + 1];
  const int64_t c0 = blockIdx.x % s.channels * SIDE, k0 = blockIdx.x / s.channels % s.words * SIDE;
  const int64_t rest = blockIdx.x / (s.channels * s.words), piece = rest % s.pieces, row = rest / s.pieces;
  const int64_t g = row / s.S, at = row % s.S, first = picture[row] * s.N, begin = piece * PIECE;
  const int64_t end = begin + PIECE < s.N ? begin + PIECE : s.N, c = c0 + threadIdx.x;
  float sum[EACH] = {};
  for (int64_t n0 = begin; n0 < end; n0 += SIDE) {
    for (int i = 0; i < EACH; i++) {
      const int line = static_cast<int>(threadIdx.y) + i * LINES;
      const int64_t k = k0 + line, n = n0 + threadIdx.x, patch = n0 + line;
      weights[line][threadIdx.x] =
          k < s.K && n < end ? dz[((g * s.K + k) * s.S + at) * s.N + n] * scale[first + n] : 0.0f;
      patches[line][threadIdx.x] = patch < end && c < s.C ? vw_load(features, (first + patch) * s.C + c) : 0.0f;
    }
    __syncthreads();
    for (int j = 0; j < SIDE; j++)
      for (int i = 0; i < EACH; i++) sum[i] += weights[threadIdx.y + i * LINES][j] * patches[j][threadIdx.x];
    __syncthreads();
  }
  for (int i = 0; i < EACH; i++) {
    const int64_t k = k0 + threadIdx.y + i * LINES;
    if (k < s.K && c < s.C) partial[((at * s.pieces + piece) * s.G * s.K + g * s.K + k) * s.C + c] = sum[i];
  }
}

__global__ static void __launch_bounds__(THREADS)
    patch_logits_pieces_kernel(float *__restrict__ dq, const float *__restrict__ partial, float factor, int64_t n,
                               int64_t pieces) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  float sum = 0;
  for (int64_t p = 0; p < pieces; p++) sum += partial[p * n + i];
  dq[i] = factor * sum;
}

static float factor_of(const vw_call *c) {
  return static_cast<float>(static_cast<const vw_patch_logits_attr *>(c->attr)->factor);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const patch_sizes s = sizes_of(&c->out[0], &c->in[PATCHL_PICTURE], c->in[PATCHL_Q].dim[1]);
  VW_TRY(vw_check_f32("patch_logits", "queries", &c->in[PATCHL_Q]));
  VW_TRY(vw_check_f32("patch_logits", "shifts", &c->in[PATCHL_SHIFT]));
  VW_TRY(vw_check_f32("patch_logits", "scales", &c->in[PATCHL_SCALE]));
  VW_TRY(vw_check_f32("patch_logits", "logits", &c->out[0]));
  return vw_with_type("patch_logits", &c->in[PATCHL_FEATURES], [&](auto f) {
    return vw_launch(ctx, "patch_logits", patch_logits_kernel<decltype(f)>, s.G * s.S * s.words * s.patches, 1,
                     dim3(SIDE, LINES), 0, vw_f32(&c->out[0]), vw_f32(&c->in[PATCHL_Q]),
                     vw_data<const decltype(f)>(&c->in[PATCHL_FEATURES]), vw_f32(&c->in[PATCHL_SHIFT]),
                     vw_f32(&c->in[PATCHL_SCALE]), vw_i32(&c->in[PATCHL_PICTURE]), factor_of(c), s);
  });
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const patch_sizes s = sizes_of(&c->in[PATCHLG_DZ], &c->in[PATCHLG_PICTURE], c->out[0].dim[1]);
  c->scratch_bytes = static_cast<size_t>(s.S * s.pieces * s.G * s.K * s.C) * sizeof(float);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const patch_sizes s = sizes_of(&c->in[PATCHLG_DZ], &c->in[PATCHLG_PICTURE], c->out[0].dim[1]);
  float *partial = static_cast<float *>(c->scratch);
  VW_TRY(vw_check_f32("patch_logits_grad", "gradients", &c->in[PATCHLG_DZ]));
  VW_TRY(vw_check_f32("patch_logits_grad", "scales", &c->in[PATCHLG_SCALE]));
  VW_TRY(vw_check_f32("patch_logits_grad", "gradients", &c->out[0]));
  VW_TRY(vw_with_type("patch_logits_grad", &c->in[PATCHLG_FEATURES], [&](auto f) {
    return vw_launch(ctx, "patch_logits_grad", patch_logits_grad_kernel<decltype(f)>,
                     s.G * s.S * s.pieces * s.words * s.channels, 1, dim3(SIDE, LINES), 0, partial,
                     vw_f32(&c->in[PATCHLG_DZ]), vw_data<const decltype(f)>(&c->in[PATCHLG_FEATURES]),
                     vw_f32(&c->in[PATCHLG_SCALE]), vw_i32(&c->in[PATCHLG_PICTURE]), s);
  }));
  return vw_launch(ctx, "patch_logits_pieces", patch_logits_pieces_kernel, vw_count(&c->out[0]), THREADS, THREADS, 0,
                   vw_f32(&c->out[0]), partial, factor_of(c), vw_count(&c->out[0]), s.S * s.pieces);
}

extern "C" const vw_kernel patch_logits_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel patch_logits_grad_cuda = {run_grad, measure_grad, nullptr, nullptr, 0};
