/* The collecting stage: block files to study.h5, summary.csv, a figure and a table on the terminal. Any time again: the
 * block files stay. */
#include "results/collect.h"

#include "cluster/comm.h"
#include "core/fault.h"
#include "core/log.h"

static void say_what_is_missing(const vw_collected *c) {
  if (c->missing)
    vw_log(VW_LOG_WARN,
           "%lld of %lld trials are not learned yet (%lld blocks): run 'viswords learn', then collect again",
           (long long)c->missing, (long long)c->n, (long long)c->missing_blocks);
  if (c->unjudged_blocks || c->missing_baselines)
    vw_log(VW_LOG_WARN,
           "%lld blocks and the baselines of %lld concepts are not judged yet: run 'viswords evaluate', then collect "
           "again",
           (long long)c->unjudged_blocks, (long long)c->missing_baselines);
}

/* Rank 0 alone: what people look at. */
static vw_status write_for_people(const vw_collected *c, bool json) {
  VW_TRY(vw_collect_csv(c));
  VW_TRY(vw_collect_figures(c));
  if (json)
    vw_collect_print_json(c, stdout);
  else
    vw_collect_print(c, stdout);
  return VW_OK;
}

/* A study without one trial that counts has failed, though its files are whole. Every rank has the rows. */
static bool has_all_failed(const vw_collected *c) {
  int64_t failed = 0;
  for (int64_t i = 0; i < c->n; i++) failed += c->rows[i].learned && c->rows[i].failed;
  return failed > 0 && failed == c->n;
}

vw_status vw_collect(const vw_results_source *s, vw_sections *sections, bool json, bool *all_failed) {
  vw_collected c;
  double start = vw_seconds();
  vw_status st = VW_OK;
  VW_GOTO(vw_collect_read(s, &c));
  vw_sections_add(sections, "collect", "blocks and summary", vw_seconds() - start);
  if (s->ranks.rank == 0) say_what_is_missing(&c);
  if (s->ranks.rank == 0 && s->ranks.comms && s->ranks.comms->file_warning)
    vw_log(VW_LOG_WARN, "%s", s->ranks.comms->file_warning);
  start = vw_seconds();
  VW_GOTO(vw_agree_message(&s->ranks, vw_fault("gathering", s->out)));
  VW_GOTO(vw_collect_study_file(&c));
  vw_sections_add(sections, "collect", "study.h5", vw_seconds() - start);
  VW_GOTO(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? write_for_people(&c, json) : VW_OK));
  *all_failed = has_all_failed(&c);
cleanup:
  vw_collected_free(&c);
  return st;
}
