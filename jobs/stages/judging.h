/* Judging some words by a task, all at once or picture by picture: what the stages that judge share. */
#ifndef VW_JOBS_STAGES_JUDGING_H
#define VW_JOBS_STAGES_JUDGING_H

#include "jobs/stages/stage.h"

/* Judges the words of an item: metrics, or one picture's numbers, or metrics from all pictures' numbers. */
typedef struct vw_judging {
  vw_session *s;
  const vw_stage_item *it; /* of the model that judges; picture -1: metrics */
  vw_task *task;
  char stem[VW_BLOCK_ID];       /* of the file with the metrics */
  int64_t n, pictures, numbers; /* words of the item; parts, numbers a word and part */
  double *part;                 /* [n, numbers] or, for the metrics, [pictures, n, numbers] */
  vw_kept_numbers kept;         /* for the metrics: what the task keeps of the words; kind NULL: nothing */
} vw_judging;

/* Lists what is to be done for the metrics file `stem` of words that it->model judges: the item itself, and where the
 * task judges picture by picture, in the round before, the pictures that are not there. `round` is the first of the two.
 * Nothing is left where the file is there and, with --complete and `keeps`, has what the task keeps of words: it counts
 * as done, and pictures' files that a killed run left are removed. Errors: of opening it, of removing them. */
vw_status vw_judging_list(const vw_session *s, vw_stage_list *list, const vw_stage_item *it, int64_t round,
                          const char *stem, bool keeps);

/* Room for the parts; for the metrics what all pictures gave, and with `keeps` room for what the task keeps of the words.
 * n and stem are set. The caller calls vw_judging_free, after a failure too. */
vw_status vw_judging_open(vw_judging *j, bool keeps);
void vw_judging_free(vw_judging *j);

/* Those from `first` on, which share a concept: w->n of the item's words. metrics [n, n_metrics] of all of them. */
vw_status vw_judging_words(const vw_judging *j, const vw_judged *w, int64_t first, double *metrics);

/* When all words are judged: writes what the picture gave, or removes the pictures' files, which are not needed any
 * more where the metrics are written. */
vw_status vw_judging_end(const vw_judging *j);

#endif
