#include "tasks/cache_work.h"

#include "cluster/queue.h"
#include "tasks/cache_file.h"

static vw_status do_mine(const vw_cache_work *w, vw_queue *q, const vw_task_hooks *hooks, int64_t *computed) {
  vw_status st = VW_OK;
  int64_t item = -1;
  while (!vw_cache_work_ends(hooks)) {
    VW_GOTO(vw_queue_take(q, &item));
    if (item < 0) break;
    const int64_t first = item * w->at_once, end = first + w->at_once;
    VW_GOTO(w->make(w->user, first, end < w->n ? end : w->n, hooks, computed));
    VW_GOTO(vw_queue_report_done(q, 1));
  }
cleanup:
  if (st != VW_OK || vw_cache_work_ends(hooks)) (void)vw_queue_stop(q);
  return st;
}

vw_status vw_cache_work_do(const vw_cache_work *w, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                           bool *stopped) {
  const vw_task_hooks none = {0};
  vw_queue *q = NULL;
  if (!hooks) hooks = &none;
  *computed = 0, *stopped = false;
  VW_TRY(vw_agree_message(ranks, vw_cache_folder_open(w->cache, w->folder, ranks->rank == 0)));
  VW_TRY(vw_queue_create(ranks, (w->n + w->at_once - 1) / w->at_once, &q));
  const vw_status mine = do_mine(w, q, hooks, computed);
  vw_queue_destroy(q);
  VW_TRY(vw_agree_message(ranks, mine));
  int64_t any = vw_cache_work_ends(hooks);
  VW_TRY(vw_ranks_reduce(ranks, &any, 1, VW_REDUCE_MAX));
  *stopped = any != 0;
  return VW_OK;
}
