/* `verify --reference` of a Stable Diffusion directory (tests/reference/verify_sd.py): tokens, states of texts, the
 * UNet's prediction, the autoencoder both ways, loss and gradient of words; the samplers' steps are in samplers.c. Every
 * stage starts from the reference's inputs. */
#include "kernels/cast.h"
#include "kernels/diffuse.h"
#include "kernels/mse.h"
#include "kernels/splice.h"
#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

typedef struct pass {
  vw_graph *graph;
  vw_program *program;
} pass;

static void pass_free(pass *p) {
  vw_program_destroy(p->program);
  vw_graph_destroy(p->graph);
}

static vw_status pass_open(vw_verification *v, pass *p, const vw_policy *policy) {
  VW_TRY(vw_graph_status(p->graph));
  VW_TRY(vw_program_create(&p->program, p->graph, &v->ctx, policy));
  return vw_weights_bind(v->sd->net.weights, p->program);
}

static vw_status pass_write(const pass *p, const char *input, vw_tensor t, const void *data) {
  t.data = (void *)(uintptr_t)data;
  return vw_program_write(p->program, vw_find(p->graph, input), &t);
}

static vw_status pass_run(const pass *p) {
  VW_TRY(vw_program_prepare(p->program));
  return vw_program_run(p->program);
}

/* An output against the reference's tensor `name` of its shape. */
static vw_status compare_output(vw_verification *v, const pass *p, const char *output, const char *name, double scale,
                                vw_limit limit) {
  const vw_value y = vw_find(p->graph, output);
  vw_tensor expected, got = vw_value_tensor(p->graph, y);
  got.dtype = VW_F64;
  VW_TRY(vw_reference_tensor(v, name, got, &expected));
  got.data = malloc((size_t)vw_count(&got) * sizeof(double));
  VW_CHECK(got.data, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = vw_program_read(p->program, y, &got);
  if (st == VW_OK) st = vw_compare(v, name, vw_f64(&got), vw_f64(&expected), vw_count(&got), scale, limit);
  free(got.data);
  return st;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* How many texts have other ids than the reference, what fills them up included: its states count too. */
static vw_status verify_tokens(vw_verification *v, const vw_names *texts, const vw_tensor *ids) {
  const int64_t J = vw_sd_positions(v->sd);
  const double none = 0;
  double different = 0;
  vw_status st = VW_OK;
  int32_t *own = malloc((size_t)J * sizeof *own);
  VW_CHECK(own, VW_ERR_MEMORY, "verify: out of memory");
  for (int64_t i = 0; i < texts->n; i++) {
    VW_GOTO(vw_sd_tokens(v->sd, texts->name[i], own, 1, NULL));
    if (memcmp(own, vw_i32(ids) + i * J, (size_t)J * sizeof *own) != 0) different++;
  }
  VW_GOTO(vw_compare(v, "tokens", &different, &none, 1, 0, VW_LIMIT_SAME));
  json_object_set_new(json_array_get(v->rows, json_array_size(v->rows) - 1), "values", json_integer(texts->n));
cleanup:
  free(own);
  return st;
}

/* States of the reference's ids, of which the file keeps every `stride`-th position. */
static vw_status verify_states(vw_verification *v, const vw_tensor *ids, int64_t stride) {
  const int64_t n = ids->dim[0], J = ids->dim[1], C = v->sd->net.width, kept = (J + stride - 1) / stride;
  vw_tensor expected;
  VW_TRY(vw_reference_tensor(v, "text_states", vw_shape(VW_F64, n, kept, C), &expected));
  vw_status st = VW_OK;
  double *x = malloc((size_t)(n * J * C) * sizeof *x), *states = malloc((size_t)(n * J * C) * sizeof *states);
  if (!x || !states) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < n * J; i++) VW_GOTO(vw_text_embed(&v->sd->net.text, vw_i32(ids)[i], i % J, x + i * C));
  VW_GOTO(vw_sd_text_states(v->sd, x, n, states));
  for (int64_t i = 0; i < n * kept; i++) /* to the front: never behind where it is read */
    memmove(states + i * C, states + (i / kept * J + i % kept * stride) * C, (size_t)C * sizeof *states);
  st = vw_compare(v, "text_states", states, vw_f64(&expected), n * kept * C, 0, VW_LIMIT_OUTPUT);
cleanup:
  free(x), free(states);
  return st;
}

static vw_status verify_texts(vw_verification *v) {
  vw_names texts;
  vw_tensor ids;
  double stride;
  VW_TRY(vw_reference_texts(v, "texts", &texts));
  const vw_tensor shape = vw_shape(VW_I32, texts.n, vw_sd_positions(v->sd));
  VW_TRY(vw_reference_indices(v, "ids", shape, v->sd->net.text.tower.vocab, &ids));
  VW_TRY(vw_reference_number(v, "stride", &stride));
  VW_CHECK(stride >= 1 && stride <= (double)ids.dim[1], VW_ERR_INPUT,
           "%s: metadata 'json': stride %g; expected 1 to %" PRId64, vw_safetensors_path(v->file), stride, ids.dim[1]);
  VW_TRY(verify_tokens(v, &texts, &ids));
  return verify_states(v, &ids, (int64_t)stride);
}

/* ---- pictures and predictions ------------------------------------------------------------------------------------ */

static vw_status verify_encoder(vw_verification *v) {
  const int64_t factor = vw_vae_factor(&v->sd->vae);
  vw_tensor pixels;
  pass p = {0};
  vw_status st = VW_OK;
  VW_TRY(vw_reference_tensor(v, "pixels", vw_shape(VW_F32, 1, -1, -1, v->sd->vae.channels), &pixels));
  const int64_t H = pixels.dim[1], W = pixels.dim[2];
  VW_CHECK(H % factor == 0 && W % factor == 0, VW_ERR_INPUT,
           "%s: tensor 'pixels' is %s: expected sides of a multiple of %" PRId64, vw_safetensors_path(v->file),
           vw_shape_text(&pixels), factor);
  VW_GOTO(vw_graph_create(&p.graph));
  VW_GOTO(vw_sd_encoder_graph(p.graph, v->sd, H, W));
  VW_GOTO(pass_open(v, &p, &v->sd->image_policy));
  VW_GOTO(pass_write(&p, "pixels", pixels, pixels.data));
  VW_GOTO(pass_run(&p));
  st = compare_output(v, &p, "moments", "moments", 0, VW_LIMIT_OUTPUT);
cleanup:
  pass_free(&p);
  return st;
}

static vw_status verify_decoder(vw_verification *v) {
  vw_tensor z;
  pass p = {0};
  vw_status st = VW_OK;
  VW_TRY(vw_reference_tensor(v, "z", vw_shape(VW_F64, 1, -1, -1, v->sd->vae.latent_channels), &z));
  VW_GOTO(vw_graph_create(&p.graph));
  VW_GOTO(vw_sd_decoder_graph(p.graph, v->sd, z.dim[1], z.dim[2]));
  VW_GOTO(pass_open(v, &p, &v->sd->image_policy));
  VW_GOTO(pass_write(&p, "z", z, z.data));
  VW_GOTO(pass_run(&p));
  st = compare_output(v, &p, "picture", "picture", 0, VW_LIMIT_OUTPUT);
cleanup:
  pass_free(&p);
  return st;
}

static vw_status verify_unet(vw_verification *v) {
  vw_tensor x, t, row, context;
  pass p = {0};
  vw_status st = VW_OK;
  VW_TRY(vw_reference_tensor(v, "unet.x", vw_shape(VW_F64, -1, -1, -1, v->sd->unet.in_channels), &x));
  const int64_t B = x.dim[0];
  VW_TRY(vw_reference_indices(v, "unet.t", vw_shape(VW_I32, B), v->sd->schedule.steps, &t));
  VW_TRY(vw_reference_indices(v, "unet.row", vw_shape(VW_I32, B), VW_CONTEXTS, &row));
  VW_TRY(vw_reference_context(v, &context));
  VW_GOTO(vw_graph_create(&p.graph));
  VW_GOTO(vw_sd_unet_graph(p.graph, v->sd, B, VW_CONTEXTS, x.dim[1], x.dim[2]));
  VW_GOTO(pass_open(v, &p, &v->sd->image_policy));
  VW_GOTO(pass_write(&p, "x", x, x.data));
  VW_GOTO(pass_write(&p, "t", t, t.data));
  VW_GOTO(pass_write(&p, "row", row, row.data));
  VW_GOTO(pass_write(&p, "context", context, context.data));
  VW_GOTO(pass_run(&p));
  st = compare_output(v, &p, "prediction", "unet.prediction", 0, VW_LIMIT_OUTPUT);
cleanup:
  pass_free(&p);
  return st;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

typedef struct word_step {
  int64_t K, B; /* words; pictures, B / K of each word */
  vw_tensor words, latents, noise, t;
  int64_t place;              /* of the word in its text */
  double *tail;               /* [1, J, C]: the text without the word */
  double *noisy, *velocity;   /* [steps, 2]: the schedule's coefficients */
  int32_t *word, *zero, *row; /* [K], [K], [B] */
} word_step;

static vw_status read_word_inputs(vw_verification *v, word_step *s) {
  const int64_t C = v->sd->net.width, channels = v->sd->unet.in_channels;
  VW_TRY(vw_reference_tensor(v, "words", vw_shape(VW_F64, -1, C), &s->words));
  VW_TRY(vw_reference_tensor(v, "word.latents", vw_shape(VW_F64, -1, -1, -1, channels), &s->latents));
  VW_TRY(vw_reference_tensor(v, "word.noise", s->latents, &s->noise));
  s->K = s->words.dim[0], s->B = s->latents.dim[0];
  VW_CHECK(s->B % s->K == 0, VW_ERR_INPUT,
           "%s: tensor 'word.latents' has %" PRId64 " pictures; expected as many of each of %" PRId64 " words",
           vw_safetensors_path(v->file), s->B, s->K);
  return vw_reference_indices(v, "word.t", vw_shape(VW_I32, s->B), v->sd->schedule.steps, &s->t);
}

/* What follows from the network: the text, and the schedule's coefficients. */
static vw_status make_word_inputs(vw_verification *v, word_step *s) {
  const int64_t J = vw_sd_positions(v->sd), C = v->sd->net.width, steps = v->sd->schedule.steps;
  vw_names text;
  double *abar = NULL, *zeros = calloc((size_t)C, sizeof *zeros);
  vw_status st = VW_OK;
  s->tail = malloc((size_t)(J * C) * sizeof *s->tail), s->noisy = malloc((size_t)steps * 2 * sizeof *s->noisy);
  s->velocity = malloc((size_t)steps * 2 * sizeof *s->velocity), s->word = malloc((size_t)J * sizeof *s->word);
  s->zero = calloc((size_t)s->K, sizeof *s->zero), s->row = malloc((size_t)(s->B + s->K) * sizeof *s->row);
  if (!zeros || !s->tail || !s->noisy || !s->velocity || !s->word || !s->zero || !s->row) {
    st = VW_RAISE(VW_ERR_MEMORY, "verify: out of memory");
    goto cleanup;
  }
  VW_GOTO(vw_reference_texts(v, "template", &text));
  VW_GOTO(vw_sd_tokens(v->sd, text.name[0], s->word, 1, &s->place));
  VW_GOTO(vw_sd_embed_text(v->sd, text.name[0], zeros, 1, s->tail));
  VW_GOTO(vw_schedule_abar(&v->sd->schedule, &abar));
  for (int64_t i = 0; i < steps; i++) {
    vw_schedule_noisy(abar[i], s->noisy + 2 * i);
    vw_schedule_velocity(abar[i], s->velocity + 2 * i);
  }
  for (int64_t b = 0; b < s->B; b++) s->row[b] = (int32_t)(b / (s->B / s->K));
cleanup:
  free(zeros), free(abar);
  return st;
}

static void word_step_free(word_step *s) {
  free(s->tail), free(s->noisy), free(s->velocity), free(s->word), free(s->zero), free(s->row);
}

/* The prediction's error against noise or velocity, as the network was trained. */
static vw_value describe_loss(vw_graph *g, const vw_verification *v, const word_step *s, vw_value states) {
  const vw_tensor coefficients = vw_shape(VW_HEAD, v->sd->schedule.steps, 2);
  vw_tensor latents = s->latents;
  latents.dtype = VW_HEAD, latents.data = NULL;
  const vw_value x = vw_input(g, latents, "latents"), noise = vw_input(g, latents, "noise");
  const vw_value t = vw_input(g, vw_shape(VW_I32, s->B), "t");
  const vw_value noisy = vw_input(g, coefficients, "noisy"), velocity = vw_input(g, coefficients, "velocity");
  const vw_unet_in in = {.x = vw_mix(g, x, noise, noisy, t, VW_ACT),
                         .t = t,
                         .latents = VW_NONE,
                         .context = vw_cast(g, states, VW_ACT),
                         .row = vw_input(g, vw_shape(VW_I32, s->B), "row")};
  const bool is_noise = v->sd->schedule.prediction == VW_PREDICTS_NOISE;
  const vw_value target = is_noise ? noise : vw_mix(g, x, noise, velocity, t, VW_HEAD);
  return vw_mse(g, vw_unet(g, &v->sd->unet, in), target, (vw_mse_attr){.trials = s->K});
}

static vw_status describe_words(vw_graph *g, const vw_verification *v, const word_step *s) {
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const int64_t C = v->sd->net.width;
  const vw_value words = vw_input(g, vw_shape(VW_HEAD, s->K, C), "words");
  const vw_value tail = vw_input(g, vw_shape(VW_PARAM, 1, vw_sd_positions(v->sd), C), "tail");
  const vw_value own = vw_input(g, vw_shape(VW_I32, s->K), "own"), zero = vw_input(g, vw_shape(VW_I32, s->K), "zero");
  const vw_value place = vw_input(g, vw_shape(VW_I32, 1), "place");
  const vw_value states =
      vw_clip_text_states(g, &v->sd->net.text.tower, vw_splice(g, words, tail, own, zero, place), rows);
  vw_value gradient = VW_NONE;
  (void)vw_graph_scope(g, 1);
  vw_graph_set_policy(g, 1, &v->sd->image_policy);
  const vw_value loss = describe_loss(g, v, s, states);
  VW_TRY(vw_reverse(g, loss, &words, 1, &gradient));
  vw_output(g, loss, "loss");
  vw_output(g, gradient, "gradient");
  return vw_graph_status(g);
}

static vw_status write_words(const vw_verification *v, const pass *p, const word_step *s) {
  const vw_tensor coefficients = vw_shape(VW_F64, v->sd->schedule.steps, 2), row = vw_shape(VW_I32, s->K);
  const int32_t place = (int32_t)s->place;
  int32_t *own = s->row + s->B;
  for (int64_t k = 0; k < s->K; k++) own[k] = (int32_t)k;
  VW_TRY(pass_write(p, "words", s->words, s->words.data));
  VW_TRY(pass_write(p, "tail", vw_shape(VW_F64, 1, vw_sd_positions(v->sd), v->sd->net.width), s->tail));
  VW_TRY(pass_write(p, "own", row, own));
  VW_TRY(pass_write(p, "zero", row, s->zero));
  VW_TRY(pass_write(p, "place", vw_shape(VW_I32, 1), &place));
  VW_TRY(pass_write(p, "latents", s->latents, s->latents.data));
  VW_TRY(pass_write(p, "noise", s->noise, s->noise.data));
  VW_TRY(pass_write(p, "noisy", coefficients, s->noisy));
  VW_TRY(pass_write(p, "velocity", coefficients, s->velocity));
  VW_TRY(pass_write(p, "t", s->t, s->t.data));
  return pass_write(p, "row", vw_shape(VW_I32, s->B), s->row);
}

/* Loss and gradient of words through text encoder, schedule and UNet. */
static vw_status verify_words(vw_verification *v) {
  word_step s = {0};
  pass p = {0};
  vw_status st = VW_OK;
  VW_TRY(read_word_inputs(v, &s));
  VW_GOTO(make_word_inputs(v, &s));
  VW_GOTO(vw_graph_create(&p.graph));
  VW_GOTO(describe_words(p.graph, v, &s));
  VW_GOTO(pass_open(v, &p, &v->sd->net.policy));
  VW_GOTO(write_words(v, &p, &s));
  VW_GOTO(pass_run(&p));
  VW_GOTO(compare_output(v, &p, "loss", "word_loss", 1, VW_LIMIT_OUTPUT));
  st = compare_output(v, &p, "gradient", "word_gradient", 0, VW_LIMIT_GRADIENT);
cleanup:
  pass_free(&p);
  word_step_free(&s);
  return st;
}

vw_status vw_verify_diffusion(vw_verification *v) {
  VW_TRY(verify_texts(v));
  VW_TRY(verify_encoder(v));
  VW_TRY(verify_decoder(v));
  VW_TRY(verify_unet(v));
  VW_TRY(verify_words(v));
  return vw_verify_samplers(v);
}
