/* The collecting stage: block files to study.h5, summary.csv, a figure and a table on the terminal. Any time again: the
 * block files stay. */
#include "results/collect/collect.h"

#include "cluster/comm.h"
#include "core/fault.h"
#include "core/log.h"
#include "results/figures/figures.h"

#include <stdlib.h>

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
  if (c->transfer.missing)
    vw_log(VW_LOG_WARN,
           "%lld sets of words are not carried to other networks yet: run 'viswords transfer', then collect "
           "again",
           (long long)c->transfer.missing);
  if (c->truncation.missing)
    vw_log(VW_LOG_WARN,
           "%lld sets of words are not judged by fewer layers yet: run 'viswords truncation', then collect again",
           (long long)c->truncation.missing);
}

/* Metrics of earlier versions count; what is computed from what they did not keep is NaN. */
static void say_what_was_not_kept(const vw_collected *c) {
  const int64_t own = c->unkept, carried = c->transfer.unkept, all = own + carried;
  if (all)
    vw_log(
        VW_LOG_WARN,
        "%lld files with metrics are of an earlier version, which kept neither features of pictures nor boxes: these "
        "are NaN. To judge their words again (pictures that are there are not drawn again): %s%s%s, then collect again",
        (long long)all, own ? "'viswords evaluate --complete'" : "", own && carried ? ", " : "",
        carried ? "'viswords transfer --complete'" : "");
}

typedef struct part_missing {
  int64_t learned, judged, baselines; /* blocks, blocks, concepts that are not */
} part_missing;

/* The row of a trial that the study asks for tells whether its block's files are there. */
static void count_blocks(const vw_collected *c, part_missing *of) {
  const vw_plan *p = c->s->plan;
  for (int64_t i = 0; i < p->n_blocks; i++) {
    const vw_block *b = &p->blocks[i];
    int64_t k = 0;
    if (!vw_block_is_active(b)) continue;
    while (k < b->n && p->trials[b->first + k].row < 0) k++;
    const vw_trial_row *r = &c->rows[p->trials[b->first + k].row];
    part_missing *part = &of[c->s->part_of[i] - 1];
    part->learned += !r->learned, part->judged += r->learned && !r->judged;
  }
}

/* A concept's baselines have at least one row; parts take concepts in turn (vw_session_has_item). */
static vw_status count_baselines(const vw_collected *c, part_missing *of) {
  const vw_study_config *config = c->s->config;
  int64_t items = 0;
  for (int64_t m = 0; m < config->n_models; m++)
    for (int64_t d = 0; d < config->n_data; d++)
      if (vw_study_learns_on(config, m, d)) items += vw_study_data_of(config, m, d)->concepts.n;
  bool *is_there = calloc((size_t)items + 1, sizeof *is_there);
  VW_CHECK(is_there, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; i < c->n_baselines; i++) is_there[c->baselines[i].item] = true;
  for (int64_t i = 0; i < items; i++) of[i % c->s->parts].baselines += !is_there[i];
  free(is_there);
  return VW_OK;
}

/* Which part of an array is to go on. */
static vw_status say_which_part(const vw_collected *c) {
  if (!c->s->parts || !(c->missing || c->unjudged_blocks || c->missing_baselines)) return VW_OK;
  part_missing *of = calloc((size_t)c->s->parts, sizeof *of);
  VW_CHECK(of, VW_ERR_MEMORY, "collect: out of memory");
  count_blocks(c, of);
  const vw_status st = count_baselines(c, of);
  for (int64_t i = 0; st == VW_OK && i < c->s->parts; i++)
    if (of[i].learned || of[i].judged || of[i].baselines)
      vw_log(VW_LOG_WARN,
             "part %lld/%lld: %lld blocks are not learned, %lld blocks and the baselines of %lld concepts not judged: "
             "'viswords %s --part %lld/%lld'",
             (long long)i + 1, (long long)c->s->parts, (long long)of[i].learned, (long long)of[i].judged,
             (long long)of[i].baselines, of[i].learned ? "learn" : "evaluate", (long long)i + 1,
             (long long)c->s->parts);
  free(of);
  return st;
}

/* Rank 0 alone: what people look at; each file is whole, whenever it is asked to stop. */
static vw_status write_for_people(const vw_collected *c, bool json, bool *stopped) {
  static vw_status (*const tables[])(const vw_collected *) = {vw_collect_csv, vw_collect_trials_csv,
                                                              vw_collect_probe_csv, vw_collect_truncation_csv};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    *stopped = c->s->stop && c->s->stop();
    if (*stopped) return VW_OK;
    VW_TRY(tables[i](c));
  }
  VW_TRY(vw_figures_make(c->s->out, VW_FIGURES_OF_COLLECT, c->s->stop, stopped));
  if (*stopped) return VW_OK;
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

/* study.h5 and what people look at, of all that was read. */
static vw_status write_all(vw_collected *c, vw_sections *sections, bool json, bool *all_failed) {
  const vw_results_source *s = c->s;
  const double start = vw_seconds();
  bool stopped = false;
  VW_TRY(vw_agree_message(&s->ranks, vw_fault("gathering", s->out)));
  VW_TRY(vw_collect_asks(c));
  if (c->stopped) return VW_OK;
  VW_TRY(vw_collect_study_file(c));
  vw_sections_add(sections, "collect", "study.h5", vw_seconds() - start);
  VW_TRY(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? write_for_people(c, json, &stopped) : VW_OK));
  *all_failed = has_all_failed(c);
  VW_TRY(vw_ranks_broadcast(&s->ranks, &stopped, sizeof stopped, 0));
  c->stopped = stopped;
  return VW_OK;
}

vw_status vw_collect(const vw_results_source *s, vw_sections *sections, bool json, bool *all_failed, bool *stopped) {
  vw_collected c;
  double start = vw_seconds();
  vw_status st = VW_OK;
  VW_GOTO(vw_collect_read(s, &c));
  vw_sections_add(sections, "collect", "blocks and summary", vw_seconds() - start);
  start = vw_seconds();
  if (!c.stopped) VW_GOTO(vw_collect_probe(&c));
  if (c.n_probe) vw_sections_add(sections, "collect", "probe", vw_seconds() - start);
  if (!c.stopped) VW_GOTO(vw_collect_spread(&c));
  if (c.stopped) goto cleanup;
  if (s->ranks.rank == 0) say_what_is_missing(&c), say_what_was_not_kept(&c);
  VW_GOTO(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? say_which_part(&c) : VW_OK));
  if (s->ranks.rank == 0 && s->ranks.comms && s->ranks.comms->file_warning)
    vw_log(VW_LOG_WARN, "%s", s->ranks.comms->file_warning);
  VW_GOTO(write_all(&c, sections, json, all_failed));
cleanup:
  *stopped = st == VW_OK && c.stopped;
  vw_collected_free(&c);
  return st;
}
