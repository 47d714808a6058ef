/* The row of generation: which functions stand behind its door. */
#include "tasks/generation/generation.h"
#include "tasks/generation/generation_draw.h"
#include "tasks/generation/generation_graph.h"
#include "tasks/generation/generation_pictures.h"
#include "tasks/generation/latents.h"

#include "networks/clip.h"
#include "networks/drawing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from sizes alone -------------------------------------------------------------------------------------------- */

vw_status vw_generation_side(const vw_task_inputs *in, int64_t *side) {
  const vw_sd_network *n = vw_sd_of(in->network);
  const int64_t factor = vw_vae_factor(&n->vae);
  *side = in->model->learn.resolution;
  if (!*side) {
    const vw_status st = vw_drawing_trained_size(n, side);
    if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "model '%s': say learn.resolution", in->model->name);
  }
  VW_CHECK(*side % factor == 0, VW_ERR_INPUT,
           "model '%s': learn.resolution is %" PRId64 "; this network has sides of a multiple of %" PRId64,
           in->model->name, *side, factor);
  return VW_OK;
}

/* As many pictures as a concept can have. */
static vw_status shape(const vw_task_inputs *in, int64_t rows, vw_step_shape *s) {
  const vw_sd_network *n = vw_sd_of(in->network);
  const vw_picture_set *p = in->pictures;
  int64_t side = 0, most = 0;
  VW_TRY(vw_generation_side(in, &side));
  for (int64_t o = 0; o < p->n_owners; o++)
    if (p->owners[o].n_train > most) most = p->owners[o].n_train;
  if (in->concepts > p->data->concepts.n && p->data->train > most)
    most = p->data->train < p->class_train ? p->data->train : p->class_train;
  s->K = rows;
  s->size[VW_GENERATION_M] = in->model->learn.templates.n;
  s->size[VW_GENERATION_STREAMS] = in->model->learn.streams == VW_STREAMS_CONCEPT ? 1 : rows;
  s->size[VW_GENERATION_PICTURES] = most, s->size[VW_GENERATION_SIDE] = side / vw_vae_factor(&n->vae);
  s->size[VW_GENERATION_TIMESTEPS] = n->schedule.steps;
  return VW_OK;
}

static vw_status loss(const vw_task_inputs *in, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                      vw_value *out) {
  return vw_generation_loss(vw_sd_of(in->network), &in->model->learn, g, s, step, out);
}

enum { PICTURES, DRAWING, DECODER, PASSES };
static const vw_task_pass passes[PASSES] = {[PICTURES] = {"pictures", "a picture", .has_own_weights = true},
                                            [DRAWING] = {.name = "drawing", .per = "pictures drawn together"},
                                            [DECODER] = {"decoder", "a picture drawn", .has_own_weights = true}};

static vw_status pass(const vw_task_inputs *in, int i, vw_graph *g, const vw_policy **policy) {
  const vw_sd_network *n = vw_sd_of(in->network);
  int64_t side = 0;
  VW_TRY(vw_generation_side(in, &side));
  const int64_t h = side / vw_vae_factor(&n->vae);
  *policy = &n->image_policy;
  if (i == PICTURES) return vw_sd_encoder_graph(g, n, side, side);
  if (i == DECODER) return vw_sd_decoder_graph(g, n, h, h);
  return vw_sd_unet_graph(g, n, 2 * VW_DRAWN_MOST, VW_DRAWN_MOST + 1, h, h);
}

/* ---- how long it takes ------------------------------------------------------------------------------------------- */

/* Every template has its word at the second place, pools are the entries in order. */
static int32_t made_up(const vw_step_shape *s, const char *name, int64_t j) {
  const int64_t *size = s->size;
  if (!strcmp(name, "row_word")) return (int32_t)j;
  if (!strcmp(name, "row_stream")) return (int32_t)(j * size[VW_GENERATION_STREAMS] / s->K);
  if (!strcmp(name, "one") || !strcmp(name, "word_pos")) return 1;
  if (!strcmp(name, "template_count")) return (int32_t)size[VW_GENERATION_M];
  if (!strcmp(name, "positive_count")) return (int32_t)size[VW_GENERATION_PICTURES];
  if (!strcmp(name, "mirror_count")) return 2;
  if (!strcmp(name, "timestep_count")) return (int32_t)size[VW_GENERATION_TIMESTEPS];
  return strstr(name, "_pool") ? (int32_t)j : 0;
}

/* Opening computes next to nothing. Judging is steps through the UNet, by programs of 8, 4, 2 and 1 words, and the rest
 * of each picture: of that the decoder's operations are told, its time is measured whole. Caching is counted by the
 * encoder's runs. */

static vw_status part(const vw_task_inputs *in, vw_task_part what, int piece, vw_graph *g, const vw_policy **policy,
                      vw_part_name *name) {
  const vw_sd_network *n = vw_sd_of(in->network);
  const bool draws = what != VW_PART_CACHE && piece < VW_DRAWN_PICTURE;
  const int64_t words = draws ? VW_DRAWN_MOST >> piece : 1;
  const int64_t layers = what == VW_PART_JUDGE ? n->net.text.tower.t.layers : 0;
  int64_t size[3] = {0, words, layers};
  VW_TRY(vw_generation_side(in, &size[0]));
  /* names of times that were measured otherwise: "drawing", "sampling", "steps", "decoder" */
  const char *is = what == VW_PART_CACHE ? passes[PICTURES].name : draws ? "sampler" : "picture";
  (void)snprintf(name->kind, sizeof name->kind, "sd %s %" PRId64 "x%" PRId64, is, n->unet.level[0].width,
                 n->unet.levels);
  name->shape = vw_hash_bytes(size, (draws ? 2 : what == VW_PART_JUDGE ? 3 : 1) * sizeof *size);
  if (!draws) return pass(in, what == VW_PART_CACHE ? PICTURES : DECODER, g, policy);
  *policy = &n->image_policy;
  const int64_t h = size[0] / vw_vae_factor(&n->vae);
  return vw_sd_unet_graph(g, n, 2 * words, words + 1, h, h);
}

/* ---- what is kept of pictures ------------------------------------------------------------------------------------ */

static vw_status list_of(const vw_task_inputs *in, vw_latent_list *l, int64_t **picture) {
  *l = (vw_latent_list){
      .set = in->pictures, .network = vw_sd_of(in->network), .weights = in->weights, .cache = in->cache};
  VW_TRY(vw_generation_side(in, &l->side));
  VW_TRY(vw_generation_wanted(in, picture, &l->n));
  l->picture = *picture;
  return VW_OK;
}

static vw_status missing(const vw_task_inputs *in, int64_t *n) {
  vw_latent_list l;
  int64_t *picture = NULL;
  VW_TRY(list_of(in, &l, &picture));
  const vw_status st = vw_latents_missing(&l, n);
  free(picture);
  return st;
}

static vw_status part_runs(const vw_task_inputs *in, vw_task_part what, int piece, int64_t words, double *runs) {
  const vw_judge_config *judge = &in->model->judge;
  const bool is_device = !vw_memory_of(in->network->ctx->backend)->host;
  int64_t n = 0;
  if (what == VW_PART_CACHE) VW_TRY(missing(in, &n));
  if (what == VW_PART_JUDGE && piece == VW_DRAWN_PICTURE) n = words * judge->pictures;
  if (what == VW_PART_JUDGE && piece < VW_DRAWN_PICTURE)
    for (int64_t left = words, together; left > 0; left -= together) {
      together = vw_drawn_together(VW_DRAWN_MOST, left, is_device);
      n += together == VW_DRAWN_MOST >> piece ? judge->pictures * judge->steps : 0;
    }
  *runs = (double)n;
  return VW_OK;
}

static vw_status part_items(const vw_task_inputs *in, vw_task_part what, int64_t *n) {
  int64_t pictures = 0;
  if (what == VW_PART_CACHE) VW_TRY(missing(in, &pictures));
  *n = (pictures + VW_LATENTS_AT_ONCE - 1) / VW_LATENTS_AT_ONCE;
  return VW_OK;
}

static vw_status time_cache(const vw_task_inputs *in, double seconds, double *one) {
  vw_latent_list l;
  int64_t *picture = NULL;
  VW_TRY(list_of(in, &l, &picture));
  const vw_status st = vw_latents_time(&l, seconds, one);
  free(picture);
  return st;
}

static vw_status cache(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                       bool *stopped) {
  vw_latent_list l;
  int64_t *picture = NULL;
  VW_TRY(vw_agree_message(ranks, list_of(in, &l, &picture)));
  const vw_status st = vw_latents_ensure(&l, ranks, hooks, computed, stopped);
  free(picture);
  return st;
}

static int64_t cached(const vw_task_inputs *in) {
  vw_latent_list l;
  int64_t *picture = NULL;
  if (list_of(in, &l, &picture) != VW_OK) {
    vw_error_clear(); /* who makes them tells */
    return 0;
  }
  free(picture);
  return l.n;
}

static double cache_bytes(const vw_task_inputs *in) {
  const vw_sd_network *n = vw_sd_of(in->network);
  int64_t side = 0;
  if (vw_generation_side(in, &side) != VW_OK) {
    vw_error_clear();
    return 0;
  }
  return (double)cached(in) * (double)vw_latents_count(n, side) * (double)vw_dtype_bytes(vw_latents_type(n));
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

static void close_task(vw_task *task) {
  vw_generation *t = (vw_generation *)task;
  if (!t) return;
  vw_generation_judge_destroy(t->judging);
  vw_word_drawer_destroy(t->drawer);
  free(t->tail), free(t->word_pos), free(t);
}

/* The texts of learning, embedded but for the word. All positions are computed in each step: what a prefix that is kept
 * would save is a thousandth of the UNet's part. */
static vw_status embed_templates(vw_generation *t) {
  const vw_names *texts = &t->learn->templates;
  const int64_t J = vw_sd_positions(t->network), C = t->network->net.width;
  int32_t *ids = malloc((size_t)J * sizeof *ids);
  double *nothing = calloc((size_t)(t->task.in.vectors * C), sizeof *nothing);
  vw_status st = VW_OK;
  t->tail = malloc((size_t)(texts->n * J * C) * sizeof *t->tail);
  t->word_pos = malloc((size_t)texts->n * sizeof *t->word_pos);
  if (!ids || !nothing || !t->tail || !t->word_pos) st = VW_RAISE(VW_ERR_MEMORY, "templates: out of memory");
  for (int64_t m = 0; st == VW_OK && m < texts->n; m++) {
    int64_t at = 0;
    st = vw_sd_tokens(t->network, texts->name[m], ids, t->task.in.vectors, &at);
    if (st == VW_OK)
      st = vw_sd_embed_text(t->network, texts->name[m], nothing, t->task.in.vectors, t->tail + m * J * C);
    t->word_pos[m] = (int32_t)at;
  }
  free(ids), free(nothing);
  return st;
}

static vw_status open_task(vw_task **out, const vw_task_inputs *in) {
  vw_generation *t = calloc(1, sizeof *t);
  *out = NULL;
  VW_CHECK(t, VW_ERR_MEMORY, "out of memory");
  t->task = (vw_task){.kind = &vw_generation_kind, .in = *in};
  t->network = vw_sd_of(in->network), t->learn = &in->model->learn, t->pictures = in->pictures;
  vw_status st = vw_generation_side(in, &t->side);
  if (st == VW_OK) st = embed_templates(t);
  if (st == VW_OK) {
    *out = &t->task;
    return VW_OK;
  }
  close_task(&t->task);
  return vw_fail(st, __FILE__, __LINE__, "task of data set '%s'", in->pictures->data->name);
}

/* Every concept and null concept has pictures to learn from, and words can be drawn with. */
static vw_status check(const vw_task_inputs *in, int64_t null_concepts) {
  int64_t *picture = NULL, n = 0, side = 0;
  vw_task_inputs all = *in;
  if (!in->network) return VW_OK; /* it could not be opened, which is told already */
  VW_TRY(vw_generation_side(in, &side));
  const vw_drawing drawing = vw_word_drawing(in, side);
  VW_TRY(vw_drawing_check(vw_sd_of(in->network), &drawing));
  all.concepts = in->pictures->data->concepts.n + null_concepts;
  const vw_status st = vw_generation_wanted(&all, &picture, &n);
  free(picture);
  return st;
}

const vw_task_kind vw_generation_kind = {
    .name = "generation",
    .sees = VW_SEES_CROPS,
    .keys = "learn.resolution learn.watch.pictures judge.weights judge.names judge.pictures judge.sampler judge.steps "
            "judge.guidance judge.negative judge.spacing truncation.pictures truncation.pictures_carried "
            "data.<name>.concepts",
    .defaults = "learn.steps=2000 learn.batch.positives=4 learn.lr=0.002",
    .metrics = vw_generation_metrics,
    .n_metrics = VW_GENERATION_METRICS,
    .metrics_are = "shares of a word's pictures that another network names as its concept (docs/protocol.md)",
    .headline = VW_GENERATION_NAMED,
    .loss_unit = "1",
    .most_rows = 16,
    .watch_draws = 8,
    .concepts_per_block = 1,
    .judge_kind = &vw_clip_kind,
    .few_directions = true,
    .passes = passes,
    .n_passes = PASSES,
    .shape = shape,
    .loss = loss,
    .pass = pass,
    .made_up = made_up,
    .part = part,
    .part_runs = part_runs,
    .judge_pieces = VW_DRAWN_PIECES,
    .part_items = part_items,
    .time_cache = time_cache,
    .time_judge = vw_generation_time_judge,
    .skips_null = true,
    .missing = missing,
    .cache = cache,
    .cache_bytes = cache_bytes,
    .cached = cached,
    .open = open_task,
    .close = close_task,
    .begin = vw_generation_begin,
    .leaves = vw_generation_leaves,
    .end = vw_generation_end,
    .draws_parts = true,
    .shares_parts = VW_SHARED_BY_BASELINES,
    .sheet = vw_generation_sheet,
    .judge_parts = vw_generation_judge_parts,
    .judge_picture = vw_generation_judge_picture,
    .judge_end = vw_generation_judge_end,
    .kept = &vw_generation_kept,
    .kept_dims = vw_generation_kept_dims,
    .judge_kept = vw_generation_judge_kept,
    .sample = vw_generation_sample,
    .draws = vw_generation_draws,
    .check = check};
