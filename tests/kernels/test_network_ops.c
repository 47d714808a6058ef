/* Ops of the networks: cpu (and cuda) against ref on odd and full sizes, gradients against central differences,
 * adjoint identities of the linear ones.
 *
 * Tolerances of fp32 against ref, relative to the largest element of an output. A product of K terms of size up to 1,
 * summed in fp32, errs by at most about K eps / 2 and typically by sqrt(K) eps; results have size sqrt(K) / 3, and at
 * least 1 in the scale of the check: SUM(K) = 4 eps sqrt(K) is that with a fixed headroom. Ops that add a handful of
 * roundings an element get 16 eps. */
#include "tests/support/op_test.h"

#include "kernels/add.h"
#include "kernels/attention.h"
#include "kernels/cast.h"
#include "kernels/l2norm.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/memory.h"
#include "kernels/patch_embed.h"
#include "kernels/select_row.h"
#include "kernels/splice.h"
#include "kernels/take.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS                FLT_EPSILON
#define SUM(k)             (4 * EPS * sqrt((double)(k)))
#define LENGTH(a)          ((int)(sizeof(a) / sizeof *(a)))
#define X(...)             VW_INPUT(VW_ACT, -1, 1, __VA_ARGS__)
#define W(...)             VW_INPUT(VW_PARAM, -1, 1, __VA_ARGS__)
#define R(...)             VW_INPUT(VW_RESIDUAL, -1, 1, __VA_ARGS__)
#define H(...)             VW_INPUT(VW_HEAD, -1, 1, __VA_ARGS__)
#define STAT(lo, hi, ...)  VW_INPUT(VW_STAT, lo, hi, __VA_ARGS__)
#define INDEX(lo, hi, ...) VW_INPUT(VW_I32, lo, hi, __VA_ARGS__)
#define NO                                                                                                             \
  { .lo = 0 } /* absent */

static const vw_linear_attr plain = {VW_ACT_NONE, VW_ACT}, quick = {VW_ACT_QUICK_GELU, VW_ACT},
                            gelu = {VW_ACT_GELU, VW_ACT};
static const vw_linear_attr stream = {VW_ACT_NONE, VW_RESIDUAL, false},
                            quick_stream = {VW_ACT_QUICK_GELU, VW_RESIDUAL, false};
static const vw_layernorm_attr eps5 = {1e-5};
static const vw_attention_attr causal1 = {1, true, false}, causal3 = {3, true, false}, causal12 = {12, true, false},
                               full1 = {1, false, false}, full2 = {2, false, false}, full4 = {4, false, false},
                               fixed3 = {3, true, true}, fixed2 = {2, false, true};
static const vw_splice_grad_attr five_words = {5}, five_pairs = {5, 2}, three_of_five = {3, 5};
static const vw_select_row_grad_attr select7 = {7, VW_ACT};
static const vw_take_grad_attr take5 = {5, VW_ACT}, take3_head = {3, VW_HEAD}, take0 = {0, VW_ACT};
static const vw_cast_attr to_act = {VW_ACT}, to_residual = {VW_RESIDUAL}, to_bf16 = {VW_BF16}, to_f16 = {VW_F16},
                          to_f64 = {VW_F64};

static void linear_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one_by_one", &vw_linear_op, &plain, {X(1, 1), W(1, 1), NO, NO}, SUM(1), 3 & 1},
      {"odd_5_7_3", &vw_linear_op, &quick, {X(5, 7), W(3, 7), W(3), X(5, 3)}, SUM(7), 1 | 8},
      {"gelu_2_17_33", &vw_linear_op, &gelu, {X(2, 17), W(33, 17), W(33), X(2, 33)}, SUM(17), 1 | 8},
      {"no_bias_3d", &vw_linear_op, &gelu, {X(2, 3, 9), W(31, 9), NO, NO}, SUM(9), 1},
      {"rows_61_residual", &vw_linear_op, &plain, {X(61, 100), W(77, 100), NO, X(61, 77)}, SUM(100), 1 | 8},
      /* in bf16: a residual that is stored in another type than the result */
      {"residual_bf16_to_f32", &vw_linear_op, &stream, {X(9, 20), W(13, 20), W(13), X(9, 13)}, SUM(20), 1 | 8},
      {"residual_f32_to_bf16", &vw_linear_op, &plain, {X(9, 20), W(13, 20), W(13), R(9, 13)}, SUM(20), 1 | 8},
      {"residual_act_to_f32", &vw_linear_op, &quick_stream, {X(9, 20), W(13, 20), W(13), X(9, 13)}, SUM(20), 1 | 8},
      {"no_rows", &vw_linear_op, &gelu, {X(0, 9), W(31, 9), NO, NO}, SUM(9), 0},
      {"fc1_128", &vw_linear_op, &quick, {X(64, 2, 768), W(3072, 768), W(3072), NO}, SUM(768), 0},
      {"fc2_13", &vw_linear_op, &plain, {X(13, 3072), W(768, 3072), W(768), X(13, 768)}, SUM(3072), 0},
      {"grad_plain_3", &vw_linear_grad_op, &plain, {X(3, 5), W(5, 9), NO}, SUM(5), 0},
      {"grad_quick_odd", &vw_linear_grad_op, &quick, {X(7, 33), W(33, 19), VW_INPUT(VW_ACT, -6, 6, 7, 33)}, SUM(33), 0},
      {"grad_gelu_odd", &vw_linear_grad_op, &gelu, {X(2, 65), W(65, 17), VW_INPUT(VW_ACT, -6, 6, 2, 65)}, SUM(65), 0},
      {"grad_fc1_128", &vw_linear_grad_op, &quick, {X(128, 3072), W(3072, 768), X(128, 3072)}, SUM(3072), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 3); /* z (act' is at most 1.13) or dz, and the result */
}

static void layernorm_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"vector_8", &vw_layernorm_op, &eps5, {X(8), W(8), W(8)}, SUM(8), 1},
      {"odd_77", &vw_layernorm_op, &eps5, {X(3, 2, 77), W(77), W(77)}, SUM(77), 1},
      {"one_channel", &vw_layernorm_op, &eps5, {X(5, 1), W(1), W(1)}, SUM(1), 0},
      {"one_pack_8_rows", &vw_layernorm_op, &eps5, {X(9, 8), W(8), W(8)}, SUM(8), 0},
      {"registers_264", &vw_layernorm_op, &eps5, {X(5, 264), W(264), W(264)}, SUM(264), 0},
      {"registers_1280", &vw_layernorm_op, &eps5, {X(9, 1280), W(1280), W(1280)}, SUM(1280), 0},
      {"beyond_registers", &vw_layernorm_op, &eps5, {X(3, 1664), W(1664), W(1664)}, SUM(1664), 0},
      {"clip_768", &vw_layernorm_op, &eps5, {X(64, 2, 768), W(768), W(768)}, SUM(768), 0},
      {"grad_odd_77",
       &vw_layernorm_grad_op,
       &eps5,
       {X(3, 2, 77), X(3, 2, 77), W(77), STAT(-1, 1, 3, 2), STAT(.5, 2, 3, 2)},
       SUM(77),
       0},
      {"grad_264",
       &vw_layernorm_grad_op,
       &eps5,
       {X(5, 264), X(5, 264), W(264), STAT(-1, 1, 5), STAT(.5, 2, 5)},
       SUM(264),
       0},
      {"grad_1280",
       &vw_layernorm_grad_op,
       &eps5,
       {X(9, 1280), X(9, 1280), W(1280), STAT(-1, 1, 9), STAT(.5, 2, 9)},
       SUM(1280),
       0},
      {"grad_1024",
       &vw_layernorm_grad_op,
       &eps5,
       {X(33, 1024), X(33, 1024), W(1024), STAT(-1, 1, 33), STAT(.5, 2, 33)},
       SUM(1024),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

static void splice_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"five_words",
       &vw_splice_op,
       NULL,
       {H(5, 9), W(3, 4, 9), INDEX(0, 4, 11), INDEX(0, 2, 11), INDEX(0, 3, 3)},
       EPS,
       1},
      {"one_row", &vw_splice_op, NULL, {H(1, 1), W(1, 1, 1), INDEX(0, 0, 1), INDEX(0, 0, 1), INDEX(0, 0, 1)}, EPS, 1},
      {"packs", &vw_splice_op, NULL, {H(5, 24), W(3, 4, 24), INDEX(0, 4, 11), INDEX(0, 2, 11), INDEX(0, 3, 3)}, EPS, 0},
      /* two vectors a word, then all positions */
      {"pairs", &vw_splice_op, NULL, {H(5, 18), W(3, 4, 9), INDEX(0, 4, 11), INDEX(0, 2, 11), INDEX(0, 2, 3)}, EPS, 1},
      {"all", &vw_splice_op, NULL, {H(3, 120), W(2, 5, 24), INDEX(0, 2, 7), INDEX(0, 1, 7), INDEX(0, 0, 2)}, EPS, 1},
      {"grad_pairs",
       &vw_splice_grad_op,
       &five_pairs,
       {X(11, 4, 9), INDEX(0, 4, 11), INDEX(0, 2, 11), INDEX(0, 2, 3)},
       SUM(11),
       0},
      {"grad_all",
       &vw_splice_grad_op,
       &three_of_five,
       {X(40, 5, 100), INDEX(0, 2, 40), INDEX(0, 1, 40), INDEX(0, 0, 2)},
       SUM(40),
       0},
      /* six hundred rows, some 120 a word; as many are summed */
      {"grad_600",
       &vw_splice_grad_op,
       &five_words,
       {X(600, 2, 300), INDEX(0, 4, 600), INDEX(0, 2, 600), INDEX(0, 1, 3)},
       SUM(600),
       0},
      /* eleven rows are summed at most */
      {"grad",
       &vw_splice_grad_op,
       &five_words,
       {X(11, 4, 9), INDEX(0, 4, 11), INDEX(0, 2, 11), INDEX(0, 3, 3)},
       SUM(11),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* Scores are sums of D products of size below 1, scaled by D^-1/2: of order 1, as are the probabilities' exponents; a
 * query's output is a convex mean of values below 1. So D + J roundings, J the number of keys; the gradient adds over
 * T queries as well. */
static void attention_agrees(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"one_token", &vw_attention_op, &causal1, {X(1, 1, 3), NO, NO, NO, NO}, SUM(2), 1},
      {"causal_odd", &vw_attention_op, &causal3, {X(2, 5, 63), NO, NO, NO, NO}, SUM(12), 1},
      {"full", &vw_attention_op, &full2, {X(3, 7, 30), NO, NO, NO, NO}, SUM(12), 1},
      {"full_padded", &vw_attention_op, &full2, {X(5, 7, 30), NO, NO, NO, INDEX(1, 7, 5)}, SUM(12), 1},
      {"prefix",
       &vw_attention_op,
       &causal3,
       {X(4, 3, 63), W(2, 6, 42), INDEX(0, 1, 4), INDEX(1, 6, 2), INDEX(1, 3, 4)},
       SUM(16),
       1},
      {"clip_suffix",
       &vw_attention_op,
       &causal12,
       {X(64, 2, 2304), W(3, 7, 1536), INDEX(0, 2, 64), INDEX(1, 7, 3), INDEX(1, 2, 64)},
       SUM(73),
       0},
      {"clip_77", &vw_attention_op, &causal12, {X(1, 77, 2304), NO, NO, NO, NO}, SUM(141), 0},
      {"vision_257", &vw_attention_op, &full4, {X(1, 257, 768), NO, NO, NO, NO}, SUM(321), 0},
      {"vision_50_two", &vw_attention_op, &full2, {X(2, 50, 72), NO, NO, NO, NO}, SUM(64), 0},
      /* heads of 64, up to 4 positions: one and three of them, no prefix, an odd number of heads, nothing padded */
      {"short_one",
       &vw_attention_op,
       &causal1,
       {X(3, 1, 192), W(2, 5, 128), INDEX(0, 1, 3), INDEX(1, 5, 2), NO},
       SUM(70),
       0},
      {"short_three",
       &vw_attention_op,
       &causal3,
       {X(5, 3, 576), W(2, 9, 384), INDEX(0, 1, 5), INDEX(1, 9, 2), INDEX(1, 3, 5)},
       SUM(76),
       0},
      {"short_four_full", &vw_attention_op, &full1, {X(7, 4, 192), NO, NO, NO, INDEX(1, 4, 7)}, SUM(68), 0},
      {"short_long_prefix",
       &vw_attention_op,
       &causal3,
       {X(2, 2, 576), W(2, 70, 384), INDEX(0, 1, 2), INDEX(1, 70, 2), NO},
       SUM(136),
       0},
      {"few_five_of_64",
       &vw_attention_op,
       &causal3,
       {X(2, 5, 576), W(2, 3, 384), INDEX(0, 1, 2), INDEX(1, 3, 2), INDEX(1, 5, 2)},
       SUM(72),
       0},
      {"few_16", &vw_attention_op, &full2, {X(2, 16, 144), NO, NO, NO, NO}, SUM(40), 0},
      {"few_wide_heads", &vw_attention_op, &causal1, {X(3, 5, 240), NO, NO, NO, INDEX(1, 5, 3)}, SUM(85), 0},
      {"few_long_prefix",
       &vw_attention_op,
       &causal3,
       {X(3, 6, 72), W(2, 71, 48), INDEX(0, 1, 3), INDEX(1, 71, 2), INDEX(1, 6, 3)},
       SUM(85),
       0},
      {"many_behind_prefix",
       &vw_attention_op,
       &causal3,
       {X(3, 70, 63), W(2, 75, 42), INDEX(0, 1, 3), INDEX(1, 75, 2), INDEX(1, 70, 3)},
       SUM(152),
       0},
      {"fixed_77", &vw_attention_op, &fixed3, {X(2, 77, 576), NO, NO, NO, NO}, SUM(141), 0},
      {"fixed_130", &vw_attention_op, &fixed3, {X(1, 130, 99), NO, NO, NO, NO}, SUM(141), 0},
      {"fixed_17", &vw_attention_op, &fixed3, {X(1, 17, 9), NO, NO, NO, NO}, SUM(18), 1},
      {"fixed_few", &vw_attention_op, &fixed3, {X(1, 5, 63), NO, NO, NO, NO}, SUM(12), 0},
      {"fixed_16_full", &vw_attention_op, &fixed2, {X(2, 16, 144), NO, NO, NO, NO}, SUM(40), 0},
      {"causal_130_heads_of_32", &vw_attention_op, &causal3, {X(1, 130, 288), NO, NO, NO, NO}, SUM(162), 0},
      {"heads_of_80", &vw_attention_op, &full2, {X(2, 66, 480), NO, NO, NO, INDEX(1, 66, 2)}, SUM(146), 0},
      {"heads_of_120", &vw_attention_op, &causal1, {X(2, 66, 360), NO, NO, NO, INDEX(1, 66, 2)}, SUM(186), 0},
      /* wide heads: one piece; odd positions; whole pieces of 128 queries, one query more, one less (tests' cuda) */
      {"heads_of_136", &vw_attention_op, &full2, {X(2, 66, 816), NO, NO, NO, NO}, SUM(202), 0},
      {"heads_of_512_odd", &vw_attention_op, &full1, {X(1, 17, 1536), NO, NO, NO, NO}, SUM(529), 0},
      {"heads_of_136_256", &vw_attention_op, &full1, {X(1, 256, 408), NO, NO, NO, NO}, SUM(392), 0},
      {"heads_of_136_257", &vw_attention_op, &full1, {X(1, 257, 408), NO, NO, NO, NO}, SUM(393), 0},
      {"heads_of_136_255", &vw_attention_op, &full1, {X(1, 255, 408), NO, NO, NO, NO}, SUM(391), 0},
      {"heads_of_140_no_packs", &vw_attention_op, &full1, {X(1, 33, 420), NO, NO, NO, NO}, SUM(173), 0},
      {"heads_of_136_causal", &vw_attention_op, &causal1, {X(1, 33, 408), NO, NO, NO, NO}, SUM(169), 0},
      {"grad_full_padded",
       &vw_attention_grad_op,
       &full2,
       {X(3, 7, 10), X(3, 7, 30), NO, NO, NO, INDEX(1, 7, 3), X(3, 7, 10), STAT(2, 4, 3, 2, 7)},
       SUM(17),
       0},
      {"grad_prefix",
       &vw_attention_grad_op,
       &causal3,
       {X(4, 3, 21), X(4, 3, 63), W(2, 6, 42), INDEX(0, 1, 4), INDEX(1, 6, 2), INDEX(1, 3, 4), X(4, 3, 21),
        STAT(2, 4, 4, 3, 3)},
       SUM(19),
       0},
      {"grad_suffix",
       &vw_attention_grad_op,
       &causal12,
       {X(9, 2, 768), X(9, 2, 2304), W(3, 7, 1536), INDEX(0, 2, 9), INDEX(1, 7, 3), INDEX(1, 2, 9), X(9, 2, 768),
        STAT(2, 4, 9, 12, 2)},
       SUM(75),
       0},
      {"grad_short_three",
       &vw_attention_grad_op,
       &causal3,
       {X(5, 3, 192), X(5, 3, 576), W(2, 9, 384), INDEX(0, 1, 5), INDEX(1, 9, 2), INDEX(1, 3, 5), X(5, 3, 192),
        STAT(2, 4, 5, 3, 3)},
       SUM(78),
       0},
      {"grad_short_four_full",
       &vw_attention_grad_op,
       &full1,
       {X(7, 4, 64), X(7, 4, 192), NO, NO, NO, INDEX(1, 4, 7), X(7, 4, 64), STAT(2, 4, 7, 1, 4)},
       SUM(76),
       0},
      {"grad_short_one",
       &vw_attention_grad_op,
       &causal1,
       {X(3, 1, 64), X(3, 1, 192), W(2, 5, 128), INDEX(0, 1, 3), INDEX(1, 5, 2), NO, X(3, 1, 64), STAT(2, 4, 3, 1, 1)},
       SUM(72),
       0},
      {"grad_77",
       &vw_attention_grad_op,
       &full4,
       {X(1, 77, 256), X(1, 77, 768), NO, NO, NO, NO, X(1, 77, 256), STAT(4, 6, 1, 4, 77)},
       SUM(218),
       0},

      {"grad_full_heads_of_160",
       &vw_attention_grad_op,
       &full2,
       {X(2, 70, 320), X(2, 70, 960), NO, NO, NO, NO, X(2, 70, 320), STAT(4, 6, 2, 2, 70)},
       SUM(300),
       0},
      {"grad_few_wide_heads",
       &vw_attention_grad_op,
       &causal1,
       {X(3, 5, 80), X(3, 5, 240), NO, NO, NO, INDEX(1, 5, 3), X(3, 5, 80), STAT(2, 4, 3, 1, 5)},
       SUM(90),
       0},
      {"grad_few_long_prefix",
       &vw_attention_grad_op,
       &causal3,
       {X(3, 6, 24), X(3, 6, 72), W(2, 71, 48), INDEX(0, 1, 3), INDEX(1, 71, 2), INDEX(1, 6, 3), X(3, 6, 24),
        STAT(4, 6, 3, 3, 6)},
       SUM(91),
       0},
      {"grad_many_behind_prefix",
       &vw_attention_grad_op,
       &causal3,
       {X(3, 70, 21), X(3, 70, 63), W(2, 75, 42), INDEX(0, 1, 3), INDEX(1, 75, 2), INDEX(1, 70, 3), X(3, 70, 21),
        STAT(4, 6, 3, 3, 70)},
       SUM(222),
       0},
      {"grad_fixed_77",
       &vw_attention_grad_op,
       &fixed3,
       {X(2, 77, 192), X(2, 77, 576), NO, NO, NO, NO, X(2, 77, 192), STAT(4, 6, 2, 3, 77)},
       SUM(218),
       0},
      {"grad_fixed_130",
       &vw_attention_grad_op,
       &fixed3,
       {X(1, 130, 33), X(1, 130, 99), NO, NO, NO, NO, X(1, 130, 33), STAT(4, 6, 1, 3, 130)},
       SUM(271),
       0},
      {"grad_fixed_16_full",
       &vw_attention_grad_op,
       &fixed2,
       {X(2, 16, 48), X(2, 16, 144), NO, NO, NO, NO, X(2, 16, 48), STAT(2, 4, 2, 2, 16)},
       SUM(56),
       0},
      {"grad_causal_130",
       &vw_attention_grad_op,
       &causal3,
       {X(1, 130, 96), X(1, 130, 288), NO, NO, NO, NO, X(1, 130, 96), STAT(4, 6, 1, 3, 130)},
       SUM(292),
       0},
      {"grad_heads_of_120",
       &vw_attention_grad_op,
       &full2,
       {X(2, 66, 240), X(2, 66, 720), NO, NO, NO, INDEX(1, 66, 2), X(2, 66, 240), STAT(4, 6, 2, 2, 66)},
       SUM(252),
       0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  /* An output is rounded to half a unit of its size. On tensor cores probabilities and ds are rounded before their
   * products as well: the sum of their sizes is 1 forward; in the gradient p stays below 2 in sum over a row or column
   * (lse above lies 2 to 6 over scores of about 0.3), ds below that. */
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 3);
}

/* fp32 on tensor cores: more than 16 positions, heads of up to 64 channels. Factors are rounded to TF32: queries and
 * keys, probabilities and values; in the gradient dy and ds besides. Each changes a result of size 1 by half a unit at
 * most, and neighbours' roundings mostly cancel. */
static void attention_agrees_in_tf32(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"text", &vw_attention_op, &causal3, {X(2, 77, 576), NO, NO, NO, NO}, SUM(141), 0},
      {"small", &vw_attention_op, &causal1, {X(1, 18, 48), NO, NO, NO, NO}, SUM(34), 0},
      {"text_padded", &vw_attention_op, &causal3, {X(3, 33, 288), NO, NO, NO, INDEX(1, 33, 3)}, SUM(65), 0},
      {"odd", &vw_attention_op, &full2, {X(2, 50, 66), NO, NO, NO, NO}, SUM(61), 0},
      {"one_more_than_a_tile", &vw_attention_op, &full1, {X(1, 65, 192), NO, NO, NO, NO}, SUM(129), 0},
      {"prefix",
       &vw_attention_op,
       &causal3,
       {X(3, 20, 576), W(2, 15, 384), INDEX(0, 1, 3), INDEX(1, 15, 2), INDEX(1, 20, 3)},
       SUM(99),
       0},
      {"heads_of_72", &vw_attention_op, &full1, {X(1, 20, 216), NO, NO, NO, NO}, SUM(92), 0}, /* CUDA cores */
      {"grad_text",
       &vw_attention_grad_op,
       &causal3,
       {X(2, 77, 192), X(2, 77, 576), NO, NO, NO, NO, X(2, 77, 192), STAT(4, 6, 2, 3, 77)},
       SUM(218),
       0},
      {"grad_small",
       &vw_attention_grad_op,
       &causal1,
       {X(1, 18, 16), X(1, 18, 48), NO, NO, NO, NO, X(1, 18, 16), STAT(2, 4, 1, 1, 18)},
       SUM(52),
       0},
      {"grad_padded",
       &vw_attention_grad_op,
       &causal3,
       {X(3, 33, 96), X(3, 33, 288), NO, NO, NO, INDEX(1, 33, 3), X(3, 33, 96), STAT(3, 5, 3, 3, 33)},
       SUM(98),
       0},
      {"grad_odd",
       &vw_attention_grad_op,
       &full2,
       {X(2, 50, 22), X(2, 50, 66), NO, NO, NO, NO, X(2, 50, 22), STAT(4, 6, 2, 2, 50)},
       SUM(111),
       0},
      {"grad_prefix",
       &vw_attention_grad_op,
       &causal3,
       {X(3, 20, 192), X(3, 20, 576), W(2, 15, 384), INDEX(0, 1, 3), INDEX(1, 15, 2), INDEX(1, 20, 3), X(3, 20, 192),
        STAT(3, 5, 3, 3, 20)},
       SUM(119),
       0},
  };
  vw_op_cases_agree_tf32(cases, LENGTH(cases), 4);
}

static void rows_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"select", &vw_select_row_op, NULL, {X(4, 7, 5), INDEX(0, 6, 4)}, 0, 1},
      {"select_grad", &vw_select_row_grad_op, &select7, {X(4, 5), INDEX(0, 6, 4)}, 0, 0},
      {"select_grad_packs", &vw_select_row_grad_op, &select7, {X(4, 24), INDEX(0, 6, 4)}, 0, 0},
      {"l2norm", &vw_l2norm_op, NULL, {X(3, 17)}, SUM(17), 1},
      {"l2norm_grad_768", &vw_l2norm_grad_op, NULL, {H(9, 768), H(9, 768), STAT(.1, 1, 9)}, SUM(768), 0},
      {"l2norm_768", &vw_l2norm_op, NULL, {X(16, 768)}, SUM(768), 0},
      {"l2norm_grad", &vw_l2norm_grad_op, NULL, {H(3, 17), H(3, 17), STAT(.1, 1, 3)}, SUM(17), 0},
      {"add", &vw_add_op, NULL, {X(3, 17, 2), X(3, 17, 2)}, EPS, 3},
      {"take_floats", &vw_take_op, NULL, {X(5, 3, 2), INDEX(0, 4, 9)}, 0, 1},
      {"take_one", &vw_take_op, NULL, {H(1, 3), INDEX(0, 0, 4)}, 0, 1},
      /* at most as many terms a sum as rows of dy */
      {"take_grad_odd", &vw_take_grad_op, &take5, {X(9, 3, 7), INDEX(0, 4, 9)}, SUM(9), 0},
      {"take_grad_700", &vw_take_grad_op, &take3_head, {X(700, 1030), INDEX(0, 2, 700)}, SUM(700), 0},
      {"take_grad_unused", &vw_take_grad_op, &take5, {X(3, 4, 4, 32), INDEX(2, 2, 3)}, SUM(3), 0},
      {"take_grad_no_rows", &vw_take_grad_op, &take0, {X(0, 6), INDEX(0, 0, 0)}, 0, 0},
      {"cast_same", &vw_cast_op, &to_act, {X(3, 17)}, 0, 1},
      {"cast_residual", &vw_cast_op, &to_residual, {X(3, 1031)}, 0, 1},
      {"cast_act", &vw_cast_op, &to_act, {R(5, 8)}, 0, 1},
      {"take_indices", &vw_take_op, NULL, {INDEX(0, 99, 6), INDEX(0, 5, 9)}, 0, 0},
      {"take_u32", &vw_take_op, NULL, {VW_INPUT(VW_U32, 0, 1e9, 6, 2), INDEX(0, 5, 2)}, 0, 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* Types that no policy of the backend has, given explicitly: ref and cpu store the same bits. */
static void explicit_types_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {{"cast_bf16", &vw_cast_op, &to_bf16, {X(3, 4099)}, 0, 0},
                              {"cast_f16", &vw_cast_op, &to_f16, {X(3, 17)}, 0, 0},
                              {"cast_f64", &vw_cast_op, &to_f64, {X(3, 17)}, 0, 0}};
  for (int i = 0; i < LENGTH(cases); i++) {
    vw_tensor in[VW_MAX_IN] = {0}, ref[1], cpu[1];
    vw_op_case_inputs(&cases[i], (uint64_t)i + 1, in);
    vw_op_run(VW_REF, 1, cases[i].op, cases[i].attr, in, ref);
    vw_op_run(VW_CPU, 2, cases[i].op, cases[i].attr, in, cpu);
    vw_assert_near(cases[i].name, vw_f64(cpu), vw_f64(ref), vw_count(ref), 0);
    vw_op_free(in, cases[i].op->n_in), vw_op_free(ref, 1), vw_op_free(cpu, 1);
  }
}

/* take and its gradient for each float type: eighths below 1 and their sums of a dozen are exact in all of them. */
static void take_knows_every_float(void **state) {
  (void)state;
  enum { B = 12, N = 3, S = 5 };
  static const vw_dtype types[] = {VW_F32, VW_F64, VW_F16, VW_BF16};
  int32_t index[B] = {0, 2, 2, 0, 0, 2, 2, 2, 0, 2, 0, 0};
  double dy[B * S], sum[N * S] = {0}, got[B * S];
  for (int i = 0; i < B * S; i++) dy[i] = (double)(i * 7 % 15 - 7) / 8, sum[index[i / S] * S + i % S] += dy[i];
  for (vw_backend b = VW_REF; b <= VW_CPU; b++)
    for (int t = 0; t < LENGTH(types); t++) {
      vw_context ctx;
      double stored[B * S], made[B * S];
      vw_tensor in[2] = {vw_shape(types[t], B, S), vw_shape(VW_I32, B)}, out = vw_shape(types[t], N, S);
      in[0].data = stored, in[1].data = index, out.data = made;
      const vw_call c = {.in = in, .out = &out};
      assert_ok(vw_context_open(&ctx, b, 2, 0));
      assert_ok(vw_convert(stored, types[t], dy, VW_F64, B * S));
      assert_ok(vw_kernel_of(b, VW_OP_take_grad)->run(&ctx, &c));
      assert_ok(vw_convert(got, VW_F64, made, types[t], N * S));
      assert_memory_equal(got, sum, sizeof sum);
      /* and back: each row of dy becomes its segment's sum */
      vw_tensor take_in[2] = {out, in[1]}, rows = in[0];
      const vw_call take = {.in = take_in, .out = &rows};
      assert_ok(vw_take_op.infer(take_in, NULL, &out));
      assert_ok(vw_kernel_of(b, VW_OP_take)->run(&ctx, &take));
      assert_ok(vw_convert(got, VW_F64, stored, types[t], B * S));
      for (int i = 0; i < B * S; i++) assert_true(got[i] == sum[index[i / S] * S + i % S]);
      vw_context_close(&ctx);
    }
}

/* A zero row stays zero and has no gradient; an infinity is never made. */
static void l2norm_of_zero_is_zero(void **state) {
  (void)state;
  double x[6] = {0, 0, 0, 3, 0, 4}, dy[6] = {1, 2, 3, 1, 2, 3};
  vw_tensor in = vw_shape(VW_F64, 2, 3), out[2];
  in.data = x;
  for (vw_backend b = VW_REF; b <= VW_CPU; b++) {
    vw_op_run(b, 1, &vw_l2norm_op, NULL, &in, out);
    vw_tensor grad_in[3] = {in, out[L2_Y], out[L2_RNORM]}, dx;
    grad_in[0].data = dy;
    vw_op_run(b, 1, &vw_l2norm_grad_op, NULL, grad_in, &dx);
    for (int i = 0; i < 3; i++) assert_true(vw_f64(&out[L2_Y])[i] == 0 && vw_f64(&dx)[i] == 0);
    assert_true(fabs(vw_f64(&out[L2_Y])[3] - .6) < 1e-6 && fabs(vw_f64(&out[L2_RNORM])[1] - .2) < 1e-6);
    vw_op_free(out, 2), vw_op_free(&dx, 1);
  }
}

/* Positions at and after a row's length: outputs and gradients are 0, and what stands there is never read. */
static void padding_is_never_read(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"heads_of_7", &vw_attention_op, &causal3, {X(2, 4, 63), NO, NO, NO, INDEX(2, 2, 2)}, 0, 0},
      {"heads_of_64", &vw_attention_op, &causal3, {X(2, 4, 576), NO, NO, NO, INDEX(2, 2, 2)}, 0, 0},
  };
  for (int k = 0; k < 2 * VW_BACKENDS; k++) {
    const vw_op_case *c = &cases[k % 2];
    const vw_backend b = (vw_backend)(k / 2);
    const int64_t row = c->in[0].shape.dim[2];
    vw_tensor in[VW_MAX_IN] = {0}, out[2], dx;
    if (vw_op_unavailable(b)) continue;
    vw_op_case_inputs(c, 5, in);
    for (int64_t r = 0; r < 2; r++)
      for (int64_t i = 2 * row; i < 4 * row; i++) vw_f64(&in[ATTN_QKV])[r * 4 * row + i] = NAN;
    vw_op_run(b, 1, &vw_attention_op, &causal3, in, out);
    const vw_tensor grad_in[] = {out[0], in[0], in[1], in[2], in[3], in[4], out[0], out[1]};
    vw_op_run(b, 1, &vw_attention_grad_op, &causal3, grad_in, &dx);
    for (int64_t i = 0; i < 2 * 4 * row; i++) {
      const bool pad = i / row % 4 >= 2;
      assert_true(pad ? vw_f64(&dx)[i] == 0 : isfinite(vw_f64(&dx)[i]));
      if (i % row < row / 3) assert_true(isfinite(vw_f64(&out[ATTN_Y])[i / row * (row / 3) + i % row]));
    }
    vw_op_free(in, 5), vw_op_free(out, 2), vw_op_free(&dx, 1);
  }
}

static double inner(const vw_tensor *a, const vw_tensor *b) {
  double sum = 0;
  for (int64_t i = 0; i < vw_count(a); i++) sum += vw_f64(a)[i] * vw_f64(b)[i];
  return sum;
}

/* <A v, w> = <v, A' w>; both sides are sums of n m terms: 1e-12 in double, SUM(n m) in fp32. */
static void check_adjoint(const char *name, double left, double right, double terms, vw_backend b) {
  const double tol = b == VW_REF ? 1e-12 * sqrt(terms) : SUM(terms);
  if (!(fabs(left - right) <= tol * fmax(1, fabs(left))))
    fail_msg("%s: <Av, w> = %.17g, <v, A'w> = %.17g", name, left, right);
}

static void adjoints_agree(void **state) {
  (void)state;
  const vw_op_case c = {"linear", &vw_linear_op, &plain, {X(6, 19), W(23, 19), NO, NO}, 0, 0};
  const vw_op_case w = {"rows", &vw_linear_grad_op, &plain, {X(6, 23), W(23, 19), NO}, 0, 0};
  const vw_op_case s = {
      "splice", &vw_splice_op,
      NULL,     {X(5, 9), VW_INPUT(VW_PARAM, 0, 0, 3, 4, 9), INDEX(0, 4, 8), INDEX(0, 2, 8), INDEX(0, 3, 3)},
      0,        0};
  for (vw_backend b = VW_REF; b <= VW_CPU; b++) {
    vw_tensor in[VW_MAX_IN] = {0}, back[VW_MAX_IN] = {0}, out[2], dx;
    vw_op_case_inputs(&c, 1, in), vw_op_case_inputs(&w, 2, back);
    vw_op_run(b, 1, &vw_linear_op, &plain, in, out);
    const vw_tensor grad_in[] = {back[0], in[LINEAR_WEIGHT], {0}};
    vw_op_run(b, 1, &vw_linear_grad_op, &plain, grad_in, &dx);
    check_adjoint("linear", inner(&out[0], &back[0]), inner(&in[0], &dx), 6 * 19 * 23, b);
    vw_op_free(in, 4), vw_op_free(back, 3), vw_op_free(out, 2), vw_op_free(&dx, 1);

    const vw_op_case t = {"take", &vw_take_op, NULL, {X(5, 3, 7), INDEX(0, 4, 9)}, 0, 0};
    const vw_op_case u = {"rows", &vw_take_grad_op, &take5, {X(9, 3, 7), INDEX(0, 4, 9)}, 0, 0};
    vw_op_case_inputs(&t, 5, in), vw_op_case_inputs(&u, 6, back);
    vw_op_run(b, 1, &vw_take_op, NULL, in, out);
    vw_op_run(b, 1, &vw_take_grad_op, &take5, (vw_tensor[]){back[0], in[TAKE_INDEX]}, &dx);
    check_adjoint("take", inner(&out[0], &back[0]), inner(&in[0], &dx), 9 * 21, b);
    vw_op_free(in, 2), vw_op_free(back, 2), vw_op_free(out, 1), vw_op_free(&dx, 1);

    vw_op_case_inputs(&s, 3, in);
    vw_op_run(b, 1, &vw_splice_op, NULL, in, out);
    vw_tensor any = out[0];
    any.data = malloc(vw_bytes(&any));
    assert_non_null(any.data);
    vw_test_fill(any.data, vw_count(&any), 4);
    const vw_tensor splice_in[] = {any, in[SPLICE_ROW_WORD], in[SPLICE_ROW_TEMPLATE], in[SPLICE_WORD_POS]};
    vw_op_run(b, 1, &vw_splice_grad_op, &five_words, splice_in, &dx);
    check_adjoint("splice", inner(&out[0], &any), inner(&in[0], &dx), 8 * 9, b);
    free(any.data);
    vw_op_free(in, 5), vw_op_free(out, 1), vw_op_free(&dx, 1);
  }
}

/* A picture's attention has the same bits alone and among others, on every backend. */
static void pictures_do_not_mix(void **state) {
  (void)state;
  const vw_op_case c = {"two", &vw_attention_op, &full1, {X(2, 131, 408), NO, NO, NO, NO}, 0, 0};
  for (vw_backend b = VW_REF; b < VW_BACKENDS; b++) {
    vw_tensor in[VW_MAX_IN] = {0}, both[2], alone[2];
    if (vw_op_unavailable(b)) continue;
    vw_op_case_inputs(&c, 6, in);
    vw_op_run(b, 1, c.op, c.attr, in, both);
    in[ATTN_QKV].dim[0] = 1;
    vw_op_run(b, 1, c.op, c.attr, in, alone);
    for (int i = 0; i < 2; i++)
      if (memcmp(both[i].data, alone[i].data, vw_bytes(&alone[i])) != 0)
        fail_msg("output %d of attention on %s differs between one picture and two", i, vw_backend_name(b));
    vw_op_free(in, c.op->n_in), vw_op_free(both, 2), vw_op_free(alone, 2);
  }
}

static void contracts_refuse(void **state) {
  (void)state;
  vw_op_refused(&vw_linear_op, &plain, (vw_tensor[4]){vw_shape(VW_ACT, 2, 5), vw_shape(VW_PARAM, 3, 6)}, "wants K=6");
  vw_op_refused(&vw_linear_op, &plain,
                (vw_tensor[4]){vw_shape(VW_ACT, 2, 6), vw_shape(VW_PARAM, 3, 6), vw_shape(VW_PARAM, 4)}, "bias is [4]");
  vw_op_refused(&vw_layernorm_op, &eps5,
                (vw_tensor[3]){vw_shape(VW_ACT, 2, 5), vw_shape(VW_PARAM, 6), vw_shape(VW_PARAM, 5)}, "gamma is [6]");
  vw_op_refused(&vw_attention_op, &full4, (vw_tensor[5]){vw_shape(VW_ACT, 2, 5, 9)}, "multiple of 4 heads");
  vw_op_refused(&vw_attention_op, &full2, (vw_tensor[5]){vw_shape(VW_ACT, 2, 5, 12), vw_shape(VW_PARAM, 1, 3, 8)},
                "row_prefix");
  vw_op_refused(&vw_select_row_op, NULL, (vw_tensor[2]){vw_shape(VW_ACT, 2, 5, 9), vw_shape(VW_I64, 2)},
                "expected i32");
  vw_op_refused(&vw_patch_embed_op, NULL, (vw_tensor[4]){vw_shape(VW_ACT, 1, 7, 6, 3), vw_shape(VW_PARAM, 4, 3, 3, 3)},
                "not divisible by patches of 3");
  vw_op_refused(&vw_take_op, NULL, (vw_tensor[2]){vw_shape(VW_U8, 3, 2), vw_shape(VW_I32, 2)}, "have 1 bytes");
  vw_op_refused(&vw_take_grad_op, &take5, (vw_tensor[2]){vw_shape(VW_ACT, 3, 2), vw_shape(VW_I32, 2)}, "dy is [3, 2]");
  vw_op_refused(&vw_take_grad_op, &take5, (vw_tensor[2]){vw_shape(VW_ACT, 3, 2), vw_shape(VW_I64, 3)}, "expected i32");
  vw_op_refused(&vw_take_grad_op, &(vw_take_grad_attr){5, VW_I32},
                (vw_tensor[2]){vw_shape(VW_ACT, 3, 2), vw_shape(VW_I32, 3)}, "rows of i32");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(linear_agrees),
                                     cmocka_unit_test(layernorm_agrees),
                                     cmocka_unit_test(splice_agrees),
                                     cmocka_unit_test(attention_agrees),
                                     cmocka_unit_test(attention_agrees_in_tf32),
                                     cmocka_unit_test(rows_agree),
                                     cmocka_unit_test(explicit_types_agree),
                                     cmocka_unit_test(take_knows_every_float),
                                     cmocka_unit_test(l2norm_of_zero_is_zero),
                                     cmocka_unit_test(adjoints_agree),
                                     cmocka_unit_test(padding_is_never_read),
                                     cmocka_unit_test(pictures_do_not_mix),
                                     cmocka_unit_test(contracts_refuse)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
