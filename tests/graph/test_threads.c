/* Threads of a program's calls: none more than a call is worth, and the same bits with any number. */
#include "tests/support/test.h"

#include "graph/graph.h"
#include "kernels/l2norm.h"
#include "kernels/linear.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE = 1024, ROWS = 256, SMALL = 8 };

typedef struct made {
  vw_graph *g;
  vw_program *p;
} made;

/* A product of `width` by `width`, then norms of the rows. */
static made program(vw_context *ctx, int64_t rows, int64_t width) {
  made m = {0};
  double *x = malloc((size_t)(width * width + rows * width + width) * sizeof *x);
  const vw_policy policy = vw_default_policy(VW_CPU);
  vw_tensor input = vw_shape(VW_F64, rows, width);
  assert_non_null(x);
  assert_ok(vw_graph_create(&m.g));
  const vw_value in = vw_input(m.g, vw_shape(VW_ACT, rows, width), "x");
  const vw_value w = vw_input(m.g, vw_shape(VW_PARAM, width, width), "w");
  const vw_value y =
      vw_linear(m.g, in, (vw_linear_weights){.weight = w, .bias = VW_NONE}, VW_ACT_NONE, VW_NONE, VW_ACT);
  vw_output(m.g, vw_l2norm(m.g, y), "y");
  assert_ok(vw_graph_status(m.g));
  assert_ok(vw_program_create(&m.p, m.g, ctx, &policy));
  vw_test_fill(x, rows * width, 3);
  input.data = x;
  assert_ok(vw_program_write(m.p, in, &input));
  input = vw_shape(VW_F64, width, width);
  vw_test_fill(x, width * width, 4);
  input.data = x;
  assert_ok(vw_program_write(m.p, w, &input));
  assert_ok(vw_program_prepare(m.p));
  free(x);
  return m;
}

static void end(made *m) {
  vw_program_destroy(m->p);
  vw_graph_destroy(m->g);
}

static void test_worth(void **state) {
  (void)state;
  vw_context ctx;
  assert_ok(vw_context_open(&ctx, VW_CPU, 4, 0));
  made large = program(&ctx, ROWS, LARGE), small = program(&ctx, SMALL, SMALL);
  assert_int_equal(vw_program_call(large.p, 0).threads, 4);
  assert_int_equal(vw_program_call(small.p, 0).threads, 1);
  assert_int_equal(vw_program_call(small.p, 1).threads, 1);
  assert_ok(vw_program_run(small.p));
  assert_int_equal(ctx.threads, 4); /* as the user set it, after a run too */
  end(&large), end(&small);
  vw_context_close(&ctx);
}

static void result(int threads, float *y) {
  vw_context ctx;
  vw_tensor t = vw_shape(VW_F32, ROWS, LARGE);
  assert_ok(vw_context_open(&ctx, VW_CPU, threads, 0));
  made m = program(&ctx, ROWS, LARGE);
  assert_ok(vw_program_run(m.p));
  t.data = y;
  assert_ok(vw_program_read(m.p, vw_find(m.g, "y"), &t));
  end(&m);
  vw_context_close(&ctx);
}

static void test_bits(void **state) {
  (void)state;
  static float one[ROWS * LARGE], four[ROWS * LARGE];
  result(1, one);
  result(4, four);
  assert_memory_equal(one, four, sizeof one);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_worth), cmocka_unit_test(test_bits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
