/* The instructions of kernels/cuda/mma.cuh for the host: lanes put their registers where all of the warp can read them,
 * then each takes its own elements by the layouts of the PTX ISA. Products of bf16 are exact; their sum is rounded
 * once, where a tensor core may round (or cut) several times: differences of a few units of fp32. */
#ifndef VW_TESTS_EMULATOR_MMA_HPP
#define VW_TESTS_EMULATOR_MMA_HPP

#include "tests/emulator/kernel.hpp"

static inline float vw_emulated_half(uint32_t word, int upper) {
  return __uint_as_float(upper ? word & 0xffff0000u : word << 16);
}

static inline void vw_mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t mine[VW_EMULATED_WORDS] = {a[0], a[1], a[2], a[3], b0, b1};
  const vw_emulated_words *all = vw_emulated_gather(mine);
  const unsigned g = vw_emulated_lane() / 4, t = vw_emulated_lane() % 4;
  for (unsigned i = 0; i < 4; i++) {
    const unsigned row = g + 8 * (i / 2), column = 2 * t + i % 2;
    double sum = d[i];
    for (unsigned k = 0; k < 16; k++) {
      const uint32_t left = all[row % 8 * 4 + k % 8 / 2].word[row / 8 + 2 * (k / 8)];
      const uint32_t right = all[column * 4 + k % 8 / 2].word[4 + k / 8];
      sum += static_cast<double>(vw_emulated_half(left, k % 2)) * static_cast<double>(vw_emulated_half(right, k % 2));
    }
    d[i] = static_cast<float>(sum);
  }
}

/* Tensor cores read the upper 19 bits. */
static inline double vw_emulated_tf32(uint32_t word) {
  return static_cast<double>(__uint_as_float(word & 0xffffe000u));
}

static inline void vw_mma_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t mine[VW_EMULATED_WORDS] = {a[0], a[1], a[2], a[3], b0, b1};
  const vw_emulated_words *all = vw_emulated_gather(mine);
  const unsigned g = vw_emulated_lane() / 4, t = vw_emulated_lane() % 4;
  for (unsigned i = 0; i < 4; i++) {
    const unsigned row = g + 8 * (i / 2), column = 2 * t + i % 2;
    double sum = d[i];
    for (unsigned k = 0; k < 8; k++)
      sum += vw_emulated_tf32(all[row % 8 * 4 + k % 4].word[row / 8 + 2 * (k / 4)]) *
             vw_emulated_tf32(all[column * 4 + k % 4].word[4 + k / 4]);
    d[i] = static_cast<float>(sum);
  }
}

static inline uint32_t vw_tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return std::isfinite(x) ? ((bits + 0x1000u) & 0xffffe000u) : bits; /* ties away from zero */
}

/* Rows of lane `of`, as it gave them. */
static inline const uint16_t *vw_emulated_row(const vw_emulated_words *all, unsigned of) {
  const uint64_t address = static_cast<uint64_t>(all[of].word[1]) << 32 | all[of].word[0];
  return reinterpret_cast<const uint16_t *>(address);
}

static inline void vw_emulated_ldmatrix(uint32_t (&r)[4], const __nv_bfloat16 *row, bool turned) {
  const uint64_t address = reinterpret_cast<uint64_t>(row);
  vw_emulated_check_shared(row, 16);
  const uint32_t mine[VW_EMULATED_WORDS] = {static_cast<uint32_t>(address), static_cast<uint32_t>(address >> 32)};
  const vw_emulated_words *all = vw_emulated_gather(mine);
  const unsigned g = vw_emulated_lane() / 4, t = vw_emulated_lane() % 4;
  for (unsigned i = 0; i < 4; i++) {
    const uint16_t low = turned ? vw_emulated_row(all, 8 * i + 2 * t)[g] : vw_emulated_row(all, 8 * i + g)[2 * t];
    const uint16_t high =
        turned ? vw_emulated_row(all, 8 * i + 2 * t + 1)[g] : vw_emulated_row(all, 8 * i + g)[2 * t + 1];
    r[i] = static_cast<uint32_t>(high) << 16 | low;
  }
  vw_emulated_gathered();
}
static inline void vw_ldmatrix(uint32_t (&r)[4], const __nv_bfloat16 *row) {
  vw_emulated_ldmatrix(r, row, false);
}
static inline void vw_ldmatrix_turned(uint32_t (&r)[4], const __nv_bfloat16 *row) {
  vw_emulated_ldmatrix(r, row, true);
}

static inline void vw_copy_async(void *shared, const void *global) {
  vw_emulated_copy(shared, global, 16);
}
static inline void vw_copy_async_word(void *shared, const void *global) {
  vw_emulated_copy(shared, global, 4);
}
static inline void vw_copy_commit(void) {
  vw_emulated_commit();
}
template <int N> static inline void vw_copy_wait(void) {
  vw_emulated_wait(N);
}

#endif
