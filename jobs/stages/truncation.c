/* The truncation stage: words judged once more with the first layers of their network's text encoder alone. An item is
 * a set of words at one depth, or, where the task judges picture by picture, one picture of them; items of a network and
 * depth follow one another, as a rank keeps one cut network open. */
#include "jobs/stages/judging.h"
#include "jobs/stages/rows.h"

#include "core/log.h"
#include "io/block_file.h"
#include "results/truncation.h"

#include <stdlib.h>
#include <string.h>

static vw_cut_set set_of(const vw_stage_item *it) {
  return (vw_cut_set){
      .model = it->model, .data = it->data, .source = it->source, .block = it->block, .concept = it->concept};
}

/* ---- what is not done yet ---------------------------------------------------------------------------------------- */

typedef struct listing {
  vw_session *s;
  vw_results_source source;
  const vw_cut_set *sets;
  int64_t n;
  bool *is_own, *is_there; /* [n] of this part; its words can be read */
  vw_stage_list *list;
} listing;

static vw_status list_depth(const listing *l, int64_t model, int64_t data, int64_t depth) {
  for (int64_t i = 0; i < l->n; i++) {
    const vw_cut_set *set = &l->sets[i];
    char id[VW_BLOCK_ID];
    if (set->model != model || set->data != data || !l->is_own[i] || !l->is_there[i]) continue;
    const vw_stage_item it = {.block = set->block,
                              .model = model,
                              .data = data,
                              .concept = set->concept,
                              .source = set->source,
                              .pictures = vw_cut_pictures(&l->source, set),
                              .layer = depth};
    VW_TRY(vw_cut_id(&l->source, set, depth, id));
    VW_TRY(vw_judging_list(l->s, l->list, &it, 0, id, false));
  }
  return VW_OK;
}

static vw_status list_model(const listing *l, int64_t model) {
  int64_t depths[VW_MOST_DEPTHS], n = 0;
  VW_TRY(vw_cut_depths(&l->source, model, depths, &n));
  for (int64_t d = 0; d < l->s->config->n_data; d++)
    for (int64_t i = 0; vw_study_learns_on(l->s->config, model, d) && i < n; i++)
      VW_TRY(list_depth(l, model, d, depths[i]));
  return VW_OK;
}

/* Words that are not there yet. */
static void count_missing(const listing *l) {
  int64_t learned = 0, carried = 0, number = 0;
  for (int64_t i = 0; i < l->n; i++) {
    const vw_cut_set *set = &l->sets[i];
    l->is_own[i] = set->block < 0 ? vw_session_has_item(l->s, number++) : vw_session_has_block(l->s, set->block);
    l->is_there[i] = vw_cut_words_are_there(&l->source, set);
    if (!l->is_own[i] || l->is_there[i]) continue;
    learned += set->source == set->model, carried += set->source != set->model;
  }
  if (learned)
    vw_log(VW_LOG_WARN, "%lld blocks are not learned yet; their words cannot be judged: run 'viswords learn'",
           (long long)learned);
  if (carried)
    vw_log(VW_LOG_WARN,
           "%lld sets of words are not carried yet; they cannot be judged: run 'viswords transfer', or set "
           "truncation.carried: false",
           (long long)carried);
}

static vw_status list_open(vw_session *s, vw_stage_list *list) {
  listing l = {.s = s, .source = vw_session_results(s), .list = list};
  vw_cut_set *sets = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_cut_sets(&l.source, &sets, &l.n));
  l.sets = sets;
  l.is_own = calloc((size_t)l.n + 1, sizeof *l.is_own), l.is_there = calloc((size_t)l.n + 1, sizeof *l.is_there);
  if (!l.is_own || !l.is_there) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "truncation: out of memory"));
  count_missing(&l);
  for (int64_t m = 0; m < s->config->n_models; m++) VW_GOTO(list_model(&l, m));
cleanup:
  free(sets), free(l.is_own), free(l.is_there);
  return st;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static vw_status judge_words(const vw_judging *j, const vw_cut_words *w, double *metrics) {
  vw_status st = VW_OK;
  for (int64_t first = 0, end; st == VW_OK && first < w->n; first = end) {
    for (end = first + 1; end < w->n && !strcmp(w->rows[end].concept, w->rows[first].concept);) end++;
    const vw_judged some = {.concept = w->rows[first].concept,
                            .n = end - first,
                            .words = w->words + first * w->width,
                            .texts = w->texts + first,
                            .anchors = w->anchors + first,
                            .labels = w->labels + first,
                            .are_baselines = j->it->block < 0};
    st = vw_judging_words(j, &some, first, metrics);
  }
  return st;
}

static vw_status judge(vw_judging *j, const vw_results_source *source, const vw_cut_set *set, const vw_cut_words *w) {
  double *metrics = calloc((size_t)(w->n * j->task->kind->n_metrics) + 1, sizeof *metrics);
  vw_status st = metrics ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "truncation: out of memory");
  VW_GOTO(st);
  VW_GOTO(vw_judging_open(j, false));
  VW_GOTO(judge_words(j, w, metrics));
  if (j->it->picture < 0) {
    VW_GOTO(vw_session_inputs_unchanged(j->s));
    VW_GOTO(vw_cut_write(w, source, set, j->it->layer, metrics));
  }
  VW_GOTO(vw_judging_end(j));
cleanup:
  free(metrics);
  return st;
}

static vw_status truncate_set(vw_session *s, const vw_stage_item *it) {
  const vw_results_source source = vw_session_results(s);
  const vw_cut_set set = set_of(it);
  vw_judging j = {.s = s, .it = it};
  vw_cut_words w = {0};
  vw_status st = VW_OK;
  VW_GOTO(vw_session_cut_task(s, it->model, it->data, it->layer, &j.task));
  VW_GOTO(vw_cut_id(&source, &set, it->layer, j.stem));
  VW_GOTO(vw_cut_words_list(&w, &source, &set));
  VW_GOTO(vw_cut_words_read(&w, &source, &set, it->layer));
  j.n = w.n;
  VW_GOTO(judge(&j, &source, &set, &w));
cleanup:
  vw_cut_words_free(&w);
  vw_judging_free(&j);
  return st;
}

static vw_status truncate_item(vw_stage_run *r, const vw_stage_item *it, bool *finished) {
  const double start = vw_seconds();
  VW_TRY(truncate_set(r->s, it));
  vw_sections_add(&r->s->sections, r->stage->name, it->block >= 0 ? "words" : "baselines", vw_seconds() - start);
  *finished = true;
  return VW_OK;
}

const vw_stage vw_stage_truncation = {.name = "truncation",
                                      .summary = "judge words with the first layers of their text encoder",
                                      .help = "Judges words, carried ones too, anchors and names with a text encoder "
                                              "that is cut behind its first layers; nothing is learned again.",
                                      .unit = "sets of words",
                                      .done = "judged",
                                      .kept = "what is judged",
                                      .needs = VW_STAGE_WEIGHTS | VW_STAGE_CACHE,
                                      .has_parts = true,
                                      .items = list_open,
                                      .item = truncate_item};
