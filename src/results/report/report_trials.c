/* Trials one by one: how many of each kind, those that failed or learned nothing, the first of all. */
#include "results/report/report_internal.h"

#include <math.h>
#include <string.h>

static bool has_status(const vw_trial_row *r, const char *status) {
  return !status || strcmp(r->status, status) == 0;
}

static int64_t count(const vw_collected *c, int64_t model, int64_t data, const char *status) {
  int64_t n = 0;
  for (int64_t i = 0; i < c->n; i++)
    n += (model < 0 || (c->trial[i]->model_index == model && c->trial[i]->data_index == data)) &&
         has_status(&c->rows[i], status);
  return n;
}

static const char *const states[] = {"learned", "nothing learned", "no verdict", "failed", "missing"};
enum { STATES = sizeof states / sizeof *states };

static void put_counts(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Network", false}, {"Data set", false},       {"Trials", true},
                                           {"Learned", true},  {"Learned nothing", true}, {"No verdict", true},
                                           {"Failed", true},   {"Missing", true}};
  const vw_study_config *config = p->c->s->config;
  int64_t model = 0, data = -1;
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "What became of the trials <small>Learned nothing: judged, and not above the untouched anchor. No verdict: a "
      "null concept, or not judged. Failed: a word or loss that is not finite. Missing: not "
      "learned yet.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  while (vw_report_next(p, &model, &data)) {
    (void)vw_print_html(p->out, "<tr>");
    vw_html_head(&p->html, config->models[model].name), vw_html_text(&p->html, config->data[data].name);
    vw_html_count(&p->html, count(p->c, model, data, NULL));
    for (int k = 0; k < STATES; k++) vw_html_count(&p->html, count(p->c, model, data, states[k]));
    (void)vw_print_html(p->out, "</tr>\n");
  }
  vw_html_table_end(&p->html);
}

static void put_trial(vw_report_page *p, int64_t i) {
  const vw_trial_row *r = &p->c->rows[i];
  const vw_task_kind *task = vw_collect_task(p->c, p->c->trial[i]->model_index);
  (void)vw_print_html(p->out, "<tr>");
  vw_html_text(&p->html, r->model), vw_html_text(&p->html, r->data), vw_html_text(&p->html, r->concept);
  vw_html_text(&p->html, r->anchor), vw_html_delta(&p->html, r->delta), vw_html_count(&p->html, r->replica);
  vw_html_text(&p->html, r->status), vw_html_number(&p->html, r->metrics[task->headline], 3);
  vw_html_text(&p->html, r->nearest), vw_html_number(&p->html, r->distance_over_radius, 3);
  vw_html_number(&p->html, r->loss_start, 4), vw_html_number(&p->html, r->loss_end, 4);
  vw_html_number(&p->html, r->kkt, 4);
  (void)vw_print_html(p->out, "<td><code>%.12s</code></td></tr>\n", r->id_text);
}

/* Those of a status, or all, at most `most`. */
static void put_list(vw_report_page *p, const char *title, const char *status, int64_t most, bool open) {
  static const vw_html_column columns[] = {{"Network", false},          {"Data set", false},   {"Concept", false},
                                           {"Anchor", false},           {"Delta", true},       {"Replica", true},
                                           {"Status", false},           {"Headline", true},    {"Nearest word", false},
                                           {"Distance / radius", true}, {"Loss before", true}, {"after", true},
                                           {"KKT residual", true},      {"Trial", false}};
  const int64_t n = count(p->c, -1, -1, status), shown = n < most ? n : most;
  int64_t said = 0;
  (void)vw_print_html(p->out, "<details%s><summary>%s: %lld</summary>\n", open ? " open" : "", title, (long long)n);
  vw_html_table(&p->html);
  (void)vw_print_html(p->out, "%s <small>", title);
  if (shown < n)
    (void)vw_print_html(
        p->out,
        "The first %lld of %lld in the study's order; collect writes all to trials.csv and to /trials of "
        "study.h5.",
        (long long)shown, (long long)n);
  (void)vw_print_html(p->out, " Headline: the metric of the network's task.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < p->c->n && said < shown; i++)
    if (has_status(&p->c->rows[i], status)) put_trial(p, i), said++;
  vw_html_table_end(&p->html);
  (void)vw_print_html(p->out, "</details>\n");
}

void vw_report_trials(vw_report_page *p) {
  vw_report_section(p, "trials", "Trials");
  put_counts(p);
  if (count(p->c, -1, -1, "failed")) put_list(p, "Trials that failed", "failed", VW_REPORT_LIST, true);
  if (count(p->c, -1, -1, "nothing learned"))
    put_list(p, "Words that learned nothing", "nothing learned", VW_REPORT_LIST, false);
  if (p->c->missing) {
    (void)vw_print_html(p->out, "<p>%lld trials are not learned yet. ", (long long)p->c->missing);
    vw_report_command(p, "learn");
    (void)vw_print_html(p->out, " goes on.</p>\n");
  }
  if (p->c->unjudged_blocks) {
    (void)vw_print_html(p->out, "<p>%lld blocks of words are not judged yet. ", (long long)p->c->unjudged_blocks);
    vw_report_command(p, "evaluate");
    (void)vw_print_html(p->out, " judges them.</p>\n");
  }
  put_list(p, "All trials", NULL, VW_REPORT_TRIALS, false);
  vw_report_section_end(p);
}
