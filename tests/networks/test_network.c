/* Networks whose text encoder is cut: what they read of a word is what follows from transformers' hidden_states
 * (tests/reference/states.py) of that layer by the final norm and the projection; with all layers the whole network's
 * bits. */
#include "tests/support/test.h"

#include "io/safetensors.h"
#include "networks/clip.h"
#include "networks/owlv2.h"
#include "networks/stable_diffusion.h"
#include "networks/states.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text[] = "a photo of a {} on a table";
static const struct {
  const char *name, *dir;
  const vw_network_kind *kind;
} networks[] = {{"clip", "../data/clip-tiny", &vw_clip_kind},
                {"owlv2", "../data/owlv2-tiny", &vw_owlv2_kind},
                {"sd", "../data/sd-tiny", &vw_sd_kind}};

/* The script's word, and one of the vocabulary. */
static void make_words(const vw_network *n, double *words) {
  const int64_t W = n->width;
  int32_t id = 0;
  assert_ok(vw_tokenizer_word(n->text.tokenizer, "bread", &id));
  assert_ok(vw_text_word_vector(&n->text, id, words));
  for (int64_t c = 0; c < W; c++) words[c] = 0.5 * words[c] + 0.1 * sin((double)c);
  assert_ok(vw_tokenizer_word(n->text.tokenizer, "dog", &id));
  assert_ok(vw_text_word_vector(&n->text, id, words + W));
}

static double *weight(const vw_network *n, const char *suffix, int64_t rows, int64_t columns) {
  const vw_tensor shape = columns ? vw_shape(VW_PARAM, rows, columns) : vw_shape(VW_PARAM, rows);
  const int64_t count = rows * (columns ? columns : 1);
  char name[VW_NAME_BYTES];
  vw_tensor t;
  double *x = malloc((size_t)count * sizeof *x);
  (void)snprintf(name, sizeof name, "%s%s", n->text.tower.prefix, suffix);
  assert_non_null(x);
  assert_ok(vw_weights_find(n->weights, name, &shape, &t));
  assert_ok(vw_convert(x, VW_F64, t.data, t.dtype, count));
  return x;
}

/* state [W] behind the final norm. */
static void norm(const vw_network *n, const float *state, double *out) {
  const int64_t W = n->width;
  double *gamma = weight(n, "text_model.final_layer_norm.weight", W, 0);
  double *beta = weight(n, "text_model.final_layer_norm.bias", W, 0), mean = 0, var = 0;
  for (int64_t c = 0; c < W; c++) mean += state[c] / (double)W;
  for (int64_t c = 0; c < W; c++) var += (state[c] - mean) * (state[c] - mean) / (double)W;
  for (int64_t c = 0; c < W; c++) out[c] = gamma[c] * (state[c] - mean) / sqrt(var + n->text.tower.t.eps) + beta[c];
  free(gamma), free(beta);
}

/* The projected, unit-length feature [p] of a normed state. */
static void project(const vw_network *n, const double *state, double *out) {
  const int64_t W = n->width, p = n->text.tower.projection;
  double *matrix = weight(n, "text_projection.weight", p, W), squares = 0;
  for (int64_t k = 0; k < p; k++) {
    out[k] = 0;
    for (int64_t c = 0; c < W; c++) out[k] += matrix[k * W + c] * state[c];
    squares += out[k] * out[k];
  }
  for (int64_t k = 0; k < p; k++) out[k] /= sqrt(squares);
  free(matrix);
}

/* The fixture has 24 bits and its states' outliers are some 30 times their deviation, by which the norm divides: 30
 * times half a unit, 2e-6. fp32 kernels: errors of six layers add up. */
static double tolerance(vw_backend b) {
  return b == VW_REF ? 4e-6 : 5e-5;
}

/* Features [2, p] of both words by a network. */
static void features_of(vw_network *n, const double *words, double *out) {
  vw_clip_network *clip = vw_clip_of(n);
  const char *texts[] = {text};
  vw_prompts prompts;
  char *q = malloc(2 * vw_clip_feature_bytes(clip));
  assert_non_null(q);
  assert_ok(vw_prompts_create(&prompts, n, texts, 1, 1));
  assert_ok(vw_clip_encode_words(clip, &prompts, 0, words, 2, q));
  assert_ok(vw_convert(out, VW_F64, q, vw_clip_feature_type(clip), 2 * n->text.tower.projection));
  vw_prompts_free(&prompts);
  free(q);
}

static void check_feature(vw_network *n, vw_network *view, const double *words, const float *states, vw_backend b) {
  const int64_t W = n->width, p = n->text.tower.projection, depth = view->text.tower.t.layers;
  double *normed = malloc((size_t)(W + 5 * p) * sizeof *normed), *expected = normed + W, *got = expected + p;
  assert_non_null(normed);
  norm(n, states + depth * W, normed); /* the pooled position comes first */
  project(n, normed, expected);
  features_of(view, words, got);
  vw_assert_near("feature", got, expected, p, tolerance(b));
  assert_int_equal(memcmp(got, got + p, (size_t)p * sizeof *got) == 0, depth == 0); /* sees no word */
  if (depth == n->text.tower.t.layers) {
    features_of(n, words, got + 2 * p);
    assert_memory_equal(got, got + 2 * p, (size_t)(2 * p) * sizeof *got);
  }
  free(normed);
}

/* All states of a text with the first word, [J, C]. */
static void sd_states_of(vw_network *n, const double *words, double *out) {
  vw_sd_network *sd = vw_sd_of(n);
  double *x = malloc((size_t)(vw_sd_positions(sd) * n->width) * sizeof *x);
  assert_non_null(x);
  assert_ok(vw_sd_embed_text(sd, text, words, 1, x));
  assert_ok(vw_sd_text_states(sd, x, 1, out));
  free(x);
}

static void check_states(vw_network *n, vw_network *view, const double *words, const float *states, vw_backend b) {
  const int64_t W = n->width, J = vw_sd_positions(vw_sd_of(n)), layers = n->text.tower.t.layers + 1;
  const int64_t depth = view->text.tower.t.layers, at[VW_STATE_POSITIONS] = {9, 5}; /* of the sentence */
  double *got = malloc((size_t)(2 * J * W + W) * sizeof *got), *again = got + J * W, *expected = again + J * W;
  assert_non_null(got);
  sd_states_of(view, words, got);
  for (int k = 0; k < VW_STATE_POSITIONS; k++) {
    norm(n, states + (k * layers + depth) * W, expected);
    vw_assert_near(vw_state_positions[k], got + at[k] * W, expected, W, tolerance(b) * 10); /* not of unit length */
  }
  sd_states_of(n, words, again);
  assert_int_equal(memcmp(got, again, (size_t)(J * W) * sizeof *got) == 0, depth == layers - 1);
  free(got);
}

static void check_network(int which, vw_backend b, const vw_safetensors *file) {
  vw_context ctx;
  vw_network *n = NULL, *view = NULL;
  vw_tensor t;
  assert_ok(vw_context_open(&ctx, b, 2, 0));
  assert_ok(networks[which].kind->open(&n, vw_test_path(networks[which].dir), &ctx));
  assert_ok(vw_safetensors_find(file, networks[which].name, &t));
  const int64_t all = n->text.tower.t.layers;
  double *words = malloc((size_t)(2 * n->width) * sizeof *words);
  assert_non_null(words);
  make_words(n, words);
  for (int64_t depth = 0; depth <= all; depth++) {
    if (b == VW_REF && depth > 1 && depth < all) continue; /* it is slow */
    assert_ok(vw_network_cut(n, depth, &view));
    assert_true(view->is_cut && !n->is_cut && n->text.tower.t.layers == all);
    assert_ok(vw_network_unchanged(view));
    (n->kind == &vw_sd_kind ? check_states : check_feature)(n, view, words, t.data, b);
    vw_network_uncut(view);
  }
  free(words);
  n->kind->close(n);
  vw_context_close(&ctx);
}

static void cut_networks_read_the_states_of_their_last_layer(void **state) {
  (void)state;
  vw_safetensors *file = NULL;
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/states.safetensors")));
  for (int which = 0; which < 3; which++)
    for (vw_backend b = VW_REF; b <= VW_CPU; b++) check_network(which, b, file);
  vw_safetensors_close(file);
}

static void only_layers_that_are_there(void **state) {
  (void)state;
  vw_context ctx;
  vw_network *n = NULL, *view = NULL;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_clip_kind.open(&n, vw_test_path("../data/clip-tiny"), &ctx));
  assert_int_equal(vw_network_cut(n, n->text.tower.t.layers + 1, &view), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "the text encoder has 6 layers, not 7"));
  assert_null(view);
  assert_int_equal(vw_network_cut(n, -1, &view), VW_ERR_ARG);
  vw_network_kind other = *n->kind;
  other.bytes = 0;
  n->kind = &other;
  assert_int_equal(vw_network_cut(n, 1, &view), VW_ERR_UNSUPPORTED);
  n->kind = &vw_clip_kind;
  vw_error_clear();
  vw_network_uncut(NULL);
  n->kind->close(n);
  vw_context_close(&ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(cut_networks_read_the_states_of_their_last_layer),
                                     cmocka_unit_test(only_layers_that_are_there)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
