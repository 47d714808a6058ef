/* Ops of diffusion beside a network's: `ref` against diffusers and PyTorch (tests/reference/diffusion_ops.py), cpu (and
 * cuda) against ref, gradients against central differences.
 *
 * Tolerances as in test_picture_ops.c: SUM(K) for sums of K terms; a handful of roundings: SUM(16). */
#include "tests/support/op_test.h"

#include "core/random.h"
#include "io/safetensors.h"
#include "kernels/diffuse.h"
#include "kernels/draw_normal.h"
#include "kernels/mse.h"
#include "kernels/timestep_embedding.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUM(k)             (4 * FLT_EPSILON * sqrt((double)(k)))
#define LENGTH(a)          ((int)(sizeof(a) / sizeof *(a)))
#define X(...)             VW_INPUT(VW_ACT, -1, 1, __VA_ARGS__)
#define H(...)             VW_INPUT(VW_HEAD, -1, 1, __VA_ARGS__)
#define INDEX(lo, hi, ...) VW_INPUT(VW_I32, lo, hi, __VA_ARGS__)

static const vw_timestep_attr cosine12 = {12, true, 0, 10000}, sine10 = {10, false, 1, 10000},
                              cosine320 = {320, true, 0, 10000};
static const vw_mix_attr to_act = {VW_ACT}, to_head = {VW_HEAD};
static const vw_sample_moments_attr sd = {0.18215};
static const vw_mse_attr two = {2, 0}, slice = {3, 4}, one = {1, 0};

/* Both sides round in double. */
static const double tol = 1e-10;

static vw_tensor find(const vw_safetensors *file, const char *name, const char *part) {
  char key[128];
  vw_tensor t = {0};
  (void)snprintf(key, sizeof key, "%s.%s", name, part);
  if (vw_safetensors_has(file, key)) assert_ok(vw_safetensors_find(file, key, &t));
  return t;
}

static void near_fixture(const char *name, const vw_tensor *got, const vw_tensor *expected) {
  if (!vw_same_shape(got, expected))
    fail_msg("%s is %s, the fixture %s", name, vw_shape_text(got), vw_shape_text(expected));
  vw_assert_near(name, vw_f64(got), vw_f64(expected), vw_count(got), tol);
}

static void ref_follows_diffusers(void **state) {
  (void)state;
  static const struct {
    const char *name;
    const vw_op *op;
    const void *attr;
    const vw_op *grad;
  } cases[] = {{"timestep_cosine", &vw_timestep_embedding_op, &cosine12, NULL},
               {"timestep_sine", &vw_timestep_embedding_op, &sine10, NULL},
               {"mix_noise", &vw_mix_op, &to_act, NULL},
               {"mix_velocity", &vw_mix_op, &to_head, NULL},
               {"sample_moments", &vw_sample_moments_op, &sd, NULL},
               {"mse", &vw_mse_op, &two, &vw_mse_grad_op},
               {"mse_slice", &vw_mse_op, &slice, &vw_mse_grad_op}};
  static const char *const part[] = {"in0", "in1", "in2", "in3"};
  vw_safetensors *file = NULL;
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/diffusion_ops.safetensors")));
  for (int j = 0; j < LENGTH(cases); j++) {
    vw_tensor in[VW_MAX_IN] = {0}, out, dx, expected = find(file, cases[j].name, "out0");
    for (int i = 0; i < cases[j].op->n_in; i++) in[i] = find(file, cases[j].name, part[i]);
    assert_true(vw_present(&in[0]) && vw_present(&expected));
    vw_op_run(VW_REF, 1, cases[j].op, cases[j].attr, in, &out);
    near_fixture(cases[j].name, &out, &expected);
    vw_op_free(&out, 1);
    if (!cases[j].grad) continue;
    const vw_tensor grad_in[] = {find(file, cases[j].name, "dy"), in[0], in[1]};
    expected = find(file, cases[j].name, "grad");
    vw_op_run(VW_REF, 1, cases[j].grad, cases[j].attr, grad_in, &dx);
    near_fixture(cases[j].name, &dx, &expected);
    vw_op_free(&dx, 1);
  }
  vw_safetensors_close(file);
}

static const vw_draw_normal_attr row35 = {2, {5, 7}, VW_DRAW_NOISE}, row1 = {1, {1}, VW_DRAW_LATENT},
                                 latent = {3, {16, 16, 4}, VW_DRAW_LATENT},
                                 after = {4, {2, 5, 3, 3}, VW_DRAW_NOISE, 90, 15, 3},
                                 cut = {4, {3, 1, 5, 1}, VW_DRAW_NOISE, 7, 5, 1};
#define KEYS(n) VW_INPUT(VW_U32, 0, 1e9, n, 2)
#define STEP    VW_INPUT(VW_I64, 0, 1e6, 1)

static void backends_agree(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"timestep_12", &vw_timestep_embedding_op, &cosine12, {INDEX(0, 999, 5)}, SUM(16), 0},
      {"timestep_10", &vw_timestep_embedding_op, &sine10, {INDEX(0, 999, 3)}, SUM(16), 0},
      {"timestep_320", &vw_timestep_embedding_op, &cosine320, {INDEX(0, 999, 9)}, SUM(16), 0},
      {"mix", &vw_mix_op, &to_act, {X(3, 5, 7), X(3, 5, 7), H(10, 2), INDEX(0, 9, 3)}, SUM(16), 0},
      {"mix_one", &vw_mix_op, &to_head, {H(1, 1), X(1, 1), H(1, 2), INDEX(0, 0, 1)}, SUM(16), 0},
      {"mix_64", &vw_mix_op, &to_act, {H(4, 64, 64, 4), H(4, 64, 64, 4), H(1000, 2), INDEX(0, 999, 4)}, SUM(16), 0},
      {"moments", &vw_sample_moments_op, &sd, {X(2, 3, 5, 8), H(2, 3, 5, 4)}, SUM(16), 0},
      {"moments_cut", &vw_sample_moments_op, &sd, {VW_INPUT(VW_HEAD, -60, 18, 3, 33, 6), H(3, 33, 3)}, SUM(16), 0},
      {"mse", &vw_mse_op, &two, {X(6, 3, 5), X(6, 3, 5)}, SUM(45), 1},
      {"mse_slice", &vw_mse_op, &slice, {X(6, 7), H(6, 7)}, SUM(14), 1},
      {"mse_64", &vw_mse_op, &one, {H(2, 64, 64, 4), H(2, 64, 64, 4)}, SUM(32768), 0},
      {"mse_grad", &vw_mse_grad_op, &two, {H(2), X(6, 3, 5), X(6, 3, 5)}, SUM(16), 0},
      {"mse_grad_slice", &vw_mse_grad_op, &slice, {H(3), H(6, 700), H(6, 700)}, SUM(16), 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
  vw_op_cases_agree_bf16(cases, LENGTH(cases), 1); /* the result */
}

/* The same bits on every backend: the tolerance is zero. */
static void noise_is_the_same_everywhere(void **state) {
  (void)state;
  const vw_op_case cases[] = {
      {"odd", &vw_draw_normal_op, &row35, {KEYS(3), STEP}, 0, 0},
      {"one", &vw_draw_normal_op, &row1, {KEYS(2), STEP}, 0, 0},
      {"latent", &vw_draw_normal_op, &latent, {KEYS(2), STEP}, 0, 0},
      {"later", &vw_draw_normal_op, &after, {KEYS(2), STEP}, 0, 0},
      {"cut", &vw_draw_normal_op, &cut, {KEYS(3), STEP}, 0, 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
}

/* Latents are numbered C, H, W in each sample, and those of later samples are the same when they are drawn alone. */
static void latents_are_numbered_by_channel(void **state) {
  (void)state;
  enum { S = 3, H = 3, W = 5, C = 3, N = H * W * C };
  uint32_t key[] = {7, 9};
  int64_t step = 3;
  vw_tensor in[] = {vw_shape(VW_U32, 1, 2), vw_shape(VW_I64, 1)}, plain, all, last;
  in[0].data = key, in[1].data = &step;
  vw_op_run(VW_CPU, 1, &vw_draw_normal_op, &(vw_draw_normal_attr){1, {S * N}, VW_DRAW_NOISE}, in, &plain);
  vw_op_run(VW_CPU, 1, &vw_draw_normal_op, &(vw_draw_normal_attr){4, {S, H, W, C}, VW_DRAW_NOISE, 0, H * W, C}, in,
            &all);
  vw_op_run(VW_CPU, 1, &vw_draw_normal_op, &(vw_draw_normal_attr){4, {1, H, W, C}, VW_DRAW_NOISE, 2 * N, H * W, C}, in,
            &last);
  const double *x = vw_f64(&plain), *y = vw_f64(&all);
  for (int s = 0; s < S; s++)
    for (int c = 0; c < C; c++)
      for (int p = 0; p < H * W; p++) assert_true(y[s * N + p * C + c] == x[s * N + c * H * W + p]);
  assert_memory_equal(vw_f64(&last), y + 2 * N, N * sizeof *y);
  vw_op_free(&plain, 1), vw_op_free(&all, 1), vw_op_free(&last, 1);
}

/* Equal keys give equal rows; other keys, steps and purposes other noise; a long row has mean 0 and deviation 1 within
 * five standard errors. */
static void noise_is_shared_and_standard(void **state) {
  (void)state;
  enum { S = 40000 };
  uint32_t key[] = {7, 9, 7, 9, 8, 9};
  int64_t step = 3, next = 4;
  vw_tensor in[] = {vw_shape(VW_U32, 3, 2), vw_shape(VW_I64, 1)}, out, later, other;
  vw_draw_normal_attr attr = {1, {S}, VW_DRAW_NOISE}, posterior = {1, {S}, VW_DRAW_POSTERIOR};
  in[0].data = key, in[1].data = &step;
  vw_op_run(VW_CPU, 2, &vw_draw_normal_op, &attr, in, &out);
  vw_op_run(VW_CPU, 2, &vw_draw_normal_op, &posterior, in, &other);
  in[1].data = &next;
  vw_op_run(VW_CPU, 2, &vw_draw_normal_op, &attr, in, &later);
  const double *y = vw_f64(&out);
  assert_memory_equal(y, y + S, S * sizeof *y);
  assert_memory_not_equal(y, y + 2 * S, S * sizeof *y);
  assert_memory_not_equal(y, vw_f64(&later), S * sizeof *y);
  assert_memory_not_equal(y, vw_f64(&other), S * sizeof *y);
  double sum = 0, squares = 0;
  for (int i = 0; i < S; i++) sum += y[i], squares += y[i] * y[i];
  assert_true(fabs(sum / S) < 5 / sqrt(S) && fabs(squares / S - 1) < 5 * sqrt(2.0 / S));
  vw_op_free(&out, 1), vw_op_free(&later, 1), vw_op_free(&other, 1);
}

static void contracts_refuse(void **state) {
  (void)state;
#define A(...) vw_shape(VW_ACT, __VA_ARGS__)
#define I(n)   vw_shape(VW_I32, n)
  vw_op_refused(&vw_timestep_embedding_op, &cosine12, (vw_tensor[]){A(3)}, "expected i32 [B]");
  vw_op_refused(&vw_timestep_embedding_op, &(vw_timestep_attr){7, true, 0, 10000}, (vw_tensor[]){I(3)}, "even");
  vw_op_refused(&vw_timestep_embedding_op, &(vw_timestep_attr){8, true, 4, 10000}, (vw_tensor[]){I(3)}, "shift 4");
  vw_op_refused(&vw_mix_op, &to_act, (vw_tensor[]){A(2, 3), A(2, 4), A(9, 2), I(2)}, "c is [2, 4]");
  vw_op_refused(&vw_mix_op, &to_act, (vw_tensor[]){A(2, 3), A(2, 3), A(9, 3), I(2)}, "expected [N, 2]");
  vw_op_refused(&vw_mix_op, &to_act, (vw_tensor[]){A(2, 3), A(2, 3), A(9, 2), I(3)}, "expected i32 [2]");
  vw_op_refused(&vw_sample_moments_op, &sd, (vw_tensor[]){A(2, 3, 4), A(2, 3, 4)}, "expected [2, 3, 8]");
  vw_op_refused(&vw_mse_op, &two, (vw_tensor[]){A(3, 4), A(3, 4)}, "not those of 2 trials");
  vw_op_refused(&vw_mse_op, &(vw_mse_attr){1, 2}, (vw_tensor[]){A(3, 4), A(3, 4)}, "of a step's 2");
  vw_op_refused(&vw_mse_grad_op, &two, (vw_tensor[]){A(3), A(4, 4), A(4, 4)}, "expected [2]");
  vw_op_refused(&vw_draw_normal_op, &row35, (vw_tensor[]){I(3), vw_shape(VW_I64, 1)}, "must be u32 [B, 2]");
  vw_op_refused(&vw_draw_normal_op, &(vw_draw_normal_attr){0, {0}, 1},
                (vw_tensor[]){vw_shape(VW_U32, 3, 2), vw_shape(VW_I64, 1)}, "0 dimensions");
  vw_op_refused(&vw_draw_normal_op, &(vw_draw_normal_attr){1, {7}, VW_DRAW_NOISE, 0, 2, 3},
                (vw_tensor[]){vw_shape(VW_U32, 3, 2), vw_shape(VW_I64, 1)}, "are not latents of 2 x 3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ref_follows_diffusers),        cmocka_unit_test(backends_agree),
      cmocka_unit_test(noise_is_the_same_everywhere), cmocka_unit_test(latents_are_numbered_by_channel),
      cmocka_unit_test(noise_is_shared_and_standard), cmocka_unit_test(contracts_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
