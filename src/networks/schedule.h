/* Diffusion's schedule and samplers on the host, in double: what a few thousand latents need between two runs of a
 * network. DDIM (Song et al. 2021, arXiv 2010.02502, eq. 12 with eta 0) and DPM-Solver++(2M) (Lu et al. 2022, arXiv
 * 2211.01095, algorithm 2), with the timesteps that diffusers' schedulers choose. */
#ifndef VW_NETWORKS_SCHEDULE_H
#define VW_NETWORKS_SCHEDULE_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum vw_prediction { VW_PREDICTS_NOISE, VW_PREDICTS_VELOCITY } vw_prediction;
typedef enum vw_spacing { VW_SPACING_DEFAULT, VW_SPACING_LEADING, VW_SPACING_LINSPACE, VW_SPACING_TRAILING } vw_spacing;
typedef enum vw_sampler_kind { VW_SAMPLER_DDIM, VW_SAMPLER_DPM_2M, VW_SAMPLERS } vw_sampler_kind;

typedef struct vw_schedule_config {
  int64_t steps; /* of training: 1000 */
  double beta_start, beta_end;
  bool scaled; /* betas are squares of a linear ramp between square roots; else the ramp itself */
  vw_prediction prediction;
  vw_spacing spacing;  /* DEFAULT: each sampler's own: DDIM leading, DPM-Solver++ linspace */
  int64_t offset;      /* added to timesteps of leading spacing */
  bool last_alpha_one; /* DDIM's last step ends without noise; else with that of timestep 0 */
  double clip;         /* DDIM cuts its guess of the latents to [-clip, clip]; 0: it does not */
  bool zero_snr; /* the ramp is stretched until the last timestep is noise alone (Lin et al. 2023, arXiv 2305.08891,
                        * algorithm 1); DPM-Solver++ keeps 2^-24 of the latents there, as diffusers does */
  /* DPM-Solver++ alone: */
  bool karras;         /* its levels of noise are those of Karras et al. 2022, arXiv 2206.00364, eq. 5 with rho 7 */
  bool first_order;    /* DPM-Solver++(1) */
  bool heun;           /* second order by Heun's rule (the paper's appendix), else by the midpoint */
  bool ends_noisy;     /* the last step leaves the noise of timestep 0, else none */
  bool euler_at_final; /* which then is of first order; with full_order_final off so is that of fewer than 15 steps */
  bool full_order_final;
  bool has_least;       /* no step may start from latents of less than least_log_snr */
  double least_log_snr; /* log(alpha / sigma) */
} vw_schedule_config;

/* abar[t] = prod_{s <= t} (1 - beta_s), [steps] doubles; the caller frees it. Errors: VW_ERR_ARG, VW_ERR_MEMORY. */
vw_status vw_schedule_abar(const vw_schedule_config *c, double **abar);

/* The two coefficients [2] of latents and noise in x_t, and those of the velocity (kernels/diffuse.h). */
void vw_schedule_noisy(double abar, double coef[2]);
void vw_schedule_velocity(double abar, double coef[2]);

/* "", "leading", "linspace", "trailing". */
const char *vw_spacing_name(vw_spacing spacing);
/* Errors: VW_ERR_ARG naming the choices. */
vw_status vw_spacing_named(const char *name, vw_spacing *spacing);

const char *vw_sampler_name(vw_sampler_kind kind); /* "ddim", "dpm++" */
/* Errors: VW_ERR_ARG naming the choices. */
vw_status vw_sampler_named(const char *name, vw_sampler_kind *kind);

typedef struct vw_sampler {
  vw_schedule_config config;
  vw_sampler_kind kind;
  int64_t n, at;     /* steps; the next one */
  int32_t *timestep; /* [n], falling: what the network is told; owned */
  double *abar;      /* [config.steps]; owned */
  double *level;     /* [n + 1]: abar of the latents before each step of DPM-Solver++, and behind the last; owned */
  double *last;      /* DPM-Solver++: the guess of the step before [count]; owned */
  int64_t count;     /* latents in all */
} vw_sampler;

/* A sampler of n steps for `count` numbers. The caller frees it. Errors: VW_ERR_ARG (more steps than training had, a
 * step behind the last timestep, DDIM from noise alone where noise is predicted), VW_ERR_UNSUPPORTED (least_log_snr
 * leaves timesteps out), VW_ERR_MEMORY. */
vw_status vw_sampler_create(vw_sampler *s, vw_sampler_kind kind, const vw_schedule_config *c, int64_t n, int64_t count);
void vw_sampler_free(vw_sampler *s); /* also of a zeroed struct */

/* One step: x [count] at timestep[at] becomes that of the next one, with what the network predicted. */
void vw_sampler_step(vw_sampler *s, double *x, const double *prediction);

/* Starts over with other latents: same timesteps. */
void vw_sampler_restart(vw_sampler *s);

/* prediction = without + guidance (with - without), [n]; may lie on `with` (Ho & Salimans 2022, arXiv 2207.12598). */
void vw_guide(const double *without, const double *with, double guidance, int64_t n, double *prediction);

#endif
