/* OWL-v2 against transformers (tests/reference/owlv2.py): three random networks, one of them at pictures of another
 * size than its positions', and the embedded one. What is kept of a picture, texts, logits, and a word's gradient from
 * the logits of all patches of two pictures at once. */
#include "tests/support/test.h"

#include "io/safetensors.h"
#include "networks/owlv2.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
  vw_context ctx;
  vw_owlv2_network *n;
  vw_safetensors *expected;
} fixture;

static const struct network {
  const char *dir, *expected;
} networks[] = {
    {"reference/fixtures/owlv2_a", "reference/fixtures/owlv2_a/expected.safetensors"},
    {"reference/fixtures/owlv2_b", "reference/fixtures/owlv2_b/expected.safetensors"},
    {"reference/fixtures/owlv2_c", "reference/fixtures/owlv2_c/expected.safetensors"},
    {"../data/owlv2-tiny", "reference/fixtures/owlv2_tiny.safetensors"},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* ref and cpu, and cuda where there is a device: the emulated one in emulated/owlv2. */
static int backends(void) {
  vw_context ctx;
  if (vw_context_open(&ctx, VW_CUDA, 1, 0) != VW_OK) {
    vw_error_clear();
    return VW_CUDA;
  }
  vw_context_close(&ctx);
  return VW_BACKENDS;
}

/* As in test_clip.c: double through some hundred operations, or fp32 through a dozen layers. */
static double tolerance(int b) {
  return b == VW_REF ? 1e-8 : 2e-5;
}

static void open_fixture(fixture *f, const struct network *n, int b) {
  assert_ok(vw_context_open(&f->ctx, (vw_backend)b, 2, 0));
  assert_ok(vw_owlv2_network_open(&f->n, vw_test_path(n->dir), &f->ctx));
  assert_ok(vw_safetensors_open(&f->expected, vw_test_path(n->expected)));
}

static void close_fixture(fixture *f) {
  vw_safetensors_close(f->expected);
  vw_owlv2_network_close(f->n);
  vw_context_close(&f->ctx);
}

static vw_tensor get(const fixture *f, const char *name) {
  vw_tensor t;
  assert_ok(vw_safetensors_find(f->expected, name, &t));
  return t;
}

static double *as_double(const void *x, vw_dtype type, int64_t n) {
  double *out = malloc((size_t)n * sizeof *out);
  assert_ok(vw_convert(out, VW_F64, x, type, n));
  return out;
}

/* Relative to the largest number of the fixture: logits and objectness are far from one. */
static void near_fixture(const fixture *f, const char *name, const double *got, double tol) {
  const vw_tensor t = get(f, name);
  vw_assert_near(name, got, vw_f64(&t), vw_count(&t), tol);
}

/* All pictures of the fixture; their arrays one behind the other. */
static void run_pictures(const fixture *f, vw_owlv2_picture_data *d) {
  const vw_tensor pixels = get(f, "pixels");
  const int64_t m = pixels.dim[0], N = vw_owlv2_patches(f->n), p = f->n->clip.vision.projection;
  const size_t row = (size_t)(N * p) * vw_dtype_bytes(vw_owlv2_embedding_type(f->n));
  double *x = as_double(pixels.data, pixels.dtype, vw_count(&pixels));
  vw_owlv2_encoder *e = NULL;
  *d = (vw_owlv2_picture_data){.embedding = malloc((size_t)m * row),
                               .shift = malloc((size_t)(m * N) * sizeof(double)),
                               .scale = malloc((size_t)(m * N) * sizeof(double)),
                               .boxes = malloc((size_t)(m * N * 4) * sizeof(double)),
                               .objectness = malloc((size_t)(m * N) * sizeof(double))};
  assert_ok(vw_owlv2_encoder_create(&e, f->n));
  for (int64_t i = 0; i < m; i++) {
    const vw_owlv2_picture_data one = {.embedding = (char *)d->embedding + (size_t)i * row,
                                       .shift = d->shift + i * N,
                                       .scale = d->scale + i * N,
                                       .boxes = d->boxes + i * N * 4,
                                       .objectness = d->objectness + i * N};
    assert_ok(vw_owlv2_encoder_run(e, x + i * (vw_count(&pixels) / m), &one));
  }
  vw_owlv2_encoder_destroy(e);
  free(x);
}

static void free_pictures(vw_owlv2_picture_data *d) {
  free(d->embedding), free(d->shift), free(d->scale), free(d->boxes), free(d->objectness);
}

static void pictures_equal_transformers(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++)
    for (int b = VW_REF; b < backends(); b++) {
      fixture f;
      vw_owlv2_picture_data d;
      open_fixture(&f, &networks[i], b);
      run_pictures(&f, &d);
      const vw_tensor embedding = get(&f, "embedding");
      double *e = as_double(d.embedding, vw_owlv2_embedding_type(f.n), vw_count(&embedding));
      near_fixture(&f, "embedding", e, tolerance(b));
      near_fixture(&f, "shift", d.shift, tolerance(b));
      near_fixture(&f, "scale", d.scale, tolerance(b));
      near_fixture(&f, "boxes", d.boxes, tolerance(b));
      near_fixture(&f, "objectness", d.objectness, tolerance(b));
      free(e), free_pictures(&d), close_fixture(&f);
    }
}

static void texts_equal_transformers(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++)
    for (int b = VW_REF; b < backends(); b++) {
      fixture f;
      open_fixture(&f, &networks[i], b);
      const vw_tensor ids = get(&f, "ids"), expected = get(&f, "text_features");
      const int64_t n = ids.dim[0];
      int32_t pooled[16];
      for (int64_t k = 0; k < n; k++)
        pooled[k] = (int32_t)vw_text_pooled(&f.n->clip.net.text, vw_i32(&ids) + k * ids.dim[1], ids.dim[1]);
      void *out = malloc((size_t)n * vw_clip_feature_bytes(&f.n->clip));
      assert_ok(vw_clip_encode_tokens(&f.n->clip, vw_i32(&ids), ids.dim[1], pooled, n, out));
      double *got = as_double(out, vw_clip_feature_type(&f.n->clip), vw_count(&expected));
      near_fixture(&f, "text_features", got, tolerance(b));
      free(got), free(out), close_fixture(&f);
    }
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void write_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor t, const void *data) {
  t.data = (void *)(uintptr_t)data;
  assert_ok(vw_program_write(p, vw_find(g, name), &t));
}

/* The fixture's rows as templates: what stands before the word is prefix, the rest tail. */
static void make_templates(const fixture *f, vw_templates *t) {
  const vw_tensor ids = get(f, "template_ids"), length = get(f, "length"), at = get(f, "word_position");
  const int64_t n = ids.dim[0], L = ids.dim[1];
  *t = (vw_templates){.M = n, .P = 1, .T = 1};
  t->prefix_len = calloc((size_t)n, 4), t->length = calloc((size_t)n, 4), t->pooled = calloc((size_t)n, 4);
  for (int64_t i = 0; i < n; i++) {
    const int32_t word = vw_i32(&at)[i];
    t->prefix_len[i] = word, t->length[i] = vw_i32(&length)[i] - word, t->pooled[i] = t->length[i] - 1;
    if (word > t->P) t->P = word;
    if (t->length[i] > t->T) t->T = t->length[i];
  }
  t->prefix = calloc((size_t)(n * t->P), 4), t->tail = calloc((size_t)(n * t->T), 4);
  for (int64_t i = 0; i < n; i++) {
    const int32_t *row = vw_i32(&ids) + i * L;
    memcpy(t->prefix + i * t->P, row, (size_t)t->prefix_len[i] * 4);
    memcpy(t->tail + i * t->T, row + t->prefix_len[i], (size_t)t->length[i] * 4);
  }
}

/* One program: words in templates to logits at all patches, and back from `direction`. */
static void word_pass(fixture *f, const vw_owlv2_picture_data *d, double *z, double *gradient) {
  const vw_tensor words = get(f, "words"), direction = get(f, "direction");
  const vw_clip_network *c = &f->n->clip;
  const int64_t n = words.dim[0], m = direction.dim[1], N = direction.dim[2], p = c->vision.projection, one = 1;
  const vw_dtype type = vw_owlv2_embedding_type(f->n);
  vw_templates t;
  vw_prompts prompts;
  vw_graph *g = NULL;
  vw_program *program = NULL;
  vw_value q, grad;
  int32_t row[16], picture[16];
  for (int32_t i = 0; i < 16; i++) row[i] = picture[i] = i;
  make_templates(f, &t);
  assert_ok(vw_prompts_of_templates(&prompts, &f->n->clip.net, &t));
  const vw_prompt_sizes sizes = {prompts.t.M, prompts.t.P, prompts.t.T};
  assert_ok(vw_graph_create(&g));
  const vw_value leaf = vw_input(g, vw_shape(VW_HEAD, n, c->net.width), "words");
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, n), "row_word");
  assert_ok(vw_clip_word_feature(g, &c->net.text.tower, &sizes, leaf, row_word,
                                 vw_input(g, vw_shape(VW_I32, n), "row_template"), &q));
  const vw_patch_features features = {.features = vw_input(g, vw_shape(type, m, N, p), "features"),
                                      .shift = vw_input(g, vw_shape(VW_HEAD, m, N), "shift"),
                                      .scale = vw_input(g, vw_shape(VW_HEAD, m, N), "scale")};
  const vw_value logits = vw_owlv2_logits(g, q, features, vw_input(g, vw_shape(VW_I32, one, m), "picture"));
  vw_output(g, logits, "logits");
  assert_ok(vw_reverse_from(g, logits, vw_input(g, vw_shape(VW_HEAD, n, m, N), "direction"), &leaf, 1, &grad));
  vw_output(g, grad, "gradient");
  assert_ok(vw_program_create(&program, g, &f->ctx, &c->net.policy));
  assert_ok(vw_weights_bind(c->net.weights, program));
  assert_ok(vw_prompts_write(&prompts, program, g));
  write_leaf(program, g, "words", words, words.data);
  write_leaf(program, g, "row_word", vw_shape(VW_I32, n), row);
  write_leaf(program, g, "row_template", vw_shape(VW_I32, n), row);
  write_leaf(program, g, "picture", vw_shape(VW_I32, one, m), picture);
  write_leaf(program, g, "features", vw_shape(type, m, N, p), d->embedding);
  write_leaf(program, g, "shift", vw_shape(VW_F64, m, N), d->shift);
  write_leaf(program, g, "scale", vw_shape(VW_F64, m, N), d->scale);
  write_leaf(program, g, "direction", direction, direction.data);
  assert_ok(vw_program_prepare(program));
  assert_ok(vw_program_run(program));
  vw_tensor out = direction;
  out.data = z;
  assert_ok(vw_program_read(program, logits, &out));
  out = words, out.data = gradient;
  assert_ok(vw_program_read(program, grad, &out));
  vw_program_destroy(program), vw_graph_destroy(g), vw_prompts_free(&prompts);
}

/* Sums of N patches and m pictures of logits: their gradients add as many terms. */
static void word_gradients_equal_autograd(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++)
    for (int b = VW_REF; b < backends(); b++) {
      fixture f;
      vw_owlv2_picture_data d;
      double loss[16] = {0};
      open_fixture(&f, &networks[i], b);
      const vw_tensor direction = get(&f, "direction"), words = get(&f, "words");
      const int64_t n = words.dim[0], each = vw_count(&direction) / n;
      double *z = malloc((size_t)vw_count(&direction) * sizeof *z);
      double *gradient = malloc((size_t)vw_count(&words) * sizeof *gradient);
      run_pictures(&f, &d);
      word_pass(&f, &d, z, gradient);
      for (int64_t k = 0; k < n * each; k++) loss[k / each] += z[k] * vw_f64(&direction)[k];
      near_fixture(&f, "word_loss", loss, tolerance(b) * 10);
      near_fixture(&f, "word_gradient", gradient, tolerance(b) * 10);
      free(z), free(gradient), free_pictures(&d), close_fixture(&f);
    }
}

/* Texts met at the pictures: the fixture's logits [m, n, N] from kept features and text features. */
static void logits_equal_transformers(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++) {
    fixture f;
    vw_owlv2_picture_data d;
    open_fixture(&f, &networks[i], VW_REF);
    run_pictures(&f, &d);
    const vw_tensor q = get(&f, "text_features"), expected = get(&f, "logits");
    const int64_t m = expected.dim[0], n = expected.dim[1], N = expected.dim[2], p = q.dim[1], one = 1;
    vw_graph *g = NULL;
    vw_program *program = NULL;
    int32_t picture[16];
    for (int32_t k = 0; k < 16; k++) picture[k] = k;
    double *z = malloc((size_t)vw_count(&expected) * sizeof *z), *got = malloc((size_t)vw_count(&expected) * sizeof *z);
    assert_ok(vw_graph_create(&g));
    const vw_patch_features features = {.features = vw_input(g, vw_shape(VW_F64, m, N, p), "features"),
                                        .shift = vw_input(g, vw_shape(VW_HEAD, m, N), "shift"),
                                        .scale = vw_input(g, vw_shape(VW_HEAD, m, N), "scale")};
    const vw_value query = vw_input(g, vw_shape(VW_HEAD, n, p), "q");
    vw_output(g, vw_owlv2_logits(g, query, features, vw_input(g, vw_shape(VW_I32, one, m), "picture")), "logits");
    assert_ok(vw_program_create(&program, g, &f.ctx, NULL));
    write_leaf(program, g, "q", q, q.data);
    write_leaf(program, g, "picture", vw_shape(VW_I32, one, m), picture);
    write_leaf(program, g, "features", vw_shape(VW_F64, m, N, p), d.embedding);
    write_leaf(program, g, "shift", vw_shape(VW_F64, m, N), d.shift);
    write_leaf(program, g, "scale", vw_shape(VW_F64, m, N), d.scale);
    assert_ok(vw_program_prepare(program));
    assert_ok(vw_program_run(program));
    vw_tensor out = vw_shape(VW_F64, n, m, N);
    out.data = z;
    assert_ok(vw_program_read(program, vw_find(g, "logits"), &out));
    for (int64_t k = 0; k < n; k++)
      for (int64_t s = 0; s < m; s++) memcpy(got + (s * n + k) * N, z + (k * m + s) * N, (size_t)N * sizeof *z);
    near_fixture(&f, "logits", got, 1e-8);
    free(z), free(got), vw_program_destroy(program), vw_graph_destroy(g);
    free_pictures(&d), close_fixture(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pictures_equal_transformers), cmocka_unit_test(texts_equal_transformers),
      cmocka_unit_test(logits_equal_transformers), cmocka_unit_test(word_gradients_equal_autograd)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
