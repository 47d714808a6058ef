/* The files of words that were judged by a cut text encoder (results/truncation.h lists what is in them). */
#include "core/log.h"
#include "io/block_file.h"
#include "io/json.h"
#include "results/truncation.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- identity ---------------------------------------------------------------------------------------------------- */

/* What the words and their judging by the whole network depend on. */
static vw_status add_whole(const vw_results_source *s, const vw_cut_set *set, vw_hasher *h) {
  char id[VW_BLOCK_ID];
  if (set->block < 0) {
    VW_TRY(vw_results_baseline_id(s, set->model, set->data, set->concept, id));
  } else if (set->source == set->model) {
    vw_block_evaluation_id(&s->plan->blocks[set->block], id);
  } else {
    const vw_transfer_source t = vw_results_transfer(s);
    const vw_transfer_set of = {.from = set->source, .to = set->model, .data = set->data, .block = set->block};
    VW_TRY(vw_transfer_set_id(&t, &of, id));
  }
  vw_hasher_field(h, id);
  return VW_OK;
}

vw_status vw_cut_id(const vw_results_source *s, const vw_cut_set *set, int64_t depth, char id[VW_BLOCK_ID]) {
  vw_cut_words w = {0};
  char text[VW_HASH_TEXT];
  vw_hasher *h = vw_hasher_create();
  vw_status st = h ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "truncation: out of memory");
  if (st == VW_OK) st = vw_cut_words_list(&w, s, set);
  if (st == VW_OK) {
    vw_hasher_field(h, "viswords-truncated-1");
    vw_hasher_int(h, depth), vw_hasher_int(h, vw_cut_pictures(s, set));
    for (int64_t i = 0; i < w.n; i++)
      if (w.rows[i].trial) vw_hasher_add(h, &w.rows[i].trial->id, sizeof w.rows[i].trial->id);
    st = add_whole(s, set, h);
    vw_hash_text(vw_hasher_done(h), text);
    (void)snprintf(id, VW_BLOCK_ID, "%s-truncated", text);
  }
  vw_cut_words_free(&w);
  if (h) vw_hasher_destroy(h);
  return st;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static json_t *row_list(const vw_cut_words *w) {
  json_t *list = json_array();
  for (int64_t i = 0; i < w->n; i++) {
    const vw_cut_row *r = &w->rows[i];
    char delta[VW_DELTA_TEXT] = "", trial[VW_HASH_TEXT] = "";
    if (!isnan(r->delta)) vw_delta_text(r->delta, delta);
    if (r->trial) vw_hash_text(r->trial->id, trial);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "kind", vw_origin_names[r->origin],
                                          "concept", r->concept, "anchor", r->anchor, "delta", delta, "replica",
                                          (json_int_t)r->replica, "trial", trial, "word", r->is_judged ? r->word : ""));
  }
  return list;
}

static char *dump(json_t *tree) {
  char *text = json_dumps(tree, JSON_COMPACT);
  json_decref(tree);
  if (!vw_json_starved()) return text;
  free(text);
  return NULL;
}

vw_status vw_cut_write(const vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, int64_t depth,
                       double *metrics) {
  const vw_task_kind *task = s->kinds[set->model]->task;
  char id[VW_BLOCK_ID], layers[32];
  vw_tensor shape = vw_shape(VW_F64, w->n, task->n_metrics);
  for (int64_t i = 0; i < w->n; i++)
    for (int j = 0; j < task->n_metrics && !w->rows[i].is_judged; j++) metrics[i * task->n_metrics + j] = NAN;
  (void)snprintf(layers, sizeof layers, "%" PRId64, depth);
  vw_json_watch();
  json_t *names = json_array();
  for (int i = 0; i < task->n_metrics; i++) json_array_append_new(names, json_string(task->metrics[i].name));
  char *columns = dump(names), *rows = dump(row_list(w));
  vw_status st = columns && rows ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "truncation: out of memory");
  const vw_keyvalue metadata[] = {{"model", s->config->models[set->model].name},
                                  {"data", s->config->data[set->data].name},
                                  {"source", set->source == set->model ? "" : s->config->models[set->source].name},
                                  {"layers", layers},
                                  {"columns", columns},
                                  {"rows", rows}};
  shape.data = metrics;
  const vw_safetensors_entry e[] = {{.name = "metrics", .tensor = shape}};
  if (st == VW_OK) st = vw_cut_id(s, set, depth, id);
  if (st == VW_OK) st = vw_block_file_write(s->out, id, e, 1, metadata, sizeof metadata / sizeof *metadata);
  free(columns), free(rows);
  return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static vw_status read_metrics(const vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, const char *id,
                              double *metrics) {
  const int64_t m = s->kinds[set->model]->task->n_metrics;
  vw_safetensors *f = NULL;
  vw_tensor t;
  VW_TRY(vw_block_file_open(s->out, id, &f));
  vw_status st = vw_safetensors_find(f, "metrics", &t);
  if (st == VW_OK && (t.dtype != VW_F64 || t.ndim != 2 || t.dim[0] != w->n || t.dim[1] != m))
    st = VW_RAISE(VW_ERR_INPUT, "%s: metrics are %s %s; delete the file and run again", vw_safetensors_path(f),
                  vw_dtype_name(t.dtype), vw_shape_text(&t));
  if (st == VW_OK) memcpy(metrics, t.data, (size_t)(w->n * m) * sizeof *metrics);
  vw_safetensors_close(f);
  return st;
}

vw_status vw_cut_read(const vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, int64_t depth,
                      double *metrics, bool *found) {
  char id[VW_BLOCK_ID];
  VW_TRY(vw_cut_id(s, set, depth, id));
  *found = vw_block_file_exists(s->out, id);
  if (!*found) return VW_OK;
  const vw_status st = read_metrics(w, s, set, id, metrics);
  if (st != VW_ERR_INPUT) return st;
  vw_log(VW_LOG_WARN, "block=%s is left out: %s", id, vw_error_message());
  vw_error_clear();
  *found = false;
  return VW_OK;
}
