#include "tasks/classify_ensemble.h"

#include "tasks/class_texts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 512 };

struct vw_ensemble {
  vw_prompts prompts; /* of judge.templates */
  double *logits;     /* [test pictures, classes] */
};

int64_t vw_ensemble_size(const vw_model_config *model) {
  return model->judge.templates.n ? model->judge.templates.n : 1;
}

/* ---- averages ---------------------------------------------------------------------------------------------------- */

/* Sums of unit vectors, [n, p]. */
typedef struct average {
  const vw_clip_network *network;
  int64_t n;
  double *sum;
  void *one; /* [n, p] of the feature type: what is added next */
} average;

static int64_t width_of(const average *a) {
  return a->network->net.text.tower.projection;
}

static void average_end(average *a) {
  free(a->sum), free(a->one);
}

static vw_status average_begin(average *a, const vw_clip_network *network, int64_t n) {
  *a = (average){.network = network, .n = n};
  a->sum = calloc((size_t)(n * width_of(a)) + 1, sizeof *a->sum);
  a->one = malloc((size_t)n * vw_clip_feature_bytes(network) + 1);
  VW_CHECK(a->sum && a->one, VW_ERR_MEMORY, "judging: out of memory for %lld features", (long long)n);
  return VW_OK;
}

static double number_at(const average *a, int64_t i) {
  return vw_clip_feature_type(a->network) == VW_F64 ? ((const double *)a->one)[i] : ((const float *)a->one)[i];
}

static void average_add(average *a) {
  for (int64_t i = 0; i < a->n * width_of(a); i++) a->sum[i] += number_at(a, i);
}

/* The direction of each sum, of length one. Vectors that cancel out have none: NaN, as all that follows from it. */
static vw_status average_write(average *a, void *q) {
  const int64_t p = width_of(a);
  for (int64_t i = 0; i < a->n; i++) {
    double *x = a->sum + i * p, squares = 0;
    for (int64_t c = 0; c < p; c++) squares += x[c] * x[c];
    for (int64_t c = 0; c < p; c++) x[c] /= sqrt(squares);
  }
  return vw_convert(q, vw_clip_feature_type(a->network), a->sum, VW_F64, a->n * p);
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

/* Features [n, p] of names in one sentence. */
static vw_status encode_names(const vw_classify *t, const char *sentence, const char *const *names, int64_t n,
                              void *out) {
  char(*text)[TEXT_BYTES] = malloc((size_t)n * sizeof *text + 1);
  const char **texts = malloc((size_t)n * sizeof *texts + 1);
  vw_status st = text && texts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "judging: out of memory for texts");
  for (int64_t i = 0; st == VW_OK && i < n; i++) {
    st = vw_class_text(sentence, names[i], text[i], TEXT_BYTES);
    texts[i] = text[i];
  }
  if (st == VW_OK) st = vw_clip_encode_text(t->network, texts, n, out);
  free(text), free((void *)texts);
  return st;
}

static vw_status encode_classes(const vw_classify *t, void *q) {
  const vw_names *sentences = &t->task.in.model->judge.templates;
  average a = {0};
  vw_status st = average_begin(&a, t->network, t->pictures->n_classes);
  for (int64_t m = 0; st == VW_OK && m < sentences->n; m++) {
    st = vw_class_texts_load(&t->task.in, sentences->name[m], a.one);
    if (st == VW_OK) average_add(&a);
  }
  if (st == VW_OK) st = average_write(&a, q);
  average_end(&a);
  return st;
}

static vw_status open_parts(vw_classify *t) {
  const vw_names *sentences = &t->task.in.model->judge.templates;
  const int64_t C = t->pictures->n_classes, P = t->pictures->n_test;
  struct vw_ensemble *e = t->ensemble;
  VW_TRY(vw_prompts_create(&e->prompts, &t->network->net, sentences->name, sentences->n, t->task.in.vectors));
  e->logits = malloc((size_t)(P * C + 1) * sizeof *e->logits);
  void *q = malloc((size_t)C * vw_clip_feature_bytes(t->network) + 1);
  vw_status st = e->logits && q ? encode_classes(t, q) : VW_RAISE(VW_ERR_MEMORY, "judging: out of memory");
  if (st == VW_OK) st = vw_clip_logits(t->network, t->test, P, q, C, e->logits);
  free(q);
  return st;
}

vw_status vw_ensemble_open(vw_classify *t) {
  if (!t->task.in.model->judge.templates.n || t->ensemble) return VW_OK;
  t->ensemble = calloc(1, sizeof *t->ensemble);
  VW_CHECK(t->ensemble, VW_ERR_MEMORY, "judging: out of memory");
  const vw_status st = open_parts(t);
  if (st != VW_OK) {
    vw_ensemble_close(t);
    return vw_fail(st, __FILE__, __LINE__, "sentences of judging");
  }
  t->judge_logits = t->ensemble->logits;
  return VW_OK;
}

void vw_ensemble_close(vw_classify *t) {
  if (!t->ensemble) return;
  vw_prompts_free(&t->ensemble->prompts);
  free(t->ensemble->logits);
  free(t->ensemble);
  t->ensemble = NULL, t->judge_logits = t->test_logits;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* Words and texts in one sentence. */
static vw_status encode_in(const vw_classify *t, const vw_prompts *prompts, int64_t m, const char *sentence,
                           const vw_judged *w, void *q) {
  const size_t one = vw_clip_feature_bytes(t->network);
  VW_TRY(vw_clip_encode_words(t->network, prompts, m, w->words, w->n, q));
  for (int64_t i = 0; w->texts && i < w->n; i++)
    if (w->texts[i]) VW_TRY(encode_names(t, sentence, &w->texts[i], 1, (char *)q + (size_t)i * one));
  return VW_OK;
}

vw_status vw_ensemble_encode(const vw_classify *t, const vw_judged *w, void *q) {
  const vw_names *sentences = &t->task.in.model->judge.templates;
  average a = {0};
  if (!t->ensemble) return encode_in(t, &t->prompts, t->judge, t->learn->judge_template, w, q);
  vw_status st = average_begin(&a, t->network, w->n);
  for (int64_t m = 0; st == VW_OK && m < sentences->n; m++) {
    st = encode_in(t, &t->ensemble->prompts, m, sentences->name[m], w, a.one);
    if (st == VW_OK) average_add(&a);
  }
  if (st == VW_OK) st = average_write(&a, q);
  average_end(&a);
  return st;
}
