/* Words judged by the first layers of a text encoder. */
#include "results/activations.h"
#include "results/report/report_internal.h"

#include <math.h>

static vw_interval shown(const vw_report_page *p, const vw_truncation_summary *r, vw_truncation_quantity quantity) {
  const bool is_share = vw_collect_task(p->c, r->model)->metrics[r->metric].is_share;
  for (int64_t i = 0; i < p->c->truncation.n_summary; i++) {
    const vw_truncation_summary *u = &p->c->truncation.summary[i];
    if (u->model == r->model && u->data == r->data && u->source == r->source && u->kind == r->kind &&
        u->depth == r->depth && u->quantity == quantity && u->metric == r->metric &&
        (u->delta == r->delta || (isnan(u->delta) && isnan(r->delta))))
      return is_share ? vw_share_interval(u->interval, quantity != VW_CUT_VALUE) : u->interval;
  }
  return (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
}

static void put_line(vw_report_page *p, const vw_truncation_summary *r) {
  const vw_study_config *config = p->c->s->config;
  const vw_interval value = shown(p, r, VW_CUT_VALUE), more = shown(p, r, VW_CUT_DEEPEST_MINUS);
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, config->models[r->model].name), vw_html_text(&p->html, config->data[r->data].name);
  vw_html_text(&p->html, vw_origin_names[r->kind]);
  vw_html_text(&p->html, r->source == r->model ? "" : config->models[r->source].name);
  vw_html_text(&p->html, vw_collect_task(p->c, r->model)->metrics[r->metric].name);
  vw_html_delta(&p->html, r->delta);
  (void)vw_print_html(p->out, "<td class=\"n\" data-v=\"%lld\">%lld of %lld</td>", (long long)r->depth,
                      (long long)r->depth, (long long)p->c->truncation.layers[r->model]);
  vw_html_interval(&p->html, &value);
  vw_html_difference(&p->html, &more);
  (void)vw_print_html(p->out, "</tr>\n");
}

void vw_report_truncation(vw_report_page *p) {
  static const vw_html_column columns[] = {
      {"Network", false}, {"Data set", false}, {"Words", false},      {"Carried from", false},
      {"Metric", false},  {"Delta", true},     {"Layers kept", true}, {"n", true},
      {"Score", true},    {"trials", true},    {"bootstrap", true},   {"With most layers, more by", true},
      {"bootstrap", true}};
  const vw_truncated *t = &p->c->truncation;
  vw_report_section(p, "truncation", "The text encoder cut off after some layers");
  if (!t->n_summary) {
    (void)vw_print_html(p->out, "<p>No words were judged by a part of the layers. ");
    vw_report_command(p, "truncation");
    (void)vw_print_html(p->out, " does it.</p>\n");
    vw_report_section_end(p);
    return;
  }
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out, "Score by layers kept <small>All texts are read by the cut encoder, those of rivals too; words are not "
              "learned again. With 0 layers no layer sees the word: classes and boxes are chance then; what draws "
              "still reads its embedding. Differences are paired.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < t->n_summary; i++) {
    const vw_truncation_summary *r = &t->summary[i];
    if (r->quantity == VW_CUT_VALUE && r->metric == vw_collect_task(p->c, r->model)->headline) put_line(p, r);
  }
  vw_html_table_end(&p->html);
  if (t->missing)
    (void)vw_print_html(p->out, "<p class=\"note\">%lld sets of words are not judged yet.</p>\n",
                        (long long)t->missing);
  vw_report_section_end(p);
}
