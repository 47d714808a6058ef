/* `verify --reference` of a Stable Diffusion directory: what a step of each sampler makes of the reference's latents.
 *
 * A step is x' = A x + B ((1 - g) p + g q): p and q are two passes of the UNet, g the guidance. It answers for what it
 * does to the x it is given. Were its own x' the next step's x, each step would also multiply the error that came before
 * by its slope dx'/dx, which depends on the weights alone and has no bound: fp32 would be judged by how steep a network
 * is, not by whether it is right. */
#include "networks/drawing.h"
#include "verify/verify.h"

#include "kernels/cast.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vw_status vw_reference_context(const vw_verification *v, vw_tensor *context) {
  return vw_reference_tensor(v, "context", vw_shape(VW_F16, VW_CONTEXTS, vw_sd_positions(v->sd), v->sd->unet.context),
                             context);
}

typedef struct trajectory {
  double *latents;        /* [count]: where the drawing is */
  double *got;            /* [steps, count]: what each step made */
  const double *expected; /* [steps, count] */
  int64_t count;
} trajectory;

/* Keeps what the step made, and lets the next one start from the reference's. */
static bool keep_step(void *user, int64_t done, int64_t steps) {
  const trajectory *t = user;
  const int64_t at = (done - 1) * t->count;
  (void)steps;
  memcpy(t->got + at, t->latents, (size_t)t->count * sizeof *t->latents);
  memcpy(t->latents, t->expected + at, (size_t)t->count * sizeof *t->latents);
  return true;
}

static vw_status verify_sampler(vw_verification *v, const vw_drawing *d, const vw_tensor *start, const double *states) {
  const int64_t count = vw_count(start), one = vw_sd_positions(v->sd) * v->sd->unet.context;
  const vw_tensor shape = vw_shape(VW_F64, d->steps, start->dim[1], start->dim[2], start->dim[3]);
  char name[64];
  vw_tensor expected;
  vw_drawer *drawer = NULL;
  bool stopped = false;
  vw_status st = VW_OK;
  (void)snprintf(name, sizeof name, "%s.latents", vw_sampler_name(d->sampler));
  VW_TRY(vw_reference_tensor(v, name, shape, &expected));
  trajectory t = {malloc((size_t)count * sizeof *t.latents), malloc((size_t)(d->steps * count) * sizeof *t.got),
                  vw_f64(&expected), count};
  if (!t.latents || !t.got) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "verify: out of memory"));
  memcpy(t.latents, start->data, (size_t)count * sizeof *t.latents);
  VW_GOTO(vw_drawer_create(&drawer, v->sd, d));
  VW_GOTO(vw_drawer_run(drawer, states + one, states, t.latents, &(vw_drawing_watch){keep_step, &t}, &stopped));
  st = vw_compare(v, name, t.got, t.expected, d->steps * count, 0, VW_LIMIT_OUTPUT);
cleanup:
  vw_drawer_destroy(drawer);
  free(t.latents), free(t.got);
  return st;
}

vw_status vw_verify_samplers(vw_verification *v) {
  const int64_t factor = vw_vae_factor(&v->sd->vae);
  vw_tensor start, context;
  double steps;
  vw_drawing d = {.batch = 1};
  VW_TRY(vw_reference_number(v, "steps", &steps));
  VW_TRY(vw_reference_number(v, "guidance", &d.guidance));
  VW_CHECK(steps >= 1 && steps <= 1000, VW_ERR_INPUT, "%s: metadata 'json': steps %g; expected 1 to 1000",
           vw_safetensors_path(v->file), steps);
  VW_TRY(vw_reference_tensor(v, "start", vw_shape(VW_F64, 1, -1, -1, v->sd->unet.in_channels), &start));
  VW_TRY(vw_reference_context(v, &context));
  d.steps = (int64_t)steps, d.height = start.dim[1] * factor, d.width = start.dim[2] * factor;
  double *states = malloc((size_t)vw_count(&context) * sizeof *states);
  VW_CHECK(states, VW_ERR_MEMORY, "verify: out of memory");
  vw_status st = vw_convert(states, VW_F64, context.data, VW_F16, vw_count(&context));
  for (int i = 0; i < VW_SAMPLERS && st == VW_OK; i++) {
    d.sampler = (vw_sampler_kind)i;
    st = verify_sampler(v, &d, &start, states);
  }
  free(states);
  return st;
}
