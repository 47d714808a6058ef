/* `ref` of the networks' ops against PyTorch in float64: outputs and gradients. Fixtures: tests/reference/ops.py and
 * picture_ops.py. Both sides round in double: 1e-10 leaves six digits for sums in another order. */
#include "tests/support/op_test.h"

#include "io/safetensors.h"
#include "kernels/activate.h"
#include "kernels/attention.h"
#include "kernels/class_merge.h"
#include "kernels/concat.h"
#include "kernels/conv2d.h"
#include "kernels/cross_attention.h"
#include "kernels/elu_plus.h"
#include "kernels/focal_loss.h"
#include "kernels/grid_box.h"
#include "kernels/group_norm.h"
#include "kernels/l2norm.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/match_patches.h"
#include "kernels/patch_embed.h"
#include "kernels/patch_logits.h"
#include "kernels/select_row.h"
#include "kernels/splice.h"
#include "kernels/take.h"
#include "kernels/unit_rows.h"
#include "kernels/upsample_nearest.h"

static const double tol = 1e-10;

static const vw_linear_attr plain = {VW_ACT_NONE, VW_ACT}, quick = {VW_ACT_QUICK_GELU, VW_ACT},
                            gelu = {VW_ACT_GELU, VW_ACT};
static const vw_layernorm_attr eps5 = {1e-5};
static const vw_attention_attr causal2 = {2, true, false}, full2 = {2, false, false}, full3 = {3, false, false};
static const vw_splice_grad_attr five_words = {5};
static const vw_select_row_grad_attr select7 = {7, VW_ACT};
static const vw_take_grad_attr take3 = {3, VW_ACT};
static const vw_group_norm_attr norm1 = {1, 1e-5, false}, norm3 = {3, 1e-6, true}, norm32 = {32, 1e-5, true};
static const vw_cross_attention_attr cross2 = {2, true, true};
static const vw_activate_attr silu_act = {VW_ACT_SILU}, gelu_act = {VW_ACT_GELU};
static const vw_upsample_attr to_6_10 = {6, 10, VW_ACT}, from_3_5 = {3, 5, VW_ACT}, to_5_7 = {5, 7, VW_ACT},
                              from_3_4 = {3, 4, VW_ACT};
static const vw_channels_attr first_5 = {0, 5, VW_ACT};
static const vw_conv2d_attr conv_same = {1, {1, 1, 1, 1}, VW_ACT, 5, 7}, conv_half = {2, {1, 1, 1, 1}, VW_ACT, 9, 6},
                            conv_corner = {2, {0, 1, 0, 1}, VW_ACT, 8, 6}, conv_point = {1, {0, 0, 0, 0}, VW_ACT, 5, 4};

/* from: where each input of the gradient comes from: "d" dy, "i2" input 2, "o1" output 1 of the forward op; what the
 * forward op lacks is absent in the gradient too. */
typedef struct fixture_case {
  const char *name;
  const vw_op *op;
  const void *attr;
  const vw_op *grad;
  const void *grad_attr;
  const char *from;
} fixture_case;

static const char linear_from[] = "d i1 o1", layernorm_from[] = "d i0 i1 o1 o2",
                  attention_from[] = "d i0 i1 i2 i3 i4 o0 o1", group_norm_from[] = "d i0 i1 i2 o1 o2";

static const fixture_case cases[] = {
    {"linear_one", &vw_linear_op, &plain, &vw_linear_grad_op, &plain, linear_from},
    {"linear_odd", &vw_linear_op, &plain, &vw_linear_grad_op, &plain, linear_from},
    {"linear_quick", &vw_linear_op, &quick, &vw_linear_grad_op, &quick, linear_from},
    {"linear_gelu", &vw_linear_op, &gelu, &vw_linear_grad_op, &gelu, linear_from},
    {"layernorm_one_row_8", &vw_layernorm_op, &eps5, &vw_layernorm_grad_op, &eps5, layernorm_from},
    {"layernorm_odd_77", &vw_layernorm_op, &eps5, &vw_layernorm_grad_op, &eps5, layernorm_from},
    {"layernorm_384", &vw_layernorm_op, &eps5, &vw_layernorm_grad_op, &eps5, layernorm_from},
    {"splice", &vw_splice_op, NULL, &vw_splice_grad_op, &five_words, "d i2 i3 i4"},
    {"attention_causal", &vw_attention_op, &causal2, &vw_attention_grad_op, &causal2, attention_from},
    {"attention_full", &vw_attention_op, &full3, &vw_attention_grad_op, &full3, attention_from},
    {"attention_padded", &vw_attention_op, &full2, &vw_attention_grad_op, &full2, attention_from},
    {"attention_suffix", &vw_attention_op, &causal2, &vw_attention_grad_op, &causal2, attention_from},
    {"select_row", &vw_select_row_op, NULL, &vw_select_row_grad_op, &select7, "d i1"},
    {"l2norm", &vw_l2norm_op, NULL, &vw_l2norm_grad_op, NULL, "d o0 o1"},
    {"take", &vw_take_op, NULL, NULL, NULL, NULL},
    {"patch_embed", &vw_patch_embed_op, NULL, NULL, NULL, NULL},
};

static const fixture_case picture_cases[] = {
    {"take_shared", &vw_take_op, NULL, &vw_take_grad_op, &take3, "d i1"},
    {"group_norm_one", &vw_group_norm_op, &norm1, &vw_group_norm_grad_op, &norm1, group_norm_from},
    {"group_norm_odd", &vw_group_norm_op, &norm3, &vw_group_norm_grad_op, &norm3, group_norm_from},
    {"group_norm_32", &vw_group_norm_op, &norm32, &vw_group_norm_grad_op, &norm32, group_norm_from},
    {"silu", &vw_activate_op, &silu_act, &vw_activate_grad_op, &silu_act, "d i0"},
    {"gelu", &vw_activate_op, &gelu_act, &vw_activate_grad_op, &gelu_act, "d i0"},
    {"geglu", &vw_geglu_op, NULL, &vw_geglu_grad_op, NULL, "d i0"},
    {"upsample_twice", &vw_upsample_nearest_op, &to_6_10, &vw_upsample_nearest_grad_op, &from_3_5, "d"},
    {"upsample_odd", &vw_upsample_nearest_op, &to_5_7, &vw_upsample_nearest_grad_op, &from_3_4, "d"},
    {"concat", &vw_concat_op, NULL, &vw_channels_op, &first_5, "d"},
    {"cross_attention", &vw_cross_attention_op, &cross2, &vw_cross_attention_grad_op, &cross2, "d i0 i1 i2 o0 o1"},
    {"conv2d_same", &vw_conv2d_op, &conv_same, &vw_conv2d_grad_op, &conv_same, "d i1"},
    {"conv2d_half", &vw_conv2d_op, &conv_half, &vw_conv2d_grad_op, &conv_half, "d i1"},
    {"conv2d_corner", &vw_conv2d_op, &conv_corner, &vw_conv2d_grad_op, &conv_corner, "d i1"},
    {"conv2d_point", &vw_conv2d_op, &conv_point, &vw_conv2d_grad_op, &conv_point, "d i1"},
};

static const vw_unit_rows_attr eps6 = {1e-6};
static const vw_patch_logits_attr three_quarters = {.75}, whole = {1};
static const vw_focal_loss_attr quarter = {.25};
static const vw_match_patches_attr match_quarter = {.25};
static const char patch_logits_from[] = "d i1 i3 i4", focal_from[] = "d i0 i1 i2 i3 i4";

static const fixture_case detection_cases[] = {
    {"class_merge", &vw_class_merge_op, NULL, NULL, NULL, NULL},
    {"unit_rows", &vw_unit_rows_op, &eps6, NULL, NULL, NULL},
    {"elu_plus", &vw_elu_plus_op, NULL, NULL, NULL, NULL},
    {"grid_box", &vw_grid_box_op, NULL, NULL, NULL, NULL},
    {"patch_logits", &vw_patch_logits_op, &three_quarters, &vw_patch_logits_grad_op, &three_quarters,
     patch_logits_from},
    {"patch_logits_rows", &vw_patch_logits_op, &whole, &vw_patch_logits_grad_op, &whole, patch_logits_from},
    {"focal_loss", &vw_focal_loss_op, &quarter, &vw_focal_loss_grad_op, &quarter, focal_from},
    {"focal_loss_rows", &vw_focal_loss_op, &quarter, &vw_focal_loss_grad_op, &quarter, focal_from},
    {"match_patches", &vw_match_patches_op, &match_quarter, NULL, NULL, NULL},
    {"match_patches_rows", &vw_match_patches_op, &match_quarter, NULL, NULL, NULL},
};

/* The tensor <case>.<part><i>, or an absent one. */
static vw_tensor find(const vw_safetensors *file, const char *name, const char *part, int i) {
  char key[128];
  vw_tensor t = {0};
  (void)snprintf(key, sizeof key, i < 0 ? "%s.%s" : "%s.%s%d", name, part, i);
  if (vw_safetensors_has(file, key)) assert_ok(vw_safetensors_find(file, key, &t));
  return t;
}

static void near_fixture(const fixture_case *c, const char *part, const vw_tensor *got, const vw_tensor *expected) {
  char what[128];
  (void)snprintf(what, sizeof what, "%s: %s", c->name, part);
  if (!vw_same_shape(got, expected))
    fail_msg("%s is %s, the fixture %s", what, vw_shape_text(got), vw_shape_text(expected));
  if (got->dtype == VW_I32)
    assert_memory_equal(got->data, expected->data, vw_bytes(got));
  else
    vw_assert_near(what, vw_f64(got), vw_f64(expected), vw_count(got), tol);
}

static void check_gradient(const fixture_case *c, const vw_safetensors *file, const vw_tensor *in,
                           const vw_tensor *out) {
  vw_tensor grad_in[VW_MAX_IN] = {0}, dx[VW_MAX_OUT];
  int n = 0;
  for (const char *p = c->from; *p; p++) {
    if (*p == 'd') grad_in[n++] = find(file, c->name, "dy", -1);
    if (*p == 'i') grad_in[n++] = in[p[1] - '0'];
    if (*p == 'o') grad_in[n] = out[p[1] - '0'], n += 1;
  }
  if (c->op == &vw_linear_op && vw_count(&out[LINEAR_Z]) == 0) grad_in[LINEAR_GRAD_Z] = (vw_tensor){0};
  assert_int_equal(n, c->grad->n_in);
  vw_op_run(VW_REF, 1, c->grad, c->grad_attr, grad_in, dx);
  for (int i = 0; i < c->grad->n_out; i++) {
    const vw_tensor expected = i ? find(file, c->name, "grad", i) : find(file, c->name, "grad", -1);
    near_fixture(c, "gradient", &dx[i], &expected);
  }
  vw_op_free(dx, c->grad->n_out);
}

static void check_cases(const char *path, const fixture_case *list, size_t n_cases) {
  vw_safetensors *file = NULL;
  assert_ok(vw_safetensors_open(&file, vw_test_path(path)));
  for (size_t j = 0; j < n_cases; j++) {
    const fixture_case *c = &list[j];
    vw_tensor in[VW_MAX_IN] = {0}, out[VW_MAX_OUT] = {0};
    for (int i = 0; i < c->op->n_in; i++) in[i] = find(file, c->name, "in", i);
    assert_true(vw_present(&in[0]));
    vw_op_run(VW_REF, 1, c->op, c->attr, in, out);
    for (int i = 0; i < c->op->n_out; i++) {
      const vw_tensor expected = find(file, c->name, "out", i);
      if (vw_count(&out[i])) near_fixture(c, "output", &out[i], &expected);
    }
    if (c->grad) check_gradient(c, file, in, out);
    vw_op_free(out, c->op->n_out);
  }
  vw_safetensors_close(file);
}

static void ref_follows_pytorch(void **state) {
  (void)state;
  check_cases("reference/fixtures/ops.safetensors", cases, sizeof cases / sizeof *cases);
}

static void ref_follows_pytorch_on_pictures(void **state) {
  (void)state;
  check_cases("reference/fixtures/picture_ops.safetensors", picture_cases,
              sizeof picture_cases / sizeof *picture_cases);
}

static void ref_follows_pytorch_on_detection(void **state) {
  (void)state;
  check_cases("reference/fixtures/detection_ops.safetensors", detection_cases,
              sizeof detection_cases / sizeof *detection_cases);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ref_follows_pytorch),
                                     cmocka_unit_test(ref_follows_pytorch_on_pictures),
                                     cmocka_unit_test(ref_follows_pytorch_on_detection)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
