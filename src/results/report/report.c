/* The page from top to bottom. */
#include "results/report/report_internal.h"

#include "cluster/comm.h"
#include "core/durable.h"
#include "core/fault.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what the parts ask ------------------------------------------------------------------------------------------ */

bool vw_report_next(const vw_report_page *p, int64_t *model, int64_t *data) {
  const vw_study_config *c = p->c->s->config;
  for (++*data; *model < c->n_models; ++*model, *data = 0)
    for (; *data < c->n_data; ++*data)
      if (vw_study_learns_on(c, *model, *data)) return true;
  return false;
}

int vw_report_deltas(const vw_report_page *p, int64_t model, int64_t data, double deltas[VW_REPORT_DELTAS]) {
  const int headline = vw_collect_task(p->c, model)->headline;
  int n = 0;
  for (int64_t i = 0; i < p->c->n_summary && n < VW_REPORT_DELTAS; i++) {
    const vw_summary_row *r = &p->c->summary[i];
    if (r->model == model && r->data == data && r->what == VW_OF_WORD && r->quantity == VW_VALUE &&
        r->metric == headline)
      deltas[n++] = r->delta;
  }
  return n;
}

static const vw_interval nothing = {0, NAN, NAN, NAN, NAN, NAN};

static bool is_share(const vw_report_page *p, int64_t model, int metric) {
  return metric == VW_NOTHING_LEARNED || vw_collect_task(p->c, model)->metrics[metric].is_share;
}

vw_interval vw_report_interval(const vw_report_page *p, const vw_summary_row *like, vw_quantity quantity, int metric) {
  const vw_summary_row *r = vw_summary_find(p->c->summary, p->c->n_summary, like->model, like->data, like->what,
                                            quantity, like->delta, metric);
  if (!r) return nothing;
  return is_share(p, r->model, metric) ? vw_share_interval(r->interval, quantity != VW_VALUE) : r->interval;
}

vw_interval vw_report_words(const vw_report_page *p, int64_t model, int64_t data, double delta, vw_quantity quantity,
                            int metric) {
  const vw_summary_row like = {.what = VW_OF_WORD, .model = model, .data = data, .delta = delta};
  return vw_report_interval(p, &like, quantity, metric);
}

static int64_t target(const vw_report_page *p, const vw_transfer_summary *r) {
  return p->c->transfer.pair[r->pair].models.to;
}

static bool same_delta(double a, double b) {
  return a == b || (isnan(a) && isnan(b));
}

vw_interval vw_report_carried(const vw_report_page *p, const vw_transfer_summary *like, vw_transfer_quantity quantity) {
  const bool is_difference = quantity == VW_CARRIED_LOSS || quantity == VW_CARRIED_MINUS_ANCHOR;
  for (int64_t i = 0; i < p->c->transfer.n_summary; i++) {
    const vw_transfer_summary *r = &p->c->transfer.summary[i];
    if (r->pair == like->pair && r->data == like->data && r->what == like->what && r->quantity == quantity &&
        r->metric == like->metric && same_delta(r->delta, like->delta))
      return is_share(p, target(p, r), r->metric) ? vw_share_interval(r->interval, is_difference) : r->interval;
  }
  return nothing;
}

bool vw_report_is_line(const vw_report_page *p, const vw_transfer_summary *r) {
  return r->what == VW_CARRIED_WORD && r->quantity == VW_CARRIED_VALUE &&
         r->metric == vw_collect_task(p->c, target(p, r))->headline;
}

bool vw_report_is_last(const vw_report_page *p, const vw_transfer_summary *r) {
  if (!isfinite(r->delta)) return false;
  for (int64_t i = 0; i < p->c->transfer.n_summary; i++) {
    const vw_transfer_summary *u = &p->c->transfer.summary[i];
    if (vw_report_is_line(p, u) && u->pair == r->pair && u->data == r->data && isfinite(u->delta) &&
        u->delta > r->delta)
      return false;
  }
  return true;
}

bool vw_report_above(const vw_interval *i) {
  return i->n > 1 && i->low > 0 && i->boot_low > 0;
}

bool vw_report_below(const vw_interval *i) {
  return i->n > 1 && i->high < 0 && i->boot_high < 0;
}

void vw_report_command(vw_report_page *p, const char *command) {
  (void)vw_print_html(p->out, "<code>viswords %s %s -o %s</code>", command, p->about->study, p->c->s->out);
}

void vw_report_section(vw_report_page *p, const char *id, const char *title) {
  (void)vw_print_html(p->out, "\n<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n", id,
                      id, id, title);
}

void vw_report_section_end(vw_report_page *p) {
  (void)vw_print_html(p->out, "</section>\n");
}

/* ---- head -------------------------------------------------------------------------------------------------------- */

static void put_lines(FILE *out, const char *const *lines) {
  for (; *lines; lines++) (void)fprintf(out, "%s\n", *lines);
}

static void put_head(vw_report_page *p) {
  (void)vw_print_html(p->out,
                      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                      "style-src 'unsafe-inline'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta name=\"color-scheme\" content=\"light dark\">\n"
                      "<meta name=\"generator\" content=\"viswords %s\">\n<title>%s: report of a study of visual "
                      "words</title>\n<style>\n",
                      vw_report_script_hash, VISWORDS_VERSION, p->c->s->config->study);
  put_lines(p->out, vw_report_style);
  (void)vw_print_html(p->out, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#answer\">Skip to the answer</a>\n");
}

/* What the numbers are of; what is missing, and how to get it. */
static void put_state(vw_report_page *p) {
  const vw_collected *c = p->c;
  (void)vw_print_html(p->out, "<p class=\"state%s\">", p->has_all ? "" : " part");
  if (p->has_all)
    (void)vw_print_html(p->out, "<strong>All %lld trials</strong> are learned and judged.", (long long)c->n);
  else
    (void)vw_print_html(p->out,
                        "<strong>Not finished: %lld of %lld trials</strong> are learned so far, %lld of them judged. "
                        "All numbers below are of these.",
                        (long long)p->learned, (long long)c->n, (long long)p->judged);
  if (p->failed)
    (void)vw_print_html(p->out, " %lld failed and count nowhere (<a href=\"#trials\">which</a>).",
                        (long long)p->failed);
  if (c->missing_baselines)
    (void)vw_print_html(p->out, " What words are compared with is missing for %lld concept%s.",
                        (long long)c->missing_baselines, c->missing_baselines == 1 ? "" : "s");
  if (p->about->holder) (void)vw_print_html(p->out, " The directory is held by <bdi>%s</bdi>.", p->about->holder);
  if (!p->has_all) {
    (void)vw_print_html(p->out, " To go on%s: ", p->about->holder ? " when no run is at work" : "");
    vw_report_command(p, "run");
    (void)vw_print_html(p->out, ".");
  }
  (void)vw_print_html(p->out, "</p>\n");
}

static void put_header(vw_report_page *p) {
  static const char *const parts[][2] = {
      {"answer", "Answer"},     {"figures", "Figures"},       {"pictures", "Pictures"},     {"words", "Words by delta"},
      {"transfer", "Transfer"}, {"layers", "Layers"},         {"truncation", "Truncation"}, {"trials", "Trials"},
      {"setup", "Set-up"},      {"provenance", "Provenance"}, {"times", "Times"},           {"cite", "To cite"}};
  const vw_study_config *config = p->c->s->config;
  const time_t now = time(NULL);
  struct tm utc;
  char when[32];
  (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
  (void)vw_print_html(p->out,
                      "<header>\n<p class=\"kind\">Report of a study of visual words</p>\n<h1><bdi>%s</bdi></h1>\n",
                      config->study);
  (void)vw_print_html(p->out,
                      "<p class=\"meta\">%lld network%s, %lld data set%s, %lld trials; written %s by viswords %s</p>\n",
                      (long long)config->n_models, config->n_models == 1 ? "" : "s", (long long)config->n_data,
                      config->n_data == 1 ? "" : "s", (long long)p->c->n, when, VISWORDS_VERSION);
  put_state(p);
  (void)vw_print_html(p->out, "</header>\n<nav aria-label=\"Parts of the report\"><ul>");
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    (void)vw_print_html(p->out, "<li><a href=\"#%s\">%s</a></li>", parts[i][0], parts[i][1]);
  (void)vw_print_html(p->out, "</ul></nav>\n<main>\n");
}

/* ---- end --------------------------------------------------------------------------------------------------------- */

static void put_cite(vw_report_page *p) {
  vw_report_section(p, "cite", "What to cite");
  (void)vw_print_html(
      p->out,
      "<ul>\n<li>The experiment: Brandon Trabucco, Max Gurinas, Kyle Doherty, Ruslan Salakhutdinov. "
      "<cite>Understanding Visual Concepts Across Models.</cite> arXiv preprint arXiv:2406.07506, 2024. "
      "https://arxiv.org/abs/2406.07506</li>\n<li>This software: The viswords developers. <cite>viswords: visual words "
      "across frozen vision-language models.</cite> Version %s, Apache-2.0 (CITATION.cff).</li>\n<li>The networks and "
      "data sets, as their own pages ask.</li>\n</ul>\n",
      VISWORDS_VERSION);
  vw_report_section_end(p);
}

static void put_end(vw_report_page *p) {
  (void)vw_print_html(
      p->out,
      "</main>\n<footer><p>%s. All of it is in this file; nothing is loaded from elsewhere.</p></footer>\n"
      "<script>",
      "Written by viswords");
  for (const char *const *line = vw_report_script; *line; line++) (void)fprintf(p->out, "\n%s", *line);
  (void)vw_print_html(p->out, "\n</script>\n</body>\n</html>\n");
}

/* Has somebody asked to stop? Between the parts that read files and may be long. */
static vw_status ask(const vw_report_page *p, bool *stopped) {
  char path[VW_PATH_BYTES];
  const vw_results_source *s = p->c->s;
  VW_TRY(vw_path_format(path, "%s/report.html", s->out));
  VW_TRY(vw_fault("telling", path));
  *stopped = s->stop && s->stop();
  return VW_OK;
}

static vw_status put_page(vw_report_page *p, bool *stopped) {
  static vw_status (*const last[])(vw_report_page *) = {vw_report_setup, vw_report_provenance, vw_report_times};
  put_head(p);
  put_header(p);
  vw_report_answer(p);
  VW_TRY(vw_report_figures(p));
  VW_TRY(ask(p, stopped));
  if (*stopped) return VW_OK;
  VW_TRY(vw_report_pictures(p));
  VW_TRY(ask(p, stopped));
  if (*stopped) return VW_OK;
  vw_report_tables(p);
  vw_report_transfer(p);
  VW_TRY(vw_report_layers(p));
  vw_report_truncation(p);
  vw_report_trials(p);
  VW_TRY(ask(p, stopped));
  for (size_t i = 0; i < sizeof last / sizeof *last && !*stopped; i++) VW_TRY(last[i](p));
  put_cite(p);
  put_end(p);
  return VW_OK;
}

static void count(vw_report_page *p) {
  const vw_collected *c = p->c;
  for (int64_t i = 0; i < c->n; i++) {
    const vw_trial_row *r = &c->rows[i];
    p->learned += r->learned, p->judged += r->judged, p->failed += r->learned && r->failed;
  }
  p->has_all = !c->missing && !c->unjudged_blocks && !c->missing_baselines;
}

vw_status vw_report_print(const vw_collected *c, const vw_report_about *about, FILE *out, bool *stopped) {
  vw_report_page p = {.c = c, .about = about, .html.out = out, .out = out};
  count(&p);
  *stopped = false;
  return put_page(&p, stopped);
}

/* Rank 0. */
static vw_status write_page(const vw_collected *c, const vw_report_about *about, FILE *say, bool *stopped) {
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  VW_TRY(vw_path_format(path, "%s/report.html", c->s->out));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  vw_status st = vw_report_print(c, about, out, stopped);
  const bool failed = ferror(out) != 0;
  if ((fclose(out) != 0 || failed) && st == VW_OK) st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  if (st == VW_OK && !*stopped) st = vw_file_write(path, text, (int64_t)bytes);
  if (st == VW_OK && !*stopped && say)
    (void)vw_print(say, "report: %s (%lld of %lld trials, %.1f MB)\n", path, (long long)(c->n - c->missing),
                   (long long)c->n, (double)bytes / 1e6);
  free(text);
  return st;
}

vw_status vw_report_write(const vw_results_source *s, const vw_report_about *about, FILE *say, bool *stopped) {
  vw_collected c;
  bool ends = false;
  vw_status st = VW_OK;
  VW_GOTO(vw_collect_read(s, &c));
  if (!c.stopped) VW_GOTO(vw_collect_probe(&c));
  if (!c.stopped) VW_GOTO(vw_collect_spread(&c));
  if (c.stopped) goto cleanup;
  VW_GOTO(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? write_page(&c, about, say, &ends) : VW_OK));
  VW_GOTO(vw_ranks_broadcast(&s->ranks, &ends, sizeof ends, 0));
  c.stopped = ends;
cleanup:
  *stopped = st == VW_OK && c.stopped;
  vw_collected_free(&c);
  return st;
}
