/* Words in templates through CLIP's text encoder. */
#include "networks/clip.h"

#include <stdlib.h>
#include <string.h>

vw_status vw_clip_word_feature(vw_graph *g, const vw_clip_text_config *text, const vw_prompt_sizes *s, vw_value words,
                               vw_value row_word, vw_value row_template, vw_value *feature) {
  vw_prompt_rows r;
  VW_TRY(vw_prompt_rows_emit(g, text, s, words, row_word, row_template, &r));
  *feature = vw_clip_text_feature(g, text, r.x, r.rows, r.pooled, NULL);
  return vw_graph_status(g);
}

vw_status vw_clip_word_graph(vw_graph *g, const vw_clip_text_config *text, int64_t K, int64_t B,
                             const vw_prompt_sizes *s) {
  const vw_value words = vw_input(g, vw_shape(VW_HEAD, K, vw_prompt_word(s, text->t.width)), "words");
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, B), "row_word");
  const vw_value row_template = vw_input(g, vw_shape(VW_I32, B), "row_template");
  vw_value feature = VW_NONE;
  VW_TRY(vw_clip_word_feature(g, text, s, words, row_word, row_template, &feature));
  vw_output(g, feature, "feature");
  return vw_graph_status(g);
}

enum { WORD_BATCH = 32 };

static vw_status write_i32(vw_program *p, const vw_graph *g, const char *name, int32_t *data, int64_t n) {
  vw_tensor t = vw_shape(VW_I32, n);
  t.data = data;
  return vw_program_write(p, vw_find(g, name), &t);
}

/* words [n, C]: C numbers a word. */
static vw_status encode_batches(const vw_clip_network *net, vw_program *p, const vw_graph *g, const double *words,
                                int64_t C, int64_t n, void *q) {
  const size_t one = vw_clip_feature_bytes(net);
  vw_status st = VW_OK;
  double *x = calloc((size_t)(WORD_BATCH * C), sizeof *x);
  char *out = malloc(WORD_BATCH * one);
  vw_tensor tw = vw_shape(VW_F64, WORD_BATCH, C),
            tq = vw_shape(vw_clip_feature_type(net), WORD_BATCH, net->net.text.tower.projection);
  tw.data = x, tq.data = out;
  if (!x || !out) st = VW_RAISE(VW_ERR_MEMORY, "judging: out of memory");
  for (int64_t first = 0; st == VW_OK && first < n; first += WORD_BATCH) {
    const int64_t count = n - first < WORD_BATCH ? n - first : WORD_BATCH;
    memcpy(x, words + first * C, (size_t)(count * C) * sizeof *x);
    VW_GOTO(vw_program_write(p, vw_find(g, "words"), &tw));
    if (first == 0) VW_GOTO(vw_program_prepare(p));
    VW_GOTO(vw_program_run(p));
    VW_GOTO(vw_program_read(p, vw_find(g, "feature"), &tq));
    memcpy((char *)q + (size_t)first * one, out, (size_t)count * one);
  }
cleanup:
  free(x), free(out);
  return st;
}

vw_status vw_clip_encode_words(vw_clip_network *n, const vw_prompts *prompts, int64_t template, const double *words,
                               int64_t count, void *q) {
  const vw_prompt_sizes sizes = vw_prompts_sizes(prompts);
  vw_graph *g = NULL;
  vw_program *p = NULL;
  int32_t row_word[WORD_BATCH], row_template[WORD_BATCH];
  vw_status st = VW_OK;
  for (int32_t i = 0; i < WORD_BATCH; i++) row_word[i] = i, row_template[i] = (int32_t) template;
  VW_GOTO(vw_graph_create(&g));
  VW_GOTO(vw_clip_word_graph(g, &n->net.text.tower, WORD_BATCH, WORD_BATCH, &sizes));
  VW_GOTO(vw_program_create(&p, g, n->net.ctx, &n->net.policy));
  VW_GOTO(vw_weights_bind(n->net.weights, p));
  VW_GOTO(vw_prompts_write(prompts, p, g));
  VW_GOTO(write_i32(p, g, "row_word", row_word, WORD_BATCH));
  VW_GOTO(write_i32(p, g, "row_template", row_template, WORD_BATCH));
  VW_GOTO(encode_batches(n, p, g, words, vw_prompt_word(&sizes, n->net.width), count, q));
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  return st;
}
