#include "networks/drawing.h"

#include "core/machine.h"
#include "core/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- before anything is taken ------------------------------------------------------------------------------------ */

vw_status vw_drawing_trained_size(const vw_sd_network *n, int64_t *side) {
  *side = n->hub.unet.sample_size * vw_vae_factor(&n->vae);
  VW_CHECK(*side > 0, VW_ERR_INPUT,
           "%s/unet/config.json: there is no sample_size, the side that the network was trained on: say --size",
           n->net.dir);
  return VW_OK;
}

static vw_status create_sampler(vw_sampler *s, const vw_sd_network *n, const vw_drawing *d, int64_t count) {
  vw_schedule_config config = n->schedule;
  if (d->spacing != VW_SPACING_DEFAULT) config.spacing = d->spacing;
  VW_CHECK(d->sampler != VW_SAMPLER_DPM_2M || !*n->hub.scheduler.not_dpm, VW_ERR_UNSUPPORTED,
           "%s/scheduler/scheduler_config.json: %s, with which diffusers' DPM-Solver++ takes other steps than viswords "
           "has: draw with ddim, or take the key away",
           n->net.dir, n->hub.scheduler.not_dpm);
  VW_TRY(vw_sampler_create(s, d->sampler, &config, d->steps, count));
  return VW_OK;
}

vw_status vw_drawing_check(const vw_sd_network *n, const vw_drawing *d) {
  const int64_t factor = vw_vae_factor(&n->vae), most = 1 << 14;
  vw_sampler s;
  VW_CHECK(d->height > 0 && d->width > 0 && d->height % factor == 0 && d->width % factor == 0 && d->height <= most &&
               d->width <= most,
           VW_ERR_ARG, "pictures of %" PRId64 " x %" PRId64 ": this network draws sides of a multiple of %" PRId64,
           d->width, d->height, factor);
  VW_CHECK(d->batch >= 1, VW_ERR_ARG, "a batch of %" PRId64 " pictures", d->batch);
  VW_CHECK(isfinite(d->guidance) && d->guidance >= 1, VW_ERR_ARG, "guidance is %g, expected 1 (none) or more",
           d->guidance);
  VW_TRY(create_sampler(&s, n, d, 0));
  vw_sampler_free(&s);
  return VW_OK;
}

static bool is_guided(const vw_drawing *d) {
  return d->guidance > 1;
}

/* Rows of the UNet: without the text first, then with it; texts: the negative prompt first. */
static vw_status unet_graph(vw_graph *g, const vw_sd_network *n, const vw_drawing *d) {
  const int64_t factor = vw_vae_factor(&n->vae), guided = is_guided(d);
  return vw_sd_unet_graph(g, n, d->batch * (1 + guided), d->batch + guided, d->height / factor, d->width / factor);
}

static vw_status decoder_graph(vw_graph *g, const vw_sd_network *n, const vw_drawing *d) {
  const int64_t factor = vw_vae_factor(&n->vae);
  return vw_sd_decoder_graph(g, n, d->height / factor, d->width / factor);
}

static vw_status text_graph(vw_graph *g, const vw_sd_network *n, const vw_drawing *d) {
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const vw_tensor x = vw_shape(VW_RESIDUAL, 1, vw_sd_positions(n), n->net.width);
  (void)d;
  vw_output(g, vw_clip_text_states(g, &n->net.text.tower, vw_input(g, x, "embedded"), rows), "states");
  return vw_graph_status(g);
}

typedef vw_status (*emitter)(vw_graph *g, const vw_sd_network *n, const vw_drawing *d);

static vw_status measure(const vw_sd_network *n, const vw_drawing *d, emitter emit, const vw_policy *policy,
                         vw_program_memory *out) {
  vw_graph *g = NULL;
  VW_TRY(vw_graph_create(&g));
  vw_status st = emit(g, n, d);
  if (st == VW_OK) st = vw_program_measure(g, n->net.ctx, policy, out);
  vw_graph_destroy(g);
  return st;
}

vw_status vw_drawing_measure(const vw_sd_network *n, const vw_drawing *d, vw_drawing_memory *out) {
  vw_program_memory text, unet, decoder;
  VW_TRY(measure(n, d, text_graph, &n->net.policy, &text));
  VW_TRY(measure(n, d, unet_graph, &n->image_policy, &unet));
  VW_TRY(measure(n, d, decoder_graph, &n->image_policy, &decoder));
  out->weights = text.weights + unet.weights + decoder.weights;
  const int64_t arena = unet.arena > decoder.arena ? unet.arena : decoder.arena; /* which serves both */
  out->programs = arena + unet.leaves + decoder.leaves + text.arena + text.leaves;
  return VW_OK;
}

int64_t vw_drawing_memory_free(const vw_context *ctx) {
  return vw_memory_of(ctx->backend)->host ? vw_machine_memory_free() : vw_memory_used(ctx).free;
}

void vw_drawing_noise(uint64_t key, uint64_t step, int64_t h, int64_t w, int64_t channels, double *latents) {
  const int64_t count = h * w * channels;
  for (int64_t i = 0; i < count; i += 4) {
    float four[4];
    vw_normal4(vw_philox4x32(key, (uint32_t)(i / 4), (uint32_t)step, VW_DRAW_LATENT, (uint32_t)(step >> 32)), four);
    for (int64_t k = i; k < i + 4 && k < count; k++) latents[k % (h * w) * channels + k / (h * w)] = four[k - i];
  }
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

struct vw_drawer {
  vw_sd_network *n;
  vw_drawing what;
  vw_sampler sampler;
  int64_t h, w, rows, texts; /* rows and texts of the UNet's program */
  vw_graph *unet_graph, *decoder_graph;
  vw_program *unet, *decoder;
  double *x, *prediction; /* [rows, h, w, channels] */
  double *picture;        /* [height, width, 3] */
  int32_t *t;             /* [rows] */
  bool is_ready, decodes; /* programs are prepared */
  bool decoder_lends;     /* its arena to the UNet's program; else the other way round */
};

/* The steps and the decoder never run at the same time: the larger arena serves both. */
static vw_status create_programs(vw_drawer *d) {
  vw_sd_network *n = d->n;
  vw_program_memory unet, decoder;
  VW_TRY(vw_graph_create(&d->unet_graph));
  VW_TRY(vw_graph_create(&d->decoder_graph));
  VW_TRY(unet_graph(d->unet_graph, n, &d->what));
  VW_TRY(decoder_graph(d->decoder_graph, n, &d->what));
  VW_TRY(vw_program_measure(d->unet_graph, n->net.ctx, &n->image_policy, &unet));
  VW_TRY(vw_program_measure(d->decoder_graph, n->net.ctx, &n->image_policy, &decoder));
  d->decoder_lends = decoder.arena > unet.arena;
  vw_program **first = d->decoder_lends ? &d->decoder : &d->unet, **second = d->decoder_lends ? &d->unet : &d->decoder;
  const vw_graph *larger = d->decoder_lends ? d->decoder_graph : d->unet_graph;
  const vw_graph *smaller = d->decoder_lends ? d->unet_graph : d->decoder_graph;
  VW_TRY(vw_program_create(first, larger, n->net.ctx, &n->image_policy));
  VW_TRY(vw_program_create_beside(second, smaller, n->net.ctx, &n->image_policy, *first));
  VW_TRY(vw_weights_bind(n->net.weights, d->unet));
  return vw_weights_bind(n->net.weights, d->decoder);
}

static vw_status create_drawer(vw_drawer *d) {
  const vw_drawing *what = &d->what;
  const int64_t factor = vw_vae_factor(&d->n->vae), guided = is_guided(what);
  VW_TRY(vw_drawing_check(d->n, what));
  d->h = what->height / factor, d->w = what->width / factor;
  d->rows = what->batch * (1 + guided), d->texts = what->batch + guided;
  const int64_t one = vw_drawer_latents(d);
  VW_TRY(create_sampler(&d->sampler, d->n, what, what->batch * one));
  d->x = malloc((size_t)(d->rows * one) * sizeof *d->x);
  d->prediction = malloc((size_t)(d->rows * one) * sizeof *d->prediction);
  d->picture = malloc((size_t)(what->height * what->width * 3) * sizeof *d->picture);
  d->t = malloc((size_t)d->rows * sizeof *d->t);
  VW_CHECK(d->x && d->prediction && d->picture && d->t, VW_ERR_MEMORY, "drawing: out of memory");
  return create_programs(d);
}

vw_status vw_drawer_create(vw_drawer **out, vw_sd_network *n, const vw_drawing *what) {
  vw_drawer *d = calloc(1, sizeof *d);
  *out = NULL;
  VW_CHECK(d, VW_ERR_MEMORY, "drawing: out of memory");
  d->n = n, d->what = *what;
  const vw_status st = create_drawer(d);
  if (st != VW_OK) {
    vw_drawer_destroy(d);
    return vw_fail(st, __FILE__, __LINE__, "drawing with %s", n->net.dir);
  }
  *out = d;
  return VW_OK;
}

void vw_drawer_destroy(vw_drawer *d) {
  if (!d) return;
  vw_program_destroy(d->decoder_lends ? d->unet : d->decoder); /* who lends goes last */
  vw_program_destroy(d->decoder_lends ? d->decoder : d->unet);
  vw_graph_destroy(d->decoder_graph), vw_graph_destroy(d->unet_graph);
  vw_sampler_free(&d->sampler);
  free(d->x), free(d->prediction), free(d->picture), free(d->t);
  free(d);
}

int64_t vw_drawer_latents(const vw_drawer *d) {
  return d->h * d->w * d->n->unet.in_channels;
}

void vw_drawer_start(const vw_drawer *d, uint64_t key, uint64_t step, double *latents) {
  vw_drawing_noise(key, step, d->h, d->w, d->n->unet.in_channels, latents);
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static vw_status write(vw_drawer *d, const char *name, vw_tensor shape, const void *data) {
  shape.data = (void *)(uintptr_t)data;
  return vw_program_write(d->unet, vw_find(d->unet_graph, name), &shape);
}

/* What stays the same in all steps. */
static vw_status write_texts(vw_drawer *d, const double *states, const double *without) {
  const int64_t B = d->what.batch, J = vw_sd_positions(d->n), C = d->n->net.width, guided = is_guided(&d->what);
  double *context = malloc((size_t)(d->texts * J * C) * sizeof *context);
  int32_t *row = malloc((size_t)d->rows * sizeof *row);
  vw_status st = VW_OK;
  if (!context || !row) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "drawing: out of memory"));
  if (guided) memcpy(context, without, (size_t)(J * C) * sizeof *context);
  memcpy(context + guided * J * C, states, (size_t)(B * J * C) * sizeof *context);
  for (int64_t b = 0; b < d->rows; b++) row[b] = (int32_t)(guided ? b < B ? 0 : b - B + 1 : b);
  VW_GOTO(write(d, "context", vw_shape(VW_F64, d->texts, J, C), context));
  VW_GOTO(write(d, "row", vw_shape(VW_I32, d->rows), row));
cleanup:
  free(context), free(row);
  return st;
}

/* The network's prediction for the latents [batch, ..], guided; it lies in d->prediction. */
static vw_status predict(vw_drawer *d, const double *latents, int32_t timestep) {
  const int64_t count = d->what.batch * vw_drawer_latents(d), C = d->n->unet.in_channels;
  const vw_value y = vw_find(d->unet_graph, "prediction");
  vw_tensor x = vw_shape(VW_F64, d->rows, d->h, d->w, C);
  for (int64_t i = 0; i < d->rows / d->what.batch; i++)
    memcpy(d->x + i * count, latents, (size_t)count * sizeof *latents);
  for (int64_t b = 0; b < d->rows; b++) d->t[b] = timestep;
  VW_TRY(write(d, "x", x, d->x));
  VW_TRY(write(d, "t", vw_shape(VW_I32, d->rows), d->t));
  if (!d->is_ready) VW_TRY(vw_program_prepare(d->unet));
  d->is_ready = true;
  VW_TRY(vw_program_run(d->unet));
  x.data = d->prediction;
  VW_TRY(vw_program_read(d->unet, y, &x));
  if (is_guided(&d->what)) vw_guide(d->prediction, d->prediction + count, d->what.guidance, count, d->prediction);
  return VW_OK;
}

vw_status vw_drawer_run(vw_drawer *d, const double *states, const double *without, double *latents,
                        const vw_drawing_watch *watch, bool *stopped) {
  *stopped = false;
  vw_sampler_restart(&d->sampler);
  VW_TRY(write_texts(d, states, without));
  for (int64_t i = 0; i < d->sampler.n; i++) {
    VW_TRY(predict(d, latents, d->sampler.timestep[i]));
    vw_sampler_step(&d->sampler, latents, d->prediction);
    if (watch && watch->step && !watch->step(watch->user, i + 1, d->sampler.n)) {
      *stopped = true;
      return VW_OK;
    }
  }
  for (int64_t i = 0; i < d->sampler.count; i++)
    VW_CHECK(isfinite(latents[i]), VW_ERR_INPUT,
             "%s: a latent is not finite after %" PRId64
             " steps: are the weights whole, and is the guidance (%g) sane?",
             d->n->net.dir, d->sampler.n, d->what.guidance);
  return VW_OK;
}

vw_status vw_drawer_decode(vw_drawer *d, const double *latents, uint8_t *rgb) {
  const int64_t one = vw_drawer_latents(d), pixels = d->what.height * d->what.width * 3;
  vw_tensor z = vw_shape(VW_F64, 1, d->h, d->w, d->n->vae.latent_channels);
  vw_tensor picture = vw_shape(VW_F64, 1, d->what.height, d->what.width, d->n->vae.channels);
  for (int64_t i = 0; i < one; i++) d->x[i] = latents[i] / d->n->vae.scale;
  z.data = d->x, picture.data = d->picture;
  VW_TRY(vw_program_write(d->decoder, vw_find(d->decoder_graph, "z"), &z));
  if (!d->decodes) VW_TRY(vw_program_prepare(d->decoder));
  d->decodes = true;
  VW_TRY(vw_program_run(d->decoder));
  VW_TRY(vw_program_read(d->decoder, vw_find(d->decoder_graph, "picture"), &picture));
  for (int64_t i = 0; i < pixels; i++) {
    const double v = fmin(fmax(d->picture[i] / 2 + .5, 0), 1);
    rgb[i] = (uint8_t)nearbyint(255 * v);
  }
  return VW_OK;
}
