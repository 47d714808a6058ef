/* What learned words are compared with (docs/protocol.md, Baselines), for one concept. */
#ifndef VW_LEARN_BASELINES_H
#define VW_LEARN_BASELINES_H

#include "learn/block_io.h"

/* Rows: every anchor untouched; the real name; a random whole word; for every anchor and finite delta a random
 * direction. *rows is malloc'ed, the caller frees it. */
vw_status vw_baselines_run(const vw_clip_task *t, const vw_word_table *w, const vw_study_config *config,
                           const char *concept, vw_baseline_row **rows, int64_t *n);

/* The random whole word of a concept: a token id. */
vw_status vw_random_word(const vw_clip_task *t, const vw_word_table *w, const char *concept, int32_t *id);

#endif
