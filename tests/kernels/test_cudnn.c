/* Convolutions and attention on cuDNN: what the backend asks of the library, when it takes its own kernels instead, and
 * what stands in the plan. On an emulated device with a stand-in for the library (tests/emulator/fake_cudnn.cpp); on a
 * GPU with the one that VISWORDS_CUDNN_LIBRARY or the system names. */
#include "tests/support/program.h"

#include "kernels/algorithms.h"
#include "kernels/attention.h"
#include "kernels/conv2d.h"
#include "kernels/cross_attention.h"
#include "kernels/libraries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef VW_FAKE_CUDNN
#define VW_FAKE_CUDNN ""
#endif

static const char fake[] = VW_FAKE_CUDNN; /* "": none */

/* Opens the device and the library; FAKE_CUDNN says what is wrong with it ("": nothing). */
static void open_or_skip(vw_context *ctx, const char *wrong) {
  assert_int_equal(setenv("FAKE_CUDNN", wrong, 1), 0);
  if (*fake) assert_int_equal(setenv("VISWORDS_CUDNN_LIBRARY", fake, 1), 0);
  if (vw_context_open(ctx, VW_CUDA, 1, 0) == VW_OK) {
    char kernels[128];
    assert_ok(vw_context_set_precision(ctx, VW_COMPUTE_BF16));
    assert_ok(vw_libraries_for_convolutions(ctx));
    vw_kernel_set(ctx, kernels);
    if (strstr(kernels, " cudnn-")) return;
    assert_int_equal(*fake, 0);
  }
  vw_context_close(ctx);
  print_message("skipped: %s\n", vw_error_message());
  skip();
}

/* False: the library is the real one, whose engines nobody knows. */
static bool open_fake(vw_context *ctx, const char *wrong) {
  if (*fake) open_or_skip(ctx, wrong);
  return *fake != 0;
}

/* ---- graphs: every one has an output "y" and the gradients of its inputs "x" (and "kv") */

enum { B = 2, H = 6, W = 5, C = 16, O = 24, T = 256, HEADS = 2, D = 8, J = 5, K = 2 };

static vw_value gradients(vw_graph *g, vw_value y, const vw_value *inputs, const char *const *names, int n) {
  const vw_tensor t = vw_value_tensor(g, y);
  vw_value grad[2] = {VW_NONE, VW_NONE};
  vw_output(g, y, "y");
  assert_ok(vw_reverse_from(g, y, vw_input(g, t, "dy"), inputs, n, grad));
  for (int i = 0; i < n; i++) vw_output(g, grad[i], "d%s", names[i]);
  return y;
}

static void convolution(vw_graph *g, int64_t side, int64_t stride) {
  const int64_t edge = side / 2, Ho = (H + 2 * edge - side) / stride + 1, Wo = (W + 2 * edge - side) / stride + 1;
  const vw_value x = vw_input(g, vw_shape(VW_ACT, B, H, W, C), "x");
  const vw_conv2d_inputs in = {.weight = vw_weight(g, vw_shape(VW_PARAM, O, C, side, side), "w"),
                               .bias = vw_weight(g, vw_shape(VW_PARAM, O), "bias"),
                               .shift = vw_input(g, vw_shape(VW_ACT, B, O), "shift"),
                               .residual = vw_input(g, vw_shape(VW_RESIDUAL, B, Ho, Wo, O), "residual")};
  const vw_value y = vw_conv2d(g, x, in, stride, (vw_padding){edge, edge, edge, edge}, VW_RESIDUAL);
  (void)gradients(g, y, &x, (const char *const[]){"x"}, 1);
}

static void three_by_three(vw_graph *g) {
  convolution(g, 3, 1);
}
static void halving(vw_graph *g) {
  convolution(g, 3, 2);
}
static void point(vw_graph *g) {
  convolution(g, 1, 1);
}

static void self_attention(vw_graph *g) {
  const vw_attention_rows all = {VW_NONE, VW_NONE, VW_NONE, VW_NONE, false};
  const vw_value x = vw_input(g, vw_shape(VW_ACT, 1, T, 3 * HEADS * D), "x");
  (void)gradients(g, vw_attention(g, x, HEADS, false, all), &x, (const char *const[]){"x"}, 1);
}

/* Three rows read texts 1, 0, 1. */
static void cross_attention(vw_graph *g) {
  const vw_value x = vw_input(g, vw_shape(VW_ACT, 3, T, HEADS * D), "x"),
                 kv = vw_input(g, vw_shape(VW_ACT, K, J, 2 * HEADS * D), "kv"),
                 row = vw_input(g, vw_shape(VW_I32, 3), "row");
  (void)gradients(g, vw_cross_attention(g, x, kv, row, HEADS), (vw_value[]){x, kv}, (const char *const[]){"x", "kv"},
                  2);
}

/* The keys' gradient alone: before them nothing depends on a word. */
static void first_cross_attention(vw_graph *g) {
  const vw_value x = vw_input(g, vw_shape(VW_ACT, 3, T, HEADS * D), "x"),
                 kv = vw_input(g, vw_shape(VW_ACT, K, J, 2 * HEADS * D), "kv"),
                 row = vw_input(g, vw_shape(VW_I32, 3), "row");
  (void)gradients(g, vw_cross_attention(g, x, kv, row, HEADS), &kv, (const char *const[]){"kv"}, 1);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

typedef void (*describe)(vw_graph *g);

static double *output_of(vw_program *p, const vw_graph *g, const char *name, int64_t *n) {
  const vw_value v = vw_find(g, name);
  if (v == VW_NONE) return NULL;
  const vw_tensor t = vw_value_tensor(g, v);
  double *x = malloc((size_t)vw_count(&t) * sizeof *x);
  assert_non_null(x);
  vw_test_read(p, g, name, x);
  *n = vw_count(&t);
  return x;
}

/* Numbers that bf16 holds exactly, so that all backends start from the same. */
static void write_short(vw_program *p, const vw_graph *g, vw_value v, uint64_t seed) {
  vw_tensor t = vw_value_tensor(g, v);
  const int64_t n = vw_count(&t);
  double *x = malloc((size_t)n * sizeof *x);
  assert_non_null(x);
  vw_test_fill(x, n, seed);
  for (int64_t i = 0; i < n; i++) x[i] = round(x[i] * 64) / 64;
  t.dtype = VW_F64, t.data = x;
  assert_ok(vw_program_write(p, v, &t));
  free(x);
}

static void write_leaves(vw_program *p, const vw_graph *g) {
  int32_t rows[] = {1, 0, 1};
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    vw_tensor t = leaf.tensor;
    t.data = rows;
    if (leaf.tensor.dtype == VW_I32)
      assert_ok(vw_program_write(p, leaf.value, &t));
    else
      write_short(p, g, leaf.value, (uint64_t)i + 1);
  }
}

static vw_status run(vw_context *ctx, const vw_policy *policy, describe emit, double *out[3], int64_t n[3]) {
  static const char *const names[] = {"y", "dx", "dkv"};
  vw_graph *g = NULL;
  vw_program *p = NULL;
  assert_ok(vw_graph_create(&g));
  emit(g);
  assert_ok(vw_graph_status(g));
  vw_status st = vw_program_create(&p, g, ctx, policy);
  if (st == VW_OK) write_leaves(p, g);
  if (st == VW_OK) st = vw_program_prepare(p);
  if (st == VW_OK) {
    assert_ok(vw_program_run(p));
    for (int i = 0; i < 3; i++) out[i] = output_of(p, g, names[i], &n[i]);
  }
  vw_program_destroy(p);
  vw_graph_destroy(g);
  return st;
}

static vw_policy all_bf16(void) {
  vw_policy policy = vw_bf16_policy();
  policy.residual = VW_BF16;
  return policy;
}

/* Three roundings to 8 bits on the way (the sum, what is added, probabilities before their product), half a unit each,
 * where sums of some hundred products are at most ten times their typical size. */
static void check_graph(vw_context *ctx, describe emit) {
  const vw_policy policy = all_bf16();
  double *got[3] = {0}, *want[3] = {0};
  int64_t n[3] = {0};
  vw_context ref;
  assert_ok(vw_context_open(&ref, VW_REF, 1, 0));
  assert_ok(run(&ref, NULL, emit, want, n));
  assert_ok(run(ctx, &policy, emit, got, n));
  for (int i = 0; i < 3; i++) {
    double error = 0, size = 0;
    assert_int_equal(got[i] == NULL, want[i] == NULL);
    for (int64_t j = 0; got[i] && j < n[i]; j++)
      error += (got[i][j] - want[i][j]) * (got[i][j] - want[i][j]), size += want[i][j] * want[i][j];
    if (!(sqrt(error) <= 3 * 0x1p-9 * 1.5 * sqrt(size)))
      fail_msg("result %d: of length %.4g, differs by %.4g", i, sqrt(size), sqrt(error));
    free(got[i]), free(want[i]);
  }
  vw_context_close(&ref);
}

static char *text_of(const vw_context *ctx) {
  char *text = NULL;
  assert_ok(vw_algorithms_text(ctx, &text));
  return text;
}

static const describe graphs[] = {three_by_three, halving,         point,
                                  self_attention, cross_attention, first_cross_attention};
enum { GRAPHS = sizeof graphs / sizeof *graphs };

static void the_library_computes_what_ref_does(void **state) {
  (void)state;
  vw_context ctx;
  open_or_skip(&ctx, "");
  for (int i = 0; i < GRAPHS; i++) check_graph(&ctx, graphs[i]);
  vw_context_close(&ctx);
}

/* What is compiled at run time serves attention alone; what does not repeat bit for bit serves nothing. */
static const char record[] = "cudnn convolve 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 9 knob 2 5\n"
                             "cudnn convolve_back 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 9 knob 2 5\n"
                             "cudnn attend 1x2x256x256x8 rows 48 48: engine 8 knob 2 5\n"
                             "cudnn attend_back 1x2x256x256x8 rows 48 48: engine 8 knob 2 5\n";

static void choices_are_recorded_and_obeyed(void **state) {
  (void)state;
  vw_context ctx;
  if (!open_fake(&ctx, "")) return;
  check_graph(&ctx, three_by_three), check_graph(&ctx, self_attention);
  char *text = text_of(&ctx);
  assert_string_equal(text, record);
  assert_ok(vw_algorithms_obey(&ctx, text));
  free(text);
  check_graph(&ctx, three_by_three), check_graph(&ctx, self_attention);
  text = text_of(&ctx);
  assert_string_equal(text, record);
  free(text);
  static const char *const bad[] = {"cudnn convolve",
                                    "cudnn k: engine",
                                    "cudnn k: engine 9 knob 2",
                                    "cudnn k: engine 9 knob 2 5 more",
                                    "cudnn k: engine 9 knob 2 x",
                                    "cudnn k: engine 9\ncudnn k: engine 9"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(vw_algorithms_obey(&ctx, bad[i]), VW_ERR_INPUT);
  /* an engine that the library does not have */
  const vw_policy policy = all_bf16();
  double *out[3] = {0};
  int64_t n[3] = {0};
  assert_ok(vw_algorithms_obey(&ctx, "cudnn convolve 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 99 knob 2 5\n"));
  assert_int_equal(run(&ctx, &policy, three_by_three, out, n), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "engine 99, recorded for 'convolve 2x6x5x16"));
  vw_context_close(&ctx);
}

/* Timed: the fastest engine that computes the right thing, and the same bits in each of its runs. Obeyed, it runs again
 * and nothing is timed. */
static void timed_engines_race(void **state) {
  (void)state;
  static const char *const wrongs[] = {"", "wrong"};
  for (int w = 0; w < 2; w++) {
    vw_context ctx;
    if (!open_fake(&ctx, wrongs[w])) return;
    vw_algorithms_time(&ctx, true);
    check_graph(&ctx, three_by_three), check_graph(&ctx, self_attention);
    char *text = text_of(&ctx);
    int lines = 0;
    for (const char *at = text; (at = strstr(at, ": engine ")); at++, lines++)
      assert_memory_equal(at, ": engine 10 knob 2 5\n", 21);
    assert_int_equal(lines, 4);
    assert_ok(vw_algorithms_obey(&ctx, text));
    check_graph(&ctx, three_by_three), check_graph(&ctx, self_attention);
    char *again = text_of(&ctx);
    assert_string_equal(again, text);
    free(text), free(again);
    vw_context_close(&ctx);
  }
}

/* Few keys have an own kernel that is as fast: the library runs where a plan records it, or when it wins a race. Here
 * own kernels take no time. */
static void few_keys_take_the_own_kernel(void **state) {
  (void)state;
  static const char own[] = "cudnn attend 3x2x256x5x8 rows 16 32: engine -1\n"
                            "cudnn attend_back 3x2x256x5x8 rows 16 32: engine -1\n",
                    recorded[] = "cudnn attend 3x2x256x5x8 rows 16 32: engine 9 knob 2 5\n"
                                 "cudnn attend_back 3x2x256x5x8 rows 16 32: engine 9 knob 2 5\n";
  vw_context ctx;
  if (!open_fake(&ctx, "")) return;
  check_graph(&ctx, cross_attention), check_graph(&ctx, first_cross_attention);
  char *text = text_of(&ctx);
  assert_string_equal(text, "");
  free(text);
  vw_algorithms_time(&ctx, true);
  check_graph(&ctx, cross_attention);
  text = text_of(&ctx);
  assert_string_equal(text, own);
  assert_ok(vw_algorithms_obey(&ctx, text));
  free(text);
  check_graph(&ctx, cross_attention);
  assert_ok(vw_algorithms_obey(&ctx, recorded));
  check_graph(&ctx, cross_attention), check_graph(&ctx, first_cross_attention);
  text = text_of(&ctx);
  assert_string_equal(text, recorded);
  free(text);
  vw_context_close(&ctx);
}

/* A plan that starts from engine 9 does not race; one that starts from an engine that is not there does. */
static void earlier_engines_are_taken(void **state) {
  (void)state;
  static const char known[] = "cudnn convolve 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 9 knob 2 5\n"
                              "cudnn convolve_back 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 99 knob 2 5\n"
                              "cudnn attend 9x9x256x256x8 rows 48 48: engine 8 knob 2 5\n";
  vw_context ctx;
  if (!open_fake(&ctx, "")) return;
  assert_ok(vw_algorithms_start(&ctx, known));
  vw_algorithms_time(&ctx, true);
  check_graph(&ctx, three_by_three);
  char *text = text_of(&ctx);
  assert_string_equal(text, "cudnn convolve 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 9 knob 2 5\n"
                            "cudnn convolve_back 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine 10 knob 2 5\n");
  free(text);
  vw_context_close(&ctx);
}

/* A library that is wrong at a shape is found out, and an own kernel runs; where a plan insists it is an error. */
static void a_wrong_library_is_found_out(void **state) {
  (void)state;
  const vw_policy policy = all_bf16();
  double *out[3] = {0};
  int64_t n[3] = {0};
  vw_context ctx;
  if (!open_fake(&ctx, "wrong")) return;
  check_graph(&ctx, three_by_three);
  char *text = text_of(&ctx);
  assert_non_null(strstr(text, "cudnn convolve 2x6x5x16 24 side 3 stride 1 pad 1 1 1 1: engine -1\n"));
  assert_ok(vw_algorithms_obey(&ctx, text)); /* none is a choice too */
  free(text);
  check_graph(&ctx, three_by_three);
  assert_ok(vw_algorithms_obey(&ctx, record));
  assert_int_equal(run(&ctx, &policy, three_by_three, out, n), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "gives other results here"));
  vw_context_close(&ctx);
}

static void a_library_that_does_not_work_is_named(void **state) {
  (void)state;
  vw_context ctx;
  if (!*fake) return;
  assert_int_equal(setenv("FAKE_CUDNN", "absent", 1), 0);
  assert_int_equal(setenv("VISWORDS_CUDNN_LIBRARY", fake, 1), 0);
  assert_ok(vw_context_open(&ctx, VW_CUDA, 1, 0));
  assert_int_equal(vw_libraries_for_convolutions(&ctx), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "does not work here"));
  vw_context_close(&ctx);
  /* without one, own kernels; the kernel set does not name it */
  char kernels[128];
  assert_int_equal(setenv("VISWORDS_CUDNN_LIBRARY", "none", 1), 0);
  assert_ok(vw_context_open(&ctx, VW_CUDA, 1, 0));
  vw_kernel_set(&ctx, kernels);
  assert_null(strstr(kernels, "cudnn"));
  vw_context_close(&ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_library_computes_what_ref_does),
      cmocka_unit_test(choices_are_recorded_and_obeyed),
      cmocka_unit_test(timed_engines_race),
      cmocka_unit_test(few_keys_take_the_own_kernel),
      cmocka_unit_test(earlier_engines_are_taken),
      cmocka_unit_test(a_wrong_library_is_found_out),
      cmocka_unit_test(a_library_that_does_not_work_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
