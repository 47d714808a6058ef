/* timestep_embedding, by definition. */
#include "kernels/timestep_embedding.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_timestep_attr *a = c->attr;
  const int64_t B = c->out[0].dim[0], h = a->width / 2;
  for (int64_t b = 0; b < B; b++)
    for (int64_t i = 0; i < h; i++) {
      const double angle = (double)vw_i32(&c->in[0])[b] * exp(-log(a->period) * (double)i / ((double)h - a->shift));
      double *y = vw_f64(&c->out[0]) + b * a->width + i;
      y[0] = a->cosine_first ? cos(angle) : sin(angle);
      y[h] = a->cosine_first ? sin(angle) : cos(angle);
    }
  return VW_OK;
}

const vw_kernel timestep_embedding_ref = {.run = run};
