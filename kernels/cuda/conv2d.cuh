/* conv2d by a library (conv2d_library.cu), for calls that it takes. */
#ifndef VW_KERNELS_CUDA_CONV2D_CUH
#define VW_KERNELS_CUDA_CONV2D_CUH

#include "kernels/conv2d.h"
#include "kernels/cuda/device.cuh"

/* conv2d, and its gradient where forward is false. measure says what prepare will want where the library takes the
 * call; prepare then sets c->state, and run is for calls that have one. */
vw_status vw_conv2d_library_measure(vw_context *ctx, vw_call *c, bool forward);
typedef vw_status (*vw_conv2d_run)(vw_context *ctx,
                                   const vw_call *c); /* of the op: it runs own kernels without a state */
vw_status vw_conv2d_library_prepare(vw_context *ctx, vw_call *c, bool forward, vw_conv2d_run run);
vw_status vw_conv2d_library_run(vw_context *ctx, const vw_call *c);
void vw_conv2d_library_release(vw_context *ctx, vw_call *c);

/* Frees what calls have left of their weights' copies; called when the device closes. */
void vw_conv2d_library_close(vw_cuda *cuda);

#endif
