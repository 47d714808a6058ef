/* Which algorithm a product runs: the first suggestion unless asked, the fastest when timed, the recorded one when
 * obeyed; and TF32, which products may round to it. Needs a device or the emulated one, whose eight algorithms are 10
 * to 17 and whose clock makes 12 the fastest. */
#include "tests/support/test.h"

#include "graph/graph.h"
#include "kernels/algorithms.h"
#include "kernels/linear.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 6, K = 40, M = 24 };

static void open_or_skip(vw_context *ctx) {
  if (vw_context_open(ctx, VW_CUDA, 1, 0) == VW_OK) return;
  vw_context_close(ctx);
  print_message("skipped: %s\n", vw_error_message());
  skip();
}

/* On a GPU nobody knows the numbers of algorithms. */
static void open_emulated_or_skip(vw_context *ctx) {
  char text[128];
  open_or_skip(ctx);
  vw_kernel_set(ctx, text);
  if (strstr(text, "emulated")) return;
  vw_context_close(ctx);
  skip();
}

static void write_random(vw_program *p, const vw_graph *g, vw_value v, uint64_t seed) {
  vw_tensor t = vw_value_tensor(g, v);
  double *x = malloc((size_t)vw_count(&t) * sizeof *x);
  assert_non_null(x);
  vw_test_fill(x, vw_count(&t), seed);
  t.dtype = VW_F64, t.data = x;
  assert_ok(vw_program_write(p, v, &t));
  free(x);
}

/* Two layers of one shape, a third of another, and the gradient to x. The result: y, then dx. */
static vw_status run_layers(vw_context *ctx, vw_dtype role, double *result) {
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value grad = VW_NONE;
  assert_ok(vw_graph_create(&g));
  const vw_value x = vw_input(g, vw_shape(VW_HEAD, N, K), "x"), w = vw_input(g, vw_shape(VW_PARAM, M, K), "w"),
                 bias = vw_input(g, vw_shape(VW_PARAM, M), "bias"),
                 back = vw_input(g, vw_shape(VW_PARAM, K, M), "back");
  vw_value y = vw_linear(g, x, (vw_linear_weights){w, bias}, VW_ACT_GELU, VW_NONE, role);
  y = vw_linear(g, y, (vw_linear_weights){back, VW_NONE}, VW_ACT_NONE, VW_NONE, role);
  y = vw_linear(g, y, (vw_linear_weights){w, bias}, VW_ACT_NONE, VW_NONE, role);
  assert_ok(vw_reverse(g, y, &x, 1, &grad));
  vw_output(g, y, "y"), vw_output(g, grad, "dx");
  assert_ok(vw_graph_status(g));
  assert_ok(vw_program_create(&p, g, ctx, NULL));
  write_random(p, g, x, 1), write_random(p, g, w, 2), write_random(p, g, bias, 3), write_random(p, g, back, 4);
  const vw_status st = vw_program_prepare(p);
  if (st == VW_OK && result) {
    const vw_tensor ty = {result, VW_F64, 2, {N, M}}, tx = {result + N * M, VW_F64, 2, {N, K}};
    assert_ok(vw_program_run(p));
    assert_ok(vw_program_read(p, y, &ty));
    assert_ok(vw_program_read(p, grad, &tx));
  }
  vw_program_destroy(p);
  vw_graph_destroy(g);
  return st;
}

static char *text_of(const vw_context *ctx) {
  char *text = NULL;
  assert_ok(vw_algorithms_text(ctx, &text));
  assert_non_null(text);
  return text;
}

static const char first[] = "cublaslt forward 6x40x24 f32 f32 f32 bias: id 10 tile 15 stages 0 split 1 reduction 0 "
                            "swizzle 0 custom 0 inner 0 cluster "
                            "3\n"
                            "cublaslt forward 6x24x40 f32 f32 f32 plain: id 10 tile 15 stages 0 split 1 reduction 0 "
                            "swizzle 0 custom 0 inner 0 cluster "
                            "3\n"
                            "cublaslt gradient 6x24x40 f32 f32 f32 plain: id 10 tile 15 stages 0 split 1 reduction 0 "
                            "swizzle 0 custom 0 inner 0 cluster "
                            "3\n"
                            "cublaslt gradient 6x40x24 f32 f32 f32 plain: id 10 tile 15 stages 0 split 1 reduction 0 "
                            "swizzle 0 custom 0 inner 0 cluster "
                            "3\n";

static void the_first_suggestion_unless_asked(void **state) {
  (void)state;
  vw_context ctx;
  open_emulated_or_skip(&ctx);
  char *text = text_of(&ctx);
  assert_string_equal(text, "");
  free(text);
  assert_ok(run_layers(&ctx, VW_ACT, NULL));
  text = text_of(&ctx);
  assert_string_equal(text, first);
  free(text);
  assert_ok(run_layers(&ctx, VW_ACT, NULL)); /* a second program adds nothing */
  text = text_of(&ctx);
  assert_string_equal(text, first);
  free(text);
  vw_context_close(&ctx);
}

static int count(const char *text, const char *what) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) n++;
  return n;
}

static void the_fastest_is_recorded_and_obeyed(void **state) {
  (void)state;
  vw_context timed, resumed;
  open_emulated_or_skip(&timed);
  vw_algorithms_time(&timed, true);
  assert_ok(run_layers(&timed, VW_ACT, NULL));
  char *text = text_of(&timed);
  assert_int_equal(count(text, ": id 12 tile 17 "), 4);
  vw_context_close(&timed);

  /* a resumed run has the record, and does not time what the record lacks */
  assert_memory_equal(text, "cublaslt ", strlen("cublaslt "));
  text[strcspn(text, "\n") + 1] = 0;
  assert_ok(vw_context_open(&resumed, VW_CUDA, 1, 0));
  vw_algorithms_time(&resumed, true);
  assert_ok(vw_algorithms_obey(&resumed, text));
  assert_ok(run_layers(&resumed, VW_ACT, NULL));
  free(text);
  text = text_of(&resumed);
  assert_int_equal(count(text, ": id 12 tile 17 "), 1);
  assert_int_equal(count(text, ": id 10 tile 15 "), 3);
  free(text);
  vw_context_close(&resumed);
}

/* A new plan takes what earlier ones chose for its own products, and times the rest. What does not run here, and lines
 * that are none, are forgotten. */
static void a_plan_starts_from_earlier_ones(void **state) {
  (void)state;
  static const char known[] =
      "cublaslt forward 6x40x24 f32 f32 f32 bias: id 15 tile 20 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner "
      "0 "
      "cluster 3\n"
      "cublaslt forward 6x24x40 f32 f32 f32 plain: id 15 tile 99 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner "
      "0 "
      "cluster 3\n"
      "cublaslt forward 7x7x7 f32 f32 f32 plain: id 10 tile 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 "
      "cluster 3\n"
      "cublaslt forward 6x40x24 f32 f32 f32 bias: again\n"
      "cudnn nothing\n";
  vw_context ctx;
  open_emulated_or_skip(&ctx);
  assert_ok(vw_algorithms_start(&ctx, known));
  vw_algorithms_time(&ctx, true);
  assert_ok(run_layers(&ctx, VW_ACT, NULL));
  char *text = text_of(&ctx);
  assert_int_equal(count(text, "cublaslt "), 4);
  assert_int_equal(count(text, "forward 6x40x24 f32 f32 f32 bias: id 15 tile 20 "), 1);
  assert_int_equal(count(text, ": id 12 tile 17 "), 3);
  assert_int_equal(count(text, "7x7x7"), 0);
  free(text);
  vw_context_close(&ctx);
}

/* Plans once recorded the products of one library and did not say which. */
static void lines_without_a_library_are_cublaslt(void **state) {
  (void)state;
  static const char old[] = "forward 6x40x24 f32 f32 f32 bias: id 12 tile 17 stages 0 split 1 reduction 0 swizzle 0 "
                            "custom 0 inner 0 cluster 3\n";
  vw_context ctx;
  open_emulated_or_skip(&ctx);
  assert_ok(vw_algorithms_obey(&ctx, old));
  assert_ok(run_layers(&ctx, VW_ACT, NULL));
  char *text = text_of(&ctx);
  assert_memory_equal(text, "cublaslt ", strlen("cublaslt "));
  assert_memory_equal(text + strlen("cublaslt "), old, strlen(old));
  assert_int_equal(count(text, "cublaslt "), 4);
  assert_int_equal(count(text, ": id 12 "), 1);
  free(text);
  /* one product under both spellings is still recorded twice */
  char twice[2 * sizeof old + 16];
  (void)snprintf(twice, sizeof twice, "%scublaslt %s", old, old);
  assert_int_equal(vw_algorithms_obey(&ctx, twice), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "line 2 records 'forward 6x40x24 f32 f32 f32 bias' a second time"));
  vw_context_close(&ctx);
}

static void a_bad_record_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "forward 6x40x24 f32 f32 f32 bias",
      ": id 10 tile 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3",
      "k: id 10 tile 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0",
      "k: id 10 tile 15 stages 0 split -1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3",
      "k: id 10 tile 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 65536 cluster 3",
      "k: id 10 tile 4294967296 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3",
      "k: id 10 tile 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3 more",
      "k: tile 10 id 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3",
  };
  vw_context ctx;
  open_emulated_or_skip(&ctx);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(vw_algorithms_obey(&ctx, bad[i]), VW_ERR_INPUT);
    assert_non_null(strstr(vw_error_message(), "line 1 "));
  }
  char twice[2 * sizeof first];
  (void)snprintf(twice, sizeof twice, "%s%s", first, first);
  assert_int_equal(vw_algorithms_obey(&ctx, twice), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "line 5 records 'forward 6x40x24 f32 f32 f32 bias' a second time"));

  /* what this device cannot run: no such algorithm; a tile that it does not have */
  static const char *const foreign[] = {
      "forward 6x40x24 f32 f32 f32 bias: id 99 tile 15 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster "
      "3",
      "forward 6x40x24 f32 f32 f32 bias: id 10 tile 99 stages 0 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster "
      "3",
  };
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
    assert_ok(vw_algorithms_obey(&ctx, foreign[i]));
    assert_int_equal(run_layers(&ctx, VW_ACT, NULL), VW_ERR_UNSUPPORTED);
    assert_non_null(strstr(vw_error_message(), "'forward 6x40x24 f32 f32 f32 bias' does not run on this device"));
  }
  vw_context_close(&ctx);
}

static double distance(const double *a, const double *b) {
  double most = 0;
  for (int i = 0; i < N * (M + K); i++) most = fmax(most, fabs(a[i] - b[i]));
  return most;
}

/* With TF32 results move by about its rounding, 2^-11 of a factor, in sums of 40 terms of size below 1; a head's do not
 * move at all, forward or backward. */
static void tf32_spares_heads(void **state) {
  (void)state;
  static double act[2][N * (M + K)], head[2][N * (M + K)];
  vw_context ctx;
  open_or_skip(&ctx);
  for (int on = 0; on < 2; on++) {
    ctx.tf32 = on;
    assert_ok(run_layers(&ctx, VW_ACT, act[on]));
    assert_ok(run_layers(&ctx, VW_HEAD, head[on]));
  }
  assert_memory_equal(head[0], head[1], sizeof head[0]);
  assert_memory_equal(head[0], act[0], sizeof head[0]);
  double most = 1;
  for (int i = 0; i < N * (M + K); i++) most = fmax(most, fabs(act[0][i]));
  assert_true(distance(act[0], act[1]) > 40 * FLT_EPSILON * most);
  /* three products in a row, each 2^-11 sqrt(2) of sqrt(40) terms at most as large as what they make */
  assert_true(distance(act[0], act[1]) < 3 * 0x1p-11 * sqrt(2 * 40) * most);
  vw_context_close(&ctx);
}

static void other_backends_have_nothing_to_choose(void **state) {
  (void)state;
  vw_context ctx;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  vw_algorithms_time(&ctx, true);
  assert_ok(vw_algorithms_obey(&ctx, first));
  char *text = text_of(&ctx);
  assert_string_equal(text, "");
  free(text);
  vw_context_close(&ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_suggestion_unless_asked),
      cmocka_unit_test(the_fastest_is_recorded_and_obeyed),
      cmocka_unit_test(a_plan_starts_from_earlier_ones),
      cmocka_unit_test(lines_without_a_library_are_cublaslt),
      cmocka_unit_test(a_bad_record_is_refused),
      cmocka_unit_test(tf32_spares_heads),
      cmocka_unit_test(other_backends_have_nothing_to_choose),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
