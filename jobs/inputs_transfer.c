/* What the stage `transfer` wants of a study, known before anything is learned. */
#include "jobs/session.h"
#include "transfer/vocabulary.h"

#include <stdlib.h>

static vw_status check_pair(const vw_session *s, const vw_transfer_pair *p) {
  const vw_map_rule rule = vw_transfer_rule(s->config);
  const vw_network *from = s->networks[p->from], *to = s->networks[p->to];
  vw_common_words words;
  vw_status st = vw_common_words_find(&words, from, to);
  const int64_t least = vw_map_least_words(&rule, from->width);
  if (st == VW_OK && words.n < least)
    st = VW_RAISE(VW_ERR_INPUT, "%s and %s have %lld trained words in common; a %s map of %lld dimensions needs %lld%s",
                  s->config->models[p->from].name, s->config->models[p->to].name, (long long)words.n,
                  rule.kind == VW_MAP_AUTO ? "linear" : vw_map_names[rule.kind], (long long)from->width,
                  (long long)least, words.n >= VW_MAP_LEAST_WORDS ? ": take transfer.map: ridge" : "");
  vw_common_words_free(&words);
  return st;
}

vw_status vw_session_check_transfer(vw_session *s) {
  const vw_results_source results = vw_session_results(s);
  const vw_transfer_source source = vw_results_transfer(&results);
  vw_transfer_pair *pairs = NULL;
  int64_t n = 0;
  if (!vw_study_has_stage(s->config, "transfer")) return VW_OK;
  const char *key = s->config->transfer.pairs.n ? "transfer.pairs" : "stages";
  vw_status st = vw_study_keep(s->config, &s->problems, key, -1, false, vw_transfer_pairs(&source, &pairs, &n));
  for (int64_t i = 0; st == VW_OK && pairs && i < n; i++)
    st = vw_study_keep(s->config, &s->problems, key, -1, false, check_pair(s, &pairs[i]));
  free(pairs);
  return st;
}
