/* match_patches on the CPU: a word and picture a thread. What a word adds to the costs is made in fp32 vectors, the
 * assignment in double; a picture without boxes costs zeros alone. */
#include "kernels/match_patches.h"

#include "core/assignment.h"
#include "kernels/cpu/activation.h"

#include <omp.h>
#include <string.h>

/* c of n patches. */
VW_SIMD static void word_costs(const float *restrict z, float alpha, int64_t n, double *restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float size = vw_select(z[i] < 0, -z[i], z[i]), e = vw_expf(-size);
    const float p = vw_select(z[i] >= 0, 1, e) / (1 + e), q = vw_select(z[i] >= 0, e, 1) / (1 + e);
    const float up = vw_softplus(z[i], e), down = vw_softplus(-z[i], e);
    out[i] = alpha * q * q * down - (1 - alpha) * p * p * up;
  }
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  c->scratch_bytes = (size_t)ctx->threads * vw_assignment_bytes(c->in[MATCH_PLACE].dim[0], c->in[MATCH_Z].dim[2]);
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const float alpha = (float)((const vw_match_patches_attr *)c->attr)->alpha;
  const vw_tensor *z = &c->in[MATCH_Z], *picture = &c->in[MATCH_PICTURE];
  const int64_t K = z->dim[0], S = z->dim[1], N = z->dim[2], each = K / picture->dim[0];
  const int64_t boxes = c->in[MATCH_PLACE].dim[0];
  const int32_t *first = vw_i32(&c->in[MATCH_FIRST]);
  const size_t room = vw_assignment_bytes(boxes, N);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < K * S; i++) {
    const int32_t p = vw_i32(picture)[i / S / each * S + i % S];
    vw_assignment m = vw_assignment_in((char *)c->scratch + (size_t)omp_get_thread_num() * room, boxes, N);
    m.rows = first[p + 1] - first[p], m.cost32 = vw_f32(&c->in[MATCH_PLACE]) + first[p] * N;
    if (m.rows) word_costs(vw_f32(z) + i * N, alpha, N, m.more);
    int32_t *matched = vw_i32(&c->out[0]) + i * N;
    memset(matched, 0, (size_t)N * sizeof *matched);
    vw_assignment_solve(&m);
    for (int64_t b = 0; b < m.rows; b++) matched[m.column[b]] = 1;
  }
  return VW_OK;
}

const vw_kernel match_patches_cpu = {.run = run, .measure = measure};
