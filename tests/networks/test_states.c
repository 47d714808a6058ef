/* States of words at all layers against transformers' hidden_states (tests/reference/states.py). */
#include "tests/support/test.h"

#include "io/safetensors.h"
#include "networks/clip.h"
#include "networks/owlv2.h"
#include "networks/stable_diffusion.h"
#include "networks/states.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char text[] = "a photo of a {} on a table";
static const struct {
  const char *name, *dir;
  const vw_network_kind *kind;
} networks[] = {{"clip", "../data/clip-tiny", &vw_clip_kind},
                {"owlv2", "../data/owlv2-tiny", &vw_owlv2_kind},
                {"sd", "../data/sd-tiny", &vw_sd_kind}};
enum { WORDS = 2 };

/* A word of the vocabulary and the script's, [WORDS, W]. */
static void make_words(const vw_network *n, double *words) {
  const int64_t W = n->width;
  int32_t id = 0;
  assert_ok(vw_tokenizer_word(n->text.tokenizer, "dog", &id));
  assert_ok(vw_text_word_vector(&n->text, id, words));
  assert_ok(vw_tokenizer_word(n->text.tokenizer, "bread", &id));
  assert_ok(vw_text_word_vector(&n->text, id, words + W));
  for (int64_t c = 0; c < W; c++) words[W + c] = 0.5 * words[W + c] + 0.1 * sin((double)c);
}

/* The fixture is fp32: half a unit of numbers below 16. fp32 kernels: errors of six layers add up. */
static double tolerance(vw_backend b) {
  return b == VW_REF ? 1e-6 : 2e-5;
}

static void check_network(int which, vw_backend b, const vw_safetensors *file) {
  vw_context ctx;
  vw_network *n = NULL;
  vw_tensor t;
  assert_ok(vw_context_open(&ctx, b, 2, 0));
  assert_ok(networks[which].kind->open(&n, vw_test_path(networks[which].dir), &ctx));
  const int64_t W = n->width, layers = n->kind->state_layers(n), one = VW_STATE_POSITIONS * layers * W;
  assert_ok(vw_safetensors_find(file, networks[which].name, &t));
  assert_int_equal(vw_count(&t), one);
  double *words = calloc((size_t)(40 * W), sizeof *words);
  float *states = malloc((size_t)(40 * one) * sizeof *states), *alone = malloc((size_t)one * sizeof *alone);
  double *got = malloc((size_t)(2 * one) * sizeof *got), *expected = got + one;
  assert_true(words && states && alone && got);
  make_words(n, words);
  memcpy(words + 38 * W, words, (size_t)(2 * W) * sizeof *words); /* again, in another batch */
  assert_ok(n->kind->states(n, text, words, 1, 40, states));
  for (int64_t i = 0; i < one; i++) got[i] = states[one + i], expected[i] = ((const float *)t.data)[i];
  vw_assert_near(networks[which].name, got, expected, one, tolerance(b));
  assert_memory_equal(states + 38 * one, states, (size_t)(2 * one) * sizeof *states);
  assert_ok(n->kind->states(n, text, words + W, 1, 1, alone));
  assert_memory_equal(alone, states + one, (size_t)one * sizeof *alone);
  /* The pooled position does not know the word at the embedding, and does behind the first layer. */
  assert_memory_equal(states, states + one, (size_t)W * sizeof *states);
  assert_memory_not_equal(states + W, states + one + W, (size_t)W * sizeof *states);
  assert_int_equal(n->kind->states(n, "no place for it", words, 1, 1, alone), VW_ERR_INPUT);
  vw_error_clear();
  free(words), free(states), free(alone), free(got);
  n->kind->close(n);
  vw_context_close(&ctx);
}

static void states_are_those_of_transformers(void **state) {
  (void)state;
  vw_safetensors *file = NULL;
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/states.safetensors")));
  for (int which = 0; which < 3; which++)
    for (vw_backend b = VW_REF; b <= VW_CPU; b++) check_network(which, b, file);
  vw_safetensors_close(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(states_are_those_of_transformers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
