#include "study/plan.h"

#include "core/durable.h"
#include "core/log.h"
#include "core/text.h"
#include "study/plan_file.h"
#include "study/schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

vw_status vw_plan_create(vw_plan **plan) {
  *plan = calloc(1, sizeof **plan);
  VW_CHECK(*plan, VW_ERR_MEMORY, "no memory for a plan");
  return VW_OK;
}

void vw_plan_destroy(vw_plan *plan) {
  if (!plan) return;
  free(plan->blocks);
  free(plan->trials);
  vw_pool_fini(&plan->pool);
  free(plan);
}

/* --- blocks ----------------------------------------------------------------------------------------------------- */

int64_t vw_plan_block_count(int64_t n, int64_t ranks, int64_t block, int64_t least, int64_t most) {
  if (n <= 0) return 0;
  if (block > 0) return (n + block - 1) / block;
  const int64_t fewest = (n + most - 1) / most, largest = n / least > 1 ? n / least : 1;
  const int64_t even = (fewest + ranks - 1) / ranks * ranks;
  if (even <= largest) return even;
  return largest > fewest ? largest : fewest;
}

bool vw_block_is_active(const vw_block *b) {
  return b->n_selected > 0 && b->model_index >= 0 && b->data_index >= 0;
}

const char *vw_block_precision(const vw_plan *plan, const vw_block *b) {
  return b->precision ? b->precision : plan->with.precision;
}

int64_t vw_plan_active_blocks(const vw_plan *plan) {
  int64_t n = 0;
  for (int64_t b = 0; b < plan->n_blocks; b++) n += plan->blocks[b].n_selected > 0;
  return n;
}

/* --- kernels ---------------------------------------------------------------------------------------------------- */

static vw_status keep(vw_pool *pool, const char *text, const char **copy) {
  *copy = vw_pool_text(pool, text, -1);
  VW_CHECK(*copy, VW_ERR_MEMORY, "no memory for a plan");
  return VW_OK;
}

void vw_plan_kernels_text(const vw_plan_kernels *k, char text[VW_KERNELS_TEXT]) {
  (void)snprintf(text, VW_KERNELS_TEXT, "%s %s %s", k->backend, k->precision, k->kernels);
}

vw_status vw_plan_note_kernels(vw_plan *plan, const char *text) {
  for (int64_t i = 0; i < plan->other_kernels.n; i++)
    if (strcmp(plan->other_kernels.name[i], text) == 0) return VW_OK;
  const int64_t n = plan->other_kernels.n;
  const char **name = vw_pool_take(&plan->pool, (size_t)(n + 1) * sizeof *name);
  VW_CHECK(name, VW_ERR_MEMORY, "no memory for a plan");
  for (int64_t i = 0; i < n; i++) name[i] = plan->other_kernels.name[i];
  VW_TRY(keep(&plan->pool, text, &name[n]));
  plan->other_kernels = (vw_names){n + 1, name};
  plan->changed = true;
  return VW_OK;
}

/* Same plan and kernels, same bits: what cannot be promised is refused before anything is computed. */
static vw_status check_kernels(vw_plan *plan, const vw_plan_kernels *here, bool allow) {
  const vw_plan_kernels *with = &plan->with;
  if (!with->kernels) {
    VW_TRY(keep(&plan->pool, here->backend, &plan->with.backend));
    VW_TRY(keep(&plan->pool, here->precision, &plan->with.precision));
    VW_TRY(keep(&plan->pool, here->kernels, &plan->with.kernels));
    plan->changed = true;
    return VW_OK;
  }
  if (strcmp(with->backend, here->backend) == 0 && strcmp(with->precision, here->precision) == 0 &&
      strcmp(with->kernels, here->kernels) == 0)
    return VW_OK;
  VW_CHECK(
      strcmp(with->precision, here->precision) == 0, VW_ERR_INPUT,
      "plan.yaml was made for backend %s, %s; this run has backend %s, %s: a study's words have one precision; choose "
      "another output directory",
      with->backend, with->precision, here->backend, here->precision);
  if (allow) {
    char text[VW_KERNELS_TEXT];
    vw_plan_kernels_text(here, text);
    return vw_plan_note_kernels(plan, text);
  }
  return VW_RAISE(VW_ERR_INPUT,
                  "plan.yaml was made for backend %s, %s, %s; this run has backend %s, %s, %s, so results would differ "
                  "in their last bits: go on where it began, choose another output directory, or pass "
                  "--allow-other-kernels",
                  with->backend, with->precision, with->kernels, here->backend, here->precision, here->kernels);
}

/* --- update ----------------------------------------------------------------------------------------------------- */

typedef struct entry {
  vw_hash id;
  int64_t at; /* in the study's order; -1 once the plan has it */
} entry;

static int by_id(const void *a, const void *b) {
  const vw_hash x = ((const entry *)a)->id, y = ((const entry *)b)->id;
  if (x.hi != y.hi) return x.hi < y.hi ? -1 : 1;
  return x.lo == y.lo ? 0 : x.lo < y.lo ? -1 : 1;
}

static int64_t place_of(const vw_names *names, const char *name) {
  for (int64_t i = 0; i < names->n; i++)
    if (strcmp(names->name[i], name) == 0) return i;
  return -1;
}

/* Where a planned trial that the study does not ask for stands in the study file, by its names. */
static void find_names(const vw_study_config *c, vw_trial *t) {
  t->model_index = t->data_index = t->concept_index = -1;
  for (int64_t m = 0; m < c->n_models; m++)
    if (strcmp(c->models[m].name, t->model) == 0) t->model_index = m;
  for (int64_t d = 0; d < c->n_data; d++)
    if (strcmp(c->data[d].name, t->data) == 0) t->data_index = d;
  t->anchor_index = t->model_index < 0 ? -1 : place_of(&c->models[t->model_index].trials.anchors, t->anchor);
  if (t->model_index < 0 || t->data_index < 0) return;
  const vw_data_config *data = vw_study_data_of(c, t->model_index, t->data_index);
  if (!t->null_concept)
    t->concept_index = place_of(&data->concepts, t->concept);
  else {
    const int64_t j = strtoll(t->concept + strlen("null-"), NULL, 10);
    t->concept_index = j < c->null_concepts ? data->concepts.n + j : -1;
  }
}

/* Rows of the trials that the plan has; they are struck off `wanted`. */
static void mark_known(vw_plan *plan, const vw_study_config *c, const vw_trial *wanted, entry *sorted, int64_t n) {
  plan->n_selected = 0;
  for (int64_t b = 0; b < plan->n_blocks; b++) {
    vw_block *block = &plan->blocks[b];
    block->n_selected = 0;
    for (int64_t i = block->first; i < block->first + block->n; i++) {
      vw_trial *t = &plan->trials[i];
      const entry key = {t->id, 0};
      entry *e = bsearch(&key, sorted, (size_t)n, sizeof *sorted, by_id);
      t->row = -1;
      find_names(c, t);
      if (!e || e->at < 0) continue;
      t->row = wanted[e->at].row;
      e->at = -1;
      block->n_selected++;
    }
    plan->n_selected += block->n_selected;
    block->model_index = plan->trials[block->first].model_index;
    block->data_index = plan->trials[block->first].data_index;
  }
}

static int by_place(const void *a, const void *b) {
  const int64_t x = ((const entry *)a)->at, y = ((const entry *)b)->at;
  return x < y ? -1 : x > y;
}

/* The precision that new words of a model get. */
static const char *precision_of(const vw_plan *plan, const vw_study_inputs *in, int64_t model) {
  return in->precision ? in->precision[model] : plan->with.precision;
}

/* A model's words have one precision: blocks that are there say which. */
static vw_status check_precision(const vw_plan *plan, const vw_study_config *c, const vw_study_inputs *in) {
  for (int64_t i = 0; i < plan->n_blocks; i++) {
    const vw_block *b = &plan->blocks[i];
    const char *there = vw_block_precision(plan, b);
    for (int64_t m = 0; m < c->n_models; m++) {
      const char *here = precision_of(plan, in, m);
      if (strcmp(c->models[m].name, b->model) != 0) continue;
      VW_CHECK(strcmp(here, there) == 0, VW_ERR_INPUT,
               "plan.yaml was made for %s words of model '%s', this run has %s: a study's words of a model have one "
               "precision; choose another output directory",
               there, b->model, here);
    }
  }
  return VW_OK;
}

/* Appends one block of `n` trials; names are copied, so that the plan does not lean on the study file. */
static vw_status append_block(vw_plan *plan, const vw_study_config *c, const vw_study_inputs *in,
                              const vw_trial *wanted, const entry *which, int64_t n) {
  vw_block *b = &plan->blocks[plan->n_blocks];
  const vw_trial *first = &wanted[which[0].at];
  const int64_t slices = c->models[first->model_index].plan.ranks_per_block;
  const char *precision = precision_of(plan, in, first->model_index);
  *b = (vw_block){.weights = in->weights[first->model_index],
                  .first = plan->n_trials,
                  .n = n,
                  .slices = slices < 1 ? 1 : slices,
                  .n_selected = n,
                  .model_index = first->model_index,
                  .data_index = first->data_index};
  VW_TRY(keep(&plan->pool, first->model, &b->model));
  VW_TRY(keep(&plan->pool, first->data, &b->data));
  if (strcmp(precision, plan->with.precision) != 0) VW_TRY(keep(&plan->pool, precision, &b->precision));
  VW_TRY(vw_protocol_hash(c, b->model_index, b->data_index, &b->protocol));
  for (int64_t i = 0; i < n; i++) {
    vw_trial *t = &plan->trials[plan->n_trials + i];
    *t = wanted[which[i].at];
    t->model = b->model, t->data = b->data;
    VW_TRY(keep(&plan->pool, t->concept, &t->concept));
    VW_TRY(keep(&plan->pool, t->anchor, &t->anchor));
  }
  VW_TRY(vw_block_hash(&plan->trials[b->first], n, &b->id));
  plan->n_trials += n;
  plan->n_selected += n;
  plan->n_blocks++;
  return VW_OK;
}

/* New trials that go together, near-equal blocks in the study's order. */
static vw_status append_group(vw_plan *plan, const vw_study_config *c, const vw_study_inputs *in,
                              const vw_trial *wanted, const entry *which, int64_t n) {
  const vw_trial *first = &wanted[which[0].at];
  const vw_plan_config *own = &c->models[first->model_index].plan;
  const int64_t pair = first->model_index * c->n_data + first->data_index;
  const int64_t most = in->most_rows ? in->most_rows[pair] : VW_MOST_CPU_ROWS;
  const int64_t asked = in->least_rows ? in->least_rows[pair] : VW_LEAST_ROWS, least = asked < most ? asked : most;
  const int64_t team = own->ranks_per_block, teams = team > 1 ? (c->ranks + team - 1) / team : c->ranks;
  const int64_t blocks = vw_plan_block_count(n, teams, own->block, least, most);
  vw_block *grown = realloc(plan->blocks, (size_t)(plan->n_blocks + blocks) * sizeof *grown);
  VW_CHECK(grown, VW_ERR_MEMORY, "no memory for %" PRId64 " blocks", plan->n_blocks + blocks);
  plan->blocks = grown;
  for (int64_t b = 0, at = 0; b < blocks; b++) {
    const int64_t rows = n / blocks + (b < n % blocks);
    VW_TRY(append_block(plan, c, in, wanted, which + at, rows));
    at += rows;
  }
  return VW_OK;
}

/* Trials that may be rows of one block. */
static bool go_together(const vw_study_inputs *in, const vw_trial *a, const vw_trial *b) {
  const bool one_concept = in->concepts_per_block && in->concepts_per_block[a->model_index] == 1;
  return a->model_index == b->model_index && a->data_index == b->data_index &&
         (!one_concept || (a->concept_index == b->concept_index && a->replica == b->replica));
}

static vw_status append_new(vw_plan *plan, const vw_study_config *c, const vw_study_inputs *in, const vw_trial *wanted,
                            entry *fresh, int64_t n) {
  vw_trial *grown = realloc(plan->trials, (size_t)(plan->n_trials + n + 1) * sizeof *grown);
  VW_CHECK(grown, VW_ERR_MEMORY, "no memory for %" PRId64 " trials", plan->n_trials + n);
  plan->trials = grown;
  qsort(fresh, (size_t)n, sizeof *fresh, by_place);
  for (int64_t i = 0, j = 0; i < n; i = j) {
    const vw_trial *t = &wanted[fresh[i].at];
    while (j < n && go_together(in, t, &wanted[fresh[j].at])) j++;
    VW_TRY(append_group(plan, c, in, wanted, fresh + i, j - i));
  }
  plan->n_new = n;
  plan->changed |= n > 0;
  return VW_OK;
}

/* How words of each block are judged: the one thing of a block that follows the study. */
static vw_status set_judging(vw_plan *plan, const vw_study_config *c) {
  for (int64_t i = 0; i < plan->n_blocks; i++) {
    vw_block *b = &plan->blocks[i];
    vw_hash now = {0};
    if (b->model_index < 0 || b->data_index < 0) continue;
    VW_TRY(vw_judging_hash(c, b->model_index, b->data_index, &now));
    if (now.lo == b->judging.lo && now.hi == b->judging.hi) continue;
    b->judging = now;
    plan->changed = true;
  }
  return VW_OK;
}

vw_status vw_plan_update(vw_plan *plan, const vw_study_config *config, const vw_study_inputs *inputs,
                         const vw_plan_kernels *here, bool allow_other_kernels) {
  vw_pool scratch = {0};
  vw_trial *wanted = NULL;
  int64_t n = 0, fresh = 0;
  vw_status st = VW_OK;
  plan->n_new = 0;
  VW_GOTO(vw_study_trials(config, inputs, &scratch, &wanted, &n));
  VW_GOTO(check_kernels(plan, here, allow_other_kernels));
  VW_GOTO(check_precision(plan, config, inputs));
  entry *sorted = vw_pool_take(&scratch, (size_t)n * sizeof *sorted);
  if (!sorted) {
    st = VW_RAISE(VW_ERR_MEMORY, "no memory for %" PRId64 " trials", n);
    goto cleanup;
  }
  for (int64_t i = 0; i < n; i++) sorted[i] = (entry){wanted[i].id, i};
  qsort(sorted, (size_t)n, sizeof *sorted, by_id);
  mark_known(plan, config, wanted, sorted, n);
  for (int64_t i = 0; i < n; i++)
    if (sorted[i].at >= 0) sorted[fresh++] = sorted[i];
  VW_GOTO(append_new(plan, config, inputs, wanted, sorted, fresh));
  VW_GOTO(set_judging(plan, config));
  if (plan->study && strcmp(plan->study, config->study) != 0)
    vw_log(VW_LOG_WARN,
           "the plan was of study '%s' and becomes that of '%s': blocks and trials of '%s' are kept, study.h5 and "
           "summary.csv are made anew; is it the right output directory?",
           plan->study, config->study, plan->study);
  if (!plan->study || strcmp(plan->study, config->study) != 0 || plan->seed != config->seed) {
    VW_GOTO(keep(&plan->pool, config->study, &plan->study));
    plan->seed = config->seed;
    plan->changed = true;
  }
cleanup:
  vw_pool_fini(&scratch);
  return st;
}

vw_status vw_plan_take(vw_plan *plan, const vw_plan *from, int64_t block) {
  const vw_block *theirs = &from->blocks[block];
  vw_block *blocks = realloc(plan->blocks, (size_t)(plan->n_blocks + 1) * sizeof *blocks);
  VW_CHECK(blocks, VW_ERR_MEMORY, "no memory for a plan");
  plan->blocks = blocks;
  vw_trial *trials = realloc(plan->trials, (size_t)(plan->n_trials + theirs->n) * sizeof *trials);
  VW_CHECK(trials, VW_ERR_MEMORY, "no memory for a plan");
  plan->trials = trials;
  vw_block *b = &plan->blocks[plan->n_blocks];
  *b = *theirs;
  b->first = plan->n_trials;
  VW_TRY(keep(&plan->pool, theirs->model, &b->model));
  VW_TRY(keep(&plan->pool, theirs->data, &b->data));
  b->precision = NULL;
  const char *precision = vw_block_precision(from, theirs);
  if (!plan->with.precision || strcmp(precision, plan->with.precision) != 0)
    VW_TRY(keep(&plan->pool, precision, &b->precision));
  for (int64_t i = 0; i < b->n; i++) {
    vw_trial *t = &plan->trials[b->first + i];
    *t = from->trials[theirs->first + i];
    t->model = b->model, t->data = b->data;
    VW_TRY(keep(&plan->pool, t->concept, &t->concept));
    VW_TRY(keep(&plan->pool, t->anchor, &t->anchor));
  }
  plan->n_trials += b->n, plan->n_blocks++;
  plan->changed = true;
  return VW_OK;
}

vw_status vw_plan_set_algorithms(vw_plan *plan, const char *text) {
  VW_TRY(keep(&plan->pool, text, &plan->algorithms));
  plan->changed = true;
  return VW_OK;
}

vw_status vw_plan_save(vw_plan *plan, const char *path) {
  char *text = NULL;
  int64_t bytes = 0;
  if (!plan->changed) return VW_OK;
  VW_TRY(vw_plan_text(plan, &text, &bytes));
  const vw_status st = vw_file_write(path, text, bytes);
  free(text);
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "saving %s", path);
  plan->changed = false;
  return VW_OK;
}

vw_status vw_plan_open(const char *path, const vw_study_config *config, const vw_study_inputs *inputs,
                       const vw_plan_kernels *here, bool allow_other_kernels, vw_plan **plan) {
  vw_status st = VW_OK;
  bool is_there = false;
  *plan = NULL;
  VW_TRY(vw_file_find_plain(path, &is_there));
  VW_GOTO(is_there ? vw_plan_load(path, plan) : vw_plan_create(plan));
  VW_GOTO(vw_plan_update(*plan, config, inputs, here, allow_other_kernels));
  VW_GOTO(vw_plan_save(*plan, path));
cleanup:
  if (st != VW_OK) {
    vw_plan_destroy(*plan);
    *plan = NULL;
  }
  return st;
}

/* The most ranks that share a block. */
static int64_t largest_team(const vw_plan *plan) {
  int64_t most = 1;
  for (int64_t b = 0; b < plan->n_blocks; b++)
    if (plan->blocks[b].n_selected && plan->blocks[b].slices > most) most = plan->blocks[b].slices;
  return most;
}

/* Of the blocks with something to do, for so many teams. */
static vw_status utilisation(const vw_plan *plan, int64_t teams, const double *cost, double *share) {
  double *active = malloc((size_t)(plan->n_blocks + 1) * sizeof *active);
  int64_t n = 0;
  VW_CHECK(active, VW_ERR_MEMORY, "no memory for %" PRId64 " blocks", plan->n_blocks);
  for (int64_t b = 0; b < plan->n_blocks; b++)
    if (plan->blocks[b].n_selected) active[n++] = cost ? cost[b] : (double)plan->blocks[b].n;
  const vw_status st = vw_schedule_utilisation(active, n, teams, share);
  free(active);
  return st;
}

vw_status vw_plan_print(const vw_plan *plan, int64_t ranks, const double *cost, FILE *out) {
  const int64_t active = vw_plan_active_blocks(plan);
  (void)vw_print(out, "study %s: %" PRId64 " trials in %" PRId64 " blocks (%" PRId64 " trials new", plan->study,
                 plan->n_selected, active, plan->n_new);
  if (plan->n_done && plan->n_done == plan->n_selected)
    (void)vw_print(out, ", all are done already)\n");
  else if (plan->n_done)
    (void)vw_print(out, ", %" PRId64 " are done already)\n", plan->n_done);
  else
    (void)vw_print(out, ")\n");
  for (int64_t b = 0, e = 0; b < plan->n_blocks; b = e) {
    const vw_block *first = &plan->blocks[b];
    int64_t least = INT64_MAX, most = 0, trials = 0, blocks = 0;
    for (e = b; e < plan->n_blocks && strcmp(plan->blocks[e].model, first->model) == 0 &&
                strcmp(plan->blocks[e].data, first->data) == 0;
         e++) {
      const vw_block *k = &plan->blocks[e];
      if (!k->n_selected) continue;
      if (k->n < least) least = k->n;
      if (k->n > most) most = k->n;
      trials += k->n_selected, blocks++;
    }
    if (blocks)
      (void)vw_print(out, "  %s on %s: %" PRId64 " trials, %" PRId64 " blocks of %" PRId64 " to %" PRId64 " rows%s%s\n",
                     first->model, first->data, trials, blocks, least, most, first->precision ? ", " : "",
                     first->precision ? first->precision : "");
  }
  (void)vw_print(out, "  backend %s, %s, %s\n", plan->with.backend, plan->with.precision, plan->with.kernels);
  const int64_t team = largest_team(plan), teams = (ranks + team - 1) / team;
  if (team > 1)
    (void)vw_print(
        out, "  a block's steps are cut into up to %" PRId64 " slices, %" PRId64 " ranks make %" PRId64 " teams\n",
        team, ranks, teams);
  double share = 1;
  VW_TRY(utilisation(plan, teams, cost, &share));
  (void)vw_print(out, "  %" PRId64 " ranks are at most %.0f %% busy\n", ranks, 100 * share);
  if (plan->n_trials > plan->n_selected)
    (void)vw_print(out, "  %" PRId64 " trials of earlier versions of the study are kept\n",
                   plan->n_trials - plan->n_selected);
  return VW_OK;
}
