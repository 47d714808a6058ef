#include "tasks/classify/classify.h"

#include "tasks/classify/class_texts.h"
#include "tasks/classify/classify_ensemble.h"
#include "tasks/features.h"
#include "tasks/sentences.h"

#include <stdlib.h>

static const char *template_text(const vw_classify *t, int64_t m) {
  return m < t->learn->templates.n ? t->learn->templates.name[m] : t->learn->judge_template;
}

static vw_status open_parts(vw_classify *t, vw_hash weights, const char *cache) {
  const size_t one = vw_clip_feature_bytes(t->network);
  const int64_t n = t->pictures->n_classes;
  VW_TRY(vw_sentences_open(&t->prompts, &t->network->net, t->learn, t->task.in.vectors, &t->judge));
  t->learn_templates = t->learn->templates.n;
  VW_TRY(vw_features_load(t->pictures, t->network, weights, cache, &t->features));
  t->train = t->features->train, t->test = t->features->test;
  t->class_text = malloc((size_t)(t->prompts.t.M * n) * one + 1);
  VW_CHECK(t->class_text, VW_ERR_MEMORY, "class texts: out of memory");
  for (int64_t m = 0; m < t->prompts.t.M; m++)
    VW_TRY(vw_class_texts_load(&t->task.in, template_text(t, m), (char *)t->class_text + (size_t)(m * n) * one));
  VW_TRY(vw_classify_tables(t));
  t->judge_logits = t->test_logits;
  return VW_OK;
}

vw_status vw_classify_open(vw_classify **out, const vw_task_inputs *in) {
  vw_classify *t = calloc(1, sizeof *t);
  *out = NULL;
  VW_CHECK(t, VW_ERR_MEMORY, "out of memory");
  t->task = (vw_task){.kind = &vw_classification_kind, .in = *in};
  t->network = vw_clip_of(in->network), t->learn = &in->model->learn, t->pictures = in->pictures, t->seed = in->seed;
  const vw_status st = open_parts(t, in->weights, in->cache);
  if (st != VW_OK) {
    vw_classify_close(t);
    return vw_fail(st, __FILE__, __LINE__, "task of data set '%s'", in->pictures->data->name);
  }
  *out = t;
  return VW_OK;
}

void vw_classify_close(vw_classify *t) {
  if (!t) return;
  vw_ensemble_close(t);
  vw_prompts_free(&t->prompts);
  vw_features_release(t->features);
  free(t->class_text), free(t->rest), free(t->truth), free(t->test_logits);
  free(t);
}
