#include "networks/schedule.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- schedule ---------------------------------------------------------------------------------------------------- */

vw_status vw_schedule_abar(const vw_schedule_config *c, double **abar) {
  *abar = NULL;
  VW_CHECK(c->steps > 0 && c->beta_start > 0 && c->beta_end >= c->beta_start && c->beta_end < 1, VW_ERR_ARG,
           "schedule: %" PRId64 " steps with betas from %g to %g", c->steps, c->beta_start, c->beta_end);
  const double first = c->scaled ? sqrt(c->beta_start) : c->beta_start,
               last = c->scaled ? sqrt(c->beta_end) : c->beta_end;
  double *out = malloc((size_t)c->steps * sizeof *out), product = 1;
  VW_CHECK(out, VW_ERR_MEMORY, "schedule: out of memory");
  for (int64_t t = 0; t < c->steps; t++) {
    const double ramp = c->steps > 1 ? first + (last - first) * (double)t / (double)(c->steps - 1) : first;
    product *= 1 - (c->scaled ? ramp * ramp : ramp);
    out[t] = product;
  }
  if (c->zero_snr && c->steps > 1) {
    const double from = sqrt(out[0]), to = sqrt(out[c->steps - 1]);
    for (int64_t t = 0; t < c->steps; t++) {
      const double a = (sqrt(out[t]) - to) * from / (from - to);
      out[t] = a * a;
    }
  }
  *abar = out;
  return VW_OK;
}

void vw_schedule_noisy(double abar, double coef[2]) {
  coef[0] = sqrt(abar), coef[1] = sqrt(1 - abar);
}

void vw_schedule_velocity(double abar, double coef[2]) {
  coef[0] = -sqrt(1 - abar), coef[1] = sqrt(abar);
}

/* ---- timesteps --------------------------------------------------------------------------------------------------- */

static const char *const names[VW_SAMPLERS] = {"ddim", "dpm++"};

const char *vw_sampler_name(vw_sampler_kind kind) {
  return names[kind];
}

vw_status vw_sampler_named(const char *name, vw_sampler_kind *kind) {
  for (int i = 0; i < VW_SAMPLERS; i++)
    if (!strcmp(name, names[i])) {
      *kind = (vw_sampler_kind)i;
      return VW_OK;
    }
  return VW_RAISE(VW_ERR_ARG, "there is no sampler '%s': choose ddim or dpm++", name);
}

static const char *const spacings[] = {"", "leading", "linspace", "trailing"};
enum { SPACINGS = sizeof spacings / sizeof *spacings };

const char *vw_spacing_name(vw_spacing spacing) {
  return spacings[spacing];
}

vw_status vw_spacing_named(const char *name, vw_spacing *spacing) {
  for (int i = VW_SPACING_LEADING; i < SPACINGS; i++)
    if (!strcmp(name, spacings[i])) {
      *spacing = (vw_spacing)i;
      return VW_OK;
    }
  return VW_RAISE(VW_ERR_ARG, "timesteps cannot be spaced '%s': choose leading, linspace or trailing", name);
}

/* As NumPy rounds: halves to even (the rounding mode of every C program that does not change it). */
static int32_t rounded(double x) {
  return (int32_t)nearbyint(x);
}

/* Timestep i of n, falling. DPM-Solver++ divides by one more than its steps and leaves the last, 0, out. */
static int32_t timestep_of(const vw_sampler *s, vw_spacing spacing, int64_t i) {
  const int64_t T = s->config.steps, extra = s->kind == VW_SAMPLER_DPM_2M, from_end = s->n - 1 - i + extra;
  switch (spacing) {
  case VW_SPACING_LEADING:
    return (int32_t)(from_end * (T / (s->n + extra)) + s->config.offset);
  case VW_SPACING_TRAILING:
    return rounded((double)T - (double)i * ((double)T / (double)s->n)) - 1;
  default:
    if (s->n + extra == 1) return 0;
    return rounded((double)(T - 1) * (double)from_end / (double)(s->n - 1 + extra));
  }
}

/* log(alpha / sigma). */
static double log_ratio(double abar) {
  return 0.5 * (log(abar) - log1p(-abar));
}

static double sigma_of(double abar) {
  return sqrt((1 - abar) / abar);
}

/* The timestep whose level of noise a sigma has: between two of them by the logarithm, then rounded. */
static int32_t timestep_at(const vw_sampler *s, double sigma) {
  int64_t low = 0;
  const double want = log(fmax(sigma, 1e-10));
  while (low < s->config.steps - 2 && log(sigma_of(s->abar[low + 1])) <= want) low++;
  const double a = log(sigma_of(s->abar[low])), b = log(sigma_of(s->abar[low + 1]));
  return rounded((double)low + fmin(fmax((want - a) / (b - a), 0), 1));
}

/* Levels and timesteps of DPM-Solver++ with Karras' sigmas. */
static void space_by_sigma(vw_sampler *s) {
  const double rho = 7, most = pow(sigma_of(s->abar[s->config.steps - 1]), 1 / rho),
               least = pow(sigma_of(s->abar[0]), 1 / rho);
  for (int64_t i = 0; i < s->n; i++) {
    const double ramp = s->n > 1 ? (double)i / (double)(s->n - 1) : 0, sigma = pow(most + ramp * (least - most), rho);
    s->level[i] = 1 / (1 + sigma * sigma);
    s->timestep[i] = timestep_at(s, sigma);
  }
}

static vw_status space(vw_sampler *s) {
  const vw_schedule_config *c = &s->config;
  const vw_spacing own = s->kind == VW_SAMPLER_DDIM ? VW_SPACING_LEADING : VW_SPACING_LINSPACE;
  for (int64_t i = 0; i < s->n; i++) {
    const int32_t t = s->timestep[i] = timestep_of(s, c->spacing == VW_SPACING_DEFAULT ? own : c->spacing, i);
    VW_CHECK(t >= 0 && t < c->steps, VW_ERR_ARG,
             "a sampler of %" PRId64 " steps asks for timestep %d, the network was trained with 0 to %" PRId64
             ": choose fewer steps, or another steps_offset",
             s->n, t, c->steps - 1);
    VW_CHECK(s->abar[t] > 0 || c->prediction == VW_PREDICTS_VELOCITY, VW_ERR_ARG,
             "the network predicts noise, from which DDIM guesses no latents at timestep %d, where "
             "rescale_betas_zero_snr leaves none: choose dpm++, or leading timesteps",
             t);
    s->level[i] = s->abar[t];
  }
  return VW_OK;
}

static vw_status take_memory(vw_sampler *s) {
  VW_TRY(vw_schedule_abar(&s->config, &s->abar));
  s->timestep = malloc((size_t)s->n * sizeof *s->timestep);
  s->level = malloc((size_t)(s->n + 1) * sizeof *s->level);
  s->last = malloc((size_t)(s->count ? s->count : 1) * sizeof *s->last);
  VW_CHECK(s->timestep && s->level && s->last, VW_ERR_MEMORY, "sampler: out of memory");
  return VW_OK;
}

vw_status vw_sampler_create(vw_sampler *s, vw_sampler_kind kind, const vw_schedule_config *c, int64_t n,
                            int64_t count) {
  vw_status st = VW_OK;
  *s = (vw_sampler){.config = *c, .kind = kind, .n = n, .count = count};
  const bool dpm = kind == VW_SAMPLER_DPM_2M;
  VW_CHECK(n >= 1 && n + dpm <= c->steps, VW_ERR_ARG,
           "a sampler of %" PRId64 " steps: the network was trained with %" PRId64 ", choose fewer", n, c->steps);
  VW_GOTO(take_memory(s));
  double *last = &s->abar[c->steps - 1];
  if (dpm && c->zero_snr) *last = 0x1p-24;
  if (dpm && c->has_least && log_ratio(*last) < c->least_log_snr)
    VW_GOTO(VW_RAISE(VW_ERR_UNSUPPORTED,
                     "lambda_min_clipped is %g, and the noisiest timestep has %g: diffusers' DPM-Solver++ would leave "
                     "timesteps out, which viswords does not: choose ddim, or set it to -inf",
                     c->least_log_snr, log_ratio(*last)));
  if (dpm && c->karras)
    space_by_sigma(s);
  else
    VW_GOTO(space(s));
  s->level[n] = c->ends_noisy ? s->abar[0] : 1;
cleanup:
  if (st != VW_OK) vw_sampler_free(s);
  return st;
}

void vw_sampler_free(vw_sampler *s) {
  free(s->timestep), free(s->abar), free(s->level), free(s->last);
  *s = (vw_sampler){0};
}

void vw_sampler_restart(vw_sampler *s) {
  s->at = 0;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* The network's guess of the latents without noise. */
static double clean(const vw_sampler *s, double abar, double x, double prediction) {
  const double a = sqrt(abar), b = sqrt(1 - abar);
  return s->config.prediction == VW_PREDICTS_VELOCITY ? a * x - b * prediction : (x - b * prediction) / a;
}

static void ddim_step(const vw_sampler *s, double *x, const double *prediction) {
  const int64_t t = s->timestep[s->at], next = t - s->config.steps / s->n;
  const double abar = s->abar[t], end = s->config.last_alpha_one ? 1 : s->abar[0], to = next >= 0 ? s->abar[next] : end;
  const double a = sqrt(abar), b = sqrt(1 - abar);
  for (int64_t i = 0; i < s->count; i++) {
    const bool velocity = s->config.prediction == VW_PREDICTS_VELOCITY;
    const double noise = velocity ? a * prediction[i] + b * x[i] : prediction[i];
    double x0 = clean(s, abar, x[i], prediction[i]);
    if (s->config.clip > 0) x0 = fmin(fmax(x0, -s->config.clip), s->config.clip);
    x[i] = sqrt(to) * x0 + sqrt(1 - to) * noise;
  }
}

/* Whether the step of DPM-Solver++ looks at its latents alone: the first, which has no guess of a step before; the last
 * to no noise at all, where it is the guess; what the configuration says of the last otherwise. */
static bool is_first_order(const vw_sampler *s) {
  const vw_schedule_config *c = &s->config;
  const bool final = s->at + 1 == s->n;
  return s->at == 0 || c->first_order ||
         (final && (!c->ends_noisy || c->euler_at_final || (!c->full_order_final && s->n < 15)));
}

static void dpm_step(vw_sampler *s, double *x, const double *prediction) {
  const double abar = s->level[s->at], to = s->level[s->at + 1];
  const bool alone = is_first_order(s);
  const double h = log_ratio(to) - log_ratio(abar);
  const double before = alone ? 1 : log_ratio(abar) - log_ratio(s->level[s->at - 1]);
  const double keep = sqrt((1 - to) / (1 - abar)), take = -sqrt(to) * expm1(-h);
  const double bend = s->config.heun && !alone ? (h != 0 ? sqrt(to) * (expm1(-h) / h + 1) : 0) : take / 2;
  for (int64_t i = 0; i < s->count; i++) {
    const double x0 = clean(s, abar, x[i], prediction[i]);
    const double slope = alone ? 0 : h / before * (x0 - s->last[i]);
    x[i] = s->config.heun ? keep * x[i] + take * x0 + bend * slope : keep * x[i] + take * (x0 + slope / 2);
    s->last[i] = x0;
  }
}

void vw_sampler_step(vw_sampler *s, double *x, const double *prediction) {
  if (s->kind == VW_SAMPLER_DDIM)
    ddim_step(s, x, prediction);
  else
    dpm_step(s, x, prediction);
  s->at++;
}

void vw_guide(const double *without, const double *with, double guidance, int64_t n, double *prediction) {
  for (int64_t i = 0; i < n; i++) prediction[i] = without[i] + guidance * (with[i] - without[i]);
}
