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

vw_status vw_sampler_create(vw_sampler *s, vw_sampler_kind kind, const vw_schedule_config *c, int64_t n,
                            int64_t count) {
  vw_status st = VW_OK;
  *s = (vw_sampler){.config = *c, .kind = kind, .n = n, .count = count};
  VW_CHECK(n >= 1 && n + (kind == VW_SAMPLER_DPM_2M) <= c->steps, VW_ERR_ARG,
           "a sampler of %" PRId64 " steps: the network was trained with %" PRId64 ", choose fewer", n, c->steps);
  const vw_spacing own = kind == VW_SAMPLER_DDIM ? VW_SPACING_LEADING : VW_SPACING_LINSPACE;
  VW_GOTO(vw_schedule_abar(c, &s->abar));
  s->timestep = malloc((size_t)n * sizeof *s->timestep);
  s->last = malloc((size_t)(count ? count : 1) * sizeof *s->last);
  if (!s->timestep || !s->last) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "sampler: out of memory"));
  for (int64_t i = 0; i < n; i++) {
    s->timestep[i] = timestep_of(s, c->spacing == VW_SPACING_DEFAULT ? own : c->spacing, i);
    if (s->timestep[i] < 0 || s->timestep[i] >= c->steps)
      VW_GOTO(VW_RAISE(VW_ERR_ARG,
                       "a sampler of %" PRId64 " steps asks for timestep %d, the network was trained with 0 to %" PRId64
                       ": choose fewer steps, or another steps_offset",
                       n, s->timestep[i], c->steps - 1));
  }
cleanup:
  if (st != VW_OK) vw_sampler_free(s);
  return st;
}

void vw_sampler_free(vw_sampler *s) {
  free(s->timestep), free(s->abar), free(s->last);
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

/* log(alpha / sigma). */
static double log_ratio(double abar) {
  return 0.5 * (log(abar) - log1p(-abar));
}

/* Second order from the second step on; the last step, to no noise at all, is of first order, where it is the guess. */
static void dpm_step(vw_sampler *s, double *x, const double *prediction) {
  const double abar = s->abar[s->timestep[s->at]];
  const bool final = s->at + 1 == s->n, first = s->at == 0;
  const double to = final ? 1 : s->abar[s->timestep[s->at + 1]];
  const double h = final ? INFINITY : log_ratio(to) - log_ratio(abar);
  const double before = first ? 0 : log_ratio(abar) - log_ratio(s->abar[s->timestep[s->at - 1]]);
  const double keep = sqrt((1 - to) / (1 - abar)), take = -sqrt(to) * expm1(-h);
  for (int64_t i = 0; i < s->count; i++) {
    const double x0 = clean(s, abar, x[i], prediction[i]);
    const double slope = first || final ? 0 : h / before * (x0 - s->last[i]); /* over half a step */
    x[i] = keep * x[i] + take * (x0 + slope / 2);
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
