/* Views: no call, no copy, lives as long as they are read, gradients of the right shape, weights seen in another shape.
 */
#include "tests/support/program.h"

#include "graph/graph.h"
#include "kernels/add.h"
#include "kernels/linear.h"
#include "kernels/record.h"
#include "kernels/view.h"

#include <string.h>

enum { B = 2, H = 3, W = 4, C = 5, M = 7, ALL = B * H * W * C };

/* y = linear(x) + linear(x), x [B, H, W, C] or, through views, [B, HW, C] and its result turned back. */
static vw_graph *network(bool views) {
  vw_graph *g = NULL;
  vw_value grad = VW_NONE;
  assert_ok(vw_graph_create(&g));
  const vw_value x = vw_input(g, vw_shape(VW_ACT, B, H, W, C), "x"), w = vw_weight(g, vw_shape(VW_PARAM, M, C), "w");
  const vw_linear_weights weights = {w, VW_NONE};
  vw_value in = vw_add(g, x, x);
  if (views) in = vw_view(g, in, vw_shape(VW_ACT, B, H * W, C));
  vw_value y = vw_linear(g, in, weights, VW_ACT_GELU, VW_NONE, VW_ACT);
  if (views) y = vw_view(g, vw_view(g, y, vw_shape(VW_ACT, B * H * W * M)), vw_shape(VW_ACT, B, H, W, M));
  y = vw_add(g, y, y);
  assert_ok(vw_reverse(g, y, &x, 1, &grad));
  vw_output(g, y, "y"), vw_output(g, grad, "dx");
  assert_ok(vw_graph_status(g));
  return g;
}

typedef struct result {
  double y[B * H * W * M], dx[ALL];
  int64_t calls, arena;
} result;

static void run(vw_context *ctx, bool views, const float *w, result *r) {
  vw_program *p = NULL;
  vw_graph *g = network(views);
  const vw_tensor dx = vw_value_tensor(g, vw_find(g, "dx")), x = vw_value_tensor(g, vw_find(g, "x"));
  assert_true(vw_same_shape(&dx, &x));
  assert_ok(vw_program_create(&p, g, ctx, NULL));
  assert_ok(vw_program_bind(p, vw_find(g, "w"), w));
  vw_test_write(p, g, "x", 1);
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  vw_test_read(p, g, "y", r->y), vw_test_read(p, g, "dx", r->dx);
  r->calls = vw_program_call_count(p), r->arena = vw_program_memory_of(p).arena;
  vw_program_destroy(p), vw_graph_destroy(g);
}

static void views_cost_nothing_and_change_no_bit(void **state) {
  (void)state;
  static result plain, seen;
  vw_context ctx;
  float w[M * C];
  for (int i = 0; i < M * C; i++) w[i] = (float)(i % 11) / 11 - .4F;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  run(&ctx, false, w, &plain), run(&ctx, true, w, &seen);
  assert_memory_equal(plain.y, seen.y, sizeof plain.y);
  assert_memory_equal(plain.dx, seen.dx, sizeof plain.dx);
  assert_int_equal(plain.calls, seen.calls);
  assert_int_equal(plain.arena, seen.arena);
  vw_context_close(&ctx);
}

/* A view is read when much has been computed since: what it shows must not have been reused. */
static void a_value_lives_as_long_as_its_views(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  double x[ALL], y[ALL], last[ALL], kept[ALL];
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value in = vw_input(g, vw_shape(VW_ACT, B * H, W * C), "x"), two = vw_add(g, in, in);
  const vw_value view = vw_view(g, two, vw_shape(VW_ACT, ALL)),
                 only = vw_view(g, vw_add(g, two, in), vw_shape(VW_ACT, ALL));
  vw_value sum = vw_add(g, two, two);
  for (int i = 0; i < 4; i++) sum = vw_add(g, sum, sum); /* 64 x */
  vw_output(g, vw_add(g, view, vw_view(g, sum, vw_shape(VW_ACT, ALL))), "y");
  vw_output(g, only, "kept");                                /* an output that is a view, and */
  vw_output(g, vw_view(g, in, vw_shape(VW_ACT, ALL)), "in"); /* one of a leaf */
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  vw_test_write(p, g, "x", 9);
  assert_ok(vw_program_prepare(p));
  for (int i = 0; i < 2; i++) assert_ok(vw_program_run(p));
  vw_test_read(p, g, "x", x), vw_test_read(p, g, "y", y), vw_test_read(p, g, "kept", kept),
      vw_test_read(p, g, "in", last);
  for (int i = 0; i < ALL; i++) assert_true(y[i] == 66 * x[i] && kept[i] == x[i] + 2 * x[i] && last[i] == x[i]);
  const vw_program_memory m = vw_program_memory_of(p);
  assert_true(m.arena - m.scratch < m.without_reuse);
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

static void a_leaf_that_only_a_view_reads_must_be_bound(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_graph_create(&g));
  vw_output(g, vw_view(g, vw_input(g, vw_shape(VW_ACT, 2, 3), "x"), vw_shape(VW_ACT, 6)), "y");
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  assert_int_equal(vw_program_prepare(p), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "'x' [2, 3]"));
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

/* A frozen 1 x 1 convolution's weight [M, C, 1, 1] as a matrix: still frozen, still packed from its parts. */
static void weights_are_packed_through_views(void **state) {
  (void)state;
  vw_context ctx;
  float w[M * C], x[4 * C];
  double y[2][4 * M];
  const int64_t shape[2][3] = {{M, C, 1}, {1, M, C}}; /* the second view does not keep the stacked axis */
  for (int i = 0; i < M * C; i++) w[i] = (float)(i % 7) / 7 - .4F;
  for (int i = 0; i < 4 * C; i++) x[i] = (float)(i % 5) / 5 - .4F;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  for (int i = 0; i < 2; i++) {
    vw_graph *g = NULL;
    vw_program *p = NULL;
    assert_ok(vw_graph_create(&g));
    const vw_value in = vw_input(g, vw_shape(VW_ACT, 4, C), "x");
    const vw_value weight = vw_weight(g, vw_shape_of(VW_PARAM, 3, shape[i]), "w");
    const vw_value matrix = vw_view(g, weight, vw_shape(VW_PARAM, M, C));
    vw_output(g, vw_linear(g, in, (vw_linear_weights){matrix, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_ACT), "y");
    assert_ok(vw_program_create(&p, g, &ctx, NULL));
    assert_int_equal(vw_program_packs(p, weight), i == 0);
    vw_parts parts = {1, {vw_shape_of(VW_F32, 3, shape[i])}};
    parts.part[0].data = w;
    if (i == 0) {
      assert_ok(vw_program_bind_parts(p, weight, &parts));
    } else {
      assert_int_equal(vw_program_bind_parts(p, weight, &parts), VW_ERR_ARG);
      assert_ok(vw_program_bind(p, weight, w));
    }
    assert_ok(vw_program_bind(p, in, x));
    assert_ok(vw_program_prepare(p));
    assert_ok(vw_program_run(p));
    vw_test_read(p, g, "y", y[i]);
    vw_program_destroy(p), vw_graph_destroy(g);
  }
  assert_memory_equal(y[0], y[1], sizeof y[0]);
  double first = 0;
  for (int c = 0; c < C; c++) first += (double)x[c] * w[c];
  assert_true(y[0][0] > first - 1e-6 && y[0][0] < first + 1e-6);
  vw_context_close(&ctx);
}

static void a_view_of_a_state_ends_with_its_update(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value history = vw_state(g, vw_shape(VW_HEAD, 2, 3), "history"),
                 step = vw_state(g, vw_shape(VW_I64, 1), "s");
  const vw_value row = vw_view(g, vw_input(g, vw_shape(VW_HEAD, 1, 3), "x"), vw_shape(VW_HEAD, 3));
  const vw_value seen = vw_view(g, history, vw_shape(VW_HEAD, 6));
  (void)vw_record(g, history, row, step, 1);
  vw_output(g, vw_add(g, seen, seen), "late");
  assert_int_equal(vw_program_create(&p, g, &ctx, NULL), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "updated in place"));
  vw_graph_destroy(g), vw_context_close(&ctx);
}

static void other_counts_are_refused(void **state) {
  (void)state;
  vw_graph *g = NULL;
  assert_ok(vw_graph_create(&g));
  (void)vw_view(g, vw_input(g, vw_shape(VW_ACT, 2, 3), "x"), vw_shape(VW_ACT, 5));
  assert_int_equal(vw_graph_status(g), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "view: x is [2, 3], it cannot be seen as [5]"));
  vw_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(views_cost_nothing_and_change_no_bit),
      cmocka_unit_test(a_value_lives_as_long_as_its_views),
      cmocka_unit_test(a_leaf_that_only_a_view_reads_must_be_bound),
      cmocka_unit_test(weights_are_packed_through_views),
      cmocka_unit_test(a_view_of_a_state_ends_with_its_update),
      cmocka_unit_test(other_counts_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
