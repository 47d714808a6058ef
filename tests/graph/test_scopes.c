/* Scopes: parts of one graph with storage types of their own, and the cast between them, forward and backward. */
#include "tests/support/program.h"

#include "graph/graph.h"
#include "kernels/add.h"
#include "kernels/cast.h"
#include "kernels/linear.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { N = 6, K = 24, M = 16, WIDE = 0, NARROW = 1 };

static const vw_policy bf16 = {.param = VW_BF16, .act = VW_BF16, .residual = VW_BF16, .head = VW_F32, .stat = VW_F32};

/* x in fp32, there and back again through a scope in bf16; the loss is its sum. */
static vw_graph *round_trip(void) {
  vw_graph *g = NULL;
  vw_value grad = VW_NONE;
  assert_ok(vw_graph_create(&g));
  const vw_value x = vw_input(g, vw_shape(VW_RESIDUAL, N, K), "x"), dy = vw_input(g, vw_shape(VW_ACT, N, K), "dy");
  assert_int_equal(vw_graph_scope(g, NARROW), WIDE);
  const vw_value there = vw_cast(g, x, VW_ACT);
  assert_int_equal(vw_graph_scope(g, WIDE), NARROW);
  const vw_value back = vw_cast(g, there, VW_ACT);
  assert_ok(vw_reverse_from(g, back, dy, &x, 1, &grad));
  vw_output(g, back, "y"), vw_output(g, grad, "dx");
  assert_ok(vw_graph_status(g));
  return g;
}

static void check_round_trip(vw_backend backend, bool narrow) {
  vw_context ctx;
  vw_program *p = NULL;
  double x[N * K], dy[N * K], y[N * K], dx[N * K];
  if (vw_context_open(&ctx, backend, 1, 0) != VW_OK) return;
  vw_graph *g = round_trip();
  if (narrow) vw_graph_set_policy(g, NARROW, &bf16);
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  vw_test_write(p, g, "x", 1), vw_test_write(p, g, "dy", 2);
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  vw_test_read(p, g, "x", x), vw_test_read(p, g, "dy", dy), vw_test_read(p, g, "y", y), vw_test_read(p, g, "dx", dx);
  /* two casts forward and two backward, or none where all is of one type: then y lies where x lies */
  assert_int_equal(vw_program_call_count(p), narrow ? 4 : 0);
  for (int i = 0; i < N * K; i++) {
    uint16_t half;
    double rounded[2] = {x[i], dy[i]};
    for (int j = 0; j < 2 && narrow; j++) {
      assert_ok(vw_convert(&half, VW_BF16, &rounded[j], VW_F64, 1));
      assert_ok(vw_convert(&rounded[j], VW_F64, &half, VW_BF16, 1));
    }
    assert_true(y[i] == rounded[0] && dx[i] == rounded[1]);
  }
  assert_true((y[0] != x[0]) == narrow);
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

static void casts_round_there_and_back(void **state) {
  (void)state;
  for (vw_backend b = VW_REF; b < VW_BACKENDS; b++)
    for (int narrow = 0; narrow < 2; narrow++) check_round_trip(b, narrow);
}

/* A text part in the outer policy, then a picture part in a scope: dx [N, K], y [N, M]. */
static void run_network(vw_context *ctx, const vw_policy *pictures, double *y, double *dx) {
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value grad = VW_NONE;
  assert_ok(vw_graph_create(&g));
  const vw_value x = vw_input(g, vw_shape(VW_HEAD, N, K), "x"), w = vw_input(g, vw_shape(VW_PARAM, K, K), "w");
  const vw_value text = vw_linear(g, x, (vw_linear_weights){w, VW_NONE}, VW_ACT_GELU, VW_NONE, VW_RESIDUAL);
  (void)vw_graph_scope(g, NARROW);
  const vw_value states = vw_cast(g, text, VW_ACT), v = vw_input(g, vw_shape(VW_PARAM, M, K), "v");
  const vw_value h = vw_linear(g, states, (vw_linear_weights){v, VW_NONE}, VW_ACT_GELU, VW_NONE, VW_ACT);
  const vw_value twice = vw_add(g, h, h);
  vw_graph_set_policy(g, NARROW, pictures);
  (void)vw_graph_scope(g, WIDE);
  assert_ok(vw_reverse(g, twice, &x, 1, &grad));
  vw_output(g, twice, "y"), vw_output(g, grad, "dx");
  assert_ok(vw_graph_status(g));
  assert_int_equal(vw_graph_storage(g, &bf16, x), VW_F32); /* heads are fp32 everywhere */
  assert_ok(vw_program_create(&p, g, ctx, NULL));
  vw_test_write(p, g, "x", 3), vw_test_write(p, g, "w", 4), vw_test_write(p, g, "v", 5);
  assert_ok(vw_program_prepare(p));
  for (int64_t i = 0; i < vw_program_call_count(p); i++) {
    const vw_call_view c = vw_program_call(p, i);
    if (!pictures || c.op->id != VW_OP_linear) continue;
    assert_int_equal(c.in[LINEAR_WEIGHT].dtype, c.out[0].dim[1] == M ? VW_BF16 : VW_F32);
  }
  for (int i = 0; i < 3; i++) assert_ok(vw_program_run(p)); /* recorded from the second on */
  vw_test_read(p, g, "y", y), vw_test_read(p, g, "dx", dx);
  vw_program_destroy(p), vw_graph_destroy(g);
}

static double distance(const double *a, const double *b, int n) {
  double most = 0, largest = 1;
  for (int i = 0; i < n; i++) most = fmax(most, fabs(a[i] - b[i])), largest = fmax(largest, fabs(b[i]));
  return most / largest;
}

/* fp32 before bf16 in one graph: the error is that of bf16's roundings, and the pure fp32 graph's far smaller. In the
 * picture part some six values are rounded on the way to a result or a gradient, by half of 2^-8 each. */
static void two_types_in_one_graph(void **state) {
  (void)state;
  static double y[3][N * M], dx[3][N * K];
  vw_context ref, cuda;
  if (vw_context_open(&cuda, VW_CUDA, 1, 0) != VW_OK) {
    vw_context_close(&cuda);
    print_message("skipped: %s\n", vw_error_message());
    skip();
  }
  assert_ok(vw_context_open(&ref, VW_REF, 1, 0));
  run_network(&ref, NULL, y[0], dx[0]);
  run_network(&cuda, NULL, y[1], dx[1]);
  run_network(&cuda, &bf16, y[2], dx[2]);
  assert_true(distance(y[1], y[0], N * M) < 16 * FLT_EPSILON * sqrt(K));
  assert_true(distance(dx[1], dx[0], N * K) < 16 * FLT_EPSILON * sqrt(K));
  assert_true(distance(y[2], y[0], N * M) < 6 * 0x1p-8 && distance(y[2], y[0], N * M) > 0x1p-12);
  assert_true(distance(dx[2], dx[0], N * K) < 6 * 0x1p-8 && distance(dx[2], dx[0], N * K) > 0x1p-12);
  vw_context_close(&cuda), vw_context_close(&ref);
}

static void values_pass_between_scopes_by_casts_alone(void **state) {
  (void)state;
  vw_graph *g = NULL;
  assert_ok(vw_graph_create(&g));
  const vw_value a = vw_input(g, vw_shape(VW_ACT, 2, 3), "a");
  (void)vw_graph_scope(g, NARROW);
  assert_int_equal(vw_add(g, a, a), VW_NONE);
  assert_int_equal(vw_graph_status(g), VW_ERR_ARG);
  assert_non_null(
      strstr(vw_error_message(), "add: input 0 [2, 3] is of scope 0, this is scope 1: put vw_cast between"));
  vw_graph_destroy(g);

  assert_ok(vw_graph_create(&g));
  (void)vw_graph_scope(g, VW_SCOPES);
  assert_int_equal(vw_graph_status(g), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "scope 4"));
  vw_graph_destroy(g);

  assert_ok(vw_graph_create(&g));
  (void)vw_cast(g, vw_input(g, vw_shape(VW_I32, 3), "i"), VW_ACT);
  assert_int_equal(vw_graph_status(g), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "cast: from i32 to act"));
  vw_graph_destroy(g);
}

/* The work of a scope is counted in its types, and a cast that runs nothing moves nothing. */
static void work_follows_the_scopes(void **state) {
  (void)state;
  vw_work w;
  vw_graph *g = round_trip();
  assert_ok(vw_program_work(g, NULL, &w));
  assert_true(w.calls == 0 && w.bytes == 0);
  vw_graph_set_policy(g, NARROW, &bf16);
  assert_ok(vw_program_work(g, NULL, &w));
  assert_true(w.calls == 4 && w.bytes == 4 * (4 + 2) * N * K);
  vw_graph_set_policy(g, NARROW, NULL);
  assert_ok(vw_program_work(g, NULL, &w));
  assert_true(w.calls == 0);
  vw_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(casts_round_there_and_back),
      cmocka_unit_test(two_types_in_one_graph),
      cmocka_unit_test(values_pass_between_scopes_by_casts_alone),
      cmocka_unit_test(work_follows_the_scopes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
