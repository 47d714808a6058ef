/* Ops of detection, and the entry of all towers of pictures: cpu (and cuda) against ref on odd and full sizes, gradients against central differences, and what
 * each owes its callers besides.
 *
 * Tolerances as in test_picture_ops.c: SUM(K) = 4 eps sqrt(K) for sums of K terms; SUM(16) for a handful of roundings.
 */
#include "tests/support/op_test.h"

#include "core/assignment.h"
#include "kernels/class_merge.h"
#include "kernels/elu_plus.h"
#include "kernels/focal_loss.h"
#include "kernels/grid_box.h"
#include "kernels/match_patches.h"
#include "kernels/patch_embed.h"
#include "kernels/patch_logits.h"
#include "kernels/unit_rows.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUM(k)             (4 * FLT_EPSILON * sqrt((double)(k)))
#define LENGTH(a)          ((int)(sizeof(a) / sizeof *(a)))
#define X(...)             VW_INPUT(VW_ACT, -1, 1, __VA_ARGS__)
#define W(...)             VW_INPUT(VW_PARAM, -1, 1, __VA_ARGS__)
#define HEAD(lo, hi, ...)  VW_INPUT(VW_HEAD, lo, hi, __VA_ARGS__)
#define INDEX(lo, hi, ...) VW_INPUT(VW_I32, lo, hi, __VA_ARGS__)

static const vw_unit_rows_attr unit = {1e-6}, large = {.5};

static void parts_of_pictures_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"merge_one", &vw_class_merge_op, NULL, {X(1, 2, 3)}, SUM(16), 0},
      {"merge_odd", &vw_class_merge_op, NULL, {X(2, 10, 19)}, SUM(16), 0},
      {"merge_768", &vw_class_merge_op, NULL, {X(1, 101, 768)}, SUM(16), 0},
      {"unit_one", &vw_unit_rows_op, &unit, {X(1, 1)}, SUM(16), 0},
      {"unit_odd", &vw_unit_rows_op, &large, {X(2, 3, 17)}, SUM(17), 0},
      {"unit_512", &vw_unit_rows_op, &unit, {X(1, 50, 512)}, SUM(512), 0},
      {"elu_odd", &vw_elu_plus_op, NULL, {HEAD(-6, 6, 2, 37, 1)}, SUM(16), 0},
      {"box_one", &vw_grid_box_op, NULL, {HEAD(-6, 6, 1, 1, 4)}, SUM(16), 0},
      {"box_odd", &vw_grid_box_op, NULL, {HEAD(-6, 6, 2, 49, 4)}, SUM(16), 0},
      {"box_60", &vw_grid_box_op, NULL, {HEAD(-12, 3, 1, 3600, 4)}, SUM(16), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* Patches of 3 P P numbers: those of CLIP and OWL-v2, widths beyond a block's, and sides that no copy of 4 bytes fits. */
static void patches_agree(void **state) {
  (void)state;
#define PATCHES(name_, H, W_, D, P)                                                                                    \
  {                                                                                                                    \
    name_, &vw_patch_embed_op, NULL, {X(2, H, W_, 3), W(D, 3, P, P), W(D), W(1 + (H) / (P) * ((W_) / (P)), D)},        \
        SUM(3 * (P) * (P)), 0                                                                                          \
  }
  const vw_op_case cases[] = {
      PATCHES("one", 1, 1, 1, 1),       PATCHES("odd", 6, 9, 5, 3),          PATCHES("side_7", 14, 21, 9, 7),
      PATCHES("side_2", 6, 10, 130, 2), PATCHES("side_24", 48, 24, 7, 24), /* lines of one piece and a half */
      PATCHES("tiny", 64, 64, 144, 8),  PATCHES("l14", 56, 98, 136, 14),     PATCHES("b16", 64, 48, 131, 16),
      PATCHES("b32", 96, 64, 96, 32),   PATCHES("owl_960", 32, 960, 24, 16), PATCHES("owl_1008", 14, 1008, 20, 14),
  };
#undef PATCHES
  vw_op_cases_agree(cases, LENGTH(cases));
  /* products of bf16 are exact and the result is fp32, but tensor cores may cut each of up to 192 sums of 16 terms:
   * 192 units of 2^-23 at most */
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 192 * 0x1p-15);
  vw_op_cases_agree_tf32(cases, LENGTH(cases), 2);
}

/* One picture alone fits one small block here, six take large ones: the same sums. What is no number stays in its
 * patch, though others lie beside it where its lines are padded. */
static void a_patch_is_the_same_among_others(void **state) {
  (void)state;
  enum { N = 24, D = 100 };
  const vw_op_case c = {"six", &vw_patch_embed_op, NULL, {X(6, 56, 84, 3), W(D, 3, 14, 14), W(D), W(N + 1, D)}, 0, 0};
  for (int types = 0; types <= VW_BACKENDS; types++) { /* the last: cuda in bf16 */
    const vw_backend b = types < VW_BACKENDS ? (vw_backend)types : VW_CUDA;
    vw_tensor in[VW_MAX_IN] = {0}, all[1], alone[1];
    if (vw_op_unavailable(b)) continue;
    vw_op_case_inputs(&c, 6, in);
    vw_f64(&in[PATCH_PIXELS])[56 * 84 * 3 + 5] = NAN; /* of the second picture */
    for (int i = 0; i < 2; i++) {
      vw_tensor *out = i ? alone : all;
      in[PATCH_PIXELS].dim[0] = i ? 1 : 6;
      if (types < VW_BACKENDS)
        vw_op_run(b, 1, c.op, c.attr, in, out);
      else
        vw_op_run_bf16(&c, in, out);
    }
    if (memcmp(all->data, alone->data, vw_bytes(alone)) != 0)
      fail_msg("patches of one picture and of six differ on %s", vw_backend_name(b));
    for (int64_t i = 0; i < vw_count(all); i++)
      if (isnan(vw_f64(all)[i]) != (i / D == N + 2)) fail_msg("row %d, of %s", (int)(i / D), vw_backend_name(b));
    in[PATCH_PIXELS].dim[0] = 6;
    vw_op_free(in, c.op->n_in), vw_op_free(all, 1), vw_op_free(alone, 1);
  }
}

static const vw_patch_logits_attr plain = {1}, smaller = {.75};

/* A logit adds C terms and is scaled by up to 3; the gradient adds over S N patches of 3 dz. */
static void patch_logits_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one",
       &vw_patch_logits_op,
       &plain,
       {HEAD(-1, 1, 1, 3), X(1, 1, 3), HEAD(-1, 1, 1, 1), HEAD(0, 3, 1, 1), INDEX(0, 0, 1, 1)},
       3 * SUM(3),
       1},
      {"odd",
       &vw_patch_logits_op,
       &smaller,
       {HEAD(-1, 1, 5, 17), X(3, 7, 17), HEAD(-1, 1, 3, 7), HEAD(0, 3, 3, 7), INDEX(0, 2, 1, 4)},
       3 * SUM(17),
       1},
      {"rows_of_pictures",
       &vw_patch_logits_op,
       &smaller,
       {HEAD(-1, 1, 6, 9), X(4, 5, 9), HEAD(-1, 1, 4, 5), HEAD(0, 3, 4, 5), INDEX(0, 3, 3, 2)},
       3 * SUM(9),
       1},
      {"each_its_own",
       &vw_patch_logits_op,
       &plain,
       {HEAD(-1, 1, 3, 40), X(2, 33, 40), HEAD(-1, 1, 2, 33), HEAD(0, 3, 2, 33), INDEX(0, 1, 3, 1)},
       3 * SUM(40),
       0},
      {"many_words",
       &vw_patch_logits_op,
       &plain,
       {HEAD(-1, 1, 67, 192), X(2, 64, 192), HEAD(-1, 1, 2, 64), HEAD(0, 3, 2, 64), INDEX(0, 1, 1, 3)},
       3 * SUM(192),
       0},
      {"many_patches",
       &vw_patch_logits_op,
       &plain,
       {HEAD(-1, 1, 3, 96), X(1, 1030, 96), HEAD(-1, 1, 1, 1030), HEAD(0, 3, 1, 1030), INDEX(0, 0, 1, 1)},
       3 * SUM(96),
       0},
      {"grad_odd",
       &vw_patch_logits_grad_op,
       &smaller,
       {HEAD(-1, 1, 5, 4, 7), X(3, 7, 17), HEAD(0, 3, 3, 7), INDEX(0, 2, 1, 4)},
       3 * SUM(28),
       0},
      {"grad_rows",
       &vw_patch_logits_grad_op,
       &plain,
       {HEAD(-1, 1, 6, 2, 5), X(4, 5, 9), HEAD(0, 3, 4, 5), INDEX(0, 3, 3, 2)},
       3 * SUM(10),
       0},
      {"grad_many_words",
       &vw_patch_logits_grad_op,
       &plain,
       {HEAD(-1, 1, 67, 3, 64), X(2, 64, 192), HEAD(0, 3, 2, 64), INDEX(0, 1, 1, 3)},
       3 * SUM(192),
       0},
      {"grad_many_patches",
       &vw_patch_logits_grad_op,
       &plain,
       {HEAD(-1, 1, 3, 2, 1030), X(2, 1030, 50), HEAD(0, 3, 2, 1030), INDEX(0, 1, 1, 2)},
       3 * SUM(2060),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the features */
}

/* A word has the same bits alone and among others, and at pictures that others look at or do not. */
static void a_word_is_the_same_among_others(void **state) {
  (void)state;
  enum { K = 21, N = 150, C = 130, S = 3 }; /* on one thread four panels of channels at a time, on two three */
  const vw_op_case c = {
      "words",  &vw_patch_logits_op,
      &smaller, {HEAD(-1, 1, K, C), X(4, N, C), HEAD(-1, 1, 4, N), HEAD(0, 3, 4, N), INDEX(0, 3, 1, S)},
      0,        0};
  vw_tensor in[VW_MAX_IN] = {0}, all[1], alone[1], grad_in[VW_MAX_IN] = {0};
  vw_op_case_inputs(&c, 9, in);
  vw_op_run(VW_CPU, 2, c.op, c.attr, in, all);
  const vw_tensor q = in[PATCHL_Q];
  for (int64_t k = 0; k < K; k += 5) {
    in[PATCHL_Q].dim[0] = 1, in[PATCHL_Q].data = vw_f64(&q) + k * C;
    vw_op_run(VW_CPU, 1, c.op, c.attr, in, alone);
    assert_memory_equal(vw_f64(&all[0]) + k * S * N, alone[0].data, vw_bytes(&alone[0]));
    vw_op_free(alone, 1);
  }
  in[PATCHL_Q] = q;
  grad_in[PATCHLG_DZ] = all[0], grad_in[PATCHLG_FEATURES] = in[PATCHL_FEATURES];
  grad_in[PATCHLG_SCALE] = in[PATCHL_SCALE], grad_in[PATCHLG_PICTURE] = in[PATCHL_PICTURE];
  vw_tensor dq[1], one[1];
  vw_op_run(VW_CPU, 2, &vw_patch_logits_grad_op, c.attr, grad_in, dq);
  for (int64_t k = 0; k < K; k += 5) {
    grad_in[PATCHLG_DZ].dim[0] = 1, grad_in[PATCHLG_DZ].data = vw_f64(&all[0]) + k * S * N;
    vw_op_run(VW_CPU, 1, &vw_patch_logits_grad_op, c.attr, grad_in, one);
    assert_memory_equal(vw_f64(&dq[0]) + k * C, one[0].data, vw_bytes(&one[0]));
    vw_op_free(one, 1);
  }
  vw_op_free(dq, 1), vw_op_free(all, 1), vw_op_free(in, c.op->n_in);
}

static const vw_focal_loss_attr quarter = {.25}, half = {.5};
static const vw_match_patches_attr match_quarter = {.25};

/* A loss adds S N terms of size up to that of a logit; the gradient's elements have a few roundings. */
static void focal_loss_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"focal_one",
       &vw_focal_loss_op,
       &quarter,
       {HEAD(-4, 4, 1, 1, 1), INDEX(0, 0, 1, 1), INDEX(0, 1, 1, 1), INDEX(0, 2, 1), INDEX(0, 0, 1, 1)},
       SUM(16),
       1},
      {"focal_odd",
       &vw_focal_loss_op,
       &quarter,
       {HEAD(-4, 4, 5, 3, 7), INDEX(0, 3, 1, 3), INDEX(0, 1, 4, 7), INDEX(0, 2, 4), INDEX(0, 3, 1, 6)},
       SUM(21),
       1},
      {"focal_rows",
       &vw_focal_loss_op,
       &half,
       {HEAD(-4, 4, 6, 2, 9), INDEX(0, 3, 3, 2), INDEX(0, 1, 4, 9), INDEX(0, 2, 4), INDEX(0, 3, 3, 2)},
       SUM(18),
       1},
      {"focal_no_boxes",
       &vw_focal_loss_op,
       &quarter,
       {HEAD(-4, 4, 2, 2, 5), INDEX(0, 1, 1, 2), INDEX(0, 0, 2, 5), INDEX(0, 0, 2), INDEX(0, 1, 1, 2)},
       SUM(16),
       1},
      {"focal_far",
       &vw_focal_loss_op,
       &quarter,
       {HEAD(-90, 90, 3, 2, 700), INDEX(0, 1, 1, 2), INDEX(0, 1, 2, 700), INDEX(0, 9, 2), INDEX(0, 1, 1, 2)},
       SUM(1400),
       0},
      {"focal_grad_odd",
       &vw_focal_loss_grad_op,
       &quarter,
       {HEAD(-1, 1, 5), HEAD(-4, 4, 5, 3, 7), INDEX(0, 3, 1, 3), INDEX(0, 1, 4, 7), INDEX(0, 2, 4), INDEX(0, 3, 1, 6)},
       SUM(16),
       0},
      {"focal_grad_far",
       &vw_focal_loss_grad_op,
       &half,
       {HEAD(-1, 1, 4), HEAD(-90, 90, 4, 2, 301), INDEX(0, 1, 2, 2), INDEX(0, 1, 2, 301), INDEX(0, 9, 2),
        INDEX(0, 1, 2, 2)},
       SUM(16),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
}

/* Far logits: no overflow, and what is right by far costs next to nothing but not exactly nothing. */
static void focal_loss_far_from_zero(void **state) {
  (void)state;
  double z[4] = {60, -60, 800, -800}, loss = 0;
  int32_t zero = 0, matched[4] = {1, 0, 1, 0}, one = 1;
  vw_tensor in[5] = {vw_shape(VW_F64, 1, 1, 4), vw_shape(VW_I32, 1, 1), vw_shape(VW_I32, 1, 4), vw_shape(VW_I32, 1),
                     vw_shape(VW_I32, 1, 1)};
  in[FOCAL_Z].data = z, in[FOCAL_PICTURE].data = &zero, in[FOCAL_MATCHED].data = matched, in[FOCAL_BOXES].data = &one,
  in[FOCAL_BATCH].data = &zero;
  vw_tensor out[1];
  vw_op_run(VW_REF, 1, &vw_focal_loss_op, &quarter, in, out);
  loss = vw_f64(&out[0])[0];
  /* p^2 softplus(-60) = exp(-180) each, of the first two */
  assert_true(fabs(loss / exp(-180.0) - 1) < 1e-9);
  vw_op_free(out, 1);
  for (int i = 0; i < 4; i++) matched[i] = !matched[i];
  vw_op_run(VW_REF, 1, &vw_focal_loss_op, &quarter, in, out);
  assert_true(fabs(vw_f64(&out[0])[0] - (.75 * 860 + .25 * 860)) < 1e-9);
  vw_op_free(out, 1);
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

enum { WORDS = 6, SEEN = 3, PICTURES = 4, BOXES = 12 };
static const int32_t first_box[PICTURES + 1] = {0, 3, 3, 11, BOXES}; /* one picture has none */

/* Inputs of a matching; equal: all costs are the same, so that only the order of patches decides. */
static void matching_inputs(int64_t N, bool equal, vw_tensor *in) {
  const vw_op_case c = {
      "match",
      &vw_match_patches_op,
      &match_quarter,
      {HEAD(-4, 4, WORDS, SEEN, N), INDEX(0, PICTURES - 1, 2, SEEN), INDEX(0, 0, PICTURES + 1), HEAD(0, 3, BOXES, N)},
      0,
      0};
  vw_op_case_inputs(&c, (uint64_t)N, in);
  memcpy(vw_i32(&in[MATCH_FIRST]), first_box, sizeof first_box);
  for (int64_t i = 0; equal && i < vw_count(&in[MATCH_Z]); i++) vw_f64(&in[MATCH_Z])[i] = 0.5;
  for (int64_t i = 0; equal && i < vw_count(&in[MATCH_PLACE]); i++) vw_f64(&in[MATCH_PLACE])[i] = 2;
}

static double matching_cost(const vw_tensor *in, int64_t k, int64_t s, int64_t box, int64_t patch) {
  const int64_t N = in[MATCH_Z].dim[2];
  const double z = vw_f64(&in[MATCH_Z])[(k * SEEN + s) * N + patch], p = 1 / (1 + exp(-z));
  return vw_f64(&in[MATCH_PLACE])[box * N + patch] + .25 * (1 - p) * (1 - p) * log1p(exp(-z)) -
         .75 * p * p * log1p(exp(z));
}

/* The patches of `matched` have the cost of the host's own solver: for these boxes no other patches are cheaper. */
static void is_cheapest(const vw_tensor *in, const int32_t *matched) {
  const int64_t N = in[MATCH_Z].dim[2];
  double *cost = malloc((size_t)(2 * BOXES * N) * sizeof *cost), *few = cost + BOXES * N;
  int64_t patch[BOXES], taken[BOXES];
  for (int64_t i = 0; i < (int64_t)WORDS * SEEN; i++) {
    const int64_t k = i / SEEN, s = i % SEEN, p = vw_i32(&in[MATCH_PICTURE])[k / (WORDS / 2) * SEEN + s];
    const int64_t n = first_box[p + 1] - first_box[p];
    int64_t found = 0;
    for (int64_t j = 0; j < N; j++)
      if (matched[i * N + j]) assert_true(found < n), taken[found++] = j;
    assert_int_equal(found, n);
    for (int64_t b = 0; b < n; b++) {
      for (int64_t j = 0; j < N; j++) cost[b * N + j] = matching_cost(in, k, s, first_box[p] + b, j);
      for (int64_t j = 0; j < n; j++) few[b * n + j] = cost[b * N + taken[j]];
    }
    double least = 0, got = 0;
    assert_ok(vw_assign(cost, n, N, patch));
    for (int64_t b = 0; b < n; b++) least += cost[b * N + patch[b]];
    assert_ok(vw_assign(few, n, n, patch));
    for (int64_t b = 0; b < n; b++) got += few[b * n + patch[b]];
    assert_true(fabs(got - least) < 1e-9);
  }
  free(cost);
}

/* Every backend finds the same patches, the cheapest ones; of equal ones the first. A word's do not depend on others. */
static void matching_is_the_same_everywhere(void **state) {
  (void)state;
  static const int64_t patches[] = {8, 33, 700}; /* as many as a picture's boxes; more than a block has threads */
  for (int i = 0; i < 6; i++) {
    vw_tensor in[VW_MAX_IN] = {0}, out[1], again[1];
    matching_inputs(patches[i / 2], i % 2, in);
    vw_op_run(VW_REF, 1, &vw_match_patches_op, &match_quarter, in, out);
    is_cheapest(in, vw_i32(&out[0]));
    for (int64_t j = 0; i % 2 && j < vw_count(&out[0]); j++) /* 700: the last word and picture */
      if (vw_i32(&out[0])[j]) assert_true(j % patches[i / 2] < 8);
    for (int threads = 1; threads <= 3; threads++) {
      vw_op_run(VW_CPU, threads, &vw_match_patches_op, &match_quarter, in, again);
      assert_memory_equal(again[0].data, out[0].data, vw_bytes(&out[0]));
      vw_op_free(again, 1);
    }
    if (!vw_op_unavailable(VW_CUDA)) {
      vw_op_run(VW_CUDA, 1, &vw_match_patches_op, &match_quarter, in, again);
      assert_memory_equal(again[0].data, out[0].data, vw_bytes(&out[0]));
      vw_op_free(again, 1);
    }
    vw_op_free(out, 1), vw_op_free(in, 4);
  }
}

/* Each word with matches of its own, which are the same for all here: as with a table of pictures. */
static void focal_loss_of_own_matches(void **state) {
  (void)state;
  enum { K = 4, S = 3, N = 37, P = 5 };
  const vw_op_case c = {
      "own",    &vw_focal_loss_op,
      &quarter, {HEAD(-4, 4, K, S, N), INDEX(0, P - 1, 1, S), INDEX(0, 1, P, N), INDEX(0, 9, P), INDEX(0, P - 1, 1, 6)},
      0,        0};
  vw_tensor in[VW_MAX_IN] = {0}, grad_in[VW_MAX_IN] = {0}, loss[2], grad[2];
  vw_op_case_inputs(&c, 3, in);
  const vw_tensor table = in[FOCAL_MATCHED];
  vw_tensor own = vw_shape(VW_I32, K, S, N);
  own.data = malloc(vw_bytes(&own));
  for (int64_t i = 0; i < (int64_t)K * S * N; i++)
    vw_i32(&own)[i] = vw_i32(&table)[vw_i32(&in[FOCAL_PICTURE])[i / N % S] * N + i % N];
  for (int b = VW_REF; b < (vw_op_unavailable(VW_CUDA) ? VW_CUDA : VW_BACKENDS); b++) {
    for (int i = 0; i < 2; i++) {
      in[FOCAL_MATCHED] = i ? own : table;
      vw_op_run((vw_backend)b, 2, &vw_focal_loss_op, &quarter, in, &loss[i]);
      grad_in[FOCALG_DLOSS] = loss[0];
      for (int j = 0; j < 5; j++) grad_in[FOCALG_Z + j] = in[j];
      vw_op_run((vw_backend)b, 2, &vw_focal_loss_grad_op, &quarter, grad_in, &grad[i]);
    }
    assert_memory_equal(loss[1].data, loss[0].data, vw_bytes(&loss[0]));
    assert_memory_equal(grad[1].data, grad[0].data, vw_bytes(&grad[0]));
    vw_op_free(loss, 2), vw_op_free(grad, 2);
  }
  in[FOCAL_MATCHED] = table;
  free(own.data), vw_op_free(in, 5);
}

static void contracts_refuse(void **state) {
  (void)state;
#define A(...) vw_shape(VW_ACT, __VA_ARGS__)
#define H(...) vw_shape(VW_HEAD, __VA_ARGS__)
#define I(...) vw_shape(VW_I32, __VA_ARGS__)
  vw_op_refused(&vw_class_merge_op, NULL, (vw_tensor[1]){A(2, 1, 4)}, "expected [B, 1 + N, D]");
  vw_op_refused(&vw_unit_rows_op, &(vw_unit_rows_attr){0}, (vw_tensor[1]){A(2, 4)}, "eps is 0");
  vw_op_refused(&vw_grid_box_op, NULL, (vw_tensor[1]){H(1, 8, 4)}, "side * side");
  vw_op_refused(&vw_patch_logits_op, &plain, (vw_tensor[5]){H(4, 8), A(2, 3, 8), H(2, 3), H(2, 3), I(3, 2)},
                "a divisor of K=4");
  vw_op_refused(&vw_patch_logits_op, &plain, (vw_tensor[5]){H(4, 8), A(2, 3, 7), H(2, 3), H(2, 3), I(1, 2)}, "C=8");
  vw_op_refused(&vw_patch_logits_op, &plain, (vw_tensor[5]){H(4, 8), A(2, 3, 8), H(2, 4), H(2, 3), I(1, 2)},
                "shift is [2, 4]");
  vw_op_refused(&vw_patch_logits_grad_op, &plain, (vw_tensor[4]){H(4, 2, 3), A(2, 4, 8), H(2, 4), I(1, 2)},
                "dz is [4, 2, 3]");
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 4), I(5), I(1, 2)},
                "or of z's shape");
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(4, 1, 3), I(5), I(1, 2)},
                "matched is i32 [4, 1, 3]");
  vw_op_refused(&vw_match_patches_op, &match_quarter, (vw_tensor[4]){H(4, 2, 3), I(1, 2), I(5), H(7, 4)}, "N=3");
  vw_op_refused(&vw_match_patches_op, &match_quarter, (vw_tensor[4]){H(4, 2, 3), I(1, 2), I(1), H(7, 3)}, "[P + 1]");
  vw_op_refused(&vw_match_patches_op, &match_quarter, (vw_tensor[4]){H(4, 2, 3), I(3, 2), I(5), H(7, 3)},
                "a divisor of K");
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 3), I(4), I(1, 2)}, "P=5");
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 3), I(5), I(2, 2)}, "G=1");
  vw_op_refused(&vw_focal_loss_op, &(vw_focal_loss_attr){2},
                (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 3), I(5), I(1, 2)}, "alpha is 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_of_pictures_agree),
      cmocka_unit_test(patch_logits_agree),
      cmocka_unit_test(a_word_is_the_same_among_others),
      cmocka_unit_test(focal_loss_agrees),
      cmocka_unit_test(focal_loss_far_from_zero),
      cmocka_unit_test(contracts_refuse),
      cmocka_unit_test(matching_is_the_same_everywhere),
      cmocka_unit_test(focal_loss_of_own_matches),
      cmocka_unit_test(patches_agree),
      cmocka_unit_test(a_patch_is_the_same_among_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
