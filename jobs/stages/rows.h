/* The rows of the table of stages, each defined in the file of its name. */
#ifndef VW_JOBS_STAGES_ROWS_H
#define VW_JOBS_STAGES_ROWS_H

#include "jobs/stages/stage.h"

extern const vw_stage vw_stage_learn, vw_stage_evaluate, vw_stage_transfer, vw_stage_truncation, vw_stage_probe,
    vw_stage_tsne, vw_stage_collect, vw_stage_figures, vw_stage_report;

#endif
