/* The graph as such: reverse mode against finite differences through shared values, dead nodes, memory reuse, in-place
 * states, and what a wrong description or binding is told. */
#include "tests/support/test.h"

#include "graph/graph.h"
#include "kernels/add.h"
#include "kernels/conv2d.h"
#include "kernels/l2norm.h"
#include "kernels/linear.h"
#include "kernels/one_vs_rest_loss.h"
#include "kernels/picture_logits.h"
#include "kernels/record.h"
#include "kernels/take.h"

#include <math.h>
#include <string.h>

enum { B = 3, C = 5, P = 7, S = 4 };

/* loss = one_vs_rest(logits(l2norm(w + w) + l2norm(w))): w is used three times, so gradients must be summed. */
static vw_value build(vw_graph *g, vw_value *words, vw_value *grad) {
  *words = vw_state(g, vw_shape(VW_HEAD, B, C), "words");
  const vw_value features = vw_input(g, vw_shape(VW_HEAD, P, C), "features");
  const vw_value picture = vw_input(g, vw_shape(VW_I32, B, S), "picture");
  const vw_one_vs_rest_tables tables = {vw_input(g, vw_shape(VW_I32, B), "row_table"),
                                        vw_input(g, vw_shape(VW_HEAD, 1, P), "rest"),
                                        vw_input(g, vw_shape(VW_HEAD, 1, P), "truth")};
  const vw_value q = vw_add(g, vw_l2norm(g, vw_add(g, *words, *words)), vw_l2norm(g, *words));
  (void)vw_add(g, q, q); /* nobody asks for it */
  const vw_value loss = vw_one_vs_rest_loss(g, vw_picture_logits(g, q, features, picture, 3.0), picture, tables,
                                            (vw_one_vs_rest_attr){.positives = 2});
  if (grad) assert_ok(vw_reverse(g, loss, words, 1, grad));
  vw_output(g, loss, "loss");
  return loss;
}

static double features[P * C], rest[P] = {.5, -.25, 1, 0, .75, -1, .125}, truth[P] = {0, .5, -.5, .25, 1, 0, -1};
static int32_t pictures[B * S] = {0, 1, 2, 3, 3, 4, 5, 6, 6, 0, 2, 4}, row_table[B] = {0};

static void bind(vw_program *p, const vw_graph *g) {
  vw_tensor f = vw_shape(VW_F64, P, C), i = vw_shape(VW_I32, B, S), l = vw_shape(VW_I32, B), t = vw_shape(VW_F64, 1, P);
  vw_test_fill(features, (int64_t)P * C, 5);
  f.data = features, i.data = pictures, l.data = row_table;
  assert_ok(vw_program_write(p, vw_find(g, "features"), &f));
  assert_ok(vw_program_write(p, vw_find(g, "picture"), &i));
  assert_ok(vw_program_write(p, vw_find(g, "row_table"), &l));
  t.data = rest;
  assert_ok(vw_program_write(p, vw_find(g, "rest"), &t));
  t.data = truth;
  assert_ok(vw_program_write(p, vw_find(g, "truth"), &t));
  assert_ok(vw_program_prepare(p));
}

static double total_loss(vw_program *p, vw_value words, vw_value loss, double *w) {
  double out[B], sum = 0;
  vw_tensor t = vw_shape(VW_F64, B, C), l = vw_shape(VW_F64, B);
  t.data = w, l.data = out;
  assert_ok(vw_program_write(p, words, &t));
  assert_ok(vw_program_run(p));
  assert_ok(vw_program_read(p, loss, &l));
  for (int i = 0; i < B; i++) sum += out[i];
  return sum;
}

static void reverse_follows_finite_differences(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value words, grad = VW_NONE;
  double w[B * C], dw[B * C];
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value loss = build(g, &words, &grad);
  vw_output(g, grad, "gradient");
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  bind(p, g);
  vw_test_fill(w, (int64_t)B * C, 6);
  (void)total_loss(p, words, loss, w);
  vw_tensor t = vw_shape(VW_F64, B, C);
  t.data = dw;
  assert_ok(vw_program_read(p, grad, &t));
  const double h =
      1e-5; /* error of the central difference: h^2 of the third derivative, and eps / h: both near 1e-10 */
  for (int i = 0; i < B * C; i++) {
    const double kept = w[i];
    w[i] = kept + h;
    const double up = total_loss(p, words, loss, w);
    w[i] = kept - h;
    const double down = total_loss(p, words, loss, w);
    w[i] = kept;
    assert_true(fabs((up - down) / (2 * h) - dw[i]) < 1e-7);
  }
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

static void unused_nodes_cost_nothing_and_memory_is_reused(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value words;
  double seconds[VW_OPS] = {0}, w[B * C];
  int64_t calls[VW_OPS] = {0};
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value loss = build(g, &words, NULL);
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  bind(p, g);
  vw_test_fill(w, (int64_t)B * C, 6);
  (void)total_loss(p, words, loss, w);
  assert_ok(vw_program_profile(p, seconds, calls));
  assert_int_equal(calls[VW_OP_add], 2); /* the third has no reader */
  const vw_program_memory m = vw_program_memory_of(p);
  assert_true(m.arena - m.scratch < m.without_reuse);
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

/* Every call can be looked at and timed alone; one that is repeated computes the same, but moves its states on. */
static void calls_are_seen_and_timed(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value words;
  double w[B * C], seconds[16], again[B], loss_of[B], history[2 * B];
  int64_t repeats[16], adds = 0, first = -1, record = -1, count = 0;
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value loss = build(g, &words, NULL), step = vw_state(g, vw_shape(VW_I64, 1), "step");
  const vw_value kept = vw_state(g, vw_shape(VW_HEAD, 2, B), "history");
  (void)vw_record(g, kept, loss, step, 1);
  (void)vw_advance(g, step);
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  bind(p, g);
  vw_test_fill(w, (int64_t)B * C, 6);
  (void)total_loss(p, words, loss, w);
  const int64_t n = vw_program_call_count(p);
  assert_in_range(n, 7, 16);
  for (int64_t i = 0; i < n; i++) {
    const vw_call_view c = vw_program_call(p, i);
    repeats[i] = 0;
    adds += c.op->id == VW_OP_add;
    if (c.op->id == VW_OP_add && first < 0) first = i;
    if (c.op->id == VW_OP_record) record = i;
    if (c.op->id != VW_OP_picture_logits) continue;
    assert_true(vw_same_shape(&c.in[PLOGITS_FEATURES], &(vw_tensor){.ndim = 2, .dim = {P, C}}));
    assert_int_equal(c.out[0].dtype, VW_F64); /* resolved */
  }
  assert_int_equal(adds, 2);
  vw_tensor l = vw_shape(VW_F64, B), t = vw_shape(VW_I64, 1), h = vw_shape(VW_F64, 2, B);
  l.data = loss_of, t.data = &count, h.data = history;
  assert_ok(vw_program_read(p, loss, &l));
  repeats[first] = 5, repeats[record] = 2, repeats[n - 1] = 3; /* the last is advance */
  assert_ok(vw_program_time_calls(p, repeats, seconds));
  for (int64_t i = 0; i < n; i++) assert_int_equal(seconds[i] > 0, repeats[i] > 0);
  l.data = again;
  assert_ok(vw_program_read(p, loss, &l));
  assert_memory_equal(again, loss_of, sizeof again);
  assert_ok(vw_program_read(p, step, &t));
  assert_int_equal(count, 1 + 3); /* a whole run, then three repetitions */
  assert_ok(vw_program_read(p, kept, &h));
  assert_memory_equal(history, loss_of, sizeof again);
  assert_memory_equal(history + B, loss_of, sizeof again);
  repeats[0] = -1;
  assert_int_equal(vw_program_time_calls(p, repeats, seconds), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "call 0"));
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

/* Against a count by hand: what nobody reads is left out, a table counts by the rows that are looked up. */
static void work_is_counted_from_shapes(void **state) {
  (void)state;
  vw_graph *g = NULL;
  vw_work w, narrow;
  assert_ok(vw_graph_create(&g));
  const vw_value table = vw_input(g, vw_shape(VW_PARAM, 1000, 6), "table"),
                 index = vw_input(g, vw_shape(VW_I32, 4), "i");
  const vw_value weight = vw_weight(g, vw_shape(VW_PARAM, 5, 6), "w");
  const vw_value x = vw_take(g, table, index);
  const vw_value y = vw_linear(g, x, (vw_linear_weights){weight, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_HEAD);
  (void)vw_add(g, x, x);
  assert_ok(vw_program_work(g, NULL, &w));
  assert_true(w.flops == 0 && w.bytes == 0 && w.calls == 0); /* nothing is asked for */
  vw_output(g, y, "y");
  assert_ok(vw_program_work(g, NULL, &w));
  assert_int_equal(w.calls, 2);
  assert_true(w.flops == 2 * 4 * 5 * 6);
  const double rows = 4 * 6, weights = 5 * 6, results = 4 * 5, indices = 4;
  assert_true(w.bytes == 4 * (2 * rows + indices) + 4 * (rows + weights + results));
  const vw_policy bf16 = vw_bf16_policy();
  assert_ok(vw_program_work(g, &bf16, &narrow));
  assert_true(narrow.flops == w.flops);
  assert_true(narrow.bytes == 2 * 2 * rows + 4 * indices + 2 * (rows + weights) + 4 * results);
  (void)vw_add(g, y, x); /* a wrong description: its own message */
  assert_int_equal(vw_program_work(g, NULL, &w), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "add"));
  vw_graph_destroy(g);
}

static void refused(vw_status st, const char *says) {
  assert_int_equal(st, VW_ERR_ARG);
  if (!strstr(vw_error_message(), says)) fail_msg("'%s' does not say '%s'", vw_error_message(), says);
}

/* Loss and gradient of one program: [B], [B, C]. */
static void read_both(vw_program *p, vw_value loss, vw_value grad, double *out) {
  vw_tensor l = vw_shape(VW_F64, B), t = vw_shape(VW_F64, B, C);
  l.data = out, t.data = out + B;
  assert_ok(vw_program_read(p, loss, &l));
  assert_ok(vw_program_read(p, grad, &t));
}

static void programs_share_an_arena_and_inputs(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *first = NULL, *second = NULL;
  vw_value words, grad = VW_NONE;
  double w[B * C], a[B + B * C], b[B + B * C], placed[B] = {0};
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value loss = build(g, &words, &grad);
  vw_output(g, grad, "gradient");
  assert_ok(vw_program_create(&first, g, &ctx, NULL));
  bind(first, g);
  assert_ok(vw_program_create_beside(&second, g, &ctx, NULL, first));
  assert_ok(vw_program_bind_inputs(second, first));
  assert_ok(vw_program_place(second, loss, placed));
  refused(vw_program_place(second, words, placed), "no output that can be placed");
  assert_ok(vw_program_prepare(second));
  refused(vw_program_place(second, grad, placed), "no output that can be placed");
  const vw_program_memory own = vw_program_memory_of(first), shared = vw_program_memory_of(second);
  assert_true(own.arena > 0 && shared.arena == 0);
  assert_int_equal(shared.leaves, sizeof w + sizeof placed); /* words, and the ones that seed the gradient */
  assert_int_equal(vw_program_arena_beside(&own, &own), 0);
  assert_int_equal(vw_program_arena_beside(&own, &shared), own.arena); /* what is borrowed is not lent */

  vw_test_fill(w, (int64_t)B * C, 6);
  (void)total_loss(first, words, loss, w);
  read_both(first, loss, grad, a);
  for (int i = 0; i < B * C; i++) w[i] = -w[i];
  (void)total_loss(second, words, loss, w);
  read_both(second, loss, grad, b);
  assert_memory_equal(placed, b, sizeof placed); /* the loss went where the caller wanted it */
  assert_memory_not_equal(a, b, sizeof a);
  assert_ok(vw_program_run(first)); /* its words and inputs are as they were */
  read_both(first, loss, grad, b);
  assert_memory_equal(a, b, sizeof a);
  vw_program_destroy(second), vw_program_destroy(first), vw_graph_destroy(g);
  vw_context_close(&ctx);
}

static void inputs_of_other_shapes_are_not_shared(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g[2] = {NULL, NULL};
  vw_program *p[2] = {NULL, NULL};
  double x[2 * 3] = {0};
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  for (int i = 0; i < 2; i++) {
    assert_ok(vw_graph_create(&g[i]));
    const vw_value in = vw_input(g[i], vw_shape(VW_HEAD, 2, 2 + i), "x");
    vw_output(g[i], vw_add(g[i], in, in), "y");
    assert_ok(vw_program_create_beside(&p[i], g[i], &ctx, NULL, i ? p[0] : NULL));
  }
  assert_ok(vw_program_bind_inputs(p[1], p[0])); /* nothing there yet */
  vw_tensor t = vw_shape(VW_F64, 2, 2);
  t.data = x;
  assert_ok(vw_program_write(p[0], vw_find(g[0], "x"), &t));
  refused(vw_program_bind_inputs(p[1], p[0]), "leaf 'x' is f64 [2, 3] here, f64 [2, 2] there");
  for (int i = 1; i >= 0; i--) vw_program_destroy(p[i]), vw_graph_destroy(g[i]);
  vw_context_close(&ctx);
}

static void states_are_updated_in_place(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  int64_t count = 40;
  vw_tensor t = vw_shape(VW_I64, 1);
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value step = vw_state(g, t, "step");
  (void)vw_advance(g, step);
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  t.data = &count;
  assert_ok(vw_program_write(p, step, &t));
  assert_ok(vw_program_prepare(p));
  for (int i = 0; i < 2; i++) assert_ok(vw_program_run(p));
  assert_ok(vw_program_read(p, step, &t));
  assert_int_equal(count, 42);
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

static void reading_a_state_after_its_update_is_refused(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value step = vw_state(g, vw_shape(VW_I64, 1), "step");
  (void)vw_advance(g, step);
  (void)vw_advance(g, step);
  assert_int_equal(vw_program_create(&p, g, &ctx, NULL), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "updated in place"));
  vw_graph_destroy(g), vw_context_close(&ctx);
}

static void the_first_mistake_is_kept(void **state) {
  (void)state;
  vw_graph *g = NULL;
  assert_ok(vw_graph_create(&g));
  const vw_value a = vw_input(g, vw_shape(VW_ACT, 2, 3), "a"), b = vw_input(g, vw_shape(VW_ACT, 3, 2), "b");
  const vw_value sum = vw_add(g, a, b);
  assert_int_equal(sum, VW_NONE);
  (void)vw_l2norm(g, sum);
  (void)vw_input(g, vw_shape(VW_ACT, 1), "a");
  assert_int_equal(vw_graph_status(g), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "add"));
  vw_graph_destroy(g);
}

static void an_unbound_leaf_is_named(void **state) {
  (void)state;
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value words;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_graph_create(&g));
  (void)build(g, &words, NULL);
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  assert_int_equal(vw_program_prepare(p), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "'features' [7, 5]"));
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
}

/* Bytes of weights that a product of `rows` rows plans, forward alone or with the way back. */
static int64_t weights_of(vw_context *ctx, int64_t rows, bool convolves, bool back) {
  enum { WIDE = 96 }; /* whole panels of every tile */
  vw_graph *g = NULL;
  vw_program_memory m;
  vw_value dx = VW_NONE;
  assert_ok(vw_graph_create(&g));
  const vw_value x = vw_input(g, convolves ? vw_shape(VW_ACT, 1, 1, rows, WIDE) : vw_shape(VW_ACT, rows, WIDE), "x");
  vw_value y = VW_NONE;
  if (convolves) {
    const vw_value w = vw_weight(g, vw_shape(VW_PARAM, WIDE, WIDE, 3, 3), "w");
    y = vw_conv2d(g, x, (vw_conv2d_inputs){.weight = w, .bias = VW_NONE, .shift = VW_NONE, .residual = VW_NONE}, 1,
                  (vw_padding){1, 1, 1, 1}, VW_ACT);
  } else {
    const vw_value w = vw_weight(g, vw_shape(VW_PARAM, WIDE, WIDE), "w");
    y = vw_linear(g, x, (vw_linear_weights){w, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_ACT);
    /* the same weight again is held once */
    y = vw_linear(g, y, (vw_linear_weights){w, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_ACT);
  }
  vw_output(g, y, "y");
  if (back) assert_ok(vw_reverse(g, y, &x, 1, &dx));
  if (back) vw_output(g, dx, "dx");
  assert_ok(vw_program_measure(g, ctx, NULL, &m));
  vw_graph_destroy(g);
  return m.weights;
}

static void weights_are_counted_as_they_are_held(void **state) {
  (void)state;
  enum { MATRIX = 96 * 96, TAPS = 9, FEW = 8, MANY = 300 };
  vw_context cpu, ref;
  assert_ok(vw_context_open(&cpu, VW_CPU, 1, 0));
  assert_ok(vw_context_open(&ref, VW_REF, 1, 0));
  assert_int_equal(weights_of(&cpu, FEW, false, false), MATRIX * sizeof(float));
  assert_int_equal(weights_of(&cpu, FEW, false, true), 2 * MATRIX * sizeof(float)); /* a copy of its own each way */
  assert_int_equal(weights_of(&cpu, MANY, false, true), MATRIX * sizeof(float));    /* one copy serves both */
  assert_int_equal(weights_of(&cpu, FEW, true, true), TAPS * MATRIX * sizeof(float));
  assert_int_equal(weights_of(&ref, FEW, true, true), TAPS * MATRIX * sizeof(double)); /* as it is */
  vw_context_close(&cpu), vw_context_close(&ref);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reverse_follows_finite_differences),
      cmocka_unit_test(unused_nodes_cost_nothing_and_memory_is_reused),
      cmocka_unit_test(calls_are_seen_and_timed),
      cmocka_unit_test(work_is_counted_from_shapes),
      cmocka_unit_test(programs_share_an_arena_and_inputs),
      cmocka_unit_test(inputs_of_other_shapes_are_not_shared),
      cmocka_unit_test(states_are_updated_in_place),
      cmocka_unit_test(reading_a_state_after_its_update_is_refused),
      cmocka_unit_test(the_first_mistake_is_kept),
      cmocka_unit_test(an_unbound_leaf_is_named),
      cmocka_unit_test(weights_are_counted_as_they_are_held),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
