#include "kernels/focal_loss.h"

#include <inttypes.h>

/* Shared by the loss and its gradient: in[0] is z. */
static vw_status check(const vw_tensor *in, const vw_focal_loss_attr *a) {
  const vw_tensor *z = &in[FOCAL_Z], *p = &in[FOCAL_PICTURE], *m = &in[FOCAL_MATCHED], *b = &in[FOCAL_BATCH];
  VW_CHECK(z->ndim == 3, VW_ERR_ARG, "focal_loss: z is %s, must be [K, S, N]", vw_shape_text(z));
  VW_CHECK(p->dtype == VW_I32 && p->ndim == 2 && p->dim[1] == z->dim[1] && p->dim[0] > 0 && z->dim[0] % p->dim[0] == 0,
           VW_ERR_ARG, "focal_loss: picture is %s %s, z is %s; must be i32 [G, S], G a divisor of K",
           vw_dtype_name(p->dtype), vw_shape_text(p), vw_shape_text(z));
  const bool own = m->ndim == 3 && m->dim[0] == z->dim[0] && m->dim[1] == z->dim[1] && m->dim[2] == z->dim[2];
  VW_CHECK(m->dtype == VW_I32 && (own || (m->ndim == 2 && m->dim[1] == z->dim[2])), VW_ERR_ARG,
           "focal_loss: matched is %s %s, z is %s; must be i32 [P, N] or of z's shape", vw_dtype_name(m->dtype),
           vw_shape_text(m), vw_shape_text(z));
  VW_CHECK(own ? in[FOCAL_BOXES].dtype == VW_I32 && in[FOCAL_BOXES].ndim == 1
               : in[FOCAL_BOXES].dtype == VW_I32 && vw_is_vector(&in[FOCAL_BOXES], m->dim[0]),
           VW_ERR_ARG, "focal_loss: boxes are %s %s, must be i32 [P=%" PRId64 "]", vw_dtype_name(in[FOCAL_BOXES].dtype),
           vw_shape_text(&in[FOCAL_BOXES]), m->dim[0]);
  VW_CHECK(b->dtype == VW_I32 && b->ndim == 2 && b->dim[0] == p->dim[0], VW_ERR_ARG,
           "focal_loss: batch is %s %s, must be i32 [G=%" PRId64 ", A]", vw_dtype_name(b->dtype), vw_shape_text(b),
           p->dim[0]);
  VW_CHECK(a->alpha >= 0 && a->alpha <= 1, VW_ERR_ARG, "focal_loss: alpha is %g, must be from 0 to 1", a->alpha);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  VW_TRY(check(in, attr));
  out[0] = vw_shape(VW_HEAD, in[FOCAL_Z].dim[0]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (!vw_wanted(g, n, FOCAL_Z)) return VW_OK;
  return vw_emit(g, &vw_focal_loss_grad_op, n->attr,
                 (vw_value[]){dy[0], n->in[FOCAL_Z], n->in[FOCAL_PICTURE], n->in[FOCAL_MATCHED], n->in[FOCAL_BOXES],
                              n->in[FOCAL_BATCH]},
                 &dx[FOCAL_Z]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  VW_TRY(check(in + FOCALG_Z, attr));
  VW_CHECK(vw_is_vector(&in[FOCALG_DLOSS], in[FOCALG_Z].dim[0]), VW_ERR_ARG, "focal_loss_grad: dloss is %s, z is %s",
           vw_shape_text(&in[FOCALG_DLOSS]), vw_shape_text(&in[FOCALG_Z]));
  out[0] = vw_shape_of(VW_HEAD, 3, in[FOCALG_Z].dim);
  return VW_OK;
}

/* Each logit once, of the tables the rows of pictures that are looked up. */
static double bytes_of(const vw_tensor *in, const vw_tensor *out) {
  const int64_t rows = vw_count(&in[FOCAL_PICTURE]);
  const vw_tensor *m = &in[FOCAL_MATCHED];
  const double matched = m->ndim == 3 ? (double)vw_bytes(m) : 4.0 * (double)(rows * m->dim[1]);
  return (double)(vw_bytes(&in[FOCAL_Z]) + vw_bytes(out)) + matched;
}

static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return bytes_of(in, &out[0]);
}

static double bytes_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return bytes_of(in + FOCALG_Z, &out[0]);
}

const vw_op vw_focal_loss_op = {.name = "focal_loss",
                                .id = VW_OP_focal_loss,
                                .n_in = 5,
                                .n_out = 1,
                                .attr_size = sizeof(vw_focal_loss_attr),
                                .infer = infer,
                                .gradient = gradient,
                                .bytes = bytes};

const vw_op vw_focal_loss_grad_op = {.name = "focal_loss_grad",
                                     .id = VW_OP_focal_loss_grad,
                                     .n_in = 6,
                                     .n_out = 1,
                                     .attr_size = sizeof(vw_focal_loss_attr),
                                     .infer = infer_grad,
                                     .bytes = bytes_grad};

vw_value vw_focal_loss(vw_graph *g, vw_value z, vw_focal_targets t, double alpha) {
  vw_value loss = VW_NONE;
  (void)vw_emit(g, &vw_focal_loss_op, &(vw_focal_loss_attr){.alpha = alpha},
                (vw_value[]){z, t.picture, t.matched, t.boxes, t.batch}, &loss);
  return loss;
}
