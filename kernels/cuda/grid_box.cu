/* grid_box: a number a thread; the bias is made anew in each run, in double: four numbers a patch. */
#include "kernels/grid_box.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename X>
__global__ static void __launch_bounds__(THREADS)
    grid_box_kernel(float *__restrict__ y, const X *__restrict__ x, int64_t all, int64_t N, int64_t side) {
  const int64_t k = vw_thread();
  if (k >= all) return;
  const int64_t n = k / 4 % N, i = k % 4 == 0 ? n % side + 1 : k % 4 == 1 ? n / side + 1 : 1;
  const float c = static_cast<float>(i) / static_cast<float>(side), above = c + 1e-4f, below = -c + 1e-4f;
  const float bias = static_cast<float>(log(static_cast<double>(above)) - log1p(static_cast<double>(below)));
  y[k] = 1.0f / (1.0f + expf(-(vw_load(x, k) + bias)));
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[0];
  VW_TRY(vw_check_f32("grid_box", "boxes", &c->out[0]));
  return vw_with_type("grid_box", x, [&](auto tx) {
    return vw_launch(ctx, "grid_box", grid_box_kernel<decltype(tx)>, vw_count(x), THREADS, THREADS, 0,
                     vw_f32(&c->out[0]), vw_data<const decltype(tx)>(x), vw_count(x), x->dim[1],
                     vw_grid_side(x->dim[1]));
  });
}

extern "C" const vw_kernel grid_box_cuda = {run, nullptr, nullptr, nullptr, 0};
