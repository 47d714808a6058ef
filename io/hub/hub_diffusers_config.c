#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "io/hub/hub_diffusers_internal.h"

static const int64_t MOST = 1 << 24; /* of any size in a configuration */

/* ---- members ---- */

static const json_t *member(const json_t *c, const char *key) {
  const json_t *v = json_object_get(c, key);
  return json_is_null(v) ? NULL : v;
}

static vw_status read_bool(const char *path, const json_t *c, const char *key, bool fallback, bool *out) {
  const json_t *v = member(c, key);
  VW_CHECK(!v || json_is_boolean(v), VW_ERR_INPUT, "%s: %s: expected true or false", path, key);
  *out = v ? json_is_true(v) : fallback;
  return VW_OK;
}

/* One whole number for all of n levels, or a list of n. Absent: `fallback` for all. */
static vw_status read_each(const char *path, const json_t *c, const char *key, int64_t least, int64_t most,
                           int64_t fallback, int64_t n, int64_t *out) {
  const json_t *v = member(c, key);
  VW_CHECK(!v || !json_is_array(v) || (int64_t)json_array_size(v) == n, VW_ERR_INPUT,
           "%s: %s has %zu entries, expected %" PRId64, path, key, json_array_size(v), n);
  for (int64_t i = 0; i < n; i++) {
    const json_t *one = json_is_array(v) ? json_array_get(v, (size_t)i) : v;
    VW_CHECK(!v || json_is_integer(one), VW_ERR_INPUT, "%s: %s: expected a whole number, or a list of %" PRId64, path,
             key, n);
    out[i] = v ? (int64_t)json_integer_value(one) : fallback;
    VW_CHECK(out[i] >= least && out[i] <= most, VW_ERR_INPUT, "%s: %s is %" PRId64 ", expected %" PRId64 " to %" PRId64,
             path, key, out[i], least, most);
  }
  return VW_OK;
}

/* block_out_channels says how many levels there are. */
static vw_status read_widths(const char *path, const json_t *c, const int64_t *fallback, int64_t n_fallback,
                             int64_t *width, int64_t *levels) {
  const json_t *v = member(c, "block_out_channels");
  VW_CHECK(!v || json_is_array(v), VW_ERR_INPUT, "%s: block_out_channels: expected a list of widths", path);
  *levels = v ? (int64_t)json_array_size(v) : n_fallback;
  VW_CHECK(*levels >= 1 && *levels <= VW_HUB_LEVELS, VW_ERR_UNSUPPORTED,
           "%s: block_out_channels has %" PRId64 " levels, expected 1 to %d", path, *levels, VW_HUB_LEVELS);
  if (v) return read_each(path, c, "block_out_channels", 1, MOST, 0, *levels, width);
  memcpy(width, fallback, (size_t)n_fallback * sizeof *width);
  return VW_OK;
}

static vw_status check_groups(const char *path, const int64_t *width, int64_t levels, int64_t groups) {
  for (int64_t i = 0; i < levels; i++)
    VW_CHECK(width[i] % groups == 0, VW_ERR_INPUT,
             "%s: block_out_channels: %" PRId64 " is not a multiple of norm_num_groups %" PRId64, path, width[i],
             groups);
  return VW_OK;
}

/* Keys that change what is computed, and that we know one value of. */
static vw_status only_off(const char *path, const json_t *c, const char *const *keys) {
  for (; *keys; keys++) {
    const json_t *v = member(c, *keys);
    size_t on = 0;
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) on += !json_is_false(json_array_get(v, i));
    VW_CHECK(!v || json_is_false(v) || (json_is_array(v) && !on), VW_ERR_UNSUPPORTED,
             "%s: %s is set; viswords computes Stable Diffusion 1 and 2 alone, where it is null or false", path, *keys);
  }
  return VW_OK;
}

typedef struct known_text {
  const char *key, *value;
} known_text;

static vw_status only_text(const char *path, const json_t *c, const known_text *known) {
  for (; known->key; known++) {
    const char *value;
    VW_TRY(vw_json_text(path, "", c, known->key, known->value, &value));
    VW_CHECK(!strcmp(value, known->value), VW_ERR_UNSUPPORTED, "%s: %s is '%s', viswords knows '%s' alone", path,
             known->key, value, known->value);
  }
  return VW_OK;
}

typedef struct known_number {
  const char *key;
  double value;
} known_number;

static vw_status only_number(const char *path, const json_t *c, const known_number *known) {
  for (; known->key; known++) {
    double value;
    VW_TRY(vw_json_double(path, "", c, known->key, known->value, &value));
    VW_CHECK(value == known->value, VW_ERR_UNSUPPORTED, "%s: %s is %g, viswords knows %g alone", path, known->key,
             value, known->value);
  }
  return VW_OK;
}

/* A list of block classes, one a level: attends[i] is whether entry i is `with`; it must be `with` or `without`.
 * Absent: all `with` but for entry `plain`. */
static vw_status read_blocks(const char *path, const json_t *c, const char *key, const char *with, const char *without,
                             int64_t levels, int64_t plain, bool *attends) {
  const json_t *v = member(c, key);
  VW_CHECK(!v || json_is_array(v), VW_ERR_INPUT, "%s: %s: expected a list of block classes", path, key);
  const int64_t n = v ? (int64_t)json_array_size(v) : 4;
  VW_CHECK(n == levels, VW_ERR_INPUT, "%s: %s has %" PRId64 " entries, block_out_channels has %" PRId64, path, key, n,
           levels);
  for (int64_t i = 0; i < levels; i++) {
    const char *name = json_string_value(json_array_get(v, (size_t)i));
    VW_CHECK(!v || (name && (!strcmp(name, with) || !strcmp(name, without))), VW_ERR_UNSUPPORTED,
             "%s: %s: '%s' is not one of %s and %s", path, key, name ? name : "(not text)", with, without);
    attends[i] = v ? !strcmp(name, with) : i != plain;
  }
  return VW_OK;
}

/* ---- UNet ---- */

static vw_status check_unet_known(const char *path, const json_t *c) {
  static const char *const off[] = {"class_embed_type",
                                    "num_class_embeds",
                                    "addition_embed_type",
                                    "encoder_hid_dim",
                                    "encoder_hid_dim_type",
                                    "time_cond_proj_dim",
                                    "time_embedding_dim",
                                    "time_embedding_act_fn",
                                    "timestep_post_act",
                                    "cross_attention_norm",
                                    "center_input_sample",
                                    "only_cross_attention",
                                    "dual_cross_attention",
                                    "resnet_skip_time_act",
                                    "class_embeddings_concat",
                                    "mid_block_only_cross_attention",
                                    "reverse_transformer_layers_per_block",
                                    "num_attention_heads",
                                    NULL};
  static const known_text texts[] = {{"_class_name", "UNet2DConditionModel"},
                                     {"mid_block_type", "UNetMidBlock2DCrossAttn"},
                                     {"act_fn", "silu"},
                                     {"resnet_time_scale_shift", "default"},
                                     {"time_embedding_type", "positional"},
                                     {"attention_type", "default"},
                                     {NULL, NULL}};
  static const known_number numbers[] = {{"mid_block_scale_factor", 1},
                                         {"resnet_out_scale_factor", 1},
                                         {"conv_in_kernel", 3},
                                         {"conv_out_kernel", 3},
                                         {NULL, 0}};
  VW_TRY(only_text(path, c, texts));
  VW_TRY(only_off(path, c, off));
  return only_number(path, c, numbers);
}

/* One number, or a list with one width a level, all the same. */
static vw_status read_context(const char *path, const json_t *c, vw_hub_unet *u) {
  int64_t each[VW_HUB_LEVELS];
  VW_TRY(read_each(path, c, "cross_attention_dim", 1, MOST, 1280, u->levels, each));
  for (int64_t i = 1; i < u->levels; i++)
    VW_CHECK(each[i] == each[0], VW_ERR_UNSUPPORTED, "%s: cross_attention_dim differs between levels", path);
  u->context = each[0];
  return VW_OK;
}

/* `attention_head_dim` is diffusers' name for the number of heads. */
static vw_status read_unet_levels(const char *path, const json_t *c, vw_hub_unet *u) {
  static const int64_t widths[] = {320, 640, 1280, 1280};
  bool up[VW_HUB_LEVELS];
  VW_TRY(read_widths(path, c, widths, 4, u->width, &u->levels));
  VW_TRY(read_each(path, c, "layers_per_block", 1, VW_HUB_LAYERS, 2, u->levels, u->layers));
  VW_TRY(read_each(path, c, "attention_head_dim", 1, MOST, 8, u->levels, u->heads));
  VW_TRY(read_each(path, c, "transformer_layers_per_block", 1, 64, 1, u->levels, u->depth));
  VW_TRY(
      read_blocks(path, c, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D", u->levels, 3, u->attends_down));
  VW_TRY(read_blocks(path, c, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D", u->levels, 0, up));
  for (int64_t i = 0; i < u->levels; i++) {
    u->attends_up[u->levels - 1 - i] = up[i];
    VW_CHECK(u->width[i] % u->heads[i] == 0, VW_ERR_INPUT,
             "%s: block_out_channels: %" PRId64 " is not a multiple of the %" PRId64
             " heads of attention_head_dim (which counts heads)",
             path, u->width[i], u->heads[i]);
  }
  return VW_OK;
}

static vw_status read_sample_size(const char *path, const json_t *c, int64_t *size) {
  const json_t *v = member(c, "sample_size");
  int64_t sides[2] = {0, 0};
  if (v) VW_TRY(read_each(path, c, "sample_size", 1, 1 << 14, 0, 2, sides));
  *size = sides[0] > sides[1] ? sides[0] : sides[1];
  return VW_OK;
}

vw_status vw_hub_unet_read(const char *path, const json_t *c, vw_hub_unet *u) {
  int64_t out;
  *u = (vw_hub_unet){0};
  VW_TRY(check_unet_known(path, c));
  VW_TRY(read_unet_levels(path, c, u));
  VW_TRY(read_context(path, c, u));
  VW_TRY(read_sample_size(path, c, &u->sample_size));
  VW_TRY(vw_json_int(path, "", c, "in_channels", 1, MOST, 4, &u->channels));
  VW_TRY(vw_json_int(path, "", c, "out_channels", 1, MOST, 4, &out));
  VW_CHECK(out == u->channels, VW_ERR_UNSUPPORTED,
           "%s: in_channels is %" PRId64 ", out_channels %" PRId64
           ": a network that sees more than the noisy latents (inpainting, upscaling) is not one that draws from text; "
           "take the plain one",
           path, u->channels, out);
  VW_TRY(vw_json_int(path, "", c, "norm_num_groups", 1, MOST, 32, &u->groups));
  VW_TRY(vw_json_int(path, "", c, "downsample_padding", 0, 1, 1, &u->down_padding));
  VW_TRY(vw_json_double(path, "", c, "norm_eps", 1e-5, &u->eps));
  VW_TRY(vw_json_double(path, "", c, "freq_shift", 0, &u->frequency_shift));
  VW_TRY(read_bool(path, c, "use_linear_projection", false, &u->linear_projection));
  VW_TRY(read_bool(path, c, "flip_sin_to_cos", true, &u->cosine_first));
  VW_CHECK(u->eps > 0 && u->eps < 1, VW_ERR_INPUT, "%s: norm_eps is %g, expected a small positive number", path,
           u->eps);
  VW_CHECK(u->width[0] % 2 == 0 && u->frequency_shift >= 0 && u->frequency_shift < 0.5 * (double)u->width[0],
           VW_ERR_INPUT, "%s: freq_shift %g does not fit a time embedding of %" PRId64, path, u->frequency_shift,
           u->width[0]);
  return check_groups(path, u->width, u->levels, u->groups);
}

/* ---- autoencoder ---- */

static vw_status check_vae_blocks(const char *path, const json_t *c, const char *key, const char *only,
                                  int64_t levels) {
  bool all[VW_HUB_LEVELS];
  if (!member(c, key) && levels == 1) return VW_OK; /* the default is one */
  VW_CHECK(member(c, key), VW_ERR_INPUT, "%s: block_out_channels has %" PRId64 " levels, but there is no %s", path,
           levels, key);
  return read_blocks(path, c, key, only, only, levels, 0, all);
}

vw_status vw_hub_vae_read(const char *path, const json_t *c, vw_hub_vae *v) {
  static const int64_t widths[] = {64};
  static const char *const off[] = {"shift_factor", "latents_mean", "latents_std", NULL};
  static const known_text texts[] = {{"_class_name", "AutoencoderKL"}, {"act_fn", "silu"}, {NULL, NULL}};
  static const known_number numbers[] = {{"in_channels", 3}, {"out_channels", 3}, {NULL, 0}};
  *v = (vw_hub_vae){0};
  VW_TRY(only_text(path, c, texts));
  VW_TRY(only_off(path, c, off));
  VW_TRY(only_number(path, c, numbers));
  VW_TRY(read_widths(path, c, widths, 1, v->width, &v->levels));
  VW_TRY(check_vae_blocks(path, c, "down_block_types", "DownEncoderBlock2D", v->levels));
  VW_TRY(check_vae_blocks(path, c, "up_block_types", "UpDecoderBlock2D", v->levels));
  VW_TRY(vw_json_int(path, "", c, "layers_per_block", 1, VW_HUB_LAYERS, 1, &v->layers));
  VW_TRY(vw_json_int(path, "", c, "latent_channels", 1, MOST, 4, &v->latent_channels));
  VW_TRY(vw_json_int(path, "", c, "norm_num_groups", 1, MOST, 32, &v->groups));
  VW_TRY(vw_json_double(path, "", c, "scaling_factor", 0.18215, &v->scale));
  VW_TRY(read_bool(path, c, "use_quant_conv", true, &v->quant_conv));
  VW_TRY(read_bool(path, c, "use_post_quant_conv", true, &v->post_quant_conv));
  VW_TRY(read_bool(path, c, "mid_block_add_attention", true, &v->attends));
  VW_CHECK(isfinite(v->scale) && v->scale > 0, VW_ERR_INPUT, "%s: scaling_factor is %g, expected a positive number",
           path, v->scale);
  return check_groups(path, v->width, v->levels, v->groups);
}

/* ---- scheduler ---- */

/* Any of these holds the schedule; which sampler draws is the user's choice. */
static const char *const schedulers[] = {"DDIMScheduler",
                                         "FlaxDDIMScheduler",
                                         "PNDMScheduler",
                                         "DDPMScheduler",
                                         "DPMSolverMultistepScheduler",
                                         "EulerDiscreteScheduler",
                                         "EulerAncestralDiscreteScheduler",
                                         "LMSDiscreteScheduler",
                                         NULL};

static vw_status read_class(const char *path, const json_t *c, vw_hub_scheduler *s) {
  const char *name;
  VW_TRY(vw_json_text(path, "", c, "_class_name", "DDIMScheduler", &name));
  for (int i = 0; schedulers[i]; i++)
    if (!strcmp(name, schedulers[i])) {
      (void)snprintf(s->class_name, sizeof s->class_name, "%s", name);
      return VW_OK;
    }
  return VW_RAISE(VW_ERR_UNSUPPORTED,
                  "%s: _class_name is '%s'; viswords reads the schedule of DDIM, PNDM, DDPM, DPMSolverMultistep, Euler "
                  "and LMS configurations: put one of the same network there",
                  path, name);
}

static vw_status read_ramp(const char *path, const json_t *c, vw_hub_scheduler *s) {
  const char *ramp, *prediction, *spacing;
  VW_TRY(vw_json_text(path, "", c, "beta_schedule", "linear", &ramp));
  s->scaled = !strcmp(ramp, "scaled_linear");
  VW_CHECK(s->scaled || !strcmp(ramp, "linear"), VW_ERR_UNSUPPORTED,
           "%s: beta_schedule is '%s', expected scaled_linear or linear", path, ramp);
  VW_TRY(vw_json_text(path, "", c, "prediction_type", "epsilon", &prediction));
  s->velocity = !strcmp(prediction, "v_prediction");
  VW_CHECK(s->velocity || !strcmp(prediction, "epsilon"), VW_ERR_UNSUPPORTED,
           "%s: prediction_type is '%s', expected epsilon or v_prediction", path, prediction);
  VW_TRY(vw_json_text(path, "", c, "timestep_spacing", "", &spacing));
  VW_CHECK(!*spacing || !strcmp(spacing, "leading") || !strcmp(spacing, "linspace") || !strcmp(spacing, "trailing"),
           VW_ERR_UNSUPPORTED, "%s: timestep_spacing is '%s', expected leading, linspace or trailing", path, spacing);
  (void)snprintf(s->spacing, sizeof s->spacing, "%s", spacing);
  return VW_OK;
}

/* Notes the first key of a configuration by which diffusers' DPM-Solver++ takes steps that ours has not. */
static void refuse_dpm(vw_hub_scheduler *s, const char *key, const char *value) {
  if (!*s->not_dpm) (void)snprintf(s->not_dpm, sizeof s->not_dpm, "%s is %.24s", key, value);
}

/* A text that is one of two, the first where there is none. */
static vw_status read_either(const char *path, const json_t *c, const char *key, const char *first, const char *second,
                             bool *is_second) {
  const char *value;
  VW_TRY(vw_json_text(path, "", c, key, first, &value));
  *is_second = !strcmp(value, second);
  VW_CHECK(*is_second || !strcmp(value, first), VW_ERR_UNSUPPORTED, "%s: %s is '%s', expected %s or %s", path, key,
           value, first, second);
  return VW_OK;
}

/* diffusers takes the names that its other solvers have for midpoint. */
static vw_status read_solver(const char *path, const json_t *c, bool *heun) {
  static const char *const of_others[] = {"logrho", "bh1", "bh2", NULL};
  const char *value;
  VW_TRY(vw_json_text(path, "", c, "solver_type", "midpoint", &value));
  for (int i = 0; of_others[i]; i++)
    if (!strcmp(value, of_others[i])) return VW_OK;
  return read_either(path, c, "solver_type", "midpoint", "heun", heun);
}

/* The keys of DPMSolverMultistepScheduler, which it takes from a configuration of any class. */
static vw_status read_dpm(const char *path, const json_t *c, vw_hub_scheduler *s) {
  static const char *const other_sigmas[] = {"use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas",
                                             "use_flow_sigmas", NULL};
  const char *algorithm, *variance;
  int64_t order;
  bool on, lower;
  VW_TRY(read_bool(path, c, "use_karras_sigmas", false, &s->karras));
  for (int i = 0; other_sigmas[i]; i++) {
    VW_TRY(read_bool(path, c, other_sigmas[i], false, &on));
    if (on) refuse_dpm(s, other_sigmas[i], "true");
  }
  VW_TRY(vw_json_text(path, "", c, "algorithm_type", "dpmsolver++", &algorithm));
  if (strcmp(algorithm, "dpmsolver++") != 0 && strcmp(algorithm, "deis") != 0)
    refuse_dpm(s, "algorithm_type", algorithm);
  VW_TRY(vw_json_text(path, "", c, "variance_type", "", &variance));
  if (!strncmp(variance, "learned", strlen("learned"))) refuse_dpm(s, "variance_type", variance);
  VW_TRY(vw_json_int(path, "", c, "solver_order", 1, 3, 2, &order));
  if (order == 3) refuse_dpm(s, "solver_order", "3");
  s->first_order = order == 1;
  VW_TRY(read_solver(path, c, &s->heun));
  VW_TRY(read_either(path, c, "final_sigmas_type", "zero", "sigma_min", &s->ends_noisy));
  VW_TRY(read_bool(path, c, "euler_at_final", false, &s->euler_at_final));
  VW_TRY(read_bool(path, c, "lower_order_final", true, &lower));
  s->full_order_final = !lower;
  s->least_log_snr = -INFINITY; /* saved as a bare -Infinity, which io/json.h reads as null */
  if (member(c, "lambda_min_clipped"))
    VW_TRY(vw_json_double(path, "", c, "lambda_min_clipped", -INFINITY, &s->least_log_snr));
  return VW_OK;
}

vw_status vw_hub_scheduler_read(const char *path, const json_t *c, vw_hub_scheduler *s) {
  static const char *const off[] = {"trained_betas", "thresholding", NULL};
  *s = (vw_hub_scheduler){0};
  VW_TRY(read_class(path, c, s));
  VW_TRY(only_off(path, c, off));
  VW_TRY(read_ramp(path, c, s));
  VW_TRY(vw_json_int(path, "", c, "num_train_timesteps", 1, 1 << 20, 1000, &s->steps));
  VW_TRY(vw_json_int(path, "", c, "steps_offset", 0, s->steps - 1, 0, &s->offset));
  VW_TRY(vw_json_double(path, "", c, "beta_start", 0.0001, &s->beta_start));
  VW_TRY(vw_json_double(path, "", c, "beta_end", 0.02, &s->beta_end));
  VW_TRY(read_bool(path, c, "set_alpha_to_one", true, &s->last_alpha_one));
  VW_TRY(read_bool(path, c, "clip_sample", true, &s->clip));
  VW_TRY(read_bool(path, c, "rescale_betas_zero_snr", false, &s->zero_snr));
  VW_TRY(vw_json_double(path, "", c, "clip_sample_range", 1, &s->clip_range));
  VW_CHECK(isfinite(s->clip_range) && s->clip_range > 0, VW_ERR_INPUT,
           "%s: clip_sample_range is %g, expected a positive number", path, s->clip_range);
  VW_CHECK(s->beta_start > 0 && s->beta_end >= s->beta_start && s->beta_end < 1, VW_ERR_INPUT,
           "%s: beta_start %g and beta_end %g: expected 0 < beta_start <= beta_end < 1", path, s->beta_start,
           s->beta_end);
  return read_dpm(path, c, s);
}

bool vw_hub_scheduler_steps_otherwise(const vw_hub_scheduler *s) {
  return s->karras || s->first_order || s->heun || s->ends_noisy;
}
