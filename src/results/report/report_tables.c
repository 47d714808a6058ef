/* Tables of the summary: words and what they are compared with by delta, where words lie, concepts one by one. */
#include "results/report/report_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  MOST_COLUMNS = 10 + VW_MOST_METRICS,
  MOST_METRICS = 6 /* beside the headline; more have a table of their own */
};

/* ---- words by delta ---------------------------------------------------------------------------------------------- */

/* Columns of the headline, of the differences, then the other metrics. */
static int columns_of(const vw_task_kind *task, vw_html_column columns[MOST_COLUMNS]) {
  const vw_html_column common[] = {
      {"Word", false},  {"Delta", true},     {"n", true},    {task->metrics[task->headline].name, true},
      {"trials", true}, {"bootstrap", true}, {"Gain", true}, {"bootstrap", true},
      {"Step", true},   {"bootstrap", true}};
  int n = sizeof common / sizeof *common;
  memcpy(columns, common, sizeof common);
  for (int m = 0; m < task->n_metrics && task->n_metrics <= MOST_METRICS; m++)
    if (m != task->headline) columns[n++] = (vw_html_column){task->metrics[m].name, true};
  return n;
}

static void put_line(vw_report_page *p, const vw_summary_row *r, const vw_task_kind *task) {
  const vw_interval value = vw_report_interval(p, r, VW_VALUE, task->headline),
                    gain = vw_report_interval(p, r, VW_MINUS_ANCHOR, task->headline),
                    step = vw_report_interval(p, r, VW_MINUS_SMALLER, task->headline);
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, vw_measured_names[r->what]);
  vw_html_delta(&p->html, r->delta);
  vw_html_interval(&p->html, &value);
  vw_html_difference(&p->html, &gain);
  vw_html_difference(&p->html, &step);
  for (int m = 0; m < task->n_metrics && task->n_metrics <= MOST_METRICS; m++) {
    const vw_interval other = vw_report_interval(p, r, VW_VALUE, m);
    if (m != task->headline) vw_html_number(&p->html, other.mean, 3);
  }
  (void)vw_print_html(p->out, "</tr>\n");
}

static bool is_line(const vw_summary_row *r, int64_t model, int64_t data, const vw_task_kind *task) {
  return r->model == model && r->data == data && r->quantity == VW_VALUE && r->metric == task->headline;
}

/* Means of all metrics of a task that has many. */
static void put_metrics(vw_report_page *p, int64_t model, int64_t data) {
  const vw_study_config *config = p->c->s->config;
  const vw_task_kind *task = vw_collect_task(p->c, model);
  vw_html_column columns[MOST_COLUMNS] = {{"Word", false}, {"Delta", true}, {"n", true}};
  for (int m = 0; m < task->n_metrics; m++) columns[3 + m] = (vw_html_column){task->metrics[m].name, true};
  (void)vw_print_html(p->out, "<details><summary>All metrics of <bdi>%s</bdi> on <bdi>%s</bdi></summary>\n",
                      config->models[model].name, config->data[data].name);
  vw_html_table(&p->html);
  (void)fputs("Means <small>", p->out);
  for (int m = 0; m < task->n_metrics; m++)
    (void)vw_print_html(p->out, "%s%s: %s", m ? "; " : "", task->metrics[m].name, task->metrics[m].help);
  (void)fputs("</small>", p->out);
  vw_html_columns(&p->html, columns, 3 + task->n_metrics, true);
  for (int64_t i = 0; i < p->c->n_summary; i++) {
    const vw_summary_row *r = &p->c->summary[i];
    if (!is_line(r, model, data, task)) continue;
    (void)fputs("<tr>", p->out);
    vw_html_head(&p->html, vw_measured_names[r->what]);
    vw_html_delta(&p->html, r->delta), vw_html_count(&p->html, r->interval.n);
    for (int m = 0; m < task->n_metrics; m++) vw_html_number(&p->html, vw_report_interval(p, r, VW_VALUE, m).mean, 3);
    (void)fputs("</tr>\n", p->out);
  }
  vw_html_table_end(&p->html);
  (void)fputs("</details>\n", p->out);
}

static void put_words(vw_report_page *p, int64_t model, int64_t data) {
  const vw_study_config *config = p->c->s->config;
  const vw_task_kind *task = vw_collect_task(p->c, model);
  vw_html_column columns[MOST_COLUMNS];
  vw_html_table(&p->html);
  (void)vw_print_html(p->out, "<bdi>%s</bdi> on <bdi>%s</bdi>: %s <small>", config->models[model].name,
                      config->data[data].name, task->name);
  for (int m = 0; m <= task->headline; m++) /* what comes later is explained by what came before: "the same at ..." */
    (void)vw_print_html(p->out, "%s%s: %s", m ? "; " : "", task->metrics[m].name, task->metrics[m].help);
  (void)vw_print_html(p->out, ". Gain: above its own untouched anchor; step: above the next smaller ball; both in "
                              "pairs.</small>");
  vw_html_columns(&p->html, columns, columns_of(task, columns), true);
  for (int64_t i = 0; i < p->c->n_summary; i++) {
    const vw_summary_row *r = &p->c->summary[i];
    if (is_line(r, model, data, task)) put_line(p, r, task);
  }
  vw_html_table_end(&p->html);
  if (task->n_metrics > MOST_METRICS) put_metrics(p, model, data);
}

/* ---- where words lie --------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *x, int64_t n) {
  if (!n) return NAN;
  qsort(x, (size_t)n, sizeof *x, by_size);
  return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Of the learned words of a model, data set and delta, null concepts aside. `room`: two numbers a trial. */
static void put_place(vw_report_page *p, int64_t model, int64_t data, double delta, double *room) {
  const vw_collected *c = p->c;
  double *distance = room, *kkt = room + c->n, seconds = 0, loss = 0;
  int64_t n = 0, beside = 0, on = 0, n_distance = 0, n_kkt = 0;
  for (int64_t i = 0; i < c->n; i++) {
    const vw_trial_row *r = &c->rows[i];
    const vw_trial *t = c->trial[i];
    if (t->model_index != model || t->data_index != data || r->delta != delta || !r->learned || r->failed || r->is_null)
      continue;
    n++, beside += r->rank_words == 1, on += r->on_sphere, seconds += r->seconds, loss += r->loss_end;
    if (isfinite(r->distance_over_radius)) distance[n_distance++] = r->distance_over_radius;
    if (isfinite(r->kkt)) kkt[n_kkt++] = r->kkt;
  }
  if (!n) return;
  const double share = 1.0 / (double)n;
  const vw_task_kind *task = vw_collect_task(c, model);
  const vw_interval nothing = vw_report_words(p, model, data, delta, VW_VALUE, VW_NOTHING_LEARNED);
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, c->s->config->models[model].name), vw_html_text(&p->html, c->s->config->data[data].name);
  vw_html_delta(&p->html, delta), vw_html_count(&p->html, n);
  vw_html_number(&p->html, (double)beside * share, 3), vw_html_number(&p->html, (double)on * share, 3);
  vw_html_number(&p->html, median(distance, n_distance), 3), vw_html_number(&p->html, median(kkt, n_kkt), 4);
  vw_html_number(&p->html, loss * share, 4), vw_html_text(&p->html, task->loss_unit);
  vw_html_number(&p->html, nothing.n ? nothing.mean : NAN, 3), vw_html_number(&p->html, seconds * share, 2);
  (void)vw_print_html(p->out, "</tr>\n");
}

static void put_places(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Network", false},
                                           {"Data set", false},
                                           {"Delta", true},
                                           {"n", true},
                                           {"Nearest word is the anchor", true},
                                           {"On the sphere", true},
                                           {"Distance / radius, median", true},
                                           {"KKT residual, median", true},
                                           {"Loss, mean", true},
                                           {"Unit", false},
                                           {"Learned nothing", true},
                                           {"Seconds a word", true}};
  double *room = calloc((size_t)(2 * p->c->n) + 1, sizeof *room), deltas[VW_REPORT_DELTAS];
  int64_t model = 0, data = -1;
  if (!room) {
    (void)vw_print_html(p->out, "<p>There was no memory for the table of where words lie.</p>\n");
    return;
  }
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "Where words lie <small>Shares of learned words, null concepts aside. A KKT residual of 0: no move within the "
      "ball lowers the loss, so the curve shows the network and not the optimiser. Learned "
      "nothing: not above its untouched anchor.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  while (vw_report_next(p, &model, &data)) {
    const int n = vw_report_deltas(p, model, data, deltas);
    for (int i = 0; i < n; i++) put_place(p, model, data, deltas[i], room);
  }
  vw_html_table_end(&p->html);
  free(room);
}

/* ---- one by one -------------------------------------------------------------------------------------------------- */

static const vw_baseline *untouched(const vw_collected *c, const vw_trial *t) {
  for (int64_t i = 0; i < c->n_baselines; i++) {
    const vw_baseline *b = &c->baselines[i];
    if (b->what == VW_OF_ANCHOR && b->model_index == t->model_index && b->data_index == t->data_index &&
        b->concept_index == t->concept_index && b->anchor_index == t->anchor_index)
      return b;
  }
  return NULL;
}

typedef struct of_concept {
  int64_t n, paired, above;
  double sum, gain, least, most;
} of_concept;

/* Of the words of a concept at a delta, in the headline. Trials of a concept stand together. */
static of_concept look_at_concept(const vw_collected *c, int64_t model, int64_t data, int64_t concept, double delta,
                                  int64_t *from) {
  const int headline = vw_collect_task(c, model)->headline;
  of_concept w = {.least = INFINITY, .most = -INFINITY};
  while (*from < c->n && !(c->trial[*from]->model_index == model && c->trial[*from]->data_index == data &&
                           c->trial[*from]->concept_index == concept))
    ++*from;
  for (int64_t i = *from; i < c->n && c->trial[i]->concept_index == concept && c->trial[i]->data_index == data &&
                          c->trial[i]->model_index == model;
       i++) {
    const double v = c->rows[i].metrics[headline];
    if (c->rows[i].delta != delta || c->rows[i].failed || !isfinite(v)) continue;
    const vw_baseline *b = untouched(c, c->trial[i]);
    w.n++, w.sum += v, w.least = fmin(w.least, v), w.most = fmax(w.most, v);
    if (b && isfinite(b->metrics[headline]))
      w.paired++, w.gain += v - b->metrics[headline], w.above += v > b->metrics[headline];
  }
  return w;
}

static void put_concept(vw_report_page *p, const char *name, const of_concept *w) {
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, name);
  vw_html_count(&p->html, w->n);
  vw_html_number(&p->html, w->n ? w->sum / (double)w->n : NAN, 3);
  vw_html_number(&p->html, w->n ? w->least : NAN, 3), vw_html_number(&p->html, w->n ? w->most : NAN, 3);
  vw_html_number(&p->html, w->paired ? w->gain / (double)w->paired : NAN, 3);
  (void)vw_print_html(p->out, "<td class=\"n\" data-v=\"%lld\">%lld of %lld</td></tr>\n", (long long)w->above,
                      (long long)w->above, (long long)w->paired);
}

static void put_concepts(vw_report_page *p, int64_t model, int64_t data) {
  const vw_study_config *config = p->c->s->config;
  const vw_names *concepts = &vw_study_data_of(config, model, data)->concepts;
  const vw_task_kind *task = vw_collect_task(p->c, model);
  const vw_html_column columns[] = {{"Concept", false},      {"n", true},    {task->metrics[task->headline].name, true},
                                    {"least", true},         {"most", true}, {"Above the anchor by", true},
                                    {"Words above it", true}};
  double deltas[VW_REPORT_DELTAS];
  int last = vw_report_deltas(p, model, data, deltas) - 1;
  while (last >= 0 && !isfinite(deltas[last])) last--;
  if (last < 0) return;
  const int64_t shown = concepts->n < VW_REPORT_LIST ? concepts->n : VW_REPORT_LIST;
  char delta[VW_DELTA_TEXT];
  vw_delta_text(deltas[last], delta);
  (void)vw_print_html(p->out, "<details><summary>Concepts of <bdi>%s</bdi> on <bdi>%s</bdi> at delta %s</summary>\n",
                      config->models[model].name, config->data[data].name, delta);
  vw_html_table(&p->html);
  (void)vw_print_html(p->out, "Words by concept, over anchors and replicas <small>%lld of %lld concepts%s</small>",
                      (long long)shown, (long long)concepts->n,
                      shown < concepts->n ? "; trials.csv, which collect writes, has all words" : "");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  int64_t from = 0;
  for (int64_t k = 0; k < shown; k++) {
    const of_concept w = look_at_concept(p->c, model, data, k, deltas[last], &from);
    put_concept(p, concepts->name[k], &w);
  }
  vw_html_table_end(&p->html);
  (void)vw_print_html(p->out, "</details>\n");
}

void vw_report_tables(vw_report_page *p) {
  int64_t model = 0, data = -1;
  vw_report_section(p, "words", "Words by delta, and what they are compared with");
  (void)vw_print_html(p->out, "<p>Delta is the radius of the ball around the anchor, over the anchor's distance to its "
                              "nearest neighbour; 0 is the untouched anchor, <i>free</i> no ball. All intervals are of "
                              "95 %%: over trials (mean and 1.96 standard errors), and by bootstrap over concepts and "
                              "anchors. Null concepts are shuffled pictures: what a ball reaches for anything.</p>\n");
  while (vw_report_next(p, &model, &data)) put_words(p, model, data);
  put_places(p);
  for (model = 0, data = -1; vw_report_next(p, &model, &data);) put_concepts(p, model, data);
  vw_report_section_end(p);
}
