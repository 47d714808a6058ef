/* The answer: do words transfer, by how much less, from which delta on do words work? Each claim is no stronger than its
 * intervals: "above" and "below" mean that both of them leave 0 out. */
#include "results/collect/collect_probe.h"
#include "results/report/report_internal.h"

#include <math.h>
#include <string.h>

/* ---- verdicts on carried words ----------------------------------------------------------------------------------- */

typedef enum verdict { TOO_FEW, WORSE, NO_EFFECT, IN_PART, ALONE, NO_LOSS, BETTER, VERDICTS } verdict;

static const struct {
  const char *class, *text, *summary; /* summary: "in 2 ..." */
} verdicts[VERDICTS] = {
    [TOO_FEW] = {"", "Too few words to say", "there are too few words to say"},
    [WORSE] = {"no", "No: below the untouched anchor", "words score below untouched anchors"},
    [NO_EFFECT] = {"no", "No effect seen", "no effect is seen"},
    [IN_PART] = {"part", "In part: above the untouched anchor, below words learned there",
                 "words work in part (better than untouched anchors, worse than words learned there)"},
    [ALONE] = {"yes", "Yes, above the untouched anchor; no word learned there to compare with",
               "words work, and nothing was learned there to compare with"},
    [NO_LOSS] = {"yes", "Yes, and no difference to words learned there is seen",
                 "words work, and no difference to words learned there is seen"},
    [BETTER] = {"yes", "Yes: above words learned there", "words work even better than words learned there"},
};

typedef struct carried {
  vw_interval value, own, loss, gain;
  verdict verdict;
} carried;

static carried look(const vw_report_page *p, const vw_transfer_summary *r) {
  carried w = {.value = vw_report_carried(p, r, VW_CARRIED_VALUE),
               .own = vw_report_carried(p, r, VW_CARRIED_IN_DOMAIN),
               .loss = vw_report_carried(p, r, VW_CARRIED_LOSS),
               .gain = vw_report_carried(p, r, VW_CARRIED_MINUS_ANCHOR)};
  w.verdict = w.gain.n < 2                ? TOO_FEW
              : vw_report_below(&w.gain)  ? WORSE
              : !vw_report_above(&w.gain) ? NO_EFFECT
              : w.loss.n < 2              ? ALONE
              : vw_report_above(&w.loss)  ? IN_PART
              : vw_report_below(&w.loss)  ? BETTER
                                          : NO_LOSS;
  return w;
}

static const vw_transfer_pair *models_of(const vw_report_page *p, const vw_transfer_summary *r) {
  return &p->c->transfer.pair[r->pair].models;
}

static bool is_answer(const vw_report_page *p, const vw_transfer_summary *r) {
  return vw_report_is_line(p, r) && vw_report_is_last(p, r);
}

/* "In 3 of 6 ways ...; in 2 ...". */
static void put_transfer_lead(vw_report_page *p) {
  const vw_transferred *t = &p->c->transfer;
  int64_t n = 0, of[VERDICTS] = {0};
  for (int64_t i = 0; i < t->n_summary; i++)
    if (is_answer(p, &t->summary[i])) n++, of[look(p, &t->summary[i]).verdict]++;
  (void)fputs("<p class=\"lead\"><strong>Do words transfer?</strong>", p->out);
  if (!n) {
    (void)fputs(" Nothing is known yet: no words were carried from network to network.</p>\n", p->out);
    return;
  }
  (void)vw_print_html(p->out, " At the largest ball, of %lld way%s from one network to another:", (long long)n,
                      n == 1 ? "" : "s");
  for (int v = VERDICTS - 1, said = 0; v >= 0; v--)
    if (of[v]) (void)vw_print_html(p->out, "%s in %lld, %s", said++ ? ";" : "", (long long)of[v], verdicts[v].summary);
  (void)fputs(".</p>\n", p->out);
}

static void put_transfer_row(vw_report_page *p, const vw_transfer_summary *r) {
  const vw_study_config *config = p->c->s->config;
  const vw_transfer_pair *m = models_of(p, r);
  const vw_task_kind *task = vw_collect_task(p->c, m->to);
  const carried w = look(p, r);
  (void)vw_print_html(p->out, "<tr><th scope=\"row\">%s &rarr; %s</th><td>%s, %s</td>", config->models[m->from].name,
                      config->models[m->to].name, config->data[r->data].name, task->metrics[r->metric].name);
  (void)vw_print_html(p->out, "<td class=\"%s\">%s</td>", verdicts[w.verdict].class, verdicts[w.verdict].text);
  vw_html_delta(&p->html, r->delta);
  vw_html_count(&p->html, w.value.n);
  vw_html_number(&p->html, w.own.mean, 3);
  vw_html_estimate(&p->html, &w.value), vw_html_estimate(&p->html, &w.loss), vw_html_estimate(&p->html, &w.gain);
  (void)vw_print_html(p->out, "</tr>\n");
}

static void put_transfer(vw_report_page *p) {
  static const vw_html_column columns[] = {{"From → to", false}, {"Judged on", false}, {"Do they work there?", false},
                                           {"Delta", true},      {"n", true},          {"Learned there", true},
                                           {"Carried", true},    {"Difference", true}, {"Above the anchor", true}};
  const vw_transferred *t = &p->c->transfer;
  (void)vw_print_html(p->out, "<h3>Do words transfer, and by how much less?</h3>\n");
  if (!t->n) {
    (void)vw_print_html(p->out, "<p>No words were carried from network to network%s. ",
                        p->c->transfer.missing ? " yet" : "");
    vw_report_command(p, "transfer");
    (void)vw_print_html(p->out, " carries them, where the study has two networks; then ");
    vw_report_command(p, "collect");
    (void)vw_print_html(p->out, ".</p>\n");
    return;
  }
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out, "Words in another network, at the largest ball <small>Difference: the same words (concept, "
              "anchor, delta, replica) learned in the target minus the carried ones, in pairs; above 0, "
              "carrying loses. No effect seen: an interval of what is above the anchor reaches 0. Above the anchor: "
              "carried minus the target's untouched anchor, in pairs. n: carried words. "
              "Below each mean its intervals of 95 %%, over trials, then by bootstrap over concepts and anchors; "
              "not corrected for the number of rows.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < t->n_summary; i++)
    if (is_answer(p, &t->summary[i])) put_transfer_row(p, &t->summary[i]);
  vw_html_table_end(&p->html);
  if (t->missing)
    (void)vw_print_html(p->out, "<p class=\"note\">%lld sets of words are not carried yet.</p>\n",
                        (long long)t->missing);
}

/* ---- from which delta on ----------------------------------------------------------------------------------------- */

/* What is said of a model's words for a data set. */
typedef struct onset {
  int64_t model, data;
  double deltas[VW_REPORT_DELTAS];
  int n, first, last;          /* deltas; the first from which all work (n: none); the largest finite one (-1: none) */
  vw_interval gain, top, step; /* at `first` (else `last`), at `last`, and from the next smaller one to `last` */
} onset;

static onset find_onset(const vw_report_page *p, int64_t model, int64_t data) {
  const int metric = vw_collect_task(p->c, model)->headline;
  onset o = {.model = model, .data = data, .last = -1};
  o.gain = o.top = o.step = (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
  o.n = vw_report_deltas(p, model, data, o.deltas);
  o.first = o.n;
  for (int i = 0; i < o.n; i++)
    if (isfinite(o.deltas[i])) o.last = i;
  for (int i = o.last; i >= 0; i--) {
    const vw_interval gain = vw_report_words(p, model, data, o.deltas[i], VW_MINUS_ANCHOR, metric);
    if (!vw_report_above(&gain)) break;
    o.first = i;
  }
  const int at = o.first < o.n ? o.first : o.last;
  if (at < 0) return o;
  o.gain = vw_report_words(p, model, data, o.deltas[at], VW_MINUS_ANCHOR, metric);
  o.top = vw_report_words(p, model, data, o.deltas[o.last], VW_VALUE, metric);
  o.step = vw_report_words(p, model, data, o.deltas[o.last], VW_MINUS_SMALLER, metric);
  return o;
}

static const char *step_text(const vw_interval *i) {
  return i->n < 2             ? "too few words to say"
         : vw_report_above(i) ? "still rises"
         : vw_report_below(i) ? "falls"
                              : "no change seen";
}

static void put_onset_row(vw_report_page *p, const onset *o) {
  const vw_study_config *config = p->c->s->config;
  const vw_task_kind *task = vw_collect_task(p->c, o->model);
  char delta[VW_DELTA_TEXT] = "", before[VW_DELTA_TEXT] = "", last[VW_DELTA_TEXT] = "";
  (void)vw_print_html(p->out, "<tr><th scope=\"row\">%s</th><td>%s, %s</td>", config->models[o->model].name,
                      config->data[o->data].name, task->metrics[task->headline].name);
  if (o->last < 0 || o->gain.n < 2) {
    (void)vw_print_html(p->out, "<td>Too few words to say</td>");
  } else if (o->first == o->n) {
    (void)vw_print_html(p->out, "<td class=\"no\">At no delta that was tried</td>");
  } else {
    vw_delta_text(o->deltas[o->first], delta);
    (void)vw_print_html(p->out, "<td class=\"yes\">From %s on%s</td>", delta,
                        o->first == 0 ? ", the smallest that was tried" : "");
  }
  vw_html_count(&p->html, o->gain.n);
  vw_html_estimate(&p->html, &o->gain), vw_html_estimate(&p->html, &o->top);
  if (o->last > 0) {
    vw_delta_text(o->deltas[o->last - 1], before), vw_delta_text(o->deltas[o->last], last);
    (void)vw_print_html(p->out, "<td>%s to %s: %s</td>", before, last, step_text(&o->step));
  } else {
    (void)vw_print_html(p->out, "<td>&ndash;</td>");
  }
  vw_html_estimate(&p->html, &o->step);
  (void)vw_print_html(p->out, "</tr>\n");
}

static void put_onset_lead(vw_report_page *p) {
  const vw_study_config *config = p->c->s->config;
  int64_t model = 0, data = -1;
  (void)fputs("<p class=\"lead\"><strong>From which delta on do words work?</strong></p>\n<ul class=\"lead\">\n",
              p->out);
  while (vw_report_next(p, &model, &data)) {
    const onset o = find_onset(p, model, data);
    char delta[VW_DELTA_TEXT];
    (void)vw_print_html(p->out, "<li><bdi>%s</bdi> on <bdi>%s</bdi>: ", config->models[model].name,
                        config->data[data].name);
    if (o.last < 0 || o.gain.n < 2) {
      (void)fputs("too few words to say.</li>\n", p->out);
      continue;
    }
    vw_delta_text(o.deltas[o.first < o.n ? o.first : o.last], delta);
    if (o.first == o.n)
      (void)vw_print_html(p->out, "at none that was tried; at %s", delta);
    else
      (void)vw_print_html(p->out, "from %s on%s;", delta, o.first == 0 ? ", the smallest that was tried" : "");
    (void)vw_print_html(p->out, " %.3f above the anchor [%.3f, %.3f], n = %lld.</li>\n", o.gain.mean, o.gain.boot_low,
                        o.gain.boot_high, (long long)o.gain.n);
  }
  (void)fputs("</ul>\n", p->out);
}

static void put_onsets(vw_report_page *p) {
  static const vw_html_column columns[] = {
      {"Network", false},         {"Judged on", false},          {"Words work", false},    {"n", true},
      {"Above the anchor", true}, {"At the largest ball", true}, {"The last step", false}, {"Difference", true}};
  int64_t model = 0, data = -1;
  (void)vw_print_html(p->out, "<h3>From which delta on do words work?</h3>\n");
  vw_html_table(&p->html);
  (void)vw_print_html(p->out,
                      "Words in the network that learned them <small>A word works where it scores above its own "
                      "untouched anchor. A delta counts where the mean of these paired differences lies above 0 in "
                      "both intervals of 95 %%, there and at all larger balls. n and difference are of that delta, or "
                      "of the largest. The last step: the largest ball minus the next smaller one, in pairs.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  while (vw_report_next(p, &model, &data)) {
    const onset o = find_onset(p, model, data);
    put_onset_row(p, &o);
  }
  vw_html_table_end(&p->html);
}

/* ---- where the concept appears ----------------------------------------------------------------------------------- */

/* A quantity (0: beside the same concept, 1: the same anchor) as a network reads it: at the embedding of the word's own
 * position, as the pooled token is one and the same there; behind a layer of the pooled one. NULL: not there. */
static const vw_probe_row *probed(const vw_report_page *p, const vw_probe_row *like, int64_t layer, int quantity) {
  const char *position = layer ? "pooled" : "word";
  for (int64_t i = 0; i < p->c->n_probe; i++) {
    const vw_probe_row *r = &p->c->probe[i];
    if (r->model_index == like->model_index && r->data_index == like->data_index &&
        strcmp(r->source, like->source) == 0 && r->delta == like->delta && r->layer == layer &&
        r->quantity == quantity && strcmp(r->position_name, position) == 0)
      return r;
  }
  return NULL;
}

/* Is this the first row of the embedding at the largest finite delta? */
static bool opens_layers(const vw_report_page *p, const vw_probe_row *r) {
  if (strcmp(r->position_name, "word") != 0 || r->layer != 0 || r->quantity != 0 || !isfinite(r->delta)) return false;
  for (int64_t i = 0; i < p->c->n_probe; i++) {
    const vw_probe_row *u = &p->c->probe[i];
    if (u->model_index == r->model_index && u->data_index == r->data_index && strcmp(u->source, r->source) == 0 &&
        isfinite(u->delta) && u->delta > r->delta)
      return false;
  }
  return true;
}

static double percent(const vw_probe_row *r) {
  return r ? 100 * r->i.mean : NAN;
}

static void put_layers_of(vw_report_page *p, const vw_probe_row *r) {
  char delta[VW_DELTA_TEXT];
  if (!r->i.n) { /* words of one concept alone, or a single word */
    (void)vw_print_html(p->out,
                        "<li><bdi>%s</bdi> on <bdi>%s</bdi>%s<bdi>%s</bdi>: too few words, or concepts, to ask "
                        "what lies beside what.</li>\n",
                        r->model, r->data, r->source[0] ? ", carried from " : "", r->source);
    return;
  }
  int64_t layers = 1, first = -1;
  while (probed(p, r, layers, 0)) layers++;
  for (int64_t l = layers - 1; l >= 0; l--) {
    const vw_probe_row *concept = probed(p, r, l, 0), *anchor = probed(p, r, l, 1);
    if (!concept || !anchor || !(concept->i.boot_low > anchor->i.boot_high)) break;
    first = l;
  }
  vw_delta_text(r->delta, delta);
  (void)vw_print_html(
      p->out,
      "<li><bdi>%s</bdi> on <bdi>%s</bdi>%s<bdi>%s</bdi>, delta %s, n = %lld: at the embedding %.0f %% of words lie "
      "beside a word of their own concept, %.0f %% beside one of their own anchor; behind the last layer "
      "(%lld) %.0f %% and %.0f %%. ",
      r->model, r->data, r->source[0] ? ", carried from " : "", r->source, delta, (long long)r->i.n, percent(r),
      percent(probed(p, r, 0, 1)), (long long)layers - 1, percent(probed(p, r, layers - 1, 0)),
      percent(probed(p, r, layers - 1, 1)));
  if (first < 0)
    (void)fputs("In the last layer the two intervals are not apart.</li>\n", p->out);
  else if (first == 0)
    (void)fputs("The concept's share is above the anchor's from the embedding on, interval against interval.</li>\n",
                p->out);
  else
    (void)vw_print_html(p->out,
                        "From layer %lld on the concept's share is above the anchor's, interval against "
                        "interval.</li>\n",
                        (long long)first);
}

static void put_layers(vw_report_page *p) {
  if (!p->c->n_probe) return;
  (void)vw_print_html(p->out, "<h3>Where in a network does the anchor become the concept?</h3>\n<ul>\n");
  for (int64_t i = 0; i < p->c->n_probe; i++)
    if (opens_layers(p, &p->c->probe[i])) put_layers_of(p, &p->c->probe[i]);
  (void)vw_print_html(p->out, "</ul>\n<p class=\"note\">Of the word's own position at the embedding, of the "
                              "position that the network reads behind it; all shares with their intervals are "
                              "<a href=\"#layers\">below</a>.</p>\n");
}

/* Few concepts or anchors make a poor bootstrap: said once. */
static void put_caution(vw_report_page *p) {
  enum { FEW = 5 };
  const vw_study_config *config = p->c->s->config;
  int64_t model = 0, data = -1, concepts = INT64_MAX, anchors = INT64_MAX;
  while (vw_report_next(p, &model, &data)) {
    const int64_t k = vw_study_data_of(config, model, data)->concepts.n, a = config->models[model].trials.anchors.n;
    if (k < concepts) concepts = k;
    if (a < anchors) anchors = a;
  }
  if (concepts >= FEW && anchors >= FEW) return;
  (void)vw_print_html(
      p->out,
      "<p class=\"note\">A network has as few as %lld concept%s and %lld anchor%s here: intervals over concepts "
      "and anchors resample no more than these, and are themselves uncertain.</p>\n",
      (long long)concepts, concepts == 1 ? "" : "s", (long long)anchors, anchors == 1 ? "" : "s");
}

void vw_report_answer(vw_report_page *p) {
  vw_report_section(p, "answer", "The answer");
  put_transfer_lead(p);
  put_onset_lead(p);
  put_transfer(p);
  put_onsets(p);
  put_layers(p);
  vw_report_alike(p);
  put_caution(p);
  vw_report_section_end(p);
}
