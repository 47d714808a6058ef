/* The evaluation stage: judges the words of every finished block, and every concept's baselines. An item is the words
 * of a block or the baselines of a concept for a model; where the task judges picture by picture, each picture of them
 * is an item of the first round, and their metrics are one of the second. A picture that words share (a pass of a
 * network, an untouched anchor's drawing) is a group: one rank judges all of them on it. */
#include "jobs/stages/judging.h"
#include "jobs/stages/rows.h"

#include "core/log.h"
#include "io/block_file.h"
#include "learn/baselines.h"
#include "tasks/generation/drawn.h"
#include "tasks/shown.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is not judged yet -------------------------------------------------------------------------------------- */

/* The stem of the file with the metrics. */
static vw_status stem_of(const vw_session *s, const vw_stage_item *it, char stem[VW_BLOCK_ID]) {
  const vw_results_source source = vw_session_results(s);
  if (it->block < 0) return vw_results_baseline_id(&source, it->model, it->data, it->concept, stem);
  vw_block_evaluation_id(&s->plan->blocks[it->block], stem);
  return VW_OK;
}

static vw_status add_unjudged(const vw_session *s, vw_stage_list *list, const vw_stage_item it) {
  char stem[VW_BLOCK_ID];
  VW_TRY(stem_of(s, &it, stem));
  return vw_judging_list(s, list, &it, 0, stem, true);
}

static vw_status list_unjudged(vw_session *s, vw_stage_list *list) {
  const vw_study_config *c = s->config;
  int64_t missing = 0, number = 0;
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    char id[VW_BLOCK_ID];
    if (!vw_block_is_active(b) || !vw_session_has_block(s, i)) continue;
    vw_block_file_id(b, "", id);
    if (!vw_block_file_exists(s->out, id))
      missing++;
    else
      VW_TRY(add_unjudged(s, list, (vw_stage_item){.block = i, .model = b->model_index, .data = b->data_index}));
  }
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++)
      for (int64_t k = 0; vw_study_learns_on(c, m, d) && k < vw_study_data_of(c, m, d)->concepts.n; k++)
        if (vw_session_has_item(s, number++))
          VW_TRY(add_unjudged(s, list, (vw_stage_item){.block = -1, .model = m, .data = d, .concept = k}));
  if (missing && list->n)
    vw_log(VW_LOG_WARN, "%lld blocks are not learned yet; their words cannot be judged: run 'viswords learn'",
           (long long)missing);
  return VW_OK;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

/* What the words of a block are called. */
typedef struct block_names {
  char (*label)[VW_DRAWN_LABEL]; /* [n] */
  const char **anchors, **labels;
} block_names;

static void names_free(block_names *names) {
  free(names->label), free((void *)names->anchors), free((void *)names->labels);
}

static vw_status names_of(block_names *names, const vw_trial *trials, int64_t n) {
  const size_t room = (size_t)n + 1;
  *names = (block_names){calloc(room, sizeof *names->label), calloc(room, sizeof *names->anchors),
                         calloc(room, sizeof *names->labels)};
  VW_CHECK(names->label && names->anchors && names->labels, VW_ERR_MEMORY, "evaluation: out of memory");
  for (int64_t i = 0; i < n; i++) {
    vw_drawn_trial(&trials[i], names->label[i]);
    names->anchors[i] = trials[i].anchor, names->labels[i] = names->label[i];
  }
  return VW_OK;
}

static vw_status judge_block(vw_judging *j, double *metrics) {
  const vw_block *b = &j->s->plan->blocks[j->it->block];
  const vw_trial *trials = j->s->plan->trials + b->first;
  const int64_t C = j->task->in.vectors * j->task->in.network->width;
  double *words = NULL;
  block_names names = {0};
  vw_status st = vw_block_words_read(j->s->out, b, C, &words);
  if (st == VW_OK) st = names_of(&names, trials, b->n);
  for (int64_t first = 0, end; st == VW_OK && first < b->n; first = end) {
    for (end = first + 1; end < b->n && !strcmp(trials[end].concept, trials[first].concept);) end++;
    const vw_judged w = {.concept = trials[first].concept,
                         .null_concept = trials[first].null_concept,
                         .n = end - first,
                         .words = words + first * C,
                         .anchors = names.anchors + first,
                         .labels = names.labels + first};
    st = vw_judging_words(j, &w, first, metrics);
  }
  if (st == VW_OK && j->it->picture < 0) st = vw_session_inputs_unchanged(j->s);
  if (st == VW_OK && j->it->picture < 0)
    st = vw_block_evaluation_write(j->s->out, b, trials, j->task->kind, metrics, &j->kept);
  names_free(&names);
  free(words);
  return st;
}

static vw_status judge_baselines(vw_judging *j, const vw_baselines *b, double *metrics) {
  const vw_study_config *c = j->s->config;
  const vw_judged w = vw_baselines_judged(b);
  VW_TRY(vw_judging_words(j, &w, 0, metrics));
  if (j->it->picture >= 0) return VW_OK;
  VW_TRY(vw_session_inputs_unchanged(j->s));
  vw_baselines_mask(b, j->task->kind->n_metrics, metrics, &j->kept);
  vw_baselines_of of = {.model = c->models[j->it->model].name, .data = c->data[j->it->data].name};
  VW_TRY(vw_judging_hash(c, j->it->model, j->it->data, &of.judging));
  return vw_baselines_write(j->s->out, j->stem, &of, j->task->kind, b, metrics, &j->kept);
}

/* What one picture gave, or the metrics. */
static vw_status judge(vw_judging *j, const vw_baselines *b, double *metrics) {
  VW_TRY(vw_judging_open(j, true));
  VW_TRY(j->it->block < 0 ? judge_baselines(j, b, metrics) : judge_block(j, metrics));
  return vw_judging_end(j);
}

static vw_status judge_item(vw_stage_run *r, const vw_stage_item *it, vw_task *task, bool *finished) {
  vw_session *s = r->s;
  vw_judging j = {.s = s, .it = it, .task = task, .run = r};
  vw_baselines b = {0};
  double *metrics = NULL;
  vw_status st = VW_OK;
  VW_GOTO(stem_of(s, it, j.stem));
  if (it->block < 0)
    VW_GOTO(vw_baselines_list(&b, &task->in, task->kind, &s->words[it->model],
                              vw_study_data_of(s->config, it->model, it->data)->concepts.name[it->concept]));
  j.n = it->block < 0 ? b.n : s->plan->blocks[it->block].n;
  metrics = calloc((size_t)(j.n * task->kind->n_metrics) + 1, sizeof *metrics);
  if (!metrics) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "evaluation: out of memory"));
  VW_GOTO(judge(&j, &b, metrics));
  *finished = !j.stopped;
cleanup:
  vw_baselines_free(&b);
  vw_judging_free(&j), free(metrics);
  return st;
}

static vw_status evaluate(vw_stage_run *r, const vw_stage_item *it, bool *finished) {
  vw_task *task = NULL;
  VW_TRY(vw_session_task(r->s, it->model, it->data, &task));
  const double start = vw_seconds();
  VW_TRY(judge_item(r, it, task, finished));
  vw_sections_add(&r->s->sections, r->stage->name, it->block >= 0 ? "words" : "baselines", vw_seconds() - start);
  return VW_OK;
}

/* What people look at of a concept: what was drawn, also where earlier runs drew it, or what words were looked for in. */
static vw_status lay_out_concept(const vw_task_kind *task, const vw_task_inputs *in, const char *concept) {
  if (task->sheet) VW_TRY(task->sheet(in, concept));
  return vw_shown_write(task, in, concept);
}

/* Rank 0. A concept's overview is whole or as it was, whenever it is asked to stop. */
static vw_status lay_out(vw_session *s, bool *stopped) {
  const vw_study_config *c = s->config;
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++) {
      const vw_task_inputs in = vw_session_inputs(s, m, d);
      const vw_data_config *on = vw_study_data_of(c, m, d);
      for (int64_t k = 0; vw_study_learns_on(c, m, d) && k < on->concepts.n; k++) {
        *stopped = vw_stop_requested();
        if (*stopped) return VW_OK;
        VW_TRY(lay_out_concept(s->kinds[m]->task, &in, on->concepts.name[k]));
      }
    }
  return VW_OK;
}

static vw_status end(vw_session *s, bool *stopped) {
  VW_TRY(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? lay_out(s, stopped) : VW_OK));
  return vw_ranks_broadcast(&s->ranks, stopped, sizeof *stopped, 0);
}

const vw_stage vw_stage_evaluate = {.name = "evaluate",
                                    .summary = "judge the words and the baselines",
                                    .help = "Judges the learned words and the baselines on held-out pictures.",
                                    .unit = "blocks",
                                    .done = "judged",
                                    .kept = "what is judged",
                                    .needs = VW_STAGE_WEIGHTS | VW_STAGE_CACHE,
                                    .keeps = true,
                                    .has_parts = true,
                                    .items = list_unjudged,
                                    .item = evaluate,
                                    .end = end};
