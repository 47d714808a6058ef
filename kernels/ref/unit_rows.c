#include "kernels/unit_rows.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const double eps = ((const vw_unit_rows_attr *)c->attr)->eps;
  const int64_t N = vw_rows(&c->in[0]), C = vw_last_dim(&c->in[0]);
  for (int64_t n = 0; n < N; n++) {
    const double *x = vw_f64(&c->in[0]) + n * C;
    double sum = 0;
    for (int64_t i = 0; i < C; i++) sum += x[i] * x[i];
    for (int64_t i = 0; i < C; i++) vw_f64(&c->out[0])[n * C + i] = x[i] / (sqrt(sum) + eps);
  }
  return VW_OK;
}

const vw_kernel unit_rows_ref = {.run = run};
