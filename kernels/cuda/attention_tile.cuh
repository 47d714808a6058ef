/* Tiles of rows in shared memory and their products on tensor cores, for attention (attention_flash.cu,
 * cross_attention_keys.cu). X is the type of storage: factors are bf16, or fp32 rounded to TF32 when they are read; sums
 * are fp32. A tile has W channels in rows vw_tile<X, W>::STRIDE elements apart: 16 bytes more than their width, so that
 * the rows of a fragment lie in different banks. All functions are for whole warps; lanes hold a product as mma.cuh says:
 * with g = lane / 4 and t = lane % 4 rows g and g + 8, columns 2t and 2t + 1 of each 8. */
#ifndef VW_KERNELS_CUDA_ATTENTION_TILE_CUH
#define VW_KERNELS_CUDA_ATTENTION_TILE_CUH

#include "kernels/cuda/mma.cuh"

static constexpr float VW_LOG2E = 1.44269504f;

template <typename X, int W> struct vw_tile {
  static constexpr int STRIDE = W + 16 / static_cast<int>(sizeof(X));
  static constexpr int STEP = 32 / static_cast<int>(sizeof(X)); /* channels of a fragment */
};

__device__ inline int vw_lane(void) {
  return static_cast<int>(threadIdx.x % 32);
}

/* Row and column of element e of a lane's part of a product, columns from those of fragment n. */
__device__ inline int vw_tile_row(int e) {
  return vw_lane() / 4 + e / 2 * 8;
}
__device__ inline int vw_tile_column(int n, int e) {
  return n * 8 + vw_lane() % 4 * 2 + e % 2;
}

/* A factor of 16 rows at channels k .. k + STEP - 1. */
template <int W> __device__ inline void vw_tile_fragment(uint32_t (&a)[4], const __nv_bfloat16 *rows, int k) {
  const int lane = vw_lane();
  vw_ldmatrix(a, rows + (lane / 8 % 2 * 8 + lane % 8) * vw_tile<__nv_bfloat16, W>::STRIDE + k + lane / 16 * 8);
}
template <int W> __device__ inline void vw_tile_fragment(uint32_t (&a)[4], const float *rows, int k) {
  for (int i = 0; i < 4; i++)
    a[i] = vw_tf32(rows[(vw_lane() / 4 + i % 2 * 8) * vw_tile<float, W>::STRIDE + k + vw_lane() % 4 + i / 2 * 4]);
}

/* sum[m] += A[m] B^T, for the 16 rows of B at `tile` and the channels from k on: columns n and n + 1 of each sum. */
template <int W, int M, int N>
__device__ inline void vw_tile_add_turned(float (&sum)[M][N][4], int n, const uint32_t (&left)[M][4],
                                          const __nv_bfloat16 *tile, int k) {
  const int lane = vw_lane();
  uint32_t right[4];
  vw_ldmatrix(right, tile + (lane / 16 * 8 + lane % 8) * vw_tile<__nv_bfloat16, W>::STRIDE + k + lane / 8 % 2 * 8);
#pragma unroll
  for (int m = 0; m < M; m++) {
    vw_mma_bf16(sum[m][n], left[m], right[0], right[1]);
    vw_mma_bf16(sum[m][n + 1], left[m], right[2], right[3]);
  }
}
template <int W, int M, int N>
__device__ inline void vw_tile_add_turned(float (&sum)[M][N][4], int n, const uint32_t (&left)[M][4], const float *tile,
                                          int k) {
#pragma unroll
  for (int i = 0; i < 2; i++) {
    const float *at = tile + (8 * i + vw_lane() / 4) * vw_tile<float, W>::STRIDE + k + vw_lane() % 4;
    const uint32_t low = vw_tf32(at[0]), high = vw_tf32(at[4]);
#pragma unroll
    for (int m = 0; m < M; m++) vw_mma_tf32(sum[m][n + i], left[m], low, high);
  }
}

/* sum[m] += A[m] tile^T: a(m, k, fragment) gives 16 rows at channel k; 8 N rows of the tile are the columns. */
template <typename X, int W, int M, int N, typename A>
__device__ inline void vw_tile_multiply_turned(float (&sum)[M][N][4], A a, const X *tile) {
#pragma unroll
  for (int k = 0; k < W; k += vw_tile<X, W>::STEP) {
    uint32_t left[M][4];
#pragma unroll
    for (int m = 0; m < M; m++) a(m, k, left[m]);
#pragma unroll
    for (int n = 0; n < N; n += 2) vw_tile_add_turned<W>(sum, n, left, tile + n * 8 * vw_tile<X, W>::STRIDE, k);
  }
}

/* sum[m] += P[m] tile, for columns 8k .. 8k + 15 of P, as a product left it, and the rows of the tile of these numbers. */
template <int W, int M, int N>
__device__ inline void vw_tile_add(float (&sum)[M][W / 8][4], const float (&p)[M][N][4], int k,
                                   const __nv_bfloat16 *tile) {
  constexpr int STRIDE = vw_tile<__nv_bfloat16, W>::STRIDE;
  const int lane = vw_lane();
  const __nv_bfloat16 *at = tile + (k * 8 + lane / 8 % 2 * 8 + lane % 8) * STRIDE + lane / 16 * 8;
  uint32_t left[M][4];
#pragma unroll
  for (int m = 0; m < M; m++)
    for (int i = 0; i < 2; i++) {
      left[m][2 * i] = vw_bf16_pair(p[m][k + i][0], p[m][k + i][1]);
      left[m][2 * i + 1] = vw_bf16_pair(p[m][k + i][2], p[m][k + i][3]);
    }
#pragma unroll
  for (int n = 0; n < W / 8; n += 2) {
    uint32_t right[4];
    vw_ldmatrix_turned(right, at + n * 8);
#pragma unroll
    for (int m = 0; m < M; m++) {
      vw_mma_bf16(sum[m][n], left[m], right[0], right[1]);
      vw_mma_bf16(sum[m][n + 1], left[m], right[2], right[3]);
    }
  }
}
/* A lane has columns 2t and 2t + 1 of P where a factor has t and t + 4. The order of a sum's terms is free, so columns
 * 0, 2, 4, 6, 1, 3, 5, 7 stand in their place, in both factors. */
template <int W, int M, int N>
__device__ inline void vw_tile_add(float (&sum)[M][W / 8][4], const float (&p)[M][N][4], int k, const float *tile) {
  constexpr int STRIDE = vw_tile<float, W>::STRIDE;
#pragma unroll
  for (int i = k; i < k + 2; i++) {
    const float *at = tile + (i * 8 + vw_lane() % 4 * 2) * STRIDE + vw_lane() / 4;
    uint32_t left[M][4];
#pragma unroll
    for (int m = 0; m < M; m++)
      for (int e = 0; e < 4; e++) left[m][e / 2 + e % 2 * 2] = vw_tf32(p[m][i][e]);
#pragma unroll
    for (int n = 0; n < W / 8; n++) {
      const uint32_t low = vw_tf32(at[n * 8]), high = vw_tf32(at[n * 8 + STRIDE]);
#pragma unroll
      for (int m = 0; m < M; m++) vw_mma_tf32(sum[m][n], left[m], low, high);
    }
  }
}

/* sum[m] += P[m] tile: P is 16 x 8 N; its columns are the rows of the tile. */
template <typename X, int W, int M, int N>
__device__ inline void vw_tile_multiply(float (&sum)[M][W / 8][4], const float (&p)[M][N][4], const X *tile) {
#pragma unroll
  for (int k = 0; k < N; k += 2) vw_tile_add<W>(sum, p, k, tile);
}

/* The warp's 16 rows of W channels to memory: row r, times factor[r / 8], where to(r) is not NULL. packs: D is even and
 * rows lie on pairs. */
template <typename X, int W, typename F>
__device__ inline void vw_tile_put(const float (&x)[W / 8][4], const float (&factor)[2], int64_t D, bool packs, F to) {
  for (int half = 0; half < 2; half++) {
    X *row = to(vw_tile_row(2 * half));
    if (!row) continue;
    for (int n = 0; n < W / 8; n++) {
      const int c = vw_tile_column(n, 0);
      const float a = x[n][2 * half] * factor[half], b = x[n][2 * half + 1] * factor[half];
      if (packs && c < D) {
        vw_store_pair(row + c, a, b);
      } else {
        if (c < D) vw_store(row, c, a);
        if (c + 1 < D) vw_store(row, c + 1, b);
      }
    }
  }
}

/* Over the four lanes that hold a row. */
__device__ inline float vw_quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ inline float vw_quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

#endif
