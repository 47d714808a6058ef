/* Whether words transfer, for people and scripts: the part of the table, of summary.csv and of the JSON. */
#include "results/collect/collect_format.h"

#include "core/text.h"

#include <math.h>
#include <string.h>

/* "clip->owl": no name of a model holds a '>'. */
typedef char pair_name[160];
static const char *name_of(const vw_collected *c, int64_t pair, pair_name text) {
  const vw_transfer_pair *p = &c->transfer.pair[pair].models;
  (void)snprintf(text, sizeof(pair_name), "%s->%s", c->s->config->models[p->from].name,
                 c->s->config->models[p->to].name);
  return text;
}

static const vw_task_kind *task_of(const vw_collected *c, int64_t pair) {
  return vw_collect_task(c, c->transfer.pair[pair].models.to);
}

static vw_interval shown(const vw_collected *c, const vw_transfer_summary *r) {
  const bool is_difference = r->quantity == VW_CARRIED_LOSS || r->quantity == VW_CARRIED_MINUS_ANCHOR;
  const bool is_share = task_of(c, r->pair)->metrics[r->metric].is_share;
  return is_share ? vw_share_interval(r->interval, is_difference) : r->interval;
}

/* The row like this one of another quantity. */
static vw_interval other(const vw_collected *c, const vw_transfer_summary *like, vw_transfer_quantity quantity) {
  for (int64_t i = 0; i < c->transfer.n_summary; i++) {
    const vw_transfer_summary *r = &c->transfer.summary[i];
    if (r->pair == like->pair && r->data == like->data && r->what == like->what && r->quantity == quantity &&
        r->metric == like->metric && (r->delta == like->delta || (isnan(r->delta) && isnan(like->delta))))
      return shown(c, r);
  }
  return (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
}

static void delta_text(double delta, char text[VW_DELTA_TEXT]) {
  (void)snprintf(text, VW_DELTA_TEXT, "-");
  if (!isnan(delta)) vw_delta_text(delta, text);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void print_words(const vw_collected *c, const vw_transfer_summary *r, FILE *out) {
  const vw_interval carried = shown(c, r), own = other(c, r, VW_CARRIED_IN_DOMAIN), loss = other(c, r, VW_CARRIED_LOSS),
                    gain = other(c, r, VW_CARRIED_MINUS_ANCHOR);
  char delta[VW_DELTA_TEXT], a[16], b[16], d[16], e[16], low[32], boot[32], range[32];
  delta_text(r->delta, delta);
  (void)vw_print(out, "%-20s %6s %5lld %9s %9s %10s %-17s %-17s %7s %s\n", vw_carried_names[r->what], delta,
                 (long long)carried.n, vw_format_number(own.mean, a), vw_format_number(carried.mean, b),
                 vw_format_number(loss.mean, d), vw_format_range(loss.low, loss.high, low),
                 vw_format_range(loss.boot_low, loss.boot_high, boot), vw_format_number(gain.mean, e),
                 vw_format_range(gain.boot_low, gain.boot_high, range));
}

static void print_baseline(const vw_collected *c, const vw_transfer_summary *r, FILE *out) {
  const vw_interval i = shown(c, r);
  char delta[VW_DELTA_TEXT], a[16];
  delta_text(r->delta, delta);
  (void)vw_print(out, "%-20s %6s %5lld %9s %9s\n", vw_carried_names[r->what], delta, (long long)i.n, "",
                 vw_format_number(i.mean, a));
}

static void print_map(const vw_map *m, FILE *out) {
  (void)vw_print(out, "  map: %s", vw_map_names[m->kind]);
  if (m->lambda > 0) (void)vw_print(out, ", lambda %g", m->lambda);
  if (m->hidden) (void)vw_print(out, ", %lld hidden units", (long long)m->hidden);
  (void)vw_print(out, ", of %lld words; R^2 %.3f in sample, %.3f held out; condition %.3g\n", (long long)m->words,
                 m->r2, m->r2_held_out, m->condition);
}

/* One pair on one data set of the target, in the headline of its task. */
static void print_table(const vw_collected *c, int64_t pair, int64_t data, FILE *out) {
  const vw_transferred *t = &c->transfer;
  const vw_task_kind *task = task_of(c, pair);
  pair_name name;
  bool has_head = false;
  for (int64_t i = 0; i < t->n_summary; i++) {
    const vw_transfer_summary *r = &t->summary[i];
    if (r->pair != pair || r->data != data || r->quantity != VW_CARRIED_VALUE || r->metric != task->headline) continue;
    if (!has_head) {
      (void)vw_print(out, "\n%s: words carried %s, %s on %s; 95 %% intervals\n", c->s->config->study,
                     name_of(c, pair, name), task->metrics[task->headline].name, c->s->config->data[data].name);
      print_map(&t->pair[pair].map, out);
      (void)vw_print(out, "%-20s %6s %5s %9s %9s %10s %-17s %-17s %7s %s\n", "", "delta", "n", "in domain", "carried",
                     "difference", "over trials", "concepts, anchors", "gain", "over the anchor");
    }
    has_head = true;
    if (r->what == VW_CARRIED_WORD)
      print_words(c, r, out);
    else
      print_baseline(c, r, out);
  }
}

/* ---- the matrix -------------------------------------------------------------------------------------------------- */

/* The mean of words of `from` for a model and one of its data sets: learned there, or carried. NaN: there are none. */
static double mean_of(const vw_collected *c, int64_t from, int64_t to, int64_t data, double delta) {
  const int headline = vw_collect_task(c, to)->headline;
  if (from == to) {
    const vw_summary_row *r =
        vw_summary_find(c->summary, c->n_summary, to, data, VW_OF_WORD, VW_VALUE, delta, headline);
    return r ? r->interval.mean : NAN;
  }
  for (int64_t i = 0; i < c->transfer.n_summary; i++) {
    const vw_transfer_summary *r = &c->transfer.summary[i];
    const vw_transfer_pair *p = &c->transfer.pair[r->pair].models;
    if (p->from == from && p->to == to && r->data == data && r->what == VW_CARRIED_WORD &&
        r->quantity == VW_CARRIED_VALUE && r->metric == headline && r->delta == delta)
      return r->interval.mean;
  }
  return NAN;
}

/* Sources down, targets with their data sets and headlines across. */
static void print_matrix(const vw_collected *c, double delta, FILE *out) {
  const vw_study_config *config = c->s->config;
  char text[VW_DELTA_TEXT], mean[16];
  delta_text(delta, text);
  (void)vw_print(out, "\ndelta %s, words of (down) in (across); learned there where both are one\n%-16s", text, "");
  for (int64_t to = 0; to < config->n_models; to++)
    for (int64_t d = 0; d < config->n_data; d++)
      if (vw_study_learns_on(config, to, d)) {
        const vw_task_kind *task = vw_collect_task(c, to);
        (void)vw_print(out, "  %s %s, %s", config->models[to].name, task->metrics[task->headline].name,
                       config->data[d].name);
      }
  (void)vw_print(out, "\n");
  for (int64_t from = 0; from < config->n_models; from++) {
    (void)vw_print(out, "%-16s", config->models[from].name);
    for (int64_t to = 0; to < config->n_models; to++)
      for (int64_t d = 0; d < config->n_data; d++)
        if (vw_study_learns_on(config, to, d)) {
          const vw_task_kind *task = vw_collect_task(c, to);
          const int width = (int)(strlen(config->models[to].name) + strlen(task->metrics[task->headline].name) +
                                  strlen(config->data[d].name) + 5);
          (void)vw_print(out, "%*s", width, vw_format_number(mean_of(c, from, to, d, delta), mean));
        }
    (void)vw_print(out, "\n");
  }
}

/* One matrix a delta, ascending. */
static void print_matrices(const vw_collected *c, FILE *out) {
  const vw_transferred *t = &c->transfer;
  for (double last = 0, next = INFINITY; last < next; last = next, next = INFINITY) {
    bool any = false;
    for (int64_t i = 0; i < t->n_summary; i++)
      if (t->summary[i].what == VW_CARRIED_WORD && t->summary[i].delta > last)
        any = true, next = fmin(next, t->summary[i].delta);
    if (!any) return;
    print_matrix(c, next, out);
  }
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

/* Both intervals lie above 0. */
static bool is_above(const vw_interval *i) {
  return i->n > 1 && i->low > 0 && i->boot_low > 0;
}

static void print_answer(const vw_collected *c, const vw_transfer_summary *r, FILE *out) {
  const vw_interval carried = shown(c, r), own = other(c, r, VW_CARRIED_IN_DOMAIN), loss = other(c, r, VW_CARRIED_LOSS),
                    gain = other(c, r, VW_CARRIED_MINUS_ANCHOR);
  const char *verdict = gain.n < 2         ? "too few words to say"
                        : !is_above(&gain) ? "no, not above the untouched anchor"
                        : is_above(&loss)  ? "in part"
                        : isnan(loss.mean) ? "yes, but no word learned there to compare with"
                                           : "yes, no worse than words learned there";
  pair_name name;
  char delta[VW_DELTA_TEXT], a[16], b[16], d[16], boot[32];
  delta_text(r->delta, delta);
  (void)vw_print(out, "  %s at delta %s: %s: %s %s; learned there %s, paired difference %s %s\n",
                 name_of(c, r->pair, name), delta, verdict, task_of(c, r->pair)->metrics[r->metric].name,
                 vw_format_number(carried.mean, a), vw_format_number(own.mean, b), vw_format_number(loss.mean, d),
                 vw_format_range(loss.boot_low, loss.boot_high, boot));
}

/* At the largest ball of each pair and data set: rows have their deltas ascending. */
static bool is_last(const vw_transferred *t, int64_t i) {
  const vw_transfer_summary *r = &t->summary[i];
  for (int64_t k = i + 1; k < t->n_summary; k++) {
    const vw_transfer_summary *u = &t->summary[k];
    if (u->pair == r->pair && u->data == r->data && u->what == r->what && u->quantity == r->quantity &&
        u->metric == r->metric && isfinite(u->delta))
      return false;
  }
  return isfinite(r->delta);
}

void vw_collect_transfer_print(const vw_collected *c, FILE *out) {
  const vw_transferred *t = &c->transfer;
  if (!t->n) return;
  for (int64_t p = 0; p < t->n_pairs; p++)
    for (int64_t d = 0; d < c->s->config->n_data; d++) print_table(c, p, d, out);
  print_matrices(c, out);
  (void)vw_print(out, "\ndo words transfer?\n");
  for (int64_t i = 0; i < t->n_summary; i++) {
    const vw_transfer_summary *r = &t->summary[i];
    if (r->what == VW_CARRIED_WORD && r->quantity == VW_CARRIED_VALUE && r->metric == task_of(c, r->pair)->headline &&
        is_last(t, i))
      print_answer(c, r, out);
  }
}

/* ---- CSV, JSON --------------------------------------------------------------------------------------------------- */

void vw_collect_transfer_csv(const vw_collected *c, FILE *out) {
  for (int64_t i = 0; i < c->transfer.n_summary; i++) {
    const vw_transfer_summary *r = &c->transfer.summary[i];
    const vw_interval interval = shown(c, r);
    pair_name name;
    char delta[VW_DELTA_TEXT] = "";
    if (!isnan(r->delta)) vw_delta_text(r->delta, delta);
    vw_csv_text(out, name_of(c, r->pair, name)), vw_csv_text(out, c->s->config->data[r->data].name);
    vw_csv_text(out, vw_carried_names[r->what]), vw_csv_text(out, vw_transfer_quantity_names[r->quantity]);
    vw_csv_text(out, delta), vw_csv_text(out, task_of(c, r->pair)->metrics[r->metric].name);
    vw_csv_interval(out, &interval);
  }
}

static json_t *json_row(const vw_collected *c, const vw_transfer_summary *r) {
  const vw_study_config *config = c->s->config;
  const vw_transfer_pair *p = &c->transfer.pair[r->pair].models;
  const vw_interval interval = shown(c, r);
  json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "from", config->models[p->from].name, "to",
                        config->models[p->to].name, "data", config->data[r->data].name, "what",
                        vw_carried_names[r->what], "quantity", vw_transfer_quantity_names[r->quantity], "metric",
                        task_of(c, r->pair)->metrics[r->metric].name, "interval", vw_json_interval(&interval));
  json_object_set_new(o, "delta", isinf(r->delta) ? json_string("free") : vw_json_number(r->delta));
  return o;
}

json_t *vw_collect_transfer_json(const vw_collected *c) {
  const vw_transferred *t = &c->transfer;
  json_t *maps = json_array(), *rows = json_array();
  for (int64_t i = 0; i < t->n_pairs; i++) {
    const vw_map *m = &t->pair[i].map;
    const vw_transfer_pair *p = &t->pair[i].models;
    json_array_append_new(maps, json_pack("{s:s, s:s, s:s, s:f, s:I, s:o, s:o, s:o}", "from",
                                          c->s->config->models[p->from].name, "to", c->s->config->models[p->to].name,
                                          "map", vw_map_names[m->kind], "lambda", m->lambda, "words",
                                          (json_int_t)m->words, "r2", vw_json_number(m->r2), "r2_held_out",
                                          vw_json_number(m->r2_held_out), "condition", vw_json_number(m->condition)));
  }
  for (int64_t i = 0; i < t->n_summary; i++) json_array_append_new(rows, json_row(c, &t->summary[i]));
  return json_pack("{s:o, s:o}", "maps", maps, "summary", rows);
}
