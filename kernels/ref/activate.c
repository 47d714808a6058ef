/* activate, geglu and their gradients, by definition. */
#include "kernels/activate.h"

#include "kernels/ref/activation.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_activation act = ((const vw_activate_attr *)c->attr)->act;
  for (int64_t i = 0; i < vw_count(&c->in[0]); i++) vw_f64(&c->out[0])[i] = vw_ref_act(act, vw_f64(&c->in[0])[i]);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_activation act = ((const vw_activate_attr *)c->attr)->act;
  const double *dy = vw_f64(&c->in[ACTIVATE_GRAD_DY]), *x = vw_f64(&c->in[ACTIVATE_GRAD_X]);
  for (int64_t i = 0; i < vw_count(&c->out[0]); i++) vw_f64(&c->out[0])[i] = dy[i] * vw_ref_act_grad(act, x[i]);
  return VW_OK;
}

static vw_status run_geglu(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t C = vw_last_dim(&c->out[0]);
  for (int64_t n = 0; n < vw_rows(&c->out[0]); n++)
    for (int64_t i = 0; i < C; i++) {
      const double *x = vw_f64(&c->in[0]) + n * 2 * C;
      vw_f64(&c->out[0])[n * C + i] = x[i] * vw_ref_act(VW_ACT_GELU, x[C + i]);
    }
  return VW_OK;
}

static vw_status run_geglu_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *dy = &c->in[ACTIVATE_GRAD_DY];
  const int64_t C = vw_last_dim(dy);
  for (int64_t n = 0; n < vw_rows(dy); n++)
    for (int64_t i = 0; i < C; i++) {
      const double *x = vw_f64(&c->in[ACTIVATE_GRAD_X]) + n * 2 * C, d = vw_f64(dy)[n * C + i];
      double *dx = vw_f64(&c->out[0]) + n * 2 * C;
      dx[i] = d * vw_ref_act(VW_ACT_GELU, x[C + i]);
      dx[C + i] = d * x[i] * vw_ref_act_grad(VW_ACT_GELU, x[C + i]);
    }
  return VW_OK;
}

const vw_kernel activate_ref = {.run = run}, activate_grad_ref = {.run = run_grad};
const vw_kernel geglu_ref = {.run = run_geglu}, geglu_grad_ref = {.run = run_geglu_grad};
