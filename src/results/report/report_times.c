/* How long stages took: a line a stage and run in DIR/log/times.jsonl, and their sums on the page. */
#include "results/report/report_internal.h"

#include "cluster/progress.h"
#include "core/durable.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef VISWORDS_REVISION
#define VISWORDS_REVISION "unknown"
#endif

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

/* The hosts of all ranks, each once; all: names that end in a zero. */
static json_t *hosts_of(const char *all, int64_t bytes) {
  json_t *hosts = json_array();
  for (const char *at = all; at && at < all + bytes; at += strlen(at) + 1) {
    bool is_new = true;
    for (size_t i = 0; i < json_array_size(hosts); i++)
      is_new &= strcmp(json_string_value(json_array_get(hosts, i)), at) != 0;
    if (is_new) json_array_append_new(hosts, vw_json_name(at));
  }
  return hosts;
}

static void append(const char *out, json_t *line) {
  char path[VW_PATH_BYTES], *text = json_dumps(line, JSON_COMPACT);
  int fd = -1;
  if (text && vw_path_format(path, "%s/log/times.jsonl", out) == VW_OK && vw_file_append(path, &fd) == VW_OK) {
    const size_t n = strlen(text);
    text[n] = '\n'; /* in the place of the zero: one write, so that lines of runs side by side stay whole */
    if (write(fd, text, n + 1) < 0) vw_error_clear();
    (void)close(fd);
  }
  vw_error_clear();
  free(text);
}

vw_status vw_times_keep(const vw_ranks *ranks, const vw_context *ctx, const char *out, const char *stage,
                        double seconds) {
  char when[32];
  int64_t *counts = calloc((size_t)ranks->size, sizeof *counts), bytes = 0;
  void *all = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_agree_message(ranks, counts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory")));
  VW_GOTO(vw_ranks_gather(ranks, ranks->host, (int64_t)strlen(ranks->host) + 1, &all, counts));
  if (ranks->rank == 0) {
    const time_t now = time(NULL);
    struct tm utc;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    for (int r = 0; r < ranks->size; r++) bytes += counts[r];
    json_t *line =
        json_pack("{s:s, s:s, s:f, s:i, s:i, s:s, s:s, s:s, s:o}", "time", when, "stage", stage, "seconds", seconds,
                  "ranks", ranks->size, "threads", ctx->threads, "backend", vw_backend_name(ctx->backend), "version",
                  VISWORDS_VERSION, "revision", VISWORDS_REVISION, "hosts", hosts_of(all, bytes));
    append(out, line);
    json_decref(line);
  }
cleanup:
  free(all), free(counts);
  return st;
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *line, const char *key) {
  const char *text = json_string_value(json_object_get(line, key));
  return text ? text : "";
}

static void add_line(vw_stage_times *t, const json_t *line) {
  const char *name = text_of(line, "stage");
  const double seconds = json_number_value(json_object_get(line, "seconds"));
  const int64_t ranks = json_integer_value(json_object_get(line, "ranks"));
  const json_t *hosts = json_object_get(line, "hosts");
  const char *host = json_string_value(json_array_get(hosts, 0));
  int i = 0;
  while (i < t->n && strcmp(t->stage[i].name, name) != 0) i++;
  if (!name[0] || !isfinite(seconds) || i == VW_MOST_STAGES) return;
  if (i == t->n) (void)snprintf(t->stage[t->n++].name, VW_STAGE_NAME, "%s", name);
  vw_stage_time *s = &t->stage[i];
  s->seconds += seconds, s->rank_seconds += seconds * (double)ranks, s->runs++;
  (void)snprintf(s->last, sizeof s->last, "%s", text_of(line, "time"));
  (void)snprintf(s->with, sizeof s->with, "%lld ranks x %lld threads, %s, on %.64s%s, viswords %.16s (%.24s)",
                 (long long)ranks, (long long)json_integer_value(json_object_get(line, "threads")),
                 text_of(line, "backend"), host ? host : "?", json_array_size(hosts) > 1 ? " and others" : "",
                 text_of(line, "version"), text_of(line, "revision"));
}

/* Lines that are none are passed over: the log is for people. */
void vw_times_read(const char *out, vw_stage_times *t) {
  char path[VW_PATH_BYTES], *text = NULL;
  if (vw_path_format(path, "%s/log/times.jsonl", out) != VW_OK || !vw_file_exists(path) ||
      vw_file_read(path, &text, NULL) != VW_OK) {
    vw_error_clear();
    return;
  }
  for (char *at = text; *at;) {
    const size_t n = strcspn(at, "\n");
    json_t *line = json_loadb(at, n, 0, NULL);
    if (line) add_line(t, line);
    json_decref(line);
    at += n + (at[n] == '\n');
  }
  free(text);
}

static double learning(const vw_collected *c) {
  double seconds = 0;
  for (int64_t i = 0; i < c->n; i++)
    if (c->rows[i].learned && isfinite(c->rows[i].seconds)) seconds += c->rows[i].seconds;
  return seconds;
}

vw_status vw_report_times(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Stage", false}, {"Seconds", true},     {"Rank-seconds", true},
                                           {"Runs", true},   {"Last ended", false}, {"With", false}};
  vw_stage_times *t = calloc(1, sizeof *t);
  VW_CHECK(t, VW_ERR_MEMORY, "report: out of memory");
  vw_times_read(p->c->s->out, t);
  vw_report_section(p, "times", "Where the time went");
  (void)vw_print_html(p->out, "<p>Learning the words that are there took %s of one rank in all.</p>\n",
                      vw_duration_text(learning(p->c)));
  if (t->n) {
    vw_html_table(&p->html);
    (void)vw_print_html(p->out,
                        "Stages <small>Of all runs in this directory; a run that was killed did not tell of its last "
                        "stage.</small>");
    vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
    for (int i = 0; i < t->n; i++) {
      const vw_stage_time *s = &t->stage[i];
      (void)vw_print_html(p->out, "<tr>");
      vw_html_head(&p->html, s->name), vw_html_number(&p->html, s->seconds, 1);
      vw_html_number(&p->html, s->rank_seconds, 1), vw_html_count(&p->html, s->runs);
      vw_html_text(&p->html, s->last), vw_html_text(&p->html, s->with);
      (void)vw_print_html(p->out, "</tr>\n");
    }
    vw_html_table_end(&p->html);
  } else {
    (void)vw_print_html(p->out, "<p>No stage's time was kept in log/times.jsonl.</p>\n");
  }
  vw_report_section_end(p);
  free(t);
  return VW_OK;
}
