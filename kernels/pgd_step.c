#include "kernels/pgd_step.h"

#include <inttypes.h>

/* What both updates share: words, grad, anchor [K, C], radius [K], and the step counter. */
static vw_status check(const char *op, const vw_tensor *in, const vw_tensor *step) {
  const vw_tensor *words = &in[PGD_WORDS];
  VW_CHECK(words->ndim == 2, VW_ERR_ARG, "%s: words are %s, must be [K, C]", op, vw_shape_text(words));
  VW_CHECK(vw_same_shape(&in[PGD_GRAD], words), VW_ERR_ARG, "%s: grad is %s, words are %s", op,
           vw_shape_text(&in[PGD_GRAD]), vw_shape_text(words));
  VW_CHECK(vw_same_shape(&in[PGD_ANCHOR], words), VW_ERR_ARG, "%s: anchor is %s, words are %s", op,
           vw_shape_text(&in[PGD_ANCHOR]), vw_shape_text(words));
  VW_CHECK(vw_is_vector(&in[PGD_RADIUS], words->dim[0]), VW_ERR_ARG, "%s: radius is %s, words are %s", op,
           vw_shape_text(&in[PGD_RADIUS]), vw_shape_text(words));
  VW_CHECK(step->dtype == VW_I64 && vw_is_vector(step, 1), VW_ERR_ARG, "%s: step is %s %s, must be i64 [1]", op,
           vw_dtype_name(step->dtype), vw_shape_text(step));
  return VW_OK;
}

static vw_status infer_pgd(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_pgd_attr *a = attr;
  VW_TRY(check("pgd_step", in, &in[PGD_STEP]));
  VW_CHECK(a->steps >= 1, VW_ERR_ARG, "pgd_step: steps is %" PRId64 ", must be at least 1", a->steps);
  VW_CHECK(a->eta0 >= 0, VW_ERR_ARG, "pgd_step: eta0 is %g, must not be negative", a->eta0);
  out[0] = in[PGD_WORDS];
  return VW_OK;
}

static vw_status infer_adamw(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_adamw_attr *a = attr;
  VW_TRY(check("adamw_step", in, &in[ADAMW_STEP]));
  for (int i = ADAMW_M; i <= ADAMW_V; i++)
    VW_CHECK(vw_same_shape(&in[i], &in[ADAMW_WORDS]), VW_ERR_ARG, "adamw_step: %s is %s, words are %s",
             i == ADAMW_M ? "m" : "v", vw_shape_text(&in[i]), vw_shape_text(&in[ADAMW_WORDS]));
  VW_CHECK(a->lr >= 0 && a->eps >= 0 && a->weight_decay >= 0, VW_ERR_ARG,
           "adamw_step: lr %g, eps %g, weight decay %g: none may be negative", a->lr, a->eps, a->weight_decay);
  VW_CHECK(a->beta1 >= 0 && a->beta1 < 1 && a->beta2 >= 0 && a->beta2 < 1, VW_ERR_ARG,
           "adamw_step: betas %g, %g must be in [0, 1)", a->beta1, a->beta2);
  out[0] = in[ADAMW_WORDS], out[1] = in[ADAMW_M], out[2] = in[ADAMW_V];
  return VW_OK;
}

/* Two norms, the step and the projection: about ten operations an element. */
static double flops_pgd(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)in, (void)attr;
  return 10.0 * (double)vw_count(&out[0]);
}

static double flops_adamw(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)in, (void)attr;
  return 18.0 * (double)vw_count(&out[0]);
}

const vw_op vw_pgd_step_op = {.name = "pgd_step",
                              .id = VW_OP_pgd_step,
                              .n_in = 5,
                              .n_out = 1,
                              .attr_size = sizeof(vw_pgd_attr),
                              .in_place = {1 + PGD_WORDS},
                              .infer = infer_pgd,
                              .flops = flops_pgd};

const vw_op vw_adamw_step_op = {.name = "adamw_step",
                                .id = VW_OP_adamw_step,
                                .n_in = 7,
                                .n_out = 3,
                                .attr_size = sizeof(vw_adamw_attr),
                                .in_place = {1 + ADAMW_WORDS, 1 + ADAMW_M, 1 + ADAMW_V},
                                .infer = infer_adamw,
                                .flops = flops_adamw};

vw_value vw_pgd_step(vw_graph *g, vw_value words, vw_value grad, vw_value anchor, vw_value radius, vw_value step,
                     vw_pgd_attr attr) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_pgd_step_op, &attr, (vw_value[]){words, grad, anchor, radius, step}, &out);
  return out;
}

vw_value vw_adamw_step(vw_graph *g, vw_value words, vw_value grad, vw_value anchor, vw_value radius,
                       vw_adamw_moments mv, vw_value step, vw_adamw_attr attr) {
  vw_value out[3] = {VW_NONE, VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_adamw_step_op, &attr, (vw_value[]){words, grad, anchor, radius, mv.m, mv.v, step}, out);
  return out[0];
}
