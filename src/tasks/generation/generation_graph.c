#include "tasks/generation/generation_graph.h"

#include "core/random.h"
#include "kernels/cast.h"
#include "kernels/diffuse.h"
#include "kernels/draw_normal.h"
#include "kernels/mse.h"
#include "kernels/select_row.h"
#include "kernels/splice.h"
#include "kernels/take.h"
#include "kernels/view.h"
#include "tasks/leaves.h"

enum { IMAGES = 1 }; /* the graph's scope of the UNet and what it reads; texts are in the first */

/* A step, or a slice of its samples, while it is described. */
typedef struct step {
  vw_graph *g;
  const vw_sd_network *n;
  const vw_step_shape *s;
  vw_step_part part; /* of a stream's samples */
  vw_value key, at;
  uint32_t set;
} step;

/* [streams, samples] */
static vw_value draw(const step *d, const char *pool, int64_t entries, uint32_t purpose) {
  const vw_draw_attr attr = {.S = d->part.n, .first = d->part.first, .purpose = purpose + d->set};
  return vw_draw(d->g, d->key, d->at, vw_step_pool(d->g, pool, entries, d->s->size[VW_GENERATION_STREAMS]), attr);
}

/* Of all streams' samples one after the other: [streams samples]. */
static vw_value flat(const step *d, vw_value x) {
  return vw_view(d->g, x, vw_shape(VW_I32, d->s->size[VW_GENERATION_STREAMS] * d->part.n));
}

static vw_tensor latents_of(const step *d) {
  const int64_t side = d->s->size[VW_GENERATION_SIDE];
  return vw_shape(VW_HEAD, d->s->size[VW_GENERATION_STREAMS] * d->part.n, side, side, d->n->unet.in_channels);
}

static vw_value normals(const step *d, uint32_t purpose) {
  const vw_tensor all = latents_of(d), row = vw_shape(VW_HEAD, d->part.n, all.dim[1], all.dim[2], all.dim[3]);
  return vw_view(d->g, vw_draw_latents(d->g, d->key, d->at, row, d->part.first, purpose + d->set), all);
}

/* Latents of the drawn pictures or their mirrors: [streams samples, h, w, c]. */
static vw_value draw_latents(const step *d, vw_value picture, vw_value mirror) {
  vw_tensor t = latents_of(d);
  const int64_t numbers = 2 * t.dim[1] * t.dim[2] * t.dim[3];
  const vw_value table = vw_input(d->g, vw_shape(VW_HEAD, d->s->size[VW_GENERATION_PICTURES], 2, numbers), "moments");
  const vw_value both = vw_take(d->g, table, flat(d, picture));
  t.dim[3] *= 2;
  const vw_value moments = vw_view(d->g, vw_select_row(d->g, both, flat(d, mirror)), t);
  return vw_sample_moments(d->g, moments, normals(d, VW_DRAW_POSTERIOR), d->n->vae.scale);
}

/* The step's samples, and the scope of what is made of them. */
static vw_value begin_images(const step *d, vw_value picture, vw_value mirror) {
  (void)vw_graph_scope(d->g, IMAGES);
  vw_graph_set_policy(d->g, IMAGES, &d->n->image_policy);
  return draw_latents(d, picture, mirror);
}

/* States [K, J, C] of the words in the step's template. */
static vw_value states(const step *d, vw_value words, vw_value template, vw_value row_word, vw_value row_stream) {
  const vw_clip_text_rows plain = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const int64_t M = d->s->size[VW_GENERATION_M];
  const vw_value tail = vw_input(d->g, vw_shape(VW_PARAM, M, vw_sd_positions(d->n), d->n->net.width), "tail");
  const vw_value x = vw_splice(d->g, words, tail, row_word, vw_take(d->g, template, row_stream),
                               vw_input(d->g, vw_shape(VW_I32, M), "word_pos"));
  return vw_clip_text_states(d->g, &d->n->net.text.tower, x, plain);
}

/* The word of every row, a word's samples one after the other: a draw from a pool of one. */
static vw_value row_texts(const step *d, vw_value row_word, vw_value row_stream) {
  const int64_t K = d->s->K, S = d->part.n;
  const vw_draw_pools own = {row_word, row_word, vw_input(d->g, vw_shape(VW_I32, K), "one")};
  const vw_value key = vw_take(d->g, d->key, row_stream);
  return vw_view(d->g, vw_draw(d->g, key, d->at, own, (vw_draw_attr){.S = S}), vw_shape(VW_I32, K * S));
}

static vw_status emit(const step *d, const vw_learn_config *learn, vw_value words, vw_value *loss) {
  vw_graph *g = d->g;
  const vw_sd_network *n = d->n;
  const int64_t *size = d->s->size, K = d->s->K, T = size[VW_GENERATION_TIMESTEPS];
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, K), "row_word");
  const vw_value row_stream = vw_input(g, vw_shape(VW_I32, K), "row_stream");
  const vw_value template =
      vw_draw(g, d->key, d->at, vw_step_pool(g, "template", size[VW_GENERATION_M], size[VW_GENERATION_STREAMS]),
              (vw_draw_attr){.S = 1, .purpose = VW_DRAW_TEMPLATE + d->set, .squeeze = true});
  const vw_value picture = draw(d, "positive", size[VW_GENERATION_PICTURES], VW_DRAW_POSITIVE);
  const vw_value mirror = draw(d, "mirror", 2, VW_DRAW_MIRROR);
  const vw_value timestep = draw(d, "timestep", T, VW_DRAW_TIMESTEP), t = flat(d, timestep);
  const vw_value text = states(d, words, template, row_word, row_stream);

  const vw_value latents = begin_images(d, picture, mirror), noise = normals(d, VW_DRAW_NOISE);
  const vw_value noisy = vw_input(g, vw_shape(VW_HEAD, T, 2), "noisy");
  vw_value target = noise;
  if (n->schedule.prediction == VW_PREDICTS_VELOCITY)
    target = vw_mix(g, latents, noise, vw_input(g, vw_shape(VW_HEAD, T, 2), "velocity"), t, VW_HEAD);
  const vw_unet_in in = {.x = vw_mix(g, latents, noise, noisy, t, VW_ACT),
                         .t = t,
                         .latents = row_stream,
                         .each = d->part.n,
                         .context = vw_cast(g, text, VW_ACT),
                         .row = row_texts(d, row_word, row_stream)};
  const vw_value predicted = vw_unet(g, &n->unet, in);
  const vw_value error = vw_mse(g, predicted, vw_unet_spread(g, target, row_stream, d->part.n),
                                (vw_mse_attr){.trials = K, .of = learn->positives});
  (void)vw_graph_scope(g, 0);
  *loss = error; /* a slice's is laid where the sum reads it: it must not be a view */
  if (d->s->slices > 1) return vw_graph_status(g);
  *loss = vw_cast(g, error, VW_HEAD);
  vw_output(g, template, "template"), vw_output(g, picture, "picture");
  vw_output(g, mirror, "mirror"), vw_output(g, timestep, "timestep");
  return vw_graph_status(g);
}

vw_status vw_generation_latents(const vw_sd_network *n, const vw_learn_config *learn, vw_graph *g,
                                const vw_step_shape *s, const vw_step_in *in, vw_value *latents) {
  step d = {.g = g, .n = n, .s = s, .part = vw_step_part_of(s, learn->positives), .at = in->step, .set = in->set};
  d.key = vw_input(g, vw_shape(VW_U32, s->size[VW_GENERATION_STREAMS], 2), "key");
  const vw_value picture = draw(&d, "positive", s->size[VW_GENERATION_PICTURES], VW_DRAW_POSITIVE);
  *latents = begin_images(&d, picture, draw(&d, "mirror", 2, VW_DRAW_MIRROR));
  (void)vw_graph_scope(g, 0);
  return vw_graph_status(g);
}

vw_status vw_generation_loss(const vw_sd_network *n, const vw_learn_config *learn, vw_graph *g, const vw_step_shape *s,
                             const vw_step_in *in, vw_value *loss) {
  step d = {.g = g, .n = n, .s = s, .part = vw_step_part_of(s, learn->positives), .at = in->step, .set = in->set};
  VW_CHECK(d.part.n > 0, VW_ERR_INPUT,
           "a step of %lld pictures (learn.batch.positives) cannot be cut into %lld slices (plan.ranks_per_block)",
           (long long)learn->positives, (long long)s->slices);
  d.key = vw_input(g, vw_shape(VW_U32, s->size[VW_GENERATION_STREAMS], 2), "key");
  return emit(&d, learn, in->words, loss);
}
