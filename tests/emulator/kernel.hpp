/* Runs the CUDA kernels of this repository on the host, thread by thread, so that their logic is tested where there is
 * no GPU: included before every kernel file that the test build compiles as C++. What it cannot show: speed, launches
 * that a GPU refuses, memory races within a warp's own step, differences of expf and its like.
 *
 * The threads of a block are fibers; one gives way to the next where it waits for others: at __syncthreads and in warp
 * shuffles, which all 32 lanes must reach. A warp runs as far ahead of the others as barriers let it, in every other
 * block the last warp first and its lanes backwards, so a missing barrier shows as a wrong result; threads that wait
 * for ever are reported with the kernel's name.
 *
 * In the mode of check.h nothing runs: launches and products are only checked against what devices take. */
#ifndef VW_TESTS_EMULATOR_KERNEL_HPP
#define VW_TESTS_EMULATOR_KERNEL_HPP
#ifndef __cplusplus
#error "C++ only"
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <functional>

#include "tests/emulator/calls.h"

/* A kernel's view of its place; switched with the fibers. */
struct vw_emulated_place {
  dim3 thread, block, threads;
};
extern vw_emulated_place vw_emulated;
extern bool vw_emulated_last_first; /* the order of a grid's blocks */

/* Returns after the whole grid has run. `shared` bytes are NaN at the start of every block. */
void vw_emulate(const char *name, const void *kernel, unsigned blocks, dim3 threads, size_t shared,
                const std::function<void()> &body);
bool vw_emulated_checks_only(void);
/* VISWORDS_EMULATOR_WITHOUT=FILE.cu:LINE takes the barrier there out: barriers.sh asks whether a test notices. */
void vw_emulated_sync_block(const char *file, int line);

/* While the stream is captured: keeps the step and returns true. vw_emulated_refuse ends the program then. */
bool vw_emulated_keep(const std::function<void()> &step);
void vw_emulated_refuse(const char *call);

/* An error from the call on at which the environment lets the device be lost (runtime.cpp). */
cudaError_t vw_emulated_alive(void);

uint32_t vw_emulated_shuffle(uint32_t value, unsigned lane); /* value of that lane of the caller's warp */
float *vw_shared(void);

/* What lanes of a warp show each other: all put their words, then all may read them, until their next but one. */
enum { VW_EMULATED_WORDS = 6 };
struct vw_emulated_words {
  uint32_t word[VW_EMULATED_WORDS];
};
const vw_emulated_words *vw_emulated_gather(const uint32_t (&mine)[VW_EMULATED_WORDS]); /* of 32 lanes */
void vw_emulated_gathered(void); /* all have read what was not in the words: where those were addresses */
void vw_emulated_sync_warp(const char *file, int line);

/* Copies of 16 or 4 bytes, which a device makes at any time until their thread has waited for them: every other block at
 * once, the others when they are waited for, and dies if they never are. */
void vw_emulated_copy(void *shared, const void *global, size_t bytes);
void vw_emulated_commit(void);
void vw_emulated_wait(unsigned groups);
void vw_emulated_check_shared(const void *p,
                              size_t bytes); /* inside shared memory and aligned to so many, else aborts */

#undef __shared__
#define __shared__ static /* blocks run one after the other */
#undef __launch_bounds__
/* The bound travels as that many no-ops at the kernel's entry, where vw_emulate counts them. */
#define __launch_bounds__(...) __attribute__((patchable_function_entry(0 + (__VA_ARGS__))))
#define threadIdx              (vw_emulated.thread)
#define blockIdx               (vw_emulated.block)
#define blockDim               (vw_emulated.threads)
#define __syncthreads()        vw_emulated_sync_block(__FILE__, __LINE__)
#define __syncwarp()           vw_emulated_sync_warp(__FILE__, __LINE__)

static inline unsigned vw_emulated_lane(void) {
  const dim3 t = vw_emulated.thread, n = vw_emulated.threads;
  return ((t.z * n.y + t.y) * n.x + t.x) % 32;
}

static inline float __shfl_sync(unsigned, float x, int lane) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits = vw_emulated_shuffle(bits, static_cast<unsigned>(lane) % 32);
  __builtin_memcpy(&x, &bits, sizeof bits);
  return x;
}

static inline float __shfl_xor_sync(unsigned mask, float x, int lanes) {
  return __shfl_sync(mask, x, static_cast<int>(vw_emulated_lane() ^ static_cast<unsigned>(lanes)));
}

static inline unsigned __ballot_sync(unsigned, bool yes) {
  const uint32_t mine[VW_EMULATED_WORDS] = {yes};
  const vw_emulated_words *all = vw_emulated_gather(mine);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; lane++) bits |= all[lane].word[0] << lane;
  return bits;
}

static inline int __popc(unsigned bits) {
  return __builtin_popcount(bits);
}

static inline unsigned __float_as_uint(float x) {
  unsigned bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float __uint_as_float(unsigned bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

using std::isfinite;
using std::isinf;

#include "tests/emulator/mma.hpp"

#endif
