#include "io/hub/word_file.h"

#include "core/foreign.h"
#include "io/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 512 };

static bool is_float(vw_dtype t) {
  return t == VW_F32 || t == VW_F64 || t == VW_F16 || t == VW_BF16;
}

static vw_status no_memory(const vw_word_file *f) {
  return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory for its words", vw_safetensors_path(f->file));
}

/* Room for n words that say nothing of where they come from. */
static vw_status make_room(vw_word_file *f, int64_t n) {
  f->words = vw_pool_take(&f->pool, (size_t)(n + 1) * sizeof *f->words);
  if (!f->words) return no_memory(f);
  for (int64_t i = 0; i < n; i++)
    f->words[i] = (vw_file_word){.delta = NAN, .radius = NAN, .replica = -1, .anchor_id = -1};
  return VW_OK;
}

static vw_status keep(vw_word_file *f, const char *text, const char **out) {
  *out = text ? vw_pool_text(&f->pool, text, -1) : NULL;
  return text && !*out ? no_memory(f) : VW_OK;
}

/* "0.5", "free"; NaN: neither. */
static double delta_of(const char *text) {
  char *end = NULL;
  if (!text) return NAN;
  if (!strcmp(text, "free")) return INFINITY;
  const double delta = strtod(text, &end);
  return end != text && !*end && delta > 0 ? delta : NAN;
}

/* ---- results of a block ------------------------------------------------------------------------------------------ */

/* The block's tensors that tell of its words; NULL: it lacks them. */
typedef struct block_columns {
  vw_tensor words, anchors;
  const double *radius;
  const int64_t *anchor_id;
  int64_t K, vectors, width;
} block_columns;

static const void *column(const vw_safetensors *file, const char *name, vw_dtype type, int64_t n) {
  vw_tensor t;
  if (!vw_safetensors_has(file, name) || vw_safetensors_find(file, name, &t) != VW_OK) return NULL;
  return t.dtype == type && vw_is_vector(&t, n) ? t.data : NULL;
}

static vw_status find_columns(const vw_safetensors *file, block_columns *c) {
  *c = (block_columns){0};
  VW_TRY(vw_safetensors_find(file, "words", &c->words));
  const vw_tensor *t = &c->words;
  VW_CHECK((t->ndim == 2 || t->ndim == 3) && is_float(t->dtype) && vw_count(t) > 0, VW_ERR_INPUT,
           "%s: 'words' is %s %s; expected floats [words, width] or [words, vectors, width]", vw_safetensors_path(file),
           vw_dtype_name(t->dtype), vw_shape_text(t));
  c->K = t->dim[0], c->vectors = t->ndim == 3 ? t->dim[1] : 1, c->width = vw_last_dim(t);
  c->radius = column(file, "radius", VW_F64, c->K);
  c->anchor_id = column(file, "anchor_id", VW_I64, c->K);
  if (!vw_safetensors_has(file, "anchors")) return VW_OK;
  vw_tensor a;
  VW_TRY(vw_safetensors_find(file, "anchors", &a));
  if (a.ndim == 2 && a.dim[0] == c->K && a.dim[1] == c->width && a.dtype == t->dtype) c->anchors = a;
  return VW_OK;
}

/* One entry of the metadata's list of trials. */
static vw_status read_trial(vw_word_file *f, const char *model, const json_t *trial, vw_file_word *w) {
  const char *concept = json_string_value(json_object_get(trial, "concept")),
             *anchor = json_string_value(json_object_get(trial, "anchor")),
             *delta = json_string_value(json_object_get(trial, "delta")),
             *id = json_string_value(json_object_get(trial, "id"));
  const json_t *replica = json_object_get(trial, "replica");
  char name[NAME_BYTES];
  VW_CHECK(concept && anchor && delta && id && json_is_integer(replica), VW_ERR_INPUT,
           "%s: metadata 'trials', entry %" PRId64 ": expected concept, anchor, delta, replica, id",
           vw_safetensors_path(f->file), (int64_t)(w - f->words));
  w->replica = json_integer_value(replica), w->delta = delta_of(delta);
  (void)snprintf(name, sizeof name, "%s: %s from %s, delta %s, replica %" PRId64 " (%.12s)", model ? model : "",
                 concept, anchor, delta, w->replica, id);
  VW_TRY(keep(f, name, &w->name));
  VW_TRY(keep(f, model, &w->model));
  VW_TRY(keep(f, concept, &w->concept));
  VW_TRY(keep(f, anchor, &w->anchor));
  return keep(f, id, &w->id);
}

static vw_status read_trials(vw_word_file *f, const block_columns *c, const json_t *list) {
  const size_t bytes = vw_dtype_bytes(c->words.dtype), row = (size_t)c->width * bytes;
  const char *model = vw_safetensors_metadata(f->file, "model");
  VW_CHECK(list && (int64_t)json_array_size(list) == c->K, VW_ERR_INPUT,
           "%s: metadata 'trials' does not list the %" PRId64 " words", vw_safetensors_path(f->file), c->K);
  VW_TRY(make_room(f, c->K));
  for (f->n = 0; f->n < c->K; f->n++) {
    vw_file_word *w = &f->words[f->n];
    const size_t i = (size_t)f->n;
    w->key = "words", w->is_of_block = true;
    w->vectors = c->vectors, w->width = c->width, w->type = c->words.dtype;
    w->data = (const char *)c->words.data + i * (size_t)c->vectors * row;
    if (c->anchors.data) w->anchor_data = (const char *)c->anchors.data + i * row;
    if (c->radius) w->radius = c->radius[i];
    if (c->anchor_id) w->anchor_id = c->anchor_id[i];
    VW_TRY(read_trial(f, model, json_array_get(list, i), w));
  }
  return VW_OK;
}

static vw_status read_block(vw_word_file *f, const char *trials) {
  block_columns c;
  VW_TRY(find_columns(f->file, &c));
  json_t *list = json_loads(trials, 0, NULL);
  const vw_status st = read_trials(f, &c, list);
  json_decref(list);
  return st;
}

/* ---- other files ------------------------------------------------------------------------------------------------- */

/* [width] or [vectors, width] of floats that may be a word, or rows of words. */
static bool may_be_words(const vw_tensor *t) {
  return (t->ndim == 1 || t->ndim == 2) && is_float(t->dtype) && vw_count(t) > 0;
}

static void set_word(vw_file_word *w, const char *key, const vw_tensor *t, int64_t row, int64_t rows) {
  w->key = key, w->vectors = rows, w->width = vw_last_dim(t), w->type = t->dtype;
  w->data = (const char *)t->data + (size_t)(row * w->width) * vw_dtype_bytes(t->dtype);
}

/* Names of a matrix' rows, of the metadata under its key; NULL: it has none. The caller releases them. */
static json_t *row_names(const vw_safetensors *file, const char *key, int64_t rows) {
  const char *text = vw_safetensors_metadata(file, key);
  json_t *list = text ? json_loads(text, 0, NULL) : NULL;
  if (json_is_array(list) && (int64_t)json_array_size(list) == rows) return list;
  json_decref(list);
  return NULL;
}

static vw_status add_rows(vw_word_file *f, const char *key, const vw_tensor *t, const json_t *names) {
  for (int64_t row = 0; row < vw_rows(t); row++) {
    vw_file_word *w = &f->words[f->n];
    const char *name = json_string_value(json_array_get(names, (size_t)row));
    set_word(w, key, t, row, 1);
    VW_TRY(keep(f, name ? name : key, &w->name));
    f->n++;
  }
  return VW_OK;
}

static vw_status add_tensor(vw_word_file *f, int64_t i) {
  const char *key = vw_safetensors_name(f->file, i);
  const vw_tensor t = vw_safetensors_tensor(f->file, i);
  if (!may_be_words(&t)) return VW_OK;
  json_t *names = t.ndim == 2 ? row_names(f->file, key, t.dim[0]) : NULL;
  if (names) {
    const vw_status st = add_rows(f, key, &t, names);
    json_decref(names);
    return st;
  }
  if (vw_rows(&t) > VW_WORD_VECTORS) return VW_OK; /* a table, no word */
  set_word(&f->words[f->n], key, &t, 0, vw_rows(&t));
  VW_TRY(keep(f, key, &f->words[f->n].name));
  f->n++;
  return VW_OK;
}

/* "dog-0.5" of "words/dog-0.5.safetensors": what programs call the word of such a file. */
static vw_status name_of_file(vw_word_file *f, const char **name) {
  const char *path = vw_safetensors_path(f->file), *slash = strrchr(path, '/');
  const char *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
  *name = vw_pool_text(&f->pool, base, dot && dot > base ? dot - base : -1);
  return *name ? VW_OK : no_memory(f);
}

static vw_status read_emb_params(vw_word_file *f) {
  vw_tensor t;
  const int64_t n = vw_safetensors_count(f->file);
  for (int64_t i = 0; i < n; i++)
    VW_CHECK(!strcmp(vw_safetensors_name(f->file, i), VW_WORD_EMB_PARAMS), VW_ERR_INPUT,
             "%s: holds '%s' beside '" VW_WORD_EMB_PARAMS "'; expected that tensor alone, as AUTOMATIC1111 and kohya "
             "write a word of one text encoder",
             vw_safetensors_path(f->file), vw_safetensors_name(f->file, i));
  VW_TRY(vw_safetensors_find(f->file, VW_WORD_EMB_PARAMS, &t));
  VW_CHECK(may_be_words(&t) && vw_rows(&t) <= VW_WORD_VECTORS, VW_ERR_INPUT,
           "%s: '" VW_WORD_EMB_PARAMS "' is %s %s; expected floats [vectors, width], at most %d vectors",
           vw_safetensors_path(f->file), vw_dtype_name(t.dtype), vw_shape_text(&t), VW_WORD_VECTORS);
  VW_TRY(make_room(f, 1));
  set_word(&f->words[0], VW_WORD_EMB_PARAMS, &t, 0, vw_rows(&t));
  f->n = 1;
  return name_of_file(f, &f->words[0].name);
}

static vw_status read_tensors(vw_word_file *f) {
  const int64_t n = vw_safetensors_count(f->file);
  int64_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    const vw_tensor t = vw_safetensors_tensor(f->file, i);
    if (!may_be_words(&t)) continue;
    json_t *names = t.ndim == 2 ? row_names(f->file, vw_safetensors_name(f->file, i), t.dim[0]) : NULL;
    most += names ? t.dim[0] : 1;
    json_decref(names);
  }
  VW_TRY(make_room(f, most));
  for (int64_t i = 0; i < n; i++) VW_TRY(add_tensor(f, i));
  if (f->n) return VW_OK;
  VW_CHECK(n, VW_ERR_INPUT, "%s: holds no tensor; expected a word [width] or [vectors, width]",
           vw_safetensors_path(f->file));
  const vw_tensor first = vw_safetensors_tensor(f->file, 0);
  return VW_RAISE(VW_ERR_INPUT,
                  "%s: no word in it: of %" PRId64 " tensor%s the first is '%s', %s %s; expected floats [width] or "
                  "[vectors, width], at most %d vectors",
                  vw_safetensors_path(f->file), n, n == 1 ? "" : "s", vw_safetensors_name(f->file, 0),
                  vw_dtype_name(first.dtype), vw_shape_text(&first), VW_WORD_VECTORS);
}

/* What an exported file says of its one word. */
static vw_status read_mark(vw_word_file *f) {
  const char *mark = vw_safetensors_metadata(f->file, VW_WORD_MARK);
  if (!mark || strcmp(mark, VW_WORD_MARK_WORD) != 0 || f->n != 1) return VW_OK;
  vw_file_word *w = &f->words[0];
  const struct {
    const char *key;
    const char **to;
  } texts[] = {{"model", &w->model},       {"concept", &w->concept},           {"anchor", &w->anchor},
               {"trial", &w->id},          {"network", &w->network},           {"weights", &w->weights},
               {"protocol", &w->protocol}, {"anchor_embedding", &w->embedding}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    VW_TRY(keep(f, vw_safetensors_metadata(f->file, texts[i].key), texts[i].to));
  const char *radius = vw_safetensors_metadata(f->file, "radius"),
             *replica = vw_safetensors_metadata(f->file, "replica");
  w->delta = delta_of(vw_safetensors_metadata(f->file, "delta")), w->radius = delta_of(radius);
  char *end = NULL;
  errno = 0;
  const long long number = replica ? strtoll(replica, &end, 10) : -1;
  if (replica && end != replica && !*end && !errno && number >= 0) w->replica = number;
  return VW_OK;
}

/* A pickle, of a new torch.save (a zip archive) or an old one. */
static bool is_pickle(const char *path) {
  char first[4] = "";
  int fd = -1;
  if (vw_foreign_open(path, &fd, NULL) != VW_OK) return false;
  const ssize_t n = pread(fd, first, sizeof first, 0);
  (void)close(fd);
  return n == (ssize_t)sizeof first && (!memcmp(first, "PK\3\4", 4) || !memcmp(first, "\x80\x02", 2));
}

static vw_status refuse_pickle(const char *path) {
  return VW_RAISE(
      VW_ERR_UNSUPPORTED,
      "%s: a pickle, which could run any program when it is read; convert it: python -c \"import torch, "
      "safetensors.torch as s; d = torch.load('IN', weights_only=True); d = d.get('string_to_param', d); "
      "s.save_file({'emb_params' if k == '*' else k: v.detach().contiguous() for k, v in d.items()}, 'OUT')\"",
      path);
}

vw_status vw_word_file_open(vw_word_file *f, const char *path) {
  *f = (vw_word_file){0};
  const vw_status opened = vw_safetensors_open(&f->file, path);
  if (opened == VW_ERR_INPUT && is_pickle(path)) return refuse_pickle(path);
  VW_TRY(opened);
  const char *trials = vw_safetensors_metadata(f->file, "trials");
  vw_status st = VW_OK;
  if (trials && vw_safetensors_has(f->file, "words"))
    st = read_block(f, trials);
  else if (vw_safetensors_has(f->file, VW_WORD_EMB_PARAMS))
    st = read_emb_params(f);
  else
    st = read_tensors(f);
  if (st == VW_OK) st = read_mark(f);
  if (st != VW_OK) vw_word_file_close(f);
  return st;
}

void vw_word_file_close(vw_word_file *f) {
  vw_safetensors_close(f->file);
  vw_pool_fini(&f->pool);
  *f = (vw_word_file){0};
}

vw_status vw_word_file_read(const vw_word_file *f, int64_t word, double *x) {
  const vw_file_word *w = &f->words[word];
  const double most = 1e18; /* squares of it are sums in fp32 yet */
  const int64_t n = w->vectors * w->width;
  VW_TRY(vw_convert(x, VW_F64, w->data, w->type, n));
  for (int64_t i = 0; i < n && !w->is_of_block; i++)
    VW_CHECK(fabs(x[i]) <= most, VW_ERR_INPUT,
             "%s: '%s', vector %" PRId64 ", number %" PRId64 " is %g: the word's numbers are not finite, or far beyond "
             "any embedding's; learn or save it again",
             vw_safetensors_path(f->file), w->name, i / w->width + 1, i % w->width + 1, x[i]);
  return VW_OK;
}
