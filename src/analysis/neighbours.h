/* Whether points lie beside those that share a label with them. Each has two labels, as a learned word has its concept
 * and its anchor. */
#ifndef VW_ANALYSIS_NEIGHBOURS_H
#define VW_ANALYSIS_NEIGHBOURS_H

#include "core/status.h"

#include <stdint.h>

enum { VW_BY_A, VW_BY_B, VW_BY_LABELS };

/* What is asked of each point; NaN: does not apply. */
typedef struct vw_neighbourhood {
  /* Does the nearest other point have the same label: 1, 0, or of several at the same distance the share that has it.
   * Points with both labels the same are passed over (replicas). Asked only of points that have another one of the
   * same a and another one of the same b to be nearest to. */
  double agrees[VW_BY_LABELS];
  /* Rousseeuw's silhouette (1987): (b - a) / max(a, b) with a the mean distance to the points of the same label, b the
   * smallest mean distance to those of another one; 0 for the only point of its label. */
  double silhouette[VW_BY_LABELS];
} vw_neighbourhood;

/* Of x [n, d] with labels a[n], b[n] of 0 or more; Euclidean distances. out[n].
 * Errors: VW_ERR_MEMORY. */
vw_status vw_neighbourhoods(const float *x, int64_t n, int64_t d, const int64_t *a, const int64_t *b, int threads,
                            vw_neighbourhood *out);

#endif
