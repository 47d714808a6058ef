/* The learning stage: blocks from the queue, dearest first. */
#include "jobs/stages/rows.h"

#include "core/fault.h"
#include "core/log.h"
#include "io/block_file.h"
#include "learn/block_io.h"

#include <math.h>
#include <stdlib.h>

/* ---- one block --------------------------------------------------------------------------------------------------- */

typedef struct learner {
  vw_stage_run *run;
  vw_session *s;
  const vw_block *block;
  char id[VW_BLOCK_ID];
  double saving; /* seconds this block's checkpoints took */
} learner;

static bool should_stop(void *user) {
  const learner *l = user;
  return vw_stage_should_stop(l->run);
}

/* Mean of the newest training losses that were recorded, of words that have one; NaN: there are none. */
static double newest_loss(const vw_block_state *state) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t i = state->points - 1; i >= 0 && !n; i--)
    for (int64_t k = 0; k < state->K; k++)
      if (isfinite(state->history[i * state->K + k])) sum += state->history[i * state->K + k], n++;
  return n ? sum / (double)n : NAN;
}

static vw_status checkpoint(void *user, const vw_block_state *state) {
  learner *l = user;
  const double start = vw_seconds();
  VW_TRY(vw_session_inputs_unchanged(l->s));
  VW_TRY(vw_fault("checkpointing", l->id));
  VW_TRY(vw_block_checkpoint_save(l->s->out, l->id, state));
  vw_signs_loss(&l->s->signs, newest_loss(state));
  const double took = vw_seconds() - start;
  l->saving += took;
  vw_stop_reserve(took);
  vw_sections_add(&l->s->sections, "learn", "checkpoints", took);
  return VW_OK;
}

static void advanced(void *user, int64_t step, int64_t steps) {
  const learner *l = user;
  vw_stage_advanced(l->run, step, steps);
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
  if (vw_stage_leads(l->run)) VW_TRY(vw_block_checkpoint_load(l->s->out, l->id, state, &resumed));
  if (resumed) vw_log(VW_LOG_INFO, "block %s goes on from its checkpoint at step %lld", l->id, (long long)state->step);
  return vw_block_learn(state, task, l->s->config, trials,
                        (vw_block_share){.slices = b->slices, .segments = b->segments, .team = l->run->team}, &hooks,
                        finished);
}

static vw_status learn_block(learner *l, bool *finished) {
  const vw_block *b = l->block;
  vw_block_state state;
  vw_task *task = NULL;
  const double start = vw_seconds();
  VW_TRY(vw_session_task(l->s, b->model_index, b->data_index, &task));
  VW_TRY(vw_block_state_create(&state, &task->in.model->learn, b->n, task->in.vectors, task->in.network->width));
  const double begun = vw_seconds();
  l->saving = 0;
  vw_status st = learn_words(l, task, &state, finished);
  vw_sections_add(&l->s->sections, "learn", "steps", vw_seconds() - begun - l->saving);
  if (st == VW_OK && *finished && vw_stage_leads(l->run)) {
    const double write = vw_seconds();
    vw_signs_loss(&l->s->signs, newest_loss(&state));
    vw_block_tell_failed(b, l->s->plan->trials + b->first, &state);
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

static vw_status learn(vw_stage_run *r, const vw_stage_item *it, bool *finished) {
  learner l = {.run = r, .s = r->s, .block = &r->s->plan->blocks[it->block]};
  vw_block_file_id(l.block, "", l.id);
  VW_TRY(vw_fault("taking", l.id));
  return learn_block(&l, finished);
}

/* ---- all blocks -------------------------------------------------------------------------------------------------- */

/* Blocks without results. */
static vw_status list_blocks(vw_session *s, vw_stage_list *list) {
  double *cost = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_session_costs(s, &cost));
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    const vw_stage_item it = {.block = i,
                              .model = b->model_index,
                              .data = b->data_index,
                              .picture = -1,
                              .units = b->n,
                              .slices = b->slices,
                              .cost = cost[i]};
    char id[VW_BLOCK_ID];
    if (!vw_block_is_active(b) || !vw_session_has_block(s, i)) continue;
    vw_block_file_id(b, "", id);
    if (!vw_block_file_exists(s->out, id)) {
      VW_GOTO(vw_stage_add(list, &it));
      continue;
    }
    list->units += b->n;
    VW_GOTO(vw_checkpoint_remove(s->out, id)); /* a run may have been killed before it did so */
  }
cleanup:
  free(cost);
  return st;
}

/* Words and losses of a block's trials that the study asks for: how many, and how many are not finite. */
static vw_status count_failed(const vw_session *s, const vw_block *b, int64_t *trials, int64_t *failed) {
  uint8_t *all = NULL;
  VW_TRY(vw_block_failed_read(s->out, b, &all));
  for (int64_t k = 0; k < b->n; k++) {
    if (s->plan->trials[b->first + k].row < 0) continue;
    ++*trials, *failed += all[k] != 0;
  }
  free(all);
  return VW_OK;
}

/* Did not one trial give a word? Mostly the first block tells. */
static vw_status look_for_words(vw_session *s, bool *stopped) {
  int64_t trials = 0, failed = 0;
  vw_status st = VW_OK;
  (void)stopped; /* seconds at most */
  for (int64_t i = 0; s->ranks.rank == 0 && st == VW_OK && failed == trials && i < s->plan->n_blocks; i++)
    if (vw_block_is_active(&s->plan->blocks[i]) && vw_session_has_block(s, i))
      st = count_failed(s, &s->plan->blocks[i], &trials, &failed);
  VW_TRY(vw_agree_message(&s->ranks, st));
  s->all_failed = trials > 0 && failed == trials;
  return vw_ranks_broadcast(&s->ranks, &s->all_failed, sizeof s->all_failed, 0);
}

const vw_stage vw_stage_learn = {.name = "learn",
                                 .summary = "learn the words",
                                 .help = "Learns the words of a study (resumes).",
                                 .unit = "trials",
                                 .done = "done",
                                 .kept = "finished blocks and checkpoints",
                                 .needs = VW_STAGE_WEIGHTS | VW_STAGE_CACHE_OF_BLOCKS,
                                 .costs_operations = true,
                                 .has_parts = true,
                                 .items = list_blocks,
                                 .item = learn,
                                 .end = look_for_words};
