/* The summary for people and scripts: summary.csv, the table on the terminal, JSON. Rank 0 alone. */
#include "jobs/collect.h"

#include "core/text.h"
#include "io/durable.h"
#include "io/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one line of the table: a kind of word and a delta ----------------------------------------------------------- */

typedef struct line {
  const vw_summary_row *recall; /* names the line */
  vw_interval value[VW_METRICS], gain;
  int64_t judged, nothing; /* words with a verdict, and how many learned nothing; judged 0: does not apply */
} line;

static vw_interval interval_of(const vw_collected *c, const vw_summary_row *like, vw_quantity quantity, int metric) {
  const vw_summary_row *r =
      vw_summary_find(c->summary, c->n_summary, like->model, like->data, like->what, quantity, like->delta, metric);
  return r ? r->interval : (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
}

static line line_of(const vw_collected *c, const vw_summary_row *recall) {
  line l = {.recall = recall};
  for (int i = 0; i < VW_METRICS; i++) l.value[i] = interval_of(c, recall, VW_VALUE, i);
  l.gain = interval_of(c, recall, VW_MINUS_ANCHOR, VW_RECALL);
  const vw_interval nothing = interval_of(c, recall, VW_VALUE, VW_NOTHING_LEARNED);
  l.judged = nothing.n, l.nothing = nothing.n ? llround(nothing.mean * (double)nothing.n) : 0;
  return l;
}

/* Does this row of the summary open a line of the table? */
static bool opens_line(const vw_summary_row *r, int64_t model, int64_t data) {
  return r->model == model && r->data == data && r->metric == VW_RECALL && r->quantity == VW_VALUE;
}

static void delta_text(double delta, char text[VW_DELTA_TEXT]) {
  if (isnan(delta))
    (void)snprintf(text, VW_DELTA_TEXT, "-");
  else
    vw_delta_text(delta, text);
}

typedef struct counts {
  int64_t learned, nothing, open, failed, missing;
} counts;

static counts count_trials(const vw_collected *c) {
  counts n = {0};
  for (int64_t i = 0; i < c->n; i++) {
    const char *s = c->rows[i].status;
    n.learned += !strcmp(s, "learned"), n.nothing += !strcmp(s, "nothing learned"), n.open += !strcmp(s, "no verdict");
    n.failed += !strcmp(s, "failed"), n.missing += !strcmp(s, "missing");
  }
  return n;
}

/* ---- terminal ---------------------------------------------------------------------------------------------------- */

static const char *number(double v, char text[16]) {
  if (isfinite(v))
    (void)snprintf(text, 16, "%.3f", v);
  else
    (void)snprintf(text, 16, "-");
  return text;
}

static const char *range(double low, double high, char text[32]) {
  if (isfinite(low) && isfinite(high))
    (void)snprintf(text, 32, "[%6.3f, %6.3f]", low, high);
  else
    (void)snprintf(text, 32, "-");
  return text;
}

static void print_line(const line *l, FILE *out) {
  char delta[VW_DELTA_TEXT], a[16], b[16], c[16], d[16], e[16], low[32], boot[32], gain[32], nothing[32] = "";
  const vw_interval *i = &l->value[VW_RECALL];
  delta_text(l->recall->delta, delta);
  if (l->judged) (void)snprintf(nothing, sizeof nothing, "%lld of %lld", (long long)l->nothing, (long long)l->judged);
  (void)vw_print(out, "%-16s %6s %5lld %7s %-17s %-17s %9s %9s %7s", vw_measured_names[l->recall->what], delta,
                 (long long)i->n, number(i->mean, a), range(i->low, i->high, low),
                 range(i->boot_low, i->boot_high, boot), number(l->value[VW_RECALL_10].mean, b),
                 number(l->value[VW_ACCURACY].mean, c), number(l->value[VW_OTHERS_ACCURACY].mean, d));
  if (l->gain.n)
    (void)vw_print(out, " %7s %-17s %s", number(l->gain.mean, e), range(l->gain.boot_low, l->gain.boot_high, gain),
                   nothing);
  (void)vw_print(out, "\n");
}

static void print_table(const vw_collected *c, int64_t model, int64_t data, FILE *out) {
  const vw_study_config *config = c->s->config;
  (void)vw_print(out, "\n%s: words of %s for %s (%lld concepts, %lld anchors); 95 %% intervals\n", config->study,
                 config->models[model].name, config->data[data].name, (long long)config->data[data].concepts.n,
                 (long long)config->anchors.n);
  (void)vw_print(out, "%-16s %6s %5s %7s %-17s %-17s %9s %9s %7s %7s %-17s %s\n", "", "delta", "n", "recall",
                 "over trials", "concepts, anchors", "recall_10", "accuracy", "others", "gain", "over the anchor",
                 "nothing learned");
  for (int64_t i = 0; i < c->n_summary; i++)
    if (opens_line(&c->summary[i], model, data)) {
      const line l = line_of(c, &c->summary[i]);
      print_line(&l, out);
    }
}

void vw_collect_print(const vw_collected *c, FILE *out) {
  const counts n = count_trials(c);
  for (int64_t m = 0; m < c->s->config->n_models; m++)
    for (int64_t d = 0; d < c->s->config->n_data; d++) print_table(c, m, d, out);
  (void)vw_print(out, "\n%lld trials: %lld learned, %lld learned nothing (recall not above the untouched anchor's)",
                 (long long)c->n, (long long)n.learned, (long long)n.nothing);
  if (n.open) (void)vw_print(out, ", %lld without a verdict (null concepts, or not judged)", (long long)n.open);
  if (n.failed) (void)vw_print(out, ", %lld failed", (long long)n.failed);
  if (n.missing) (void)vw_print(out, ", %lld missing", (long long)n.missing);
  (void)vw_print(out, "\n%s/study.h5, summary.csv, figures/recall_against_delta.svg\n", c->s->out);
  (void)fflush(out);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* JSON has no NaN: null. */
static json_t *json_number(double v) {
  return isfinite(v) ? json_real(v) : json_null();
}

static json_t *json_interval(const vw_interval *i) {
  return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)i->n, "mean", json_number(i->mean), "low",
                   json_number(i->low), "high", json_number(i->high), "boot_low", json_number(i->boot_low), "boot_high",
                   json_number(i->boot_high));
}

static json_t *json_line(const vw_collected *c, const line *l) {
  const vw_study_config *config = c->s->config;
  char delta[VW_DELTA_TEXT];
  delta_text(l->recall->delta, delta);
  json_t *o = json_pack("{s:s, s:s, s:s, s:o}", "model", config->models[l->recall->model].name, "data",
                        config->data[l->recall->data].name, "what", vw_measured_names[l->recall->what], "delta",
                        isfinite(l->recall->delta) ? json_real(l->recall->delta)
                        : isnan(l->recall->delta)  ? json_null()
                                                   : json_string(delta));
  for (int i = 0; i < VW_METRICS; i++) json_object_set_new(o, vw_metric_names[i], json_interval(&l->value[i]));
  if (l->gain.n) json_object_set_new(o, "recall_minus_anchor", json_interval(&l->gain));
  if (l->judged) json_object_set_new(o, "nothing_learned", json_integer(l->nothing));
  return o;
}

void vw_collect_print_json(const vw_collected *c, FILE *out) {
  const counts n = count_trials(c);
  json_t *lines = json_array();
  for (int64_t m = 0; m < c->s->config->n_models; m++)
    for (int64_t d = 0; d < c->s->config->n_data; d++)
      for (int64_t i = 0; i < c->n_summary; i++)
        if (opens_line(&c->summary[i], m, d)) {
          const line l = line_of(c, &c->summary[i]);
          json_array_append_new(lines, json_line(c, &l));
        }
  json_t *all = json_pack("{s:s, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "study", c->s->config->study, "out",
                          vw_json_name(c->s->out), "trials", "all", (json_int_t)c->n, "learned", (json_int_t)n.learned,
                          "nothing_learned", (json_int_t)n.nothing, "no_verdict", (json_int_t)n.open, "failed",
                          (json_int_t)n.failed, "missing", (json_int_t)n.missing, "summary", lines);
  (void)vw_json_print(all, JSON_INDENT(1), out);
  (void)vw_print(out, "\n");
  (void)fflush(out);
  json_decref(all);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

/* Quoted where RFC 4180 asks for it. */
static void csv_text(FILE *out, const char *text) {
  if (!strpbrk(text, ",\"\r\n")) {
    (void)fprintf(out, "%s,", text);
    return;
  }
  (void)fputc('"', out);
  for (const char *p = text; *p; p++) (void)fprintf(out, *p == '"' ? "\"\"" : "%c", *p);
  (void)fprintf(out, "\",");
}

/* Empty where there is none; else what reads back the same. */
static void csv_number(FILE *out, double v, char end) {
  if (isfinite(v)) (void)fprintf(out, "%.17g", v);
  (void)fputc(end, out);
}

static void csv_row(const vw_collected *c, const vw_summary_row *r, FILE *out) {
  char delta[VW_DELTA_TEXT] = "";
  if (!isnan(r->delta)) vw_delta_text(r->delta, delta);
  csv_text(out, c->s->config->models[r->model].name), csv_text(out, c->s->config->data[r->data].name);
  csv_text(out, vw_measured_names[r->what]), csv_text(out, vw_quantity_names[r->quantity]), csv_text(out, delta);
  csv_text(out, vw_collect_metric_name(r->metric));
  (void)fprintf(out, "%lld,", (long long)r->interval.n);
  csv_number(out, r->interval.mean, ','), csv_number(out, r->interval.low, ',');
  csv_number(out, r->interval.high, ','), csv_number(out, r->interval.boot_low, ',');
  csv_number(out, r->interval.boot_high, '\n');
}

vw_status vw_collect_csv(const vw_collected *c) {
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  VW_TRY(vw_path_format(path, "%s/summary.csv", c->s->out));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  (void)fprintf(out, "model,data,what,quantity,delta,metric,n,mean,low,high,boot_low,boot_high\n");
  for (int64_t i = 0; i < c->n_summary; i++) csv_row(c, &c->summary[i], out);
  const bool failed = ferror(out) != 0;
  vw_status st = fclose(out) != 0 || failed ? VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path) : VW_OK;
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)bytes);
  free(text);
  return st;
}
