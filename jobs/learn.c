/* The learning stage: image features, then blocks from the queue. */
#include "jobs/session.h"

#include "cluster/queue.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/text.h"
#include "io/block_file.h"
#include "learn/block_io.h"
#include "study/schedule.h"

#include <math.h>
#include <stdlib.h>

/* ---- one block --------------------------------------------------------------------------------------------------- */

typedef struct learner {
  vw_session *s;
  vw_queue *q;
  const vw_block *block;
  char id[VW_BLOCK_ID];
  vw_progress progress;
  double saving; /* seconds this block's checkpoints took */
  vw_team *team; /* NULL: no block of the plan is shared */
} learner;

/* Takes blocks, saves and writes them: every rank, or the first of a team. */
static bool leads(const learner *l) {
  return !l->team || l->team->rank == 0;
}

static bool should_stop(void *user) {
  learner *l = user;
  if (vw_stop_requested()) (void)vw_queue_stop(l->q);
  return vw_queue_stopped(l->q);
}

static vw_status checkpoint(void *user, const vw_block_state *state) {
  learner *l = user;
  const double start = vw_seconds();
  VW_TRY(vw_session_inputs_unchanged(l->s));
  VW_TRY(vw_fault("checkpointing", l->id));
  VW_TRY(vw_block_checkpoint_save(l->s->out, l->id, state));
  const double took = vw_seconds() - start;
  l->saving += took;
  vw_stop_reserve(took);
  vw_sections_add(&l->s->sections, "learn", "checkpoints", took);
  return VW_OK;
}

static void advanced(void *user, int64_t step, int64_t steps) {
  learner *l = user;
  if (step + 1 == steps && leads(l)) (void)vw_queue_ask(l->q);
  vw_queue_poll(l->q);
  if (l->s->ranks.rank == 0) vw_progress_update(&l->progress, vw_queue_done(l->q) + l->block->n * step / steps);
}

static vw_status learn_words(learner *l, vw_task *task, vw_block_state *state, bool *finished) {
  const vw_block *b = l->block;
  const vw_trial *trials = l->s->plan->trials + b->first;
  const vw_block_hooks hooks = {.user = l,
                                .stop = should_stop,
                                .checkpoint = checkpoint,
                                .advanced = advanced,
                                .checkpoint_seconds = l->s->options.checkpoint_seconds};
  bool resumed = false;
  VW_TRY(vw_block_start(state, &l->s->words[b->model_index], trials));
  if (leads(l)) VW_TRY(vw_block_checkpoint_load(l->s->out, l->id, state, &resumed));
  if (resumed) vw_log(VW_LOG_INFO, "block %s goes on from its checkpoint at step %lld", l->id, (long long)state->step);
  return vw_block_learn(state, task, l->s->config, trials, (vw_block_share){.slices = b->slices, .team = l->team},
                        &hooks, finished);
}

static vw_status learn_block(learner *l, bool *finished) {
  const vw_block *b = l->block;
  vw_block_state state;
  vw_task *task = NULL;
  const double start = vw_seconds();
  VW_TRY(vw_session_task(l->s, b->model_index, b->data_index, &task));
  VW_TRY(vw_block_state_create(&state, &task->in.model->learn, b->n, task->in.vectors * task->in.network->width));
  const double begun = vw_seconds();
  l->saving = 0;
  vw_status st = learn_words(l, task, &state, finished);
  vw_sections_add(&l->s->sections, "learn", "steps", vw_seconds() - begun - l->saving);
  if (st == VW_OK && *finished && leads(l)) {
    const double write = vw_seconds();
    st = vw_session_inputs_unchanged(l->s);
    if (st == VW_OK)
      st = vw_block_results_write(l->s->out, b, l->s->plan->trials + b->first, &state, &l->s->words[b->model_index]);
    vw_sections_add(&l->s->sections, "learn", "results", vw_seconds() - write);
  }
  vw_log(VW_LOG_DEBUG, "block=%s trials=%lld steps=%lld seconds=%.3f trial_steps_per_s=%.1f", l->id, (long long)b->n,
         (long long)state.step, vw_seconds() - start,
         (double)(b->n * state.step) / (state.seconds > 0 ? state.seconds : 1));
  vw_block_state_free(&state);
  return st;
}

/* The block that comes next, for all ranks of a team the one its leader took; *item < 0: none. */
static vw_status next_block(learner *l, int64_t *item) {
  const double start = vw_seconds();
  unsigned wants = 0;
  *item = -1;
  if (leads(l)) VW_TRY(vw_queue_take(l->q, item));
  if (l->team) VW_TRY(vw_team_meet(l->team, VW_OK, &wants, item));
  if (wants & VW_TEAM_FAILED) *item = -1;
  vw_sections_add(&l->s->sections, "learn", "queue", vw_seconds() - start);
  return VW_OK;
}

static vw_status learn_blocks(learner *l, const int64_t *todo) {
  for (;;) {
    int64_t item = -1;
    bool finished = false;
    VW_TRY(next_block(l, &item));
    if (item < 0) return VW_OK;
    l->block = &l->s->plan->blocks[todo[item]];
    vw_block_file_id(l->block, "", l->id);
    VW_TRY(vw_fault("taking", l->id));
    if (!leads(l) && l->block->slices <= 1) continue; /* the leader's alone */
    VW_TRY(learn_block(l, &finished));
    if (!finished) return VW_OK;
    for (int64_t i = 0; leads(l) && i < l->block->n; i++) VW_TRY(vw_queue_report_done(l->q));
  }
}

/* A rank that failed tells its team, so that nobody waits for it; where nobody can be told any more, the job ends. */
static vw_status learn_with_team(learner *l, const int64_t *todo) {
  vw_status st = learn_blocks(l, todo);
  unsigned wants = 0;
  if (!l->team) return st;
  if (st != VW_OK && !vw_team_is_broken(l->team)) st = vw_team_meet(l->team, st, &wants, NULL);
  if (vw_team_is_broken(l->team)) {
    (void)vw_report(st);
    vw_ranks_abort(&l->s->ranks, VW_EXIT_FAILED);
  }
  return st;
}

/* As large as the plan's blocks have slices, at most. */
static vw_status open_team(vw_session *s, const int64_t *todo, int64_t n, vw_team *team, learner *l) {
  int64_t most = 1;
  for (int64_t i = 0; i < n; i++)
    if (s->plan->blocks[todo[i]].slices > most) most = s->plan->blocks[todo[i]].slices;
  if (most == 1) return VW_OK;
  l->team = team;
  return vw_team_open(team, &s->ranks, &s->ctx, most);
}

/* Blocks without results, longest first. Rank 0 looks (one rank on the file system); all get its answer. */
static vw_status list_todo(vw_session *s, int64_t **todo, int64_t *n, int64_t *trials_left, int64_t *trials) {
  const vw_plan *p = s->plan;
  int64_t head[3] = {0};
  *todo = calloc((size_t)p->n_blocks + 1, sizeof **todo);
  VW_CHECK(*todo, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; s->ranks.rank == 0 && i < p->n_blocks; i++) {
    char id[VW_BLOCK_ID];
    const vw_block *b = &p->blocks[i];
    if (!vw_block_is_active(b)) continue;
    vw_block_file_id(b, "", id);
    head[2] += b->n;
    if (vw_block_file_exists(s->out, id)) continue;
    (*todo)[head[0]++] = i, head[1] += b->n;
  }
  double *cost = NULL;
  const vw_status st = s->ranks.rank == 0 ? vw_session_costs(s, &cost) : VW_OK;
  if (st == VW_OK && cost) vw_schedule_sort(*todo, head[0], cost);
  free(cost);
  VW_TRY(vw_agree_message(&s->ranks, st));
  VW_TRY(vw_ranks_broadcast(&s->ranks, head, sizeof head, 0));
  VW_TRY(vw_ranks_broadcast(&s->ranks, *todo, head[0] * (int64_t)sizeof **todo, 0));
  *n = head[0], *trials_left = head[1], *trials = head[2];
  return VW_OK;
}

static void say_what_is_left(const vw_session *s, int64_t left, int64_t trials) {
  if (s->ranks.rank != 0 || s->options.quiet) return;
  if (left == 0)
    (void)vw_print(stderr, "learn: all %lld trials are done already\n", (long long)trials);
  else if (left < trials)
    (void)vw_print(stderr, "learn: resuming, %lld of %lld trials are done already\n", (long long)(trials - left),
                   (long long)trials);
}

vw_status vw_stage_learn(vw_session *s, bool *stopped) {
  learner l = {.s = s};
  vw_team team = {0};
  int64_t *todo = NULL, n = 0, left = 0, trials = 0;
  *stopped = false;
  vw_status st = vw_agree_message(&s->ranks, list_todo(s, &todo, &n, &left, &trials));
  if (st == VW_OK) say_what_is_left(s, left, trials);
  if (st != VW_OK || n == 0) goto cleanup;
  VW_GOTO(vw_session_share_weights(s));
  VW_GOTO(vw_session_cache(s, true, stopped));
  if (*stopped) goto cleanup;
  VW_GOTO(open_team(s, todo, n, &team, &l));
  VW_GOTO(vw_queue_create(&s->ranks, n, &l.q));
  vw_progress_start(&l.progress, s->ranks.rank == 0 && !s->options.quiet ? stderr : NULL, "learn", "trials", 0, left);
  st = learn_with_team(&l, todo);
  if (st != VW_OK) (void)vw_queue_stop(l.q); /* the others save what they have and come to the same place */
  *stopped = st == VW_OK && vw_stop_requested();
  const double start = vw_seconds();
  st = vw_agree_message(&s->ranks, st);
  vw_sections_add(&s->sections, "learn", "waiting", vw_seconds() - start);
  if (s->ranks.rank == 0 && st == VW_OK) vw_progress_finish(&l.progress, vw_queue_done(l.q));
  int64_t any = *stopped;
  if (st == VW_OK) st = vw_ranks_reduce(&s->ranks, &any, 1, VW_REDUCE_MAX);
  *stopped = any != 0;
cleanup:
  vw_queue_destroy(l.q);
  vw_team_close(&team);
  free(todo);
  return st;
}
