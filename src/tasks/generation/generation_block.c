/* The words of a block while they are learned: one concept's pictures as moments of latents, and the draws of its
 * streams. */
#include "tasks/generation/generation.h"
#include "tasks/generation/generation_graph.h"
#include "tasks/generation/generation_pictures.h"
#include "tasks/generation/latents.h"
#include "tasks/leaves.h"

#include "core/random.h"

#include <stdlib.h>
#include <string.h>

typedef struct words_of_block {
  int64_t K, streams, pictures;
  void *moments;  /* [pictures, vw_latents_count] of vw_latents_type */
  uint64_t *keys; /* [streams] */
} words_of_block;

void vw_generation_end(void *block) {
  words_of_block *b = block;
  if (!b) return;
  free(b->moments), free(b->keys), free(b);
}

static vw_status load_moments(words_of_block *b, const vw_generation *t, const vw_trial *trial) {
  const vw_task_inputs *in = &t->task.in;
  const size_t one = (size_t)vw_latents_count(t->network, t->side) * vw_dtype_bytes(vw_latents_type(t->network));
  int64_t *picture = NULL;
  VW_TRY(vw_generation_pictures(in, trial->concept, trial->null_concept, &picture, &b->pictures));
  const vw_latent_list list = {.set = t->pictures,
                               .network = t->network,
                               .weights = in->weights,
                               .cache = in->cache,
                               .side = t->side,
                               .picture = picture,
                               .n = b->pictures};
  b->moments = malloc((size_t)b->pictures * one + 1);
  const vw_status st =
      b->moments ? vw_latents_load(&list, b->moments) : VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  free(picture);
  return st;
}

vw_status vw_generation_begin(vw_task *task, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                              void **block) {
  const vw_generation *t = (const vw_generation *)task;
  words_of_block *b = calloc(1, sizeof *b);
  *block = b;
  VW_CHECK(b, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t k = 0; k < K; k++)
    VW_CHECK(!strcmp(trials[k].concept, trials[0].concept), VW_ERR_ARG, "block: words of several concepts");
  b->K = K, b->streams = t->learn->streams == VW_STREAMS_CONCEPT ? 1 : K;
  b->keys = malloc((size_t)K * sizeof *keys);
  VW_CHECK(b->keys, VW_ERR_MEMORY, "block: out of memory");
  memcpy(b->keys, keys, (size_t)K * sizeof *keys);
  for (int64_t k = 0; b->streams == 1 && k < K; k++)
    VW_CHECK(keys[k] == keys[0], VW_ERR_ARG, "block: words of several streams");
  VW_TRY(load_moments(b, t, &trials[0]));
  s->size[VW_GENERATION_M] = t->learn->templates.n, s->size[VW_GENERATION_STREAMS] = b->streams;
  s->size[VW_GENERATION_PICTURES] = b->pictures,
  s->size[VW_GENERATION_SIDE] = t->side / vw_vae_factor(&t->network->vae);
  s->size[VW_GENERATION_TIMESTEPS] = t->network->schedule.steps;
  return VW_OK;
}

/* The schedule's coefficients by timestep. */
static vw_status write_schedule(const vw_schedule_config *c, vw_program *p, const vw_graph *g) {
  const vw_tensor shape = vw_shape(VW_F64, c->steps, 2);
  double *abar = NULL, *coef = malloc((size_t)c->steps * 2 * sizeof *coef);
  vw_status st = coef ? vw_schedule_abar(c, &abar) : VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  for (int64_t t = 0; st == VW_OK && t < c->steps; t++) vw_schedule_noisy(abar[t], coef + 2 * t);
  if (st == VW_OK) st = vw_write_leaf(p, g, "noisy", shape, coef);
  for (int64_t t = 0; st == VW_OK && t < c->steps; t++) vw_schedule_velocity(abar[t], coef + 2 * t);
  if (st == VW_OK && c->prediction == VW_PREDICTS_VELOCITY) st = vw_write_leaf(p, g, "velocity", shape, coef);
  free(abar), free(coef);
  return st;
}

static vw_status write_ones(vw_program *p, const vw_graph *g, int64_t K) {
  int32_t *one = malloc((size_t)K * sizeof *one);
  VW_CHECK(one, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t k = 0; k < K; k++) one[k] = 1;
  const vw_status st = vw_write_leaf(p, g, "one", vw_shape(VW_I32, K), one);
  free(one);
  return st;
}

vw_status vw_generation_leaves(vw_task *task, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g) {
  const vw_generation *t = (const vw_generation *)task;
  const words_of_block *b = block;
  const int64_t M = s->size[VW_GENERATION_M], T = s->size[VW_GENERATION_TIMESTEPS], C = t->network->net.width;
  const int64_t numbers = vw_latents_count(t->network, t->side);
  VW_TRY(vw_write_streams(p, g, b->keys, b->streams, b->K));
  VW_TRY(write_ones(p, g, b->K));
  VW_TRY(vw_write_pool(p, g, "template", 0, M, M, b->streams));
  VW_TRY(vw_write_pool(p, g, "positive", 0, b->pictures, b->pictures, b->streams));
  VW_TRY(vw_write_pool(p, g, "mirror", 0, 2, 2, b->streams));
  VW_TRY(vw_write_pool(p, g, "timestep", 0, T, T, b->streams));
  VW_TRY(write_schedule(&t->network->schedule, p, g));
  VW_TRY(vw_write_leaf(p, g, "tail", vw_shape(VW_F64, M, vw_sd_positions(t->network), C), t->tail));
  VW_TRY(vw_write_leaf(p, g, "word_pos", vw_shape(VW_I32, M), t->word_pos));
  return vw_write_leaf(p, g, "moments", vw_shape(vw_latents_type(t->network), b->pictures, 2, numbers / 2), b->moments);
}

/* ---- draws on the host ------------------------------------------------------------------------------------------- */

/* `n` steps of `count` draws below `entries`; of pictures their places. */
static vw_status tell(const vw_draw_sink *to, const char *name, uint64_t key, uint32_t purpose, int64_t n,
                      int64_t count, int64_t entries, const int64_t *place) {
  int32_t *data = NULL;
  VW_TRY(to->add(to->user, name, count > 1 ? vw_shape(VW_I32, n, count) : vw_shape(VW_I32, n), &data));
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < count; j++) {
      const uint32_t k = vw_below(vw_draw_u32(key, (uint64_t)i, purpose, (uint32_t)j), (uint32_t)entries);
      data[i * count + j] = place ? (int32_t)place[k] : (int32_t)k;
    }
  return VW_OK;
}

typedef struct told {
  const vw_generation *t;
  const int64_t *picture;
  int64_t pictures;
} told;

static vw_status tell_set(const vw_draw_sink *to, const told *of, uint64_t key, bool watch, int64_t n) {
  static const char *const names[2][4] = {{"template", "picture", "mirror", "timestep"},
                                          {"watch_template", "watch_picture", "watch_mirror", "watch_timestep"}};
  const vw_learn_config *learn = of->t->learn;
  const uint32_t set = watch ? VW_DRAW_WATCH : 0;
  VW_TRY(tell(to, names[watch][0], key, VW_DRAW_TEMPLATE + set, n, 1, learn->templates.n, NULL));
  VW_TRY(tell(to, names[watch][1], key, VW_DRAW_POSITIVE + set, n, learn->positives, of->pictures, of->picture));
  VW_TRY(tell(to, names[watch][2], key, VW_DRAW_MIRROR + set, n, learn->positives, 2, NULL));
  return tell(to, names[watch][3], key, VW_DRAW_TIMESTEP + set, n, learn->positives, of->t->network->schedule.steps,
              NULL);
}

vw_status vw_generation_draws(vw_task *task, const vw_trial *trial, uint64_t key, const vw_draw_sink *to) {
  const vw_generation *t = (const vw_generation *)task;
  told of = {.t = t};
  int64_t *picture = NULL;
  int32_t *word = NULL;
  VW_TRY(vw_generation_pictures(&t->task.in, trial->concept, trial->null_concept, &picture, &of.pictures));
  of.picture = picture;
  vw_status st = tell_set(to, &of, key, false, t->learn->steps);
  if (st == VW_OK) st = tell_set(to, &of, key, true, vw_task_watch_draws(&vw_generation_kind, t->learn));
  if (st == VW_OK) st = to->add(to->user, "random_word", vw_shape(VW_I32, 1), &word);
  if (st == VW_OK) *word = to->random_word;
  free(picture);
  return st;
}
