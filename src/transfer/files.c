/* The files of maps and carried words (transfer/carried.h lists what is in them). */
#include "transfer/carried.h"

#include "io/block_file.h"
#include "io/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 32 };

static vw_safetensors_entry entry(const char *name, vw_tensor shape, const void *data) {
  shape.data = (void *)(uintptr_t)data;
  return (vw_safetensors_entry){.name = name, .tensor = shape};
}

/* The numbers of a tensor, as double. */
static vw_status load(const vw_safetensors *f, const char *name, double *out, int64_t n) {
  vw_tensor t;
  VW_TRY(vw_safetensors_find(f, name, &t));
  VW_CHECK(vw_count(&t) == n, VW_ERR_INPUT,
           "%s: tensor '%s' is %s, expected %" PRId64 " numbers; delete the file and run again", vw_safetensors_path(f),
           name, vw_shape_text(&t), n);
  return vw_convert(out, VW_F64, t.data, t.dtype, n);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

/* What of a map is one number each. */
static const struct {
  const char *key;
  size_t offset;
  bool is_count;
} numbers[] = {{"lambda", offsetof(vw_map, lambda), false},
               {"scale", offsetof(vw_map, scale), false},
               {"condition", offsetof(vw_map, condition), false},
               {"r2", offsetof(vw_map, r2), false},
               {"r2_held_out", offsetof(vw_map, r2_held_out), false},
               {"words", offsetof(vw_map, words), true},
               {"rank", offsetof(vw_map, rank), true},
               {"hidden", offsetof(vw_map, hidden), true}};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

vw_status vw_map_write(const vw_map *m, const vw_transfer_source *s, const vw_transfer_pair *pair) {
  char id[VW_BLOCK_ID], text[NUMBERS][NUMBER];
  const int64_t p = m->from + m->hidden;
  const vw_safetensors_entry e[] = {entry("matrix", vw_shape(VW_F64, p, m->to), m->matrix),
                                    entry("bias", vw_shape(VW_F64, m->to), m->bias),
                                    entry("layer", vw_shape(VW_F64, m->from + 1, m->hidden), m->layer)};
  vw_keyvalue metadata[NUMBERS + 3] = {{"from", s->config->models[pair->from].name},
                                       {"to", s->config->models[pair->to].name},
                                       {"map", vw_map_names[m->kind]}};
  for (int i = 0; i < NUMBERS; i++) {
    const char *at = (const char *)m + numbers[i].offset;
    if (numbers[i].is_count)
      (void)snprintf(text[i], NUMBER, "%" PRId64, *(const int64_t *)(const void *)at);
    else
      (void)snprintf(text[i], NUMBER, "%.17g", *(const double *)(const void *)at);
    metadata[3 + i] = (vw_keyvalue){numbers[i].key, text[i]};
  }
  VW_TRY(vw_transfer_map_id(s, pair->from, pair->to, id));
  return vw_block_file_write(s->out, id, e, m->hidden ? 3 : 2, metadata, NUMBERS + 3);
}

static vw_status read_numbers(const vw_safetensors *f, vw_map *m) {
  const char *kind = vw_safetensors_metadata(f, "map");
  for (m->kind = 0; kind && m->kind < VW_MAP_KINDS && strcmp(kind, vw_map_names[m->kind]) != 0;) m->kind++;
  bool good = kind && m->kind < VW_MAP_KINDS;
  for (int i = 0; i < NUMBERS; i++) {
    const char *text = vw_safetensors_metadata(f, numbers[i].key);
    char *at = (char *)m + numbers[i].offset, *end = NULL;
    const double value = text ? strtod(text, &end) : 0;
    good = good && text && end != text && !*end;
    if (numbers[i].is_count)
      *(int64_t *)(void *)at = (int64_t)value;
    else
      *(double *)(void *)at = value;
  }
  VW_CHECK(good && m->hidden >= 0 && m->hidden <= 1 << 20, VW_ERR_INPUT,
           "%s: metadata of the map are missing or no numbers; delete the file and run again", vw_safetensors_path(f));
  return VW_OK;
}

static vw_status read_map(const vw_safetensors *f, vw_map *m) {
  VW_TRY(read_numbers(f, m));
  const int64_t p = m->from + m->hidden, layer = (m->from + 1) * m->hidden;
  m->matrix = malloc((size_t)(p * m->to) * sizeof *m->matrix), m->bias = malloc((size_t)m->to * sizeof *m->bias);
  m->layer = m->hidden ? malloc((size_t)layer * sizeof *m->layer) : NULL;
  VW_CHECK(m->matrix && m->bias && (m->layer || !m->hidden), VW_ERR_MEMORY, "no memory for a map");
  VW_TRY(load(f, "matrix", m->matrix, p * m->to));
  VW_TRY(load(f, "bias", m->bias, m->to));
  return m->hidden ? load(f, "layer", m->layer, layer) : VW_OK;
}

vw_status vw_map_read(vw_map *m, const vw_transfer_source *s, const vw_transfer_pair *pair) {
  char id[VW_BLOCK_ID];
  vw_safetensors *f = NULL;
  *m = (vw_map){.from = s->networks[pair->from]->width, .to = s->networks[pair->to]->width};
  VW_TRY(vw_transfer_map_id(s, pair->from, pair->to, id));
  VW_TRY(vw_block_file_open(s->out, id, &f));
  const vw_status st = read_map(f, m);
  vw_safetensors_close(f);
  return st;
}

/* ---- carried words ----------------------------------------------------------------------------------------------- */

static json_t *id_of(const vw_trial *t) {
  char text[VW_HASH_TEXT] = "";
  if (t) vw_hash_text(t->id, text);
  return json_string(text);
}

static json_t *row_list(const vw_carried *c) {
  json_t *list = json_array();
  for (int64_t i = 0; i < c->n; i++) {
    const vw_carried_row *r = &c->rows[i];
    char delta[VW_DELTA_TEXT] = "";
    if (!isnan(r->delta)) vw_delta_text(r->delta, delta);
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:s, s:s, s:s}", "kind",
                                    vw_carried_names[r->kind], "concept", r->concept, "anchor", r->anchor, "delta",
                                    delta, "replica", (json_int_t)r->replica, "trial", id_of(r->trial), "target",
                                    id_of(r->target), "word", r->word, "before", r->before, "after", r->after));
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

/* The rows' numbers side by side: [3, n]. */
static vw_status write_columns(const vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set,
                               const vw_keyvalue *metadata, int64_t n_metadata, const double *metrics,
                               const vw_kept_numbers *kept, double *columns, void *words) {
  const vw_network *network = s->networks[set->to];
  const vw_tensor f = vw_shape(VW_F64, c->n);
  char id[VW_BLOCK_ID];
  for (int64_t i = 0; i < c->n; i++) {
    const vw_carried_row *r = &c->rows[i];
    columns[i] = r->norm_ratio, columns[c->n + i] = r->cosine, columns[2 * c->n + i] = r->distance;
  }
  VW_TRY(vw_convert(words, network->word_type, c->words, VW_F64, c->n * c->vectors * c->to_width));
  const vw_safetensors_entry e[] = {
      entry("words",
            c->vectors > 1 ? vw_shape(network->word_type, c->n, c->vectors, c->to_width)
                           : vw_shape(network->word_type, c->n, c->to_width),
            words),
      entry("metrics", vw_shape(VW_F64, c->n, s->kinds[set->to]->task->n_metrics), metrics),
      entry("norm_ratio", f, columns),
      entry("cosine", f, columns + c->n),
      entry("distance", f, columns + 2 * c->n),
      vw_kept_entry(kept, c->n)};
  VW_TRY(vw_transfer_set_id(s, set, id));
  return vw_block_file_write(s->out, id, e, (int64_t)(sizeof e / sizeof *e) - !kept->kind, metadata, n_metadata);
}

vw_status vw_carried_write(const vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set,
                           double *metrics, vw_kept_numbers *kept) {
  const vw_task_kind *task = s->kinds[set->to]->task;
  for (int64_t i = 0; i < c->n; i++) {
    for (int j = 0; j < task->n_metrics && !c->rows[i].is_carried; j++) metrics[i * task->n_metrics + j] = NAN;
    for (int64_t k = 0; k < kept->each && !c->rows[i].is_carried; k++) kept->numbers[i * kept->each + k] = NAN;
  }
  vw_json_watch();
  json_t *names = json_array();
  for (int i = 0; i < task->n_metrics; i++) json_array_append_new(names, json_string(task->metrics[i].name));
  char *columns = dump(names), *rows = dump(row_list(c));
  double *numbers_of = malloc((size_t)(3 * c->n) * sizeof *numbers_of + 1);
  void *words = malloc((size_t)(c->n * c->vectors * c->to_width) * sizeof(double) + 1);
  vw_status st = columns && rows && numbers_of && words ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "transfer: out of memory");
  const vw_keyvalue metadata[] = {{"from", s->config->models[set->from].name},
                                  {"to", s->config->models[set->to].name},
                                  {"data", s->config->data[set->data].name},
                                  {"columns", columns},
                                  {"rows", rows}};
  if (st == VW_OK) st = write_columns(c, s, set, metadata, 5, metrics, kept, numbers_of, words);
  free(columns), free(rows), free(numbers_of), free(words);
  return st;
}

static void copy_text(char out[VW_CARRIED_WORD_BYTES], const json_t *row, const char *key) {
  const char *text = json_string_value(json_object_get(row, key));
  (void)snprintf(out, VW_CARRIED_WORD_BYTES, "%s", text ? text : "");
}

static vw_status read_rows(vw_carried *c, const vw_safetensors *f, double *columns) {
  const char *text = vw_safetensors_metadata(f, "rows");
  json_t *list = text ? json_loads(text, 0, NULL) : NULL;
  vw_status st = VW_OK;
  if (!json_is_array(list) || (int64_t)json_array_size(list) != c->n)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT,
                     "%s: metadata 'rows' is no list of its %" PRId64 " words; delete the file and run again",
                     vw_safetensors_path(f), c->n));
  VW_GOTO(load(f, "norm_ratio", columns, c->n));
  VW_GOTO(load(f, "cosine", columns + c->n, c->n));
  VW_GOTO(load(f, "distance", columns + 2 * c->n, c->n));
  for (int64_t i = 0; i < c->n; i++) {
    vw_carried_row *r = &c->rows[i];
    const json_t *row = json_array_get(list, (size_t)i);
    r->norm_ratio = columns[i], r->cosine = columns[c->n + i], r->distance = columns[2 * c->n + i];
    r->is_carried = !isnan(r->norm_ratio);
    copy_text(r->word, row, "word"), copy_text(r->before, row, "before"), copy_text(r->after, row, "after");
  }
cleanup:
  json_decref(list);
  return st;
}

vw_status vw_carried_read(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set, double *metrics,
                          vw_kept_numbers *kept, bool *found) {
  char id[VW_BLOCK_ID], path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  vw_status st = VW_OK;
  if (kept) *kept = (vw_kept_numbers){.kind = s->kinds[set->to]->task->kept};
  VW_TRY(vw_transfer_set_id(s, set, id));
  VW_TRY(vw_block_file_path(path, s->out, id));
  *found = vw_file_exists(path);
  if (!*found) return VW_OK;
  double *columns = malloc((size_t)(3 * c->n) * sizeof *columns + 1);
  VW_CHECK(columns, VW_ERR_MEMORY, "transfer: out of memory");
  VW_GOTO(vw_block_file_open(s->out, id, &f));
  VW_GOTO(load(f, "words", c->words, c->n * c->vectors * c->to_width));
  VW_GOTO(load(f, "metrics", metrics, c->n * s->kinds[set->to]->task->n_metrics));
  if (kept) VW_GOTO(vw_kept_load(f, c->n, kept));
  VW_GOTO(read_rows(c, f, columns));
cleanup:
  vw_safetensors_close(f);
  free(columns);
  return st;
}
