/* LAPACK and BLAS by their Fortran names, which every build of them has; texts' lengths are passed as gfortran does.
 * Fortran stores matrices column by column: a [n, m] of ours is its transpose there. */
#include "transfer/dense.h"

#include <inttypes.h>
#include <limits.h>
#include <omp.h>
#include <stddef.h>
#include <stdlib.h>

extern void dgemm_(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k,
                   const double *alpha, const double *a, const int *lda, const double *b, const int *ldb,
                   const double *beta, double *c, const int *ldc, size_t, size_t);
extern void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
                    const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
                    size_t);
extern void dsyevd_(const char *job, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
                    const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);

/* OpenBLAS takes as many threads as OpenMP says, and its sums depend on how many they are. */
static int one_thread(void) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  return before;
}

static int least(int64_t n) {
  return n > 1 ? (int)n : 1; /* LAPACK wants leading dimensions of 1 or more */
}

void vw_dense_multiply(const double *a, vw_dense_as as_a, const double *b, vw_dense_as as_b, int64_t n, int64_t k,
                       int64_t m, double *c) {
  const double one = 1, zero = 0;
  const int in = (int)n, ik = (int)k, im = (int)m, ldc = least(m);
  const int lda = least(as_a == VW_DENSE_TURNED ? n : k), ldb = least(as_b == VW_DENSE_TURNED ? k : m);
  const int threads = one_thread();
  dgemm_(as_b == VW_DENSE_TURNED ? "T" : "N", as_a == VW_DENSE_TURNED ? "T" : "N", &im, &in, &ik, &one, b, &ldb, a,
         &lda, &zero, c, &ldc, 1, 1);
  omp_set_num_threads(threads);
}

static vw_status check_size(int64_t n, int64_t m) {
  VW_CHECK(n > 0 && m > 0 && n * m < INT_MAX / 8, VW_ERR_ARG, "a matrix of %" PRId64 " x %" PRId64 " is too large", n,
           m);
  return VW_OK;
}

static vw_status converged(int info) {
  VW_CHECK(info == 0, VW_ERR_ARG, "LAPACK did not find a decomposition (%d): are all numbers finite?", info);
  return VW_OK;
}

/* Our a is the library's a^T [m, n] = (vt)^T diag(s) u^T: its left vectors are our right ones. */
vw_status vw_dense_svd(double *a, int64_t n, int64_t m, double *u, double *s, double *vt) {
  VW_TRY(check_size(n, m));
  const int rows = (int)m, columns = (int)n, r = rows < columns ? rows : columns, ask = -1;
  double room = 0;
  int info = 0;
  int *iwork = malloc(8 * (size_t)r * sizeof *iwork);
  VW_CHECK(iwork, VW_ERR_MEMORY, "no memory for a decomposition of %" PRId64 " x %" PRId64, n, m);
  const int threads = one_thread();
  dgesdd_("S", &rows, &columns, a, &rows, s, vt, &rows, u, &r, &room, &ask, iwork, &info, 1);
  const int n_work = (int)room;
  double *work = malloc((size_t)n_work * sizeof *work);
  if (work) dgesdd_("S", &rows, &columns, a, &rows, s, vt, &rows, u, &r, work, &n_work, iwork, &info, 1);
  omp_set_num_threads(threads);
  const bool has_memory = work != NULL;
  free(work), free(iwork);
  VW_CHECK(has_memory, VW_ERR_MEMORY, "no memory for a decomposition of %" PRId64 " x %" PRId64, n, m);
  return converged(info);
}

vw_status vw_dense_eigen(double *a, int64_t n, double *w) {
  VW_TRY(check_size(n, n));
  const int size = (int)n, ask = -1;
  double room = 0;
  int info = 0, n_whole = 0;
  const int threads = one_thread();
  dsyevd_("V", "U", &size, a, &size, w, &room, &ask, &n_whole, &ask, &info, 1, 1);
  const int n_work = (int)room;
  double *work = malloc((size_t)n_work * sizeof *work);
  int *iwork = malloc((size_t)n_whole * sizeof *iwork);
  const bool has_memory = work && iwork;
  if (has_memory) dsyevd_("V", "U", &size, a, &size, w, work, &n_work, iwork, &n_whole, &info, 1, 1);
  omp_set_num_threads(threads);
  free(work), free(iwork);
  VW_CHECK(has_memory, VW_ERR_MEMORY, "no memory for eigenvectors of %" PRId64 " dimensions", n);
  return converged(info);
}
