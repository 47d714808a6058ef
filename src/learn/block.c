#include "learn/block.h"

#include "core/random.h"
#include "study/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

vw_status vw_block_state_create(vw_block_state *s, const vw_learn_config *learn, int64_t K, int64_t C) {
  const int64_t points = learn->loss_points < learn->steps ? learn->loss_points : learn->steps;
  *s = (vw_block_state){.K = K, .C = C, .points = points < 1 ? 1 : points};
  s->every = (learn->steps + s->points - 1) / s->points;
  s->points = (learn->steps + s->every - 1) / s->every;
  const size_t matrix = (size_t)(K * C), vector = (size_t)K;
  double **const arrays[] = {&s->words,     &s->gradient, &s->anchors, &s->history,    &s->loss_start, &s->loss_end,
                             &s->grad_norm, &s->kkt,      &s->radius,  &s->moments[0], &s->moments[1]};
  const size_t sizes[] = {matrix, matrix, matrix, (size_t)s->points * vector, vector, vector, vector, vector,
                          vector, matrix, matrix};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    if (i >= 9 && learn->optimiser != VW_ADAMW) continue;
    *arrays[i] = calloc(sizes[i] + 1, sizeof(double));
    if (*arrays[i]) continue;
    vw_block_state_free(s);
    return VW_RAISE(VW_ERR_MEMORY, "block of %lld words: out of memory", (long long)K);
  }
  for (int64_t i = 0; i < s->points * K; i++) s->history[i] = NAN;
  return VW_OK;
}

void vw_block_state_free(vw_block_state *s) {
  free(s->words), free(s->gradient), free(s->anchors), free(s->history), free(s->loss_start), free(s->loss_end);
  free(s->grad_norm), free(s->kkt), free(s->radius), free(s->moments[0]), free(s->moments[1]);
  *s = (vw_block_state){0};
}

/* ---- the leaves of a block --------------------------------------------------------------------------------------- */

typedef struct block_run {
  const vw_clip_task *t;
  const vw_learn_config *learn;
  vw_block_state *s;
  vw_block_shape shape;
  int32_t *row_slot; /* [K] */
  vw_slot *slots;
  uint64_t *keys; /* [K] */
  vw_graph *graph[2];
  vw_program *program[2]; /* by vw_block_mode */
} block_run;

static void run_free(block_run *r) {
  for (int i = 0; i < 2; i++) vw_program_destroy(r->program[i]), vw_graph_destroy(r->graph[i]);
  for (int64_t i = 0; r->slots && i < r->shape.slots; i++) vw_slot_free(&r->slots[i]);
  free(r->slots), free(r->row_slot), free(r->keys);
}

/* Gives every trial the slot of its concept, in order of appearance. */
static vw_status find_slots(block_run *r, const vw_study_config *config, const vw_trial *trials) {
  const int64_t K = r->s->K;
  r->row_slot = calloc((size_t)K, sizeof *r->row_slot), r->keys = calloc((size_t)K, sizeof *r->keys);
  r->slots = calloc((size_t)K, sizeof *r->slots);
  VW_CHECK(r->row_slot && r->keys && r->slots, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t k = 0; k < K; k++) {
    int64_t same = 0;
    while (same < k && strcmp(trials[same].concept, trials[k].concept) != 0) same++;
    if (same < k) {
      r->row_slot[k] = r->row_slot[same];
    } else {
      VW_TRY(vw_slot_create(&r->slots[r->shape.slots], r->t, trials[k].concept, trials[k].null_concept));
      r->row_slot[k] = (int32_t)r->shape.slots++;
    }
    VW_TRY(vw_trial_stream_key(config, &trials[k], &r->keys[k]));
  }
  for (int64_t i = 0; i < r->shape.slots; i++)
    r->shape.positive_pool += r->slots[i].n_positive, r->shape.negative_pool += r->slots[i].n_negative;
  return VW_OK;
}

static vw_status write_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, const void *data) {
  const vw_value v = vw_find(g, name);
  VW_CHECK(v != VW_NONE, VW_ERR_ARG, "block: the graph has no leaf '%s'", name);
  shape.data = (void *)(uintptr_t)data;
  return vw_program_write(p, v, &shape);
}

/* A pool of picture indices: all slots' lists one after the other, and each row's part of it. */
static vw_status write_pool(const block_run *r, int mode, const char *name, bool positive, int64_t entries) {
  const int64_t K = r->s->K;
  int32_t *pool = malloc((size_t)(entries + 2 * K) * sizeof *pool + sizeof *pool), *offset = pool + entries,
          *count = offset + K;
  int64_t *start = calloc((size_t)r->shape.slots, sizeof *start);
  char leaf[64];
  vw_status st = VW_OK;
  if (!pool || !start) {
    st = VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0, at = 0; i < r->shape.slots; i++) {
    const vw_slot *s = &r->slots[i];
    const int64_t n = positive ? s->n_positive : s->n_negative;
    memcpy(pool + at, positive ? s->positive : s->negative, (size_t)n * sizeof *pool);
    start[i] = at, at += n;
  }
  for (int64_t k = 0; k < K; k++) {
    const vw_slot *s = &r->slots[r->row_slot[k]];
    offset[k] = (int32_t)start[r->row_slot[k]], count[k] = (int32_t)(positive ? s->n_positive : s->n_negative);
  }
  (void)snprintf(leaf, sizeof leaf, "%s_pool", name);
  VW_GOTO(write_leaf(r->program[mode], r->graph[mode], leaf, vw_shape(VW_I32, entries), pool));
  (void)snprintf(leaf, sizeof leaf, "%s_offset", name);
  VW_GOTO(write_leaf(r->program[mode], r->graph[mode], leaf, vw_shape(VW_I32, K), offset));
  (void)snprintf(leaf, sizeof leaf, "%s_count", name);
  VW_GOTO(write_leaf(r->program[mode], r->graph[mode], leaf, vw_shape(VW_I32, K), count));
cleanup:
  free(pool), free(start);
  return st;
}

/* Rows of the tables of logits are slot * M + template: drawing a template draws the row. */
static vw_status write_table_rows(const block_run *r, int mode) {
  const int64_t M = r->shape.M, K = r->s->K, rows = r->shape.slots * M;
  int32_t *x = malloc((size_t)(2 * rows + 4 * K) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "block: out of memory");
  int32_t *pool = x, *template_of = pool + rows, *offset = template_of + rows, *count = offset + K,
          *row_word = count + K;
  uint32_t *key = (uint32_t *)calloc((size_t)(2 * K), sizeof *key);
  vw_program *p = r->program[mode];
  const vw_graph *g = r->graph[mode];
  vw_status st = VW_OK;
  if (!key) st = VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  if (st != VW_OK) goto cleanup;
  for (int32_t i = 0; i < rows; i++) pool[i] = i, template_of[i] = (int32_t)(i % M);
  for (int64_t k = 0; k < K; k++) {
    offset[k] = (int32_t)(r->row_slot[k] * M), count[k] = (int32_t)r->t->learn_templates, row_word[k] = (int32_t)k;
    key[2 * k] = (uint32_t)r->keys[k], key[2 * k + 1] = (uint32_t)(r->keys[k] >> 32);
  }
  VW_GOTO(write_leaf(p, g, "slot_pool", vw_shape(VW_I32, rows), pool));
  VW_GOTO(write_leaf(p, g, "slot_offset", vw_shape(VW_I32, K), offset));
  VW_GOTO(write_leaf(p, g, "slot_count", vw_shape(VW_I32, K), count));
  VW_GOTO(write_leaf(p, g, "template_of", vw_shape(VW_I32, rows), template_of));
  VW_GOTO(write_leaf(p, g, "row_word", vw_shape(VW_I32, K), row_word));
  VW_GOTO(write_leaf(p, g, "key", vw_shape(VW_U32, K, 2), key));
cleanup:
  free(x), free(key);
  return st;
}

static vw_status write_logit_tables(const block_run *r) {
  const int64_t M = r->shape.M, P = r->shape.pictures, rows = r->shape.slots * M;
  double *rest = malloc((size_t)(rows * P) * sizeof *rest), *truth = malloc((size_t)(rows * P) * sizeof *truth);
  vw_status st = VW_OK;
  if (!rest || !truth)
    st = VW_RAISE(VW_ERR_MEMORY, "block: out of memory for tables of %lld x %lld", (long long)rows, (long long)P);
  for (int64_t i = 0; st == VW_OK && i < r->shape.slots; i++)
    VW_GOTO(vw_slot_tables(&r->slots[i], r->t, rest + i * M * P, truth + i * M * P));
  for (int mode = 0; st == VW_OK && mode < 2; mode++) {
    VW_GOTO(write_leaf(r->program[mode], r->graph[mode], "rest", vw_shape(VW_F64, rows, P), rest));
    VW_GOTO(write_leaf(r->program[mode], r->graph[mode], "truth", vw_shape(VW_F64, rows, P), truth));
  }
cleanup:
  free(rest), free(truth);
  return st;
}

static vw_status build_program(block_run *r, int mode) {
  const vw_clip_network *n = r->t->network;
  VW_TRY(vw_graph_create(&r->graph[mode]));
  VW_TRY(vw_block_graph(r->graph[mode], &n->text, r->learn, &r->shape, n->scale, (vw_block_mode)mode));
  VW_TRY(vw_program_create(&r->program[mode], r->graph[mode], n->ctx, &n->policy));
  VW_TRY(vw_weights_bind(n->weights, r->program[mode]));
  VW_TRY(vw_task_write_templates(r->t, r->program[mode], r->graph[mode]));
  VW_TRY(write_table_rows(r, mode));
  VW_TRY(write_pool(r, mode, "positive", true, r->shape.positive_pool));
  VW_TRY(write_pool(r, mode, "negative", false, r->shape.negative_pool));
  return write_leaf(r->program[mode], r->graph[mode], "features",
                    vw_shape(vw_clip_feature_type(n), r->shape.pictures, n->text.projection), r->t->train);
}

static vw_status write_state(const block_run *r) {
  vw_program *p = r->program[VW_BLOCK_TRAIN];
  const vw_graph *g = r->graph[VW_BLOCK_TRAIN];
  const vw_block_state *s = r->s;
  const vw_tensor matrix = vw_shape(VW_F64, s->K, s->C);
  VW_TRY(write_leaf(p, g, "words", matrix, s->words));
  VW_TRY(write_leaf(p, g, "anchors", matrix, s->anchors));
  VW_TRY(write_leaf(p, g, "radius", vw_shape(VW_F64, s->K), s->radius));
  VW_TRY(write_leaf(p, g, "step", vw_shape(VW_I64, 1), &s->step));
  VW_TRY(write_leaf(p, g, "history", vw_shape(VW_F64, s->points, s->K), s->history));
  if (r->learn->optimiser != VW_ADAMW) return VW_OK;
  VW_TRY(write_leaf(p, g, "adam_m", matrix, s->moments[0]));
  return write_leaf(p, g, "adam_v", matrix, s->moments[1]);
}

static vw_status read_leaf(const block_run *r, int mode, const char *name, vw_tensor shape, void *data) {
  shape.data = data;
  return vw_program_read(r->program[mode], vw_find(r->graph[mode], name), &shape);
}

static vw_status read_state(const block_run *r) {
  vw_block_state *s = r->s;
  const vw_tensor matrix = vw_shape(VW_F64, s->K, s->C);
  VW_TRY(read_leaf(r, VW_BLOCK_TRAIN, "words", matrix, s->words));
  VW_TRY(read_leaf(r, VW_BLOCK_TRAIN, "history", vw_shape(VW_F64, s->points, s->K), s->history));
  if (r->learn->optimiser != VW_ADAMW) return VW_OK;
  VW_TRY(read_leaf(r, VW_BLOCK_TRAIN, "adam_m", matrix, s->moments[0]));
  return read_leaf(r, VW_BLOCK_TRAIN, "adam_v", matrix, s->moments[1]);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* Mean loss [K] and gradient [K, C] (may be NULL) of the words over the fixed set, summed in the order of the draws. */
static vw_status watch(const block_run *r, double *loss, double *gradient) {
  const vw_block_state *s = r->s;
  const int64_t n = s->K * s->C;
  double *one = malloc((size_t)(n + s->K) * sizeof *one), *row = one + n;
  vw_status st = VW_OK;
  VW_CHECK(one, VW_ERR_MEMORY, "block: out of memory");
  memset(loss, 0, (size_t)s->K * sizeof *loss);
  if (gradient) memset(gradient, 0, (size_t)n * sizeof *gradient);
  vw_program *p = r->program[VW_BLOCK_WATCH];
  const vw_graph *g = r->graph[VW_BLOCK_WATCH];
  VW_GOTO(write_leaf(p, g, "words", vw_shape(VW_F64, s->K, s->C), s->words));
  for (int64_t i = 0; i < VW_WATCH_DRAWS; i++) {
    VW_GOTO(write_leaf(p, g, "step", vw_shape(VW_I64, 1), &i));
    VW_GOTO(vw_program_run(p));
    VW_GOTO(read_leaf(r, VW_BLOCK_WATCH, "loss", vw_shape(VW_F64, s->K), row));
    VW_GOTO(read_leaf(r, VW_BLOCK_WATCH, "gradient", vw_shape(VW_F64, s->K, s->C), one));
    for (int64_t k = 0; k < s->K; k++) loss[k] += row[k] / VW_WATCH_DRAWS;
    for (int64_t k = 0; gradient && k < n; k++) gradient[k] += one[k] / VW_WATCH_DRAWS;
  }
cleanup:
  free(one);
  return st;
}

static vw_status finish(const block_run *r) {
  vw_block_state *s = r->s;
  VW_TRY(watch(r, s->loss_end, s->gradient));
  for (int64_t k = 0; k < s->K; k++) {
    double sum = 0;
    for (int64_t c = 0; c < s->C; c++) sum += s->gradient[k * s->C + c] * s->gradient[k * s->C + c];
    s->grad_norm[k] = sqrt(sum);
    s->kkt[k] =
        vw_kkt_residual(s->gradient + k * s->C, s->words + k * s->C, s->anchors + k * s->C, s->C, s->radius[k], NULL);
  }
  return VW_OK;
}

static vw_status save(const block_run *r, const vw_block_hooks *h) {
  VW_TRY(read_state(r));
  return h->checkpoint ? h->checkpoint(h->user, r->s) : VW_OK;
}

static vw_status train(const block_run *r, const vw_block_hooks *h, bool *finished) {
  vw_block_state *s = r->s;
  const double start = now(), before = s->seconds;
  double saved = start;
  *finished = false;
  while (s->step < r->learn->steps) {
    VW_TRY(vw_program_run(r->program[VW_BLOCK_TRAIN]));
    s->step++;
    s->seconds = before + now() - start;
    if (h->advanced) h->advanced(h->user, s->step, r->learn->steps);
    if (s->step == r->learn->steps) break;
    if (h->stop && h->stop(h->user)) return save(r, h);
    if (h->checkpoint && now() - saved > h->checkpoint_seconds) {
      VW_TRY(save(r, h));
      saved = now();
    }
  }
  VW_TRY(read_state(r)); /* waits for steps that are only enqueued */
  s->seconds = before + now() - start;
  *finished = true;
  return VW_OK;
}

/* `plan.memory`: what both programs of a block take, without the weights that all blocks share. */
static vw_status check_memory(const block_run *r, int64_t limit) {
  int64_t bytes = 0;
  for (int mode = 0; mode < 2; mode++) {
    const vw_program_memory m = vw_program_memory_of(r->program[mode]);
    bytes += m.arena + m.leaves;
  }
  VW_CHECK(!limit || bytes <= limit, VW_ERR_MEMORY,
           "a block of %lld trials takes %.1f MiB, plan.memory allows %.1f: set plan.block to fewer rows and use a new "
           "output "
           "directory",
           (long long)r->s->K, (double)bytes / 1048576, (double)limit / 1048576);
  return VW_OK;
}

static vw_status prepare(block_run *r, const vw_study_config *config, const vw_trial *trials) {
  VW_TRY(find_slots(r, config, trials));
  for (int mode = 0; mode < 2; mode++) VW_TRY(build_program(r, mode));
  VW_TRY(check_memory(r, config->memory));
  VW_TRY(write_logit_tables(r));
  VW_TRY(write_state(r));
  const int64_t zero = 0;
  VW_TRY(write_leaf(r->program[VW_BLOCK_WATCH], r->graph[VW_BLOCK_WATCH], "step", vw_shape(VW_I64, 1), &zero));
  VW_TRY(write_leaf(r->program[VW_BLOCK_WATCH], r->graph[VW_BLOCK_WATCH], "words", vw_shape(VW_F64, r->s->K, r->s->C),
                    r->s->words));
  for (int mode = 0; mode < 2; mode++) VW_TRY(vw_program_prepare(r->program[mode]));
  return VW_OK;
}

vw_status vw_block_learn(vw_block_state *s, const vw_clip_task *t, const vw_study_config *config,
                         const vw_trial *trials, const vw_block_hooks *hooks, bool *finished) {
  const vw_block_hooks none = {0};
  block_run r = {.t = t, .learn = t->learn, .s = s};
  vw_status st = VW_OK;
  r.shape = (vw_block_shape){.K = s->K,
                             .M = t->templates.M,
                             .P = t->templates.P,
                             .T = t->templates.T,
                             .pictures = t->pictures->n_train,
                             .points = s->points,
                             .every = s->every};
  VW_GOTO(prepare(&r, config, trials));
  if (s->step == 0) VW_GOTO(watch(&r, s->loss_start, NULL));
  VW_GOTO(train(&r, hooks ? hooks : &none, finished));
  if (*finished) VW_GOTO(finish(&r));
cleanup:
  run_free(&r);
  return st;
}

/* ---- draws on the host ------------------------------------------------------------------------------------------- */

static void draw_row(uint64_t key, int64_t step, uint32_t purpose, const int32_t *pool, int64_t n, int64_t count,
                     int32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t k = vw_below(vw_draw_u32(key, (uint64_t)step, purpose, (uint32_t)i), (uint32_t)n);
    out[i] = pool ? pool[k] : (int32_t)k;
  }
}

void vw_block_draws(const vw_clip_task *t, const vw_slot *slot, uint64_t key, bool watch_set, int64_t first, int64_t n,
                    const vw_draw_list *out) {
  const uint32_t set = watch_set ? VW_DRAW_WATCH : 0;
  const int64_t pos = t->learn->positives, neg = t->learn->negatives;
  for (int64_t i = 0; i < n; i++) {
    draw_row(key, first + i, VW_DRAW_TEMPLATE + set, NULL, t->learn_templates, 1, out->template + i);
    draw_row(key, first + i, VW_DRAW_POSITIVE + set, slot->positive, slot->n_positive, pos, out->positive + i * pos);
    draw_row(key, first + i, VW_DRAW_NEGATIVE + set, slot->negative, slot->n_negative, neg, out->negative + i * neg);
  }
}
