/* Latents that a step draws, against a plain computation: z = scale (mean + exp(logvar / 2) e) of the drawn picture or
 * its mirror. Random autoencoders, whose log-variances are far from those of a trained one: there e hardly counts. */
#include "tests/models/sd_fixture.h"

#include "core/random.h"
#include "tasks/generation/generation_graph.h"
#include "tasks/generation/latents.h"
#include "tasks/leaves.h"

#include <math.h>

enum { PICTURES = 3, SAMPLES = 5, STREAMS = 2, STEP = 11, SIDE = 16 };
static const uint64_t keys[STREAMS] = {0x1234567890abcdefULL, 42};

typedef struct fixture {
  char dir[VW_PATH_BYTES];
  vw_context ctx;
  vw_sd_network *sd;
  vw_data_config data;
  vw_picture_set *set;
  int64_t picture[PICTURES];
  vw_latent_list list;
} fixture;

static void begin(fixture *f, const char *name, vw_backend backend) {
  static char root[1024];
  static const char *concept[] = {"fox"};
  *f = (fixture){.picture = {0, 1, 2}};
  sd_make(name, f->dir);
  assert_ok(vw_context_open(&f->ctx, backend, 1, 0));
  assert_ok(vw_sd_network_open(&f->sd, f->dir, &f->ctx));
  (void)snprintf(root, sizeof root, "%s", vw_test_path("../data/portraits"));
  f->data = (vw_data_config){.name = "portraits", .root = root, .train = PICTURES, .test = 1, .concepts = {1, concept}};
  assert_ok(vw_picture_set_open(&f->set, &f->data, 0, VW_SEES_CROPS, NULL));
  f->list = (vw_latent_list){.set = f->set, .network = f->sd, .cache = f->dir, .side = SIDE, .picture = f->picture};
  f->list.n = PICTURES;
}

static void end(fixture *f) {
  vw_picture_set_close(f->set);
  vw_sd_network_close(f->sd);
  vw_context_close(&f->ctx);
  sd_remove(f->dir);
}

/* Numbers of a picture's moments: [2, h, w, 2 C]. */
static int64_t count(const fixture *f) {
  return vw_latents_count(f->sd, SIDE);
}

static double *kept_moments(const fixture *f) {
  const size_t n = (size_t)(PICTURES * count(f));
  vw_ranks alone;
  int64_t computed = 0;
  bool stopped = false;
  vw_ranks_single(&alone);
  assert_ok(vw_latents_ensure(&f->list, &alone, NULL, &computed, &stopped));
  assert_int_equal(computed, PICTURES);
  void *raw = malloc(n * sizeof(double));
  double *moments = malloc(n * sizeof *moments);
  assert_true(raw && moments);
  assert_ok(vw_latents_load(&f->list, raw));
  assert_ok(vw_convert(moments, VW_F64, raw, vw_latents_type(f->sd), (int64_t)n));
  free(raw);
  return moments;
}

/* The encoder's of one picture, by a program of the test's own. */
static void plain_moments(const fixture *f, int64_t picture, bool mirrored, double *moments) {
  const int64_t h = SIDE / vw_vae_factor(&f->sd->vae), C = f->sd->vae.latent_channels;
  static uint8_t rgb[SIDE * SIDE * 3];
  static double pixels[SIDE * SIDE * 3];
  vw_image image = {0};
  vw_graph *g = NULL;
  vw_program *p = NULL;
  assert_ok(vw_picture_read(f->set, &f->set->train[picture], &image));
  assert_ok(vw_centre_square(&image, SIDE, rgb));
  vw_image_free(&image);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      for (int c = 0; c < 3; c++)
        pixels[(y * SIDE + (mirrored ? SIDE - 1 - x : x)) * 3 + c] = rgb[(y * SIDE + x) * 3 + c] / 127.5 - 1;
  assert_ok(vw_graph_create(&g));
  assert_ok(vw_sd_encoder_graph(g, f->sd, SIDE, SIDE));
  assert_ok(vw_program_create(&p, g, f->sd->net.ctx, &f->sd->image_policy));
  assert_ok(vw_weights_bind(f->sd->net.weights, p));
  assert_ok(vw_write_leaf(p, g, "pixels", vw_shape(VW_F64, 1, SIDE, SIDE, 3), pixels));
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  assert_ok(vw_read_leaf(p, g, "moments", vw_shape(VW_F64, 1, h, h, 2 * C), moments));
  vw_program_destroy(p), vw_graph_destroy(g);
}

/* What the step draws: [STREAMS SAMPLES, h, w, C]. */
static void drawn_latents(const fixture *f, const double *moments, uint32_t set, int64_t slices, double *z) {
  const int64_t h = SIDE / vw_vae_factor(&f->sd->vae), C = f->sd->vae.latent_channels, step = STEP;
  const vw_learn_config learn = {.positives = SAMPLES};
  for (int64_t slice = 0; slice < (slices ? slices : 1); slice++) {
    vw_step_shape s = {.K = STREAMS, .slice = slice, .slices = slices};
    s.size[VW_GENERATION_STREAMS] = STREAMS, s.size[VW_GENERATION_PICTURES] = PICTURES, s.size[VW_GENERATION_SIDE] = h;
    const vw_step_part part = vw_step_part_of(&s, SAMPLES);
    vw_graph *g = NULL;
    vw_program *p = NULL;
    vw_value latents = VW_NONE;
    double *some = malloc((size_t)(STREAMS * part.n * h * h * C) * sizeof *some);
    uint32_t words[2 * STREAMS];
    assert_non_null(some);
    assert_ok(vw_graph_create(&g));
    const vw_step_in in = {.words = VW_NONE, .step = vw_input(g, vw_shape(VW_I64, 1), "step"), .set = set};
    assert_ok(vw_generation_latents(f->sd, &learn, g, &s, &in, &latents));
    vw_output(g, latents, "latents");
    assert_ok(vw_program_create(&p, g, f->sd->net.ctx, NULL));
    for (int i = 0; i < STREAMS; i++) words[2 * i] = (uint32_t)keys[i], words[2 * i + 1] = (uint32_t)(keys[i] >> 32);
    assert_ok(vw_write_leaf(p, g, "key", vw_shape(VW_U32, STREAMS, 2), words));
    assert_ok(vw_write_leaf(p, g, "step", vw_shape(VW_I64, 1), &step));
    assert_ok(vw_write_pool(p, g, "positive", 0, PICTURES, PICTURES, STREAMS));
    assert_ok(vw_write_pool(p, g, "mirror", 0, 2, 2, STREAMS));
    assert_ok(vw_write_leaf(p, g, "moments", vw_shape(VW_F64, PICTURES, 2, count(f) / 2), moments));
    assert_ok(vw_program_prepare(p));
    assert_ok(vw_program_run(p));
    assert_ok(vw_read_leaf(p, g, "latents", vw_shape(VW_F64, STREAMS * part.n, h, h, C), some));
    for (int64_t i = 0; i < STREAMS; i++)
      memcpy(z + (i * SAMPLES + part.first) * h * h * C, some + i * part.n * h * h * C,
             (size_t)(part.n * h * h * C) * sizeof *z);
    free(some);
    vw_program_destroy(p), vw_graph_destroy(g);
  }
}

/* Number i of a purpose's normals at the step. */
static double normal(uint64_t key, uint32_t purpose, int64_t i) {
  float four[4];
  vw_normal4(vw_philox4x32(key, (uint32_t)(i / 4), STEP, purpose, 0), four);
  return four[i % 4];
}

/* docs/protocol.md, Generation. *mirrors: how many of the samples are; *noise: the least share of e in a sample. */
static void plain_latents(const fixture *f, const double *moments, uint32_t set, double *z, int *mirrors,
                          double *noise) {
  const int64_t h = SIDE / vw_vae_factor(&f->sd->vae), C = f->sd->vae.latent_channels, one = h * h * C;
  *mirrors = 0, *noise = INFINITY;
  for (int64_t b = 0; b < STREAMS * SAMPLES; b++) {
    const uint64_t key = keys[b / SAMPLES];
    const uint32_t j = (uint32_t)(b % SAMPLES);
    const uint32_t k = vw_below(vw_draw_u32(key, STEP, VW_DRAW_POSITIVE + set, j), PICTURES);
    const uint32_t m = vw_below(vw_draw_u32(key, STEP, VW_DRAW_MIRROR + set, j), 2);
    const double *of = moments + (2 * k + m) * (count(f) / 2);
    double mean2 = 0, noise2 = 0;
    *mirrors += m == 1;
    for (int64_t c = 0; c < C; c++)
      for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < h; x++) {
          const double *at = of + (y * h + x) * 2 * C;
          const double e = normal(key, VW_DRAW_POSTERIOR + set, ((j * C + c) * h + y) * h + x);
          const double part = exp(at[C + c] / 2) * e;
          z[b * one + (y * h + x) * C + c] = f->sd->vae.scale * (at[c] + part);
          mean2 += at[c] * at[c], noise2 += part * part;
        }
    if (noise2 / (mean2 + noise2) < *noise) *noise = noise2 / (mean2 + noise2);
  }
}

static void close_to(const double *got, const double *expected, int64_t n, double tolerance) {
  for (int64_t i = 0; i < n; i++) assert_true(fabs(got[i] - expected[i]) <= tolerance * (1 + fabs(expected[i])));
}

static void check(const char *name, vw_backend backend, double tolerance) {
  fixture f;
  begin(&f, name, backend);
  const int64_t half = count(&f) / 2, all = STREAMS * SAMPLES * half / 2;
  double *moments = kept_moments(&f), *one = malloc((size_t)half * sizeof *one);
  double *got = malloc((size_t)all * sizeof *got), *expected = malloc((size_t)all * sizeof *expected);
  assert_true(one && got && expected);
  for (int64_t i = 0; i < 2 * PICTURES; i++) { /* of a picture as it is, then of its mirror */
    plain_moments(&f, i / 2, i % 2 == 1, one);
    assert_memory_equal(moments + i * half, one, (size_t)half * sizeof *one);
  }
  assert_memory_not_equal(moments, moments + half, (size_t)half * sizeof *moments);
  for (int watch = 0; watch < 2; watch++) {
    const uint32_t set = watch ? VW_DRAW_WATCH : 0;
    int mirrors = 0;
    double noise = 0;
    plain_latents(&f, moments, set, expected, &mirrors, &noise);
    assert_true(mirrors > 0 && mirrors < STREAMS * SAMPLES && noise > .2);
    for (int64_t slices = 0; slices <= 3; slices += 3) {
      drawn_latents(&f, moments, set, slices, got);
      close_to(got, expected, all, tolerance);
    }
  }
  free(moments), free(one), free(got), free(expected);
  end(&f);
}

static void test_ref(void **state) {
  (void)state;
  check("sd_a", VW_REF, 1e-12);
  check("sd_c", VW_REF, 1e-12);
}

static void test_cpu(void **state) {
  (void)state;
  check("sd_a", VW_CPU, 1e-6);
  check("sd_b", VW_CPU, 1e-6);
  check("sd_c", VW_CPU, 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_ref), cmocka_unit_test(test_cpu)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
