#include "tests/support/op_test.h"

#include "core/random.h"
#include "graph/graph.h"
#include "kernels/linear.h"
#include "kernels/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256, CANARY = 0xA5 };

static bool is_integer(vw_dtype t) {
  return t == VW_I32 || t == VW_U32 || t == VW_I64;
}

/* ---- one run */

/* A backend's copy of a tensor, between two guards. */
typedef struct device_tensor {
  vw_tensor t;
  char *base; /* guard, data, guard */
} device_tensor;

static device_tensor to_device(vw_context *ctx, const vw_memory *mem, const vw_policy *policy, vw_tensor shape,
                               const vw_tensor *from) {
  device_tensor d = {.t = shape};
  d.t.dtype = vw_resolve(policy, shape.dtype == VW_F64 ? VW_ACT : shape.dtype);
  const size_t bytes = vw_bytes(&d.t), padded = (bytes + 63) / 64 * 64;
  char *host = malloc(padded + 2 * GUARD);
  assert_non_null(host);
  memset(host, CANARY, padded + 2 * GUARD);
  if (from && bytes) {
    if (from->dtype == d.t.dtype)
      memcpy(host + GUARD, from->data, bytes);
    else
      assert_ok(vw_convert(host + GUARD, d.t.dtype, from->data, from->dtype, vw_count(&d.t)));
  } else {
    memset(host + GUARD, 0xFF, bytes); /* NaN */
  }
  void *base = NULL;
  assert_ok(mem->allocate(ctx, padded + 2 * GUARD, &base));
  assert_ok(mem->upload(ctx, base, host, padded + 2 * GUARD));
  free(host);
  d.base = base, d.t.data = d.base + GUARD;
  return d;
}

static vw_tensor to_host(vw_context *ctx, const vw_memory *mem, const device_tensor *d, const char *op) {
  const size_t bytes = vw_bytes(&d->t), padded = (bytes + 63) / 64 * 64;
  char *host = malloc(padded + 2 * GUARD);
  assert_non_null(host);
  assert_ok(mem->download(ctx, host, d->base, padded + 2 * GUARD));
  for (size_t i = 0; i < padded + 2 * GUARD; i++)
    if ((i < GUARD || i >= GUARD + bytes) && (unsigned char)host[i] != CANARY)
      fail_msg("%s on %s wrote %lld bytes past an output", op, vw_backend_name(ctx->backend),
               (long long)i - (long long)GUARD);
  vw_tensor t = d->t;
  const size_t count = (size_t)vw_count(&t);
  t.data = malloc(count * 8 + 8);
  assert_non_null(t.data);
  if (is_integer(t.dtype)) {
    memcpy(t.data, host + GUARD, bytes);
  } else if (count) {
    assert_ok(vw_convert(t.data, VW_F64, host + GUARD, t.dtype, (int64_t)count));
  }
  if (!is_integer(t.dtype)) t.dtype = VW_F64;
  free(host);
  return t;
}

/* measure, scratch, prepare, run, release: what a plan does. */
static void run_kernel(vw_context *ctx, const vw_memory *mem, const vw_kernel *k, vw_call *c, const char *name) {
  if (k->measure) assert_ok(k->measure(ctx, c));
  device_tensor scratch = {0};
  if (c->scratch_bytes) {
    const vw_policy policy = vw_default_policy(ctx->backend);
    scratch = to_device(ctx, mem, &policy, vw_shape(VW_U8, (int64_t)c->scratch_bytes), NULL);
    c->scratch = scratch.t.data;
  }
  if (k->prepare) assert_ok(k->prepare(ctx, c));
  const vw_status st = k->run(ctx, c);
  if (st != VW_OK) fail_msg("%s on %s: %s", name, vw_backend_name(ctx->backend), vw_error_message());
  assert_ok(mem->synchronise(ctx));
  if (k->release) k->release(ctx, c);
  if (scratch.base) mem->release(ctx, scratch.base);
}

/* How a run stores its tensors: roles[i] is the role of input i where in[i] does not say it (doubles). */
typedef struct run_types {
  vw_policy policy;
  const vw_op_input *roles; /* NULL: doubles are activations */
  bool tf32;                /* of cuda: factors may be rounded */
} run_types;

static void run_op(vw_backend backend, int threads, uint32_t frozen, const run_types *types, const vw_op *op,
                   const void *attr, const vw_tensor *in, vw_tensor *out) {
  vw_context ctx;
  assert_ok(vw_context_open(&ctx, backend, threads, 0));
  if (types->tf32) assert_ok(vw_context_set_precision(&ctx, VW_COMPUTE_TF32));
  const vw_memory *mem = vw_memory_of(backend);
  const vw_kernel *kernel = vw_kernel_of(backend, op->id);
  assert_non_null(kernel);
  device_tensor din[VW_MAX_IN] = {0}, dout[VW_MAX_OUT] = {0};
  vw_tensor call_in[VW_MAX_IN] = {0}, call_out[VW_MAX_OUT] = {0}, shape[VW_MAX_OUT] = {0}, typed[VW_MAX_IN] = {0};
  for (int i = 0; i < op->n_in; i++) {
    typed[i] = in[i];
    if (types->roles && vw_present(&in[i])) typed[i].dtype = types->roles[i].shape.dtype;
  }
  assert_ok(op->infer(typed, attr, shape));
  for (int i = 0; i < op->n_in; i++)
    if (vw_present(&in[i])) din[i] = to_device(&ctx, mem, &types->policy, typed[i], &in[i]), call_in[i] = din[i].t;
  for (int i = 0; i < op->n_out; i++) {
    dout[i] = op->in_place[i] ? din[op->in_place[i] - 1] : to_device(&ctx, mem, &types->policy, shape[i], NULL);
    call_out[i] = dout[i].t;
  }
  vw_call c = {.in = call_in, .out = call_out, .attr = attr, .frozen = frozen};
  run_kernel(&ctx, mem, kernel, &c, op->name);
  for (int i = 0; i < op->n_out; i++) {
    out[i] = to_host(&ctx, mem, &dout[i], op->name);
    if (!op->in_place[i]) mem->release(&ctx, dout[i].base);
  }
  for (int i = 0; i < op->n_in; i++)
    if (din[i].base) mem->release(&ctx, din[i].base);
  vw_context_close(&ctx);
}

static run_types usual_types(vw_backend backend) {
  return (run_types){vw_default_policy(backend), NULL, false};
}

void vw_op_run(vw_backend backend, int threads, const vw_op *op, const void *attr, const vw_tensor *in,
               vw_tensor *out) {
  const run_types types = usual_types(backend);
  run_op(backend, threads, 0, &types, op, attr, in, out);
}

void vw_op_free(vw_tensor *t, int n) {
  for (int i = 0; i < n; i++) free(t[i].data), t[i].data = NULL;
}

/* ---- cases */

static void fill_input(const vw_op_input *spec, uint64_t seed, vw_tensor *t) {
  const int64_t n = vw_count(t);
  for (int64_t i = 0; i < n; i++) {
    const uint32_t word = vw_draw_u32(seed, 0, 99, (uint32_t)i);
    const int64_t integer = (int64_t)spec->lo + vw_below(word, (uint32_t)(spec->hi - spec->lo) + 1);
    switch (t->dtype) {
    case VW_I32:
      vw_i32(t)[i] = (int32_t)integer;
      break;
    case VW_U32:
      vw_u32(t)[i] = (uint32_t)integer;
      break;
    case VW_I64:
      vw_i64(t)[i] = integer;
      break;
    default:
      vw_f64(t)[i] = (float)(spec->lo + (spec->hi - spec->lo) * vw_uniform(word));
    }
  }
}

void vw_op_case_inputs(const vw_op_case *c, uint64_t seed, vw_tensor *in) {
  for (int i = 0; i < c->op->n_in; i++) {
    in[i] = c->in[i].shape;
    if (!vw_present(&in[i])) continue;
    if (!is_integer(in[i].dtype)) in[i].dtype = VW_F64;
    in[i].data = malloc((size_t)vw_count(&in[i]) * 8 + 8);
    assert_non_null(in[i].data);
    fill_input(&c->in[i], seed + 1000 * (uint64_t)i, &in[i]);
  }
}

static void same_bits(const vw_op_case *c, const char *what, const vw_tensor *a, const vw_tensor *b) {
  for (int i = 0; i < c->op->n_out; i++)
    if (memcmp(a[i].data, b[i].data, vw_bytes(&a[i])) != 0)
      fail_msg("%s: output %d of %s differs between %s", c->name, i, c->op->name, what);
}

static void near_reference(const vw_op_case *c, vw_backend backend, const vw_tensor *out, const vw_tensor *ref,
                           double tol) {
  for (int i = 0; i < c->op->n_out; i++) {
    char what[160];
    (void)snprintf(what, sizeof what, "%s: output %d of %s on %s", c->name, i, c->op->name, vw_backend_name(backend));
    assert_true(vw_same_shape(&out[i], &ref[i]));
    if (is_integer(out[i].dtype)) {
      if (memcmp(out[i].data, ref[i].data, vw_bytes(&out[i])) != 0) fail_msg("%s differs from ref", what);
    } else if (vw_count(&out[i])) {
      vw_assert_near(what, vw_f64(&out[i]), vw_f64(&ref[i]), vw_count(&out[i]), tol);
    }
  }
}

static void case_agrees(const vw_op_case *c, vw_backend backend, uint64_t seed) {
  if (!vw_kernel_of(backend, c->op->id)) return;
  vw_tensor in[VW_MAX_IN] = {0}, ref[VW_MAX_OUT] = {0}, one[VW_MAX_OUT] = {0}, again[VW_MAX_OUT] = {0},
            two[VW_MAX_OUT] = {0};
  vw_op_case_inputs(c, seed, in);
  vw_op_run(VW_REF, 1, c->op, c->attr, in, ref);
  vw_op_run(backend, 1, c->op, c->attr, in, one);
  const run_types types = usual_types(backend);
  run_op(backend, 1, ~0u, &types, c->op, c->attr, in, again); /* as weights: kernels may repack them in prepare */
  vw_op_run(backend, 2, c->op, c->attr, in, two);
  same_bits(c, "two runs", one, again);
  same_bits(c, "1 and 2 threads", one, two);
  near_reference(c, backend, one, ref, c->tol);
  vw_op_free(in, c->op->n_in), vw_op_free(ref, c->op->n_out), vw_op_free(one, c->op->n_out);
  vw_op_free(again, c->op->n_out), vw_op_free(two, c->op->n_out);
}

/* Why a backend is left out, or NULL. */
const char *vw_op_unavailable(vw_backend backend) {
  vw_context ctx;
  if (vw_context_open(&ctx, backend, 1, 0) != VW_OK) return vw_error_message();
  vw_context_close(&ctx);
  return NULL;
}

/* VISWORDS_TEST_ELEMENTS=N leaves out cases whose inputs have more elements: for tools that slow a device down. */
static bool is_left_out(const vw_op_case *c) {
  const char *most = getenv("VISWORDS_TEST_ELEMENTS");
  int64_t elements = 0;
  if (!most) return false;
  for (int i = 0; i < c->op->n_in; i++) elements += vw_present(&c->in[i].shape) ? vw_count(&c->in[i].shape) : 0;
  if (elements <= strtoll(most, NULL, 10)) return false;
  print_message("left out: %s has %lld elements\n", c->name, (long long)elements);
  return true;
}

void vw_op_cases_agree(const vw_op_case *cases, int n) {
  for (vw_backend b = VW_CPU; b < VW_BACKENDS; b++) {
    const char *reason = vw_op_unavailable(b);
    if (reason) {
      print_message("skipped on %s: %s\n", vw_backend_name(b), reason);
      continue;
    }
    for (int i = 0; i < n; i++)
      if (!is_left_out(&cases[i])) case_agrees(&cases[i], b, (uint64_t)i + 1);
  }
}

/* ---- bf16 */

/* Doubles that the policy stores in bf16, as they come back from there. */
static void round_inputs(const vw_op_case *c, const vw_policy *policy, vw_tensor *in) {
  for (int i = 0; i < c->op->n_in; i++) {
    const int64_t n = vw_count(&in[i]);
    if (!vw_present(&in[i]) || vw_resolve(policy, c->in[i].shape.dtype) != VW_BF16) continue;
    uint16_t *narrow = malloc((size_t)n * sizeof *narrow + 1);
    assert_non_null(narrow);
    assert_ok(vw_convert(narrow, VW_BF16, in[i].data, VW_F64, n));
    assert_ok(vw_convert(in[i].data, VW_F64, narrow, VW_BF16, n));
    free(narrow);
  }
}

static run_types bf16_types(const vw_op_case *c) {
  return (run_types){{VW_BF16, VW_BF16, VW_F32, VW_F32, VW_F32}, c->in, false};
}

void vw_op_run_bf16(const vw_op_case *c, const vw_tensor *in, vw_tensor *out) {
  const run_types types = bf16_types(c);
  run_op(VW_CUDA, 1, 0, &types, c->op, c->attr, in, out);
}

/* Two runs on cuda against ref, whose inputs are rounded as the policy stores them. */
static void case_agrees_as(const vw_op_case *c, const run_types *types, uint64_t seed, double tol) {
  vw_tensor in[VW_MAX_IN] = {0}, ref[VW_MAX_OUT] = {0}, one[VW_MAX_OUT] = {0}, again[VW_MAX_OUT] = {0};
  if (is_left_out(c)) return;
  vw_op_case_inputs(c, seed, in);
  round_inputs(c, &types->policy, in);
  vw_op_run(VW_REF, 1, c->op, c->attr, in, ref);
  run_op(VW_CUDA, 1, 0, types, c->op, c->attr, in, one);
  run_op(VW_CUDA, 1, ~0u, types, c->op, c->attr, in, again);
  same_bits(c, types->tf32 ? "two runs in TF32" : "two runs in bf16", one, again);
  near_reference(c, VW_CUDA, one, ref, tol);
  vw_op_free(in, c->op->n_in), vw_op_free(ref, c->op->n_out), vw_op_free(one, c->op->n_out);
  vw_op_free(again, c->op->n_out);
}

static bool has_cuda(void) {
  const char *reason = vw_op_unavailable(VW_CUDA);
  if (reason) print_message("skipped on cuda: %s\n", reason);
  return !reason;
}

void vw_op_cases_agree_bf16(const vw_op_case *cases, int n, double roundings) {
  if (!has_cuda()) return;
  for (int i = 0; i < n; i++) {
    const run_types types = bf16_types(&cases[i]);
    case_agrees_as(&cases[i], &types, (uint64_t)i + 1, cases[i].tol + roundings * 0x1p-8);
  }
}

void vw_op_cases_agree_tf32(const vw_op_case *cases, int n, double roundings) {
  if (!has_cuda()) return;
  for (int i = 0; i < n; i++) {
    const run_types types = {vw_default_policy(VW_CUDA), cases[i].in, true};
    case_agrees_as(&cases[i], &types, (uint64_t)i + 1, cases[i].tol + roundings * 0x1p-11);
  }
}

/* ---- gradients */

/* loss = sum gelu(y . v): a scalar of the op's first output whose gradient differs between rows and channels. */
static vw_value head_of(vw_graph *g, vw_value y, vw_value *weight) {
  *weight = vw_input(g, vw_shape(VW_PARAM, 1, vw_value_tensor(g, y).dim[vw_value_tensor(g, y).ndim - 1]), "head");
  return vw_linear(g, y, (vw_linear_weights){*weight, VW_NONE}, VW_ACT_GELU, VW_NONE, VW_HEAD);
}

typedef struct gradient_check {
  vw_program *plan;
  vw_tensor loss_shape;
  vw_value loss, leaf[VW_MAX_IN], grad[VW_MAX_IN];
} gradient_check;

static double loss_of(const gradient_check *k) {
  vw_tensor t = k->loss_shape;
  t.dtype = VW_F64;
  t.data = malloc(vw_bytes(&t) + 8);
  assert_non_null(t.data);
  assert_ok(vw_program_run(k->plan));
  assert_ok(vw_program_read(k->plan, k->loss, &t));
  double sum = 0;
  for (int64_t i = 0; i < vw_count(&t); i++) sum += vw_f64(&t)[i];
  free(t.data);
  return sum;
}

static void open_gradient(const vw_op_case *c, vw_context *ctx, const vw_tensor *in, gradient_check *k) {
  vw_graph *g = NULL;
  assert_ok(vw_graph_create(&g));
  vw_value wanted[VW_MAX_IN], grads[VW_MAX_IN], out[VW_MAX_OUT], head = VW_NONE;
  int n = 0;
  for (int i = 0; i < c->op->n_in; i++) {
    k->leaf[i] = vw_present(&c->in[i].shape) ? vw_input(g, c->in[i].shape, "in%d", i) : VW_NONE;
    if (c->wanted >> i & 1) wanted[n++] = k->leaf[i];
  }
  assert_ok(vw_emit(g, c->op, c->attr, k->leaf, out));
  k->loss = head_of(g, out[0], &head);
  assert_ok(vw_reverse(g, k->loss, wanted, n, grads));
  vw_output(g, k->loss, "loss");
  n = 0;
  for (int i = 0; i < c->op->n_in; i++) {
    k->grad[i] = c->wanted >> i & 1 ? grads[n++] : VW_NONE;
    if (c->wanted >> i & 1) vw_output(g, k->grad[i], "grad%d", i);
  }
  assert_ok(vw_graph_status(g));
  const vw_policy policy = vw_default_policy(VW_REF);
  assert_ok(vw_program_create(&k->plan, g, ctx, &policy));
  for (int i = 0; i < c->op->n_in; i++)
    if (k->leaf[i] != VW_NONE) assert_ok(vw_program_write(k->plan, k->leaf[i], &in[i]));
  k->loss_shape = vw_value_tensor(g, k->loss);
  vw_tensor weight = vw_value_tensor(g, head);
  weight.dtype = VW_F64;
  weight.data = malloc(vw_bytes(&weight) + 8);
  assert_non_null(weight.data);
  vw_test_fill(weight.data, vw_count(&weight), 77);
  assert_ok(vw_program_write(k->plan, head, &weight));
  free(weight.data);
  assert_ok(vw_program_prepare(k->plan));
  vw_graph_destroy(g);
}

/* <gradient, u> against (loss(x + h u) - loss(x - h u)) / 2h for a random direction u: the difference's own error is
 * h^2 times a third derivative of order 1 to 100, plus eps / h; both are below 1e-8 for h = 1e-5. */
static void direction_agrees(const vw_op_case *c, const gradient_check *k, const vw_tensor *in, int i, uint64_t seed) {
  const double h = 1e-5;
  const int64_t n = vw_count(&in[i]);
  double *u = malloc((size_t)n * sizeof *u), *x = malloc((size_t)n * sizeof *x), *d = malloc((size_t)n * sizeof *d);
  assert_true(u && x && d);
  vw_test_fill(u, n, seed);
  (void)loss_of(k);
  vw_tensor t = in[i];
  t.data = d;
  assert_ok(vw_program_read(k->plan, k->grad[i], &t));
  double along = 0, loss[2];
  for (int64_t j = 0; j < n; j++) along += d[j] * u[j];
  t.data = x;
  for (int side = 0; side < 2; side++) {
    for (int64_t j = 0; j < n; j++) x[j] = vw_f64(&in[i])[j] + (side ? -h : h) * u[j];
    assert_ok(vw_program_write(k->plan, k->leaf[i], &t));
    loss[side] = loss_of(k);
  }
  assert_ok(vw_program_write(k->plan, k->leaf[i], &in[i]));
  const double difference = (loss[0] - loss[1]) / (2 * h);
  if (!(fabs(along - difference) <= 1e-6 * fmax(1, fabs(difference))))
    fail_msg("%s: gradient of %s to input %d is %.12g along a direction, differences give %.12g", c->name, c->op->name,
             i, along, difference);
  if (!(fabs(along) > 1e-9)) fail_msg("%s: the gradient to input %d is %g: the check is empty", c->name, i, along);
  free(u), free(x), free(d);
}

void vw_op_cases_gradient(const vw_op_case *cases, int n) {
  vw_context ctx;
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  for (int j = 0; j < n; j++) {
    const vw_op_case *c = &cases[j];
    if (!c->wanted || is_left_out(c)) continue;
    vw_tensor in[VW_MAX_IN] = {0};
    gradient_check k = {0};
    vw_op_case_inputs(c, (uint64_t)j + 1, in);
    open_gradient(c, &ctx, in, &k);
    for (int i = 0; i < c->op->n_in; i++)
      if (c->wanted >> i & 1) direction_agrees(c, &k, in, i, (uint64_t)(100 * j + i));
    vw_program_destroy(k.plan);
    vw_op_free(in, c->op->n_in);
  }
  vw_context_close(&ctx);
}

void vw_op_refused(const vw_op *op, const void *attr, const vw_tensor *in, const char *text) {
  vw_tensor out[VW_MAX_OUT] = {0};
  assert_int_not_equal(op->infer(in, attr, out), VW_OK);
  if (!strstr(vw_error_message(), text)) fail_msg("'%s' does not say '%s'", vw_error_message(), text);
  vw_error_clear();
}
