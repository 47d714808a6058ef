/* The evaluation stage: judges the words of every finished block, and every concept's baselines. */
#include "jobs/session.h"

#include "cluster/queue.h"
#include "core/log.h"
#include "io/block_file.h"
#include "learn/baselines.h"
#include "learn/features.h"

#include <stdlib.h>
#include <string.h>

/* One unit of work: a block, or the baselines of a concept for a model. */
typedef struct item {
  int64_t block; /* -1: baselines */
  int64_t model, data, concept;
  char id[VW_BLOCK_ID];
} item;

typedef struct item_list {
  item *items;
  int64_t n;
} item_list;

static vw_status list_items(const vw_session *s, item_list *list, int64_t *missing) {
  const vw_study_config *c = s->config;
  int64_t most = s->plan->n_blocks;
  char id[VW_BLOCK_ID];
  for (int64_t d = 0; d < c->n_data; d++) most += c->n_models * c->data[d].concepts.n;
  list->items = calloc((size_t)most + 1, sizeof *list->items);
  VW_CHECK(list->items, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (!b->n_selected || b->model_index < 0 || b->data_index < 0) continue;
    item it = {.block = i, .model = b->model_index, .data = b->data_index};
    vw_block_file_id(b, "-evaluation", it.id);
    vw_block_file_id(b, "", id);
    if (!vw_block_file_exists(s->out, id))
      ++*missing;
    else if (!vw_block_file_exists(s->out, it.id))
      list->items[list->n++] = it;
  }
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++)
      for (int64_t k = 0; k < c->data[d].concepts.n; k++) {
        item it = {.block = -1, .model = m, .data = d, .concept = k};
        VW_TRY(vw_session_baseline_id(s, m, d, k, it.id));
        if (!vw_block_file_exists(s->out, it.id)) list->items[list->n++] = it;
      }
  return VW_OK;
}

/* Rank 0 looks, all get its list: the file system is asked once. */
static vw_status share_items(const vw_session *s, item_list *list, int64_t *missing) {
  vw_status st = s->ranks.rank == 0 ? list_items(s, list, missing) : VW_OK;
  VW_TRY(vw_agree_message(&s->ranks, st));
  VW_TRY(vw_ranks_broadcast(&s->ranks, &list->n, sizeof list->n, 0));
  if (s->ranks.rank != 0) list->items = calloc((size_t)list->n + 1, sizeof *list->items);
  st = list->items ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  VW_TRY(vw_agree_message(&s->ranks, st));
  return vw_ranks_broadcast(&s->ranks, list->items, list->n * (int64_t)sizeof *list->items, 0);
}

/* Judges the trials [first, first + n) of a block, which share a concept. */
static vw_status judge_concept(const vw_clip_task *task, const vw_trial *trials, int64_t n, const double *words,
                               double *metrics) {
  const size_t one = vw_clip_feature_bytes(task->network);
  vw_slot slot = {0};
  vw_others others;
  vw_judge judge = {0};
  vw_status st = VW_OK;
  void *q = malloc((size_t)n * one);
  if (!q) st = VW_RAISE(VW_ERR_MEMORY, "evaluation: out of memory");
  if (st != VW_OK) goto cleanup;
  VW_GOTO(vw_slot_create(&slot, task, trials[0].concept, trials[0].null_concept));
  VW_GOTO(vw_slot_others(&slot, task, trials[0].concept, &others));
  VW_GOTO(vw_judge_create(&judge, task, &slot, &others));
  VW_GOTO(vw_judge_encode(task, words, n, q));
  VW_GOTO(vw_judge_features(&judge, q, n, metrics));
cleanup:
  vw_judge_free(&judge);
  vw_slot_free(&slot);
  free(q);
  return st;
}

static vw_status evaluate_block(vw_session *s, const vw_block *b, vw_clip_task *task) {
  const vw_trial *trials = s->plan->trials + b->first;
  const int64_t C = task->network->text.t.width;
  double *words = NULL, *metrics = calloc((size_t)(b->n * VW_METRICS), sizeof *metrics);
  vw_status st = metrics ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "evaluation: out of memory");
  if (st == VW_OK) st = vw_block_words_read(s->out, b, C, &words);
  for (int64_t first = 0, end; st == VW_OK && first < b->n; first = end) {
    for (end = first + 1; end < b->n && !strcmp(trials[end].concept, trials[first].concept);) end++;
    st = judge_concept(task, trials + first, end - first, words + first * C, metrics + first * VW_METRICS);
  }
  if (st == VW_OK) st = vw_session_inputs_unchanged(s);
  if (st == VW_OK) st = vw_block_evaluation_write(s->out, b, trials, metrics);
  free(words), free(metrics);
  return st;
}

static vw_status evaluate_baselines(vw_session *s, const item *it, const vw_clip_task *task) {
  const vw_study_config *c = s->config;
  const char *concept = c->data[it->data].concepts.name[it->concept];
  vw_baseline_row *rows = NULL;
  int64_t n = 0;
  VW_TRY(vw_baselines_run(task, &s->words[it->model], c, concept, &rows, &n));
  vw_status st = vw_session_inputs_unchanged(s);
  if (st == VW_OK)
    st = vw_baselines_write(s->out, it->id, c->models[it->model].name, c->data[it->data].name, concept, rows, n);
  free(rows);
  return st;
}

static vw_status evaluate_items(vw_session *s, const item_list *list, vw_queue *q, vw_progress *progress) {
  for (;;) {
    vw_clip_task *task = NULL;
    int64_t i = -1;
    if (vw_stop_requested()) (void)vw_queue_stop(q);
    VW_TRY(vw_queue_take(q, &i));
    if (i < 0) return VW_OK;
    const item *it = &list->items[i];
    VW_TRY(vw_session_task(s, it->model, it->data, &task));
    const double start = vw_seconds();
    if (it->block >= 0)
      VW_TRY(evaluate_block(s, &s->plan->blocks[it->block], task));
    else
      VW_TRY(evaluate_baselines(s, it, task));
    const double took = vw_seconds() - start;
    vw_stop_reserve(took);
    vw_sections_add(&s->sections, "evaluate", it->block >= 0 ? "words" : "baselines", took);
    VW_TRY(vw_queue_report_done(q));
    if (s->ranks.rank == 0) vw_progress_update(progress, vw_queue_done(q));
  }
}

static bool asked_to_stop(void *user) {
  (void)user;
  return vw_stop_requested();
}

/* Features of words judged in another run than the one that learned them (an emptied cache). */
static vw_status ensure_features(vw_session *s, bool *stopped) {
  const vw_features_hooks hooks = {.stop = asked_to_stop};
  for (int64_t m = 0; m < s->config->n_models; m++)
    for (int64_t d = 0; d < s->config->n_data && !*stopped; d++) {
      int64_t computed = 0;
      const double start = vw_seconds();
      VW_TRY(vw_features_ensure(s->pictures[d], s->networks[m], s->weights[m], &s->ranks, s->cache, &hooks, &computed,
                                stopped));
      if (computed) vw_sections_add(&s->sections, "features", "image tower", vw_seconds() - start);
    }
  return VW_OK;
}

vw_status vw_stage_evaluate(vw_session *s, bool *stopped) {
  item_list list = {0};
  vw_queue *q = NULL;
  vw_progress progress = {0};
  int64_t missing = 0;
  vw_status st = share_items(s, &list, &missing);
  *stopped = false;
  if (st != VW_OK || list.n == 0) goto cleanup;
  if (missing && s->ranks.rank == 0)
    vw_log(VW_LOG_WARN, "%lld blocks are not learned yet; their words cannot be judged: run 'viswords learn'",
           (long long)missing);
  VW_GOTO(vw_session_share_weights(s));
  VW_GOTO(ensure_features(s, stopped));
  if (*stopped) goto cleanup;
  VW_GOTO(vw_queue_create(&s->ranks, list.n, &q));
  vw_progress_start(&progress, s->ranks.rank == 0 && !s->options.quiet ? stderr : NULL, "evaluate", "blocks", 0,
                    list.n);
  st = evaluate_items(s, &list, q, &progress);
  if (st != VW_OK) (void)vw_queue_stop(q);
  int64_t any = vw_stop_requested();
  st = vw_agree_message(&s->ranks, st);
  if (st == VW_OK) st = vw_ranks_reduce(&s->ranks, &any, 1, VW_REDUCE_MAX);
  if (st == VW_OK && s->ranks.rank == 0) vw_progress_finish(&progress, vw_queue_done(q));
  *stopped = any != 0;
cleanup:
  vw_queue_destroy(q);
  free(list.items);
  return st;
}
