/* Recomputation: the same bits for any number of segments, gradients as finite differences have them, less memory for
 * less than one more forward pass; outputs, states, views, skips and draws inside of segments; what is refused. */
#include "tests/support/program.h"

#include "core/align.h"
#include "graph/graph.h"
#include "kernels/add.h"
#include "kernels/cast.h"
#include "kernels/concat.h"
#include "kernels/draw_normal.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/record.h"
#include "kernels/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, C = 5, WIDE = 4 * C, BLOCKS = 16, SIZE = B * C };

static vw_linear_weights weights_of(vw_graph *g, int64_t in, int64_t out, const char *name, int i) {
  return (vw_linear_weights){vw_weight(g, vw_shape(VW_PARAM, out, in), "%s%d.weight", name, i), VW_NONE};
}

/* One block: what a gradient reads of it is five to six times what goes on to the next. */
static vw_value block(vw_graph *g, vw_value x, int i) {
  const vw_norm_weights norm = {vw_weight(g, vw_shape(VW_PARAM, C), "norm%d.weight", i),
                                vw_weight(g, vw_shape(VW_PARAM, C), "norm%d.bias", i)};
  const vw_value h = vw_layernorm(g, x, norm, 1e-5);
  const vw_value wide = vw_linear(g, h, weights_of(g, C, WIDE, "in", i), VW_ACT_GELU, VW_NONE, VW_ACT);
  return vw_linear(g, wide, weights_of(g, WIDE, C, "out", i), VW_ACT_NONE, x, VW_ACT);
}

/* Down and up again: the outputs of the first half are read once more in the second, last first. */
static vw_value with_skips(vw_graph *g, vw_value x) {
  vw_value skip[BLOCKS / 2];
  for (int i = 0; i < BLOCKS; i++) {
    if (i < BLOCKS / 2) {
      skip[i] = x = block(g, x, i);
      continue;
    }
    x = vw_concat(g, vw_view(g, x, vw_shape(VW_ACT, B, C)), skip[BLOCKS - 1 - i]);
    x = block(g, vw_linear(g, x, weights_of(g, 2 * C, C, "join", i), VW_ACT_NONE, VW_NONE, VW_ACT), i);
    if (i == BLOCKS / 2 + 2) vw_output(g, x, "seen"); /* inside of a segment, and kept readable */
  }
  return x;
}

/* A step with all that a training step has: noise that is drawn, a loss, a state that moves on, a record. */
static vw_graph *step_graph(bool skips) {
  vw_graph *g = NULL;
  vw_value grad = VW_NONE;
  assert_ok(vw_graph_create(&g));
  const vw_value word = vw_input(g, vw_shape(VW_HEAD, B, C), "word");
  const vw_value at = vw_state(g, vw_shape(VW_I64, 1), "step");
  const vw_value key = vw_input(g, vw_shape(VW_U32, B, 2), "key");
  const vw_value noise =
      vw_view(g, vw_draw_latents(g, key, at, vw_shape(VW_HEAD, 1, 1, 1, C), 0, 3), vw_shape(VW_HEAD, B, C));
  vw_value x = vw_cast(g, vw_add(g, word, noise), VW_ACT);
  if (skips)
    x = with_skips(g, x);
  else
    for (int i = 0; i < BLOCKS; i++) x = block(g, x, i);
  const vw_value loss = vw_linear(g, x, weights_of(g, C, C, "head", 0), VW_ACT_NONE, VW_NONE, VW_HEAD);
  assert_ok(vw_reverse(g, loss, &word, 1, &grad));
  vw_output(g, grad, "gradient"), vw_output(g, loss, "loss");
  (void)vw_record(g, vw_state(g, vw_shape(VW_HEAD, 2, B), "history"),
                  vw_view(g, vw_linear(g, loss, weights_of(g, C, 1, "mean", 0), VW_ACT_NONE, VW_NONE, VW_HEAD),
                          vw_shape(VW_HEAD, B)),
                  at, 1);
  (void)vw_advance(g, at);
  return g;
}

static void write_leaves(vw_program *p, const double *word) {
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    vw_tensor t = leaf.tensor;
    double x[2 * WIDE * C];
    uint32_t key[2 * B] = {0};
    int64_t zero = 0;
    const bool is_name = leaf.kind == VW_LEAF_INPUT || leaf.kind == VW_LEAF_STATE;
    if (leaf.kind == VW_LEAF_FILL || (is_name && !strcmp(leaf.name, "history"))) continue;
    vw_test_fill(x, vw_count(&t), (uint64_t)i + 1);
    for (uint32_t j = 0; j < 2 * B; j++) key[j] = j;
    t.dtype = VW_F64, t.data = x;
    if (!strcmp(leaf.name, "word")) memcpy(x, word, SIZE * sizeof *x);
    if (!strcmp(leaf.name, "key")) t.dtype = VW_U32, t.data = key;
    if (!strcmp(leaf.name, "step")) t.dtype = VW_I64, t.data = &zero;
    assert_ok(vw_program_write(p, leaf.value, &t));
  }
}

typedef struct result {
  double loss[SIZE], gradient[SIZE], seen[SIZE], history[2 * B];
  vw_program_memory memory;
  vw_work work;
} result;

static void run(vw_context *ctx, bool skips, int64_t segments, const double *word, result *r) {
  vw_graph *g = step_graph(skips);
  vw_program *p = NULL;
  memset(r, 0, sizeof *r);
  assert_ok(vw_recompute(g, NULL, segments));
  assert_ok(vw_program_work(g, NULL, &r->work));
  assert_ok(vw_program_create(&p, g, ctx, NULL));
  write_leaves(p, word);
  assert_ok(vw_program_prepare(p));
  for (int i = 0; i < 2; i++) assert_ok(vw_program_run(p)); /* the second with the next noise */
  vw_test_read(p, g, "loss", r->loss), vw_test_read(p, g, "gradient", r->gradient);
  vw_test_read(p, g, "history", r->history);
  if (skips) vw_test_read(p, g, "seen", r->seen);
  r->memory = vw_program_memory_of(p);
  vw_program_destroy(p), vw_graph_destroy(g);
}

static const vw_backend backends[] = {VW_REF, VW_CPU};

/* Bits, memory and operations of one network on one backend. */
static void check_segments(vw_context *ctx, bool skips) {
  double word[SIZE];
  result whole, r;
  vw_work forward;
  vw_test_fill(word, SIZE, 9);
  run(ctx, skips, 1, word, &whole);
  vw_graph *g = step_graph(skips);
  forward.flops = vw_graph_flops(g) / 2; /* frozen products: as many operations back as forward */
  vw_graph_destroy(g);
  int64_t least = whole.memory.arena;
  for (int64_t n = 2; n <= VW_MOST_SEGMENTS; n *= 2) {
    run(ctx, skips, n, word, &r);
    assert_memory_equal(r.loss, whole.loss, sizeof r.loss);
    assert_memory_equal(r.gradient, whole.gradient, sizeof r.gradient);
    assert_memory_equal(r.seen, whole.seen, sizeof r.seen);
    assert_memory_equal(r.history, whole.history, sizeof r.history);
    assert_true(r.work.flops > whole.work.flops && r.work.flops < whole.work.flops + forward.flops);
    assert_true(n > 4 || r.memory.arena < least); /* beyond, cuts bring nothing any more */
    if (r.memory.arena < least) least = r.memory.arena;
  }
  assert_true(10 * least < (skips ? 7 : 5) * whole.memory.arena);
}

static void any_segments_give_the_same_bits_in_less_memory(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
    vw_context ctx;
    assert_ok(vw_context_open(&ctx, backends[i], 2, 0));
    check_segments(&ctx, false), check_segments(&ctx, true);
    vw_context_close(&ctx);
  }
}

static void gradients_follow_finite_differences(void **state) {
  (void)state;
  vw_context ctx;
  double word[SIZE], direction[SIZE], up[SIZE], down[SIZE], want = 0, got = 0;
  result r, high, low;
  const double h = 1e-5; /* error of the central difference: h^2 of the third derivative, and eps / h of sums of 30 */
  vw_test_fill(word, SIZE, 9), vw_test_fill(direction, SIZE, 10);
  for (int i = 0; i < SIZE; i++) up[i] = word[i] + h * direction[i], down[i] = word[i] - h * direction[i];
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  run(&ctx, true, 5, word, &r), run(&ctx, true, 5, up, &high), run(&ctx, true, 5, down, &low);
  for (int i = 0; i < SIZE; i++) want += (high.loss[i] - low.loss[i]) / (2 * h), got += r.gradient[i] * direction[i];
  assert_true(fabs(want) > 0.01);
  assert_true(fabs(want - got) < 1e-6 * fmax(1, fabs(want)));
  vw_context_close(&ctx);
}

/* L blocks of saved bytes S that hand on X bytes, in n segments: (n - 1) X of cuts and L / n blocks are alive at most,
 * and a block's own working set. */
static void a_chain_needs_what_its_cuts_and_one_segment_need(void **state) {
  (void)state;
  enum { LINES = VW_ALIGN / sizeof(double) };
  vw_context ctx;
  double word[SIZE];
  result r;
  const int64_t handed = (SIZE + LINES - 1) / LINES * VW_ALIGN, wide = (B * WIDE + LINES - 1) / LINES * VW_ALIGN;
  const int64_t saved = wide + handed + 2 * VW_ALIGN; /* before the activation, into the norm, its statistics */
  const int64_t work = 2 * wide + 4 * handed;         /* gradients of one block, loss and noise */
  vw_test_fill(word, SIZE, 9);
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  for (int64_t n = 1; n <= 8; n *= 2) {
    run(&ctx, false, n, word, &r);
    const int64_t arena = r.memory.arena - r.memory.scratch;
    assert_in_range(arena, BLOCKS / n * saved, BLOCKS / n * saved + (n - 1) * handed + work);
  }
  vw_context_close(&ctx);
}

static void what_cannot_be_recomputed_is_told(void **state) {
  (void)state;
  vw_value again = VW_NONE;
  vw_graph *g = step_graph(false);
  const double flops = vw_graph_flops(g);
  assert_ok(vw_recompute(g, NULL, 1));
  assert_ok(vw_recompute(g, NULL, 0));
  assert_true(vw_graph_flops(g) == flops);
  assert_int_equal(vw_recompute(g, NULL, VW_MOST_SEGMENTS + 1), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "65 segments, at most 64"));
  assert_ok(vw_recompute(g, NULL, 4));
  assert_true(vw_graph_flops(g) > flops);
  assert_int_equal(vw_recompute(g, NULL, 4), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "recomputes already"));
  vw_graph_destroy(g);
  g = step_graph(false);
  const vw_value word = vw_find(g, "word");
  assert_ok(vw_reverse(g, vw_find(g, "loss"), &word, 1, &again));
  assert_int_equal(vw_recompute(g, NULL, 4), VW_ERR_ARG);
  vw_graph_destroy(g);
  assert_ok(vw_graph_create(&g)); /* nothing to differentiate: nothing to do */
  const vw_value x = vw_input(g, vw_shape(VW_ACT, B, C), "x");
  vw_output(g, vw_add(g, x, x), "y");
  assert_ok(vw_recompute(g, NULL, 4));
  vw_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_segments_give_the_same_bits_in_less_memory),
      cmocka_unit_test(gradients_follow_finite_differences),
      cmocka_unit_test(a_chain_needs_what_its_cuts_and_one_segment_need),
      cmocka_unit_test(what_cannot_be_recomputed_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
