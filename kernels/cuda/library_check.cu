/* A library's result beside an own kernel's: libraries have been wrong at some shapes, and no table says where. Made once
 * a plan, when a program is prepared; costs a run of the own kernel. */
#include "kernels/cuda/library_check.cuh"

#include "kernels/backend.h"
#include "kernels/cuda/vector.cuh"

#include <cmath>

extern "C" { /* a header of C alone */
#include "core/log.h"
}

enum { THREADS = 256, SUM_THREADS = 1024, RESULTS = 3, SUMS = 3, REPEATS = 20, TIMES = 3, RUNS = 5 };
enum { FIRST, AGAIN, OWN }; /* of the results */

/* Uniform by a hash of the index: bf16 in (-1, 1); fp32, which statistics are, in (7, 9), as sums of exponentials. */
template <typename T>
__global__ static void __launch_bounds__(THREADS) make_up_kernel(T *__restrict__ x, float low, float high, int64_t n) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  uint32_t h = static_cast<uint32_t>(i) * 2654435761u + 12345u;
  h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
  vw_store(x, i, low + (high - low) * (static_cast<float>(h >> 8) * 0x1p-24f));
}

/* Of thread t at sums[SUMS t]: (a - own)^2, own^2, how many of a and b differ. */
template <typename T>
__global__ static void __launch_bounds__(SUM_THREADS)
    compare_kernel(double *__restrict__ sums, const T *__restrict__ a, const T *__restrict__ b,
                   const T *__restrict__ own, int64_t n) {
  double error = 0, size = 0, other = 0;
  for (int64_t i = threadIdx.x; i < n; i += SUM_THREADS) {
    const double x = vw_load(a, i), y = vw_load(own, i);
    error += (x - y) * (x - y), size += y * y;
    other += vw_load(a, i) == vw_load(b, i) ? 0 : 1;
  }
  sums[SUMS * threadIdx.x] = error, sums[SUMS * threadIdx.x + 1] = size, sums[SUMS * threadIdx.x + 2] = other;
}

/* 1 to *differs where a and b have other bits: whoever finds one writes the same. */
__global__ static void __launch_bounds__(THREADS)
    differ_kernel(double *differs, const uint16_t *__restrict__ a, const uint16_t *__restrict__ b, int64_t n) {
  const int64_t i = vw_thread();
  if (i < n && a[i] != b[i]) *differs = 1;
}

struct trial {
  vw_tensor in[VW_MAX_IN], out[RESULTS][VW_MAX_OUT];
  double *sums;
};

static vw_status make_up(vw_context *ctx, const vw_tensor *t) {
  const int64_t n = vw_count(t);
  if (t->dtype == VW_BF16)
    return vw_launch(ctx, "make_up", make_up_kernel<__nv_bfloat16>, n, THREADS, THREADS, 0, vw_data<__nv_bfloat16>(t),
                     -1.0f, 1.0f, n);
  if (t->dtype == VW_F32)
    return vw_launch(ctx, "make_up", make_up_kernel<float>, n, THREADS, THREADS, 0, vw_data<float>(t), 7.0f, 9.0f, n);
  return VW_OK; /* indices: allocated memory is 0 */
}

static vw_status make_trial(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, trial *t) {
  for (int i = 0; i < k->n_in; i++) {
    t->in[i] = c->in[i];
    if (!vw_present(&c->in[i]) || c->frozen >> i & 1u) continue;
    t->in[i].data = nullptr;
    VW_TRY(vw_cuda_memory.allocate(ctx, vw_bytes(&c->in[i]), &t->in[i].data));
    VW_TRY(make_up(ctx, &t->in[i]));
  }
  for (int r = 0; r < RESULTS; r++)
    for (int i = 0; i < k->n_out; i++) {
      t->out[r][i] = c->out[i], t->out[r][i].data = nullptr;
      VW_TRY(vw_cuda_memory.allocate(ctx, vw_bytes(&c->out[i]), &t->out[r][i].data));
    }
  void *sums = nullptr;
  VW_TRY(vw_cuda_memory.allocate(ctx, SUM_THREADS * SUMS * sizeof(double), &sums));
  t->sums = static_cast<double *>(sums);
  return VW_OK;
}

static void forget_trial(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t) {
  for (int i = 0; i < k->n_in; i++)
    if (t->in[i].data && !(c->frozen >> i & 1u)) vw_cuda_memory.release(ctx, t->in[i].data);
  for (const auto &result : t->out)
    for (int i = 0; i < k->n_out; i++)
      if (result[i].data) vw_cuda_memory.release(ctx, result[i].data);
  if (t->sums) vw_cuda_memory.release(ctx, t->sums);
}

static vw_call call_of(const vw_call *c, const trial *t, int result) {
  vw_call call = *c;
  call.in = t->in, call.out = t->out[result], call.state = nullptr;
  return call;
}

static vw_status run_result(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t, int result) {
  vw_call call = call_of(c, t, result);
  vw_status st = result == OWN ? VW_OK : k->bind(ctx, &call);
  if (st == VW_OK) st = k->run(ctx, &call);
  if (st == VW_OK) st = vw_cuda_memory.synchronise(ctx);
  k->release(ctx, &call);
  return st;
}

static vw_status compare(vw_context *ctx, const trial *t, int i, bool *agrees) {
  static const double most = 0x1p-6;
  const vw_tensor *a = &t->out[FIRST][i], *b = &t->out[AGAIN][i], *own = &t->out[OWN][i];
  double each[SUM_THREADS * SUMS], sums[SUMS] = {};
  if (!vw_count(a)) return VW_OK;
  VW_TRY(vw_with_type("check", a, [&](auto x) {
    using X = decltype(x);
    return vw_launch(ctx, "compare", compare_kernel<X>, 1, 1, SUM_THREADS, 0, t->sums, vw_data<const X>(a),
                     vw_data<const X>(b), vw_data<const X>(own), vw_count(a));
  }));
  VW_TRY(vw_cuda_memory.download(ctx, each, t->sums, sizeof each));
  for (int j = 0; j < SUM_THREADS * SUMS; j++) sums[j % SUMS] += each[j];
  *agrees = *agrees && sums[2] == 0 && std::sqrt(sums[0]) <= most * std::sqrt(sums[1]);
  return VW_OK;
}

/* The library's results as they stand, against each other and against the own kernel's. */
static vw_status check(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t, bool *agrees) {
  *agrees = true;
  VW_TRY(run_result(ctx, c, k, t, FIRST));
  VW_TRY(run_result(ctx, c, k, t, AGAIN));
  for (int i = 0; i < k->n_out; i++) VW_TRY(compare(ctx, t, i, agrees));
  return VW_OK;
}

/* ---- a race ------------------------------------------------------------------------------------------------------ */

static vw_status differ(vw_context *ctx, const vw_library_kernel *k, const trial *t) {
  for (int i = 0; i < k->n_out; i++) {
    const vw_tensor *a = &t->out[FIRST][i], *b = &t->out[AGAIN][i];
    const int64_t n = static_cast<int64_t>(vw_bytes(a) / sizeof(uint16_t));
    VW_TRY(vw_launch(ctx, "differ", differ_kernel, n, THREADS, THREADS, 0, t->sums, vw_data<const uint16_t>(a),
                     vw_data<const uint16_t>(b), n));
  }
  return VW_OK;
}

/* REPEATS runs of a call that is bound to the results AGAIN, against FIRST. */
static vw_status repeat(vw_context *ctx, const vw_library_kernel *k, const trial *t, const vw_call *call,
                        bool *repeats) {
  const double none = 0;
  double differs = 0;
  VW_TRY(vw_cuda_memory.upload(ctx, t->sums, &none, sizeof none));
  for (int r = 0; r < REPEATS; r++) {
    VW_TRY(k->run(ctx, call));
    VW_TRY(differ(ctx, k, t));
  }
  VW_TRY(vw_cuda_memory.download(ctx, &differs, t->sums, sizeof differs));
  *repeats = differs == 0;
  return VW_OK;
}

struct stopwatch {
  cudaEvent_t begin, end;
};

/* Milliseconds of RUNS runs, the least of TIMES tries. */
static vw_status time_call(vw_context *ctx, const vw_library_kernel *k, const vw_call *call, const stopwatch *watch,
                           float *ms) {
  for (int i = 0; i < TIMES; i++) {
    float once = 0;
    VW_CUDA_TRY(cudaEventRecord(watch->begin, vw_cuda_of(ctx)->stream));
    for (int r = 0; r < RUNS; r++) VW_TRY(k->run(ctx, call));
    VW_CUDA_TRY(cudaEventRecord(watch->end, vw_cuda_of(ctx)->stream));
    VW_CUDA_TRY(cudaEventSynchronize(watch->end));
    VW_CUDA_TRY(cudaEventElapsedTime(&once, watch->begin, watch->end));
    if (i == 0 || once < *ms) *ms = once;
  }
  return VW_OK;
}

static vw_status measure_candidate(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t,
                                   const stopwatch *watch, bool *passes, float *ms) {
  VW_TRY(check(ctx, c, k, t, passes));
  if (!*passes) return VW_OK;
  vw_call call = call_of(c, t, AGAIN);
  vw_status st = k->bind(ctx, &call);
  if (st == VW_OK) st = repeat(ctx, k, t, &call, passes);
  if (st == VW_OK && *passes) st = time_call(ctx, k, &call, watch, ms);
  k->release(ctx, &call);
  return st;
}

/* The own kernel's time; like measure_candidate's, a call that is bound to the results AGAIN. */
static vw_status time_own(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t,
                          const stopwatch *watch, float *ms) {
  const vw_call call = call_of(c, t, AGAIN);
  VW_TRY(k->run(ctx, &call)); /* the first is slower */
  return time_call(ctx, k, &call, watch, ms);
}

/* Leaves the fastest candidate in the plan; none agrees where the own kernel is faster. */
static vw_status race(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t,
                      const stopwatch *watch, vw_cudnn_plan *plan, bool *agrees) {
  float own = INFINITY;
  int winner = -1;
  if (k->races) VW_TRY(time_own(ctx, c, k, t, watch, &own));
  float best = own, library = INFINITY;
  for (int i = 0; i < vw_cudnn_candidates(plan); i++) {
    bool passes = false;
    float ms = 0;
    vw_cudnn_use(plan, i);
    VW_TRY(measure_candidate(ctx, c, k, t, watch, &passes, &ms));
    if (passes) library = fminf(library, ms);
    if (passes && ms < 0.98f * best) winner = i, best = ms;
  }
  *agrees = winner >= 0;
  if (k->races)
    vw_log(VW_LOG_INFO, "'%s': own kernel %.4f ms, cuDNN's best %.4f ms (inf: none agrees)", vw_cudnn_key(plan),
           static_cast<double>(own) / RUNS, static_cast<double>(library) / RUNS);
  vw_cudnn_use(plan, *agrees ? winner : 0);
  return VW_OK;
}

static vw_status choose(vw_context *ctx, const vw_call *c, const vw_library_kernel *k, const trial *t,
                        vw_cudnn_plan *plan, bool *agrees) {
  if (vw_cudnn_candidates(plan) < (k->races ? 1 : 2)) return check(ctx, c, k, t, agrees);
  stopwatch watch = {};
  cudaError_t error = cudaEventCreate(&watch.begin);
  if (error == cudaSuccess) error = cudaEventCreate(&watch.end);
  vw_status st = VW_OK;
  if (error == cudaSuccess) st = race(ctx, c, k, t, &watch, plan, agrees);
  if (watch.begin) (void)cudaEventDestroy(watch.begin);
  if (watch.end) (void)cudaEventDestroy(watch.end);
  VW_CUDA_TRY(error);
  return st;
}

vw_status vw_library_try(vw_context *ctx, const vw_call *c, const vw_library_kernel *kernel, vw_cudnn_plan *plan,
                         bool *agrees) {
  trial t = {};
  *agrees = false;
  vw_status st = make_trial(ctx, c, kernel, &t);
  if (st == VW_OK) st = run_result(ctx, c, kernel, &t, OWN);
  if (st == VW_OK) st = choose(ctx, c, kernel, &t, plan, agrees);
  forget_trial(ctx, c, kernel, &t);
  /* not "then do without": what runs would depend on what else is on the device */
  if (st == VW_ERR_MEMORY) return vw_fail(st, __FILE__, __LINE__, "comparing a library with an own kernel");
  return st == VW_OK ? vw_cudnn_judge(plan, *agrees) : st;
}
