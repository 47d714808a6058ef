/* A list of kinds with names alone, so that readers above the tasks are linked without networks and kernels. */
#include "tasks/kinds.h"
#include "networks/network.h"

static const vw_metric shares[] = {{"recall", "1", "", true},
                                   {"recall_10", "1", "", true},
                                   {"accuracy", "1", "", true}},
                       precisions[] = {{"ap", "1", "", true}, {"ap50", "1", "", true}},
                       named[] = {{"named", "1", "", true}, {"loss", "1", "", false}};
static const vw_kept_kind boxes = {.name = "boxes", .ndim = 3, .are_boxes = true};
static const vw_kept_kind features = {.name = "features", .ndim = 1, .are_features = true};
static vw_status no_sheet(const vw_task_inputs *in, const char *concept) {
  (void)in, (void)concept;
  return VW_OK;
}
static const vw_task_kind classification = {
    .name = "classification", .keys = "judge.templates", .metrics = shares, .n_metrics = 3, .metric_scale = "metric"};
static const vw_task_kind detection = {
    .name = "detection", .metrics = precisions, .n_metrics = 2, .headline = 1, .kept = &boxes};
static const vw_task_kind generation = {.name = "generation",
                                        .keys = "judge.steps",
                                        .metrics = named,
                                        .n_metrics = 2,
                                        .kept = &features,
                                        .sheet = no_sheet};
static const vw_network_kind clip = {.name = "clip"}, owlv2 = {.name = "owlv2"}, sd = {.name = "stable-diffusion"};

const vw_kind vw_kinds[] = {{&clip, &classification}, {&owlv2, &detection}, {&sd, &generation}};
const int vw_n_kinds = sizeof vw_kinds / sizeof *vw_kinds;
const char vw_kinds_later[] = "";
