/* A training step on the emulated device is one CUDA graph: after two runs a step is one launch and one event, without
 * a copy, an allocation, a wait for the stream or a kernel launched by the host; and it gives the words of the cpu
 * backend and, bit for bit, those of steps that were not recorded. */
#include "kernels/memory.h"
#include "learn/block_graph.h"
#include "tasks/classify/classify_graph.h"
#include "tests/emulator/calls.h"
#include "tests/support/test.h"

#include "core/random.h"
#include <stdlib.h>
#include <string.h>

enum { K = 3, STEPS = 40, PREFIX = 4, TAIL = 2, PICTURES = 12, WIDTH = 32, PROJECTION = 24, MOST_LEAVES = 256 };

static const vw_clip_text_config text = {
    .t = {.width = WIDTH, .mlp = 48, .layers = 2, .heads = 2, .act = VW_ACT_QUICK_GELU, .eps = 1e-5},
    .vocab = 10,
    .positions = 8,
    .projection = PROJECTION,
    .prefix = ""};
static const vw_block_shape shape = {.step = {.K = K,
                                              .size = {[VW_CLASSIFY_SLOTS] = 1,
                                                       [VW_CLASSIFY_M] = 1,
                                                       [VW_CLASSIFY_P] = PREFIX,
                                                       [VW_CLASSIFY_T] = TAIL,
                                                       [VW_CLASSIFY_PICTURES] = PICTURES,
                                                       [VW_CLASSIFY_POSITIVES] = PICTURES / 2,
                                                       [VW_CLASSIFY_NEGATIVES] = PICTURES / 2}},
                                     .points = STEPS,
                                     .every = 1};

typedef struct step {
  vw_context ctx;
  vw_graph *graph;
  vw_program *program;
  void *weight[MOST_LEAVES]; /* in the backend's memory */
  int n_weights;
} step;

/* The same numbers on every backend: small ones for reals, places of the prompt for integers. */
static void fill(vw_tensor *t, const char *name, int64_t leaf) {
  const int64_t n = vw_count(t);
  for (int64_t j = 0; t->dtype == VW_F64 && j < n; j++)
    vw_f64(t)[j] = vw_uniform(vw_draw_u32((uint64_t)leaf, 0, 0, (uint32_t)j)) - 0.5;
  for (int64_t j = 0; !strcmp(name, "radius") && j < n; j++) vw_f64(t)[j] = 0.5;
  for (int64_t j = 0; t->dtype == VW_I32 && j < n; j++) {
    int32_t *x = vw_i32(t) + j;
    if (!strcmp(name, "row_word") || !strcmp(name, "positive_pool")) *x = (int32_t)j;
    if (!strcmp(name, "negative_pool")) *x = PICTURES / 2 + (int32_t)j;
    if (!strcmp(name, "positive_count") || !strcmp(name, "negative_count")) *x = PICTURES / 2;
    if (!strcmp(name, "slot_count")) *x = 1;
    if (!strcmp(name, "length_of")) *x = TAIL;
    if (!strcmp(name, "pooled_of")) *x = TAIL - 1;
    if (!strcmp(name, "prefix_len")) *x = PREFIX;
  }
}

static void bind_weight(step *s, const vw_leaf *leaf, const vw_tensor *host) {
  const vw_memory *memory = vw_memory_of(s->ctx.backend);
  const size_t bytes = vw_bytes(&leaf->tensor);
  void *staged = malloc(bytes), **data = &s->weight[s->n_weights++];
  assert_non_null(staged);
  assert_ok(vw_convert(staged, leaf->tensor.dtype, host->data, VW_F64, vw_count(host)));
  assert_ok(memory->allocate(&s->ctx, bytes, data));
  assert_ok(memory->upload(&s->ctx, *data, staged, bytes));
  assert_ok(vw_program_bind(s->program, leaf->value, *data));
  free(staged);
}

static void open_step(step *s, vw_backend backend) {
  const vw_learn_config learn = {.optimiser = VW_PGD, .steps = STEPS, .eta = 0.1, .positives = 2, .negatives = 3};
  *s = (step){0};
  assert_ok(vw_context_open(&s->ctx, backend, 1, 0));
  assert_ok(vw_graph_create(&s->graph));
  const vw_classify_step of = {.text = &text, .learn = &learn, .scale = 20};
  const vw_block_loss loss = {vw_classify_emit, &of};
  assert_ok(vw_block_graph(s->graph, &loss, &learn, &shape, WIDTH, VW_BLOCK_TRAIN));
  assert_ok(vw_program_create(&s->program, s->graph, &s->ctx, NULL));
  for (int64_t i = 0; i < vw_program_leaf_count(s->program); i++) {
    const vw_leaf leaf = vw_program_leaf(s->program, i);
    vw_tensor host = leaf.tensor;
    if (leaf.kind == VW_LEAF_FILL) continue;
    if (host.dtype == VW_F32) host.dtype = VW_F64;
    host.data = calloc((size_t)vw_count(&host) + 1, sizeof(double));
    assert_non_null(host.data);
    fill(&host, leaf.name, i);
    if (leaf.kind == VW_LEAF_WEIGHT)
      bind_weight(s, &leaf, &host);
    else
      assert_ok(vw_program_write(s->program, leaf.value, &host));
    free(host.data);
  }
  assert_ok(vw_program_prepare(s->program));
}

static void close_step(step *s) {
  vw_program_destroy(s->program);
  vw_graph_destroy(s->graph);
  for (int i = 0; i < s->n_weights; i++) vw_memory_of(s->ctx.backend)->release(&s->ctx, s->weight[i]);
  assert_int_equal(vw_memory_used(&s->ctx).held, 0);
  vw_context_close(&s->ctx);
}

static void read_words(const step *s, double words[K * WIDTH]) {
  vw_tensor out = vw_shape(VW_F64, K, WIDTH);
  out.data = words;
  assert_ok(vw_program_read(s->program, vw_find(s->graph, "words"), &out));
}

static void a_step_is_one_launch(void **state) {
  (void)state;
  step s;
  open_step(&s, VW_CUDA);
  for (int i = 0; i < 2; i++) assert_ok(vw_program_run(s.program)); /* as it is; recorded and replayed */
  vw_emulated_calls = (vw_emulated_counts){0};
  for (int i = 2; i < STEPS; i++) assert_ok(vw_program_run(s.program));
  assert_int_equal(vw_emulated_calls.graph_launches, STEPS - 2);
  assert_int_equal(vw_emulated_calls.launches, 0);
  assert_int_equal(vw_emulated_calls.products, 0);
  assert_int_equal(vw_emulated_calls.other, 0);
  assert_int_equal(vw_emulated_calls.events, STEPS - 2);
  /* the host waits for no step but the one VW_RUNS_AHEAD before; the first replay was counted above */
  assert_int_equal(vw_emulated_calls.event_waits, STEPS - 1 - VW_RUNS_AHEAD);
  close_step(&s);
}

static void recorded_steps_give_the_same_words(void **state) {
  (void)state;
  double recorded[K * WIDTH], direct[K * WIDTH], cpu[K * WIDTH], seconds[VW_OPS] = {0};
  int64_t calls[VW_OPS] = {0};
  step s;
  open_step(&s, VW_CUDA);
  for (int i = 0; i < STEPS; i++) assert_ok(vw_program_run(s.program));
  read_words(&s, recorded);
  close_step(&s);
  open_step(&s, VW_CUDA);
  for (int i = 0; i < STEPS; i++) assert_ok(vw_program_profile(s.program, seconds, calls)); /* call by call */
  read_words(&s, direct);
  close_step(&s);
  assert_memory_equal(recorded, direct, sizeof recorded);
  open_step(&s, VW_CPU);
  for (int i = 0; i < STEPS; i++) assert_ok(vw_program_run(s.program));
  read_words(&s, cpu);
  close_step(&s);
  /* forty moves, each of eta R = 0.05 at most along a gradient that is right to some 1e-5 of its length */
  vw_assert_near("words of cuda and cpu", recorded, cpu, K * WIDTH, STEPS * 0.05 * 1e-5);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_step_is_one_launch),
                                     cmocka_unit_test(recorded_steps_give_the_same_words)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
