/* trials.csv: a line a trial, as /trials and /evaluation of study.h5 have it. Rank 0 alone. */
#include "results/collect/collect_format.h"

#include "core/durable.h"
#include "core/text.h"

#include <math.h>
#include <stdlib.h>

static void number(FILE *out, double v) {
  if (isfinite(v)) (void)vw_print(out, "%.17g", v);
  (void)fputc(',', out);
}

static void put_trial(const vw_collected *c, int64_t i, FILE *out) {
  const vw_trial_row *r = &c->rows[i];
  const vw_task_kind *task = vw_collect_task(c, c->trial[i]->model_index);
  char delta[VW_DELTA_TEXT];
  vw_delta_text(r->delta, delta);
  vw_csv_text(out, r->id_text), vw_csv_text(out, r->model), vw_csv_text(out, r->data), vw_csv_text(out, r->concept);
  vw_csv_text(out, r->anchor), vw_csv_text(out, delta);
  (void)vw_print(out, "%lld,%d,", (long long)r->replica, r->is_null);
  vw_csv_text(out, r->status), vw_csv_text(out, task->metrics[task->headline].name);
  number(out, r->metrics[task->headline]);
  vw_csv_text(out, r->nearest);
  number(out, r->distance_over_radius), number(out, r->loss_start), number(out, r->loss_end), number(out, r->kkt);
  (void)vw_print(out, "%d\n", r->on_sphere);
}

vw_status vw_collect_trials_csv(const vw_collected *c) {
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  VW_TRY(vw_path_format(path, "%s/trials.csv", c->s->out));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  (void)vw_print(out, "id,model,data,concept,anchor,delta,replica,null,status,metric,value,nearest_word,"
                      "distance_over_radius,loss_start,loss_end,kkt,on_sphere\n");
  for (int64_t i = 0; i < c->n; i++) put_trial(c, i, out);
  const bool failed = ferror(out) != 0;
  vw_status st = fclose(out) != 0 || failed ? VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path) : VW_OK;
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)bytes);
  free(text);
  return st;
}
