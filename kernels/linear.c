#include "kernels/linear.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_linear_attr *a = attr;
  const vw_tensor *x = &in[LINEAR_X], *w = &in[LINEAR_WEIGHT];
  VW_CHECK(w->ndim == 2, VW_ERR_ARG, "linear: weight is %s, expected [M, K]", vw_shape_text(w));
  VW_CHECK(vw_present(x) && vw_last_dim(x) == w->dim[1], VW_ERR_ARG, "linear: x is %s, weight %s wants K=%" PRId64,
           vw_shape_text(x), vw_shape_text(w), w->dim[1]);
  const int64_t M = w->dim[0];
  VW_CHECK(!vw_present(&in[LINEAR_BIAS]) || vw_is_vector(&in[LINEAR_BIAS], M), VW_ERR_ARG,
           "linear: bias is %s, weight is %s: expected [%" PRId64 "]", vw_shape_text(&in[LINEAR_BIAS]),
           vw_shape_text(w), M);
  out[LINEAR_Y] = *x;
  out[LINEAR_Y].data = NULL;
  out[LINEAR_Y].dtype = a->role;
  out[LINEAR_Y].dim[x->ndim - 1] = M;
  VW_CHECK(!vw_present(&in[LINEAR_RESIDUAL]) || vw_same_shape(&in[LINEAR_RESIDUAL], &out[LINEAR_Y]), VW_ERR_ARG,
           "linear: residual is %s, the result is %s", vw_shape_text(&in[LINEAR_RESIDUAL]),
           vw_shape_text(&out[LINEAR_Y]));
  if (a->act == VW_ACT_NONE) {
    out[LINEAR_Z] = vw_shape(VW_ACT, 0);
  } else {
    out[LINEAR_Z] = out[LINEAR_Y];
    out[LINEAR_Z].dtype = VW_ACT;
  }
  return VW_OK;
}

/* Weights are frozen: x and the residual alone can be asked for. The residual's gradient is dy itself. */
static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  const vw_linear_attr *a = n->attr;
  if (dy[LINEAR_Y] == VW_NONE) return VW_OK;
  if (n->in[LINEAR_RESIDUAL] != VW_NONE && vw_wanted(g, n, LINEAR_RESIDUAL)) dx[LINEAR_RESIDUAL] = dy[LINEAR_Y];
  if (!vw_wanted(g, n, LINEAR_X)) return VW_OK;
  const vw_linear_attr grad = {a->act, vw_value_tensor(g, n->in[LINEAR_X]).dtype, a->exact};
  const vw_value z = a->act == VW_ACT_NONE ? VW_NONE : n->out[LINEAR_Z];
  return vw_emit(g, &vw_linear_grad_op, &grad, (vw_value[]){dy[LINEAR_Y], n->in[LINEAR_WEIGHT], z}, &dx[LINEAR_X]);
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 2.0 * (double)vw_rows(&in[LINEAR_X]) * (double)vw_count(&in[LINEAR_WEIGHT]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_linear_attr *a = attr;
  const vw_tensor *dy = &in[LINEAR_GRAD_DY], *w = &in[LINEAR_GRAD_WEIGHT], *z = &in[LINEAR_GRAD_Z];
  VW_CHECK(w->ndim == 2, VW_ERR_ARG, "linear_grad: weight is %s, expected [M, K]", vw_shape_text(w));
  VW_CHECK(vw_present(dy) && vw_last_dim(dy) == w->dim[0], VW_ERR_ARG,
           "linear_grad: dy is %s, weight %s wants M=%" PRId64, vw_shape_text(dy), vw_shape_text(w), w->dim[0]);
  VW_CHECK((a->act == VW_ACT_NONE) == !vw_present(z), VW_ERR_ARG,
           "linear_grad: the pre-activation z is needed with an activation, and only then");
  VW_CHECK(!vw_present(z) || vw_same_shape(z, dy), VW_ERR_ARG, "linear_grad: z is %s, dy is %s", vw_shape_text(z),
           vw_shape_text(dy));
  out[0] = *dy;
  out[0].data = NULL;
  out[0].dtype = a->role;
  out[0].dim[dy->ndim - 1] = w->dim[1];
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 2.0 * (double)vw_rows(&in[LINEAR_GRAD_DY]) * (double)vw_count(&in[LINEAR_GRAD_WEIGHT]);
}

const vw_op vw_linear_op = {.name = "linear",
                            .id = VW_OP_linear,
                            .n_in = 4,
                            .n_out = 2,
                            .optional = 1u << LINEAR_BIAS | 1u << LINEAR_RESIDUAL,
                            .attr_size = sizeof(vw_linear_attr),
                            .infer = infer,
                            .gradient = gradient,
                            .flops = flops};

const vw_op vw_linear_grad_op = {.name = "linear_grad",
                                 .id = VW_OP_linear_grad,
                                 .n_in = 3,
                                 .n_out = 1,
                                 .optional = 1u << LINEAR_GRAD_Z,
                                 .attr_size = sizeof(vw_linear_attr),
                                 .infer = infer_grad,
                                 .flops = flops_grad};

vw_value vw_linear(vw_graph *g, vw_value x, vw_linear_weights w, vw_activation act, vw_value residual, vw_dtype role) {
  const vw_linear_attr attr = {act, role, role == VW_HEAD};
  vw_value out[2] = {VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_linear_op, &attr, (vw_value[]){x, w.weight, w.bias, residual}, out);
  return out[LINEAR_Y];
}
