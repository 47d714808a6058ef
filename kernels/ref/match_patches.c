#include "kernels/match_patches.h"

#include "core/assignment.h"

#include <math.h>
#include <string.h>

static double softplus(double y) {
  return (y > 0 ? y : 0) + log1p(exp(-fabs(y)));
}

/* What the focal loss of a patch grows by when it has a box. */
static double word_cost(double z, double alpha) {
  const double e = exp(-fabs(z)), p = (z >= 0 ? 1 : e) / (1 + e), q = (z >= 0 ? e : 1) / (1 + e);
  return alpha * q * q * softplus(-z) - (1 - alpha) * p * p * softplus(z);
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  c->scratch_bytes = vw_assignment_bytes(c->in[MATCH_PLACE].dim[0], c->in[MATCH_Z].dim[2]);
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const double alpha = ((const vw_match_patches_attr *)c->attr)->alpha;
  const vw_tensor *z = &c->in[MATCH_Z], *picture = &c->in[MATCH_PICTURE];
  const int64_t K = z->dim[0], S = z->dim[1], N = z->dim[2], each = K / picture->dim[0];
  const int32_t *first = vw_i32(&c->in[MATCH_FIRST]);
  (void)ctx;
  for (int64_t i = 0; i < K * S; i++) {
    const int32_t p = vw_i32(picture)[i / S / each * S + i % S];
    vw_assignment m = vw_assignment_in(c->scratch, c->in[MATCH_PLACE].dim[0], N);
    m.rows = first[p + 1] - first[p], m.cost64 = vw_f64(&c->in[MATCH_PLACE]) + first[p] * N;
    for (int64_t j = 0; j < N; j++) m.more[j] = word_cost(vw_f64(z)[i * N + j], alpha);
    int32_t *matched = vw_i32(&c->out[0]) + i * N;
    memset(matched, 0, (size_t)N * sizeof *matched);
    vw_assignment_solve(&m);
    for (int64_t b = 0; b < m.rows; b++) matched[m.column[b]] = 1;
  }
  return VW_OK;
}

const vw_kernel match_patches_ref = {.run = run, .measure = measure};
