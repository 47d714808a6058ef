/* Carried words by delta, matrices, maps. */
#include "results/report/report_internal.h"

#include <math.h>

static const vw_study_config *config_of(const vw_report_page *p) {
  return p->c->s->config;
}

/* ---- one pair ---------------------------------------------------------------------------------------------------- */

static void put_line(vw_report_page *p, const vw_transfer_summary *r) {
  const vw_interval value = vw_report_carried(p, r, VW_CARRIED_VALUE),
                    own = vw_report_carried(p, r, VW_CARRIED_IN_DOMAIN),
                    loss = vw_report_carried(p, r, VW_CARRIED_LOSS),
                    gain = vw_report_carried(p, r, VW_CARRIED_MINUS_ANCHOR);
  const vw_transfer_pair *m = &p->c->transfer.pair[r->pair].models;
  (void)vw_print_html(p->out, "<tr><th scope=\"row\">%s &rarr; %s</th>", config_of(p)->models[m->from].name,
                      config_of(p)->models[m->to].name);
  vw_html_text(&p->html, config_of(p)->data[r->data].name), vw_html_text(&p->html, vw_carried_names[r->what]);
  vw_html_text(&p->html, vw_collect_task(p->c, m->to)->metrics[r->metric].name);
  vw_html_delta(&p->html, r->delta);
  vw_html_count(&p->html, value.n), vw_html_estimate(&p->html, &value);
  vw_html_number(&p->html, own.mean, 3);
  vw_html_estimate(&p->html, &loss), vw_html_estimate(&p->html, &gain);
  (void)vw_print_html(p->out, "</tr>\n");
}

static void put_lines(vw_report_page *p) {
  static const vw_html_column columns[] = {
      {"From → to", false}, {"Data set", false}, {"What", false},         {"Metric", false},    {"Delta", true},
      {"n", true},          {"Carried", true},   {"Learned there", true}, {"Difference", true}, {"Gain", true}};
  const vw_transferred *t = &p->c->transfer;
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "Carried words, and what else was carried <small>Difference: learned there minus carried; gain: carried minus "
      "the target's untouched anchor; both in pairs. Below each mean its intervals, over "
      "trials, then by bootstrap. The "
      "target's own baselines stand in the tables of words above.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < t->n_summary; i++) {
    const vw_transfer_summary *r = &t->summary[i];
    if (r->quantity == VW_CARRIED_VALUE && r->metric == vw_collect_task(p->c, t->pair[r->pair].models.to)->headline)
      put_line(p, r);
  }
  vw_html_table_end(&p->html);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

static void put_maps(vw_report_page *p) {
  static const vw_html_column columns[] = {{"From → to", false},   {"Map", false},        {"Lambda", true},
                                           {"Words", true},        {"Dimensions", false}, {"R², in sample", true},
                                           {"R², held out", true}, {"Condition", true}};
  const vw_transferred *t = &p->c->transfer;
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out, "Maps between the tables of words <small>Fitted on the words that both networks know, in ten folds. A "
              "held-out R&sup2; below 0: the map says less than the mean word does.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < t->n_pairs; i++) {
    const vw_map *m = &t->pair[i].map;
    const vw_transfer_pair *pair = &t->pair[i].models;
    (void)vw_print_html(p->out, "<tr><th scope=\"row\">%s &rarr; %s</th>", config_of(p)->models[pair->from].name,
                        config_of(p)->models[pair->to].name);
    vw_html_text(&p->html, vw_map_names[m->kind]);
    vw_html_number(&p->html, m->lambda > 0 ? m->lambda : NAN, 3), vw_html_count(&p->html, m->words);
    (void)vw_print_html(p->out, "<td>%lld &rarr; %lld</td>", (long long)m->from, (long long)m->to);
    vw_html_number(&p->html, m->r2, 3), vw_html_number(&p->html, m->r2_held_out, 3);
    vw_html_number(&p->html, m->condition, 1);
    (void)vw_print_html(p->out, "</tr>\n");
  }
  vw_html_table_end(&p->html);
}

/* ---- matrices ---------------------------------------------------------------------------------------------------- */

/* The carried words of a model in another at a delta; NULL: there are none. */
static const vw_transfer_summary *find(const vw_report_page *p, int64_t from, int64_t to, int64_t data, double delta) {
  const vw_transferred *t = &p->c->transfer;
  for (int64_t i = 0; i < t->n_summary; i++) {
    const vw_transfer_summary *r = &t->summary[i];
    if (vw_report_is_line(p, r) && t->pair[r->pair].models.from == from && t->pair[r->pair].models.to == to &&
        r->data == data && r->delta == delta)
      return r;
  }
  return NULL;
}

static void put_cell(vw_report_page *p, int64_t from, int64_t to, int64_t data, double delta) {
  if (from == to) {
    const vw_interval own = vw_report_words(p, to, data, delta, VW_VALUE, vw_collect_task(p->c, to)->headline);
    if (own.n)
      (void)vw_print_html(p->out, "<td class=\"n\"><strong>%.3f</strong><br>n = %lld</td>", own.mean, (long long)own.n);
    else
      (void)vw_print_html(p->out, "<td class=\"n\">&ndash;</td>");
    return;
  }
  const vw_transfer_summary *r = find(p, from, to, data, delta);
  const vw_interval value = r ? vw_report_carried(p, r, VW_CARRIED_VALUE) : (vw_interval){0},
                    loss = r ? vw_report_carried(p, r, VW_CARRIED_LOSS) : (vw_interval){0};
  if (!value.n) {
    (void)vw_print_html(p->out, "<td class=\"n\">&ndash;</td>");
    return;
  }
  (void)vw_print_html(p->out, "<td class=\"n\">%.3f", value.mean);
  if (loss.n > 1 && isfinite(loss.boot_low))
    (void)vw_print_html(p->out, "<br>difference %.3f [%.3f, %.3f]", loss.mean, loss.boot_low, loss.boot_high);
  (void)vw_print_html(p->out, "<br>n = %lld</td>", (long long)value.n);
}

static void put_matrix(vw_report_page *p, double delta) {
  const vw_study_config *config = config_of(p);
  char text[VW_DELTA_TEXT];
  int64_t model = 0, data = -1;
  vw_delta_text(delta, text);
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "Delta %s: words of (rows) in (columns) <small>Bold: learned there. Difference: the same words learned there "
      "minus the carried ones, in pairs, with the interval by bootstrap over concepts and anchors.</small>",
      text);
  vw_html_caption_end(&p->html);
  (void)fputs("<thead><tr><th scope=\"col\">Words of</th>", p->out);
  while (vw_report_next(p, &model, &data)) {
    const vw_task_kind *task = vw_collect_task(p->c, model);
    (void)vw_print_html(p->out, "<th scope=\"col\" class=\"n\"><bdi>%s</bdi><br><bdi>%s</bdi>, %s</th>",
                        config->models[model].name, config->data[data].name, task->metrics[task->headline].name);
  }
  (void)vw_print_html(p->out, "</tr></thead>\n<tbody>\n");
  for (int64_t from = 0; from < config->n_models; from++) {
    (void)vw_print_html(p->out, "<tr>");
    vw_html_head(&p->html, config->models[from].name);
    for (model = 0, data = -1; vw_report_next(p, &model, &data);) put_cell(p, from, model, data, delta);
    (void)vw_print_html(p->out, "</tr>\n");
  }
  vw_html_table_end(&p->html);
}

/* One a delta, the largest first: that is the answer's. The others are closed. */
static void put_matrices(vw_report_page *p) {
  const vw_transferred *t = &p->c->transfer;
  int n = 0;
  for (double last = INFINITY, next = 0; next >= 0; last = next) {
    next = -1;
    for (int64_t i = 0; i < t->n_summary; i++)
      if (vw_report_is_line(p, &t->summary[i]) && t->summary[i].delta < last) next = fmax(next, t->summary[i].delta);
    if (next < 0) break;
    if (n++ == 1) (void)fputs("<details><summary>The same at smaller balls</summary>\n", p->out);
    put_matrix(p, next);
  }
  if (n > 1) (void)fputs("</details>\n", p->out);
}

void vw_report_transfer(vw_report_page *p) {
  vw_report_section(p, "transfer", "Transfer between networks");
  if (p->c->transfer.n) {
    put_matrices(p);
    put_lines(p);
    put_maps(p);
  } else {
    (void)vw_print_html(p->out, "<p>No words were carried. ");
    vw_report_command(p, "transfer");
    (void)vw_print_html(p->out, " does it, where the study has two networks.</p>\n");
  }
  vw_report_section_end(p);
}
