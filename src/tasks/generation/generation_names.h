/* The names that a judge chooses among, as it reads them in a sentence. Private to src/tasks/generation_*.c and its
 * tests. */
#ifndef VW_TASKS_GENERATION_NAMES_H
#define VW_TASKS_GENERATION_NAMES_H

#include "core/pool.h"
#include "networks/clip.h"

typedef struct vw_judge_names {
  vw_clip_network *judge; /* borrowed, as the sentence */
  const char *sentence;   /* one {} */
  const char **name;      /* [n] with blanks for '_' and without capitals: names that differ in these are one */
  double *feature;        /* [n, projection], unit length */
  int64_t n, room;
  vw_pool pool;
} vw_judge_names;

void vw_judge_names_free(vw_judge_names *names);

/* place[i]: that of name[i], which is encoded where it is new. A name's feature depends on nothing but the name. Errors:
 * VW_ERR_INPUT naming the name (too long, not UTF-8); VW_ERR_MEMORY. */
vw_status vw_judge_names_find(vw_judge_names *names, const char *const *name, int64_t n, int64_t *place);

/* Logits z [names->n] of a picture's unit feature. */
void vw_judge_names_logits(const vw_judge_names *names, const double *feature, double *z);

/* What a word's picture is measured against; places among the names, which may repeat. */
enum { VW_JUDGE_OTHERS = 8 };
typedef struct vw_judge_rivals {
  int64_t concept, anchor; /* anchor -1: there is none */
  const int64_t *concepts, *known;
  int64_t n_concepts, n_known;
  int64_t others[VW_JUDGE_OTHERS], n_others; /* drawn among `known` */
} vw_judge_rivals;

/* Draws `others`: words i = 0, 1, ... of purpose 5 of the concept's stream, below n_known; the concept, the anchor and
 * names that were drawn already are passed over. */
void vw_judge_draw_others(vw_judge_rivals *r, uint64_t key);

/* The three scores (VW_GENERATION_*) of a picture with these logits: 1 where the concept's is the largest by more than a
 * tie, else 0; NaN where it is no number. */
void vw_judge_score(const vw_judge_rivals *r, const double *z, double *numbers);

#endif
