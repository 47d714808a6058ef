/* Whether a library computes what a backend's own kernel computes, at the size of a call (library_check.cu). */
#ifndef VW_KERNELS_CUDA_LIBRARY_CHECK_CUH
#define VW_KERNELS_CUDA_LIBRARY_CHECK_CUH

#include "kernels/cuda/cudnn.cuh"

/* An op whose calls run a library where c->state is set, else an own kernel. */
struct vw_library_kernel {
  int n_in, n_out;
  vw_status (*bind)(vw_context *ctx, vw_call *c); /* sets c->state */
  vw_status (*run)(vw_context *ctx, const vw_call *c);
  void (*release)(vw_context *ctx, vw_call *c);
  bool races; /* the own kernel may win: it is timed too, where algorithms are */
};

/* Judges a plan of cuDNN that was not tried yet (kernels/cuda/cudnn.cuh) on made-up numbers in memory of its own: the
 * library twice, whose results must be the same bits, and within 2^-6 of the own kernel's, in root mean squares (bf16
 * rounds to 2^-9). Of several candidates each must pass, repeat its bits over 20 runs, and the fastest is used; a later
 * one must win by 2 %, the first over the own kernel too where that races: what loses to it agrees with nothing. Frozen inputs are the call's. *agrees: whether any passed. Errors: VW_ERR_MEMORY, which takes the
 * call's inputs and three times its results; those of vw_cudnn_judge. */
vw_status vw_library_try(vw_context *ctx, const vw_call *c, const vw_library_kernel *kernel, vw_cudnn_plan *plan,
                         bool *agrees);

#endif
