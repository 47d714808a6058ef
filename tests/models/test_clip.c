/* Both towers and the word gradient against transformers (tests/reference/clip.py): two random networks of odd sizes
 * and the embedded one; and the short path (cached prefix, word to end-of-text) against the plain one. */
#include "tests/support/test.h"

#include "core/random.h"
#include "io/safetensors.h"
#include "networks/clip.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  vw_context ctx;
  vw_clip_network *n;
  vw_safetensors *expected;
} fixture;

static const struct network {
  const char *dir, *expected;
} networks[] = {
    {"reference/fixtures/clip_a", "reference/fixtures/clip_a/expected.safetensors"},
    {"reference/fixtures/clip_b", "reference/fixtures/clip_b/expected.safetensors"},
    {"../data/clip-tiny", "reference/fixtures/clip_tiny.safetensors"},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* ref computes in double: what is left is rounding through some hundred operations (GOALS: 1e-8). fp32: the same with
 * its epsilon; features have unit length and errors of a dozen layers add up. */
static double tolerance(vw_backend b) {
  return b == VW_REF ? 1e-8 : 2e-5;
}

static void open_fixture(fixture *f, const struct network *n, vw_backend b) {
  assert_ok(vw_context_open(&f->ctx, b, 2, 0));
  assert_ok(vw_clip_network_open(&f->n, vw_test_path(n->dir), &f->ctx));
  assert_ok(vw_safetensors_open(&f->expected, vw_test_path(n->expected)));
}

static void close_fixture(fixture *f) {
  vw_safetensors_close(f->expected);
  vw_clip_network_close(f->n);
  vw_context_close(&f->ctx);
}

static vw_tensor get(const fixture *f, const char *name) {
  vw_tensor t;
  assert_ok(vw_safetensors_find(f->expected, name, &t));
  return t;
}

/* Features of the backend's type as double; frees the input. */
static double *as_double(const fixture *f, void *x, int64_t n) {
  double *out = malloc((size_t)n * sizeof *out);
  assert_ok(vw_convert(out, VW_F64, x, vw_clip_feature_type(f->n), n));
  free(x);
  return out;
}

static void check_text(const fixture *f, double tol) {
  const vw_tensor ids = get(f, "ids"), length = get(f, "length"), expected = get(f, "text_features");
  const int64_t n = ids.dim[0];
  int32_t pooled[16];
  for (int64_t i = 0; i < n; i++) pooled[i] = vw_i32(&length)[i] - 1;
  void *out = malloc((size_t)n * vw_clip_feature_bytes(f->n));
  assert_ok(vw_clip_encode_tokens(f->n, vw_i32(&ids), ids.dim[1], pooled, n, out));
  double *got = as_double(f, out, vw_count(&expected));
  vw_assert_near("text features", got, vw_f64(&expected), vw_count(&expected), tol);
  free(got);
}

static void check_pictures(const fixture *f, double tol) {
  const vw_tensor pixels = get(f, "pixels"), expected = get(f, "image_features");
  const int64_t n = pixels.dim[0], one = vw_count(&pixels) / n;
  char *out = malloc((size_t)n * vw_clip_feature_bytes(f->n));
  double *x = malloc((size_t)vw_count(&pixels) * sizeof *x);
  assert_ok(vw_convert(x, VW_F64, pixels.data, pixels.dtype, vw_count(&pixels)));
  vw_image_encoder *e = NULL;
  assert_ok(vw_image_encoder_create(&e, f->n));
  for (int64_t i = 0; i < n; i++)
    assert_ok(vw_image_encoder_run(e, x + i * one, out + (size_t)i * vw_clip_feature_bytes(f->n)));
  double *got = as_double(f, out, vw_count(&expected));
  vw_assert_near("image features", got, vw_f64(&expected), vw_count(&expected), tol);
  free(got);
  free(x);
  vw_image_encoder_destroy(e);
}

static void outputs_equal_transformers(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++)
    for (vw_backend b = VW_REF; b <= VW_CPU; b++) {
      fixture f;
      open_fixture(&f, &networks[i], b);
      check_text(&f, tolerance(b));
      check_pictures(&f, tolerance(b));
      close_fixture(&f);
    }
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* The fixture's rows as templates: what stands before the word is prefix, the rest tail. `plain`: all in the tail. */
static void make_templates(const fixture *f, bool plain, vw_templates *t) {
  const vw_tensor ids = get(f, "template_ids"), length = get(f, "length"), at = get(f, "word_position");
  const int64_t n = ids.dim[0], L = ids.dim[1];
  *t = (vw_templates){.M = n, .P = 1, .T = 1};
  t->prefix_len = calloc((size_t)n, 4), t->length = calloc((size_t)n, 4), t->pooled = calloc((size_t)n, 4);
  for (int64_t i = 0; i < n; i++) {
    const int32_t word = plain ? 0 : vw_i32(&at)[i];
    t->prefix_len[i] = word, t->length[i] = vw_i32(&length)[i] - word, t->pooled[i] = t->length[i] - 1;
    if (word > t->P) t->P = word;
    if (t->length[i] > t->T) t->T = t->length[i];
  }
  if (plain) t->T = f->n->net.text.tower.positions; /* all 77, as the reference implementation runs them */
  t->prefix = calloc((size_t)(n * t->P), 4), t->tail = calloc((size_t)(n * t->T), 4);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < t->prefix_len[i]; j++) t->prefix[i * t->P + j] = vw_i32(&ids)[i * L + j];
    for (int64_t j = 0; j < t->length[i]; j++) t->tail[i * t->T + j] = vw_i32(&ids)[i * L + t->prefix_len[i] + j];
  }
}

static void write_ints(vw_program *p, const vw_graph *g, const char *name, int32_t *x, int64_t n) {
  vw_tensor t = vw_shape(VW_I32, n);
  t.data = x;
  assert_ok(vw_program_write(p, vw_find(g, name), &t));
}

/* feature [n, p] and gradient [n, C] of sum direction . feature, by the short or the plain path. */
static void word_pass(fixture *f, bool plain, double *feature, double *gradient) {
  const vw_tensor words = get(f, "words"), direction = get(f, "direction"), at = get(f, "word_position");
  const int64_t n = words.dim[0], C = words.dim[1], layers = f->n->net.text.tower.t.layers;
  vw_templates t;
  vw_prompts prompts = {0};
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_value grad = VW_NONE;
  int32_t row[16], zeros[16] = {0};
  make_templates(f, plain, &t);
  if (!plain) {
    assert_ok(vw_prompts_of_templates(&prompts, &f->n->net, &t));
    t = prompts.t;
  }
  const vw_prompt_sizes sizes = {n, plain ? 0 : t.P, t.T};
  for (int32_t i = 0; i < n; i++) row[i] = i;
  assert_ok(vw_graph_create(&g));
  assert_ok(vw_clip_word_graph(g, &f->n->net.text.tower, n, n, &sizes));
  /* loss = direction . feature, as a linear functional: its gradient by the feature is the direction */
  const vw_value leaf = vw_find(g, "words"), q = vw_find(g, "feature");
  assert_ok(vw_reverse_from(g, q, vw_input(g, vw_shape(VW_HEAD, n, direction.dim[1]), "direction"), &leaf, 1, &grad));
  vw_output(g, grad, "gradient");
  assert_ok(vw_program_create(&p, g, &f->ctx, &f->n->net.policy));
  assert_ok(vw_weights_bind(f->n->net.weights, p));
  assert_ok(vw_program_write(p, leaf, &words));
  assert_ok(vw_program_write(p, vw_find(g, "direction"), &direction));
  write_ints(p, g, "row_word", row, n), write_ints(p, g, "row_template", row, n);
  write_ints(p, g, "word_pos", plain ? vw_i32(&at) : zeros, n);
  write_ints(p, g, "length_of", t.length, n), write_ints(p, g, "pooled_of", t.pooled, n);
  vw_tensor tail = vw_shape(VW_F64, n, t.T, C), cache = vw_shape(f->n->net.policy.act, n, t.P, 2 * C);
  double *x = calloc((size_t)vw_count(&tail), sizeof *x);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < t.length[i]; j++) {
      const bool is_word = j == (plain ? vw_i32(&at)[i] : 0);
      assert_ok(vw_text_embed(&f->n->net.text, is_word ? -1 : t.tail[i * t.T + j], t.prefix_len[i] + j,
                              x + (i * t.T + j) * C));
    }
  tail.data = x;
  assert_ok(vw_program_write(p, vw_find(g, "tail"), &tail));
  if (!plain) write_ints(p, g, "prefix_len", t.prefix_len, n);
  for (int64_t i = 0; !plain && i < layers; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "prefix.%d", (int)i);
    cache.data = prompts.cache[i];
    assert_ok(vw_program_write(p, vw_find(g, name), &cache));
  }
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  vw_tensor out = direction;
  out.data = feature;
  assert_ok(vw_program_read(p, q, &out));
  out = words, out.data = gradient;
  assert_ok(vw_program_read(p, grad, &out));
  free(x);
  vw_program_destroy(p), vw_graph_destroy(g);
  if (plain) vw_templates_destroy(&t);
  vw_prompts_free(&prompts);
}

static void check_words(fixture *f, double tol) {
  const vw_tensor words = get(f, "words"), direction = get(f, "direction"), loss = get(f, "word_loss"),
                  expected = get(f, "word_gradient");
  const int64_t n = words.dim[0], p = direction.dim[1];
  double *feature[2], *gradient[2], got[16];
  for (int plain = 0; plain < 2; plain++) {
    feature[plain] = malloc((size_t)(n * p) * sizeof(double)),
    gradient[plain] = malloc((size_t)vw_count(&words) * sizeof(double));
    word_pass(f, plain, feature[plain], gradient[plain]);
    for (int64_t i = 0; i < n; i++) {
      got[i] = 0;
      for (int64_t j = 0; j < p; j++) got[i] += feature[plain][i * p + j] * vw_f64(&direction)[i * p + j];
    }
    vw_assert_near("word loss", got, vw_f64(&loss), n, tol * 10); /* a sum of p terms of size one */
    vw_assert_near("word gradient", gradient[plain], vw_f64(&expected), vw_count(&expected), tol * 10);
  }
  vw_assert_near("short path", feature[0], feature[1], n * p, tol);
  for (int i = 0; i < 2; i++) free(feature[i]), free(gradient[i]);
}

static void word_gradients_equal_autograd(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++)
    for (vw_backend b = VW_REF; b <= VW_CPU; b++) {
      fixture f;
      open_fixture(&f, &networks[i], b);
      check_words(&f, tolerance(b));
      close_fixture(&f);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(outputs_equal_transformers),
                                     cmocka_unit_test(word_gradients_equal_autograd)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
