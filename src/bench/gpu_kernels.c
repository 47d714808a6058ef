/* The kernels of `bench gpu`: every distinct call of a program, its time, and the time the ceilings would allow it. */
#include "bench/gpu.h"

#include "core/text.h"
#include "kernels/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REPEATS = 10000, FIRST_REPEATS = 1 };
#define LEAST_SHOWN 0.005 /* share of the time that a line of the printed table must have; JSON has all */

static bool same_tensor(const vw_tensor *a, const vw_tensor *b) {
  if (vw_present(a) != vw_present(b)) return false;
  return !vw_present(a) || (a->dtype == b->dtype && vw_same_shape(a, b));
}

static bool same_call(const vw_call_view *a, const vw_call_view *b) {
  bool same = a->op == b->op;
  for (int i = 0; same && i < a->op->n_in; i++) same = same_tensor(&a->in[i], &b->in[i]);
  for (int i = 0; same && i < a->op->n_out; i++) same = same_tensor(&a->out[i], &b->out[i]);
  return same;
}

/* What the kernel multiplies: the narrowest type among its inputs; fp32 factors of linear ops and of patches as TF32
 * where the context allows it, but for heads (kernels/op.h). */
static vw_product precision_of(const vw_context *ctx, const vw_call_view *c) {
  vw_product p = VW_PRODUCT_FP64;
  for (int i = 0; i < c->op->n_in; i++) {
    const vw_dtype t = vw_present(&c->in[i]) ? c->in[i].dtype : VW_F64;
    const vw_product own = t == VW_BF16 ? VW_PRODUCT_BF16 : t == VW_F32 ? VW_PRODUCT_FP32 : VW_PRODUCT_FP64;
    if (own > p) p = own;
  }
  const bool linear = c->op->id == VW_OP_linear || c->op->id == VW_OP_linear_grad;
  const bool head = linear && ((const vw_linear_attr *)c->attr)->role == VW_HEAD;
  const bool rounds = (linear && !head) || c->op->id == VW_OP_patch_embed;
  return p == VW_PRODUCT_FP32 && rounds && ctx->tf32 ? VW_PRODUCT_TF32 : p;
}

static double bytes_of(const vw_call_view *c) {
  double sum = 0;
  for (int i = 0; i < c->op->n_in; i++) sum += vw_present(&c->in[i]) ? (double)vw_bytes(&c->in[i]) : 0;
  for (int i = 0; i < c->op->n_out; i++) sum += (double)vw_bytes(&c->out[i]);
  return sum;
}

static vw_kernel_row row_of(const vw_context *ctx, const vw_ceilings *ceilings, vw_call_view c) {
  vw_kernel_row r = {.call = c, .bytes = bytes_of(&c), .precision = precision_of(ctx, &c)};
  r.flops = c.op->flops ? c.op->flops(c.in, c.attr, c.out) : 0;
  const double rate = ceilings->product[r.precision], product = rate > 0 ? r.flops / rate : 0;
  const double copy = r.bytes / ceilings->copy;
  r.copy_bound = copy >= product;
  r.at_ceiling = r.copy_bound ? copy : product;
  return r;
}

/* Rows in order of first appearance; repeats[call]: FIRST_REPEATS for the first call of a row, else 0; row_of_call. */
static void find_rows(const vw_bench *b, const vw_ceilings *ceilings, const vw_program *p, vw_kernel_table *t,
                      int64_t *row_of_call, int64_t *repeats) {
  for (int64_t i = 0; i < t->calls; i++) {
    const vw_call_view c = vw_program_call(p, i);
    int64_t row = 0;
    while (row < t->n && !same_call(&t->rows[row].call, &c)) row++;
    if (row == t->n) {
      t->rows[t->n++] = row_of(&b->ctx, ceilings, c);
      repeats[i] = FIRST_REPEATS;
    }
    t->rows[row].calls++, row_of_call[i] = row;
  }
}

/* Once to see how long a call takes, once more with as many repetitions as fill `seconds`. */
static vw_status time_rows(vw_program *p, vw_kernel_table *t, const int64_t *row_of_call, int64_t *repeats,
                           double *seconds, double wanted) {
  VW_TRY(vw_program_time_calls(p, repeats, seconds));
  for (int64_t i = 0; i < t->calls; i++) {
    if (!repeats[i]) continue;
    const double n = seconds[i] > 0 ? wanted / seconds[i] : MOST_REPEATS;
    repeats[i] = n < 1 ? 1 : n > MOST_REPEATS ? MOST_REPEATS : (int64_t)n;
  }
  VW_TRY(vw_program_time_calls(p, repeats, seconds));
  for (int64_t i = 0; i < t->calls; i++)
    if (repeats[i]) t->rows[row_of_call[i]].seconds = seconds[i];
  return VW_OK;
}

static int by_time(const void *a, const void *b) {
  const vw_kernel_row *x = a, *y = b;
  const double tx = (double)x->calls * x->seconds, ty = (double)y->calls * y->seconds;
  return tx > ty ? -1 : tx < ty;
}

static void add_up(vw_kernel_table *t, const vw_ceilings *c) {
  for (int64_t i = 0; i < t->n; i++) {
    const vw_kernel_row *r = &t->rows[i];
    const double calls = (double)r->calls, rate = c->product[r->precision];
    t->seconds += calls * r->seconds, t->flops += calls * r->flops, t->at_ceiling += calls * r->at_ceiling;
    if (rate > 0) t->products += calls * r->flops / rate;
  }
  qsort(t->rows, (size_t)t->n, sizeof *t->rows, by_time);
}

vw_status vw_kernel_table_measure(vw_bench *b, const vw_ceilings *c, vw_program *p, double seconds,
                                  vw_kernel_table *t) {
  const size_t calls = (size_t)vw_program_call_count(p) + 1;
  vw_status st = VW_OK;
  int64_t *row_of_call = calloc(calls, sizeof *row_of_call), *repeats = calloc(calls, sizeof *repeats);
  double *times = calloc(calls, sizeof *times);
  *t = (vw_kernel_table){.rows = calloc(calls, sizeof *t->rows), .calls = vw_program_call_count(p)};
  if (!row_of_call || !repeats || !times || !t->rows) {
    st = VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
    goto cleanup;
  }
  find_rows(b, c, p, t, row_of_call, repeats);
  VW_GOTO(time_rows(p, t, row_of_call, repeats, times, seconds));
  add_up(t, c);
cleanup:
  free(row_of_call), free(repeats), free(times);
  return st;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void print_tensors(const vw_tensor *t, int n) {
  for (int i = 0; i < n; i++)
    if (vw_present(&t[i])) (void)vw_print(stdout, " %s%s", vw_dtype_name(t[i].dtype), vw_shape_text(&t[i]));
}

static const char *bound_of(const vw_kernel_row *r) {
  return r->copy_bound ? "copy" : vw_product_name(r->precision);
}

static double share_of_time(const vw_kernel_table *t, const vw_kernel_row *r) {
  return (double)r->calls * r->seconds / t->seconds;
}

void vw_kernel_table_print(const vw_kernel_table *t) {
  (void)vw_print(stdout, "  each distinct call:\n  %7s %6s %12s %9s %9s %6s %8s  %s\n", "of time", "calls", "us/call",
                 "GB/s", "TFLOP/s", "bound", "reached", "op, inputs -> outputs");
  int64_t shown = 0;
  double rest = 1;
  for (; shown < t->n && share_of_time(t, &t->rows[shown]) >= LEAST_SHOWN; shown++) {
    const vw_kernel_row *r = &t->rows[shown];
    rest -= share_of_time(t, r);
    (void)vw_print(stdout, "  %5.1f %% %6lld %12.2f %9.1f %9.3f %6s %6.1f %%  %s", 100 * share_of_time(t, r),
                   (long long)r->calls, 1e6 * r->seconds, 1e-9 * r->bytes / r->seconds, 1e-12 * r->flops / r->seconds,
                   bound_of(r), 100 * r->at_ceiling / r->seconds, r->call.op->name);
    print_tensors(r->call.in, r->call.op->n_in);
    (void)vw_print(stdout, " ->");
    print_tensors(r->call.out, r->call.op->n_out);
    (void)vw_print(stdout, "\n");
  }
  if (shown < t->n)
    (void)vw_print(stdout, "  %5.1f %% %lld more, each below %.1f %%; --json lists them\n", 100 * rest,
                   (long long)(t->n - shown), 100 * LEAST_SHOWN);
}

static json_t *tensors_json(const vw_tensor *t, int n) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++)
    if (vw_present(&t[i]))
      json_array_append_new(list, json_sprintf("%s%s", vw_dtype_name(t[i].dtype), vw_shape_text(&t[i])));
  return list;
}

json_t *vw_kernel_table_json(const vw_kernel_table *t) {
  json_t *list = json_array();
  for (int64_t i = 0; i < t->n; i++) {
    const vw_kernel_row *r = &t->rows[i];
    json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:I, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:f}", "op",
                                          r->call.op->name, "in", tensors_json(r->call.in, r->call.op->n_in), "out",
                                          tensors_json(r->call.out, r->call.op->n_out), "calls", (json_int_t)r->calls,
                                          "seconds", r->seconds, "bytes", r->bytes, "flops", r->flops, "gb_per_s",
                                          1e-9 * r->bytes / r->seconds, "tflops", 1e-12 * r->flops / r->seconds,
                                          "bound", bound_of(r), "share_of_ceiling", r->at_ceiling / r->seconds,
                                          "share_of_time", share_of_time(t, r)));
  }
  return list;
}

typedef struct op_row {
  const char *name;
  int64_t calls;
  double seconds, at_ceiling, bytes, flops;
} op_row;

static int by_op_time(const void *a, const void *b) {
  const op_row *x = a, *y = b;
  if (x->seconds == y->seconds) return x->bytes > y->bytes ? -1 : x->bytes < y->bytes; /* counted, not timed */
  return x->seconds > y->seconds ? -1 : x->seconds < y->seconds;
}

/* ops[VW_OPS], those with calls first. */
static void add_up_ops(const vw_kernel_table *t, op_row *ops) {
  memset(ops, 0, VW_OPS * sizeof *ops);
  for (int64_t i = 0; i < t->n; i++) {
    const vw_kernel_row *r = &t->rows[i];
    op_row *o = &ops[r->call.op->id];
    o->name = r->call.op->name, o->calls += r->calls;
    o->seconds += (double)r->calls * r->seconds, o->at_ceiling += (double)r->calls * r->at_ceiling;
    o->bytes += (double)r->calls * r->bytes, o->flops += (double)r->calls * r->flops;
  }
  qsort(ops, VW_OPS, sizeof *ops, by_op_time);
}

void vw_kernel_table_print_ops(const vw_kernel_table *t) {
  op_row ops[VW_OPS];
  add_up_ops(t, ops);
  (void)vw_print(stdout, "  by op:\n  %7s %6s %12s %8s %9s  %s\n", "of time", "calls", "ms/step", "reached", "GB/step",
                 "op");
  for (int i = 0; i < VW_OPS && ops[i].calls; i++)
    (void)vw_print(stdout, "  %5.1f %% %6lld %12.3f %6.1f %% %9.3f  %s\n", 100 * ops[i].seconds / t->seconds,
                   (long long)ops[i].calls, 1e3 * ops[i].seconds, 100 * ops[i].at_ceiling / ops[i].seconds,
                   1e-9 * ops[i].bytes, ops[i].name);
}

vw_status vw_kernel_table_count(const vw_bench *b, const vw_program *p, vw_kernel_table *t) {
  const vw_ceilings none = {.copy = INFINITY};
  const size_t calls = (size_t)vw_program_call_count(p) + 1;
  int64_t *row_of_call = calloc(calls, sizeof *row_of_call), *repeats = calloc(calls, sizeof *repeats);
  *t = (vw_kernel_table){.rows = calloc(calls, sizeof *t->rows), .calls = vw_program_call_count(p)};
  const vw_status st = row_of_call && repeats && t->rows ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
  if (st == VW_OK) find_rows(b, &none, p, t, row_of_call, repeats);
  free(row_of_call), free(repeats);
  return st;
}

void vw_kernel_table_print_counts(const vw_kernel_table *t, int64_t batch) {
  op_row ops[VW_OPS];
  double bytes = 0, flops = 0;
  add_up_ops(t, ops);
  (void)vw_print(stdout, "  %6s %12s %12s %12s  %s\n", "calls", "GB/step", "MB/sample", "GFLOP/sample", "op");
  for (int i = 0; i < VW_OPS && ops[i].calls; i++) {
    bytes += ops[i].bytes, flops += ops[i].flops;
    (void)vw_print(stdout, "  %6lld %12.3f %12.1f %12.1f  %s\n", (long long)ops[i].calls, 1e-9 * ops[i].bytes,
                   1e-6 * ops[i].bytes / (double)batch, 1e-9 * ops[i].flops / (double)batch, ops[i].name);
  }
  (void)vw_print(stdout, "  %6lld %12.3f %12.1f %12.1f  all\n", (long long)t->calls, 1e-9 * bytes,
                 1e-6 * bytes / (double)batch, 1e-9 * flops / (double)batch);
}

json_t *vw_kernel_table_ops_json(const vw_kernel_table *t) {
  op_row ops[VW_OPS];
  json_t *list = json_array();
  add_up_ops(t, ops);
  for (int i = 0; i < VW_OPS && ops[i].calls; i++)
    json_array_append_new(
        list, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "op", ops[i].name, "calls", (json_int_t)ops[i].calls,
                        "seconds", ops[i].seconds, "share_of_time", ops[i].seconds / t->seconds, "share_of_ceiling",
                        ops[i].at_ceiling / ops[i].seconds, "bytes", ops[i].bytes, "flops", ops[i].flops));
  return list;
}
