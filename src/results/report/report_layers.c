/* What the layers of the text encoders make of words: neighbours, maps. */
#include "results/collect/collect_probe.h"
#include "results/maps.h"
#include "results/report/report_internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- neighbours -------------------------------------------------------------------------------------------------- */

/* The largest finite delta at which a model's words of a data set were probed; NaN: none. */
static double last_delta(const vw_report_page *p, int64_t model, int64_t data) {
  double last = NAN;
  for (int64_t i = 0; i < p->c->n_probe; i++) {
    const vw_probe_row *r = &p->c->probe[i];
    if (r->model_index == model && r->data_index == data && isfinite(r->delta) && !(r->delta <= last)) last = r->delta;
  }
  return last;
}

/* Rows of one position and layer stand together, one a quantity. */
static void put_layer(vw_report_page *p, int64_t i) {
  const vw_probe_row *r = &p->c->probe[i];
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, r->source[0] ? r->source : "learned here");
  vw_html_text(&p->html, r->position_name);
  vw_html_count(&p->html, r->layer), vw_html_count(&p->html, r->i.n);
  for (int q = 0; q < VW_PROBE_QUANTITIES; q++) {
    const vw_probe_row *u = &p->c->probe[i + q];
    vw_html_number(&p->html, u->i.mean, 3);
    if (q < 2) vw_html_range(&p->html, u->i.boot_low, u->i.boot_high);
  }
  (void)vw_print_html(p->out, "</tr>\n");
}

static void put_neighbours(vw_report_page *p, int64_t model, int64_t data, double delta) {
  static const vw_html_column columns[] = {{"Carried from", false},
                                           {"Position", false},
                                           {"Layer", true},
                                           {"n", true},
                                           {"Beside the same concept", true},
                                           {"bootstrap", true},
                                           {"Beside the same anchor", true},
                                           {"bootstrap", true},
                                           {"Silhouette by concept", true},
                                           {"by anchor", true}};
  char text[VW_DELTA_TEXT];
  vw_delta_text(delta, text);
  vw_html_table(&p->html);
  (void)vw_print_html(
      p->out,
      "<bdi>%s</bdi> on <bdi>%s</bdi>, delta %s <small>Share of words whose nearest other word was learned for "
      "the same concept, or from the same anchor. Layer 0 is the embedding, where the pooled position is one and the "
      "same for all words.</small>",
      p->c->s->config->models[model].name, p->c->s->config->data[data].name, text);
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t i = 0; i + VW_PROBE_QUANTITIES <= p->c->n_probe; i++) {
    const vw_probe_row *r = &p->c->probe[i], *u = &p->c->probe[i + VW_PROBE_QUANTITIES - 1];
    if (r->model_index == model && r->data_index == data && r->delta == delta && r->quantity == 0 &&
        u->quantity == VW_PROBE_QUANTITIES - 1 && u->layer == r->layer)
      put_layer(p, i);
  }
  vw_html_table_end(&p->html);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

static vw_status put_map(vw_report_page *p, const vw_activations *a, int64_t layer, int64_t *there) {
  vw_tsne_map_numbers m;
  double *points = NULL;
  VW_TRY(vw_tsne_map_read(p->c->s, a, layer, &points, &m));
  free(points);
  if (!points) return VW_OK;
  ++*there;
  (void)vw_print_html(p->out, "<tr>");
  vw_html_head(&p->html, p->c->s->config->models[a->model].name);
  vw_html_count(&p->html, layer), vw_html_text(&p->html, vw_state_positions[(int)m.position]);
  vw_html_count(&p->html, (int64_t)m.points), vw_html_number(&p->html, m.kl, 4);
  vw_html_number(&p->html, m.perplexity, 1), vw_html_number(&p->html, m.learning_rate, 1);
  vw_html_number(&p->html, m.exaggeration, 1), vw_html_count(&p->html, (int64_t)m.iterations);
  (void)vw_print_html(p->out, "</tr>\n");
  return VW_OK;
}

static vw_status put_maps_of(vw_report_page *p, int64_t model, int64_t *there) {
  int64_t layers[VW_MAP_LAYERS];
  vw_activations a = {0};
  int n = 0;
  vw_status st = VW_OK;
  if (!p->c->s->networks[model]->kind->states) return VW_OK;
  VW_GOTO(vw_activations_list(p->c->s, model, &a));
  if (!vw_results_probed(p->c->s, &a)) goto cleanup;
  VW_GOTO(vw_tsne_map_layers(p->c->s, &a, layers, &n));
  for (int i = 0; i < n; i++) VW_GOTO(put_map(p, &a, layers[i], there));
cleanup:
  vw_activations_free(&a);
  return st;
}

static vw_status put_maps(vw_report_page *p) {
  static const vw_html_column columns[] = {
      {"Network", false},           {"Layer", true},      {"Position", false},     {"n", true},
      {"KL divergence, nat", true}, {"Perplexity", true}, {"Learning rate", true}, {"Exaggeration", true},
      {"Iterations", true}};
  int64_t there = 0;
  vw_html_table(&p->html);
  (void)vw_print_html(p->out,
                      "Maps by t-SNE <small>Of all words of a network at once. Distances in a map mean little: read "
                      "the neighbours above.</small>");
  vw_html_columns(&p->html, columns, sizeof columns / sizeof *columns, true);
  for (int64_t m = 0; m < p->c->s->config->n_models; m++) VW_TRY(put_maps_of(p, m, &there));
  if (!there)
    (void)vw_print_html(p->out, "<tr><td colspan=\"%d\">None is made yet.</td></tr>\n",
                        (int)(sizeof columns / sizeof *columns));
  vw_html_table_end(&p->html);
  if (there) return VW_OK;
  (void)vw_print_html(p->out, "<p>");
  vw_report_command(p, "tsne");
  (void)vw_print_html(p->out, " makes them.</p>\n");
  return VW_OK;
}

vw_status vw_report_layers(vw_report_page *p) {
  int64_t model = 0, data = -1;
  vw_report_section(p, "layers", "Words in the layers of the networks");
  if (!p->c->n_probe) {
    (void)vw_print_html(p->out, "<p>No states were kept. ");
    vw_report_command(p, "probe");
    (void)vw_print_html(p->out, " keeps them, then ");
    vw_report_command(p, "tsne");
    (void)vw_print_html(p->out, " maps them.</p>\n");
    vw_report_section_end(p);
    return VW_OK;
  }
  while (vw_report_next(p, &model, &data)) {
    const double delta = last_delta(p, model, data);
    if (!isnan(delta)) put_neighbours(p, model, data, delta);
  }
  (void)vw_print_html(p->out, "<p class=\"note\">Of the largest ball; other deltas are in probe.csv.</p>\n");
  VW_TRY(put_maps(p));
  vw_report_section_end(p);
  return VW_OK;
}
