/* Drawing with the embedded Stable Diffusion against diffusers' pipeline from the same latents (tests/reference/
 * drawing.py), and directories whose weights and configurations do not belong together. */
#include "tests/models/sd_fixture.h"

#include "networks/drawing.h"

#include <math.h>

enum { B = 2, SIDE = 32, LATENTS = 8 * 8 * 4, PIXELS = SIDE * SIDE * 3, POSITIONS = 77, WIDTH = 192 };
static const char *const texts[B + 1] = {"a photo of a dog", "a drawing of a red hammer", "tree, blue"};

static const struct {
  const char *name;
  vw_drawing what;
} drawings[] = {{"ddim", {B, SIDE, SIDE, 4, VW_SAMPLER_DDIM, 10}}, {"dpm++", {B, SIDE, SIDE, 4, VW_SAMPLER_DPM_2M, 8}}};

/* ref: rounding of some thousand operations in double, in ten steps with a guidance of 4. cpu: the same in fp32, where
 * diffusers' own pipeline is 7e-6 from the double. */
static double tolerance(vw_backend b) {
  return b == VW_REF ? 1e-8 : 1e-4;
}

static void start(int i, double *latents) {
  vw_test_fill(latents, LATENTS, (uint64_t)(11 + i));
  for (int j = 0; j < LATENTS; j++) latents[j] *= 1.7;
}

static void texts_of(vw_sd_network *n, double *states) {
  double *x = malloc((size_t)(B + 1) * POSITIONS * WIDTH * sizeof *x);
  assert_true(x && vw_sd_positions(n) == POSITIONS && n->net.width == WIDTH);
  for (int i = 0; i <= B; i++) assert_ok(vw_sd_embed_text(n, texts[i], NULL, 1, x + (ptrdiff_t)i * POSITIONS * WIDTH));
  assert_ok(vw_sd_text_states(n, x, B + 1, states));
  free(x);
}

static void check_picture(const char *name, const uint8_t *got, const uint8_t *expected) {
  for (int i = 0; i < PIXELS; i++)
    if (abs((int)got[i] - (int)expected[i]) > 1) /* both round */
      fail_msg("%s: pixel %d is %d, diffusers has %d", name, i, got[i], expected[i]);
}

static void check_drawing(vw_sd_network *n, vw_backend b, int which, const double *states, const vw_safetensors *file) {
  char key[32];
  vw_tensor latents, pictures;
  double x[B * LATENTS];
  uint8_t rgb[PIXELS];
  bool stopped;
  vw_drawer *d = NULL;
  (void)snprintf(key, sizeof key, "%s.latents", drawings[which].name);
  assert_ok(vw_safetensors_find(file, key, &latents));
  (void)snprintf(key, sizeof key, "%s.pictures", drawings[which].name);
  assert_ok(vw_safetensors_find(file, key, &pictures));
  assert_ok(vw_drawer_create(&d, n, &drawings[which].what));
  assert_int_equal(vw_drawer_latents(d), LATENTS);
  for (int again = b == VW_REF; again < 2; again++) { /* a drawer forgets what it drew */
    for (int i = 0; i < B; i++) start(i, x + (ptrdiff_t)i * LATENTS);
    assert_ok(vw_drawer_run(d, states, states + (ptrdiff_t)B * POSITIONS * WIDTH, x, NULL, &stopped));
    assert_false(stopped);
    vw_assert_near(drawings[which].name, x, vw_f64(&latents), vw_count(&latents), tolerance(b));
  }
  for (int i = 0; i < B; i++) {
    assert_ok(vw_drawer_decode(d, x + (ptrdiff_t)i * LATENTS, rgb));
    check_picture(drawings[which].name, rgb, (const uint8_t *)pictures.data + (ptrdiff_t)i * PIXELS);
  }
  vw_drawer_destroy(d);
}

static void pictures_are_those_of_diffusers(void **state) {
  (void)state;
  vw_safetensors *file = NULL;
  double *states = malloc((size_t)(B + 1) * POSITIONS * WIDTH * sizeof *states);
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/drawing.safetensors")));
  for (vw_backend b = VW_REF; b <= VW_CPU; b++) {
    vw_context ctx;
    vw_sd_network *n = NULL;
    assert_ok(vw_context_open(&ctx, b, 2, 0));
    assert_ok(vw_sd_network_open(&n, vw_test_path("../data/sd-tiny"), &ctx));
    texts_of(n, states);
    for (int i = 0; i < (b == VW_REF ? 1 : 2); i++) check_drawing(n, b, i, states, file); /* ref is slow */
    vw_sd_network_close(n);
    vw_context_close(&ctx);
  }
  free(states);
  vw_safetensors_close(file);
}

/* ---- on the CPU -------------------------------------------------------------------------------------------------- */

typedef struct opened {
  vw_context ctx;
  vw_sd_network *n;
  double states[(B + 1) * POSITIONS * WIDTH];
} opened;

static int open_tiny(void **state) {
  opened *o = malloc(sizeof *o);
  assert_non_null(o);
  assert_ok(vw_context_open(&o->ctx, VW_CPU, 2, 0));
  assert_ok(vw_sd_network_open(&o->n, vw_test_path("../data/sd-tiny"), &o->ctx));
  texts_of(o->n, o->states);
  *state = o;
  return 0;
}

static int close_tiny(void **state) {
  opened *o = *state;
  vw_sd_network_close(o->n);
  vw_context_close(&o->ctx);
  free(o);
  return 0;
}

/* The same bits alone, among others, and at another place. */
static void a_picture_does_not_depend_on_its_batch(void **state) {
  opened *o = *state;
  vw_drawing two = {2, SIDE, 24, 3, VW_SAMPLER_DDIM, 4}, one = two;
  const int64_t count = 8 * 6 * 4, text = (int64_t)POSITIONS * WIDTH;
  double both[2 * 8 * 6 * 4], alone[8 * 6 * 4];
  bool stopped;
  vw_drawer *d = NULL;
  one.batch = 1;
  assert_ok(vw_drawer_create(&d, o->n, &two));
  for (int i = 0; i < 2; i++) vw_drawing_noise((uint64_t)i, 0, 8, 6, 4, both + i * count);
  assert_ok(vw_drawer_run(d, o->states, o->states + B * text, both, NULL, &stopped));
  vw_drawer_destroy(d);
  assert_ok(vw_drawer_create(&d, o->n, &one));
  vw_drawing_noise(1, 0, 8, 6, 4, alone);
  assert_ok(vw_drawer_run(d, o->states + text, o->states + B * text, alone, NULL, &stopped));
  assert_memory_equal(both + count, alone, sizeof alone);
  vw_drawer_destroy(d);
}

static bool stop_at_two(void *user, int64_t done, int64_t steps) {
  *(int64_t *)user = done;
  return done < 2 || steps != 9;
}

static void a_drawing_can_be_stopped(void **state) {
  opened *o = *state;
  const vw_drawing what = {1, SIDE, SIDE, 1, VW_SAMPLER_DPM_2M, 9};
  double x[LATENTS];
  int64_t done = 0;
  bool stopped = false;
  vw_drawer *d = NULL;
  assert_ok(vw_drawer_create(&d, o->n, &what));
  vw_drawing_noise(1, 0, 8, 8, 4, x);
  assert_ok(vw_drawer_run(d, o->states, NULL, x, &(vw_drawing_watch){stop_at_two, &done}, &stopped));
  assert_true(stopped && done == 2);
  vw_drawer_destroy(d);
}

/* A name's own vector in a template is the name in the text. */
static void a_word_stands_for_its_vector(void **state) {
  opened *o = *state;
  double vector[WIDTH], *x = malloc(2 * POSITIONS * WIDTH * sizeof *x), *name = x + POSITIONS * WIDTH;
  int32_t id;
  assert_ok(vw_tokenizer_word(o->n->net.text.tokenizer, "hammer", &id));
  assert_ok(vw_text_word_vector(&o->n->net.text, id, vector));
  assert_ok(vw_sd_embed_text(o->n, "a photo of a {} there", vector, 1, x));
  assert_ok(vw_sd_embed_text(o->n, "a photo of a hammer there", NULL, 1, name));
  assert_memory_equal(x, name, POSITIONS * WIDTH * sizeof *x);
  assert_int_equal(vw_sd_embed_text(o->n, "a photo", vector, 1, x), VW_ERR_INPUT);
  free(x);
}

static void memory_is_planned(void **state) {
  opened *o = *state;
  vw_drawing what = {1, SIDE, SIDE, 1, VW_SAMPLER_DDIM, 9};
  vw_drawing_memory one, four, some, many;
  assert_ok(vw_drawing_measure(o->n, &what, &one));
  what.batch = 4;
  assert_ok(vw_drawing_measure(o->n, &what, &four));
  /* Eight times as many; what does not grow so: the text encoder and the decoder, a text or picture at a time, which
   * count for few pictures, and the waves of convolutions, which are bounded and count for many. */
  what.batch = 16;
  assert_ok(vw_drawing_measure(o->n, &what, &some));
  what.batch = 128;
  assert_ok(vw_drawing_measure(o->n, &what, &many));
  assert_true(many.programs > 5 * some.programs && many.programs < 9 * some.programs);
  assert_true(one.weights > 5000000 && one.weights == four.weights); /* 6.0 M parameters without the encoder's */
  assert_true(one.programs > 0 && four.programs >= one.programs);
}

static void what_cannot_be_drawn_is_refused(void **state) {
  opened *o = *state;
  vw_drawing what = {1, SIDE, SIDE, 1, VW_SAMPLER_DDIM, 9};
  what.width = 30;
  assert_int_equal(vw_drawing_check(o->n, &what), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "30 x 32: this network draws sides of a multiple of 4"));
  what.width = SIDE, what.guidance = .5;
  assert_int_equal(vw_drawing_check(o->n, &what), VW_ERR_ARG);
  what.guidance = NAN;
  assert_int_equal(vw_drawing_check(o->n, &what), VW_ERR_ARG);
  what.guidance = 2, what.steps = 1001;
  assert_int_equal(vw_drawing_check(o->n, &what), VW_ERR_ARG);
  what.steps = 9;
  (void)snprintf(o->n->hub.scheduler.not_dpm, sizeof o->n->hub.scheduler.not_dpm, "use_lu_lambdas is true");
  assert_ok(vw_drawing_check(o->n, &what)); /* DDIM does not look at it */
  what.sampler = VW_SAMPLER_DPM_2M;
  assert_int_equal(vw_drawing_check(o->n, &what), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "sd-tiny/scheduler/scheduler_config.json: use_lu_lambdas is true"));
  *o->n->hub.scheduler.not_dpm = 0;
  int64_t side = 0;
  assert_ok(vw_drawing_trained_size(o->n, &side));
  assert_int_equal(side, SIDE);
}

/* ---- directories that do not belong together -------------------------------------------------------------------- */

/* Replaces the first `from` in a file. */
static void edit(const char *dir, const char *name, const char *from, const char *to) {
  char path[VW_PATH_BYTES], *text, *made;
  int64_t bytes;
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  assert_ok(vw_file_read(path, &text, &bytes));
  const char *at = strstr(text, from);
  if (!at) fail_msg("%s has no %s", name, from);
  const size_t room = (size_t)bytes + strlen(to) + 1;
  made = malloc(room);
  (void)snprintf(made, room, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  assert_ok(vw_file_write(path, made, (int64_t)strlen(made)));
  free(text), free(made);
}

static void refused(const char *network, const char *file, const char *from, const char *to, const char *message) {
  char dir[VW_PATH_BYTES];
  vw_context ctx;
  vw_sd_network *n = NULL;
  sd_make(network, dir);
  edit(dir, file, from, to);
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_int_equal(vw_sd_network_open(&n, dir, &ctx), VW_ERR_INPUT);
  if (!strstr(vw_error_message(), message)) fail_msg("expected '%s' in: %s", message, vw_error_message());
  assert_null(n);
  vw_context_close(&ctx);
  sd_remove(dir);
}

static void weights_that_do_not_fit_are_refused(void **state) {
  (void)state;
  refused("sd_a", "unet/config.json", "\"layers_per_block\": 1", "\"layers_per_block\": 2",
          "the weights have no tensor");
  refused("sd_c", "unet/config.json", "\"transformer_layers_per_block\": [\n  1,\n  2",
          "\"transformer_layers_per_block\": [\n1, 1", "no part of the network that unet/config.json describes");
  refused("sd_a", "vae/config.json", "\"norm_num_groups\": 4",
          "\"mid_block_add_attention\": false, \"norm_num_groups\": 4",
          "no part of the network that vae/config.json describes");
  refused("sd_a", "vae/config.json", "12", "20", "config.json asks for [20");
  refused("sd_a", "text_encoder/config.json", "\"intermediate_size\": 36", "\"intermediate_size\": 40", "mlp.fc1");
  refused("sd_a", "text_encoder/config.json", "\"vocab_size\": 61", "\"vocab_size\": 60",
          "the tokenizer has 61 entries");
}

/* Version 2.1 fills texts up with "!", as special_tokens_map.json says even where tokenizer_config.json does not; it is
 * then a token of its own wherever it stands. 1.5 says nothing and fills up with the end of text. */
static void texts_are_filled_up_as_the_tokenizer_says(void **state) {
  (void)state;
  enum { START = 59, END = 60 };
  static const char *const maps[] = {"{\"pad_token\": \"!\"}", "{}"};
  static const int32_t marks[] = {START, 0, 0, 0, END};
  for (int old = 0; old < 2; old++) {
    char dir[VW_PATH_BYTES], path[VW_PATH_BYTES];
    vw_context ctx;
    vw_sd_network *n = NULL;
    int32_t ids[16];
    int64_t length = 0;
    sd_make("sd_a", dir);
    assert_ok(vw_path_format(path, "%s/tokenizer/tokenizer_config.json", dir));
    assert_ok(vw_file_write(path, "{\"pad_token\": \"<|endoftext|>\"}", 30));
    assert_ok(vw_path_format(path, "%s/tokenizer/special_tokens_map.json", dir));
    assert_ok(vw_file_write(path, maps[old], (int64_t)strlen(maps[old])));
    assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
    assert_ok(vw_sd_network_open(&n, dir, &ctx));
    assert_int_equal(n->pad, old ? END : 0);
    assert_ok(vw_tokenizer_encode(n->net.text.tokenizer, "!!!", ids, 16, &length));
    if (old)
      assert_true(length > 2 && ids[length - 2] != 0); /* the last one is the end of a word */
    else
      assert_true(length == 5 && !memcmp(ids, marks, sizeof marks));
    double *x = malloc((size_t)(vw_sd_positions(n) * n->net.width) * sizeof *x);
    double *last = malloc((size_t)n->net.width * sizeof *last);
    assert_ok(vw_sd_embed_text(n, "!", NULL, 1, x));
    assert_ok(vw_text_embed(&n->net.text, n->pad, vw_sd_positions(n) - 1, last));
    assert_memory_equal(x + (vw_sd_positions(n) - 1) * n->net.width, last, (size_t)n->net.width * sizeof *last);
    free(x), free(last);
    vw_sd_network_close(n);
    vw_context_close(&ctx);
    sd_remove(dir);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pictures_are_those_of_diffusers),
      cmocka_unit_test_setup_teardown(a_picture_does_not_depend_on_its_batch, open_tiny, close_tiny),
      cmocka_unit_test_setup_teardown(a_drawing_can_be_stopped, open_tiny, close_tiny),
      cmocka_unit_test_setup_teardown(a_word_stands_for_its_vector, open_tiny, close_tiny),
      cmocka_unit_test_setup_teardown(memory_is_planned, open_tiny, close_tiny),
      cmocka_unit_test_setup_teardown(what_cannot_be_drawn_is_refused, open_tiny, close_tiny),
      cmocka_unit_test(texts_are_filled_up_as_the_tokenizer_says),
      cmocka_unit_test(weights_that_do_not_fit_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
