/* Samplers step by step against diffusers' schedulers in float64 (tests/reference/schedule.py). */
#include "tests/support/test.h"

#include "io/safetensors.h"
#include "networks/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Both sides compute in double; ten steps multiply what is left by the largest step's factor, below 100. */
static const double tol = 1e-11;

#define SCALED .steps = 1000, .beta_start = .00085, .beta_end = .012, .scaled = true

static const struct {
  const char *name;
  vw_schedule_config config;
} configs[] = {
    {"v", {SCALED, .prediction = VW_PREDICTS_VELOCITY, .offset = 1}},
    {"epsilon", {SCALED, .offset = 1, .spacing = VW_SPACING_LEADING}},
    {"silent", {.steps = 1000, .beta_start = .0001, .beta_end = .02, .last_alpha_one = true, .clip = 1}},
    {"linspace", {SCALED, .prediction = VW_PREDICTS_VELOCITY, .spacing = VW_SPACING_LINSPACE, .last_alpha_one = true}},
    {"trailing", {SCALED, .spacing = VW_SPACING_TRAILING, .offset = 1, .last_alpha_one = true}},
    {"short", {.steps = 40, .beta_start = .00085, .beta_end = .012, .scaled = true, .last_alpha_one = true}},
};
enum { CONFIGS = sizeof configs / sizeof *configs, COUNT = 12, KEPT = 4 };

/* Keys that few configurations set; the file keeps the first KEPT latents. */
#define TRAILING_V SCALED, .prediction = VW_PREDICTS_VELOCITY, .spacing = VW_SPACING_TRAILING
static const struct {
  const char *name;
  vw_schedule_config config;
  int steps[4];
} keys[] = {
    {"karras", {SCALED, .karras = true}, {1, 2, 9}},
    {"karras_v", {TRAILING_V, .karras = true, .heun = true, .ends_noisy = true}, {9}},
    {"first", {SCALED, .first_order = true}, {3}},
    {"heun", {SCALED, .heun = true}, {4}},
    {"sigma_min", {SCALED, .ends_noisy = true}, {4, 15}},
    {"full", {SCALED, .ends_noisy = true, .full_order_final = true}, {4}},
    {"euler", {SCALED, .ends_noisy = true, .euler_at_final = true}, {15}},
    {"zero_snr", {TRAILING_V, .zero_snr = true, .last_alpha_one = true}, {5}},
    {"zero_snr_noise", {SCALED, .zero_snr = true, .last_alpha_one = true, .spacing = VW_SPACING_LEADING}, {5}},
    {"zero_snr_karras", {TRAILING_V, .zero_snr = true, .karras = true}, {5}},
};
enum { KEYS = sizeof keys / sizeof *keys };

/* Compares the first `kept` latents. */
static void follow(const vw_safetensors *file, const char *key, vw_sampler *s, int kept) {
  char name[128];
  vw_tensor expected;
  double x[COUNT], shift[COUNT], prediction[COUNT];
  (void)snprintf(name, sizeof name, "%s.timesteps", key);
  assert_ok(vw_safetensors_find(file, name, &expected));
  for (int64_t i = 0; i < s->n; i++)
    if (s->timestep[i] != vw_i32(&expected)[i])
      fail_msg("%s: timestep %d is %d, diffusers has %d", key, (int)i, s->timestep[i], vw_i32(&expected)[i]);
  (void)snprintf(name, sizeof name, "%s.x", key);
  if (!vw_safetensors_has(file, name)) return;
  assert_ok(vw_safetensors_find(file, name, &expected));
  for (int again = 0; again < 2; again++, vw_sampler_restart(s)) {
    vw_test_fill(x, COUNT, 7);
    for (int j = 0; j < COUNT; j++) x[j] *= 2;
    for (int64_t i = 0; i < s->n; i++) {
      vw_test_fill(shift, COUNT, (uint64_t)(100 + i));
      for (int j = 0; j < COUNT; j++) prediction[j] = tanh(.7 * x[j] + shift[j]);
      vw_sampler_step(s, x, prediction);
      vw_assert_near(key, x, vw_f64(&expected) + i * kept, kept, tol);
    }
  }
}

static void samplers_follow_diffusers(void **state) {
  (void)state;
  static const int steps[] = {1, 2, 7, 10, 50};
  vw_safetensors *file = NULL;
  int followed = 0;
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/schedule.safetensors")));
  for (int kind = 0; kind < VW_SAMPLERS; kind++)
    for (int c = 0; c < CONFIGS; c++)
      for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char key[64], name[128];
        vw_sampler s;
        (void)snprintf(key, sizeof key, "%s.%s.%d", vw_sampler_name((vw_sampler_kind)kind), configs[c].name, steps[i]);
        (void)snprintf(name, sizeof name, "%s.timesteps", key);
        if (!vw_safetensors_has(file, name)) continue;
        assert_ok(vw_sampler_create(&s, (vw_sampler_kind)kind, &configs[c].config, steps[i], COUNT));
        follow(file, key, &s, COUNT);
        vw_sampler_free(&s);
        followed++;
      }
  assert_int_equal(followed, VW_SAMPLERS * (CONFIGS * 4 + 2));
  vw_safetensors_close(file);
}

static void keys_of_configurations_follow_diffusers(void **state) {
  (void)state;
  vw_safetensors *file = NULL;
  int followed = 0;
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/schedule_keys.safetensors")));
  for (int kind = 0; kind < VW_SAMPLERS; kind++)
    for (int k = 0; k < KEYS; k++)
      for (const int *n = keys[k].steps; *n; n++) {
        char key[64], name[128];
        vw_sampler s;
        (void)snprintf(key, sizeof key, "%s.%s.%d", vw_sampler_name((vw_sampler_kind)kind), keys[k].name, *n);
        (void)snprintf(name, sizeof name, "%s.x", key);
        if (!vw_safetensors_has(file, name)) continue;
        assert_ok(vw_sampler_create(&s, (vw_sampler_kind)kind, &keys[k].config, *n, COUNT));
        follow(file, key, &s, KEPT);
        vw_sampler_free(&s);
        followed++;
      }
  assert_int_equal(followed, 13 + 2);
  vw_safetensors_close(file);
}

/* Where Karras' last level is that of the end, diffusers divides by nothing; the limit is a step that does nothing. */
static void a_step_to_where_it_is_stays_there(void **state) {
  (void)state;
  vw_sampler s;
  const vw_schedule_config c = {TRAILING_V, .karras = true, .heun = true, .ends_noisy = true};
  assert_ok(vw_sampler_create(&s, VW_SAMPLER_DPM_2M, &c, 15, 1));
  s.level[15] = s.level[14]; /* to the last bit */
  double x = 1, before = 0;
  const double prediction = .5;
  for (int i = 0; i < 15; i++) before = x, vw_sampler_step(&s, &x, &prediction);
  assert_true(isfinite(x) && fabs(x - before) < tol);
  vw_sampler_free(&s);
}

/* What a network would see: noise and velocity are the two sides of one rotation of latents and noise. */
static void velocity_turns_back_to_latents(void **state) {
  (void)state;
  double *abar = NULL, noisy[2], velocity[2];
  assert_ok(vw_schedule_abar(&configs[0].config, &abar));
  assert_true(abar[0] < 1 && abar[999] > 0 && abar[999] < .01);
  for (int t = 0; t < 1000; t += 37) {
    const double x = .3, n = -1.2;
    vw_schedule_noisy(abar[t], noisy), vw_schedule_velocity(abar[t], velocity);
    const double xt = noisy[0] * x + noisy[1] * n, v = velocity[0] * x + velocity[1] * n;
    assert_true(fabs(sqrt(abar[t]) * xt - sqrt(1 - abar[t]) * v - x) < 1e-14);
  }
  free(abar);
}

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  vw_sampler s;
  vw_sampler_kind kind;
  const vw_schedule_config *c = &configs[5].config;
  vw_schedule_config far = *c;
  assert_int_equal(vw_sampler_create(&s, VW_SAMPLER_DDIM, c, 41, 1), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "trained with 40"));
  assert_int_equal(vw_sampler_create(&s, VW_SAMPLER_DDIM, c, 0, 1), VW_ERR_ARG);
  assert_int_equal(vw_sampler_create(&s, VW_SAMPLER_DPM_2M, c, 40, 1), VW_ERR_ARG);
  far.offset = 5;
  assert_int_equal(vw_sampler_create(&s, VW_SAMPLER_DDIM, &far, 40, 1), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "steps_offset"));
  vw_schedule_config blind = {SCALED, .spacing = VW_SPACING_TRAILING, .zero_snr = true};
  assert_int_equal(vw_sampler_create(&s, VW_SAMPLER_DDIM, &blind, 5, 1), VW_ERR_ARG); /* noise alone tells no latents */
  assert_non_null(strstr(vw_error_message(), "rescale_betas_zero_snr"));
  vw_schedule_config clipped = {SCALED, .has_least = true, .least_log_snr = -5.1}; /* below all: changes nothing */
  assert_ok(vw_sampler_create(&s, VW_SAMPLER_DPM_2M, &clipped, 5, 1));
  vw_sampler_free(&s);
  clipped.least_log_snr = -1;
  assert_ok(vw_sampler_create(&s, VW_SAMPLER_DDIM, &clipped, 5, 1)); /* not DDIM's */
  vw_sampler_free(&s);
  assert_int_equal(vw_sampler_create(&s, VW_SAMPLER_DPM_2M, &clipped, 5, 1), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "lambda_min_clipped is -1"));
  assert_int_equal(vw_sampler_named("euler", &kind), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "choose ddim or dpm++"));
  assert_ok(vw_sampler_named("dpm++", &kind));
  assert_int_equal(kind, VW_SAMPLER_DPM_2M);
}

/* A guess of 8 behind noise that takes all of the latents: DDIM keeps as much of it as the configuration lets it. */
static void guesses_are_cut_to_the_range(void **state) {
  (void)state;
  static const double clip[] = {0, 1, 3};
  for (int i = 0; i < 3; i++) {
    vw_schedule_config c = configs[4].config; /* its only step leads to latents without noise */
    vw_sampler s;
    c.clip = clip[i];
    assert_ok(vw_sampler_create(&s, VW_SAMPLER_DDIM, &c, 1, 2));
    const double a = sqrt(s.abar[s.timestep[0]]), no_noise[] = {0, 0};
    double x[] = {8 * a, -.5 * a};
    vw_sampler_step(&s, x, no_noise);
    assert_true(fabs(x[0] - (clip[i] > 0 ? clip[i] : 8)) < 1e-12 && fabs(x[1] + .5) < 1e-12);
    vw_sampler_free(&s);
  }
}

static void guidance_goes_beyond(void **state) {
  (void)state;
  const double without[] = {1, -2}, with[] = {2, -2};
  double out[2];
  vw_guide(without, with, 7.5, 2, out);
  assert_true(out[0] == 8.5 && out[1] == -2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(samplers_follow_diffusers),
                                     cmocka_unit_test(keys_of_configurations_follow_diffusers),
                                     cmocka_unit_test(a_step_to_where_it_is_stays_there),
                                     cmocka_unit_test(velocity_turns_back_to_latents),
                                     cmocka_unit_test(guesses_are_cut_to_the_range),
                                     cmocka_unit_test(what_cannot_be_is_refused),
                                     cmocka_unit_test(guidance_goes_beyond)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
