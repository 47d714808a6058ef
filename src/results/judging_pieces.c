#include "results/judging_pieces.h"

#include "results/truncation.h"

/* Of a task: tells the groups of models, data sets and depths apart. */
static const int64_t MOST_PARTS = (int64_t)1 << 40;

vw_status vw_judging_pieces(const vw_task_kind *task, const vw_task_inputs *in, const vw_words_to_judge *w,
                            int64_t *pictures, int64_t *numbers) {
  *pictures = *numbers = 0;
  if (task->judge || !task->judge_parts) return VW_OK;
  VW_TRY(task->judge_parts(in, pictures, numbers));
  if (task->draws_parts && w->pictures && w->pictures < *pictures) *pictures = w->pictures;
  return VW_OK;
}

int64_t vw_judging_group(const vw_task_kind *task, const vw_words_to_judge *w, int64_t n_data, int64_t picture) {
  const vw_shared_part by = task->shares_parts;
  if (by == VW_SHARED_BY_NONE || (by == VW_SHARED_BY_BASELINES && w->block >= 0)) return 0;
  const int64_t depth = task->lends_to_cut ? 0 : w->layer;
  return 1 + ((w->model * n_data + w->data) * VW_MOST_DEPTHS + depth) * MOST_PARTS + picture;
}
