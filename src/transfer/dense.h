/* Dense matrices in double: products and decompositions of LAPACK (Anderson et al. 1999), which OpenBLAS brings. A
 * matrix [n, m] lies row by row. Everything runs on one thread, so the bits depend on the library and the processor
 * alone, never on the number of threads. */
#ifndef VW_TRANSFER_DENSE_H
#define VW_TRANSFER_DENSE_H

#include "core/status.h"

#include <stdint.h>

/* How a factor is stored: as it is named, or as its transpose. */
typedef enum vw_dense_as { VW_DENSE_PLAIN, VW_DENSE_TURNED } vw_dense_as;

/* c [n, m] = a b, with a [n, k] and b [k, m]; a turned one is stored as [k, n] or [m, k]. */
void vw_dense_multiply(const double *a, vw_dense_as as_a, const double *b, vw_dense_as as_b, int64_t n, int64_t k,
                       int64_t m, double *c);

/* a [n, m] = u diag(s) vt with r = min(n, m): u [n, r], s [r] descending, vt [r, m]; `a` is overwritten. Errors:
 * VW_ERR_MEMORY, VW_ERR_ARG (no convergence: numbers that are not finite). */
vw_status vw_dense_svd(double *a, int64_t n, int64_t m, double *u, double *s, double *vt);

/* A symmetric a [n, n] = v^T diag(w) v, w [n] ascending; `a` becomes v, an eigenvector a row. Errors: as above. */
vw_status vw_dense_eigen(double *a, int64_t n, double *w);

#endif
