/* What tasks compute once and keep (features of pictures, latents, matches): before learning, and before judging in
 * another run than the one that learned (an emptied cache). */
#include "core/log.h"
#include "jobs/session.h"
#include "tasks/features.h"

typedef struct told {
  vw_progress progress;
  int64_t done;
} told;

static void told_more(void *user, int64_t n) {
  told *t = user;
  t->done += n;
  vw_progress_update(&t->progress, t->done);
}

static bool asked_to_stop(void *user) {
  (void)user;
  return vw_stop_requested();
}

/* This run has a block of the model and the data set. */
static bool is_used(const vw_session *s, int64_t model, int64_t data) {
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (b->n_selected && b->model_index == model && b->data_index == data && vw_session_has_block(s, i)) return true;
  }
  return false;
}

vw_status vw_session_cache(vw_session *s, bool for_blocks, bool *stopped) {
  for (int64_t m = 0; m < s->config->n_models; m++)
    for (int64_t d = 0; d < s->config->n_data && !*stopped; d++) {
      if (!vw_study_learns_on(s->config, m, d)) continue;
      const vw_task_inputs in = vw_session_inputs(s, m, d);
      const vw_task_kind *task = s->kinds[m]->task;
      told t = {0};
      const vw_task_hooks hooks = {.user = &t, .told = for_blocks ? told_more : NULL, .stop = asked_to_stop};
      int64_t computed = 0;
      if (for_blocks && !is_used(s, m, d)) continue;
      const double start = vw_seconds();
      vw_stop_begin();
      if (for_blocks)
        vw_progress_start(&t.progress, s->ranks.rank == 0 && !s->options.quiet ? stderr : NULL, "features",
                          task->cached_are ? task->cached_are : "pictures", 0, task->cached(&in) / s->ranks.size);
      VW_TRY(task->cache(&in, &s->ranks, &hooks, &computed, stopped));
      if (for_blocks || computed)
        vw_sections_add(&s->sections, "features", computed ? "image tower" : "cached", vw_seconds() - start);
    }
  vw_log(VW_LOG_DEBUG, "feature files read=%lld", (long long)vw_features_read());
  return VW_OK;
}
