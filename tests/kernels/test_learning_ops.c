/* Ops of learning: ref and cpu against PyTorch's float64 (tests/reference/learning_ops.py), cpu against ref on odd and
 * full sizes, losses against central differences, and the edges that a study meets: zero and broken gradients, no ball,
 * an empty ball, a class without rivals.
 *
 * Tolerances are relative to max(1, largest element): ref repeats PyTorch's double arithmetic in another order, 1e-12
 * is some thousand roundings. fp32: n roundings of elements of size 1 err by about sqrt(n) eps: SUM(n) = 4 eps sqrt(n).
 * Losses read logits that are rounded to fp32 once: an error of eps times the largest logit passes through with slope 1
 * at most, so LOGIT(max) = 4 eps max. */
#include "tests/support/op_test.h"

#include "io/safetensors.h"
#include "kernels/draw.h"
#include "kernels/one_vs_rest_loss.h"
#include "kernels/pgd_step.h"
#include "kernels/picture_logits.h"
#include "kernels/record.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS            FLT_EPSILON
#define SUM(n)         (4 * EPS * sqrt((double)(n)))
#define LOGIT(max)     (4 * EPS * (max))
#define LENGTH(a)      ((int)(sizeof(a) / sizeof *(a)))
#define H(...)         VW_INPUT(VW_HEAD, -1, 1, __VA_ARGS__)
#define INDEX(hi, ...) VW_INPUT(VW_I32, 0, hi, __VA_ARGS__)
#define STEP(lo, hi)   VW_INPUT(VW_I64, lo, hi, 1)

static const vw_backend backends[] = {VW_REF, VW_CPU};

/* ---- fixtures */

static vw_safetensors *fixtures;

static int open_fixtures(void **state) {
  (void)state;
  return vw_safetensors_open(&fixtures, vw_test_path("reference/fixtures/learning_ops.safetensors")) == VW_OK ? 0 : -1;
}

static int close_fixtures(void **state) {
  (void)state;
  vw_safetensors_close(fixtures);
  return 0;
}

static vw_tensor get(const char *op, const char *name, const char *tensor) {
  char key[128];
  vw_tensor t = {0};
  (void)snprintf(key, sizeof key, "%s.%s.%s", op, name, tensor);
  assert_ok(vw_safetensors_find(fixtures, key, &t));
  return t;
}

static double get_number(const char *op, const char *name, const char *tensor) {
  const vw_tensor t = get(op, name, tensor);
  return t.dtype == VW_I64 ? (double)vw_i64(&t)[0] : vw_f64(&t)[0];
}

static double largest(const vw_tensor *t) {
  double most = 1;
  for (int64_t i = 0; i < vw_count(t); i++) most = fmax(most, fabs(vw_f64(t)[i]));
  return most;
}

/* An output against a fixture, then released. */
static void expect(vw_backend backend, const char *op, const char *name, const char *tensor, vw_tensor *out,
                   double tol) {
  const vw_tensor expected = get(op, name, tensor);
  char what[160];
  (void)snprintf(what, sizeof what, "%s.%s.%s on %s", op, name, tensor, vw_backend_name(backend));
  assert_true(vw_same_shape(out, &expected));
  vw_assert_near(what, vw_f64(out), vw_f64(&expected), vw_count(out), backend == VW_REF ? 1e-12 : tol);
  vw_op_free(out, 1);
}

static void draw_follows_the_protocol(void **state) {
  (void)state;
  static const char *const cases[] = {"one", "shared", "late"};
  for (int i = 0; i < LENGTH(cases); i++)
    for (int b = 0; b < LENGTH(backends); b++) {
      const char *n = cases[i];
      const vw_tensor expected = get("draw", n, "index");
      const vw_draw_attr attr = {.S = expected.dim[1], .purpose = (uint32_t)get_number("draw", n, "purpose")};
      const vw_tensor in[] = {get("draw", n, "key"), get("draw", n, "step"), get("draw", n, "pool"),
                              get("draw", n, "offset"), get("draw", n, "count")};
      vw_tensor out = {0};
      vw_op_run(backends[b], 1, &vw_draw_op, &attr, in, &out);
      assert_true(vw_same_shape(&out, &expected));
      assert_memory_equal(out.data, expected.data, vw_bytes(&expected));
      vw_op_free(&out, 1);
    }
}

static void picture_logits_follow_torch(void **state) {
  (void)state;
  static const char *const op = "picture_logits", *const cases[] = {"one", "odd", "clip"};
  const vw_picture_logits_attr attr = {.scale = 100};
  for (int i = 0; i < LENGTH(cases); i++)
    for (int b = 0; b < LENGTH(backends); b++) {
      const char *n = cases[i];
      const vw_tensor features = get(op, n, "features"), picture = get(op, n, "picture");
      vw_tensor out = {0};
      /* unit vectors: the sum of the terms' sizes is at most 1, times the scale */
      vw_op_run(backends[b], 1, &vw_picture_logits_op, &attr, (vw_tensor[]){get(op, n, "q"), features, picture}, &out);
      expect(backends[b], op, n, "z", &out, LOGIT(100));
      vw_op_run(backends[b], 1, &vw_picture_logits_grad_op, &attr, (vw_tensor[]){get(op, n, "dz"), features, picture},
                &out);
      expect(backends[b], op, n, "dq", &out, SUM(picture.dim[1]));
    }
}

static void one_vs_rest_is_the_full_cross_entropy(void **state) {
  (void)state;
  static const char *const op = "one_vs_rest", *const cases[] = {"one", "odd", "far"};
  for (int i = 0; i < LENGTH(cases); i++)
    for (int b = 0; b < LENGTH(backends); b++) {
      const char *n = cases[i];
      const vw_one_vs_rest_attr attr = {.positives = (int64_t)get_number(op, n, "positives")};
      const vw_tensor z = get(op, n, "z"), picture = get(op, n, "picture"), row = get(op, n, "row_table"),
                      rest = get(op, n, "rest");
      const double tol = LOGIT(fmax(largest(&z), largest(&rest)));
      vw_tensor out = {0};
      vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_op, &attr,
                (vw_tensor[]){z, picture, row, rest, get(op, n, "truth")}, &out);
      expect(backends[b], op, n, "loss", &out, tol);
      vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_grad_op, &attr,
                (vw_tensor[]){get(op, n, "dloss"), z, picture, row, rest}, &out);
      expect(backends[b], op, n, "dz", &out, tol);
    }
}

/* Slice i of a tensor's first axis, as a view. */
static vw_tensor slice(vw_tensor t, int64_t i) {
  vw_tensor s = vw_shape_of(t.dtype, t.ndim - 1, t.dim + 1);
  s.data = (char *)t.data + (size_t)i * vw_bytes(&s);
  return s;
}

static void near(const char *what, const vw_tensor *out, const vw_tensor *expected, vw_backend backend, double tol) {
  vw_assert_near(what, vw_f64(out), vw_f64(expected), vw_count(expected), backend == VW_REF ? 1e-12 : tol);
}

/* A run of steps: each starts from what the one before left, as in training. */
static void pgd_case(vw_backend backend, const char *n) {
  static const char *const op = "pgd_step";
  const vw_pgd_attr attr = {.eta0 = get_number(op, n, "eta0"), .steps = (int64_t)get_number(op, n, "steps")};
  const vw_tensor grads = get(op, n, "grads"), after = get(op, n, "after");
  vw_tensor words = get(op, n, "words"), step = get(op, n, "first");
  int64_t t = vw_i64(&step)[0];
  step.data = &t;
  for (int64_t i = 0; i < grads.dim[0]; i++, t++) {
    const vw_tensor in[] = {words, slice(grads, i), get(op, n, "anchor"), get(op, n, "radius"), step};
    const vw_tensor expected = slice(after, i);
    vw_tensor out = {0};
    vw_op_run(backend, 1, &vw_pgd_step_op, &attr, in, &out);
    near(n, &out, &expected, backend, SUM(4 * (i + 1)));
    if (i) vw_op_free(&words, 1);
    words = out;
  }
  vw_op_free(&words, 1);
}

static void pgd_follows_the_protocol(void **state) {
  (void)state;
  for (int b = 0; b < LENGTH(backends); b++)
    pgd_case(backends[b], "small"), pgd_case(backends[b], "odd"), pgd_case(backends[b], "clip");
}

static void adamw_case(vw_backend backend, const char *n) {
  static const char *const op = "adamw_step";
  const vw_adamw_attr attr = {get_number(op, n, "lr"), get_number(op, n, "beta1"), get_number(op, n, "beta2"),
                              get_number(op, n, "eps"), get_number(op, n, "weight_decay")};
  const vw_tensor grads = get(op, n, "grads"), after = get(op, n, "after");
  vw_tensor words = get(op, n, "words"), m = words, v = words, old[3] = {{0}};
  double *zero = calloc((size_t)vw_count(&words), sizeof *zero);
  int64_t t = 0;
  vw_tensor step = {.data = &t, .dtype = VW_I64, .ndim = 1, .dim = {1}};
  m.data = v.data = zero;
  for (; t < grads.dim[0]; t++) {
    const vw_tensor in[] = {words, slice(grads, t), get(op, n, "anchor"), get(op, n, "radius"), m, v, step};
    const vw_tensor expected = slice(after, t);
    vw_tensor out[3] = {{0}};
    vw_op_run(backend, 1, &vw_adamw_step_op, &attr, in, out);
    near(n, &out[0], &expected, backend, SUM(4 * (t + 1)));
    vw_op_free(old, 3);
    words = old[0] = out[0], m = old[1] = out[1], v = old[2] = out[2];
  }
  expect(backend, op, n, "m", &old[1], SUM(4 * t));
  expect(backend, op, n, "v", &old[2], SUM(4 * t));
  vw_op_free(old, 1);
  free(zero);
}

static void adamw_follows_torch(void **state) {
  (void)state;
  for (int b = 0; b < LENGTH(backends); b++)
    adamw_case(backends[b], "small"), adamw_case(backends[b], "odd"), adamw_case(backends[b], "clip");
}

/* ---- backends against ref, gradients against differences */

static void backends_agree(void **state) {
  (void)state;
  static const vw_draw_attr sixteen = {.S = 16, .purpose = 2}, squeezed = {.S = 1, .purpose = 1, .squeeze = true};
  static const vw_picture_logits_attr scale = {.scale = 100};
  static const vw_one_vs_rest_attr none = {.positives = 0}, eight = {.positives = 8};
  static const vw_pgd_attr pgd = {.eta0 = .1, .steps = 10};
  static const vw_adamw_attr adamw = {1e-3, .9, .999, 1e-8, 1e-2};
  static const vw_record_attr every2 = {.every = 2};
#define DRAWS(B)     VW_INPUT(VW_U32, 0, 4e9, B, 2), STEP(0, 1e6), INDEX(99, 50), INDEX(20, B), VW_INPUT(VW_I32, 1, 30, B)
#define TABLES(B, S) INDEX(29, B, S), INDEX(2, B), H(3, 30)
#define BALLS(K, C)  H(K, C), H(K, C), H(K, C), VW_INPUT(VW_HEAD, .01, 2, K)
  const vw_op_case cases[] = {
      {"draw", &vw_draw_op, &sixteen, {DRAWS(7)}, 0, 0},
      {"draw_template", &vw_draw_op, &squeezed, {DRAWS(200)}, 0, 0},
      {"logits_one", &vw_picture_logits_op, &scale, {H(1, 1), H(1, 1), INDEX(0, 1, 1)}, SUM(1), 1},
      {"logits_odd", &vw_picture_logits_op, &scale, {H(5, 77), H(9, 77), INDEX(8, 5, 3)}, SUM(77), 1},
      {"logits_768", &vw_picture_logits_op, &scale, {H(200, 768), H(300, 768), INDEX(299, 200, 16)}, SUM(768), 0},
      {"logits_grad_odd", &vw_picture_logits_grad_op, &scale, {H(5, 3), H(9, 77), INDEX(8, 5, 3)}, SUM(3), 0},
      {"logits_grad_768", &vw_picture_logits_grad_op, &scale, {H(99, 16), H(300, 768), INDEX(299, 99, 16)}, SUM(16), 0},
      {"one_vs_rest", &vw_one_vs_rest_loss_op, &eight, {H(5, 16), TABLES(5, 16), H(3, 30)}, SUM(16), 1},
      {"only_negatives", &vw_one_vs_rest_loss_op, &none, {H(7, 3), TABLES(7, 3), H(3, 30)}, SUM(3), 1},
      {"one_vs_rest_grad", &vw_one_vs_rest_loss_grad_op, &eight, {H(200), H(200, 16), TABLES(200, 16)}, SUM(4), 0},
      /* words far outside their balls: two norms, a step and the projection */
      {"pgd_odd", &vw_pgd_step_op, &pgd, {BALLS(5, 77), STEP(0, 9)}, SUM(16), 0},
      {"pgd_768", &vw_pgd_step_op, &pgd, {BALLS(200, 768), STEP(3, 3)}, SUM(16), 0},
      {"adamw_odd",
       &vw_adamw_step_op,
       &adamw,
       {BALLS(5, 77), H(5, 77), VW_INPUT(VW_HEAD, .01, 1, 5, 77), STEP(0, 9)},
       SUM(16),
       0},
      {"adamw_768",
       &vw_adamw_step_op,
       &adamw,
       {BALLS(200, 768), H(200, 768), VW_INPUT(VW_HEAD, .01, 1, 200, 768), STEP(99, 99)},
       SUM(16),
       0},
      {"record", &vw_record_op, &every2, {H(4, 9), H(9), STEP(6, 6)}, EPS, 0},
      {"advance", &vw_advance_op, NULL, {STEP(0, 1e6)}, 0, 0},
  };
  vw_op_cases_agree(cases, LENGTH(cases));
  vw_op_cases_gradient(cases, LENGTH(cases));
}

/* ---- edges */

static vw_tensor numbers(double *x, int64_t rows, int64_t columns) {
  return columns ? (vw_tensor){x, VW_F64, 2, {rows, columns}} : (vw_tensor){x, VW_F64, 1, {rows}};
}
static vw_tensor integers(int32_t *x, int64_t rows, int64_t columns) {
  return columns ? (vw_tensor){x, VW_I32, 2, {rows, columns}} : (vw_tensor){x, VW_I32, 1, {rows}};
}

enum { ROWS = 7 };
/* Row 0 moves freely, 1 has no gradient, 2 and 3 broken ones, 4 an empty ball, 5 and 6 gradients at fp32's ends. */
static double edge_words[ROWS][2] = {{1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}};
static double edge_grads[ROWS][2] = {{3, 4}, {0, 0}, {NAN, 1}, {1, INFINITY}, {3, 4}, {3e-38, 4e-38}, {3e37, 4e37}};
static double edge_anchors[ROWS][2] = {{0, 5}, {1, 2}, {1, 2}, {1, 2}, {.5, .25}, {1, 2}, {1, 2}};
static double edge_radius[ROWS] = {INFINITY, 1, 1, INFINITY, 0, 1, 1};

static void pgd_edges(vw_backend backend, int64_t t, vw_tensor *out) {
  const vw_pgd_attr attr = {.eta0 = .1, .steps = 10};
  const vw_tensor in[] = {numbers(edge_words[0], ROWS, 2),
                          numbers(edge_grads[0], ROWS, 2),
                          numbers(edge_anchors[0], ROWS, 2),
                          numbers(edge_radius, ROWS, 0),
                          {&t, VW_I64, 1, {1}}};
  vw_op_run(backend, 1, &vw_pgd_step_op, &attr, in, out);
}

static void pgd_keeps_to_its_edges(void **state) {
  (void)state;
  /* free: R = |anchor| = 5, so 0.1 * 5 along (0.6, 0.8); in the ball: 0.1 * 1 */
  static const double first[ROWS][2] = {{.7, 1.6}, {1, 2}, {1, 2}, {1, 2}, {.5, .25}, {.94, 1.92}, {.94, 1.92}};
  for (int b = 0; b < LENGTH(backends); b++) {
    vw_tensor out = {0};
    pgd_edges(backends[b], 0, &out);
    vw_assert_near("first step", vw_f64(&out), first[0], 2 * ROWS, SUM(4));
    assert_memory_equal(vw_f64(&out) + 2, edge_words[1], 3 * sizeof edge_words[0]);
    assert_memory_equal(vw_f64(&out) + 8, edge_anchors[4], sizeof edge_anchors[4]);
    vw_op_free(&out, 1);
    for (int64_t t = 10; t < 26; t += 5) { /* the cosine would rise again */
      pgd_edges(backends[b], t, &out);
      assert_memory_equal(out.data, edge_words, 4 * sizeof edge_words[0]);
      vw_op_free(&out, 1);
    }
  }
}

static void adamw_keeps_to_its_edges(void **state) {
  (void)state;
  static double m[ROWS][2], v[ROWS][2], unchanged[2][2];
  const vw_adamw_attr attr = {1e-3, .9, .999, 1e-8, 1e-2};
  int64_t t = 0;
  for (int k = 0; k < ROWS; k++) m[k][0] = m[k][1] = 0, v[k][0] = v[k][1] = 0;
  m[2][0] = m[3][0] = .5, v[2][0] = v[3][0] = .25;
  memcpy(unchanged, m[2], sizeof unchanged);
  for (int b = 0; b < LENGTH(backends); b++) {
    const vw_tensor in[] = {numbers(edge_words[0], ROWS, 2),
                            numbers(edge_grads[0], ROWS, 2),
                            numbers(edge_anchors[0], ROWS, 2),
                            numbers(edge_radius, ROWS, 0),
                            numbers(m[0], ROWS, 2),
                            numbers(v[0], ROWS, 2),
                            {&t, VW_I64, 1, {1}}};
    vw_tensor out[3] = {{0}};
    vw_op_run(backends[b], 1, &vw_adamw_step_op, &attr, in, out);
    /* the first step is lr in every coordinate; the free row also decays by lr * 0.01 */
    static const double free_row[2] = {1 - 1e-5 - 1e-3, 2 - 2e-5 - 1e-3};
    vw_assert_near("free row", vw_f64(&out[0]), free_row, 2, SUM(4));
    assert_memory_equal(vw_f64(&out[0]) + 2, edge_words[1], 3 * sizeof edge_words[0]);
    assert_memory_equal(vw_f64(&out[1]) + 4, unchanged, sizeof unchanged);
    assert_memory_equal(vw_f64(&out[0]) + 8, edge_anchors[4], sizeof edge_anchors[4]);
    vw_op_free(out, 3);
  }
}

static void a_word_without_rivals_has_no_loss(void **state) {
  (void)state;
  /* pictures: no rival; then a rival 1000 logits below, equal, 1000 above */
  double z[4] = {3, 500, 7, -500}, rest[4] = {-INFINITY, -500, 7, 500}, truth[4] = {1, -500, 7, 500}, dloss[1] = {4};
  int32_t picture[4] = {0, 1, 2, 3}, row_table[1] = {0};
  static const double loss[2] = {(0 + 0 + 0.69314718055994531 + 1000) / 4, (2 + 1000 + 0.69314718055994531 + 0) / 4};
  static const double dz[2][4] = {{0, 0, -.5, -1}, {1, 1, .5, 0}};
  const vw_tensor tz = numbers(z, 1, 4), tp = integers(picture, 1, 4), tr = integers(row_table, 1, 0),
                  trest = numbers(rest, 1, 4);
  for (int b = 0; b < LENGTH(backends); b++)
    for (int side = 0; side < 2; side++) { /* all positive, all negative */
      const vw_one_vs_rest_attr attr = {.positives = side ? 0 : 4};
      vw_tensor out = {0};
      vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_op, &attr, (vw_tensor[]){tz, tp, tr, trest, numbers(truth, 1, 4)},
                &out);
      vw_assert_near("loss", vw_f64(&out), &loss[side], 1, LOGIT(1));
      vw_op_free(&out, 1);
      vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_grad_op, &attr,
                (vw_tensor[]){numbers(dloss, 1, 0), tz, tp, tr, trest}, &out);
      vw_assert_near("dz", vw_f64(&out), dz[side], 4, SUM(1));
      vw_op_free(&out, 1);
    }
}

static void draws_are_shared_and_uniform(void **state) {
  (void)state;
  enum { B = 66, S = 1024, BINS = 61, OFFSET = 5 };
  static uint32_t key[B][2];
  static int32_t pool[OFFSET + BINS], offset[B], count[B];
  int64_t step = 3, seen[BINS] = {0};
  for (int i = 0; i < OFFSET + BINS; i++) pool[i] = i - OFFSET;
  for (int b = 0; b < B; b++) key[b][0] = 17u * (uint32_t)(b / 2), key[b][1] = 1, offset[b] = OFFSET, count[b] = BINS;
  const vw_tensor in[] = {{key, VW_U32, 2, {B, 2}},
                          {&step, VW_I64, 1, {1}},
                          integers(pool, OFFSET + BINS, 0),
                          integers(offset, B, 0),
                          integers(count, B, 0)};
  const vw_draw_attr positive = {.S = S, .purpose = 2}, negative = {.S = S, .purpose = 3};
  vw_tensor a = {0}, other = {0};
  vw_op_run(VW_CPU, 2, &vw_draw_op, &positive, in, &a);
  vw_op_run(VW_CPU, 2, &vw_draw_op, &negative, in, &other);
  const size_t row = S * sizeof(int32_t);
  for (int b = 0; b < B; b += 2) { /* rows in pairs share a stream; no two streams are alike */
    assert_memory_equal(vw_i32(&a) + b * S, vw_i32(&a) + (b + 1) * S, row);
    assert_memory_not_equal(vw_i32(&a) + b * S, vw_i32(&other) + b * S, row);
    if (b) assert_memory_not_equal(vw_i32(&a) + b * S, vw_i32(&a), row);
    for (int s = 0; s < S; s++) {
      assert_in_range(vw_i32(&a)[b * S + s], 0, BINS - 1);
      seen[vw_i32(&a)[b * S + s]]++;
    }
  }
  double chi2 = 0;
  const double mean = B / 2.0 * S / BINS;
  for (int i = 0; i < BINS; i++) chi2 += ((double)seen[i] - mean) * ((double)seen[i] - mean) / mean;
  assert_true(chi2 < BINS - 1 + 5 * sqrt(2.0 * (BINS - 1))); /* five standard deviations above its mean */
  vw_op_free(&other, 1);

  enum { FIRST = 1000, LAST = S - FIRST }; /* columns of their own are those of the wide draw */
  const vw_draw_attr part = {.S = LAST, .first = FIRST, .purpose = 2};
  for (int k = 0; k < LENGTH(backends); k++) {
    vw_op_run(backends[k], 1, &vw_draw_op, &part, in, &other);
    for (int b = 0; b < B; b++)
      assert_memory_equal(vw_i32(&other) + b * LAST, vw_i32(&a) + b * S + FIRST, LAST * sizeof(int32_t));
    vw_op_free(&other, 1);
  }
  vw_op_free(&a, 1);
}

/* Two parts of a step's pictures, one behind the other, give the loss and the gradient of all. */
static void slices_add_up_to_the_step(void **state) {
  (void)state;
  enum { ALL = 4, POSITIVES = 1 };
  double z[ALL] = {3, -2, 7, .5}, rest[ALL] = {1, 2, 7, -4}, truth[ALL] = {1, 0, 6, -5}, dloss[1] = {4};
  int32_t picture[ALL] = {0, 1, 2, 3}, row_table[1] = {0};
  const vw_tensor tr = integers(row_table, 1, 0), trest = numbers(rest, 1, ALL), ttruth = numbers(truth, 1, ALL);
  for (int b = 0; b < LENGTH(backends); b++) {
    vw_tensor whole = {0}, out = {0}, slope = {0};
    double sum = 0, dz[ALL];
    const vw_one_vs_rest_attr all = {.positives = POSITIVES};
    vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_op, &all,
              (vw_tensor[]){numbers(z, 1, ALL), integers(picture, 1, ALL), tr, trest, ttruth}, &whole);
    vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_grad_op, &all,
              (vw_tensor[]){numbers(dloss, 1, 0), numbers(z, 1, ALL), integers(picture, 1, ALL), tr, trest}, &slope);
    for (int first = 0, n; first < ALL; first += n) {
      n = first ? 3 : 1;
      const vw_one_vs_rest_attr part = {.positives = first ? 0 : POSITIVES, .of = ALL};
      const vw_tensor tz = numbers(z + first, 1, n), tp = integers(picture + first, 1, n);
      vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_op, &part, (vw_tensor[]){tz, tp, tr, trest, ttruth}, &out);
      sum += vw_f64(&out)[0];
      vw_op_free(&out, 1);
      vw_op_run(backends[b], 1, &vw_one_vs_rest_loss_grad_op, &part,
                (vw_tensor[]){numbers(dloss, 1, 0), tz, tp, tr, trest}, &out);
      memcpy(dz + first, vw_f64(&out), (size_t)n * sizeof *dz);
      vw_op_free(&out, 1);
    }
    vw_assert_near("loss", &sum, vw_f64(&whole), 1, LOGIT(1));
    assert_memory_equal(dz, vw_f64(&slope), sizeof dz);
    vw_op_free(&whole, 1), vw_op_free(&slope, 1);
  }
}

static void record_keeps_the_right_rows(void **state) {
  (void)state;
  const vw_record_attr every5 = {.every = 5};
  double history[3][2] = {{1, 2}, {3, 4}, {5, 6}}, x[2] = {8, 9};
  for (int b = 0; b < LENGTH(backends); b++)
    for (int64_t step = 0; step < 30; step++) {
      const vw_tensor in[] = {numbers(history[0], 3, 2), numbers(x, 2, 0), {&step, VW_I64, 1, {1}}};
      vw_tensor out = {0};
      vw_op_run(backends[b], 1, &vw_record_op, &every5, in, &out);
      for (int64_t i = 0; i < 3; i++)
        assert_memory_equal(vw_f64(&out) + 2 * i, step == 5 * i ? x : history[i], sizeof x);
      vw_op_free(&out, 1);
    }
}

static void wrong_shapes_are_refused(void **state) {
  (void)state;
  const vw_draw_attr two = {.S = 2, .squeeze = true}, far = {.S = 2, .first = INT32_MAX};
  const vw_one_vs_rest_attr many = {.positives = 9}, few = {.positives = 1, .of = 3};
  const vw_pgd_attr pgd = {.eta0 = .1, .steps = 10}, no_steps = {.eta0 = .1};
  const vw_adamw_attr beta = {1e-3, 1, .999, 1e-8, 0};
#define T(...) vw_shape(VW_HEAD, __VA_ARGS__)
#define I(...) vw_shape(VW_I32, __VA_ARGS__)
  const vw_tensor step = vw_shape(VW_I64, 1), key = vw_shape(VW_U32, 3, 2);
  vw_op_refused(&vw_draw_op, &two, (vw_tensor[]){key, step, I(9), I(3), I(3)}, "squeeze needs S = 1");
  vw_op_refused(&vw_draw_op, &far, (vw_tensor[]){key, step, I(9), I(3), I(3)}, "draw: first is 2147483647, S is 2");
  vw_op_refused(&vw_draw_op, &two, (vw_tensor[]){key, step, I(9), I(4), I(3)}, "offset is i32 [4], key has B=3");
  vw_op_refused(&vw_picture_logits_op, NULL, (vw_tensor[]){T(3, 8), T(9, 7), I(3, 2)}, "q has C=8");
  vw_op_refused(&vw_one_vs_rest_loss_op, &few, (vw_tensor[]){T(3, 8), I(3, 8), I(3), T(1, 9), T(1, 9)},
                "S=8 pictures of a step's 3");
  vw_op_refused(&vw_one_vs_rest_loss_op, &many, (vw_tensor[]){T(3, 8), I(3, 8), I(3), T(1, 9), T(1, 9)},
                "9 positives of S=8");
  vw_op_refused(&vw_pgd_step_op, &pgd, (vw_tensor[]){T(3, 8), T(3, 8), T(3, 8), T(4), step}, "radius is [4]");
  vw_op_refused(&vw_pgd_step_op, &no_steps, (vw_tensor[]){T(3, 8), T(3, 8), T(3, 8), T(3), step}, "steps is 0");
  vw_op_refused(&vw_adamw_step_op, &beta, (vw_tensor[]){T(3, 8), T(3, 8), T(3, 8), T(3), T(3, 8), T(3, 8), step},
                "betas 1, 0.999 must be in [0, 1)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(draw_follows_the_protocol),
      cmocka_unit_test(picture_logits_follow_torch),
      cmocka_unit_test(one_vs_rest_is_the_full_cross_entropy),
      cmocka_unit_test(pgd_follows_the_protocol),
      cmocka_unit_test(adamw_follows_torch),
      cmocka_unit_test(backends_agree),
      cmocka_unit_test(pgd_keeps_to_its_edges),
      cmocka_unit_test(adamw_keeps_to_its_edges),
      cmocka_unit_test(a_word_without_rivals_has_no_loss),
      cmocka_unit_test(draws_are_shared_and_uniform),
      cmocka_unit_test(slices_add_up_to_the_step),
      cmocka_unit_test(record_keeps_the_right_rows),
      cmocka_unit_test(wrong_shapes_are_refused),
  };
  return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}
