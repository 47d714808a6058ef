/* pgd_step and adamw_step (contract: kernels/pgd_step.h): all words in one launch, one block a word; step and
 * projection without a second pass through memory but for the norms. Norms are sums of doubles in fixed order: threads
 * stride by THREADS, then a tree. Traffic: words, gradients, anchors (moments) read up to three times, from L1 after
 * the first; results written once or, where the ball binds, twice. */
#include "kernels/pgd_step.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

/* The same sum in every thread; `part` is THREADS doubles of shared memory. All threads must come. */
__device__ static double block_sum(double x, double *part) {
  part[threadIdx.x] = x;
  __syncthreads();
  for (unsigned n = THREADS / 2; n; n /= 2) {
    if (threadIdx.x < n) part[threadIdx.x] += part[threadIdx.x + n];
    __syncthreads();
  }
  const double sum = part[0];
  __syncthreads(); /* the next sum overwrites */
  return sum;
}

__device__ static double norm(const float *a, int64_t C, double *part) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < C; i += THREADS) sum += static_cast<double>(a[i]) * static_cast<double>(a[i]);
  return sqrt(block_sum(sum, part));
}

/* Each thread moves the channels that it wrote. */
__device__ static void project(float *word, const float *anchor, float radius, int64_t C, double *part) {
  if (isinf(radius)) return;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < C; i += THREADS) {
    const double d = static_cast<double>(word[i]) - static_cast<double>(anchor[i]);
    sum += d * d;
  }
  const double distance = sqrt(block_sum(sum, part));
  if (!(distance > static_cast<double>(radius))) return;
  const float shrink = static_cast<float>(static_cast<double>(radius) / distance);
  for (int64_t i = threadIdx.x; i < C; i += THREADS) word[i] = anchor[i] + (word[i] - anchor[i]) * shrink;
}

/* `out` may be `words`: no __restrict__ between them. */
__global__ static void __launch_bounds__(THREADS)
    pgd_kernel(float *out, const float *words, const float *__restrict__ grad, const float *__restrict__ anchors,
               const float *__restrict__ radii, const int64_t *__restrict__ step, vw_pgd_attr a, int64_t C) {
  __shared__ double part[THREADS];
  const int64_t at = blockIdx.x * C, t = step[0];
  const float radius = radii[blockIdx.x], *anchor = anchors + at;
  const double length = norm(grad + at, C, part);
  const double reach = isinf(radius) ? norm(anchor, C, part) : static_cast<double>(radius);
  const bool moves = isfinite(length) && length > 0;
  const double turn = static_cast<double>(t) / static_cast<double>(a.steps);
  const double eta = t < a.steps ? a.eta0 / 2 * (1 + cos(3.14159265358979323846 * turn)) : 0;
  const double pace = moves ? eta * reach / length : 0;
  for (int64_t i = threadIdx.x; i < C; i += THREADS)
    out[at + i] =
        moves ? static_cast<float>(static_cast<double>(words[at + i]) - pace * static_cast<double>(grad[at + i]))
              : words[at + i];
  if (moves) project(out + at, anchor, radius, C, part);
}

/* Of one step; rest = 1 - beta, rounded once. */
struct pace {
  float beta1, rest1, beta2, rest2, keep, rate, root2, eps;
};

__device__ static pace pace_of(const vw_adamw_attr &a, double t) {
  return {static_cast<float>(a.beta1),
          static_cast<float>(1 - a.beta1),
          static_cast<float>(a.beta2),
          static_cast<float>(1 - a.beta2),
          static_cast<float>(1 - a.lr * a.weight_decay),
          static_cast<float>(a.lr / (1 - pow(a.beta1, t))),
          static_cast<float>(sqrt(1 - pow(a.beta2, t))),
          static_cast<float>(a.eps)};
}

struct adamw_state {
  float *out, *m_out, *v_out;
  const float *words, *m, *v;
};

__global__ static void __launch_bounds__(THREADS)
    adamw_kernel(adamw_state s, const float *__restrict__ grad, const float *__restrict__ anchors,
                 const float *__restrict__ radii, const int64_t *__restrict__ step, vw_adamw_attr a, int64_t C) {
  __shared__ double part[THREADS];
  __shared__ pace p;
  const int64_t at = blockIdx.x * C;
  const float radius = radii[blockIdx.x];
  if (threadIdx.x == 0) p = pace_of(a, static_cast<double>(step[0]) + 1);
  const bool moves = isfinite(norm(grad + at, C, part)); /* its barriers show p to all */
  const float keep = isinf(radius) ? p.keep : 1.0f;
  for (int64_t i = at + threadIdx.x; i < at + C; i += THREADS) {
    float word = s.words[i], m = s.m[i], v = s.v[i];
    if (moves) {
      m = p.beta1 * m + p.rest1 * grad[i];
      v = p.beta2 * v + p.rest2 * grad[i] * grad[i];
      word = word * keep - p.rate * m / (sqrtf(v) / p.root2 + p.eps);
    }
    s.out[i] = word, s.m_out[i] = m, s.v_out[i] = v;
  }
  if (moves) project(s.out + at, anchors + at, radius, C, part);
}

static vw_status run_pgd(vw_context *ctx, const vw_call *c) {
  const vw_tensor *out = &c->out[0];
  for (int i = PGD_WORDS; i <= PGD_RADIUS; i++) VW_TRY(vw_check_f32("pgd_step", "words", &c->in[i]));
  return vw_launch(ctx, "pgd_step", pgd_kernel, out->dim[0], 1, THREADS, 0, vw_f32(out), vw_f32(&c->in[PGD_WORDS]),
                   vw_f32(&c->in[PGD_GRAD]), vw_f32(&c->in[PGD_ANCHOR]), vw_f32(&c->in[PGD_RADIUS]),
                   vw_i64(&c->in[PGD_STEP]), *static_cast<const vw_pgd_attr *>(c->attr), out->dim[1]);
}

static vw_status run_adamw(vw_context *ctx, const vw_call *c) {
  const vw_tensor *out = c->out, *in = c->in;
  for (int i = ADAMW_WORDS; i <= ADAMW_V; i++) VW_TRY(vw_check_f32("adamw_step", "words", &in[i]));
  const adamw_state s = {vw_f32(&out[0]),          vw_f32(&out[1]),      vw_f32(&out[2]),
                         vw_f32(&in[ADAMW_WORDS]), vw_f32(&in[ADAMW_M]), vw_f32(&in[ADAMW_V])};
  return vw_launch(ctx, "adamw_step", adamw_kernel, out->dim[0], 1, THREADS, 0, s, vw_f32(&in[ADAMW_GRAD]),
                   vw_f32(&in[ADAMW_ANCHOR]), vw_f32(&in[ADAMW_RADIUS]), vw_i64(&in[ADAMW_STEP]),
                   *static_cast<const vw_adamw_attr *>(c->attr), out->dim[1]);
}

extern "C" const vw_kernel pgd_step_cuda = {run_pgd, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel adamw_step_cuda = {run_adamw, nullptr, nullptr, nullptr, 0};
