/* The ceilings of `bench gpu`: the backend's copy and its products, the latter through the op that the networks use. */
#include "bench/gpu.h"

#include "core/random.h"
#include "kernels/algorithms.h"
#include "kernels/linear.h"
#include "kernels/rate.h"

#include <stdlib.h>

#define LONG_RUN 0.02 /* seconds: with no time to spend, a run that takes longer is not repeated */
enum { ROUNDS = 5, MOST_RUNS = 100000, COPY_BYTES_PER_ORDER = 16 };

const char *vw_product_name(vw_product p) {
  static const char *const names[VW_PRODUCTS] = {"fp64", "fp32", "tf32", "bf16"};
  return names[p];
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static vw_status time_round(vw_program *p, int64_t runs, double *one) {
  const double start = vw_bench_now();
  for (int64_t i = 0; i < runs; i++) VW_TRY(vw_program_run(p));
  VW_TRY(vw_program_wait(p));
  *one = (vw_bench_now() - start) / (double)runs;
  return VW_OK;
}

vw_status vw_bench_time_runs(vw_program *p, double seconds, double *one) {
  double rounds[ROUNDS] = {0};
  for (int i = 0; i < 3; i++) VW_TRY(time_round(p, 1, &rounds[0])); /* caches, pages, threads; a recording; a replay */
  const double wanted = rounds[0] > 0 ? seconds / ROUNDS / rounds[0] : 1;
  const int64_t runs = wanted < 1 ? 1 : wanted > MOST_RUNS ? MOST_RUNS : (int64_t)wanted;
  int n = 0;
  do {
    VW_TRY(time_round(p, runs, &rounds[n]));
  } while (++n < ROUNDS && (seconds > 0 || rounds[n - 1] < LONG_RUN));
  qsort(rounds, (size_t)n, sizeof *rounds, by_value);
  *one = rounds[n / 2];
  return VW_OK;
}

/* An n x n matrix of random numbers on the backend; zeros would need less power, and so run faster. */
static vw_status random_matrix(vw_context *ctx, vw_dtype type, int64_t n, uint64_t key, void **out) {
  const size_t row = (size_t)n * vw_dtype_bytes(type);
  const vw_memory *memory = vw_memory_of(ctx->backend);
  double *x = malloc((size_t)n * sizeof *x);
  char *host = malloc((size_t)n * row);
  vw_status st =
      x && host ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "bench: out of memory for a matrix of order %lld", (long long)n);
  for (int64_t i = 0; i < n && st == VW_OK; i++) {
    for (int64_t j = 0; j < n; j++) x[j] = 2 * vw_uniform(vw_draw_u32(key, (uint32_t)i, 0, (uint32_t)j)) - 1;
    st = vw_convert(host + (size_t)i * row, type, x, VW_F64, n);
  }
  if (st == VW_OK) st = memory->allocate(ctx, (size_t)n * row, out);
  if (st == VW_OK) st = memory->upload(ctx, *out, host, (size_t)n * row);
  free(x), free(host);
  return st;
}

/* y = x W^T of order n by a program of the linear op alone. */
static vw_status product_rate(vw_context *ctx, vw_dtype type, int64_t n, double seconds, double *rate) {
  const vw_policy policy = {.param = type, .act = type, .residual = type, .head = type, .stat = type};
  const vw_memory *memory = vw_memory_of(ctx->backend);
  void *x = NULL, *weight = NULL;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  double one = 0;
  vw_status st = VW_OK;
  VW_GOTO(random_matrix(ctx, type, n, 1, &x));
  VW_GOTO(random_matrix(ctx, type, n, 2, &weight));
  VW_GOTO(vw_graph_create(&g));
  const vw_value vx = vw_input(g, vw_shape(VW_ACT, n, n), "x"), vw = vw_weight(g, vw_shape(VW_PARAM, n, n), "weight");
  vw_output(g, vw_linear(g, vx, (vw_linear_weights){vw, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_ACT), "y");
  VW_GOTO(vw_program_create(&p, g, ctx, &policy));
  VW_GOTO(vw_program_bind(p, vx, x));
  VW_GOTO(vw_program_bind(p, vw, weight));
  VW_GOTO(vw_program_prepare(p));
  VW_GOTO(vw_bench_time_runs(p, seconds, &one));
  *rate = 2.0 * (double)n * (double)n * (double)n / one;
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  if (x) memory->release(ctx, x);
  if (weight) memory->release(ctx, weight);
  return st;
}

static int64_t default_order(vw_backend b) {
  return b == VW_CUDA ? 8192 : b == VW_CPU ? 2048 : 128;
}

vw_status vw_bench_ceilings(vw_bench *b, int64_t order, vw_ceilings *c) {
  static const struct {
    vw_backend backend;
    vw_product precision;
    vw_precision computed;
    vw_dtype type;
  } products[] = {{VW_REF, VW_PRODUCT_FP64, VW_COMPUTE_FP32, VW_F64},
                  {VW_CPU, VW_PRODUCT_FP32, VW_COMPUTE_FP32, VW_F32},
                  {VW_CUDA, VW_PRODUCT_FP32, VW_COMPUTE_FP32, VW_F32},
                  {VW_CUDA, VW_PRODUCT_TF32, VW_COMPUTE_TF32, VW_F32},
                  {VW_CUDA, VW_PRODUCT_BF16, VW_COMPUTE_BF16, VW_BF16}};
  *c = (vw_ceilings){.order = order ? order : default_order(b->ctx.backend)};
  VW_TRY(vw_copy_rate(&b->ctx, COPY_BYTES_PER_ORDER * (size_t)(c->order * c->order), b->seconds, &c->copy));
  for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
    if (products[i].backend != b->ctx.backend) continue;
    vw_context ctx = b->ctx;
    VW_TRY(vw_context_set_precision(&ctx, products[i].computed));
    vw_algorithms_time(&ctx, true); /* a ceiling is what the fastest of them reaches */
    VW_TRY(product_rate(&ctx, products[i].type, c->order, b->seconds, &c->product[products[i].precision]));
    vw_algorithms_time(&ctx, false);
  }
  return VW_OK;
}
