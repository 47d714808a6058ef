/* Eight elements at once: 16-byte accesses of bf16 (one) and fp32 (two), values in fp32. */
#ifndef VW_KERNELS_CUDA_VECTOR_CUH
#define VW_KERNELS_CUDA_VECTOR_CUH

#include "kernels/cuda/device.cuh"

#include <cstdint>

enum { VW_PACK = 8, VW_PACK_ALIGNMENT = 16 };

/* Rows of C elements that begin at p can be read in packs. */
template <typename T> static inline bool vw_packs(const T *p, int64_t C) {
  return C % VW_PACK == 0 && reinterpret_cast<uintptr_t>(p) % VW_PACK_ALIGNMENT == 0;
}

/* For kernels that read whatever they get in packs; the arena keeps to the alignment, NULL does. */
static inline vw_status vw_check_aligned(const char *op, const char *what, const void *data) {
  VW_CHECK(reinterpret_cast<uintptr_t>(data) % VW_PACK_ALIGNMENT == 0, VW_ERR_ARG,
           "%s: %s lies at %p, must be aligned to %d bytes", op, what, data, static_cast<int>(VW_PACK_ALIGNMENT));
  return VW_OK;
}

/* p: a pack's first element, aligned to VW_PACK_ALIGNMENT. */
__device__ inline void vw_load_pack(const float *p, float (&x)[VW_PACK]) {
  const float4 a = reinterpret_cast<const float4 *>(p)[0], b = reinterpret_cast<const float4 *>(p)[1];
  x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w, x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
}

/* A bf16 is the upper half of an fp32. */
__device__ inline void vw_load_pack(const __nv_bfloat16 *p, float (&x)[VW_PACK]) {
  const uint4 u = *reinterpret_cast<const uint4 *>(p);
  const uint32_t pair[VW_PACK / 2] = {u.x, u.y, u.z, u.w};
  for (int i = 0; i < VW_PACK / 2; i++)
    x[2 * i] = __uint_as_float(pair[i] << 16), x[2 * i + 1] = __uint_as_float(pair[i] & 0xffff0000u);
}

/* Two values as bf16, the first in the lower half: as they lie in memory. */
__device__ inline uint32_t vw_bf16_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

__device__ inline void vw_store_pack(float *p, const float (&x)[VW_PACK]) {
  reinterpret_cast<float4 *>(p)[0] = make_float4(x[0], x[1], x[2], x[3]);
  reinterpret_cast<float4 *>(p)[1] = make_float4(x[4], x[5], x[6], x[7]);
}
__device__ inline void vw_store_pack(__nv_bfloat16 *p, const float (&x)[VW_PACK]) {
  *reinterpret_cast<uint4 *>(p) = make_uint4(vw_bf16_pair(x[0], x[1]), vw_bf16_pair(x[2], x[3]),
                                             vw_bf16_pair(x[4], x[5]), vw_bf16_pair(x[6], x[7]));
}

/* Two neighbours at once: 4 or 8 bytes, p on as many. */
__device__ inline void vw_store_pair(float *p, float a, float b) {
  *reinterpret_cast<float2 *>(p) = make_float2(a, b);
}
__device__ inline void vw_store_pair(__nv_bfloat16 *p, float a, float b) {
  *reinterpret_cast<uint32_t *>(p) = vw_bf16_pair(a, b);
}

/* The pack at i of a row of C elements; packs that end by `end` at once, others by their elements (zeros behind C). */
template <typename T>
__device__ inline void vw_load_upto(const T *row, int64_t i, int64_t end, int64_t C, float (&x)[VW_PACK]) {
  if (i + VW_PACK <= end) return vw_load_pack(row + i, x);
  for (int j = 0; j < VW_PACK; j++) x[j] = i + j < C ? vw_load(row, i + j) : 0.0f;
}
template <typename T>
__device__ inline void vw_store_upto(T *row, int64_t i, int64_t end, int64_t C, const float (&x)[VW_PACK]) {
  if (i + VW_PACK <= end) return vw_store_pack(row + i, x);
  for (int j = 0; j < VW_PACK; j++)
    if (i + j < C) vw_store(row, i + j, x[j]);
}

/* The same where p is aligned and i is a multiple of 8. */
template <typename T> __device__ inline void vw_load_some(const T *p, int64_t i, int64_t n, float (&x)[VW_PACK]) {
  vw_load_upto(p, i, n, n, x);
}
template <typename T> __device__ inline void vw_store_some(T *p, int64_t i, int64_t n, const float (&x)[VW_PACK]) {
  vw_store_upto(p, i, n, n, x);
}

#endif
