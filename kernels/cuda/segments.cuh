/* Which rows belong to a segment, in their order: for segmented sums without atomics. */
#ifndef VW_KERNELS_CUDA_SEGMENTS_CUH
#define VW_KERNELS_CUDA_SEGMENTS_CUH

#include "kernels/cuda/device.cuh"

enum { VW_LISTED = 256, VW_LISTED_WARPS = VW_LISTED / 32 }; /* rows a list, and threads that make it */

/* Lists at(b) of the rows b in b0..b0+255 below B whose index[b] is k, in the order of b; returns how many. By all 256
 * threads of a block together; `list` [VW_LISTED] and `counts` [VW_LISTED_WARPS] are shared memory. A second call waits
 * until the list before has been read. */
template <typename F>
__device__ inline int vw_list_rows(int64_t *list, int *counts, const int32_t *index, int64_t k, int64_t b0, int64_t B,
                                   F at) {
  const int64_t b = b0 + threadIdx.x;
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const bool mine = b < B && index[b] == k;
  const unsigned those = __ballot_sync(0xffffffffu, mine);
  if (lane == 0) counts[warp] = __popc(those);
  __syncthreads(); /* which also says that the list before has been read */
  int before = 0, all = 0;
  for (unsigned w = 0; w < VW_LISTED_WARPS; w++) {
    if (w < warp) before += counts[w];
    all += counts[w];
  }
  if (mine) list[before + __popc(those & ((1u << lane) - 1))] = at(b);
  __syncthreads();
  return all;
}

#endif
