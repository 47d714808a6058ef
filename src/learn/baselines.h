/* What words are compared with, once a concept (docs/protocol.md, Baselines). */
#ifndef VW_LEARN_BASELINES_H
#define VW_LEARN_BASELINES_H

#include "learn/words.h"
#include "tasks/generation/drawn.h"

typedef struct vw_baseline_row {
  const char *kind, *anchor; /* kind: vw_baseline_kinds; anchor "" where it does not apply */
  char label[VW_DRAWN_LABEL];
  char delta[VW_DELTA_TEXT], word[64];
  bool is_judged; /* false: a name that the network does not know */
} vw_baseline_row;

typedef struct vw_baselines {
  const char *concept;
  vw_baseline_row *rows;
  double *vectors;                         /* [n, n W]; zero where a text is judged */
  const char **texts, **anchors, **labels; /* [n] as in vw_judged */
  int64_t n;
} vw_baselines;

/* Lists them for one concept of the task's data set: the model's anchors untouched, a random word, the concept's own
 * name, random directions. Nothing is judged. The caller frees it, after a failure too. `concept` is borrowed. */
vw_status vw_baselines_list(vw_baselines *b, const vw_task_inputs *in, const vw_task_kind *kind, const vw_word_table *w,
                            const char *concept);
void vw_baselines_free(vw_baselines *b);

/* As the task judges them. */
vw_judged vw_baselines_judged(const vw_baselines *b);

/* Numbers of rows that are not judged become NaN. metrics [n, n_metrics]; kept: of these rows. */
void vw_baselines_mask(const vw_baselines *b, int n_metrics, double *metrics, vw_kept_numbers *kept);

/* Is the concept's own name judged? One token that was trained, or several tokens of a network that was trained on all
 * of them. */
bool vw_baseline_name_is_known(const vw_word_table *w, const char *concept);

/* The random word of a concept: a neighbour drawn from the concept's stream. */
vw_status vw_random_word(const vw_task_inputs *in, const vw_word_table *w, const char *concept, int32_t *id);

#endif
