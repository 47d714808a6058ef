/* How alike another network finds what words draw: cosines of the features that judging kept. Inside src/results. */
#ifndef VW_RESULTS_COLLECT_ALIKE_H
#define VW_RESULTS_COLLECT_ALIKE_H

#include "results/collect/collect.h"

enum { VW_ALIKES = VW_ALIKE_UNTOUCHED - VW_ALIKE_ANCHORS }; /* that are of a delta */

/* Words of a model for a data set. */
typedef struct vw_alike_words {
  const vw_collected *c;
  int64_t model, data;
  uint64_t key; /* of the bootstrap */
} vw_alike_words;

/* Does judging keep features of what the model's words draw? Where it does, but no file has them, all below is NaN. */
bool vw_has_features(const vw_collected *c, int64_t model);

/* Rank 0. Words of concepts that were learned with this delta and did not fail: out[VW_ALIKE_... - VW_ALIKE_ANCHORS].
 * Errors: VW_ERR_MEMORY. */
vw_status vw_alike_at(const vw_alike_words *w, double delta, vw_interval out[VW_ALIKES]);

/* Rank 0. The untouched anchors among themselves: a mean over pairs, without intervals. Errors: VW_ERR_MEMORY. */
vw_status vw_alike_untouched(const vw_alike_words *w, vw_interval *out);

#endif
