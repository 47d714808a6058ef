/* What the study decided: the protocol in short, what is not as by default, the study file. */
#include "results/report/report_internal.h"

#include "io/json.h"
#include "tasks/kinds.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is not as by default ----------------------------------------------------------------------------------- */

static json_t *names_of(const vw_names *names) {
  json_t *list = json_array();
  for (int64_t i = 0; i < names->n; i++) json_array_append_new(list, vw_json_name(names->name[i]));
  return list;
}

/* A study with the same networks and data sets that leaves everything else to the defaults. */
static json_t *bare_study(const vw_study_config *c) {
  json_t *data = json_object(), *models = json_object();
  for (int64_t i = 0; i < c->n_data; i++)
    json_object_set_new(data, c->data[i].name,
                        json_pack("{s:s, s:s, s:o}", "kind", vw_data_kind_name(&c->data[i]), "root", "/", "concepts",
                                  names_of(&c->data[i].concepts)));
  for (int64_t i = 0; i < c->n_models; i++) {
    const vw_model_config *m = &c->models[i];
    json_t *model = json_pack("{s:s, s:s, s:o}", "kind", m->kind, "weights", "/", "data", names_of(&m->data));
    if (!m->data.n) json_object_del(model, "data");
    if (m->judge.weights) json_object_set_new(model, "judge", json_pack("{s:s}", "weights", "/"));
    json_object_set_new(models, m->name, model);
  }
  return json_pack("{s:o, s:o, s:{s:o}}", "data", data, "models", models, "trials", "anchors",
                   names_of(&c->models[0].trials.anchors));
}

/* The values of such a study, as of vw_study_values_text; NULL: it cannot be made (folds, names that are not
 * UTF-8), and all values are shown. */
static char *default_values(const vw_study_config *c) {
  json_t *study = bare_study(c);
  char *text = json_dumps(study, 0), *values = NULL;
  vw_study_config *bare = NULL;
  if (text && vw_study_config_parse_alone("defaults", text, strlen(text), vw_kinds_of_study(), &bare) == VW_OK)
    (void)vw_study_values_text(bare, &values);
  vw_error_clear();
  vw_study_config_destroy(bare);
  free(text);
  json_decref(study);
  return values;
}

/* "key: value" and, of a list, its items, "- LENGTH text" a line: the bytes of all of it at `at`. */
static size_t entry_length(const char *at) {
  size_t n = strcspn(at, "\n");
  for (n += at[n] == '\n'; at[n] == '-' && at[n + 1] == ' ';) {
    char *text = NULL;
    const unsigned long long bytes = strtoull(at + n + 2, &text, 10);
    const bool has_text = *text == ' ' && strnlen(text + 1, bytes) == bytes; /* else a number, without a length */
    if (has_text && strchr("\n", text[1 + bytes])) n = (size_t)(text + 1 + bytes - at);
    n += strcspn(at + n, "\n"), n += at[n] == '\n';
  }
  return n;
}

/* The entry of `values` with the key of `entry`; NULL: there is none. */
static const char *entry_of(const char *values, const char *entry, size_t key) {
  for (const char *at = values; at && *at; at += entry_length(at))
    if (strncmp(at, entry, key) == 0 && at[key] == ':') return at;
  return NULL;
}

/* A number as short as it reads back; a text as it is. */
static void put_one(vw_report_page *p, const char *text, size_t n) {
  enum { NUMBER = 32, SHOWN = 200 };
  char copy[NUMBER + 1], *end = copy;
  (void)snprintf(copy, sizeof copy, "%.*s", (int)(n < NUMBER ? n : NUMBER), text);
  const double v = strtod(copy, &end);
  if (n && n < NUMBER && !*end && strspn(copy, "0123456789+-.e") == n)
    (void)vw_print_html(p->out, "%.10g", v);
  else
    (void)vw_print_html(p->out, "<bdi>%.*s</bdi>%s", (int)(n < SHOWN ? n : SHOWN), text, n > SHOWN ? " ..." : "");
}

/* The value of an entry, its list's items one after the other. NULL: a dash. */
static void put_value(vw_report_page *p, const char *entry, size_t key) {
  enum { ITEMS = 20 };
  (void)fputs("<td class=\"w\">", p->out);
  const size_t all = entry ? entry_length(entry) : 0, line = entry ? strcspn(entry, "\n") : 0;
  size_t at = line + 1;
  int said = 0;
  if (!entry)
    (void)fputs("&ndash;", p->out);
  else if (at >= all)
    put_one(p, entry + key + 2, line > key + 2 ? line - key - 2 : 0);
  for (; at < all && said < ITEMS; said++) {
    char *text = NULL;
    const unsigned long long bytes = strtoull(entry + at + 2, &text, 10);
    const bool has_text = *text == ' ' && strnlen(text + 1, bytes) == bytes && strchr("\n", text[1 + bytes]);
    const size_t n = has_text ? bytes : strcspn(entry + at + 2, "\n");
    const char *item = has_text ? text + 1 : entry + at + 2;
    if (said) (void)fputs(", ", p->out);
    put_one(p, item, n);
    at = (size_t)(item - entry) + n + 1;
  }
  (void)fputs(at < all ? ", ...</td>" : "</td>", p->out);
}

static bool is_same(const char *a, const char *b) {
  const size_t n = entry_length(a);
  return b && entry_length(b) == n && memcmp(a, b, n) == 0;
}

static vw_status put_changes(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Key", false}, {"Here", false}, {"By default", false}};
  char *values = NULL, *defaults = default_values(p->c->s->config);
  vw_status st = vw_study_values_text(p->c->s->config, &values);
  if (st == VW_OK) {
    vw_html_table(&p->html);
    (void)vw_print_html(p->out, "%s", defaults ? "Keys that are not as by default" : "All keys");
    vw_html_columns(&p->html, columns, defaults ? 3 : 2, false);
  }
  for (const char *at = values; st == VW_OK && at && *at; at += entry_length(at)) {
    const size_t key = strcspn(at, ":\n");
    const char *usual = entry_of(defaults, at, key);
    if (is_same(at, usual)) continue;
    (void)vw_print_html(p->out, "<tr><th scope=\"row\"><bdi>%.*s</bdi></th>", (int)key, at);
    put_value(p, at, key);
    if (defaults) put_value(p, usual, key);
    (void)fputs("</tr>\n", p->out);
  }
  if (st == VW_OK) vw_html_table_end(&p->html);
  free(values), free(defaults);
  return st;
}

/* ---- the protocol, the file -------------------------------------------------------------------------------------- */

static void put_protocol(vw_report_page *p) {
  const vw_study_config *config = p->c->s->config;
  (void)vw_print_html(
      p->out, "<p>Each trial learns one vector in a network's table of word embeddings; everything else is frozen. "
              "It starts at the embedding of its anchor and stays in a ball around it, of delta times the "
              "distance to the anchor's nearest neighbour. Pictures, sentences and noise of a step are the "
              "same for all anchors and deltas of a concept, so comparisons are paired. "
              "docs/protocol.md of the software says all of it.</p>\n<ul>\n");
  for (int64_t m = 0; m < config->n_models; m++) {
    const vw_model_config *model = &config->models[m];
    const vw_task_kind *task = vw_collect_task(p->c, m);
    (void)vw_print_html(p->out, "<li><bdi>%s</bdi> (%s) learns by %s: %lld steps of %s, %lld pictures of the concept",
                        model->name, model->kind, task->name, (long long)model->learn.steps,
                        model->learn.optimiser == VW_PGD ? "projected gradient" : "AdamW, then projected",
                        (long long)model->learn.positives);
    if (strstr(model->keys, "learn.batch.negatives") && model->learn.negatives)
      (void)vw_print_html(p->out, " and %lld others", (long long)model->learn.negatives);
    (void)vw_print_html(p->out, " a step; judged by %s: %s; %lld anchors, %lld deltas, %lld replica%s.</li>\n",
                        task->metrics[task->headline].name, task->metrics[task->headline].help,
                        (long long)model->trials.anchors.n, (long long)model->trials.deltas.n,
                        (long long)model->trials.replicas, model->trials.replicas == 1 ? "" : "s");
  }
  (void)vw_print_html(p->out, "</ul>\n");
}

/* Lines stay lines; what else no page should hold is escaped in them. */
static void put_file(vw_report_page *p) {
  const char *text = p->c->s->config->text;
  const size_t n = strlen(text), shown = n < VW_REPORT_TEXT_BYTES ? n : VW_REPORT_TEXT_BYTES;
  (void)vw_print_html(
      p->out,
      "<details><summary>The study file, <bdi>%s</bdi></summary>\n<pre tabindex=\"0\" aria-label=\"study "
      "file\"><code>",
      p->about->study);
  for (const char *at = text; at < text + shown;) {
    const size_t length = strcspn(at, "\r\n");
    (void)vw_print_html(p->out, "%.*s\n", (int)length, at);
    at += length + (at[length] == '\r'), at += *at == '\n';
  }
  (void)vw_print_html(p->out, "</code></pre>\n");
  if (shown < n)
    (void)vw_print_html(p->out, "<p class=\"note\">The first %lld of %lld bytes.</p>\n", (long long)shown,
                        (long long)n);
  (void)vw_print_html(p->out, "</details>\n");
}

vw_status vw_report_setup(vw_report_page *p) {
  vw_report_section(p, "setup", "How the study was set up");
  put_protocol(p);
  VW_TRY(put_changes(p));
  put_file(p);
  vw_report_section_end(p);
  return VW_OK;
}
