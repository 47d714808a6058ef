/* The yardsticks of `viswords bench`: what this machine's OpenBLAS reaches on a large square product, and a plain copy. */
#include "kernels/rate.h"

#include "kernels/backend.h"

#include "kernels/cpu/openblas.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

vw_status vw_sgemm_rate(int64_t n, double seconds, double *flops_per_second) {
  const size_t count = (size_t)(n * n);
  const vw_openblas *blas = vw_openblas_find(true);
  VW_CHECK(blas, VW_ERR_UNSUPPORTED, "no OpenBLAS is on this machine (libopenblas.so.0)");
  blas->set_threads(omp_get_max_threads());
  float *x = malloc(3 * count * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "bench: out of memory for a product of order %lld", (long long)n);
  for (size_t i = 0; i < 3 * count; i++) x[i] = (float)(i % 31) / 31.0f - 0.5f;
  double best = 1e30;
  const double start = now();
  for (int run = 0; run < 3 || now() - start < seconds; run++) {
    const double begun = now();
    blas->sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)n, 1, x, (int)n, x + count, (int)n, 0,
                x + 2 * count, (int)n);
    if (now() - begun < best) best = now() - begun;
  }
  *flops_per_second = 2.0 * (double)n * (double)n * (double)n / best;
  free(x);
  return VW_OK;
}

void vw_cpu_copy(const vw_context *ctx, void *to, const void *from, size_t bytes) {
  const size_t part = (bytes + (size_t)ctx->threads - 1) / (size_t)ctx->threads;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int i = 0; i < ctx->threads; i++) {
    const size_t begin = (size_t)i * part;
    if (begin < bytes)
      memcpy((char *)to + begin, (const char *)from + begin, bytes - begin < part ? bytes - begin : part);
  }
}
