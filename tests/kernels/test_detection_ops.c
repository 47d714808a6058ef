/* Ops of detection: cpu (and cuda) against ref on odd and full sizes, gradients against central differences, and what
 * each owes its callers besides.
 *
 * Tolerances as in test_picture_ops.c: SUM(K) = 4 eps sqrt(K) for sums of K terms; SUM(16) for a handful of roundings.
 */
#include "tests/support/op_test.h"

#include "kernels/class_merge.h"
#include "kernels/elu_plus.h"
#include "kernels/focal_loss.h"
#include "kernels/grid_box.h"
#include "kernels/patch_logits.h"
#include "kernels/unit_rows.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUM(k)             (4 * FLT_EPSILON * sqrt((double)(k)))
#define LENGTH(a)          ((int)(sizeof(a) / sizeof *(a)))
#define X(...)             VW_INPUT(VW_ACT, -1, 1, __VA_ARGS__)
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
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 4), I(5), I(1, 2)}, "N=3");
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 3), I(4), I(1, 2)}, "P=5");
  vw_op_refused(&vw_focal_loss_op, &quarter, (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 3), I(5), I(2, 2)}, "G=1");
  vw_op_refused(&vw_focal_loss_op, &(vw_focal_loss_attr){2},
                (vw_tensor[5]){H(4, 2, 3), I(1, 2), I(5, 3), I(5), I(1, 2)}, "alpha is 2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_of_pictures_agree),         cmocka_unit_test(patch_logits_agree),
      cmocka_unit_test(a_word_is_the_same_among_others), cmocka_unit_test(focal_loss_agrees),
      cmocka_unit_test(focal_loss_far_from_zero),        cmocka_unit_test(contracts_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
