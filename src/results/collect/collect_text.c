/* The summary for people and scripts: summary.csv, the table on the terminal, JSON. Rank 0 alone. */
#include "results/collect/collect_format.h"

#include "core/durable.h"
#include "core/text.h"
#include "io/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one line of the table: a kind of word and a delta ----------------------------------------------------------- */

typedef struct line {
  const vw_summary_row *row; /* of the headline: names the line */
  const vw_task_kind *task;
  vw_interval value[VW_MOST_METRICS], gain;
  int64_t judged, nothing; /* words with a verdict, and how many learned nothing; judged 0: does not apply */
} line;

/* The bounds of a share's interval, or of a difference of shares, as people see them: where the normal approximation
 * leaves what a share can be, they end there. study.h5 keeps what was computed. */
static vw_interval shown(const vw_collected *c, const vw_summary_row *r) {
  const bool is_share = r->metric == VW_NOTHING_LEARNED || vw_collect_task(c, r->model)->metrics[r->metric].is_share;
  return is_share ? vw_share_interval(r->interval, r->quantity != VW_VALUE) : r->interval;
}

static vw_interval interval_of(const vw_collected *c, const vw_summary_row *like, vw_quantity quantity, int metric) {
  const vw_summary_row *r =
      vw_summary_find(c->summary, c->n_summary, like->model, like->data, like->what, quantity, like->delta, metric);
  return r ? shown(c, r) : (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
}

static line line_of(const vw_collected *c, const vw_summary_row *row) {
  line l = {.row = row, .task = vw_collect_task(c, row->model)};
  for (int i = 0; i < l.task->n_metrics; i++) l.value[i] = interval_of(c, row, VW_VALUE, i);
  l.gain = interval_of(c, row, VW_MINUS_ANCHOR, l.task->headline);
  const vw_interval nothing = interval_of(c, row, VW_VALUE, VW_NOTHING_LEARNED);
  l.judged = nothing.n, l.nothing = nothing.n ? llround(nothing.mean * (double)nothing.n) : 0;
  return l;
}

/* Does this row of the summary open a line of the table? */
static bool opens_line(const vw_collected *c, const vw_summary_row *r, int64_t model, int64_t data) {
  return r->model == model && r->data == data && r->metric == vw_collect_task(c, model)->headline &&
         r->quantity == VW_VALUE;
}

static void delta_text(double delta, char text[VW_DELTA_TEXT]) {
  if (isnan(delta))
    (void)snprintf(text, VW_DELTA_TEXT, "-");
  else
    vw_delta_text(delta, text);
}

typedef struct counts {
  int64_t learned, nothing, open, failed, missing, stopped;
} counts;

static counts count_trials(const vw_collected *c) {
  counts n = {0};
  for (int64_t i = 0; i < c->n; i++) {
    const char *s = c->rows[i].status;
    n.learned += !strcmp(s, "learned"), n.nothing += !strcmp(s, "nothing learned"), n.open += !strcmp(s, "no verdict");
    n.failed += !strcmp(s, "failed"), n.missing += !strcmp(s, "missing");
    n.stopped += c->rows[i].is_stopped;
  }
  return n;
}

/* ---- terminal ---------------------------------------------------------------------------------------------------- */

/* Columns are as wide as their names, or three places behind the point ask for. */
static int width_of(const vw_metric *m) {
  const int n = (int)strlen(m->name);
  return n <= 7 ? 7 : n <= 9 ? 9 : n;
}

static void print_line(const line *l, FILE *out) {
  char delta[VW_DELTA_TEXT], a[16], e[16], low[32], boot[32], gain[32], nothing[32] = "";
  const int headline = l->task->headline;
  const vw_interval *i = &l->value[headline];
  delta_text(l->row->delta, delta);
  if (l->judged) (void)snprintf(nothing, sizeof nothing, "%lld of %lld", (long long)l->nothing, (long long)l->judged);
  (void)vw_print(out, "%-16s %6s %5lld %*s %-17s %-17s", vw_measured_names[l->row->what], delta, (long long)i->n,
                 width_of(&l->task->metrics[headline]), vw_format_number(i->mean, a),
                 vw_format_range(i->low, i->high, low), vw_format_range(i->boot_low, i->boot_high, boot));
  for (int m = 0; m < l->task->n_metrics; m++)
    if (m != headline)
      (void)vw_print(out, " %*s", width_of(&l->task->metrics[m]), vw_format_number(l->value[m].mean, a));
  if (l->gain.n)
    (void)vw_print(out, " %7s %-17s %s", vw_format_number(l->gain.mean, e),
                   vw_format_range(l->gain.boot_low, l->gain.boot_high, gain), nothing);
  (void)vw_print(out, "\n");
}

static void print_head(const vw_task_kind *task, FILE *out) {
  const vw_metric *headline = &task->metrics[task->headline];
  (void)vw_print(out, "%-16s %6s %5s %*s %-17s %-17s", "", "delta", "n", width_of(headline), headline->name,
                 "over trials", "concepts, anchors");
  for (int m = 0; m < task->n_metrics; m++)
    if (m != task->headline) (void)vw_print(out, " %*s", width_of(&task->metrics[m]), task->metrics[m].name);
  (void)vw_print(out, " %7s %-17s %s\n", "gain", "over the anchor", "nothing learned");
}

static void print_table(const vw_collected *c, int64_t model, int64_t data, FILE *out) {
  const vw_study_config *config = c->s->config;
  (void)vw_print(out, "\n%s: words of %s for %s (%lld concepts, %lld anchors); 95 %% intervals\n", config->study,
                 config->models[model].name, config->data[data].name,
                 (long long)vw_study_data_of(config, model, data)->concepts.n,
                 (long long)config->models[model].trials.anchors.n);
  print_head(vw_collect_task(c, model), out);
  for (int64_t i = 0; i < c->n_summary; i++)
    if (opens_line(c, &c->summary[i], model, data)) {
      const line l = line_of(c, &c->summary[i]);
      print_line(&l, out);
    }
}

void vw_collect_print(const vw_collected *c, FILE *out) {
  const counts n = count_trials(c);
  for (int64_t m = 0; m < c->s->config->n_models; m++)
    for (int64_t d = 0; d < c->s->config->n_data; d++)
      if (vw_study_learns_on(c->s->config, m, d)) print_table(c, m, d, out);
  vw_collect_transfer_print(c, out);
  const vw_task_kind *task = vw_collect_task_at(c, 0);
  (void)vw_print(out, "\n%lld trials: %lld learned, %lld learned nothing (%s not above the untouched anchor's)",
                 (long long)c->n, (long long)n.learned, (long long)n.nothing,
                 vw_collect_task_at(c, 1) ? "headline" : task->metrics[task->headline].name);
  if (n.open) (void)vw_print(out, ", %lld without a verdict (null concepts, or not judged)", (long long)n.open);
  if (n.failed) (void)vw_print(out, ", %lld failed", (long long)n.failed);
  if (n.missing) (void)vw_print(out, ", %lld missing", (long long)n.missing);
  if (n.stopped) (void)vw_print(out, "; %lld stopped early", (long long)n.stopped);
  (void)vw_print(out, "\n%s/study.h5, summary.csv", c->s->out);
  for (int64_t i = 0; (task = vw_collect_task_at(c, i)); i++) {
    (void)vw_print(out, ", figures/%s_against_delta.svg", task->metrics[task->headline].name);
  }
  (void)vw_print(out, "\n");
  (void)fflush(out);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *json_line(const vw_collected *c, const line *l) {
  const vw_study_config *config = c->s->config;
  char delta[VW_DELTA_TEXT];
  delta_text(l->row->delta, delta);
  json_t *o = json_pack("{s:s, s:s, s:s, s:o}", "model", config->models[l->row->model].name, "data",
                        config->data[l->row->data].name, "what", vw_measured_names[l->row->what], "delta",
                        isfinite(l->row->delta) ? json_real(l->row->delta)
                        : isnan(l->row->delta)  ? json_null()
                                                : json_string(delta));
  for (int i = 0; i < l->task->n_metrics; i++)
    json_object_set_new(o, l->task->metrics[i].name, vw_json_interval(&l->value[i]));
  char gain[64];
  (void)snprintf(gain, sizeof gain, "%s_minus_anchor", l->task->metrics[l->task->headline].name);
  if (l->gain.n) json_object_set_new(o, gain, vw_json_interval(&l->gain));
  if (l->judged) json_object_set_new(o, "nothing_learned", json_integer(l->nothing));
  return o;
}

void vw_collect_print_json(const vw_collected *c, FILE *out) {
  const counts n = count_trials(c);
  json_t *lines = json_array();
  for (int64_t m = 0; m < c->s->config->n_models; m++)
    for (int64_t d = 0; d < c->s->config->n_data; d++)
      for (int64_t i = 0; i < c->n_summary; i++)
        if (opens_line(c, &c->summary[i], m, d)) {
          const line l = line_of(c, &c->summary[i]);
          json_array_append_new(lines, json_line(c, &l));
        }
  json_t *all = json_pack("{s:s, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "study", c->s->config->study, "out",
                          vw_json_name(c->s->out), "trials", "all", (json_int_t)c->n, "learned", (json_int_t)n.learned,
                          "nothing_learned", (json_int_t)n.nothing, "no_verdict", (json_int_t)n.open, "failed",
                          (json_int_t)n.failed, "missing", (json_int_t)n.missing, "summary", lines);
  if (n.stopped) json_object_set_new(json_object_get(all, "trials"), "stopped_early", json_integer(n.stopped));
  if (c->transfer.n_pairs) json_object_set_new(all, "transfer", vw_collect_transfer_json(c));
  (void)vw_json_print(all, JSON_INDENT(1), out);
  (void)vw_print(out, "\n");
  (void)fflush(out);
  json_decref(all);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static void csv_row(const vw_collected *c, const vw_summary_row *r, FILE *out) {
  char delta[VW_DELTA_TEXT] = "";
  const vw_interval i = shown(c, r);
  if (!isnan(r->delta)) vw_delta_text(r->delta, delta);
  vw_csv_text(out, c->s->config->models[r->model].name), vw_csv_text(out, c->s->config->data[r->data].name);
  vw_csv_text(out, vw_measured_names[r->what]), vw_csv_text(out, vw_quantity_names[r->quantity]),
      vw_csv_text(out, delta);
  vw_csv_text(out, vw_collect_metric_name(c, r->model, r->metric));
  vw_csv_interval(out, &i);
}

vw_status vw_collect_csv(const vw_collected *c) {
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  VW_TRY(vw_path_format(path, "%s/summary.csv", c->s->out));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  (void)vw_print(out, "model,data,what,quantity,delta,metric,n,mean,low,high,boot_low,boot_high\n");
  for (int64_t i = 0; i < c->n_summary; i++) csv_row(c, &c->summary[i], out);
  vw_collect_transfer_csv(c, out);
  const bool failed = ferror(out) != 0;
  vw_status st = fclose(out) != 0 || failed ? VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path) : VW_OK;
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)bytes);
  free(text);
  return st;
}
