/* The loop of every stage: rank 0 lists what is left, all ranks take items from a queue until it is empty or somebody
 * is asked to stop, then all agree on how it ended. */
#include "jobs/stages/stage.h"

#include "core/log.h"
#include "core/pulse.h"
#include "core/text.h"
#include "learn/block_io.h"
#include "study/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vw_status vw_stage_add(vw_stage_list *list, const vw_stage_item *item) {
  if (list->n == list->room) {
    const int64_t room = 2 * list->room + 64;
    vw_stage_item *more = realloc(list->items, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "out of memory");
    list->items = more, list->room = room;
  }
  list->items[list->n++] = *item;
  return VW_OK;
}

/* ---- what is left ------------------------------------------------------------------------------------------------ */

/* The dearest first. */
static vw_status sort_items(vw_stage_list *list) {
  const size_t n = (size_t)list->n;
  int64_t *order = malloc(n * sizeof *order + 1);
  double *cost = malloc(n * sizeof *cost + 1);
  vw_stage_item *sorted = malloc(n * sizeof *sorted + 1);
  const bool has_memory = order && cost && sorted;
  for (int64_t i = 0; has_memory && i < list->n; i++) order[i] = i, cost[i] = list->items[i].cost;
  if (has_memory) vw_schedule_sort(order, list->n, cost);
  for (int64_t i = 0; has_memory && i < list->n; i++) sorted[i] = list->items[order[i]];
  free(order), free(cost);
  if (!has_memory) {
    free(sorted);
    return VW_RAISE(VW_ERR_MEMORY, "out of memory");
  }
  free(list->items);
  list->items = sorted, list->room = list->n;
  return VW_OK;
}

static vw_status list_items(vw_session *s, const vw_stage *stage, vw_stage_list *list) {
  VW_TRY(stage->items(s, list));
  for (int64_t i = 0; i < list->n; i++)
    if (list->items[i].units < 1) list->items[i].units = 1;
  return sort_items(list);
}

/* Rank 0 looks, all get its list: the file system is asked once. */
static vw_status share_list(vw_session *s, const vw_stage *stage, vw_stage_list *list) {
  const bool looks = s->ranks.rank == 0;
  VW_TRY(vw_agree_message(&s->ranks, looks ? list_items(s, stage, list) : VW_OK));
  int64_t head[] = {list->n, list->units};
  VW_TRY(vw_ranks_broadcast(&s->ranks, head, sizeof head, 0));
  if (!looks) list->items = calloc((size_t)head[0] + 1, sizeof *list->items);
  list->n = head[0], list->units = head[1];
  VW_TRY(vw_agree_message(&s->ranks, list->items || !list->n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory")));
  return vw_ranks_broadcast(&s->ranks, list->items, list->n * (int64_t)sizeof *list->items, 0);
}

static int64_t units_left(const vw_stage_list *list) {
  int64_t units = 0;
  for (int64_t i = 0; list->items && i < list->n; i++) units += list->items[i].units;
  return units;
}

static void say_what_is_left(const vw_session *s, const vw_stage *stage, const vw_stage_list *list) {
  const int64_t left = units_left(list), all = list->units + left;
  if (s->ranks.rank != 0 || s->options.quiet || !list->units) return;
  if (left == 0)
    (void)vw_print(stderr, "%s: all %lld %s are %s already\n", stage->name, (long long)list->units, stage->unit,
                   stage->done);
  else
    (void)vw_print(stderr, "%s: resuming, %lld of %lld %s are %s already\n", stage->name, (long long)list->units,
                   (long long)all, stage->unit, stage->done);
}

/* ---- one item after the other ------------------------------------------------------------------------------------ */

bool vw_stage_leads(const vw_stage_run *r) {
  return !r->team || r->team->rank == 0;
}

bool vw_stage_should_stop(vw_stage_run *r) {
  r->has_asked = true;
  if (vw_stop_requested()) (void)vw_queue_stop(r->queue);
  return vw_queue_stopped(r->queue);
}

void vw_stage_advanced(vw_stage_run *r, int64_t step, int64_t steps) {
  vw_pulse_step(step + 1);
  if (step + 1 == steps && vw_stage_leads(r)) (void)vw_queue_ask(r->queue);
  vw_queue_poll(r->queue);
  vw_signs_step(&r->s->signs, step + 1, steps);
  if (r->s->ranks.rank == 0)
    vw_progress_update(&r->progress, r->before + vw_queue_done(r->queue) + r->item->units * step / steps);
}

/* The item that comes next, for all ranks of a team the one its leader took; *i < 0: none. */
static vw_status next_item(vw_stage_run *r, int64_t *i) {
  const double start = vw_seconds();
  unsigned wants = 0;
  *i = -1;
  if (vw_stop_requested()) (void)vw_queue_stop(r->queue);
  if (vw_stage_leads(r)) VW_TRY(vw_queue_take(r->queue, i));
  if (r->team) VW_TRY(vw_team_meet(r->team, VW_OK, &wants, i));
  if (wants & VW_TEAM_FAILED) *i = -1;
  vw_sections_add(&r->s->sections, r->stage->name, "queue", vw_seconds() - start);
  return VW_OK;
}

/* The items of a round in the order in which they are taken: group k is now[first[k]] .. now[first[k + 1] - 1]. */
typedef struct round_items {
  int64_t *now, *first;
  int64_t groups, number; /* number: of the round */
} round_items;

/* What the item is, for those who look on (status) and for the watchdog. */
static void tell_item(const vw_stage_run *r, const vw_stage_list *list) {
  const vw_study_config *c = r->s->config;
  const vw_stage_item *it = r->item;
  char id[VW_BLOCK_ID] = "", name[VW_RANK_ITEM], text[VW_PULSE_ITEM];
  if (it->block >= 0) vw_block_file_id(&r->s->plan->blocks[it->block], "", id);
  (void)snprintf(name, sizeof name, "%.40s", id[0] ? id : it->model < c->n_models ? c->models[it->model].name : "");
  if (it->picture >= 0) {
    const size_t n = strlen(name);
    (void)snprintf(name + n, sizeof name - n, " picture %lld", (long long)it->picture);
  }
  vw_signs_item(&r->s->signs, name, vw_stage_leads(r) ? it->units : 0, it->cost);
  (void)snprintf(text, sizeof text, "%s%s", id[0] ? "block " : "", name);
  if (!name[0])
    (void)snprintf(text, sizeof text, "item %lld of %lld", (long long)(it - list->items) + 1, (long long)list->n);
  vw_pulse_item(text);
}

/* The items of a group, one after the other. *finished false: asked to stop, the rest is left. */
static vw_status take_group(vw_stage_run *r, const vw_stage_list *list, const round_items *round, int64_t group,
                            bool *finished) {
  *finished = true;
  for (int64_t i = round->first[group]; i < round->first[group + 1] && *finished; i++) {
    r->item = &list->items[round->now[i]], r->has_asked = false;
    if (!vw_stage_leads(r) && r->item->slices <= 1) continue; /* the leader's alone */
    if (i > round->first[group] && vw_stop_requested()) *finished = false;
    if (!*finished) return VW_OK;
    const double start = vw_seconds();
    tell_item(r, list);
    VW_TRY(r->stage->item(r, r->item, finished));
    if (!*finished) return VW_OK;
    const double took = vw_seconds() - start;
    vw_signs_item_done(&r->s->signs);
    r->taken++, r->item_seconds += took, r->item_most = took > r->item_most ? took : r->item_most;
    if (!r->has_asked) vw_stop_reserve(took); /* so long nobody can stop it */
    if (vw_stage_leads(r)) VW_TRY(vw_queue_report_done(r->queue, r->item->units));
    if (r->s->ranks.rank == 0) vw_progress_update(&r->progress, r->before + vw_queue_done(r->queue));
  }
  return VW_OK;
}

static vw_status take_items(vw_stage_run *r, const vw_stage_list *list, const round_items *round) {
  for (;;) {
    bool finished = false;
    int64_t group = -1;
    VW_TRY(next_item(r, &group));
    if (group < 0) return VW_OK;
    VW_TRY(take_group(r, list, round, group, &finished));
    if (!finished) return VW_OK;
  }
}

/* A rank that failed tells its team, so that nobody waits for it; where nobody can be told any more, the job ends. */
static vw_status take_with_team(vw_stage_run *r, const vw_stage_list *list, const round_items *round) {
  vw_status st = take_items(r, list, round);
  unsigned wants = 0;
  if (!r->team) return st;
  if (st != VW_OK && !vw_team_is_broken(r->team)) st = vw_team_meet(r->team, st, &wants, NULL);
  if (vw_team_is_broken(r->team)) {
    (void)vw_print(stderr, "viswords: rank %d on %s: %s\n", r->s->ranks.rank, r->s->ranks.host, vw_error_message());
    vw_report_trail();
    vw_ranks_abort(&r->s->ranks, VW_EXIT_FAILED);
  }
  return st;
}

/* ---- a round, all of them ---------------------------------------------------------------------------------------- */

/* What `viswords simulate --stages` says of a round beforehand, as it was. */
static void log_queue(const vw_stage_run *r, int64_t round, double seconds) {
  const vw_queue *q = r->queue;
  vw_log(VW_LOG_DEBUG,
         "queue stage=%s round=%lld items=%lld seconds=%.6f longest=%.6f took=%.6f takes=%lld reports=%lld looks=%lld",
         r->stage->name, (long long)round, (long long)r->taken, r->item_seconds, r->item_most, seconds,
         (long long)vw_queue_sent(q, VW_QUEUE_TAKE), (long long)vw_queue_sent(q, VW_QUEUE_REPORT),
         (long long)vw_queue_sent(q, VW_QUEUE_LOOK));
}

/* No rank goes on before all have come. */
static vw_status run_queue(vw_stage_run *r, const vw_stage_list *list, const round_items *round, bool *stopped) {
  vw_session *s = r->s;
  const double begun = vw_seconds();
  r->taken = 0, r->item_seconds = r->item_most = 0;
  VW_TRY(vw_queue_create(&s->ranks, round->groups, &r->queue));
  vw_stop_begin();
  vw_status st = take_with_team(r, list, round);
  if (st != VW_OK) (void)vw_queue_stop(r->queue); /* the others save what they have and come to the same place */
  vw_signs_waiting(&s->signs);
  int64_t any = st == VW_OK && vw_stop_requested();
  const double start = vw_seconds();
  st = vw_agree_message(&s->ranks, st);
  vw_sections_add(&s->sections, r->stage->name, "waiting", vw_seconds() - start);
  if (st == VW_OK) st = vw_ranks_reduce(&s->ranks, &any, 1, VW_REDUCE_MAX);
  if (st == VW_OK && s->ranks.rank == 0) r->before += vw_queue_done(r->queue);
  *stopped = any != 0;
  log_queue(r, round->number, vw_seconds() - begun);
  vw_queue_destroy(r->queue);
  r->queue = NULL;
  return st;
}

typedef struct placed {
  int64_t group, first, item; /* first: the item of the group that comes first */
} placed;

static int by_group(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return x->item < y->item ? -1 : x->item > y->item;
}

static int by_first(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->item < y->item ? -1 : x->item > y->item;
}

/* The items of a round: those of a group behind its first, else in the list's order. */
static void order_round(const vw_stage_list *list, int64_t round, placed *p, round_items *out) {
  int64_t n = 0;
  for (int64_t i = 0; i < list->n; i++)
    if (list->items[i].round == round) p[n++] = (placed){list->items[i].group, i, i};
  qsort(p, (size_t)n, sizeof *p, by_group);
  for (int64_t i = 1; i < n; i++)
    if (p[i].group && p[i].group == p[i - 1].group) p[i].first = p[i - 1].first;
  qsort(p, (size_t)n, sizeof *p, by_first);
  out->groups = 0;
  for (int64_t i = 0; i < n; i++) {
    out->now[i] = p[i].item;
    if (i == 0 || p[i].first != p[i - 1].first) out->first[out->groups++] = i;
  }
  out->first[out->groups] = n;
}

static vw_status run_rounds(vw_stage_run *r, const vw_stage_list *list, bool *stopped) {
  const size_t n = (size_t)list->n + 1;
  round_items items = {.now = calloc(n, sizeof *items.now), .first = calloc(n, sizeof *items.first)};
  placed *p = calloc(n, sizeof *p);
  int64_t last = 0;
  const bool has_memory = items.now && items.first && p;
  vw_status st = vw_agree_message(&r->s->ranks, has_memory ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  for (int64_t i = 0; i < list->n; i++)
    if (list->items[i].round > last) last = list->items[i].round;
  for (int64_t round = 0; has_memory && st == VW_OK && round <= last && !*stopped; round++) {
    items.number = round;
    order_round(list, round, p, &items);
    if (items.groups) st = run_queue(r, list, &items, stopped);
  }
  free(items.now), free(items.first), free(p);
  return st;
}

/* As large as the items have slices, at most. */
static vw_status open_team(vw_stage_run *r, const vw_stage_list *list, vw_team *team) {
  int64_t most = 1;
  for (int64_t i = 0; i < list->n; i++)
    if (list->items[i].slices > most) most = list->items[i].slices;
  if (most == 1) return VW_OK;
  r->team = team;
  return vw_team_open(team, &r->s->ranks, &r->s->ctx, most);
}

static vw_status prepare(vw_session *s, const vw_stage *stage, bool *stopped) {
  if (stage->needs & VW_STAGE_WEIGHTS) VW_TRY(vw_session_share_weights(s));
  if (stage->needs & (VW_STAGE_CACHE | VW_STAGE_CACHE_OF_BLOCKS))
    VW_TRY(vw_session_cache(s, stage->needs & VW_STAGE_CACHE_OF_BLOCKS, stopped));
  return VW_OK;
}

static void tell_stage(vw_session *s, const vw_stage *stage, const vw_stage_list *list) {
  vw_signs_stage now = {.stage = stage->name,
                        .unit = stage->unit,
                        .items = list->n,
                        .before = list->units,
                        .left = units_left(list),
                        .is_operations = stage->costs_operations};
  for (int64_t i = 0; i < list->n; i++) now.cost += list->items[i].cost;
  vw_signs_begin(&s->signs, &now);
}

static vw_status run_list(vw_session *s, const vw_stage *stage, const vw_stage_list *list, bool *stopped) {
  vw_stage_run r = {.s = s, .stage = stage};
  vw_team team = {0};
  vw_status st = VW_OK;
  VW_TRY(prepare(s, stage, stopped));
  if (*stopped) return VW_OK;
  VW_GOTO(open_team(&r, list, &team));
  tell_stage(s, stage, list);
  vw_progress_start(&r.progress, s->ranks.rank == 0 && !s->options.quiet ? stderr : NULL, stage->name, stage->unit, 0,
                    units_left(list));
  VW_GOTO(run_rounds(&r, list, stopped));
  if (s->ranks.rank == 0) vw_progress_finish(&r.progress, r.before);
  vw_signs_end(&s->signs);
cleanup:
  vw_team_close(&team);
  return st;
}

vw_status vw_stage_go(const vw_stage *stage, vw_session *s, bool *stopped) {
  vw_stage_list list = {0};
  vw_status st = VW_OK;
  *stopped = false;
  vw_pulse_stage(stage->name, stage->kept);
  if (s->part.n) VW_GOTO(vw_session_share_out(s, s->part.n));
  if (stage->items) VW_GOTO(share_list(s, stage, &list));
  say_what_is_left(s, stage, &list);
  if (list.n) VW_GOTO(run_list(s, stage, &list, stopped));
  if (*stopped || !stage->end) goto cleanup;
  vw_stop_begin();
  VW_GOTO(stage->end(s, stopped));
cleanup:
  free(list.items);
  return st;
}
