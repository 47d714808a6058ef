/* grid_box on the CPU: four numbers a patch, so one thread. The bias is the same in all runs; it is made in double. */
#include "kernels/grid_box.h"

#include <math.h>

static double bias(int64_t i, int64_t side) {
  const float c = (float)i / (float)side, above = c + 1e-4F, below = -c + 1e-4F;
  return log((double)above) - log1p((double)below);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = c->in[0].dim[1], side = vw_grid_side(N);
  if (side < 1) return VW_OK; /* no patches */
  const float *x = vw_f32(&c->in[0]);
  float *y = vw_f32(&c->out[0]);
  for (int64_t k = 0; k < vw_count(&c->in[0]); k++) {
    const int64_t n = k / 4 % N, place[4] = {n % side + 1, n / side + 1, 1, 1};
    y[k] = 1 / (1 + expf(-(x[k] + (float)bias(place[k % 4], side))));
  }
  return VW_OK;
}

const vw_kernel grid_box_cpu = {.run = run};
