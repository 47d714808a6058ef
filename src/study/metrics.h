/* Means with confidence intervals, where a word lies among the model's words, and how far it is from the best point of
 * its ball. docs/protocol.md is the text. All in double. */
#ifndef VW_STUDY_METRICS_H
#define VW_STUDY_METRICS_H

#include "core/status.h"
#include "core/tensor.h"

#include <stdint.h>

enum { VW_RESAMPLES = 2000 };

/* --- intervals -------------------------------------------------------------------------------------------------- */

/* One number a trial. A value that is not finite is "not available" and counts nowhere. */
typedef struct vw_score {
  int64_t concept, anchor, replica;
  double delta; /* INFINITY: free */
  double value;
} vw_score;

/* NaN where there are too few numbers: mean below one, intervals below two. */
typedef struct vw_interval {
  int64_t n;
  double mean;
  double low, high;           /* mean -+ 1.96 standard errors over trials */
  double boot_low, boot_high; /* two-way bootstrap over concepts and anchors, 2.5 and 97.5 % */
} vw_interval;

/* Both intervals of the mean of `n` scores, whatever their deltas.
 *
 * Bootstrap: resample b draws C concepts and A anchors with replacement from those present, in the order of their
 * numbers: concept k is draw k of (key, step b, VW_DRAW_BOOTSTRAP), anchor k is draw C + k. Its mean weighs a trial by
 * how often its concept was drawn times how often its anchor was. Percentiles interpolate linearly between order
 * statistics. Errors: VW_ERR_MEMORY. */
vw_status vw_mean_interval(const vw_score *s, int64_t n, uint64_t key, vw_interval *out);

/* One interval a delta: out[i] is of the scores whose delta is deltas[i]. */
vw_status vw_delta_intervals(const vw_score *s, int64_t n, const double *deltas, int64_t n_deltas, uint64_t key,
                             vw_interval *out);

/* The same of value - baseline, trial by trial: base[i] belongs to s[i]. */
vw_status vw_paired_intervals(const vw_score *s, const double *base, int64_t n, const double *deltas, int64_t n_deltas,
                              uint64_t key, vw_interval *out);

/* The same of a delta minus the next smaller one of `deltas`, paired by concept, anchor and replica. The smallest has
 * no partner: n = 0. */
vw_status vw_step_intervals(const vw_score *s, int64_t n, const double *deltas, int64_t n_deltas, uint64_t key,
                            vw_interval *out);

/* --- words ------------------------------------------------------------------------------------------------------ */

/* A model's word embeddings; all borrowed. */
typedef struct vw_embeddings {
  const void *data; /* [V, d] */
  vw_dtype dtype;   /* VW_F32 or VW_F64 */
  int64_t V, d;
  const uint8_t *word; /* [V] 1: a whole word that may be a neighbour */
} vw_embeddings;

/* The nearest neighbour of entry `anchor` (never itself) and its distance; ties: lower id. The ball's radius is delta
 * times it. Errors: VW_ERR_ARG when there is no neighbour, or for another dtype; VW_ERR_MEMORY. */
vw_status vw_anchor_neighbour(const vw_embeddings *e, int64_t anchor, int64_t *nearest, double *distance);

typedef struct vw_word_place {
  int64_t nearest;    /* id of the nearest whole word; the anchor counts as one */
  double distance;    /* to it */
  double from_anchor; /* distance to the anchor */
  int64_t rank_words; /* of the anchor among whole words by distance to the vector, 1: the nearest; ties: lower id */
  int64_t rank_all;   /* the same among all V entries */
} vw_word_place;

/* Places K vectors [K, d] (double), learned from the entries anchor[K]. One pass over the table for all of them, and
 * most rows are left early: a row whose partial sum is beyond the anchor's distance can change nothing. Errors:
 * VW_ERR_ARG, VW_ERR_MEMORY. */
vw_status vw_place_words(const vw_embeddings *e, const double *vectors, const int64_t *anchor, int64_t K,
                         vw_word_place *out);

/* --- optimality ------------------------------------------------------------------------------------------------- */

/* How far a word is from the best point of its ball, to first order: |g - min(0, g.n) n| / |g| with n the outward
 * normal, when it is on the sphere (distance to the anchor >= radius (1 - 1e-5)); 1 when it is inside; 0 when g is 0;
 * NaN when g is not finite. 0: no move within the ball lowers the loss. gradient, word, anchor: [d]; radius INFINITY:
 * free. *on_sphere may be NULL. */
double vw_kkt_residual(const double *gradient, const double *word, const double *anchor, int64_t d, double radius,
                       bool *on_sphere);

#endif
