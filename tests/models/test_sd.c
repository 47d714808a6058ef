/* Stable Diffusion's parts and the word gradient through text encoder and UNet, against diffusers and transformers
 * (tests/reference/sd.py): three random networks, opened from directories as the hub has them, and the embedded one. */
#include "tests/models/sd_fixture.h"

#include "kernels/cast.h"
#include "kernels/splice.h"
#include "networks/stable_diffusion.h"
#include "tests/support/program.h"

#include <math.h>

static const struct network {
  const char *name;
  int every_position, every_channel; /* of the states that are kept */
} networks[] = {{"sd_a", 1, 1}, {"sd_b", 1, 1}, {"sd_c", 1, 1}, {"", 11, 3}};
enum { NETWORKS = sizeof networks / sizeof *networks, SMALLEST = 1 };

typedef struct fixture {
  vw_context ctx;
  vw_sd_network *n;
  vw_safetensors *expected;
  char dir[VW_PATH_BYTES]; /* to be removed; "": none */
  int64_t h, w;
  double tol;
  bool is_short; /* factors of products have fewer bits than fp32 */
} fixture;

/* ref computes in double: what is left is rounding through some hundred operations. fp32: the same with its epsilon;
 * values of size up to ten have passed some twenty residual blocks, whose errors of sqrt(terms) eps add up. */
static double tolerance(vw_backend b) {
  return b == VW_REF ? 1e-8 : 2e-5;
}

/* Where factors have 8 or 11 bits: half a unit of bf16's 8, as often as a value of the stream of the smallest network is
 * rounded on its way forth and back (some 60 times, independently), and three times that for the largest of them. */
static const double short_tolerance = 3 * 0x1p-9 * 7.75;

static vw_tensor get(const fixture *f, const char *name) {
  vw_tensor t;
  assert_ok(vw_safetensors_find(f->expected, name, &t));
  return t;
}

/* False: there is no such backend here. */
static bool open_fixture(fixture *f, const struct network *net, vw_backend b, vw_precision precision) {
  char path[VW_PATH_BYTES];
  *f = (fixture){.tol = tolerance(b), .is_short = precision != VW_COMPUTE_FP32};
  if (f->is_short) f->tol = short_tolerance;
  if (vw_context_open(&f->ctx, b, 2, 0) != VW_OK) {
    vw_error_clear();
    return false;
  }
  if (b == VW_CUDA) assert_ok(vw_context_set_precision(&f->ctx, precision));
  if (*net->name) {
    sd_make(net->name, f->dir);
    assert_ok(vw_path_format(path, "reference/fixtures/%s/expected.safetensors", net->name));
  } else {
    assert_ok(vw_path_format(path, "reference/fixtures/sd_tiny.safetensors"));
  }
  assert_ok(vw_sd_network_open(&f->n, *f->dir ? f->dir : vw_test_path("../data/sd-tiny"), &f->ctx));
  assert_ok(vw_safetensors_open(&f->expected, vw_test_path(path)));
  const vw_tensor latent = get(f, "latent");
  f->h = vw_i32(&latent)[0], f->w = vw_i32(&latent)[1];
  return true;
}

static void close_fixture(fixture *f) {
  vw_safetensors_close(f->expected);
  vw_sd_network_close(f->n);
  vw_context_close(&f->ctx);
  if (*f->dir) sd_remove(f->dir);
}

static vw_program *bind(fixture *f, const vw_graph *g, const vw_policy *policy) {
  vw_program *p = NULL;
  assert_ok(vw_program_create(&p, g, &f->ctx, policy));
  assert_ok(vw_weights_bind(f->n->net.weights, p));
  return p;
}

static void write_ints(const fixture *f, vw_program *p, const vw_graph *g, const char *name, const char *from) {
  const vw_tensor t = get(f, from);
  assert_ok(vw_program_write(p, vw_find(g, name), &t));
}

/* Runs, and compares the output with the fixture's array of the same name. */
static void check_output(fixture *f, vw_program *p, const vw_graph *g, const char *name) {
  const vw_tensor expected = get(f, name);
  double *got = malloc((size_t)vw_count(&expected) * sizeof *got), most = 1;
  assert_non_null(got);
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  vw_test_read(p, g, name, got);
  for (int64_t i = 0; i < vw_count(&expected); i++) most = fmax(most, fabs(vw_f64(&expected)[i]));
  assert_true(most < 1e3); /* a network whose values explode would hide errors in the relative tolerance */
  vw_assert_near(name, got, vw_f64(&expected), vw_count(&expected), f->tol);
  free(got);
}

static void check_autoencoder(fixture *f) {
  const int64_t factor = vw_vae_factor(&f->n->vae);
  for (int decoder = 0; decoder < 2; decoder++) {
    vw_graph *g = NULL;
    assert_ok(vw_graph_create(&g));
    if (decoder) {
      vw_output(g, vw_vae_decoder(g, &f->n->vae, vw_input(g, vw_shape(VW_ACT, 1, f->h, f->w, 4), "z")), "decoded");
      assert_ok(vw_graph_status(g));
    } else {
      assert_ok(vw_sd_encoder_graph(g, f->n, f->h * factor, f->w * factor));
    }
    vw_program *p = bind(f, g, &f->n->image_policy);
    vw_test_write(p, g, decoder ? "z" : "pixels", decoder ? 2 : 1);
    check_output(f, p, g, decoder ? "decoded" : "moments");
    vw_program_destroy(p), vw_graph_destroy(g);
  }
}

/* The states of token rows, by the pass that plain texts take. */
static void check_states(fixture *f, const struct network *net) {
  const vw_tensor ids = get(f, "ids"), expected = get(f, "states");
  const int64_t K = ids.dim[0], J = ids.dim[1], C = f->n->net.width;
  double *x = malloc((size_t)(K * J * C) * sizeof *x), *states = malloc((size_t)(K * J * C) * sizeof *states);
  assert_true(x && states && J == vw_sd_positions(f->n));
  for (int64_t i = 0; i < K * J; i++) assert_ok(vw_text_embed(&f->n->net.text, vw_i32(&ids)[i], i % J, x + i * C));
  assert_ok(vw_sd_text_states(f->n, x, K, states));
  int64_t m = 0;
  for (int64_t i = 0; i < K * J; i++)
    for (int64_t c = 0; i % J % net->every_position == 0 && c < C; c += net->every_channel)
      states[m++] = states[i * C + c];
  assert_int_equal(m, vw_count(&expected));
  vw_assert_near("states", states, vw_f64(&expected), m, f->tol);
  free(x), free(states);
}

/* Embedded positions but for the words', [K, J, C]. */
static void write_tail(const fixture *f, vw_program *p, const vw_graph *g) {
  const vw_tensor ids = get(f, "ids"), position = get(f, "position");
  const int64_t K = ids.dim[0], J = ids.dim[1], C = f->n->net.width;
  double *x = malloc((size_t)(K * J * C) * sizeof *x);
  assert_non_null(x);
  for (int64_t i = 0; i < K * J; i++) {
    const bool is_word = i % J == vw_i32(&position)[i / J];
    assert_ok(vw_text_embed(&f->n->net.text, is_word ? -1 : vw_i32(&ids)[i], i % J, x + i * C));
  }
  vw_tensor t = vw_shape(VW_F64, K, J, C);
  t.data = x;
  assert_ok(vw_program_write(p, vw_find(g, "tail"), &t));
  free(x);
}

/* Half of vw_test_fill's numbers. */
static void write_words(vw_program *p, const vw_graph *g, int64_t K, int64_t C) {
  vw_tensor t = vw_shape(VW_F64, K, C);
  double *x = malloc((size_t)(K * C) * sizeof *x);
  vw_test_fill(x, K * C, 5);
  for (int64_t i = 0; i < K * C; i++) x[i] /= 2;
  t.data = x;
  assert_ok(vw_program_write(p, vw_find(g, "words"), &t));
  free(x);
}

/* Words in texts, the text encoder's states, the UNet, and back to the words: texts and UNet in scopes of their own. */
static void describe_steps(const fixture *f, vw_graph *g, int64_t K, int64_t J, int64_t B) {
  const vw_clip_text_rows plain = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const int64_t C = f->n->net.width;
  const vw_tensor latents = vw_shape(VW_ACT, B, f->h, f->w, 4);
  const vw_value words = vw_input(g, vw_shape(VW_HEAD, K, C), "words");
  const vw_value tail = vw_input(g, vw_shape(VW_PARAM, K, J, C), "tail");
  const vw_value own = vw_input(g, vw_shape(VW_I32, K), "own"), at = vw_input(g, vw_shape(VW_I32, K), "position");
  const vw_value states = vw_clip_text_states(g, &f->n->net.text.tower, vw_splice(g, words, tail, own, own, at), plain);
  vw_value grad = VW_NONE;
  (void)vw_graph_scope(g, 1);
  vw_graph_set_policy(g, 1, &f->n->image_policy);
  const vw_unet_in in = {.x = vw_input(g, latents, "x"),
                         .t = vw_input(g, vw_shape(VW_I32, B), "t"),
                         .latents = VW_NONE,
                         .context = vw_cast(g, states, VW_ACT),
                         .row = vw_input(g, vw_shape(VW_I32, B), "row")};
  const vw_value y = vw_unet(g, &f->n->unet, in);
  vw_output(g, y, "predicted");
  const vw_value direction = vw_input(g, vw_shape(VW_HEAD, B, f->h, f->w, 4), "direction");
  assert_ok(vw_graph_status(g));
  assert_ok(vw_reverse_from(g, y, direction, &words, 1, &grad));
  vw_output(g, grad, "word_gradient");
}

/* A gradient is a sum of terms that cancel, so its elements are off by more than those of what was computed forward: in
 * short types its length and that of its error count, over all elements. */
static void check_gradient(const fixture *f, const double *got, const vw_tensor *expected) {
  const double *want = vw_f64(expected);
  const int64_t n = vw_count(expected);
  double error = 0, size = 0;
  for (int64_t i = 0; i < n; i++) error += (got[i] - want[i]) * (got[i] - want[i]), size += want[i] * want[i];
  if (!f->is_short) {
    vw_assert_near("word gradient", got, want, n, f->tol);
  } else if (!(sqrt(error) <= 3 * f->tol * sqrt(size))) {
    fail_msg("word gradient: of length %.4g, differs by %.4g", sqrt(size), sqrt(error));
  }
}

static void check_steps(fixture *f) {
  const vw_tensor ids = get(f, "ids"), row = get(f, "row");
  const int64_t K = ids.dim[0], J = ids.dim[1];
  vw_graph *g = NULL;
  int32_t own[] = {0, 1};
  vw_tensor rows = vw_shape(VW_I32, K);
  assert_ok(vw_graph_create(&g));
  describe_steps(f, g, K, J, row.dim[0]);
  vw_program *p = bind(f, g, &f->n->net.policy);
  rows.data = own;
  assert_ok(vw_program_write(p, vw_find(g, "own"), &rows));
  write_ints(f, p, g, "position", "position"), write_ints(f, p, g, "t", "t"), write_ints(f, p, g, "row", "row");
  write_tail(f, p, g);
  write_words(p, g, K, f->n->net.width);
  vw_test_write(p, g, "x", 3), vw_test_write(p, g, "direction", 4);
  check_output(f, p, g, "predicted");
  const vw_tensor expected = get(f, "word_gradient");
  double *got = malloc((size_t)vw_count(&expected) * sizeof *got), most = 0;
  vw_test_read(p, g, "word_gradient", got);
  for (int64_t i = 0; i < vw_count(&expected); i++) most = fmax(most, fabs(vw_f64(&expected)[i]));
  assert_true(most > 1e-3); /* there is something to compare */
  check_gradient(f, got, &expected);
  free(got);
  vw_program_destroy(p), vw_graph_destroy(g);
}

enum { EACH = 2, SHARED = 2 * EACH, ROWS = 3 * EACH, TEXTS = 2 };
static const int32_t group_of[ROWS / EACH] = {1, 0, 1}, text_of[ROWS] = {0, 1, 0, 1, 1, 0},
                                     step_of[SHARED] = {7, 640, 3, 999};

/* The UNet on ROWS rows of SHARED latents: handed out by the UNet, or by who writes them. out: prediction, then the
 * gradient of the texts' states. */
static void run_shared(fixture *f, bool by_unet, double *out) {
  const int64_t R = by_unet ? SHARED : ROWS, J = 3, C = f->n->unet.context, one = f->h * f->w * 4;
  vw_graph *g = NULL;
  vw_value grad = VW_NONE;
  int32_t t[ROWS];
  double *x = malloc((size_t)(ROWS * one) * sizeof *x), *own = malloc((size_t)(SHARED * one) * sizeof *own);
  vw_test_fill(own, SHARED * one, 3);
  for (int64_t r = 0; r < R; r++) {
    const int64_t from = by_unet ? r : group_of[r / EACH] * EACH + r % EACH;
    memcpy(x + r * one, own + from * one, (size_t)one * sizeof *x), t[r] = step_of[from];
  }
  assert_ok(vw_graph_create(&g));
  const vw_unet_in in = {.x = vw_input(g, vw_shape(VW_ACT, R, f->h, f->w, 4), "x"),
                         .t = vw_input(g, vw_shape(VW_I32, R), "t"),
                         .latents = by_unet ? vw_input(g, vw_shape(VW_I32, ROWS / EACH), "latents") : VW_NONE,
                         .each = EACH,
                         .context = vw_input(g, vw_shape(VW_ACT, TEXTS, J, C), "context"),
                         .row = vw_input(g, vw_shape(VW_I32, ROWS), "row")};
  const vw_value y = vw_unet(g, &f->n->unet, in);
  vw_output(g, y, "predicted");
  assert_ok(
      vw_reverse_from(g, y, vw_input(g, vw_shape(VW_HEAD, ROWS, f->h, f->w, 4), "direction"), &in.context, 1, &grad));
  vw_output(g, grad, "gradient");
  vw_program *p = bind(f, g, &f->n->image_policy);
  vw_tensor latents = vw_shape(VW_F64, R, f->h, f->w, 4), steps = vw_shape(VW_I32, R), rows = vw_shape(VW_I32, ROWS);
  latents.data = x, steps.data = t, rows.data = (void *)(uintptr_t)text_of;
  assert_ok(vw_program_write(p, in.x, &latents));
  assert_ok(vw_program_write(p, in.t, &steps));
  assert_ok(vw_program_write(p, in.row, &rows));
  rows.data = (void *)(uintptr_t)group_of, rows.dim[0] = ROWS / EACH;
  if (by_unet) assert_ok(vw_program_write(p, in.latents, &rows));
  vw_test_write(p, g, "context", 6), vw_test_write(p, g, "direction", 4);
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  vw_test_read(p, g, "predicted", out), vw_test_read(p, g, "gradient", out + ROWS * one);
  vw_program_destroy(p), vw_graph_destroy(g);
  free(x), free(own);
}

/* Rows that share latents get the bits of rows that have them each. */
static void shared_latents_change_nothing(void **state) {
  (void)state;
  for (int i = 0; i < 2 * NETWORKS; i++) {
    fixture f;
    if (!open_fixture(&f, &networks[i / 2], i % 2 ? VW_CPU : VW_REF, VW_COMPUTE_FP32)) continue;
    const int64_t n = ROWS * f.h * f.w * 4 + TEXTS * 3 * f.n->unet.context;
    double *each = malloc((size_t)n * sizeof *each), *shared = malloc((size_t)n * sizeof *shared);
    run_shared(&f, false, each), run_shared(&f, true, shared);
    assert_memory_equal(each, shared, (size_t)n * sizeof *each);
    free(each), free(shared);
    close_fixture(&f);
  }
}

static void check_network(const struct network *net, vw_backend b, vw_precision precision) {
  fixture f;
  if (!open_fixture(&f, net, b, precision)) return;
  check_states(&f, net);
  check_autoencoder(&f);
  check_steps(&f);
  close_fixture(&f);
}

static void ref_equals_diffusers(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++) check_network(&networks[i], VW_REF, VW_COMPUTE_FP32);
}

static void cpu_equals_diffusers(void **state) {
  (void)state;
  for (int i = 0; i < NETWORKS; i++) check_network(&networks[i], VW_CPU, VW_COMPUTE_FP32);
}

/* On an emulated device the smallest alone: it is slow. */
static void cuda_equals_diffusers(void **state) {
  (void)state;
  check_network(&networks[SMALLEST], VW_CUDA, VW_COMPUTE_FP32);
}

/* Every value that a product reads has the type of its weight, in every precision and whatever the stream's type. */
static void cuda_computes_in_short_types(void **state) {
  (void)state;
  for (int precision = VW_COMPUTE_TF32; precision < VW_PRECISIONS; precision++)
    check_network(&networks[SMALLEST], VW_CUDA, (vw_precision)precision);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ref_equals_diffusers), cmocka_unit_test(cpu_equals_diffusers),
                                     cmocka_unit_test(cuda_equals_diffusers),
                                     cmocka_unit_test(shared_latents_change_nothing),
                                     cmocka_unit_test(cuda_computes_in_short_types)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
