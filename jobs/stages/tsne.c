/* The stage of maps: t-SNE of the states that `probe` kept. An item is a layer of a model. */
#include "jobs/stages/rows.h"

#include "io/block_file.h"
#include "results/maps.h"

/* All states of a model; what is missing, and the command that makes it. The caller frees *a, after a failure too. */
static vw_status open_model(const vw_session *s, const vw_results_source *source, int64_t model, vw_activations *a) {
  int64_t missing = 0;
  VW_TRY(vw_activations_list(source, model, a));
  for (int64_t f = 0; f < a->n_files; f++) {
    VW_TRY(vw_activations_open(source, a, f));
    missing += !a->file[f];
  }
  VW_CHECK(!missing, VW_ERR_INPUT,
           "t-SNE of model %s: the states of %lld of %lld blocks are missing: run 'viswords probe %s -o %s' first",
           s->config->models[model].name, (long long)missing, (long long)a->n_files, s->options.study, s->out);
  return VW_OK;
}

static vw_status list_model(const vw_results_source *source, const vw_activations *a, vw_stage_list *list) {
  int64_t layers[VW_MAP_LAYERS];
  char id[VW_BLOCK_ID];
  int n = 0;
  VW_TRY(vw_tsne_map_layers(source, a, layers, &n));
  for (int i = 0; i < n; i++) {
    const vw_stage_item it = {
        .block = -1, .layer = layers[i], .model = a->model, .picture = -1, .cost = (double)a->n * (double)a->n};
    VW_TRY(vw_tsne_map_id(source, a, layers[i], id));
    if (vw_block_file_exists(source->out, id))
      list->units++;
    else
      VW_TRY(vw_stage_add(list, &it));
  }
  return VW_OK;
}

static vw_status list_maps(vw_session *s, vw_stage_list *list) {
  const vw_results_source source = vw_session_results(s);
  for (int64_t m = 0; m < s->config->n_models; m++) {
    vw_activations a;
    vw_status st = open_model(s, &source, m, &a);
    if (st == VW_OK) st = list_model(&source, &a, list);
    vw_activations_free(&a);
    VW_TRY(st);
  }
  return VW_OK;
}

static bool should_stop(void *user) {
  vw_stage_run *r = user;
  vw_queue_poll(r->queue);
  return vw_stage_should_stop(r);
}

static vw_status map(vw_stage_run *r, const vw_stage_item *it, bool *finished) {
  const vw_results_source source = vw_session_results(r->s);
  const double start = vw_seconds();
  vw_activations a;
  bool stopped = false;
  vw_status st = open_model(r->s, &source, it->model, &a);
  if (st == VW_OK) st = vw_tsne_map_make(&source, &a, it->layer, should_stop, r, &stopped);
  vw_activations_free(&a);
  vw_sections_add(&r->s->sections, r->stage->name, "maps", vw_seconds() - start);
  *finished = !stopped;
  return st;
}

const vw_stage vw_stage_tsne = {.name = "tsne",
                                .summary = "map the words' states by t-SNE",
                                .help =
                                    "Maps the states that 'viswords probe' kept to the plane, by exact t-SNE, a map a "
                                    "layer.",
                                .unit = "maps",
                                .done = "made",
                                .kept = "finished maps",
                                .items = list_maps,
                                .item = map};
