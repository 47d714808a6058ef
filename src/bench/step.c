/* Programs that `bench clip`, `bench gpu` and `bench owl` time: the shapes of a real study, made-up data. */
#include "bench/bench.h"

#include "core/random.h"
#include "learn/block_graph.h"
#include "tasks/classify/classify_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 256, EXAMPLES = 8 };
/* Far beyond what a benchmark runs: no step reaches the end of the schedule or a second row of the record. */
static const int64_t endless = (int64_t)1 << 40;

/* Positions that are cached, and computed. */
typedef struct prompt_places {
  int64_t P, T;
} prompt_places;

/* Entry j of an integer leaf: the places of the prompt, pools that are the pictures in order. */
static int32_t integer_of(const void *user, const char *name, int64_t j) {
  const int64_t P = ((const prompt_places *)user)->P, T = ((const prompt_places *)user)->T;
  if (!strcmp(name, "row_word") || strstr(name, "tive_pool")) return (int32_t)j;
  if (strstr(name, "tive_count")) return PICTURES / 2;
  if (!strcmp(name, "slot_count")) return 1;
  if (!strcmp(name, "word_pos")) return (int32_t)(VW_BENCH_PREFIX - P);
  if (!strcmp(name, "length_of")) return (int32_t)T;
  if (!strcmp(name, "pooled_of")) return (int32_t)(VW_BENCH_PROMPT - 1 - P);
  if (!strcmp(name, "prefix_len")) return VW_BENCH_PREFIX;
  return 0;
}

static bool is_float(vw_dtype t) {
  return t == VW_F32 || t == VW_F64 || t == VW_F16 || t == VW_BF16;
}

/* Small numbers for reals, with balls of radius 1. */
static vw_status fill_leaf(vw_program *p, const vw_leaf *leaf, uint64_t key, vw_bench_integer integer,
                           const void *user) {
  vw_tensor t = leaf->tensor;
  const int64_t n = vw_count(&t);
  const bool real = is_float(t.dtype), radius = !strcmp(leaf->name, "radius");
  t.dtype = real ? VW_F64 : t.dtype;
  t.data = calloc((size_t)n + 1, 8);
  VW_CHECK(t.data, VW_ERR_MEMORY, "bench: out of memory for leaf '%s'", leaf->name);
  for (int64_t j = 0; real && j < n; j++)
    vw_f64(&t)[j] = radius ? 1 : 0.1 * vw_uniform(vw_draw_u32(key, 0, 0, (uint32_t)j)) - 0.05;
  for (int64_t j = 0; t.dtype == VW_I32 && j < n; j++) vw_i32(&t)[j] = integer(user, leaf->name, j);
  const vw_status st = vw_program_write(p, leaf->value, &t);
  free(t.data);
  return st;
}

vw_status vw_bench_ready(vw_bench *b, const vw_policy *policy, vw_bench_integer integer, const void *user,
                         vw_bench_program *out) {
  VW_TRY(vw_program_create(&out->program, out->graph, &b->ctx, policy));
  VW_TRY(vw_weights_bind(b->n->net.weights, out->program));
  for (int64_t i = 0; i < vw_program_leaf_count(out->program); i++) {
    const vw_leaf leaf = vw_program_leaf(out->program, i);
    if (leaf.kind == VW_LEAF_WEIGHT || leaf.kind == VW_LEAF_FILL) continue;
    VW_TRY(fill_leaf(out->program, &leaf, (uint64_t)i, integer, user));
  }
  return vw_program_prepare(out->program);
}

vw_status vw_bench_text_step(vw_bench *b, int64_t P, int64_t T, int64_t K, vw_bench_program *out) {
  const vw_learn_config learn = {
      .optimiser = VW_PGD, .steps = endless, .eta = 0.1, .positives = EXAMPLES, .negatives = EXAMPLES};
  const vw_block_shape shape = {.step = {.K = K,
                                         .size = {[VW_CLASSIFY_SLOTS] = 1,
                                                  [VW_CLASSIFY_M] = 1,
                                                  [VW_CLASSIFY_P] = P,
                                                  [VW_CLASSIFY_T] = T,
                                                  [VW_CLASSIFY_PICTURES] = PICTURES,
                                                  [VW_CLASSIFY_POSITIVES] = PICTURES / 2,
                                                  [VW_CLASSIFY_NEGATIVES] = PICTURES / 2}},
                                .points = 1,
                                .every = endless};
  const vw_classify_step step = {.text = &b->n->net.text.tower, .learn = &learn, .scale = b->n->scale};
  const vw_block_loss loss = {vw_classify_emit, &step};
  *out = (vw_bench_program){0};
  VW_TRY(vw_graph_create(&out->graph));
  VW_TRY(vw_block_graph(out->graph, &loss, &learn, &shape, b->n->net.width, VW_BLOCK_TRAIN));
  return vw_bench_ready(b, &b->n->net.policy, integer_of, &(prompt_places){P, T}, out);
}

vw_status vw_bench_image_tower(vw_bench *b, int64_t B, vw_bench_program *out) {
  const int64_t S = b->n->vision.image_size;
  *out = (vw_bench_program){0};
  VW_TRY(vw_graph_create(&out->graph));
  const vw_value pixels = vw_input(out->graph, vw_shape(VW_ACT, B, S, S, 3), "pixels");
  const vw_value class_row = vw_input(out->graph, vw_shape(VW_I32, B), "class_row");
  vw_output(out->graph, vw_clip_image_feature(out->graph, &b->n->vision, pixels, class_row, NULL), "feature");
  return vw_bench_ready(b, &b->n->image_policy, integer_of, &(prompt_places){0, 0}, out);
}

int64_t vw_bench_held(const vw_context *ctx) {
  if (ctx->backend == VW_CUDA) return vw_memory_used(ctx).held;
  FILE *f = fopen("/proc/self/status", "r");
  char line[256];
  long long kilobytes = 0;
  while (f && !kilobytes && fgets(line, sizeof line, f))
    if (sscanf(line, "RssAnon: %lld kB", &kilobytes) != 1) kilobytes = 0;
  if (f) (void)fclose(f);
  return (int64_t)kilobytes << 10;
}

void vw_bench_program_close(vw_bench_program *p) {
  vw_program_destroy(p->program);
  vw_graph_destroy(p->graph);
  *p = (vw_bench_program){0};
}
