/* The table of stages. Another one is a row here and a file beside it (docs/design.md, Stages). */
#include "jobs/stages/rows.h"

#include <stddef.h>

const vw_stage *const vw_stages[] = {
    &vw_stage_learn, &vw_stage_evaluate, &vw_stage_transfer, &vw_stage_truncation, &vw_stage_probe,
    &vw_stage_tsne,  &vw_stage_collect,  &vw_stage_figures,  &vw_stage_report,     NULL};
