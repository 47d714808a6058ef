/* `bench gpu`: the networks of a study on one device, against ceilings measured in the same run. Any backend runs it;
 * docs/benchmarks.md says what the columns mean. tools/bench/gpu.py does the same work in PyTorch. */
#include "bench/gpu.h"

#include "core/text.h"
#include "kernels/algorithms.h"

#include <stdlib.h>
#include <string.h>

/* Time for one kernel of a table, as a part of the time for a row. */
#define KERNEL_SHARE 0.1

typedef struct gpu_bench {
  vw_bench *b;
  vw_ceilings ceilings;
} gpu_bench;

/* One network at one batch size. */
typedef struct network_kind {
  const char *name, *unit, *option;
  vw_status (*open)(vw_bench *b, int64_t batch, vw_bench_program *out);
} network_kind;

static vw_status open_text(vw_bench *b, int64_t batch, vw_bench_program *out) {
  return vw_bench_text_step(b, VW_BENCH_PREFIX, VW_BENCH_PROMPT - VW_BENCH_PREFIX, batch, out);
}

static const network_kind networks[] = {
    {"text", "trial-steps", "trials", open_text},
    {"image", "images", "pictures", vw_bench_image_tower},
};
enum { TEXT, IMAGE, NETWORKS };

static void print_ceilings(const vw_bench *b, const vw_ceilings *c) {
  if (b->json) return;
  (void)vw_print(stdout, "ceilings, measured now: copy %.1f GB/s (read and written)", 1e-9 * c->copy);
  for (int i = 0; i < VW_PRODUCTS; i++)
    if (c->product[i] > 0)
      (void)vw_print(stdout, "; %s %.3f TFLOP/s", vw_product_name((vw_product)i), 1e-12 * c->product[i]);
  (void)vw_print(stdout, "; products of order %lld\n", (long long)c->order);
  (void)fflush(stdout);
}

static json_t *ceilings_json(const vw_ceilings *c) {
  json_t *products = json_object();
  for (int i = 0; i < VW_PRODUCTS; i++)
    if (c->product[i] > 0)
      json_object_set_new(products, vw_product_name((vw_product)i), json_real(1e-12 * c->product[i]));
  return json_pack("{s:f, s:I, s:o}", "copy_gb_per_s", 1e-9 * c->copy, "order", (json_int_t)c->order, "products_tflops",
                   products);
}

/* What is said of a network at one batch size. */
typedef struct network_row {
  const network_kind *kind;
  int64_t batch, held; /* held: bytes of the device when it ran, all that this process allocated there */
  double seconds;      /* of a step */
  vw_bench_rate rate;  /* how it was timed, with b->settle */
  vw_program_memory memory;
  vw_kernel_table kernels;
} network_row;

static int64_t planned_bytes(const network_row *r) {
  return r->memory.arena + r->memory.leaves + r->memory.weights;
}

static void print_row(const network_row *r) {
  const vw_kernel_table *t = &r->kernels;
  const double mib = 1.0 / 1048576;
  (void)vw_print(
      stdout,
      "\n%s, %lld at once: %.3f ms/step, %.1f %s/s, %.3f TFLOP/s; %.1f %% of the products' ceiling, %.1f %% of "
      "the roofline\n",
      r->kind->name, (long long)r->batch, 1e3 * r->seconds, (double)r->batch / r->seconds, r->kind->unit,
      1e-12 * t->flops / r->seconds, 100 * t->products / r->seconds, 100 * t->at_ceiling / r->seconds);
  (void)vw_print(stdout, "  memory: arena %.1f MiB, leaves %.1f, weights %.1f, planned together %.1f",
                 mib * (double)r->memory.arena, mib * (double)r->memory.leaves, mib * (double)r->memory.weights,
                 mib * (double)planned_bytes(r));
  if (r->held) (void)vw_print(stdout, "; %.1f held on the device", mib * (double)r->held);
  (void)vw_print(stdout, "\n");
  (void)vw_print(stdout, "  %lld calls take %.3f ms alone; the step takes %+.1f %% of that more\n", (long long)t->calls,
                 1e3 * t->seconds, 100 * (r->seconds - t->seconds) / t->seconds);
  vw_kernel_table_print_ops(t);
  vw_kernel_table_print(t);
  (void)fflush(stdout);
}

static json_t *row_json(const vw_bench *b, const network_row *r) {
  const vw_kernel_table *t = &r->kernels;
  json_t *memory = json_pack("{s:I, s:I, s:I, s:I, s:I}", "arena", (json_int_t)r->memory.arena, "leaves",
                             (json_int_t)r->memory.leaves, "weights", (json_int_t)r->memory.weights, "planned",
                             (json_int_t)planned_bytes(r), "held", (json_int_t)r->held);
  json_t *row = json_pack(
      "{s:s, s:I, s:f, s:f, s:s, s:f, s:f, s:f, s:o, s:I, s:f, s:f, s:o, s:o}", "network", r->kind->name, "batch",
      (json_int_t)r->batch, "seconds", r->seconds, "rate", (double)r->batch / r->seconds, "unit", r->kind->unit,
      "tflops", 1e-12 * t->flops / r->seconds, "share_of_products", t->products / r->seconds, "share_of_roofline",
      t->at_ceiling / r->seconds, "memory_bytes", memory, "calls", (json_int_t)t->calls, "seconds_of_calls", t->seconds,
      "gap_seconds", r->seconds - t->seconds, "ops", vw_kernel_table_ops_json(t), "kernels", vw_kernel_table_json(t));
  vw_bench_settle_json(b, &r->rate, row);
  return row;
}

static vw_status measure_row(gpu_bench *g, network_row *r) {
  vw_bench_program s = {0};
  vw_status st = VW_OK;
  VW_GOTO(r->kind->open(g->b, r->batch, &s));
  if (g->b->settle) {
    VW_GOTO(vw_bench_settle(s.program, g->b->seconds, &r->rate));
    r->seconds = r->rate.one;
  } else {
    VW_GOTO(vw_bench_time_runs(s.program, g->b->seconds, &r->seconds));
  }
  r->memory = vw_program_memory_of(s.program), r->held = vw_memory_used(&g->b->ctx).held;
  VW_GOTO(vw_kernel_table_measure(g->b, &g->ceilings, s.program, KERNEL_SHARE * g->b->seconds, &r->kernels));
  VW_GOTO(vw_bench_keep(g->b, r->kind == &networks[TEXT] ? "classification step" : "picture",
                        (int64_t[]){r->batch, VW_BENCH_PREFIX, VW_BENCH_PROMPT}, 3, &s, r->seconds));
  if (!g->b->json) print_row(r);
  vw_bench_settle_print(g->b, &r->rate);
  json_array_append_new(g->b->rows,
                        row_json(g->b, r)); /* while the program that the rows' tensors belong to is there */
cleanup:
  vw_bench_program_close(&s);
  free(r->kernels.rows);
  return st;
}

/* A batch that does not fit is said and left out: the next ones may still be wanted. */
static vw_status measure(gpu_bench *g, const network_kind *kind, int64_t batch) {
  network_row r = {.kind = kind, .batch = batch};
  const vw_status st = measure_row(g, &r);
  if (st != VW_ERR_MEMORY) return st;
  if (!g->b->json) (void)vw_print(stdout, "\n%s, %lld at once: %s\n", kind->name, (long long)batch, vw_error_message());
  json_array_append_new(g->b->rows, json_pack("{s:s, s:I, s:s}", "network", kind->name, "batch", (json_int_t)batch,
                                              "error", vw_error_message()));
  vw_error_clear();
  return VW_OK;
}

static vw_status measure_text(void *user, int64_t batch) {
  return measure(user, &networks[TEXT], batch);
}

static vw_status measure_image(void *user, int64_t batch) {
  return measure(user, &networks[IMAGE], batch);
}

static vw_status check_options(const vw_bench_gpu_options *o) {
  VW_CHECK(!o->only || !strcmp(o->only, "ceilings") || !strcmp(o->only, "text") || !strcmp(o->only, "image"),
           VW_ERR_ARG, "--only '%s': choose ceilings, text or image", o->only);
  VW_CHECK(o->order == 0 || (o->order >= 16 && o->order <= 32768), VW_ERR_ARG,
           "--order %lld: an order of square products from 16 to 32768", (long long)o->order);
  return VW_OK;
}

vw_status vw_bench_gpu(vw_bench *b, const char *dir, const vw_bench_gpu_options *o) {
  gpu_bench g = {.b = b};
  char kernels[128];
  VW_TRY(check_options(o));
  vw_kernel_set(&b->ctx, kernels);
  if (!b->json)
    (void)vw_print(stdout, "%s: text encoder %lld x %lld layers, image tower %lld x %lld layers; %s, %s, %d thread%s\n",
                   dir, (long long)b->n->net.text.tower.t.width, (long long)b->n->net.text.tower.t.layers,
                   (long long)b->n->vision.t.width, (long long)b->n->vision.t.layers, kernels,
                   vw_precision_name(&b->ctx), b->ctx.threads, b->ctx.threads == 1 ? "" : "s");
  VW_TRY(vw_bench_ceilings(b, o->order, &g.ceilings));
  print_ceilings(b, &g.ceilings);
  vw_algorithms_time(&b->ctx, o->timed);
  b->head = json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:o}", "model", dir, "backend", vw_backend_name(b->ctx.backend),
                      "precision", vw_precision_name(&b->ctx), "kernels", kernels, "timed", o->timed, "threads",
                      b->ctx.threads, "ceilings", ceilings_json(&g.ceilings));
  if (!o->only || !strcmp(o->only, "text"))
    VW_TRY(vw_bench_each("trials", o->trials ? o->trials : "1,16,64,256,1024,1600", measure_text, &g));
  if (!o->only || !strcmp(o->only, "image"))
    VW_TRY(vw_bench_each("pictures", o->pictures ? o->pictures : "1,16,64,256", measure_image, &g));
  return VW_OK;
}
