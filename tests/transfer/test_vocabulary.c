/* The words that the embedded networks share, and how well maps explain them. */
#include "tests/support/test.h"

#include "networks/clip.h"
#include "networks/owlv2.h"
#include "transfer/vocabulary.h"

#include <math.h>
#include <string.h>

/* 64-bit FNV-1a: cbf29ce484222325 of nothing, af63dc4c8601ec8c of "a", 85944171f73967e8 of "foobar". */
static void test_folds(void **state) {
  (void)state;
  assert_int_equal(vw_word_fold(""), UINT64_C(0xcbf29ce484222325) % 10);
  assert_int_equal(vw_word_fold("a"), UINT64_C(0xaf63dc4c8601ec8c) % 10);
  assert_int_equal(vw_word_fold("foobar"), UINT64_C(0x85944171f73967e8) % 10);
}

/* R^2 as tests/reference/transfer.py computes it with numpy, to its printed digits. */
static void test_embedded(void **state) {
  (void)state;
  vw_context ctx;
  vw_network *clip = NULL, *owl = NULL;
  vw_common_words w;
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_clip_kind.open(&clip, VW_SOURCE_DIR "/data/clip-tiny", &ctx));
  assert_ok(vw_owlv2_kind.open(&owl, VW_SOURCE_DIR "/data/owlv2-tiny", &ctx));
  assert_ok(vw_common_words_find(&w, owl, clip));
  assert_int_equal(w.n, 877);
  for (int64_t i = 0; i < w.n; i++) {
    assert_true(w.word[i].from > 0 && w.word[i].to > 0 && w.word[i].fold == vw_word_fold(w.word[i].text));
    assert_false(vw_tokenizer_is_special(owl->text.tokenizer, w.word[i].from));
    if (i) assert_true(strcmp(w.word[i - 1].text, w.word[i].text) != 0);
  }
  static const struct {
    vw_map_rule rule;
    double lambda, held_out[2]; /* OWL to CLIP, CLIP to OWL */
  } cases[] = {{{VW_MAP_LEAST_SQUARES, false, 0}, 0, {0.124606, 0.011420}},
               {{VW_MAP_AUTO, false, 0}, 1, {0.277160, 0.194488}}};
  for (size_t i = 0; i < 2; i++)
    for (int back = 0; back < 2; back++) {
      vw_map m;
      vw_common_words same;
      assert_ok(vw_common_words_find(&same, back ? clip : owl, back ? owl : clip));
      assert_int_equal(same.n, w.n);
      assert_ok(vw_common_words_fit(&same, back ? clip : owl, back ? owl : clip, &cases[i].rule, &m));
      print_message("%s: lambda %g, R^2 %.6f, held out %.6f, condition %.1f\n", vw_map_names[m.kind], m.lambda, m.r2,
                    m.r2_held_out, m.condition);
      assert_true(m.lambda == cases[i].lambda);
      assert_true(fabs(m.r2_held_out - cases[i].held_out[back]) < 1e-6);
      vw_map_free(&m), vw_common_words_free(&same);
    }
  vw_common_words_free(&w);
  clip->kind->close(clip), owl->kind->close(owl);
  vw_context_close(&ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_folds), cmocka_unit_test(test_embedded)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
