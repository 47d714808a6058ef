#include "tasks/sentences.h"

#include <stdlib.h>
#include <string.h>

vw_status vw_sentences_open(vw_prompts *p, vw_network *n, const vw_learn_config *learn, int64_t vectors,
                            int64_t *judge) {
  const vw_names *names = &learn->templates;
  const char **texts = malloc((size_t)(names->n + 1) * sizeof *texts);
  VW_CHECK(texts, VW_ERR_MEMORY, "templates: out of memory");
  int64_t count = names->n;
  *judge = -1;
  for (int64_t i = 0; i < count; i++) {
    texts[i] = names->name[i];
    if (*judge < 0 && !strcmp(texts[i], learn->judge_template)) *judge = i;
  }
  if (*judge < 0) *judge = count, texts[count++] = learn->judge_template;
  const vw_status st = vw_prompts_create(p, n, texts, count, vectors);
  free((void *)texts);
  return st;
}

vw_status vw_sentence_sizes(const vw_task_inputs *in, vw_prompt_sizes *s) {
  const vw_learn_config *learn = &in->model->learn;
  const char **texts = malloc((size_t)(learn->templates.n + 1) * sizeof *texts);
  VW_CHECK(texts, VW_ERR_MEMORY, "templates: out of memory");
  for (int64_t i = 0; i < learn->templates.n; i++) texts[i] = learn->templates.name[i];
  texts[learn->templates.n] = learn->judge_template;
  const vw_status st = vw_prompt_sizes_of(in->network, texts, learn->templates.n + 1, in->vectors, s);
  free((void *)texts);
  return st;
}

vw_status vw_sentences_encode(vw_clip_network *n, const vw_prompts *p, int64_t judge, const vw_learn_config *learn,
                              const vw_judged *w, void *q) {
  const size_t one = vw_clip_feature_bytes(n);
  VW_TRY(vw_clip_encode_words(n, p, judge, w->words, w->n, q));
  for (int64_t i = 0; w->texts && i < w->n; i++) {
    char text[512];
    const char *texts[] = {text};
    if (!w->texts[i]) continue;
    VW_TRY(vw_class_text(learn->judge_template, w->texts[i], text, sizeof text));
    VW_TRY(vw_clip_encode_text(n, texts, 1, (char *)q + (size_t)i * one));
  }
  return VW_OK;
}
