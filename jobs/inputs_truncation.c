/* What the stage `truncation` wants of a study, known before anything is learned. */
#include "jobs/session.h"
#include "results/truncation.h"

vw_status vw_session_check_truncation(vw_session *s) {
  const vw_results_source source = vw_session_results(s);
  char own[VW_STUDY_KEY];
  if (!vw_study_has_stage(s->config, "truncation")) return VW_OK;
  for (int64_t m = 0; m < s->config->n_models; m++) {
    int64_t depths[VW_MOST_DEPTHS], n = 0;
    const vw_network *network = s->networks[m];
    const char *key = network->kind->bytes ? vw_study_key_of(s->config, m, "truncation.depths", own) : "stages";
    VW_TRY(vw_study_keep(s->config, &s->problems, key, -1, false, vw_cut_depths(&source, m, depths, &n)));
  }
  return VW_OK;
}
