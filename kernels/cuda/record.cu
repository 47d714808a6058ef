/* record and advance: the step is read on the device, so that a training step asks nothing of the host. */
#include "kernels/record.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

__global__ static void __launch_bounds__(THREADS)
    record_kernel(float *__restrict__ history, const float *__restrict__ x, const int64_t *__restrict__ step,
                  int64_t every, int64_t points, int64_t B) {
  const int64_t i = vw_thread(), t = step[0];
  if (i < B && t >= 0 && t % every == 0 && t / every < points) history[t / every * B + i] = x[i];
}

__global__ static void __launch_bounds__(1) advance_kernel(int64_t *to, const int64_t *from) {
  to[0] = from[0] + 1;
}

static vw_status run_record(vw_context *ctx, const vw_call *c) {
  const vw_tensor *before = &c->in[RECORD_HISTORY], *x = &c->in[RECORD_X];
  VW_TRY(vw_check_f32("record", "its history", before));
  VW_TRY(vw_check_f32("record", "what it records", x));
  if (c->out[0].data != before->data)
    VW_CUDA_TRY(cudaMemcpyAsync(c->out[0].data, before->data, vw_bytes(before), cudaMemcpyDeviceToDevice,
                                vw_cuda_of(ctx)->stream));
  return vw_launch(ctx, "record", record_kernel, vw_count(x), THREADS, THREADS, 0, vw_f32(&c->out[0]), vw_f32(x),
                   vw_i64(&c->in[RECORD_STEP]), static_cast<const vw_record_attr *>(c->attr)->every, before->dim[0],
                   vw_count(x));
}

static vw_status run_advance(vw_context *ctx, const vw_call *c) {
  return vw_launch(ctx, "advance", advance_kernel, 1, 1, 1, 0, vw_i64(&c->out[0]), vw_i64(&c->in[0]));
}

extern "C" const vw_kernel record_cuda = {run_record, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel advance_cuda = {run_advance, nullptr, nullptr, nullptr, 0};
