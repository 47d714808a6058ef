/* How far apart vectors are that were found for one thing, and what numbers spread between. Plain arrays in and out. */
#ifndef VW_ANALYSIS_SPREAD_H
#define VW_ANALYSIS_SPREAD_H

#include <stdint.h>

#include "core/status.h"

/* What a vector is of. radius: of its ball; INFINITY: none. */
typedef struct vw_spread_item {
  int64_t concept, anchor, replica;
  double radius;
} vw_spread_item;

/* Pairs of one concept: of different anchors and the same replica; of the same anchor and different replicas. Pairs of
 * one of the concept with one of another concept: of different anchors and the same replica. */
typedef enum vw_spread_pairs {
  VW_SPREAD_ANCHORS,
  VW_SPREAD_REPLICAS,
  VW_SPREAD_OTHERS,
  VW_SPREAD_PAIRS
} vw_spread_pairs;

/* Means over a concept's pairs; NaN where it has none (distance: of finite radii). */
typedef struct vw_spread {
  int64_t concept, pairs[VW_SPREAD_PAIRS];
  double cosine[VW_SPREAD_PAIRS];
  double distance[VW_SPREAD_PAIRS]; /* |x - y| over the mean of both radii */
} vw_spread;

/* The concepts among x [n, d], in the order of their first vectors, into out[n]; *n_out: how many. Vectors that are not
 * finite, or 0, are in no pair. */
double vw_cosine(const double *x, const double *y, int64_t d); /* NaN where one is 0 or not finite */
void vw_spreads(const double *x, int64_t n, int64_t d, const vw_spread_item *item, vw_spread *out, int64_t *n_out);

/* The numbers below which a quarter, a half and three quarters of v[n] lie, linear between order statistics; NaN where
 * n is 0. Sorts v; it holds finite numbers alone. */
void vw_quartiles(double *v, int64_t n, double out[3]);

#endif
