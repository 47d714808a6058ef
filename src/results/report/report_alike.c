/* Do words that lie apart draw pictures that look alike? Of tasks that keep features of what words draw. */
#include "results/report/report_internal.h"

#include <math.h>

static const vw_interval nothing = {0, NAN, NAN, NAN, NAN, NAN};

/* A row of /summary/performant; NULL: there is none. */
static const vw_performant_row *find(const vw_report_page *p, int64_t model, int64_t data, vw_performant of,
                                     double delta) {
  for (int64_t i = 0; i < p->c->n_performant; i++) {
    const vw_performant_row *r = &p->c->performant[i];
    if (r->model_index == model && r->data_index == data && r->of == of && r->delta == delta) return r;
  }
  return NULL;
}

static vw_interval interval(const vw_report_page *p, int64_t model, int64_t data, vw_performant of, double delta) {
  const vw_performant_row *r = find(p, model, data, of, delta);
  return r ? r->i : nothing;
}

/* What is said of a model's words for a data set, at its largest ball. */
typedef struct alike {
  double delta;
  vw_interval of[VW_PERFORMANTS];
} alike;

/* false: its words draw nothing. */
static bool look(const vw_report_page *p, int64_t model, int64_t data, alike *a) {
  a->delta = NAN;
  for (int64_t i = 0; i < p->c->n_performant; i++) {
    const vw_performant_row *r = &p->c->performant[i];
    if (r->model_index == model && r->data_index == data && r->of == VW_ALIKE_ANCHORS && isfinite(r->delta) &&
        !(r->delta <= a->delta))
      a->delta = r->delta;
  }
  for (int k = 0; k < VW_PERFORMANTS; k++)
    a->of[k] =
        interval(p, model, data, (vw_performant)k, k == VW_ALIKE_UNTOUCHED || k == VW_COSINE_UNTOUCHED ? 0 : a->delta);
  return !isnan(a->delta);
}

static bool is_known(const alike *a) {
  return a->of[VW_ALIKE_ANCHORS].n > 0;
}

static const char *verdict_of(const alike *a, const char **class) {
  const vw_interval *more = &a->of[VW_ALIKE_MORE];
  *class = "";
  if (!is_known(a)) return "Not known: no features were kept, or no two words compare";
  if (more->n < 2) return "Too few concepts to say";
  *class = vw_report_above(more) ? "yes" : "no";
  return vw_report_above(more)   ? "Yes: more alike than of different concepts"
         : vw_report_below(more) ? "No: less alike than of different concepts"
                                 : "No effect seen";
}

static void put_row(vw_report_page *p, int64_t model, int64_t data, const alike *a) {
  static const vw_performant shown[] = {VW_DISTANCE_ANCHORS, VW_COSINE_ANCHORS, VW_ALIKE_ANCHORS,
                                        VW_ALIKE_OTHERS,     VW_ALIKE_MORE,     VW_ALIKE_NAME};
  const vw_study_config *config = p->c->s->config;
  const char *class = "", *verdict = verdict_of(a, &class);
  (void)vw_print_html(p->out, "<tr><th scope=\"row\">%s</th><td>%s</td><td class=\"%s\">%s</td>",
                      config->models[model].name, config->data[data].name, class, verdict);
  vw_html_delta(&p->html, a->delta), vw_html_count(&p->html, a->of[VW_ALIKE_ANCHORS].n);
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) vw_html_estimate(&p->html, &a->of[shown[i]]);
  vw_html_number(&p->html, a->of[VW_ALIKE_UNTOUCHED].mean, 3);
  (void)vw_print_html(p->out, "</tr>\n");
}

static void put_table(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Network", false},
                                           {"Data set", false},
                                           {"Do their pictures look alike?", false},
                                           {"Delta", true},
                                           {"n", true},
                                           {"Words: distance / R", true},
                                           {"Words: cosine", true},
                                           {"Pictures: one concept", true},
                                           {"Pictures: different concepts", true},
                                           {"Difference", true},
                                           {"Pictures: the real name", true},
                                           {"Pictures: untouched anchors", true}};
  int64_t model = 0, data = -1;
  alike a;
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "Words of one concept from different anchors, at the largest ball <small>Pictures: the cosine of the mean "
      "features "
      "that the judge has of two words' pictures; of words of one concept, of different concepts (both from different "
      "anchors), of a word and its concept's real name, of the anchors before anything was learned. Difference: one "
      "concept minus different concepts, paired by concept. n: concepts. Intervals of 95 %%, over concepts (the real "
      "name: over words), then by bootstrap.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  while (vw_report_next(p, &model, &data))
    if (look(p, model, data, &a)) put_row(p, model, data, &a);
  vw_html_table_end(&p->html);
}

static void put_sentence(vw_report_page *p, int64_t model, int64_t data, const alike *a) {
  const vw_study_config *config = p->c->s->config;
  const vw_interval *more = &a->of[VW_ALIKE_MORE];
  char delta[VW_DELTA_TEXT];
  vw_delta_text(a->delta, delta);
  (void)vw_print_html(p->out, "<li><bdi>%s</bdi> on <bdi>%s</bdi>, delta %s: ", config->models[model].name,
                      config->data[data].name, delta);
  if (!is_known(a)) {
    (void)fputs(
        "not known; the version that judged the words kept no features of their pictures, or no concept has words "
        "from two anchors.</li>\n",
        p->out);
    return;
  }
  (void)vw_print_html(p->out,
                      "words of one concept lie %.2f radii apart (cosine %.2f); the judge finds their pictures alike "
                      "by a cosine of %.3f, "
                      "those of different concepts by %.3f, those of untouched anchors by %.3f; the difference of the "
                      "first two is %.3f "
                      "[%.3f, %.3f], n = %lld concepts.",
                      a->of[VW_DISTANCE_ANCHORS].mean, a->of[VW_COSINE_ANCHORS].mean, a->of[VW_ALIKE_ANCHORS].mean,
                      a->of[VW_ALIKE_OTHERS].mean, a->of[VW_ALIKE_UNTOUCHED].mean, more->mean, more->boot_low,
                      more->boot_high, (long long)more->n);
  if (a->of[VW_ALIKE_NAME].n)
    (void)vw_print_html(p->out, " With pictures of the real name: %.3f, n = %lld words.", a->of[VW_ALIKE_NAME].mean,
                        (long long)a->of[VW_ALIKE_NAME].n);
  (void)fputs("</li>\n", p->out);
}

void vw_report_alike(vw_report_page *p) {
  int64_t model = 0, data = -1, n = 0;
  alike a;
  while (vw_report_next(p, &model, &data)) n += look(p, model, data, &a);
  if (!n) return;
  (void)vw_print_html(p->out, "<h3>Do words that lie apart draw pictures that look alike?</h3>\n<ul>\n");
  for (model = 0, data = -1; vw_report_next(p, &model, &data);)
    if (look(p, model, data, &a)) put_sentence(p, model, data, &a);
  (void)fputs("</ul>\n", p->out);
  put_table(p);
}
