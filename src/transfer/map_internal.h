/* What fitting a map and trying it on folds share. Private to src/transfer. */
#ifndef VW_TRANSFER_MAP_INTERNAL_H
#define VW_TRANSFER_MAP_INTERNAL_H

#include "transfer/map.h"

/* A map to be: features of words in the order of their folds. */
typedef struct vw_map_design {
  int64_t n, p, d;                 /* words, features, numbers to be explained */
  const double *x, *y;             /* [n, p], [n, d] */
  int64_t first[VW_MAP_FOLDS + 1]; /* of each fold's rows */
  bool bias;
} vw_map_design;

enum { VW_MAP_LAMBDAS = 7 };
extern const double vw_map_lambdas[VW_MAP_LAMBDAS];

/* Squared errors on held-out words, summed over the folds: error[i] of ridge with lambda[i] (0: least squares). Errors:
 * VW_ERR_MEMORY, VW_ERR_ARG. */
vw_status vw_map_try_ridge(const vw_map_design *g, const double *lambda, int64_t n_lambda, double *error);
/* The same of a rotation and a scale. */
vw_status vw_map_try_orthogonal(const vw_map_design *g, double *error);

/* t [p, d]: the rotation (columns or rows of unit length, at right angles) that is nearest to xy = x^T y, times the
 * scale with the smallest error; xx = x^T x. `xy` is overwritten. */
vw_status vw_map_rotation(const double *xx, double *xy, int64_t p, int64_t d, double *t);

#endif
