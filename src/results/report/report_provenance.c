/* Where the results come from: hashes of every input, kernels, what of the data sets was not used. */
#include "results/report/report_internal.h"

#include "io/json.h"

#include <stdlib.h>
#include <string.h>

static void put_hash(vw_report_page *p, const char *hash) {
  (void)vw_print_html(p->out, "<td><code>%s</code></td>", hash);
}

static void put_row(vw_report_page *p, const char *what, const char *of, vw_hash hash) {
  char text[VW_HASH_TEXT];
  vw_hash_text(hash, text);
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, what), vw_html_text(&p->html, of), put_hash(p, text);
  (void)vw_print_html(p->out, "</tr>\n");
}

static vw_status put_inputs(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Input", false}, {"Of", false}, {"XXH3-128", false}};
  const vw_results_source *s = p->c->s;
  int64_t model = 0, data = -1;
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "What went in <small>Weights: with tokenizer and list of neighbours. Protocol: what the study file decides "
      "for a trial. Judging: keys and network that decide how words are judged alone.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t m = 0; m < s->config->n_models; m++) {
    put_row(p, "weights", s->config->models[m].name, s->weights[m]);
    const vw_hash judge = s->config->models[m].judge.network;
    if (judge.lo || judge.hi) put_row(p, "network that judges", s->config->models[m].name, judge);
  }
  while (vw_report_next(p, &model, &data)) {
    char of[VW_PATH_BYTES];
    vw_hash hash;
    VW_TRY(vw_path_format(of, "%s on %s", s->config->models[model].name, s->config->data[data].name));
    VW_TRY(vw_protocol_hash(s->config, model, data, &hash));
    put_row(p, "protocol", of, hash);
    VW_TRY(vw_judging_hash(s->config, model, data, &hash));
    if (vw_judging_is_own(hash)) put_row(p, "judging", of, hash);
  }
  put_row(p, "study file", p->about->study, vw_hash_bytes(s->config->text, strlen(s->config->text)));
  vw_html_table_end(&p->html);
  return VW_OK;
}

/* Trials of a concept stand together, and have the same pictures. */
static bool opens_concept(const vw_collected *c, int64_t i) {
  if (!i) return true;
  const vw_trial *t = c->trial[i], *before = c->trial[i - 1];
  return t->model_index != before->model_index || t->data_index != before->data_index ||
         t->concept_index != before->concept_index;
}

static void put_pictures(vw_report_page *p) {
  static const vw_html_column columns[] = {
      {"Concept", false}, {"Network", false}, {"Data set", false}, {"XXH3-128", false}};
  const vw_collected *c = p->c;
  int64_t n = 0, shown = 0;
  for (int64_t i = 0; i < c->n; i++) n += opens_concept(c, i);
  (void)vw_print_html(p->out, "<details><summary>Pictures of each concept</summary>\n");
  vw_html_table(&p->html);
  (void)vw_print_html(p->out, "Pictures of a concept and those it is judged with <small>%lld of %lld%s</small>",
                      (long long)(n < VW_REPORT_LIST ? n : VW_REPORT_LIST), (long long)n,
                      n > VW_REPORT_LIST ? "; /provenance/pictures of study.h5 has all" : "");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < c->n && shown < VW_REPORT_LIST; i++) {
    if (!opens_concept(c, i)) continue;
    shown++;
    (void)vw_print_html(p->out, "<tr>");
    vw_html_head(&p->html, c->rows[i].concept), vw_html_text(&p->html, c->rows[i].model);
    vw_html_text(&p->html, c->rows[i].data), put_hash(p, c->rows[i].pictures);
    (void)vw_print_html(p->out, "</tr>\n");
  }
  vw_html_table_end(&p->html);
  (void)vw_print_html(p->out, "</details>\n");
}

/* Models that share a data set share its pictures. */
static bool is_first(const vw_results_source *s, int64_t i) {
  for (int64_t k = 0; k < i; k++)
    if (s->pictures[k] == s->pictures[i]) return false;
  return s->pictures[i] != NULL;
}

static void put_left_out(vw_report_page *p) {
  static const vw_html_column columns[] = {{"Data set", false}, {"What", false}, {"How many", true}, {"Why", false}};
  const vw_results_source *s = p->c->s;
  int64_t n = 0;
  for (int64_t i = 0; i < s->config->n_models * s->config->n_data; i++)
    if (is_first(s, i)) n += s->pictures[i]->n_left_out;
  if (!n) {
    (void)vw_print_html(p->out, "<p>Nothing of the data sets was left out.</p>\n");
    return;
  }
  vw_html_table(&p->html);
  (void)vw_print_html(p->out, "What of the data sets was not used, or not as people see it");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i < s->config->n_models * s->config->n_data; i++)
    for (int k = 0; is_first(s, i) && k < s->pictures[i]->n_left_out; k++) {
      const vw_left_out *l = &s->pictures[i]->left_out[k];
      (void)vw_print_html(p->out, "<tr>");
      vw_html_head(&p->html, s->pictures[i]->data->name), vw_html_text(&p->html, l->what);
      vw_html_count(&p->html, l->count);
      (void)vw_print_html(p->out, "<td class=\"w\"><bdi>%s</bdi></td></tr>\n", l->why);
    }
  vw_html_table_end(&p->html);
}

/* As MANIFEST.json has it: a page must not read gigabytes. */
static void put_file(vw_report_page *p) {
  char path[VW_PATH_BYTES];
  json_t *manifest = NULL;
  if (vw_path_format(path, "%s/MANIFEST.json", p->c->s->out) != VW_OK ||
      vw_json_read_optional(path, &manifest) != VW_OK)
    vw_error_clear();
  const json_t *now = json_object_get(json_object_get(manifest, "study.h5"), "current");
  const char *hash = json_string_value(json_object_get(now, "xxh3_128"));
  if (hash) {
    (void)vw_print_html(
        p->out,
        "<li>study.h5: %lld bytes, XXH3-128 <code>%s</code> as recorded in MANIFEST.json; its /provenance has "
        "the hashes of every trial's inputs, hosts and versions.</li>\n",
        (long long)json_integer_value(json_object_get(now, "bytes")), hash);
  } else {
    (void)vw_print_html(p->out, "<li>study.h5 is not there yet: ");
    vw_report_command(p, "collect");
    (void)vw_print_html(p->out, " makes it.</li>\n");
  }
  json_decref(manifest);
}

vw_status vw_report_provenance(vw_report_page *p) {
  const vw_plan *plan = p->c->s->plan;
  vw_report_section(p, "provenance", "Where it comes from");
  (void)vw_print_html(p->out,
                      "<ul>\n<li>Computed by the backend <code>%s</code> with kernels <code>%s</code>, precision %s",
                      plan->with.backend, plan->with.kernels, plan->with.precision);
  for (int64_t i = 0; i < plan->other_kernels.n; i++)
    (void)vw_print_html(p->out, "%s <code>%s</code>", i ? "," : "; others were allowed:", plan->other_kernels.name[i]);
  (void)vw_print_html(
      p->out,
      ".</li>\n<li>Seed %lld. Every trial's identity is a hash of its names, protocol, weights and pictures; "
      "plan.yaml lists them.</li>\n",
      (long long)p->c->s->config->seed);
  put_file(p);
  (void)vw_print_html(p->out, "</ul>\n");
  VW_TRY(put_inputs(p));
  put_pictures(p);
  put_left_out(p);
  vw_report_section_end(p);
  return VW_OK;
}
