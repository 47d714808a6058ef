/* Making of what is computed once and kept, a file a thing, by all ranks: who is free takes the next few. */
#ifndef VW_TASKS_CACHE_WORK_H
#define VW_TASKS_CACHE_WORK_H

#include "tasks/task.h"

typedef struct vw_cache_work {
  const char *cache, *folder; /* the files lie in cache/folder */
  int64_t n, at_once;         /* things; so many are taken from the queue together */
  /* Makes and writes what is missing of first .. end - 1; tells and asks by `hooks`, counts in *computed. */
  vw_status (*make)(void *user, int64_t first, int64_t end, const vw_task_hooks *hooks, int64_t *computed);
  void *user;
} vw_cache_work;

/* Collective; as vw_task_kind.cache. */
vw_status vw_cache_work_do(const vw_cache_work *w, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                           bool *stopped);

static inline bool vw_cache_work_ends(const vw_task_hooks *h) {
  return h->stop && h->stop(h->user);
}

#endif
