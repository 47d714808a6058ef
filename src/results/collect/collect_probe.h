/* What the stages probe and tsne left, as `collect` gathers it. Inside src/results. */
#ifndef VW_RESULTS_COLLECT_PROBE_H
#define VW_RESULTS_COLLECT_PROBE_H

#include "results/activations.h"

/* In the order of vw_neighbourhood: agreement by concept and anchor, silhouettes by concept and anchor. */
enum { VW_PROBE_QUANTITIES = 4 };
extern const char *const vw_probe_quantities[VW_PROBE_QUANTITIES];

/* Are a model's words to be in study.h5 with their states? */
bool vw_results_probed(const vw_results_source *s, const vw_activations *a);

#endif
