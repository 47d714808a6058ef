#include "tasks/classify/classify_ensemble.h"

#include "tasks/classify/class_texts.h"
#include "tasks/sentences.h"

#include <stdlib.h>

struct vw_ensemble {
  vw_prompts prompts; /* of judge.templates */
  double *logits;     /* [test pictures, classes] */
};

int64_t vw_ensemble_size(const vw_model_config *model) {
  return model->judge.templates.n ? model->judge.templates.n : 1;
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static vw_status encode_classes(const vw_classify *t, void *q) {
  const vw_names *sentences = &t->task.in.model->judge.templates;
  vw_average a = {0};
  vw_status st = vw_average_begin(&a, t->network, t->pictures->n_classes);
  for (int64_t m = 0; st == VW_OK && m < sentences->n; m++) {
    st = vw_class_texts_load(&t->task.in, sentences->name[m], a.one);
    if (st == VW_OK) vw_average_add(&a);
  }
  if (st == VW_OK) st = vw_average_write(&a, q);
  vw_average_end(&a);
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

vw_status vw_ensemble_encode(const vw_classify *t, const vw_judged *w, void *q) {
  if (!t->ensemble) return vw_sentences_encode(t->network, &t->prompts, t->judge, t->learn->judge_template, w, q);
  return vw_sentences_average(t->network, &t->ensemble->prompts, &t->task.in.model->judge.templates, w, q);
}
