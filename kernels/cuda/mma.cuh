/* Tensor cores and copies into shared memory, one function an instruction (PTX ISA: mma, ldmatrix, cvt, cp.async; sm_80 and
 * newer). Every function is for all 32 lanes of a warp; with g = lane / 4 and t = lane % 4 the lanes hold, of matrices
 * whose neighbours along a row share a register (the first in its lower half):
 *
 *   A 16 x 16   a[0]: row g, columns 2t, 2t+1   a[1]: row g+8   a[2], a[3]: the same rows, columns 8 further
 *   B 16 x 8    b0: rows 2t, 2t+1 of column g                   b1: rows 8 further
 *   D 16 x 8    d[0], d[1]: row g, columns 2t, 2t+1             d[2], d[3]: row g+8
 *
 * Of TF32, a number a register:
 *
 *   A 16 x 8    a[0]: row g, column t   a[1]: row g+8   a[2], a[3]: the same rows, column t+4
 *   B 8 x 8     b0: row t of column g   b1: row t+4
 *
 * tests/emulator/mma.hpp has the same functions for the host, lane by lane with these layouts. */
#ifndef VW_KERNELS_CUDA_MMA_CUH
#define VW_KERNELS_CUDA_MMA_CUH

#include "kernels/cuda/vector.cuh"

#ifdef __CUDACC__
__device__ inline uint32_t vw_shared_address(const void *p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/* D += A B; factors in bf16, sums in fp32. */
__device__ inline void vw_mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
               "{%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* The same with factors in TF32 (vw_tf32), eight terms a sum. */
__device__ inline void vw_mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
               "{%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* x rounded to the nearest number with 10 bits behind the point. */
__device__ inline uint32_t vw_tf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

/* Four 8 x 8 matrices from shared memory: lane l brings the address of row l % 8 of matrix l / 8 (16 bytes, aligned);
 * r[i] becomes row g, columns 2t, 2t+1 of matrix i. Turned: rows 2t, 2t+1 of column g. */
__device__ inline void vw_ldmatrix(uint32_t (&r)[4], const __nv_bfloat16 *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(vw_shared_address(row))
               : "memory");
}
__device__ inline void vw_ldmatrix_turned(uint32_t (&r)[4], const __nv_bfloat16 *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(vw_shared_address(row))
               : "memory");
}

/* 16 bytes from global to shared memory, both aligned; there after vw_copy_wait of this thread and a barrier. */
__device__ inline void vw_copy_async(void *shared, const void *global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(vw_shared_address(shared)), "l"(global) : "memory");
}
/* The same of 4 bytes, aligned to 4. */
__device__ inline void vw_copy_async_word(void *shared, const void *global) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(vw_shared_address(shared)), "l"(global) : "memory");
}
/* Closes a group of copies. */
__device__ inline void vw_copy_commit(void) {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/* Until at most N closed groups of this thread are under way. */
template <int N> __device__ inline void vw_copy_wait(void) {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#endif

/* Row r of `rows` from from(r), D elements, to shared memory: `stride` elements apart, zeros up to `width` and in rows
 * where from(r) is NULL. By `threads` threads, of which this is `thread`. packs: D is a multiple of 8 and every row
 * lies on 16 bytes; `width` is a multiple of 8, `to` and `stride` keep to 16 bytes. */
template <typename X, typename F>
__device__ inline void vw_copy_rows(X *to, int rows, int width, int stride, int D, bool packs, int thread, int threads,
                                    F from) {
  constexpr int EACH = 16 / sizeof(X);
  const int per_row = width / EACH;
  for (int i = thread; i < rows * per_row; i += threads) {
    const int r = i / per_row, c = i % per_row * EACH;
    const X *row = from(r);
    X *here = to + r * stride + c;
    if (packs && row && c < D) {
      vw_copy_async(here, row + c);
    } else {
      for (int e = 0; e < EACH; e++) vw_store(here, e, row && c + e < D ? vw_load(row, c + e) : 0.0f);
    }
  }
}

#endif
