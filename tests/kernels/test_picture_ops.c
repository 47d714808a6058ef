/* Ops of networks over pictures, channels-last: cpu (and cuda) against ref on odd and full sizes, gradients against
 * central differences, adjoint identities of the linear ones, and what each op owes its callers besides.
 *
 * Tolerances of fp32 against ref, relative to the largest element of an output: a sum of K terms of size up to 1 errs
 * typically by sqrt(K) eps; results have size sqrt(K) / 3, at least 1 in the scale of the check: SUM(K) = 4 eps
 * sqrt(K). A group norm adds over S C / G elements and divides by a deviation of about 0.6: SUM of that count, some
 * roundings more. Ops that add a handful of roundings an element get SUM(16).
 *
 * Convolutions that cpu makes by Winograd's algorithm (kernels/cpu/winograd.h): partial sums are larger by 5/3 in the
 * root mean square, and each term has 10 roundings of its transforms besides: WINOGRAD(K) = 5/3 SUM(K) + SUM(10). */
#include "tests/support/op_test.h"

#include "kernels/activate.h"
#include "kernels/attention.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/cross_attention.h"
#include "kernels/group_norm.h"
#include "kernels/upsample_nearest.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS               FLT_EPSILON
#define SUM(k)            (4 * EPS * sqrt((double)(k)))
#define WINOGRAD(k)       (SUM(k) * 5 / 3 + SUM(10))
#define LENGTH(a)         ((int)(sizeof(a) / sizeof *(a)))
#define X(...)            VW_INPUT(VW_ACT, -1, 1, __VA_ARGS__)
#define R(...)            VW_INPUT(VW_RESIDUAL, -1, 1, __VA_ARGS__)
#define W(...)            VW_INPUT(VW_PARAM, -1, 1, __VA_ARGS__)
#define STAT(lo, hi, ...) VW_INPUT(VW_STAT, lo, hi, __VA_ARGS__)
#define NO                                                                                                             \
  { .lo = 0 } /* absent */

static double inner(const vw_tensor *a, const vw_tensor *b) {
  double sum = 0;
  for (int64_t i = 0; i < vw_count(a); i++) sum += vw_f64(a)[i] * vw_f64(b)[i];
  return sum;
}

/* <A v, w> = <v, A' w> on ref and cpu; both sides are sums of `terms` terms: 1e-12 in double, SUM(terms) in fp32.
 * Input 0 of `op` is v and of `back` w; weight: the input of both that is the same, -1: none. */
static void check_adjoint(const vw_op_case *op, const vw_op_case *back, int weight, int back_weight, double terms) {
  for (vw_backend b = VW_REF; b <= VW_CPU; b++) {
    vw_tensor in[VW_MAX_IN] = {0}, other[VW_MAX_IN] = {0}, y, dx;
    vw_op_case_inputs(op, 1, in), vw_op_case_inputs(back, 2, other);
    if (weight >= 0) memcpy(other[back_weight].data, in[weight].data, vw_bytes(&in[weight]));
    vw_op_run(b, 1, op->op, op->attr, in, &y);
    vw_op_run(b, 1, back->op, back->attr, other, &dx);
    assert_true(vw_same_shape(&y, &other[0]) && vw_same_shape(&dx, &in[0]));
    const double left = inner(&y, &other[0]), right = inner(&in[0], &dx);
    const double tol = b == VW_REF ? 1e-12 * sqrt(terms) : SUM(terms);
    if (!(fabs(left - right) <= tol * fmax(1, fabs(left))))
      fail_msg("%s: <Av, w> = %.17g, <v, A'w> = %.17g", op->name, left, right);
    vw_op_free(in, op->op->n_in), vw_op_free(other, back->op->n_in), vw_op_free(&y, 1), vw_op_free(&dx, 1);
  }
}

/* ---- group norm and activations */

static const vw_group_norm_attr one = {1, 1e-5, false}, three = {3, 1e-6, true}, thirty_two = {32, 1e-5, true},
                                thirty_two_plain = {32, 1e-6, false}, five = {5, 1e-5, true}, four = {4, 1e-5, true},
                                two = {2, 1e-5, false};

static void group_norm_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one_group", &vw_group_norm_op, &one, {X(2, 5), W(5), W(5)}, SUM(16), 1},
      {"odd_silu", &vw_group_norm_op, &three, {X(2, 3, 5, 21), W(21), W(21)}, SUM(105), 1},
      {"channel_a_group", &vw_group_norm_op, &five, {X(1, 7, 7, 5), W(5), W(5)}, SUM(49), 1},
      {"pieces", &vw_group_norm_op, &three, {X(2, 97, 15), W(15), W(15)}, SUM(485), 1},
      {"level_320", &vw_group_norm_op, &thirty_two, {X(2, 16, 16, 320), W(320), W(320)}, SUM(2560), 0},
      {"many_rows", &vw_group_norm_op, &thirty_two_plain, {X(1, 96, 96, 32), W(32), W(32)}, SUM(9216), 0},
      /* cuda: packs that span groups, in one block and in pieces; more packs than a block has threads; one row */
      {"packs_whole", &vw_group_norm_op, &thirty_two, {X(2, 7, 9, 320), W(320), W(320)}, SUM(630), 0},
      {"packs_pieces", &vw_group_norm_op, &thirty_two, {X(2, 1700, 320), W(320), W(320)}, SUM(17000), 0},
      {"packs_wide", &vw_group_norm_op, &four, {X(1, 5, 2120), W(2120), W(2120)}, SUM(2650), 0},
      {"packs_last_row", &vw_group_norm_op, &two, {X(3, 3073, 16), W(16), W(16)}, SUM(24584), 0},
      {"packs_one_row", &vw_group_norm_op, &thirty_two, {X(2, 1, 640), W(640), W(640)}, SUM(20), 0},
      {"packs_one_group", &vw_group_norm_op, &one, {X(2, 50, 264), W(264), W(264)}, SUM(13200), 0},
      {"residual", &vw_group_norm_op, &thirty_two, {R(1, 8, 8, 960), W(960), W(960)}, SUM(1920), 0},
      {"grad_odd",
       &vw_group_norm_grad_op,
       &three,
       {X(2, 3, 5, 21), X(2, 3, 5, 21), W(21), W(21), STAT(-1, 1, 2, 3), STAT(.5, 2, 2, 3)},
       SUM(105),
       0},
      {"grad_packs_whole",
       &vw_group_norm_grad_op,
       &thirty_two,
       {X(2, 7, 9, 320), X(2, 7, 9, 320), W(320), W(320), STAT(-1, 1, 2, 32), STAT(.5, 2, 2, 32)},
       SUM(630),
       0},
      {"grad_packs_pieces",
       &vw_group_norm_grad_op,
       &thirty_two,
       {X(2, 850, 320), X(2, 850, 320), W(320), W(320), STAT(-1, 1, 2, 32), STAT(.5, 2, 2, 32)},
       SUM(8500),
       0},
      {"grad_packs_wide",
       &vw_group_norm_grad_op,
       &four,
       {X(1, 5, 2120), X(1, 5, 2120), W(2120), W(2120), STAT(-1, 1, 1, 4), STAT(.5, 2, 1, 4)},
       SUM(2650),
       0},
      {"grad_plain",
       &vw_group_norm_grad_op,
       &one,
       {X(3, 70, 9), X(3, 70, 9), W(9), W(9), STAT(-1, 1, 3, 1), STAT(.5, 2, 3, 1)},
       SUM(630),
       0},
      {"grad_320",
       &vw_group_norm_grad_op,
       &thirty_two,
       {X(2, 16, 16, 320), X(2, 16, 16, 320), W(320), W(320), STAT(-1, 1, 2, 32), STAT(.5, 2, 2, 32)},
       SUM(2560),
       0},
      {"grad_residual",
       &vw_group_norm_grad_op,
       &thirty_two_plain,
       {X(1, 8, 8, 960), R(1, 8, 8, 960), W(960), W(960), STAT(-1, 1, 1, 32), STAT(.5, 2, 1, 32)},
       SUM(1920),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* Deviations far below the mean: sums of squares would lose them. x is rounded to fp32 at 1000: 6e-5 of the deviation
 * of .6, and the mean's own rounding as much again. */
static void group_norm_keeps_small_deviations(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"far", &vw_group_norm_op, &one, {VW_INPUT(VW_ACT, 999, 1001, 1, 2000, 4), W(4), W(4)}, 0, 0},
      {"far_packs", &vw_group_norm_op, &one, {VW_INPUT(VW_ACT, 999, 1001, 1, 1000, 8), W(8), W(8)}, 0, 0},
      {"far_pieces", &vw_group_norm_op, &one, {VW_INPUT(VW_ACT, 999, 1001, 1, 3500, 8), W(8), W(8)}, 0, 0},
  };
  for (int i = 0; i < LENGTH(cases); i++) {
    const vw_op_case *c = &cases[i];
    vw_tensor in[VW_MAX_IN] = {0}, ref[3], out[3];
    vw_op_case_inputs(c, 3, in);
    vw_op_run(VW_REF, 1, c->op, c->attr, in, ref);
    for (vw_backend b = VW_CPU; b < VW_BACKENDS; b++) {
      if (vw_op_unavailable(b)) continue;
      vw_op_run(b, 2, c->op, c->attr, in, out);
      vw_assert_near(c->name, vw_f64(&out[GN_Y]), vw_f64(&ref[GN_Y]), vw_count(&ref[GN_Y]), 4 * 1000 * EPS);
      vw_op_free(out, 3);
    }
    vw_op_free(in, 3), vw_op_free(ref, 3);
  }
}

/* A picture's result does not depend on how many there are, to the bit. */
static void same_alone_on(const vw_op_case *c, vw_backend backend) {
  vw_tensor in[VW_MAX_IN] = {0}, all[VW_MAX_OUT], alone[VW_MAX_OUT];
  vw_op_case_inputs(c, 5, in);
  vw_op_run(backend, 2, c->op, c->attr, in, all);
  for (int i = 0; i < c->op->n_in; i++)
    if (vw_present(&in[i]) && c->in[i].shape.dtype != VW_PARAM) in[i].dim[0] = 1; /* the first picture */
  vw_op_run(backend, 1, c->op, c->attr, in, alone);
  if (memcmp(all[0].data, alone[0].data, vw_bytes(&alone[0])) != 0)
    fail_msg("%s on %s: a picture has other bits among others", c->name, vw_backend_name(backend));
  vw_op_free(in, c->op->n_in), vw_op_free(all, c->op->n_out), vw_op_free(alone, c->op->n_out);
}

static void same_alone(const vw_op_case *c) {
  same_alone_on(c, VW_CPU);
}

static void group_norm_pictures_do_not_mix(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"whole", &vw_group_norm_op, &thirty_two, {X(3, 40, 320), W(320), W(320)}, 0, 0},
      {"pieces", &vw_group_norm_op, &two, {X(2, 3100, 16), W(16), W(16)}, 0, 0},
      {"grad_pieces",
       &vw_group_norm_grad_op,
       &two,
       {X(2, 1600, 16), X(2, 1600, 16), W(16), W(16), STAT(-1, 1, 2, 2), STAT(.5, 2, 2, 2)},
       0,
       0},
  };
  for (int i = 0; i < LENGTH(cases); i++)
    for (vw_backend b = VW_CPU; b < VW_BACKENDS; b++)
      if (!vw_op_unavailable(b)) same_alone_on(&cases[i], b);
}

static const vw_activate_attr silu = {VW_ACT_SILU}, gelu = {VW_ACT_GELU}, quick = {VW_ACT_QUICK_GELU},
                              no_act = {VW_ACT_NONE};
#define WIDE(...) VW_INPUT(VW_ACT, -6, 6, __VA_ARGS__)

static void activations_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"silu_odd", &vw_activate_op, &silu, {WIDE(3, 7)}, SUM(16), 1},
      {"silu_1281", &vw_activate_op, &silu, {WIDE(2, 1281)}, SUM(16), 1},
      {"gelu", &vw_activate_op, &gelu, {WIDE(5, 33)}, SUM(16), 1},
      {"quick_gelu", &vw_activate_op, &quick, {WIDE(2, 8)}, SUM(16), 1},
      {"silu_grad", &vw_activate_grad_op, &silu, {X(3, 1030), WIDE(3, 1030)}, SUM(16), 0},
      {"gelu_grad", &vw_activate_grad_op, &gelu, {X(5, 33), WIDE(5, 33)}, SUM(16), 0},
      {"geglu_odd", &vw_geglu_op, NULL, {WIDE(2, 3, 14)}, SUM(16), 1},
      {"geglu_1280", &vw_geglu_op, NULL, {WIDE(9, 2560)}, SUM(16), 0},
      {"geglu_2600", &vw_geglu_op, NULL, {WIDE(2, 5200)}, SUM(16), 0}, /* more than a block at once, and a rest */
      {"geglu_grad_2600", &vw_geglu_grad_op, NULL, {X(2, 2600), WIDE(2, 5200)}, SUM(16), 0},
      {"geglu_grad_odd", &vw_geglu_grad_op, NULL, {X(2, 3, 7), WIDE(2, 3, 14)}, SUM(16), 0},
      {"geglu_grad_1280", &vw_geglu_grad_op, NULL, {X(9, 1280), WIDE(9, 2560)}, SUM(16), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* ---- moving channels and pixels */

static const vw_upsample_attr to_6_10 = {6, 10, VW_ACT}, to_5_7 = {5, 7, VW_ACT}, to_3_4 = {3, 4, VW_ACT},
                              to_32 = {32, 32, VW_ACT}, to_16 = {16, 16, VW_ACT};
static const vw_channels_attr middle = {3, 4, VW_ACT}, upper = {320, 640, VW_ACT};

static void moves_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"upsample_twice", &vw_upsample_nearest_op, &to_6_10, {X(2, 3, 5, 7)}, 0, 1},
      {"upsample_odd", &vw_upsample_nearest_op, &to_5_7, {X(2, 3, 4, 8)}, 0, 1},
      {"upsample_same", &vw_upsample_nearest_op, &to_3_4, {X(1, 3, 4, 3)}, 0, 1},
      {"upsample_640", &vw_upsample_nearest_op, &to_32, {X(1, 16, 16, 640)}, 0, 0},
      {"upsample_grad_odd", &vw_upsample_nearest_grad_op, &to_3_4, {X(2, 5, 7, 9)}, SUM(4), 0},
      {"upsample_grad_640", &vw_upsample_nearest_grad_op, &to_16, {X(1, 32, 32, 640)}, SUM(4), 0},
      {"concat_odd", &vw_concat_op, NULL, {X(2, 3, 5), R(2, 3, 4)}, 0, 3},
      {"concat_packs", &vw_concat_op, NULL, {X(2, 5, 640), X(2, 5, 320)}, 0, 0},
      {"channels_odd", &vw_channels_op, &middle, {X(2, 3, 9)}, 0, 0},
      {"channels_packs", &vw_channels_op, &upper, {X(2, 5, 960)}, 0, 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
  const vw_op_case up = {"upsample", &vw_upsample_nearest_op, &to_5_7, {X(2, 3, 4, 6)}, 0, 0};
  const vw_op_case down = {"upsample_grad", &vw_upsample_nearest_grad_op, &to_3_4, {X(2, 5, 7, 6)}, 0, 0};
  check_adjoint(&up, &down, -1, -1, 2 * 5 * 7 * 6);
}

/* ---- convolution */

#define PAD1                                                                                                           \
  { 1, 1, 1, 1 }
static const vw_conv2d_attr same3 = {1, PAD1, VW_ACT, 0, 0}, half3 = {2, PAD1, VW_ACT, 0, 0},
                            right_bottom = {2, {0, 1, 0, 1}, VW_ACT, 0, 0}, point = {1, {0, 0, 0, 0}, VW_ACT, 0, 0},
                            point_half = {2, {0, 0, 0, 0}, VW_RESIDUAL, 0, 0},
                            odd_pad = {1, {2, 0, 1, 1}, VW_ACT, 0, 0}, stream = {1, PAD1, VW_RESIDUAL, 0, 0};
static const vw_conv2d_attr back_same = {1, PAD1, VW_ACT, 5, 7}, back_half = {2, PAD1, VW_ACT, 9, 6},
                            back_corner = {2, {0, 1, 0, 1}, VW_ACT, 8, 6}, back_point = {1, {0, 0, 0, 0}, VW_ACT, 5, 4},
                            back_odd = {1, {2, 0, 1, 1}, VW_ACT, 4, 5}, back_8 = {1, PAD1, VW_RESIDUAL, 8, 8},
                            back_half_8 = {2, PAD1, VW_ACT, 8, 8}, back_2 = {1, PAD1, VW_ACT, 2, 2},
                            back_20 = {1, PAD1, VW_ACT, 20, 20}, back_wide_pad = {1, {3, 2, 4, 0}, VW_ACT, 4, 6},
                            back_window = {1, PAD1, VW_ACT, 32, 32};
static const vw_conv2d_attr wide_pad = {1, {3, 2, 4, 0}, VW_ACT, 0, 0}, no_pad = {1, {0, 0, 0, 0}, VW_ACT, 0, 0};

static void conv2d_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one_pixel", &vw_conv2d_op, &same3, {X(1, 1, 1, 1), W(1, 1, 3, 3), NO, NO, NO}, SUM(9), 1},
      {"odd", &vw_conv2d_op, &same3, {X(2, 5, 7, 3), W(9, 3, 3, 3), W(9), NO, NO}, SUM(27), 1},
      {"all_inputs",
       &vw_conv2d_op,
       &same3,
       {X(3, 4, 5, 10), W(7, 10, 3, 3), W(7), X(3, 7), X(3, 4, 5, 7)},
       SUM(90),
       1 | 16},
      {"stride_2", &vw_conv2d_op, &half3, {X(2, 9, 6, 5), W(4, 5, 3, 3), W(4), NO, NO}, SUM(45), 1},
      {"right_bottom", &vw_conv2d_op, &right_bottom, {X(1, 8, 6, 4), W(5, 4, 3, 3), W(5), NO, NO}, SUM(36), 1},
      {"uneven_padding", &vw_conv2d_op, &odd_pad, {X(1, 4, 5, 6), W(3, 6, 3, 3), NO, NO, NO}, SUM(54), 1},
      {"point", &vw_conv2d_op, &point, {X(2, 5, 4, 11), W(13, 11, 1, 1), W(13), NO, NO}, SUM(11), 1},
      {"point_half",
       &vw_conv2d_op,
       &point_half,
       {X(2, 5, 4, 11), W(13, 11, 1, 1), NO, NO, R(2, 3, 2, 13)},
       SUM(11),
       1 | 16},
      {"in_4", &vw_conv2d_op, &same3, {X(1, 12, 12, 4), W(64, 4, 3, 3), W(64), NO, NO}, SUM(36), 0},
      {"level_96",
       &vw_conv2d_op,
       &stream,
       {X(1, 8, 8, 96), W(80, 96, 3, 3), W(80), X(1, 80), R(1, 8, 8, 80)},
       SUM(864),
       0},
      {"grad_odd", &vw_conv2d_grad_op, &back_same, {X(2, 5, 7, 9), W(9, 3, 3, 3)}, SUM(81), 0},
      {"grad_stride_2", &vw_conv2d_grad_op, &back_half, {X(2, 5, 3, 4), W(4, 5, 3, 3)}, SUM(36), 0},
      {"grad_right_bottom", &vw_conv2d_grad_op, &back_corner, {X(1, 4, 3, 5), W(5, 4, 3, 3)}, SUM(45), 0},
      {"grad_uneven", &vw_conv2d_grad_op, &back_odd, {X(1, 4, 5, 3), W(3, 6, 3, 3)}, SUM(27), 0},
      {"grad_point", &vw_conv2d_grad_op, &back_point, {X(2, 5, 4, 13), W(13, 11, 1, 1)}, SUM(13), 0},
      {"grad_96", &vw_conv2d_grad_op, &back_8, {X(1, 8, 8, 80), W(80, 96, 3, 3)}, SUM(720), 0},
      {"grad_half_96", &vw_conv2d_grad_op, &back_half_8, {X(1, 4, 4, 80), W(80, 96, 3, 3)}, SUM(720), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* Sizes around the 2 x 2 results of a tile, the pieces of channels and the columns of a panel; shapes that are too small
 * for Winograd's algorithm beside them. */
static void winograd_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one_pixel_16", &vw_conv2d_op, &same3, {X(2, 1, 1, 16), W(16, 16, 3, 3), W(16), NO, NO}, SUM(144), 0},
      {"one_row", &vw_conv2d_op, &same3, {X(2, 1, 9, 17), W(16, 17, 3, 3), NO, NO, NO}, SUM(153), 0},
      {"one_tile", &vw_conv2d_op, &same3, {X(3, 2, 2, 17), W(19, 17, 3, 3), W(19), NO, NO}, WINOGRAD(153), 0},
      {"two_rows", &vw_conv2d_op, &same3, {X(1, 2, 7, 16), W(25, 16, 3, 3), NO, NO, NO}, WINOGRAD(144), 0},
      {"odd_tiles", &vw_conv2d_op, &same3, {X(2, 5, 7, 20), W(23, 20, 3, 3), W(23), NO, NO}, WINOGRAD(180), 0},
      {"deep",
       &vw_conv2d_op,
       &stream,
       {X(3, 6, 5, 200), W(50, 200, 3, 3), W(50), X(3, 50), R(3, 6, 5, 50)},
       WINOGRAD(1800),
       0},
      {"wide_padding", &vw_conv2d_op, &wide_pad, {X(2, 4, 6, 16), W(49, 16, 3, 3), W(49), NO, NO}, WINOGRAD(144), 0},
      {"no_padding", &vw_conv2d_op, &no_pad, {X(1, 8, 9, 31), W(18, 31, 3, 3), NO, NO, NO}, WINOGRAD(279), 0},
      {"many_tiles", &vw_conv2d_op, &same3, {X(3, 21, 20, 16), W(16, 16, 3, 3), W(16), X(3, 16), NO}, WINOGRAD(144), 0},
      {"grad_one_tile", &vw_conv2d_grad_op, &back_2, {X(3, 2, 2, 17), W(17, 19, 3, 3)}, WINOGRAD(153), 0},
      {"grad_odd_tiles", &vw_conv2d_grad_op, &back_same, {X(2, 5, 7, 20), W(20, 23, 3, 3)}, WINOGRAD(180), 0},
      {"grad_deep", &vw_conv2d_grad_op, &back_same, {X(1, 5, 7, 200), W(200, 50, 3, 3)}, WINOGRAD(1800), 0},
      {"grad_wide_padding", &vw_conv2d_grad_op, &back_wide_pad, {X(1, 7, 8, 49), W(49, 16, 3, 3)}, WINOGRAD(441), 0},
      {"grad_many_tiles", &vw_conv2d_grad_op, &back_20, {X(2, 20, 20, 16), W(16, 16, 3, 3)}, WINOGRAD(144), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* Row (i, j) and channel of a convolution's result or gradient with padding 1, in double. */
static double element(const vw_tensor *x, const vw_tensor *w, bool gradient, const int64_t at[3]) {
  const int64_t H = x->dim[1], V = x->dim[2], C = x->dim[3], inputs = w->dim[1];
  double total = 0;
  for (int64_t u = 0; u < 3; u++)
    for (int64_t v = 0; v < 3; v++) {
      const int64_t i = at[0] + (gradient ? 1 - u : u - 1), j = at[1] + (gradient ? 1 - v : v - 1);
      for (int64_t c = 0; c < C && i >= 0 && j >= 0 && i < H && j < V; c++) {
        const int64_t o = gradient ? c : at[2], in = gradient ? at[2] : c;
        total += vw_f64(x)[(i * V + j) * C + c] * vw_f64(w)[((o * inputs + in) * 3 + u) * 3 + v];
      }
    }
  return total;
}

/* Full sizes of a UNet: corners, edges and points within, as ref would take minutes for all. */
static void windows_of_full_sizes_agree(void **state) {
  (void)state;
  enum { POINTS = 200 };
  const vw_op_case cases[] = {
      {"level_320", &vw_conv2d_op, &same3, {X(1, 64, 64, 320), W(320, 320, 3, 3), NO, NO, NO}, WINOGRAD(2880), 0},
      {"grad_640", &vw_conv2d_grad_op, &back_window, {X(1, 32, 32, 640), W(640, 320, 3, 3)}, WINOGRAD(5760), 0},
  };
  for (int n = 0; n < LENGTH(cases); n++) {
    const vw_op_case *c = &cases[n];
    vw_tensor in[VW_MAX_IN] = {0}, out[VW_MAX_OUT];
    double expected[POINTS], got[POINTS];
    vw_op_case_inputs(c, (uint64_t)n + 1, in);
    vw_op_run(VW_CPU, 2, c->op, c->attr, in, out);
    for (int64_t i = 0; i < vw_count(&out[0]); i++) assert_true(isfinite(vw_f64(&out[0])[i]));
    for (int i = 0; i < POINTS; i++) {
      const int64_t side = out[0].dim[1], M = out[0].dim[3];
      const int64_t at[3] = {i < 4 ? i / 2 * (side - 1) : i * 37 % side, i < 4 ? i % 2 * (side - 1) : i * 53 % side,
                             i * 101 % M};
      expected[i] = element(&in[0], &in[1], c->op == &vw_conv2d_grad_op, at);
      got[i] = vw_f64(&out[0])[(at[0] * side + at[1]) * M + at[2]];
    }
    vw_assert_near(c->name, got, expected, POINTS, c->tol);
    vw_op_free(in, c->op->n_in), vw_op_free(out, c->op->n_out);
  }
}

static void convolutions_are_adjoint(void **state) {
  (void)state;
  const vw_op_case ops[][2] = {
      {{"same", &vw_conv2d_op, &same3, {X(2, 5, 7, 3), W(9, 3, 3, 3), NO, NO, NO}, 0, 0},
       {"", &vw_conv2d_grad_op, &back_same, {X(2, 5, 7, 9), W(9, 3, 3, 3)}, 0, 0}},
      {{"winograd", &vw_conv2d_op, &same3, {X(2, 5, 7, 18), W(20, 18, 3, 3), NO, NO, NO}, 0, 0},
       {"", &vw_conv2d_grad_op, &back_same, {X(2, 5, 7, 20), W(20, 18, 3, 3)}, 0, 0}},
      {{"half", &vw_conv2d_op, &half3, {X(2, 9, 6, 5), W(4, 5, 3, 3), NO, NO, NO}, 0, 0},
       {"", &vw_conv2d_grad_op, &back_half, {X(2, 5, 3, 4), W(4, 5, 3, 3)}, 0, 0}},
      {{"corner", &vw_conv2d_op, &right_bottom, {X(1, 8, 6, 4), W(5, 4, 3, 3), NO, NO, NO}, 0, 0},
       {"", &vw_conv2d_grad_op, &back_corner, {X(1, 4, 3, 5), W(5, 4, 3, 3)}, 0, 0}},
      {{"point", &vw_conv2d_op, &point, {X(2, 5, 4, 11), W(13, 11, 1, 1), NO, NO, NO}, 0, 0},
       {"", &vw_conv2d_grad_op, &back_point, {X(2, 5, 4, 13), W(13, 11, 1, 1)}, 0, 0}},
  };
  for (int i = 0; i < LENGTH(ops); i++)
    check_adjoint(&ops[i][0], &ops[i][1], CONV_WEIGHT, CONV_GRAD_WEIGHT,
                  (double)vw_count(&ops[i][1].in[0].shape) * 9 * (double)ops[i][0].in[0].shape.dim[3]);
}

static const vw_attention_attr fixed3 = {3, true, true};

/* Pictures of 81 positions cut across the tiles of rows; also for the other ops that sum over positions. */
static void a_picture_is_the_same_among_others(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"conv2d", &vw_conv2d_op, &same3, {X(3, 9, 9, 70), W(50, 70, 3, 3), W(50), X(3, 50), X(3, 9, 9, 50)}, 0, 0},
      {"conv2d_grad", &vw_conv2d_grad_op, &back_same, {X(3, 5, 7, 9), W(9, 30, 3, 3)}, 0, 0},
      {"winograd_grad", &vw_conv2d_grad_op, &back_20, {X(3, 20, 20, 150), W(150, 30, 3, 3)}, 0, 0},
      {"attention", &vw_attention_op, &fixed3, {X(3, 77, 63), NO, NO, NO, NO}, 0, 0},
      {"group_norm", &vw_group_norm_op, &three, {X(3, 97, 15), W(15), W(15)}, 0, 0},
      {"group_norm_grad",
       &vw_group_norm_grad_op,
       &three,
       {X(3, 97, 15), X(3, 97, 15), W(15), W(15), STAT(-1, 1, 3, 3), STAT(.5, 2, 3, 3)},
       0,
       0},
  };
  for (int i = 0; i < LENGTH(cases); i++) same_alone(&cases[i]);
}

/* ---- cross-attention */

#define INDEX(lo, hi, ...) VW_INPUT(VW_I32, lo, hi, __VA_ARGS__)
static const vw_cross_attention_attr heads1 = {1, true, true}, heads2 = {2, true, true}, heads5 = {5, true, true},
                                     only_q = {2, true, false}, only_kv = {2, false, true};

/* As of attention: D + J roundings forward; dq adds over J besides, dkv over the T queries of all rows. */
static void cross_attention_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one_key", &vw_cross_attention_op, &heads1, {X(1, 1, 3), X(1, 1, 6), INDEX(0, 0, 1)}, SUM(4), 0},
      {"odd", &vw_cross_attention_op, &heads2, {X(3, 5, 14), X(2, 7, 28), INDEX(0, 1, 3)}, SUM(14), 3},
      {"picture", &vw_cross_attention_op, &heads5, {X(3, 3, 4, 40), X(2, 9, 80), INDEX(0, 1, 3)}, SUM(17), 3},
      {"level_64", &vw_cross_attention_op, &heads2, {X(2, 6, 8, 128), X(2, 33, 256), INDEX(0, 1, 2)}, SUM(97), 0},
      {"heads_of_160", &vw_cross_attention_op, &heads2, {X(1, 9, 320), X(1, 130, 640), INDEX(0, 0, 1)}, SUM(290), 0},
      {"grad_odd",
       &vw_cross_attention_grad_op,
       &heads2,
       {X(3, 5, 14), X(3, 5, 14), X(2, 7, 28), INDEX(0, 1, 3), X(3, 5, 14), STAT(2, 4, 3, 2, 5)},
       SUM(29),
       0},
      {"grad_q_alone",
       &vw_cross_attention_grad_op,
       &only_q,
       {X(2, 70, 64), X(2, 70, 64), X(2, 9, 128), INDEX(0, 1, 2), X(2, 70, 64), STAT(2, 4, 2, 2, 70)},
       SUM(41),
       0},
      {"grad_kv_alone", /* the third text is read by no row */
       &vw_cross_attention_grad_op,
       &only_kv,
       {X(4, 6, 64), X(4, 6, 64), X(3, 9, 128), INDEX(0, 1, 4), X(4, 6, 64), STAT(2, 4, 4, 2, 6)},
       SUM(56),
       0},
      {"grad_level_64",
       &vw_cross_attention_grad_op,
       &heads2,
       {X(3, 6, 8, 128), X(3, 6, 8, 128), X(2, 33, 256), INDEX(0, 1, 3), X(3, 6, 8, 128), STAT(3, 5, 3, 2, 48)},
       SUM(241),
       0},
      {"grad_many_keys",
       &vw_cross_attention_grad_op,
       &heads1,
       {X(1, 10, 80), X(1, 10, 80), X(1, 100, 160), INDEX(0, 0, 1), X(1, 10, 80), STAT(4, 6, 1, 1, 10)},
       SUM(190),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
}

/* cuda in bf16: up to 96 keys on tensor cores, more on CUDA cores. */
static const vw_cross_attention_attr heads3 = {3, true, true};
#define Q_KV(B, T, C, K, J) X(B, T, C), X(K, J, 2 * (C)), INDEX(0, (K)-1, B)
#define GRAD(B, T, C, K, J, heads, lse)                                                                                \
  { X(B, T, C), Q_KV(B, T, C, K, J), X(B, T, C), STAT((lse), (lse) + 2, B, heads, T) }

static void cross_attention_to_few_keys_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"keys_1", &vw_cross_attention_op, &heads2, {Q_KV(2, 3, 64, 2, 1)}, SUM(33), 0},
      {"small_text", &vw_cross_attention_op, &heads2, {Q_KV(1, 5, 16, 1, 77)}, SUM(85), 0},
      {"keys_16", &vw_cross_attention_op, &heads3, {Q_KV(3, 17, 192, 2, 16)}, SUM(80), 0},
      {"keys_17", &vw_cross_attention_op, &heads2, {Q_KV(2, 15, 80, 1, 17)}, SUM(57), 0},
      {"text", &vw_cross_attention_op, &heads2, {Q_KV(3, 257, 128, 2, 77)}, SUM(141), 0}, /* more than a chunk */
      {"text_heads_of_40", &vw_cross_attention_op, &heads2, {Q_KV(2, 70, 80, 2, 77)}, SUM(117), 0},
      {"text_heads_of_80", &vw_cross_attention_op, &heads2, {Q_KV(1, 64, 160, 1, 77)}, SUM(157), 0},
      {"text_heads_of_160", &vw_cross_attention_op, &heads2, {Q_KV(2, 33, 320, 2, 77)}, SUM(237), 0},
      {"keys_96", &vw_cross_attention_op, &heads1, {Q_KV(1, 65, 120, 1, 96)}, SUM(216), 0},
      {"keys_97", &vw_cross_attention_op, &heads1, {Q_KV(1, 9, 64, 1, 97)}, SUM(161), 0},
      {"no_packs", &vw_cross_attention_op, &heads3, {Q_KV(2, 20, 63, 2, 77)}, SUM(98), 0},
      {"no_rows", &vw_cross_attention_op, &heads2, {Q_KV(0, 9, 64, 1, 77)}, 0, 0},
      {"grad_keys_1", &vw_cross_attention_grad_op, &heads2, GRAD(2, 3, 64, 2, 1, 2, 1), SUM(36), 0},
      {"grad_small_text", &vw_cross_attention_grad_op, &heads2, GRAD(1, 5, 16, 1, 77, 2, 4), SUM(90), 0},
      {"grad_keys_16", &vw_cross_attention_grad_op, &heads3, GRAD(3, 17, 192, 2, 16, 3, 2), SUM(131), 0},
      {"grad_keys_17", &vw_cross_attention_grad_op, &heads2, GRAD(2, 15, 80, 1, 17, 2, 2), SUM(87), 0},
      {"grad_text", &vw_cross_attention_grad_op, &heads2, GRAD(2, 257, 128, 3, 77, 2, 4), SUM(655), 0},
      {"grad_chunks", &vw_cross_attention_grad_op, &heads1, GRAD(2, 530, 40, 1, 77, 1, 4), SUM(1177), 0},
      {"grad_heads_of_80", &vw_cross_attention_grad_op, &heads2, GRAD(1, 64, 160, 1, 77, 2, 4), SUM(221), 0},
      {"grad_heads_of_160", &vw_cross_attention_grad_op, &heads2, GRAD(2, 33, 320, 2, 77, 2, 4), SUM(303), 0},
      {"grad_keys_96", &vw_cross_attention_grad_op, &heads1, GRAD(1, 65, 120, 1, 96, 1, 4), SUM(281), 0},
      {"grad_keys_97", &vw_cross_attention_grad_op, &heads1, GRAD(1, 9, 64, 1, 97, 1, 4), SUM(170), 0},
      {"grad_no_packs", &vw_cross_attention_grad_op, &heads3, GRAD(2, 20, 63, 2, 77, 3, 4), SUM(138), 0},
      {"grad_no_rows",
       &vw_cross_attention_grad_op,
       &heads2,
       {X(0, 9, 64), Q_KV(0, 9, 64, 1, 77), X(0, 9, 64), STAT(4, 6, 0, 2, 0)},
       0,
       0},
      {"grad_q_alone", &vw_cross_attention_grad_op, &only_q, GRAD(2, 70, 128, 2, 77, 2, 4), SUM(141), 0},
      {"grad_kv_alone", &vw_cross_attention_grad_op, &only_kv, GRAD(4, 70, 128, 5, 77, 2, 4), SUM(421), 0},
  };
  /* As of attention in bf16 (test_network_ops.c): the result, probabilities, ds. */
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 3);
}

/* A row reads its text alone: y, dq and dkv have the same bits with another row and text beside. */
static void cross_attention_rows_do_not_mix(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"y", &vw_cross_attention_op, &heads2, {Q_KV(2, 70, 128, 2, 77)}, 0, 0},
      {"grad", &vw_cross_attention_grad_op, &heads2, GRAD(2, 530, 80, 2, 77, 2, 4), 0, 0},
  };
  if (vw_op_unavailable(VW_CUDA)) return;
  for (int i = 0; i < LENGTH(cases); i++) {
    const vw_op_case *c = &cases[i];
    vw_tensor in[VW_MAX_IN] = {0}, both[VW_MAX_OUT], alone[VW_MAX_OUT];
    vw_op_case_inputs(c, 5, in);
    int32_t *row = vw_i32(&in[i ? (int)XATTNG_ROW_KV : (int)XATTN_ROW_KV]);
    row[0] = 0, row[1] = 1;
    vw_op_run_bf16(c, in, both);
    for (int j = 0; j < c->op->n_in; j++) in[j].dim[0] = 1;
    vw_op_run_bf16(c, in, alone);
    for (int j = 0; j < c->op->n_out; j++)
      if (memcmp(both[j].data, alone[j].data, vw_bytes(&alone[j])) != 0)
        fail_msg("%s: output %d of a row has other bits beside another row", c->name, j);
    vw_op_free(in, c->op->n_in), vw_op_free(both, c->op->n_out), vw_op_free(alone, c->op->n_out);
  }
}

/* ---- full sizes on the CPU, too long for an emulated device: several waves of rows, chunks of queries, blocks of keys
 */

static const vw_attention_attr full1 = {1, false, false}, full2 = {2, false, false};

/* The one head of an autoencoder is as wide as its channels. */
static void wide_heads_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"head_of_512", &vw_attention_op, &full1, {X(1, 20, 1536), NO, NO, NO, NO}, SUM(532), 0},
      {"head_of_300", &vw_attention_op, &full1, {X(2, 17, 900), NO, NO, NO, NO}, SUM(317), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

static void full_sizes_agree_on_the_cpu(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"waves", &vw_conv2d_op, &same3, {X(3, 14, 14, 640), W(9, 640, 3, 3), W(9), X(3, 9), NO}, SUM(5760), 0},
      {"tiles_in_waves",
       &vw_conv2d_op,
       &same3,
       {X(2, 22, 23, 700), W(16, 700, 3, 3), W(16), X(2, 16), X(2, 22, 23, 16)},
       WINOGRAD(6300),
       0},
      {"cross_64", &vw_cross_attention_op, &heads5, {X(2, 26, 26, 320), X(2, 77, 640), INDEX(0, 1, 2)}, SUM(141), 0},
      {"cross_grad_64",
       &vw_cross_attention_grad_op,
       &heads5,
       {X(3, 26, 26, 320), X(3, 26, 26, 320), X(2, 77, 640), INDEX(0, 1, 3), X(3, 26, 26, 320), STAT(4, 6, 3, 5, 676)},
       SUM(2169),
       0},
      {"self_600", &vw_attention_op, &full2, {X(1, 600, 192), NO, NO, NO, NO}, SUM(632), 0},
      {"self_head_of_512", &vw_attention_op, &full1, {X(1, 40, 1536), NO, NO, NO, NO}, SUM(552), 0},
      {"self_grad_600",
       &vw_attention_grad_op,
       &full2,
       {X(1, 600, 32), X(1, 600, 96), NO, NO, NO, NO, X(1, 600, 32), STAT(6, 8, 1, 2, 600)},
       SUM(1216),
       0},
  };
  for (int i = 0; i < LENGTH(cases); i++) {
    const vw_op_case *c = &cases[i];
    vw_tensor in[VW_MAX_IN] = {0}, ref[VW_MAX_OUT], alone[VW_MAX_OUT], shared[VW_MAX_OUT];
    vw_op_case_inputs(c, (uint64_t)i + 1, in);
    vw_op_run(VW_REF, 1, c->op, c->attr, in, ref);
    vw_op_run(VW_CPU, 1, c->op, c->attr, in, alone);
    vw_op_run(VW_CPU, 3, c->op, c->attr, in, shared);
    for (int j = 0; j < c->op->n_out; j++) {
      vw_assert_near(c->name, vw_f64(&alone[j]), vw_f64(&ref[j]), vw_count(&ref[j]), c->tol);
      if (memcmp(alone[j].data, shared[j].data, vw_bytes(&alone[j])) != 0)
        fail_msg("%s: 1 and 3 threads differ", c->name);
    }
    vw_op_free(in, c->op->n_in), vw_op_free(ref, c->op->n_out);
    vw_op_free(alone, c->op->n_out), vw_op_free(shared, c->op->n_out);
  }
}

static void contracts_refuse(void **state) {
  (void)state;
#define A(...) vw_shape(VW_ACT, __VA_ARGS__)
#define P(...) vw_shape(VW_PARAM, __VA_ARGS__)
  vw_op_refused(&vw_group_norm_op, &three, (vw_tensor[3]){A(1, 4, 8), P(8), P(8)}, "not a multiple of 3 groups");
  vw_op_refused(&vw_group_norm_op, &three, (vw_tensor[3]){A(1, 4, 9), P(9), P(8)}, "beta [8], x has C=9");
  vw_op_refused(&vw_group_norm_op, &three, (vw_tensor[3]){A(9), P(9), P(9)}, "expected [B, S.., C]");
  vw_op_refused(&vw_activate_op, &no_act, (vw_tensor[1]){A(3)}, "no activation");
  vw_op_refused(&vw_geglu_op, NULL, (vw_tensor[1]){A(3, 7)}, "expected [.., 2C]");
  vw_op_refused(&vw_upsample_nearest_op, &to_3_4, (vw_tensor[1]){A(1, 4, 4, 2)}, "cannot be enlarged to 3 x 4");
  vw_op_refused(&vw_concat_op, NULL, (vw_tensor[2]){A(2, 3, 4), A(2, 2, 4)}, "differ before the last axis");
  vw_op_refused(&vw_channels_op, &middle, (vw_tensor[1]){A(2, 6)}, "no channels 3 to 6");
  vw_op_refused(&vw_cross_attention_op, &heads2, (vw_tensor[3]){A(2, 5, 9), A(1, 7, 18), vw_shape(VW_I32, 2)},
                "multiple of 2 heads");
  vw_op_refused(&vw_cross_attention_op, &heads2, (vw_tensor[3]){A(2, 5, 8), A(1, 7, 8), vw_shape(VW_I32, 2)}, "C=8");
  vw_op_refused(&vw_cross_attention_op, &heads2, (vw_tensor[3]){A(2, 5, 8), A(1, 7, 16), vw_shape(VW_I32, 3)},
                "expected i32 [2]");
  vw_op_refused(&vw_conv2d_op, &same3, (vw_tensor[5]){A(1, 4, 4, 3), P(5, 3, 3, 1)}, "with K 1 or 3");
  vw_op_refused(&vw_conv2d_op, &same3, (vw_tensor[5]){A(1, 4, 4, 4), P(5, 3, 3, 3)}, "C=3");
  vw_op_refused(&vw_conv2d_op, &point, (vw_tensor[5]){A(1, 2, 2, 3), P(5, 3, 3, 3)}, "nothing is left");
  vw_op_refused(&vw_conv2d_op, &same3, (vw_tensor[5]){A(1, 4, 4, 3), P(5, 3, 3, 3), {0}, A(2, 5)}, "shift is [2, 5]");
  vw_op_refused(&vw_conv2d_op, &(vw_conv2d_attr){3, PAD1, VW_ACT, 0, 0}, (vw_tensor[5]){A(1, 4, 4, 3), P(5, 3, 3, 3)},
                "stride is 3");
  vw_op_refused(&vw_conv2d_grad_op, &back_half, (vw_tensor[2]){A(1, 4, 4, 5), P(5, 3, 3, 3)}, "gives [1, 5, 3, 5]");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(group_norm_agrees),
      cmocka_unit_test(group_norm_keeps_small_deviations),
      cmocka_unit_test(group_norm_pictures_do_not_mix),
      cmocka_unit_test(activations_agree),
      cmocka_unit_test(moves_agree),
      cmocka_unit_test(conv2d_agrees),
      cmocka_unit_test(winograd_agrees),
      cmocka_unit_test(windows_of_full_sizes_agree),
      cmocka_unit_test(convolutions_are_adjoint),
      cmocka_unit_test(cross_attention_agrees),
      cmocka_unit_test(cross_attention_to_few_keys_agrees),
      cmocka_unit_test(cross_attention_rows_do_not_mix),
      cmocka_unit_test(wide_heads_agree),
      cmocka_unit_test(full_sizes_agree_on_the_cpu),
      cmocka_unit_test(a_picture_is_the_same_among_others),
      cmocka_unit_test(contracts_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
