/* OpenBLAS, which makes no result: `viswords bench` measures against its product. It may be linked, as where maps between
 * networks take their LAPACK from it; otherwise it is opened by its name, where the machine has one. */
#ifndef VW_KERNELS_CPU_OPENBLAS_H
#define VW_KERNELS_CPU_OPENBLAS_H

#include <cblas.h>

typedef struct vw_openblas {
  __typeof__(cblas_sgemm) *sgemm;
  __typeof__(openblas_get_config) *config;
  __typeof__(openblas_get_parallel) *parallel;
  __typeof__(openblas_set_num_threads) *set_threads;
} vw_openblas;

/* The one that is in this process; with `open`, else that of the machine, unless it is a pthread build. NULL: none. */
const vw_openblas *vw_openblas_find(bool open);

#endif
