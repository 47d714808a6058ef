/* timestep_embedding: a thread a pair of sinusoids, in double; a few thousand a step. */
#include "kernels/timestep_embedding.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename Y>
__global__ static void __launch_bounds__(THREADS)
    timestep_embedding_kernel(Y *__restrict__ y, const int32_t *__restrict__ t, vw_timestep_attr a, int64_t B) {
  const int64_t h = a.width / 2, n = vw_thread(), b = n / h, i = n % h;
  if (b >= B) return;
  const double w = exp(-log(a.period) * static_cast<double>(i) / (static_cast<double>(h) - a.shift));
  const double angle = static_cast<double>(t[b]) * w;
  vw_store(y, b * a.width + i + (a.cosine_first ? h : 0), static_cast<float>(sin(angle)));
  vw_store(y, b * a.width + i + (a.cosine_first ? 0 : h), static_cast<float>(cos(angle)));
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_timestep_attr a = *static_cast<const vw_timestep_attr *>(c->attr);
  const int64_t B = c->out[0].dim[0];
  return vw_with_type("timestep_embedding", &c->out[0], [&](auto y) {
    return vw_launch(ctx, "timestep_embedding", timestep_embedding_kernel<decltype(y)>, B * (a.width / 2), THREADS,
                     THREADS, 0, vw_data<decltype(y)>(&c->out[0]), vw_i32(&c->in[0]), a, B);
  });
}

extern "C" const vw_kernel timestep_embedding_cuda = {run, nullptr, nullptr, nullptr, 0};
