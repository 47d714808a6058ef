/* One setting of threads for OpenMP and OpenBLAS, and the name of what decides the bits of cpu. */
#include "kernels/backend.h"

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/openblas.h"
#include "kernels/cpu/simd.h"
#include <gnu/libc-version.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

vw_status vw_cpu_open(vw_context *ctx) {
  /* 1 is a build with its own pthreads: two thread pools would fight for the cores */
  const vw_openblas *blas = vw_openblas_find(false);
  VW_CHECK(!blas || blas->parallel() != 1, VW_ERR_UNSUPPORTED,
           "OpenBLAS (%s) is the pthread build; link the openmp or serial one (Debian: libopenblas-openmp-dev)",
           blas->config());
  omp_set_dynamic(0);
  omp_set_num_threads(ctx->threads);
  if (blas) blas->set_threads(ctx->threads);
  return VW_OK;
}

/* Products are chains of fused multiply-adds (the same for AVX2 and AVX-512) or not fused; other sums depend on the
 * vector width that the loader picked; exponentials are the C library's. OpenBLAS makes no result. Networks of
 * convolutions have a version of their own ("winograd": Winograd's algorithm, tiles for causal attention; before there
 * was none), so that others' plans outlive a change that does not touch them. */
void vw_cpu_kernel_set(const vw_context *ctx, char text[128]) {
  const bool fused = strcmp(vw_tile_best()->name, "portable") != 0;
  (void)snprintf(text, 128, "cpu %s %s gcc-%d glibc-%s%s", fused ? "fma" : "portable", vw_simd_name(), __GNUC__,
                 gnu_get_libc_version(), ctx->convolutions ? " winograd" : "");
}
