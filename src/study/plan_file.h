/* plan.yaml: text and back. Private to src/study. */
#ifndef VW_STUDY_PLAN_FILE_H
#define VW_STUDY_PLAN_FILE_H

#include "study/plan.h"

/* The identity of a block: the ids of its trials in order. Errors: VW_ERR_MEMORY. */
vw_status vw_block_hash(const vw_trial *trials, int64_t n, vw_hash *id);

/* The file's text; the caller frees *text. */
vw_status vw_plan_text(const vw_plan *plan, char **text, int64_t *bytes);

#endif
