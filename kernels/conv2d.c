#include "kernels/conv2d.h"

#include "kernels/cast.h"

#include <inttypes.h>

static vw_status check_weight(const char *op, const vw_tensor *w, const vw_conv2d_attr *a) {
  const vw_padding *p = &a->padding;
  VW_CHECK(w->ndim == 4 && w->dim[2] == w->dim[3] && (w->dim[2] == 1 || w->dim[2] == 3), VW_ERR_ARG,
           "%s: weight is %s, expected [O, C, K, K] with K 1 or 3", op, vw_shape_text(w));
  VW_CHECK(a->stride == 1 || a->stride == 2, VW_ERR_ARG, "%s: stride is %" PRId64 ", expected 1 or 2", op, a->stride);
  VW_CHECK(p->top >= 0 && p->bottom >= 0 && p->left >= 0 && p->right >= 0, VW_ERR_ARG, "%s: padding below 0", op);
  return VW_OK;
}

/* Outputs along an axis of `size`. */
static int64_t outputs(int64_t size, int64_t before, int64_t behind, int64_t K, int64_t stride) {
  const int64_t room = size + before + behind - K;
  return room < 0 ? 0 : room / stride + 1;
}

static vw_tensor result_of(const vw_tensor *x, const vw_tensor *w, const vw_conv2d_attr *a) {
  const vw_padding *p = &a->padding;
  const int64_t K = w->dim[2];
  return vw_shape(a->role, x->dim[0], outputs(x->dim[1], p->top, p->bottom, K, a->stride),
                  outputs(x->dim[2], p->left, p->right, K, a->stride), w->dim[0]);
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_conv2d_attr *a = attr;
  const vw_tensor *x = &in[CONV_X], *w = &in[CONV_WEIGHT];
  VW_TRY(check_weight("conv2d", w, a));
  VW_CHECK(x->ndim == 4 && x->dim[3] == w->dim[1], VW_ERR_ARG,
           "conv2d: x is %s, weight %s wants [B, H, W, C=%" PRId64 "]", vw_shape_text(x), vw_shape_text(w), w->dim[1]);
  out[0] = result_of(x, w, a);
  const vw_tensor shift = vw_shape(VW_ACT, x->dim[0], w->dim[0]);
  VW_CHECK(out[0].dim[1] > 0 && out[0].dim[2] > 0, VW_ERR_ARG, "conv2d: x is %s, weight is %s: nothing is left",
           vw_shape_text(x), vw_shape_text(w));
  VW_CHECK(!vw_present(&in[CONV_BIAS]) || vw_is_vector(&in[CONV_BIAS], w->dim[0]), VW_ERR_ARG,
           "conv2d: bias is %s, weight is %s", vw_shape_text(&in[CONV_BIAS]), vw_shape_text(w));
  VW_CHECK(!vw_present(&in[CONV_SHIFT]) || vw_same_shape(&in[CONV_SHIFT], &shift), VW_ERR_ARG,
           "conv2d: shift is %s, expected %s", vw_shape_text(&in[CONV_SHIFT]), vw_shape_text(&shift));
  VW_CHECK(!vw_present(&in[CONV_RESIDUAL]) || vw_same_shape(&in[CONV_RESIDUAL], &out[0]), VW_ERR_ARG,
           "conv2d: residual is %s, the result is %s", vw_shape_text(&in[CONV_RESIDUAL]), vw_shape_text(&out[0]));
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE) return VW_OK;
  VW_CHECK(!vw_wanted(g, n, CONV_SHIFT), VW_ERR_UNSUPPORTED, "conv2d: shift has no gradient");
  if (vw_wanted(g, n, CONV_RESIDUAL)) dx[CONV_RESIDUAL] = dy[0];
  if (!vw_wanted(g, n, CONV_X)) return VW_OK;
  const vw_tensor x = vw_value_tensor(g, n->in[CONV_X]), slope = vw_value_tensor(g, dy[0]);
  vw_conv2d_attr attr = *(const vw_conv2d_attr *)n->attr;
  attr.role = x.dtype, attr.H = x.dim[1], attr.W = x.dim[2];
  /* of a stream or a head, which may be wider: products want factors of one type, and that of x is */
  const vw_value factor = slope.dtype == x.dtype ? dy[0] : vw_cast(g, dy[0], x.dtype);
  return vw_emit(g, &vw_conv2d_grad_op, &attr, (vw_value[]){factor, n->in[CONV_WEIGHT]}, &dx[CONV_X]);
}

/* Zeros of the padding count as any other element. */
static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2.0 * (double)vw_rows(&out[0]) * (double)vw_count(&in[CONV_WEIGHT]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_conv2d_attr *a = attr;
  const vw_tensor *dy = &in[CONV_GRAD_DY], *w = &in[CONV_GRAD_WEIGHT];
  VW_TRY(check_weight("conv2d_grad", w, a));
  VW_CHECK(dy->ndim == 4, VW_ERR_ARG, "conv2d_grad: dy is %s, expected [B, Ho, Wo, O]", vw_shape_text(dy));
  out[0] = vw_shape(a->role, dy->dim[0], a->H, a->W, w->dim[1]);
  const vw_tensor expected = result_of(&out[0], w, a);
  VW_CHECK(vw_same_shape(dy, &expected), VW_ERR_ARG, "conv2d_grad: dy is %s, x of %s gives %s", vw_shape_text(dy),
           vw_shape_text(&out[0]), vw_shape_text(&expected));
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 2.0 * (double)vw_rows(&in[CONV_GRAD_DY]) * (double)vw_count(&in[CONV_GRAD_WEIGHT]);
}

const vw_op vw_conv2d_op = {.name = "conv2d",
                            .id = VW_OP_conv2d,
                            .n_in = 5,
                            .n_out = 1,
                            .optional = 1u << CONV_BIAS | 1u << CONV_SHIFT | 1u << CONV_RESIDUAL,
                            .attr_size = sizeof(vw_conv2d_attr),
                            .infer = infer,
                            .gradient = gradient,
                            .flops = flops};

const vw_op vw_conv2d_grad_op = {.name = "conv2d_grad",
                                 .id = VW_OP_conv2d_grad,
                                 .n_in = 2,
                                 .n_out = 1,
                                 .attr_size = sizeof(vw_conv2d_attr),
                                 .infer = infer_grad,
                                 .flops = flops_grad};

vw_value vw_conv2d(vw_graph *g, vw_value x, vw_conv2d_inputs in, int64_t stride, vw_padding padding, vw_dtype role) {
  const vw_conv2d_attr attr = {.stride = stride, .padding = padding, .role = role};
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_conv2d_op, &attr, (vw_value[]){x, in.weight, in.bias, in.shift, in.residual}, &out);
  return out;
}
