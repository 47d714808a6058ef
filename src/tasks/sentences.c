#include "tasks/sentences.h"

#include <math.h>
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

vw_status vw_sentences_encode(vw_clip_network *n, const vw_prompts *p, int64_t m, const char *sentence,
                              const vw_judged *w, void *q) {
  const size_t one = vw_clip_feature_bytes(n);
  VW_TRY(vw_clip_encode_words(n, p, m, w->words, w->n, q));
  for (int64_t i = 0; w->texts && i < w->n; i++) {
    char text[512];
    const char *texts[] = {text};
    if (!w->texts[i]) continue;
    VW_TRY(vw_class_text(sentence, w->texts[i], text, sizeof text));
    VW_TRY(vw_clip_encode_text(n, texts, 1, (char *)q + (size_t)i * one));
  }
  return VW_OK;
}

/* ---- several sentences ------------------------------------------------------------------------------------------- */

static int64_t width_of(const vw_average *a) {
  return a->network->net.text.tower.projection;
}

void vw_average_end(vw_average *a) {
  free(a->sum), free(a->one);
}

vw_status vw_average_begin(vw_average *a, const vw_clip_network *network, int64_t n) {
  *a = (vw_average){.network = network, .n = n};
  a->sum = calloc((size_t)(n * width_of(a)) + 1, sizeof *a->sum);
  a->one = malloc((size_t)n * vw_clip_feature_bytes(network) + 1);
  VW_CHECK(a->sum && a->one, VW_ERR_MEMORY, "judging: out of memory for %lld features", (long long)n);
  return VW_OK;
}

static double number_at(const vw_average *a, int64_t i) {
  return vw_clip_feature_type(a->network) == VW_F64 ? ((const double *)a->one)[i] : ((const float *)a->one)[i];
}

void vw_average_add(vw_average *a) {
  for (int64_t i = 0; i < a->n * width_of(a); i++) a->sum[i] += number_at(a, i);
}

vw_status vw_average_write(vw_average *a, void *q) {
  const int64_t p = width_of(a);
  for (int64_t i = 0; i < a->n; i++) {
    double *x = a->sum + i * p, squares = 0;
    for (int64_t c = 0; c < p; c++) squares += x[c] * x[c];
    for (int64_t c = 0; c < p; c++) x[c] /= sqrt(squares);
  }
  return vw_convert(q, vw_clip_feature_type(a->network), a->sum, VW_F64, a->n * p);
}

vw_status vw_sentences_average(vw_clip_network *n, const vw_prompts *p, const vw_names *sentences, const vw_judged *w,
                               void *q) {
  vw_average a = {0};
  vw_status st = vw_average_begin(&a, n, w->n);
  for (int64_t m = 0; st == VW_OK && m < sentences->n; m++) {
    st = vw_sentences_encode(n, p, m, sentences->name[m], w, a.one);
    if (st == VW_OK) vw_average_add(&a);
  }
  if (st == VW_OK) st = vw_average_write(&a, q);
  vw_average_end(&a);
  return st;
}
