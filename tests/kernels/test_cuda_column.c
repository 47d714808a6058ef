/* The third column of ops.def: its rows are there when it is built, a machine without a device is told what to do, and
 * with a device a small network and its gradient are the reference's. (Every op that has a CUDA row is also checked by
 * the op tests, on the same cases as cpu.) */
#include "tests/support/test.h"

#include "core/align.h"
#include "graph/graph.h"
#include "kernels/attention.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/splice.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name, *cuda;
} rows[] = {
#define VW_OP(name, ref, cpu, cuda) {#name, #cuda},
#include "kernels/ops.def"
#undef VW_OP
};

static bool built(void) {
  return vw_memory_of(VW_CUDA) != NULL;
}

static void rows_are_there_when_built(void **state) {
  (void)state;
  int n = 0;
  for (int id = 0; id < VW_OPS; id++) {
    const bool named = strcmp(rows[id].cuda, "CUDA") == 0;
    const vw_kernel *kernel = vw_kernel_of(VW_CUDA, (vw_op_id)id);
    if ((kernel != NULL) != (named && built())) fail_msg("%s: the row on cuda is %p", rows[id].name, (void *)kernel);
    if (kernel) assert_non_null(kernel->run);
    n += named || id == VW_OP_view; /* a view runs nothing anywhere */
  }
  assert_int_equal(n, VW_OPS);
}

/* Opens cuda; skips the test where that is not possible, after checking what a user is told. */
static void open_or_skip(vw_context *ctx) {
  const vw_status st = vw_context_open(ctx, VW_CUDA, 1, 0);
  if (st == VW_OK) return;
  assert_int_equal(st, built() ? VW_ERR_DEVICE : VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "use --backend cpu"));
  assert_null(strchr(vw_error_message(), '\n'));
  assert_null(ctx->device);
  vw_context_close(ctx);
  print_message("skipped: %s\n", vw_error_message());
  skip();
}

static void memory_of_the_device(void **state) {
  (void)state;
  vw_context ctx;
  open_or_skip(&ctx);
  const vw_memory *mem = vw_memory_of(VW_CUDA);
  char sent[1000], back[1000];
  void *p = NULL;
  assert_false(mem->host);
  for (size_t i = 0; i < sizeof sent; i++) sent[i] = (char)(i * 7), back[i] = 1;
  assert_ok(mem->allocate(&ctx, sizeof sent, &p));
  assert_int_equal((uintptr_t)p % VW_ALIGN, 0);
  assert_ok(mem->download(&ctx, back, p, sizeof back));
  for (size_t i = 0; i < sizeof back; i++) assert_int_equal(back[i], 0);
  assert_ok(mem->upload(&ctx, p, sent, sizeof sent));
  assert_ok(mem->download(&ctx, back, p, sizeof back));
  assert_memory_equal(sent, back, sizeof sent);
  mem->release(&ctx, p);
  assert_int_equal(mem->allocate(&ctx, (size_t)1 << 50, &p), VW_ERR_MEMORY);
  assert_null(p);
  char text[128];
  vw_kernel_set(&ctx, text);
  assert_memory_equal(text, "cuda cublaslt-", 14);
  vw_context_close(&ctx);
}

enum { K = 3, T = 4, C = 37, M = 65, B = 21, TEMPLATES = 2 };

typedef struct network {
  vw_graph *graph;
  vw_value leaf[16], y, dwords;
  int n;
} network;

static vw_value input(network *net, vw_tensor shape) {
  net->leaf[net->n] = vw_input(net->graph, shape, "in%d", net->n);
  return net->leaf[net->n++];
}

/* splice, layer norm, QuickGELU, a residual, attention, layer norm, GELU: every fused form of linear, with no branch to
 * add. */
static network describe(void) {
  network net = {0};
  assert_ok(vw_graph_create(&net.graph));
  vw_graph *g = net.graph;
  const vw_value words = input(&net, vw_shape(VW_HEAD, K, C));
  const vw_value tail = input(&net, vw_shape(VW_PARAM, TEMPLATES, T, C)), row = input(&net, vw_shape(VW_I32, B)),
                 row_template = input(&net, vw_shape(VW_I32, B)), pos = input(&net, vw_shape(VW_I32, TEMPLATES));
  const vw_norm_weights norm = {input(&net, vw_shape(VW_PARAM, C)), input(&net, vw_shape(VW_PARAM, C))};
  const vw_linear_weights up = {input(&net, vw_shape(VW_PARAM, M, C)), input(&net, vw_shape(VW_PARAM, M))};
  const vw_linear_weights down = {input(&net, vw_shape(VW_PARAM, C, M)), input(&net, vw_shape(VW_PARAM, C))};
  const vw_value residual = input(&net, vw_shape(VW_RESIDUAL, B, T, C));
  const vw_linear_weights qkv = {input(&net, vw_shape(VW_PARAM, 3 * C, C)), VW_NONE};
  const vw_attention_rows whole = {VW_NONE, VW_NONE, VW_NONE, VW_NONE, false};
  const vw_linear_weights head = {input(&net, vw_shape(VW_PARAM, M, C)), VW_NONE};
  vw_value h = vw_splice(g, words, tail, row, row_template, pos);
  h = vw_linear(g, vw_layernorm(g, h, norm, 1e-5), up, VW_ACT_QUICK_GELU, VW_NONE, VW_ACT);
  h = vw_linear(g, h, down, VW_ACT_NONE, residual, VW_RESIDUAL);
  h = vw_linear(g, vw_layernorm(g, h, norm, 1e-5), qkv, VW_ACT_NONE, VW_NONE, VW_ACT);
  h = vw_attention(g, h, 1, true, whole);
  net.y = vw_linear(g, vw_layernorm(g, h, norm, 1e-5), head, VW_ACT_GELU, VW_NONE, VW_HEAD);
  assert_ok(vw_reverse(g, net.y, &words, 1, &net.dwords));
  vw_output(g, net.y, "y");
  vw_output(g, net.dwords, "dwords");
  assert_ok(vw_graph_status(g));
  return net;
}

static void write_leaf(const network *net, vw_program *p, int i) {
  vw_tensor t = vw_value_tensor(net->graph, net->leaf[i]);
  const int64_t n = vw_count(&t);
  double *x = malloc((size_t)n * sizeof *x);
  int32_t *index = malloc((size_t)n * sizeof *index);
  assert_true(x && index);
  vw_test_fill(x, n, (uint64_t)i);
  /* the integer leaves are, in order: words of rows, templates of rows, positions */
  const int below = i == 2 ? K : i == 3 ? TEMPLATES : T;
  for (int64_t j = 0; j < n; j++) index[j] = (int32_t)(fabs(x[j]) * below);
  if (t.dtype == VW_I32)
    t.data = index;
  else
    t.dtype = VW_F64, t.data = x;
  assert_ok(vw_program_write(p, net->leaf[i], &t));
  free(x), free(index);
}

static void run_network(const network *net, vw_context *ctx, const vw_policy *policy, double *y, double *dwords) {
  vw_program *p = NULL;
  assert_ok(vw_program_create(&p, net->graph, ctx, policy));
  for (int i = 0; i < net->n; i++) write_leaf(net, p, i);
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_program_run(p));
  const vw_tensor ty = {y, VW_F64, 3, {B, T, M}}, tw = {dwords, VW_F64, 2, {K, C}};
  assert_ok(vw_program_read(p, net->y, &ty));
  assert_ok(vw_program_read(p, net->dwords, &tw));
  vw_program_destroy(p);
}

static void a_network_and_its_gradient_agree(void **state) {
  (void)state;
  static double y[3][B * T * M], dwords[3][K * C];
  vw_context cuda, ref;
  open_or_skip(&cuda);
  assert_ok(vw_context_open(&ref, VW_REF, 1, 0));
  network net = describe();
  run_network(&net, &ref, NULL, y[0], dwords[0]);
  run_network(&net, &cuda, NULL, y[1], dwords[1]);
  run_network(&net, &cuda, NULL, y[2], dwords[2]);
  assert_memory_equal(y[1], y[2], sizeof y[1]);
  assert_memory_equal(dwords[1], dwords[2], sizeof dwords[1]);
  /* seven chained sums of at most 65 terms, each 4 eps sqrt(65), of which attention is two; the gradient goes back
   * through them and over 84 rows */
  vw_assert_near("y", y[1], y[0], B * T * M, 7 * 4 * FLT_EPSILON * sqrt(M));
  vw_assert_near("dwords", dwords[1], dwords[0], K * C, 14 * 4 * FLT_EPSILON * sqrt(B * T));
  vw_graph_destroy(net.graph);
  vw_context_close(&ref), vw_context_close(&cuda);
}

/* Weights and activations in bf16, the residual stream, words and statistics in fp32: every mixed instance of a kernel.
 */
static void a_mixed_policy_agrees_to_bf16(void **state) {
  (void)state;
  static const vw_policy mixed = {.param = VW_BF16, .act = VW_BF16, .residual = VW_F32, .head = VW_F32, .stat = VW_F32};
  static double y[2][B * T * M], dwords[2][K * C];
  vw_context cuda, ref;
  open_or_skip(&cuda);
  assert_ok(vw_context_open(&ref, VW_REF, 1, 0));
  network net = describe();
  run_network(&net, &ref, NULL, y[0], dwords[0]);
  run_network(&net, &cuda, &mixed, y[1], dwords[1]);
  /* about fourteen roundings to 8 bits in a row; in sums they average out */
  vw_assert_near("y", y[1], y[0], B * T * M, 14 * 0x1p-9);
  vw_assert_near("dwords", dwords[1], dwords[0], K * C, 14 * 0x1p-9);
  vw_graph_destroy(net.graph);
  vw_context_close(&ref), vw_context_close(&cuda);
}

/* The network above is right where there is no device, too: cpu against ref. */
static void the_network_is_sound(void **state) {
  (void)state;
  static double y[2][B * T * M], dwords[2][K * C];
  vw_context cpu, ref;
  assert_ok(vw_context_open(&cpu, VW_CPU, 1, 0));
  assert_ok(vw_context_open(&ref, VW_REF, 1, 0));
  network net = describe();
  run_network(&net, &ref, NULL, y[0], dwords[0]);
  run_network(&net, &cpu, NULL, y[1], dwords[1]);
  vw_assert_near("y", y[1], y[0], B * T * M, 7 * 4 * FLT_EPSILON * sqrt(M));
  vw_assert_near("dwords", dwords[1], dwords[0], K * C, 14 * 4 * FLT_EPSILON * sqrt(B * T));
  vw_graph_destroy(net.graph);
  vw_context_close(&ref), vw_context_close(&cpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_are_there_when_built),     cmocka_unit_test(memory_of_the_device),
      cmocka_unit_test(the_network_is_sound),          cmocka_unit_test(a_network_and_its_gradient_agree),
      cmocka_unit_test(a_mixed_policy_agrees_to_bf16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
