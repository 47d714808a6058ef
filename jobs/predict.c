#include "jobs/predict.h"

#include "core/text.h"

#include <stdlib.h>

vw_status vw_session_predict(vw_session *s, int64_t ranks, bool measure, vw_prediction *out, double *learn,
                             vw_predict_items *items) {
  const int64_t n_models = s->config->n_models, n_data = s->config->n_data;
  vw_task_inputs *inputs = calloc((size_t)(n_models * n_data) + 1, sizeof *inputs);
  VW_CHECK(inputs, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < n_models * n_data; i++) inputs[i] = vw_session_inputs(s, i / n_data, i % n_data);
  const vw_predict_source source = {.results = vw_session_results(s),
                                    .contexts = s->contexts,
                                    .precision = s->precision,
                                    .inputs = inputs,
                                    .costs = &s->costs,
                                    .is_counted = s->is_counted,
                                    .items = items,
                                    .learn = learn};
  const vw_status st = vw_predict(&source, ranks, measure, out);
  free(inputs);
  return st;
}

bool vw_predict_has(const vw_session *s, int part) {
  if (part < VW_PREDICT_MAPS || part > VW_PREDICT_TSNE) return true;
  return vw_study_has_stage(s->config, vw_predict_names[part == VW_PREDICT_MAPS ? VW_PREDICT_TRANSFER : part]);
}

void vw_predict_print(const vw_session *s, const vw_prediction *p) {
  double total = 0;
  for (int i = 0; i < VW_PREDICT_STAGES; i++) total += p->seconds[i];
  (void)vw_print(stdout, "  about %s on %lld rank%s x %d thread%s (%s", vw_duration_text(total), (long long)p->ranks,
                 p->ranks == 1 ? "" : "s", s->ctx.threads, s->ctx.threads == 1 ? "" : "s",
                 vw_rate_source_name(p->source));
  (void)vw_print(
      stdout, "%s):", p->source == VW_RATE_ESTIMATE ? ", from a matrix product; --measure times the study's own" : "");
  for (int i = 0; i < VW_PREDICT_STAGES; i++)
    if (vw_predict_has(s, i))
      (void)vw_print(stdout, "%s %s %s", i ? "," : "", vw_predict_names[i], vw_duration_text(p->seconds[i]));
  (void)vw_print(stdout, "\n");
}
