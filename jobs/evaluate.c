/* The evaluation stage: judges the words of every finished block, and every concept's baselines. */
#include "jobs/session.h"

#include "cluster/queue.h"
#include "core/log.h"
#include "io/block_file.h"
#include "learn/baselines.h"

#include <stdlib.h>
#include <string.h>

/* One unit of work: the words of a block or the baselines of a concept for a model, or one picture's part of them where
 * the task judges picture by picture. */
typedef struct item {
  int64_t block; /* -1: baselines */
  int64_t model, data, concept;
  int64_t picture;                         /* -1: all at once */
  int64_t place;                           /* in the list before it was ordered by parts */
  bool by_part;                            /* its task shares parts */
  char stem[VW_BLOCK_ID], id[VW_BLOCK_ID]; /* of the file with the metrics; of the item's own */
} item;

typedef struct item_list {
  item *items;
  int64_t n, room;
} item_list;

static vw_status add_item(item_list *list, const item *it) {
  if (list->n == list->room) {
    const int64_t room = 2 * list->room + 64;
    item *more = realloc(list->items, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "out of memory");
    list->items = more, list->room = room;
  }
  list->items[list->n++] = *it;
  return VW_OK;
}

static const vw_task_kind *task_of(const vw_session *s, const item *it) {
  return s->kinds[it->model]->task;
}

/* Pictures that the judging is cut into, and their numbers a word. */
static vw_status parts_of(const vw_session *s, const item *it, int64_t *pictures, int64_t *numbers) {
  const vw_task_inputs in = vw_session_inputs(s, it->model, it->data);
  return task_of(s, it)->judge_parts(&in, pictures, numbers);
}

/* What is not judged yet, and of it the pictures that are not there. */
static vw_status add_unjudged(const vw_session *s, item_list *list, item *it) {
  int64_t pictures = 0, numbers = 0;
  if (vw_block_file_exists(s->out, it->stem)) return VW_OK;
  (void)snprintf(it->id, sizeof it->id, "%s", it->stem);
  it->picture = -1;
  if (task_of(s, it)->judge) return add_item(list, it);
  VW_TRY(parts_of(s, it, &pictures, &numbers));
  for (it->picture = 0; it->picture < pictures; it->picture++) {
    VW_TRY(vw_judged_part_id(it->stem, it->picture, it->id));
    if (!vw_block_file_exists(s->out, it->id)) VW_TRY(add_item(list, it));
  }
  it->picture = -1;
  (void)snprintf(it->id, sizeof it->id, "%s", it->stem);
  return add_item(list, it); /* last: from all pictures */
}

static vw_status list_items(const vw_session *s, item_list *list, int64_t *missing) {
  const vw_study_config *c = s->config;
  char id[VW_BLOCK_ID];
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (!vw_block_is_active(b)) continue;
    item it = {.block = i, .model = b->model_index, .data = b->data_index};
    vw_block_file_id(b, "-evaluation", it.stem);
    vw_block_file_id(b, "", id);
    if (!vw_block_file_exists(s->out, id))
      ++*missing;
    else
      VW_TRY(add_unjudged(s, list, &it));
  }
  const vw_results_source source = vw_session_results(s);
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++)
      for (int64_t k = 0; k < c->data[d].concepts.n; k++) {
        item it = {.block = -1, .model = m, .data = d, .concept = k};
        VW_TRY(vw_results_baseline_id(&source, m, d, k, it.stem));
        VW_TRY(add_unjudged(s, list, &it));
      }
  return VW_OK;
}

/* Rank 0 looks, all get its list: the file system is asked once. */
static vw_status share_items(const vw_session *s, item_list *list, int64_t *missing) {
  vw_status st = s->ranks.rank == 0 ? list_items(s, list, missing) : VW_OK;
  VW_TRY(vw_agree_message(&s->ranks, st));
  VW_TRY(vw_ranks_broadcast(&s->ranks, &list->n, sizeof list->n, 0));
  if (s->ranks.rank != 0) list->items = calloc((size_t)list->n + 1, sizeof *list->items);
  st = list->items || !list->n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  VW_TRY(vw_agree_message(&s->ranks, st));
  return vw_ranks_broadcast(&s->ranks, list->items, list->n * (int64_t)sizeof *list->items, 0);
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

/* Judges some words: metrics, or one picture's numbers, or metrics from all pictures' numbers. */
typedef struct judging {
  vw_session *s;
  const item *it;
  vw_task *task;
  int64_t n, pictures, numbers; /* words of the item; parts, numbers a word and part */
  double *part;                 /* [n, numbers] or, for the metrics, [pictures, n, numbers] */
} judging;

/* Those from `first` on, which share a concept: w->n of the item's words. */
static vw_status judge_words(const judging *j, const vw_judged *w, int64_t first, double *metrics) {
  const vw_task_kind *kind = j->task->kind;
  const int64_t m = j->numbers;
  if (kind->judge) return kind->judge(j->task, w, metrics + first * kind->n_metrics);
  if (j->it->picture >= 0) return kind->judge_picture(j->task, w, j->it->picture, j->part + first * m);
  double *own = malloc((size_t)(j->pictures * w->n * m) * sizeof *own + 1);
  VW_CHECK(own, VW_ERR_MEMORY, "evaluation: out of memory");
  for (int64_t p = 0; p < j->pictures; p++)
    memcpy(own + p * w->n * m, j->part + (p * j->n + first) * m, (size_t)(w->n * m) * sizeof *own);
  const vw_status st = kind->judge_end(j->task, w, own, metrics + first * kind->n_metrics);
  free(own);
  return st;
}

/* Room for the parts; for the metrics what all pictures gave. */
static vw_status open_parts(judging *j) {
  const item *it = j->it;
  char id[VW_BLOCK_ID];
  if (j->task->kind->judge) return VW_OK;
  VW_TRY(parts_of(j->s, it, &j->pictures, &j->numbers));
  const int64_t one = j->n * j->numbers, parts = it->picture >= 0 ? 1 : j->pictures;
  j->part = calloc((size_t)(parts * one) + 1, sizeof *j->part);
  VW_CHECK(j->part, VW_ERR_MEMORY, "evaluation: out of memory");
  for (int64_t p = 0; it->picture < 0 && p < parts; p++) {
    VW_TRY(vw_judged_part_id(it->stem, p, id));
    VW_TRY(vw_judged_part_read(j->s->out, id, j->n, j->numbers, j->part + p * one));
  }
  return VW_OK;
}

/* The pictures' files are not needed any more. */
static vw_status drop_parts(const judging *j) {
  char id[VW_BLOCK_ID];
  for (int64_t p = 0; p < j->pictures; p++) {
    VW_TRY(vw_judged_part_id(j->it->stem, p, id));
    VW_TRY(vw_block_file_remove(j->s->out, id));
  }
  return VW_OK;
}

static vw_status judge_block(judging *j, double *metrics) {
  const vw_block *b = &j->s->plan->blocks[j->it->block];
  const vw_trial *trials = j->s->plan->trials + b->first;
  const int64_t C = j->task->in.vectors * j->task->in.network->width;
  double *words = NULL;
  vw_status st = vw_block_words_read(j->s->out, b, C, &words);
  for (int64_t first = 0, end; st == VW_OK && first < b->n; first = end) {
    for (end = first + 1; end < b->n && !strcmp(trials[end].concept, trials[first].concept);) end++;
    const vw_judged w = {.concept = trials[first].concept,
                         .null_concept = trials[first].null_concept,
                         .n = end - first,
                         .words = words + first * C};
    st = judge_words(j, &w, first, metrics);
  }
  if (st == VW_OK && j->it->picture < 0) st = vw_session_inputs_unchanged(j->s);
  if (st == VW_OK && j->it->picture < 0) st = vw_block_evaluation_write(j->s->out, b, trials, j->task->kind, metrics);
  free(words);
  return st;
}

static vw_status judge_baselines(judging *j, const vw_baselines *b, double *metrics) {
  const vw_study_config *c = j->s->config;
  const vw_judged w = vw_baselines_judged(b);
  VW_TRY(judge_words(j, &w, 0, metrics));
  if (j->it->picture >= 0) return VW_OK;
  VW_TRY(vw_session_inputs_unchanged(j->s));
  vw_baselines_mask(b, j->task->kind->n_metrics, metrics);
  return vw_baselines_write(j->s->out, j->it->id, c->models[j->it->model].name, c->data[j->it->data].name,
                            j->task->kind, b, metrics);
}

static vw_status evaluate(vw_session *s, const item *it, vw_task *task) {
  const vw_study_config *c = s->config;
  judging j = {.s = s, .it = it, .task = task};
  vw_baselines b = {0};
  double *metrics = NULL;
  vw_status st = VW_OK;
  if (it->block < 0)
    VW_GOTO(vw_baselines_list(&b, &task->in, task->kind, &s->words[it->model], c,
                              c->data[it->data].concepts.name[it->concept]));
  j.n = it->block < 0 ? b.n : s->plan->blocks[it->block].n;
  metrics = calloc((size_t)(j.n * task->kind->n_metrics) + 1, sizeof *metrics);
  if (!metrics) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "evaluation: out of memory"));
  VW_GOTO(open_parts(&j));
  VW_GOTO(it->block < 0 ? judge_baselines(&j, &b, metrics) : judge_block(&j, metrics));
  if (it->picture >= 0) VW_GOTO(vw_session_inputs_unchanged(s));
  if (it->picture >= 0) VW_GOTO(vw_judged_part_write(s->out, it->id, j.n, j.numbers, j.part));
  if (it->picture < 0) VW_GOTO(drop_parts(&j));
cleanup:
  vw_baselines_free(&b);
  free(j.part), free(metrics);
  return st;
}

static vw_status evaluate_one(vw_session *s, const item *it) {
  vw_task *task = NULL;
  VW_TRY(vw_session_task(s, it->model, it->data, &task));
  const double start = vw_seconds();
  VW_TRY(evaluate(s, it, task));
  const double took = vw_seconds() - start;
  vw_stop_reserve(took);
  vw_sections_add(&s->sections, "evaluate", it->block >= 0 ? "words" : "baselines", took);
  return VW_OK;
}

/* Items that one rank takes together: those of one part where its task shares parts. */
static bool go_together(const vw_session *s, const item *a, const item *b) {
  return task_of(s, a)->shares_parts && a->picture >= 0 && a->model == b->model && a->data == b->data &&
         a->picture == b->picture;
}

static int64_t count_groups(const vw_session *s, const item_list *list) {
  int64_t n = 0;
  for (int64_t i = 0; i < list->n; i++) n += i == 0 || !go_together(s, &list->items[i], &list->items[i - 1]);
  return n;
}

/* The first item of the k-th group; list->n behind the last. */
static int64_t group_start(const vw_session *s, const item_list *list, int64_t k) {
  int64_t i = 0;
  for (; i < list->n; i++)
    if ((i == 0 || !go_together(s, &list->items[i], &list->items[i - 1])) && k-- == 0) return i;
  return i;
}

static vw_status evaluate_items(vw_session *s, const item_list *list, vw_queue *q, vw_progress *progress) {
  for (;;) {
    int64_t k = -1;
    if (vw_stop_requested()) (void)vw_queue_stop(q);
    VW_TRY(vw_queue_take(q, &k));
    if (k < 0) return VW_OK;
    const int64_t end = group_start(s, list, k + 1);
    for (int64_t i = group_start(s, list, k); i < end && !vw_stop_requested(); i++)
      VW_TRY(evaluate_one(s, &list->items[i]));
    VW_TRY(vw_queue_report_done(q));
    if (s->ranks.rank == 0) vw_progress_update(progress, vw_queue_done(q));
  }
}

/* All ranks take items; none goes on before all have come. */
static vw_status run_items(vw_session *s, const item_list *list, bool *stopped) {
  vw_queue *q = NULL;
  vw_progress progress = {0};
  VW_TRY(vw_queue_create(&s->ranks, count_groups(s, list), &q));
  vw_progress_start(&progress, s->ranks.rank == 0 && !s->options.quiet ? stderr : NULL, "evaluate", "blocks", 0,
                    count_groups(s, list));
  vw_status st = evaluate_items(s, list, q, &progress);
  if (st != VW_OK) (void)vw_queue_stop(q);
  int64_t any = vw_stop_requested();
  st = vw_agree_message(&s->ranks, st);
  if (st == VW_OK) st = vw_ranks_reduce(&s->ranks, &any, 1, VW_REDUCE_MAX);
  if (st == VW_OK && s->ranks.rank == 0) vw_progress_finish(&progress, vw_queue_done(q));
  *stopped = any != 0;
  vw_queue_destroy(q);
  return st;
}

/* By model and data set, then parts of which one costs the same for all words; else as they came. */
static int by_part(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->model != y->model) return x->model < y->model ? -1 : 1;
  if (x->data != y->data) return x->data < y->data ? -1 : 1;
  const int64_t p = x->by_part ? x->picture : 0, r = y->by_part ? y->picture : 0;
  if (p != r) return p < r ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}

/* Metrics that are made from pictures come behind all pictures. */
static vw_status in_order(vw_session *s, const item_list *list, bool *stopped) {
  item_list now = {.items = calloc((size_t)list->n + 1, sizeof *now.items)};
  vw_status st = vw_agree_message(&s->ranks, now.items ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  for (int later = 0; st == VW_OK && later < 2 && !*stopped; later++) {
    bool shared = false;
    now.n = 0;
    for (int64_t i = 0; i < list->n; i++) {
      const item *it = &list->items[i];
      const bool is_last = !task_of(s, it)->judge && it->picture < 0;
      if (now.items && is_last == (later == 1)) now.items[now.n++] = *it;
      shared |= task_of(s, it)->shares_parts;
    }
    for (int64_t i = 0; i < now.n; i++)
      now.items[i].place = i, now.items[i].by_part = task_of(s, &now.items[i])->shares_parts;
    if (shared && now.n) qsort(now.items, (size_t)now.n, sizeof *now.items, by_part);
    if (now.n) st = run_items(s, &now, stopped);
  }
  free(now.items);
  return st;
}

vw_status vw_stage_evaluate(vw_session *s, bool *stopped) {
  item_list list = {0};
  int64_t missing = 0;
  vw_status st = share_items(s, &list, &missing);
  *stopped = false;
  if (st != VW_OK || list.n == 0) goto cleanup;
  if (missing && s->ranks.rank == 0)
    vw_log(VW_LOG_WARN, "%lld blocks are not learned yet; their words cannot be judged: run 'viswords learn'",
           (long long)missing);
  VW_GOTO(vw_session_share_weights(s));
  VW_GOTO(vw_session_cache(s, false, stopped));
  if (!*stopped) VW_GOTO(in_order(s, &list, stopped));
cleanup:
  free(list.items);
  return st;
}
