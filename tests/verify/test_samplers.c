/* `verify` of a sampler's steps: a network so steep that fp32's rounding grows past the limit within five steps is not
 * called wrong, and a step that is wrong is found. The reference is our own double, as diffusers gives it to 1e-14; the
 * network is one of tests/reference/sd.py, whose weights come from seeds. */
#include "tests/models/sd_fixture.h"

#include "networks/drawing.h"
#include "verify/verify.h"

#include <math.h>

enum { STEPS = 5, SIDE = 4, CHANNELS = 4, COUNT = SIDE * SIDE * CHANNELS, STARTS = 6 };
static const double limit = 1e-4, guidance = 7.5;

typedef struct fixture {
  char dir[VW_PATH_BYTES], file[VW_PATH_BYTES];
  vw_context ctx[2]; /* ref, cpu */
  vw_sd_network *n[2];
  uint16_t *context; /* f16 [VW_CONTEXTS, J, C] */
  double *states;    /* the same */
  int64_t J, C;
} fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  sd_make("sd_c", f->dir);
  assert_ok(vw_path_format(f->file, "%s/reference.safetensors", f->dir));
  for (int b = 0; b < 2; b++) {
    assert_ok(vw_context_open(&f->ctx[b], b ? VW_CPU : VW_REF, 1, 0));
    assert_ok(vw_sd_network_open(&f->n[b], f->dir, &f->ctx[b]));
  }
  f->J = vw_sd_positions(f->n[0]), f->C = f->n[0]->unet.context;
  const int64_t n = VW_CONTEXTS * f->J * f->C;
  f->context = malloc((size_t)n * sizeof *f->context), f->states = malloc((size_t)n * sizeof *f->states);
  assert_true(f->context && f->states);
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  for (int b = 0; b < 2; b++) vw_sd_network_close(f->n[b]), vw_context_close(&f->ctx[b]);
  sd_remove(f->dir);
  free(f->context), free(f->states), free(f);
  return 0;
}

/* ---- a reference file -------------------------------------------------------------------------------------------- */

typedef struct steps {
  double latents[COUNT], kept[STEPS * COUNT];
} steps;

static bool keep(void *user, int64_t done, int64_t of) {
  steps *s = user;
  assert_int_equal(of, STEPS);
  memcpy(s->kept + (done - 1) * COUNT, s->latents, sizeof s->latents);
  return true;
}

static void start_of(uint64_t seed, double *x) {
  vw_test_fill(x, COUNT, seed);
  for (int i = 0; i < COUNT; i++) x[i] *= 1.7;
}

/* The whole trajectory, each step from the one before. */
static void draw(const fixture *f, int backend, vw_sampler_kind sampler, const double *start, steps *out) {
  const int64_t side = SIDE * vw_vae_factor(&f->n[0]->vae);
  const vw_drawing d = {1, side, side, guidance, sampler, STEPS, VW_SPACING_DEFAULT};
  vw_drawer *w = NULL;
  bool stopped;
  memcpy(out->latents, start, sizeof out->latents);
  assert_ok(vw_drawer_create(&w, f->n[backend], &d));
  assert_ok(
      vw_drawer_run(w, f->states + f->J * f->C, f->states, out->latents, &(vw_drawing_watch){keep, out}, &stopped));
  vw_drawer_destroy(w);
}

static vw_tensor tensor(vw_tensor shape, const void *data) {
  shape.data = (void *)(uintptr_t)data;
  return shape;
}

/* Other texts and other noise for each seed; kept[sampler] are double's steps. */
static void make_reference(fixture *f, uint64_t seed, steps kept[VW_SAMPLERS]) {
  const int64_t n = VW_CONTEXTS * f->J * f->C;
  double start[COUNT];
  start_of(11 + seed, start);
  vw_test_fill(f->states, n, 100 + seed);
  for (int64_t i = 0; i < n; i++) f->states[i] *= 2;
  assert_ok(vw_convert(f->context, VW_F16, f->states, VW_F64, n));
  assert_ok(vw_convert(f->states, VW_F64, f->context, VW_F16, n));
  for (int s = 0; s < VW_SAMPLERS; s++) draw(f, 0, (vw_sampler_kind)s, start, &kept[s]);
  const vw_tensor steps_shape = vw_shape(VW_F64, STEPS, SIDE, SIDE, CHANNELS);
  const vw_safetensors_entry entries[] = {{"context", tensor(vw_shape(VW_F16, VW_CONTEXTS, f->J, f->C), f->context)},
                                          {"start", tensor(vw_shape(VW_F64, 1, SIDE, SIDE, CHANNELS), start)},
                                          {"ddim.latents", tensor(steps_shape, kept[VW_SAMPLER_DDIM].kept)},
                                          {"dpm++.latents", tensor(steps_shape, kept[VW_SAMPLER_DPM_2M].kept)}};
  assert_ok(vw_safetensors_write(f->file, entries, 4, NULL, 0));
}

static double relative(const double *got, const double *expected) {
  double most = 0, size = 0;
  for (int i = 0; i < STEPS * COUNT; i++)
    most = fmax(most, fabs(got[i] - expected[i])), size = fmax(size, fabs(expected[i]));
  return most / size;
}

/* ---- what verify says -------------------------------------------------------------------------------------------- */

typedef struct verdict {
  double relative[VW_SAMPLERS], limit;
  int64_t beyond;
} verdict;

static verdict verify(fixture *f, int backend, double with_guidance) {
  vw_verification v = {.ctx = f->ctx[backend], .sd = f->n[backend], .rows = json_array(), .stride = 1};
  verdict out = {0};
  v.about = json_pack("{s:i, s:f}", "steps", STEPS, "guidance", with_guidance);
  assert_ok(vw_safetensors_open(&v.file, f->file));
  assert_ok(vw_verify_samplers(&v));
  assert_int_equal(json_array_size(v.rows), VW_SAMPLERS);
  for (size_t s = 0; s < VW_SAMPLERS; s++) {
    const json_t *row = json_array_get(v.rows, s);
    out.relative[s] = json_real_value(json_object_get(row, "relative"));
    out.limit = json_real_value(json_object_get(row, "limit"));
  }
  out.beyond = v.beyond;
  vw_safetensors_close(v.file);
  json_decref(v.rows), json_decref(v.about);
  return out;
}

static void a_steep_network_is_not_called_wrong(void **state) {
  fixture *f = *state;
  steps kept[VW_SAMPLERS], own;
  double start[COUNT], freely = 0;
  for (uint64_t seed = 30; seed < 30 + STARTS; seed++) {
    make_reference(f, seed, kept);
    start_of(11 + seed, start);
    draw(f, 1, VW_SAMPLER_DDIM, start, &own);
    freely = fmax(freely, relative(own.kept, kept[VW_SAMPLER_DDIM].kept));
    const verdict said = verify(f, 1, guidance);
    assert_true(said.limit == limit);
    for (int s = 0; s < VW_SAMPLERS; s++)
      if (!(said.relative[s] < limit / 4)) fail_msg("seed %d, sampler %d: %g", (int)seed, s, said.relative[s]);
    assert_int_equal(said.beyond, 0);
  }
  if (!(freely > limit)) fail_msg("no trajectory leaves the limit (%g): another network is needed here", freely);
}

static void double_agrees_to_its_own_limit(void **state) {
  fixture *f = *state;
  steps kept[VW_SAMPLERS];
  make_reference(f, 30, kept);
  const verdict said = verify(f, 0, guidance);
  assert_true(said.beyond == 0 && said.limit < 1e-7);
}

/* Another guidance, another schedule, other timesteps. */
static void wrong_steps_are_found(void **state) {
  fixture *f = *state;
  steps kept[VW_SAMPLERS];
  make_reference(f, 30, kept);
  assert_int_equal(verify(f, 1, 1.02 * guidance).beyond, VW_SAMPLERS);
  f->n[1]->schedule.beta_end *= 1.02;
  assert_int_equal(verify(f, 1, guidance).beyond, VW_SAMPLERS);
  f->n[1]->schedule = f->n[0]->schedule;
  f->n[1]->schedule.spacing = VW_SPACING_LEADING; /* the network's own: trailing */
  assert_int_equal(verify(f, 1, guidance).beyond, VW_SAMPLERS);
  f->n[1]->schedule = f->n[0]->schedule;
  assert_int_equal(verify(f, 1, guidance).beyond, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_steep_network_is_not_called_wrong, set_up, tear_down),
      cmocka_unit_test_setup_teardown(double_agrees_to_its_own_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(wrong_steps_are_found, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
