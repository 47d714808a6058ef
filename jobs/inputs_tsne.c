/* What the stage `tsne` wants of a study, known before anything is learned. */
#include "analysis/tsne.h"
#include "jobs/session.h"

/* Words that a model learns, if none fails. */
static int64_t learned_by(const vw_study_config *c, int64_t model) {
  const vw_trials_config *t = &c->models[model].trials;
  int64_t concepts = 0;
  for (int64_t d = 0; d < c->n_data; d++)
    if (vw_study_learns_on(c, model, d)) concepts += vw_study_data_of(c, model, d)->concepts.n + c->null_concepts;
  return concepts * t->anchors.n * t->deltas.n * t->replicas;
}

/* Those, the anchors, the concepts' names that are one trained word, and all that might be carried here: what is mapped is no
 * more. */
static int64_t most_points(const vw_session *s, int64_t model) {
  const vw_study_config *c = s->config;
  int64_t n = learned_by(c, model) + c->models[model].trials.anchors.n;
  for (int64_t d = 0; d < c->n_data; d++) {
    const vw_names *concepts = &vw_study_data_of(c, model, d)->concepts;
    int32_t token = 0;
    for (int64_t k = 0; vw_study_learns_on(c, model, d) && k < concepts->n; k++)
      n += vw_tokenizer_word(s->networks[model]->text.tokenizer, concepts->name[k], &token) == VW_OK &&
           s->words[model].mask[token];
  }
  vw_error_clear();
  for (int64_t m = 0; m < c->n_models && vw_study_has_stage(c, "transfer"); m++) n += m == model ? 0 : learned_by(c, m);
  return n;
}

vw_status vw_session_check_tsne(vw_session *s) {
  const vw_study_config *c = s->config;
  if (!vw_study_has_stage(c, "tsne")) return VW_OK;
  for (int64_t m = 0; m < c->n_models; m++) {
    const int64_t n = most_points(s, m);
    if (n >= VW_TSNE_LEAST) continue;
    VW_TRY(
        vw_study_keep(c, &s->problems, "stages", -1, false,
                      VW_RAISE(VW_ERR_INPUT,
                               "tsne maps at least %d words, model %s has at most %lld: give the study more anchors, "
                               "concepts or deltas, or leave tsne out of `stages`",
                               VW_TSNE_LEAST, c->models[m].name, (long long)n)));
  }
  return VW_OK;
}
