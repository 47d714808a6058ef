/* timestep_embedding on the CPU: a few thousand sinusoids a step, in double; no threads. */
#include "kernels/timestep_embedding.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_timestep_attr *a = c->attr;
  const int64_t B = c->out[0].dim[0], h = a->width / 2;
  for (int64_t i = 0; i < h; i++) {
    const double w = exp(-log(a->period) * (double)i / ((double)h - a->shift));
    for (int64_t b = 0; b < B; b++) {
      const double angle = (double)vw_i32(&c->in[0])[b] * w;
      float *y = vw_f32(&c->out[0]) + b * a->width + i;
      y[a->cosine_first ? h : 0] = (float)sin(angle);
      y[a->cosine_first ? 0 : h] = (float)cos(angle);
    }
  }
  return VW_OK;
}

const vw_kernel timestep_embedding_cpu = {.run = run};
