/* Every kernel launch and every cuBLASLt product of the real networks, checked on the host without running them: the
 * programs of training steps, of word features and of image towers at the sizes of CLIP ViT-B/32, B/16, L/14, H/14 and
 * OWL-v2 base and large are built from their descriptions, prepared and run on the emulated device, which only checks
 * (tests/emulator/check.h) threads, grids, shared memory, __launch_bounds__, dimensions, alignment, types and overlap.
 * Memory is reserved and never touched. Skipped where the emulated device is not linked. */
#include "tests/emulator/check.h"
#include "tests/support/test.h"

#include "learn/block_graph.h"
#include "models/clip.h"
#include "models/owlv2.h"
#include "networks/clip.h"
#include "tasks/classify/classify_graph.h"
#include <stdlib.h>
#include <string.h>

typedef struct text_size {
  const char *name;
  vw_clip_text_config cfg;
} text_size;
#define TEXT(width, layers, heads, act, positions, projection)                                                         \
  { {width, 4 * width, layers, heads, act, 1e-5}, 49408, positions, projection, "" }
static const text_size texts[] = {
    {"CLIP B/32, B/16 text", TEXT(512, 12, 8, VW_ACT_QUICK_GELU, 77, 512)},
    {"CLIP L/14 text", TEXT(768, 12, 12, VW_ACT_QUICK_GELU, 77, 768)},
    {"CLIP H/14 text", TEXT(1024, 24, 16, VW_ACT_GELU, 77, 1024)},
    {"OWL-v2 base text", TEXT(512, 12, 8, VW_ACT_QUICK_GELU, 16, 512)},
    {"OWL-v2 large text", TEXT(768, 12, 12, VW_ACT_QUICK_GELU, 16, 768)},
};

typedef struct vision_size {
  const char *name;
  vw_clip_vision_config cfg;
  int64_t tokens;
} vision_size;
#define VISION(width, layers, heads, act, image, patch, projection)                                                    \
  { {width, 4 * width, layers, heads, act, 1e-5}, image, patch, projection, "", "pre_layernorm" }
static const vision_size visions[] = {
    {"CLIP B/32", VISION(768, 12, 12, VW_ACT_QUICK_GELU, 224, 32, 512), 50},
    {"CLIP B/16", VISION(768, 12, 12, VW_ACT_QUICK_GELU, 224, 16, 512), 197},
    {"CLIP L/14", VISION(1024, 24, 16, VW_ACT_QUICK_GELU, 224, 14, 768), 257},
    {"CLIP L/14 at 336", VISION(1024, 24, 16, VW_ACT_QUICK_GELU, 336, 14, 768), 577},
    {"CLIP H/14", VISION(1280, 32, 16, VW_ACT_GELU, 224, 14, 1024), 257},
    {"OWL-v2 base", VISION(768, 12, 12, VW_ACT_QUICK_GELU, 960, 16, 512), 3601},
    {"OWL-v2 large", VISION(1024, 24, 16, VW_ACT_QUICK_GELU, 1008, 14, 768), 5185},
};

/* fp32 throughout, and bf16 weights and activations with fp32 residuals, heads and statistics. */
static const vw_policy policies[] = {
    {.param = VW_F32, .act = VW_F32, .residual = VW_F32, .head = VW_F32, .stat = VW_F32},
    {.param = VW_BF16, .act = VW_BF16, .residual = VW_F32, .head = VW_F32, .stat = VW_F32}};
static const int64_t row_counts[] = {1, 64, 1600};

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static void skip_without_emulator(void) {
  if (vw_emulated_check_only) return;
  print_message("skipped: the emulated device is not linked\n");
  skip();
}

/* Reserves data for every leaf that the program does not own. Returns their number; `data` has room for them. */
static int64_t bind_leaves(vw_program *p, vw_context *ctx, void **data) {
  const vw_memory *mem = vw_memory_of(VW_CUDA);
  int64_t n = 0;
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    if (leaf.kind != VW_LEAF_WEIGHT && leaf.kind != VW_LEAF_INPUT) continue;
    assert_ok(mem->allocate(ctx, vw_bytes(&leaf.tensor), &data[n]));
    assert_ok(vw_program_bind(p, leaf.value, data[n]));
    n++;
  }
  return n;
}

/* Prepares and runs the program of a graph, which it destroys. */
static void check_graph(const char *name, int64_t rows, vw_graph *g, vw_context *ctx, const vw_policy *policy) {
  const int64_t launches = vw_emulated_launches(), products = vw_emulated_products();
  vw_program *p = NULL;
  vw_status st = vw_graph_status(g);
  if (st == VW_OK) st = vw_program_create(&p, g, ctx, policy);
  if (st != VW_OK) fail_msg("%s, %lld rows: %s", name, (long long)rows, vw_error_message());
  void **data = calloc((size_t)vw_program_leaf_count(p), sizeof *data);
  assert_non_null(data);
  const int64_t n = bind_leaves(p, ctx, data);
  st = vw_program_prepare(p);
  if (st == VW_OK) st = vw_program_run(p);
  if (st != VW_OK)
    fail_msg("%s, %lld rows, weights in %s: %s", name, (long long)rows, vw_dtype_name(policy->param),
             vw_error_message());
  if (vw_emulated_launches() <= launches || vw_emulated_products() <= products)
    fail_msg("%s, %lld rows: nothing was launched", name, (long long)rows);
  vw_program_destroy(p);
  for (int64_t i = 0; i < n; i++) vw_memory_of(VW_CUDA)->release(ctx, data[i]);
  free(data);
  vw_graph_destroy(g);
}

static vw_graph *new_graph(void) {
  vw_graph *g = NULL;
  assert_ok(vw_graph_create(&g));
  return g;
}

/* Steps of `rows` trials with either optimiser; tails of T positions behind a prefix of P (0: none). */
static void check_steps(const text_size *size, int64_t rows, int64_t P, int64_t T, vw_context *ctx,
                        const vw_policy *policy) {
  const vw_block_shape s = {.step = {.K = rows,
                                     .size = {[VW_CLASSIFY_SLOTS] = rows < 16 ? rows : 16,
                                              [VW_CLASSIFY_M] = 18,
                                              [VW_CLASSIFY_P] = P,
                                              [VW_CLASSIFY_T] = T,
                                              [VW_CLASSIFY_PICTURES] = 20000,
                                              [VW_CLASSIFY_POSITIVES] = 5000,
                                              [VW_CLASSIFY_NEGATIVES] = 20000}},
                            .points = 100,
                            .every = 10};
  const vw_prompt_sizes sizes = {18, P, T};
  const int optimisers[] = {VW_PGD, VW_ADAMW};
  for (size_t i = 0; i < LENGTH(optimisers); i++) {
    const vw_learn_config learn = {
        .optimiser = optimisers[i], .steps = 1000, .eta = 0.1, .lr = 1e-3, .positives = 16, .negatives = 48};
    vw_graph *g = new_graph();
    const vw_classify_step of = {.text = &size->cfg, .learn = &learn, .scale = 100};
    const vw_block_loss loss = {vw_classify_emit, &of};
    assert_ok(vw_block_graph(g, &loss, &learn, &s, size->cfg.t.width, VW_BLOCK_TRAIN));
    check_graph(size->name, rows, g, ctx, policy);
  }
  vw_graph *g = new_graph();
  assert_ok(vw_clip_word_graph(g, &size->cfg, rows, rows, &sizes));
  check_graph(size->name, rows, g, ctx, policy);
}

static void open_checker(vw_context *ctx, bool tf32) {
  skip_without_emulator();
  vw_emulated_check_only(true);
  assert_ok(vw_context_open(ctx, VW_CUDA, 1, 0));
  ctx->tf32 = tf32;
}

static void close_checker(vw_context *ctx) {
  print_message("checked so far: %lld launches, %lld products\n", (long long)vw_emulated_launches(),
                (long long)vw_emulated_products());
  vw_context_close(ctx);
  vw_emulated_check_only(false);
}

static void steps_of_text_towers(void **state) {
  (void)state;
  vw_context ctx;
  open_checker(&ctx, true);
  for (size_t i = 0; i < LENGTH(texts); i++)
    for (size_t r = 0; r < LENGTH(row_counts); r++)
      for (size_t p = 0; p < LENGTH(policies); p++) {
        check_steps(&texts[i], row_counts[r], 5, 2, &ctx, &policies[p]);
        check_steps(&texts[i], row_counts[r], 0, 16, &ctx, &policies[p]);
        check_steps(&texts[i], row_counts[r], 9, texts[i].cfg.positions - 9, &ctx, &policies[p]);
      }
  close_checker(&ctx);
}

/* With the gradient to the pixels' embedding left out: towers are frozen and pictures no parameters. Batches of 64
 * stand for what a throughput run would take. */
static void features_of_image_towers(void **state) {
  (void)state;
  vw_context ctx;
  open_checker(&ctx, false);
  for (size_t i = 0; i < LENGTH(visions); i++)
    for (int64_t pictures = 1; pictures <= 64; pictures += 63)
      for (size_t p = 0; p < LENGTH(policies); p++) {
        const vw_clip_vision_config *cfg = &visions[i].cfg;
        vw_graph *g = new_graph();
        const vw_value pixels = vw_input(g, vw_shape(VW_ACT, pictures, cfg->image_size, cfg->image_size, 3), "pixels");
        const vw_value row = vw_input(g, vw_shape(VW_I32, pictures), "class_row");
        vw_value states[64];
        const vw_value feature = vw_clip_image_feature(g, cfg, pixels, row, states);
        vw_output(g, feature, "feature");
        const vw_tensor embedded = vw_value_tensor(g, states[0]);
        assert_int_equal(embedded.dim[1], visions[i].tokens);
        check_graph(visions[i].name, pictures, g, &ctx, &policies[p]);
      }
  close_checker(&ctx);
}

/* What is kept of a picture, with all heads, at the sizes of OWL-v2 (the last two). */
static void pictures_of_detectors(void **state) {
  (void)state;
  vw_context ctx;
  open_checker(&ctx, false);
  for (size_t i = LENGTH(visions) - 2; i < LENGTH(visions); i++)
    for (size_t p = 0; p < LENGTH(policies); p++) {
      const vw_clip_vision_config *cfg = &visions[i].cfg;
      vw_graph *g = new_graph();
      const int64_t one = 1;
      const vw_owlv2_picture_values v =
          vw_owlv2_picture(g, cfg, vw_input(g, vw_shape(VW_ACT, one, cfg->image_size, cfg->image_size, 3), "pixels"));
      const vw_value all[] = {v.embedding, v.shift, v.scale, v.boxes, v.objectness};
      for (size_t k = 0; k < LENGTH(all); k++) vw_output(g, all[k], "value.%zu", k);
      check_graph(visions[i].name, 1, g, &ctx, &policies[p]);
    }
  close_checker(&ctx);
}

/* Gradients through whole towers with every token, as other networks' learned inputs will ask for: attention over 5,185
 * tokens backward as well. */
static void gradients_of_image_towers(void **state) {
  (void)state;
  vw_context ctx;
  open_checker(&ctx, true);
  for (size_t i = 0; i < LENGTH(visions); i++)
    for (size_t p = 0; p < LENGTH(policies); p++) {
      const vw_transformer_config *t = &visions[i].cfg.t;
      vw_clip_text_config cfg = {*t, 0, visions[i].tokens, visions[i].cfg.projection, ""};
      vw_graph *g = new_graph();
      vw_value grad = VW_NONE;
      const vw_value x = vw_input(g, vw_shape(VW_RESIDUAL, 4, visions[i].tokens, t->width), "x");
      const vw_clip_text_rows all = {NULL, VW_NONE, VW_NONE, VW_NONE, false};
      const vw_value y = vw_clip_text_layers(g, &cfg, x, all, NULL);
      assert_ok(vw_reverse(g, y, &x, 1, &grad));
      vw_output(g, grad, "grad");
      check_graph(visions[i].name, 4, g, &ctx, &policies[p]);
    }
  close_checker(&ctx);
}

/* The checker itself refuses what a device would. */
static void the_checker_refuses(void **state) {
  (void)state;
  skip_without_emulator();
  static const struct {
    unsigned bound, blocks, threads;
    size_t shared;
    const char *problem;
  } cases[] = {
      {256, 1, 256, 0, NULL},
      {1024, INT32_MAX, 1024, 163 << 10, NULL},
      {0, 1, 32, 0, "no __launch_bounds__"},
      {256, 1, 257, 0, "larger than the kernel's"},
      {2048, 1, 1025, 0, "1 to 1024 threads"},
      {256, 1, 0, 0, "1 to 1024 threads"},
      {256, 0, 256, 0, "2^31 - 1 blocks"},
      {256, (unsigned)INT32_MAX + 1, 256, 0, "2^31 - 1 blocks"},
      {256, 1, 256, (163 << 10) + 1, "163 KiB"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    const char *problem =
        vw_emulated_launch_problem(cases[i].bound, cases[i].blocks, cases[i].threads, cases[i].shared);
    assert_int_equal(problem == NULL, cases[i].problem == NULL);
    if (problem) assert_non_null(strstr(problem, cases[i].problem));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_of_text_towers),  cmocka_unit_test(features_of_image_towers),
      cmocka_unit_test(pictures_of_detectors), cmocka_unit_test(gradients_of_image_towers),
      cmocka_unit_test(the_checker_refuses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
