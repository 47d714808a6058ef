/* What of a machine's memory a rank has, and what blocks make of it: rows of a block, and how much of a step is made again
 * on the way back. */
#include "core/log.h"
#include "core/machine.h"
#include "io/block_file.h"
#include "jobs/session.h"

#include <inttypes.h>
#include <stdlib.h>

static const double MIB = 1048576;

/* Bytes of a rank's device, or of the machine that it runs on; 0: unknown. */
static int64_t memory_there(const vw_session *s) {
  if (s->ctx.backend == VW_CUDA) return vw_memory_used(&s->ctx).total;
  return vw_machine_memory("/proc/self/cgroup", "/sys/fs/cgroup");
}

/* Ranks that share it. One that only looks: those that it is to look for. */
static int64_t sharers(const vw_session *s) {
  if (s->ctx.backend == VW_CUDA) return 1;
  if (s->ranks.thread_level >= 0) return s->ranks.local_size;
  return s->ranks_planned > 0 ? s->ranks_planned : 1;
}

/* What a rank may count on, whatever else a device holds today. plan.memory says it for a host's memory. */
static vw_learn_limit limit_of(const vw_session *s, int64_t model) {
  const int64_t asked = s->config->models[model].plan.memory;
  const bool asks_host = asked && s->ctx.backend != VW_CUDA;
  return (vw_learn_limit){.peak = asks_host ? 0 : memory_there(s) / 10 * 8 / sharers(s), .block = asked};
}

/* ---- what does not fit ------------------------------------------------------------------------------------------- */

/* What is needed, what is there, what to do. */
static vw_status too_large(const vw_session *s, int64_t m, int64_t d, int64_t rows, int64_t segments,
                           const vw_learn_memory *needs) {
  const vw_study_config *c = s->config;
  const vw_learn_limit limit = limit_of(s, m);
  char again[96] = "", there[128];
  int64_t pass = 0;
  for (int i = 0; i < s->kinds[m]->task->n_passes; i++)
    if (needs->pass[i] > pass) pass = needs->pass[i];
  if (segments > 1)
    (void)snprintf(again, sizeof again, ", %" PRId64 " segments of which are made again on the way back", segments);
  if (limit.block && needs->block > limit.block)
    (void)snprintf(there, sizeof there, "plan.memory allows %.1f MiB for the step", (double)limit.block / MIB);
  else
    (void)snprintf(there, sizeof there, "%.1f MiB are for a rank, four fifths of what %s has%s",
                   (double)limit.peak / MIB, s->ctx.backend == VW_CUDA ? "its device" : "this machine",
                   sharers(s) > 1 ? " for all ranks" : "");
  return VW_RAISE(VW_ERR_MEMORY,
                  "model '%s' and data set '%s' do not fit: %" PRId64
                  " word%s at once take%s %.1f MiB for a step%s, beside it %.1f MiB of weights, and up to %.1f MiB are "
                  "for drawing or encoding between steps; %s: %s",
                  c->models[m].name, c->data[d].name, rows, rows == 1 ? "" : "s", rows == 1 ? "s" : "",
                  (double)needs->block / MIB, again, (double)needs->weights / MIB, (double)pass / MIB, there,
                  rows > 1
                      ? "set plan.block to fewer words (in a new output directory), or use a larger machine"
                      : "use fewer pictures a step (learn.batch), a larger machine, or, on CUDA, plan.precision: bf16");
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Rows of new blocks of a model on a data set, *least to *most. On a GPU, which many rows fill, the most that fit; a
 * processor likes what the task says, where plan.memory does not say less. Rows follow from steps that keep all, so that
 * blocks, and with them bits, do not depend on what is made again; only where not even one fits so they may be those of
 * the fewest bytes. */
static vw_status rows_of_pair(const vw_session *s, int64_t m, int64_t d, int64_t *least, int64_t *most) {
  const vw_plan_config *plan = &s->config->models[m].plan;
  vw_step_cut cut = {plan->ranks_per_block, 1};
  const vw_block_kind kind = vw_session_block_kind(s, m, d, 1, cut);
  const vw_learn_limit limit = limit_of(s, m);
  vw_learn_memory needs;
  VW_TRY(vw_block_efficient_rows(&kind, least));
  if (*least < VW_LEAST_ROWS) *least = VW_LEAST_ROWS;
  *most = kind.task->most_rows;
  if (s->ctx.backend != VW_CUDA && !limit.block) return VW_OK;
  const int64_t asked = s->ctx.backend == VW_CUDA ? VW_MOST_GPU_ROWS : *most;
  VW_TRY(vw_learn_rows_within(kind.task, &kind.in, cut, &limit, asked, most));
  if (*most > 0 || plan->recompute == 1) {
    VW_TRY(*most > 0 ? VW_OK : vw_learn_memory_of(kind.task, &kind.in, 1, cut, &needs));
    return *most > 0 ? VW_OK : too_large(s, m, d, 1, 1, &needs);
  }
  VW_TRY(vw_learn_segments_within(kind.task, &kind.in, 1, cut.slices, &limit, &cut.segments, &needs));
  if (!vw_learn_fits(&needs, &limit)) return too_large(s, m, d, 1, cut.segments, &needs);
  cut.segments = VW_MOST_SEGMENTS;
  VW_TRY(vw_learn_rows_within(kind.task, &kind.in, cut, &limit, asked, most));
  if (*most < 1) *most = 1;
  return VW_OK;
}

vw_status vw_session_rows(const vw_session *s, int64_t **least, int64_t **most) {
  const vw_study_config *c = s->config;
  const int64_t pairs = c->n_models * c->n_data;
  *least = calloc((size_t)pairs + 1, sizeof **least), *most = calloc((size_t)pairs + 1, sizeof **most);
  VW_CHECK(*least && *most, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < pairs; i++) /* models for which the study says how many rows a block has need none */
    if (s->pictures[i] && !c->models[i / c->n_data].plan.block)
      VW_TRY(rows_of_pair(s, i / c->n_data, i % c->n_data, *least + i, *most + i));
  return VW_OK;
}

/* ---- segments ---------------------------------------------------------------------------------------------------- */

static bool are_alike(const vw_block *a, const vw_block *b) {
  return a->n == b->n && a->slices == b->slices && a->model_index == b->model_index && a->data_index == b->data_index;
}

static bool has_results(const vw_session *s, const vw_block *b) {
  char id[VW_BLOCK_ID];
  if (!s->out[0] || s->is_counted) return false;
  vw_block_file_id(b, "", id);
  return vw_block_file_exists(s->out, id);
}

/* A block cannot be computed where its step alone is more than what is allowed, or than what is there at all. Less may
 * go well: four fifths are a guess of what else a machine holds. */
static vw_status tell_too_large(const vw_session *s, const vw_block *b, int64_t segments, const vw_learn_memory *m,
                                bool is_run) {
  const int64_t there = memory_there(s), allowed = limit_of(s, b->model_index).block;
  const bool is_certain =
      (allowed && m->block > allowed) || (there && m->peak > there && limit_of(s, b->model_index).peak);
  const vw_status st = too_large(s, b->model_index, b->data_index, b->n, segments, m);
  if (is_run && is_certain) return st;
  vw_log(VW_LOG_WARN, "%s", vw_error_message());
  vw_error_clear();
  return VW_OK;
}

static vw_status choose(vw_session *s, const vw_block *b, bool is_run, int64_t *segments) {
  const vw_learn_limit limit = limit_of(s, b->model_index);
  const int64_t asked = s->config->models[b->model_index].plan.recompute;
  const vw_task_inputs in = vw_session_inputs(s, b->model_index, b->data_index);
  vw_block as_planned = *b;
  vw_block_cost cost;
  as_planned.segments = asked ? asked : b->segments > 0 ? b->segments : 1;
  VW_TRY(vw_session_cost(s, &as_planned, &cost));
  *segments = as_planned.segments;
  vw_learn_memory m = cost.memory;
  if (!asked && !vw_learn_fits(&m, &limit))
    VW_TRY(vw_learn_segments_within(s->kinds[b->model_index]->task, &in, b->n, b->slices, &limit, segments, &m));
  return vw_learn_fits(&m, &limit) ? VW_OK : tell_too_large(s, b, *segments, &m, is_run);
}

vw_status vw_session_choose_segments(vw_session *s, bool is_run) {
  vw_plan *plan = s->plan;
  bool *is_chosen = calloc((size_t)plan->n_blocks + 1, sizeof *is_chosen);
  vw_status st = is_chosen ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; st == VW_OK && i < plan->n_blocks; i++) {
    vw_block *b = &plan->blocks[i];
    const int64_t before = b->segments;
    int64_t same = 0;
    if (!vw_block_is_active(b) || has_results(s, b)) {
      if (b->segments < 1) b->segments = 1;
      continue;
    }
    is_chosen[i] = true;
    while (same < i && !(is_chosen[same] && are_alike(&plan->blocks[same], b))) same++;
    if (same < i)
      b->segments = plan->blocks[same].segments;
    else
      st = choose(s, b, is_run, &b->segments);
    plan->changed |= b->segments != before && (b->segments > 1 || before > 1);
  }
  free(is_chosen);
  return st;
}

vw_status vw_session_memory(vw_session *s, vw_learn_memory *out, const vw_task_kind **task, const vw_block **block) {
  *out = (vw_learn_memory){0}, *task = NULL;
  if (block) *block = NULL;
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    vw_block_cost c;
    if (!vw_block_is_active(b)) continue;
    VW_TRY(vw_session_cost(s, b, &c));
    if (c.memory.peak <= out->peak) continue;
    *out = c.memory, *task = s->kinds[b->model_index]->task;
    if (block) *block = b;
  }
  return VW_OK;
}
