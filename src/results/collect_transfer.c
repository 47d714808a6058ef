/* What the transfer stage left. */
#include "results/collect.h"

vw_transfer_source vw_results_transfer(const vw_results_source *s) {
  return (vw_transfer_source){.config = s->config,
                              .plan = s->plan,
                              .out = s->out,
                              .kinds = s->kinds,
                              .networks = s->networks,
                              .words = s->words,
                              .weights = s->weights,
                              .pictures = s->pictures};
}
