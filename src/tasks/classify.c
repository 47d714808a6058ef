#include "tasks/classify.h"

#include "tasks/classify_ensemble.h"
#include "tasks/features.h"
#include "tasks/sentences.h"

#include <stdlib.h>
#include <string.h>

static const char *template_text(const vw_classify *t, int64_t m) {
  return m < t->learn->templates.n ? t->learn->templates.name[m] : t->learn->judge_template;
}

/* The texts of all classes in one template, encoded into class_text[m]. */
static vw_status encode_classes(vw_classify *t, int64_t m) {
  enum { TEXT_BYTES = 512 };
  const int64_t n = t->pictures->n_classes;
  char(*text)[TEXT_BYTES] = malloc((size_t)n * sizeof *text);
  const char **texts = malloc((size_t)n * sizeof *texts);
  vw_status st = VW_OK;
  if (!text || !texts) st = VW_RAISE(VW_ERR_MEMORY, "class texts: out of memory");
  for (int64_t c = 0; st == VW_OK && c < n; c++) {
    st = vw_class_text(template_text(t, m), t->pictures->owners[c].name, text[c], TEXT_BYTES);
    texts[c] = text[c];
  }
  if (st == VW_OK)
    st = vw_clip_encode_text(t->network, texts, n,
                             (char *)t->class_text + (size_t)(m * n) * vw_clip_feature_bytes(t->network));
  free(text), free((void *)texts);
  return st;
}

static vw_status open_parts(vw_classify *t, vw_hash weights, const char *cache) {
  VW_TRY(vw_sentences_open(&t->prompts, &t->network->net, t->learn, &t->judge));
  t->learn_templates = t->learn->templates.n;
  VW_TRY(vw_features_load(t->pictures, t->network, weights, cache, &t->train, &t->test));
  t->class_text = malloc((size_t)(t->prompts.t.M * t->pictures->n_classes) * vw_clip_feature_bytes(t->network) + 1);
  VW_CHECK(t->class_text, VW_ERR_MEMORY, "class texts: out of memory");
  for (int64_t m = 0; m < t->prompts.t.M; m++) VW_TRY(encode_classes(t, m));
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
  free(t->train), free(t->test), free(t->class_text), free(t->rest), free(t->truth), free(t->test_logits);
  free(t);
}
