#include "learn/block_io.h"

#include "core/log.h"
#include "core/random.h"
#include "io/block_file.h"
#include "io/json.h"
#include "study/metrics.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void vw_block_file_id(const vw_block *b, const char *suffix, char id[VW_BLOCK_ID]) {
  char text[VW_HASH_TEXT];
  vw_hash_text(b->id, text);
  (void)snprintf(id, VW_BLOCK_ID, "%s%s", text, suffix);
}

void vw_block_evaluation_id(const vw_block *b, char id[VW_BLOCK_ID]) {
  char suffix[VW_HASH_TEXT + 16] = "-evaluation", judging[VW_HASH_TEXT];
  vw_hash_text(b->judging, judging);
  if (vw_judging_is_own(b->judging)) (void)snprintf(suffix, sizeof suffix, "-evaluation-%.16s", judging);
  vw_block_file_id(b, suffix, id);
}

vw_status vw_baseline_file_id(const vw_baseline_inputs *in, const char *data, const char *concept,
                              char id[VW_BLOCK_ID]) {
  const vw_trials_config *trials = in->trials;
  char text[VW_HASH_TEXT];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  vw_hasher_field(h, "viswords-baselines-1");
  vw_hasher_add(h, &in->weights, sizeof in->weights), vw_hasher_add(h, &in->protocol, sizeof in->protocol);
  vw_hasher_add(h, &in->pictures, sizeof in->pictures);
  vw_hasher_field(h, data), vw_hasher_field(h, concept);
  vw_hasher_int(h, in->seed);
  for (int64_t i = 0; i < trials->anchors.n; i++) vw_hasher_field(h, trials->anchors.name[i]);
  for (int64_t i = 0; i < trials->deltas.n; i++) vw_hasher_double(h, trials->deltas.v[i]);
  if (vw_judging_is_own(in->judging)) vw_hasher_add(h, &in->judging, sizeof in->judging);
  vw_hash_text(vw_hasher_done(h), text);
  vw_hasher_destroy(h);
  (void)snprintf(id, VW_BLOCK_ID, "%s-baselines", text);
  return VW_OK;
}

/* An entry over borrowed memory. */
static vw_safetensors_entry entry(const char *name, vw_tensor shape, const void *data) {
  shape.data = (void *)(uintptr_t)data;
  return (vw_safetensors_entry){.name = name, .tensor = shape};
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

vw_status vw_block_checkpoint_save(const char *dir, const char *id, const vw_block_state *s) {
  const vw_tensor matrix = vw_shape(VW_F64, s->K, s->C), row = vw_shape(VW_F64, s->K), one = vw_shape(VW_F64, 1);
  const double looks[] = {(double)s->look_every, (double)s->looks_done};
  vw_safetensors_entry e[8] = {entry("words", matrix, s->words), entry("loss_start", row, s->loss_start),
                               entry("history", vw_shape(VW_F64, s->points, s->K), s->history),
                               entry("seconds", one, &s->seconds)};
  int64_t n = 4;
  if (s->moments[0]) e[n++] = entry("adam_m", matrix, s->moments[0]), e[n++] = entry("adam_v", matrix, s->moments[1]);
  if (s->looks) e[n++] = entry("looks", vw_shape(VW_F64, 2), looks);
  if (s->looks) e[n++] = entry("looked", vw_shape(VW_F64, s->looks, s->K), s->looked);
  return vw_checkpoint_write(dir, id, s->step, e, n, NULL, 0);
}

static vw_status load_array(const vw_safetensors *f, const char *name, double *out, int64_t n) {
  vw_tensor t;
  VW_TRY(vw_safetensors_find(f, name, &t));
  VW_CHECK(vw_count(&t) == n, VW_ERR_INPUT,
           "%s: tensor '%s' is %s, expected %" PRId64 " numbers; delete the file and run again", vw_safetensors_path(f),
           name, vw_shape_text(&t), n);
  return vw_convert(out, VW_F64, t.data, t.dtype, n);
}

/* What was seen on the way; nothing, where the study asked for other looks then, or for none. */
static vw_status load_looks(const vw_safetensors *f, vw_block_state *s) {
  double looks[2] = {0, 0};
  if (!s->looks) return VW_OK;
  s->looks_done = (s->step + s->look_every - 1) / s->look_every;
  if (!vw_safetensors_has(f, "looks")) return VW_OK;
  VW_TRY(load_array(f, "looks", looks, 2));
  if (looks[0] != (double)s->look_every) return VW_OK;
  VW_CHECK(looks[1] >= 0 && looks[1] <= (double)s->looks, VW_ERR_INPUT,
           "%s: tensor 'looks' tells of %g looks; delete the file and run again", vw_safetensors_path(f), looks[1]);
  s->looks_done = (int64_t)looks[1];
  return load_array(f, "looked", s->looked, s->looks * s->K);
}

static vw_status load_state(const vw_safetensors *f, vw_block_state *s) {
  const int64_t matrix = s->K * s->C;
  VW_TRY(load_array(f, "words", s->words, matrix));
  VW_TRY(load_array(f, "loss_start", s->loss_start, s->K));
  VW_TRY(load_array(f, "history", s->history, s->points * s->K));
  VW_TRY(load_array(f, "seconds", &s->seconds, 1));
  VW_TRY(load_looks(f, s));
  if (!s->moments[0]) return VW_OK;
  VW_TRY(load_array(f, "adam_m", s->moments[0], matrix));
  return load_array(f, "adam_v", s->moments[1], matrix);
}

vw_status vw_block_checkpoint_load(const char *dir, const char *id, vw_block_state *s, bool *found) {
  vw_safetensors *f = NULL;
  int64_t sequence = 0;
  *found = false;
  VW_TRY(vw_checkpoint_open(dir, id, &f, &sequence));
  if (!f) return VW_OK;
  s->step = sequence;
  const vw_status st = load_state(f, s);
  vw_safetensors_close(f);
  VW_TRY(st);
  *found = true;
  return VW_OK;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* The metadata value of a JSON tree made since vw_json_watch; the tree is released. NULL: there was not memory for all
 * of it. The caller frees it. */
static char *dump(json_t *tree) {
  char *text = json_dumps(tree, JSON_COMPACT);
  json_decref(tree);
  if (!vw_json_starved()) return text;
  free(text);
  return NULL;
}

static json_t *trial_list(const vw_trial *trials, int64_t n, const char *const *nearest) {
  vw_json_watch();
  json_t *list = json_array();
  for (int64_t k = 0; k < n; k++) {
    char id[VW_HASH_TEXT], delta[VW_DELTA_TEXT];
    vw_hash_text(trials[k].id, id);
    vw_delta_text(trials[k].delta, delta);
    json_t *t =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "id", id, "concept", trials[k].concept, "anchor", trials[k].anchor,
                  "delta", delta, "replica", (json_int_t)trials[k].replica, "null", trials[k].null_concept);
    if (nearest) json_object_set_new(t, "nearest", json_string(nearest[k]));
    json_array_append_new(list, t);
  }
  return list;
}

static json_t *column_names(const vw_task_kind *task) {
  vw_json_watch();
  json_t *list = json_array();
  for (int i = 0; i < task->n_metrics; i++) json_array_append_new(list, json_string(task->metrics[i].name));
  return list;
}

enum { WORD_BYTES = 64 };

/* What the results file holds beside the state. */
typedef struct result_columns {
  vw_word_place *place;
  double *distance;
  int64_t *anchor_id, *nearest, *rank_words, *rank_all, *history_step, *look_step, *steps;
  bool *on_sphere;
  uint8_t *failed;
  void *words, *anchors; /* of the backend's type */
  char (*nearest_word)[WORD_BYTES];
  const char **nearest_text;
} result_columns;

static void columns_free(result_columns *c) {
  free(c->place), free(c->distance), free(c->anchor_id), free(c->nearest), free(c->rank_words), free(c->rank_all);
  free(c->look_step), free(c->steps);
  free(c->history_step), free(c->on_sphere), free(c->failed), free(c->words), free(c->anchors);
  free(c->nearest_word), free((void *)c->nearest_text);
}

static vw_status columns_allocate(result_columns *c, const vw_block_state *s) {
  const size_t K = (size_t)s->K, matrix = (size_t)(s->K * s->C) * sizeof(double);
  *c = (result_columns){.place = calloc(K * (size_t)s->vectors, sizeof *c->place),
                        .distance = calloc(K, sizeof(double)),
                        .anchor_id = calloc(K, sizeof(int64_t)),
                        .nearest = calloc(K, sizeof(int64_t)),
                        .rank_words = calloc(K, sizeof(int64_t)),
                        .rank_all = calloc(K, sizeof(int64_t)),
                        .history_step = calloc((size_t)s->points, sizeof(int64_t)),
                        .look_step = calloc((size_t)s->looks + 1, sizeof(int64_t)),
                        .steps = calloc(K, sizeof(int64_t)),
                        .on_sphere = calloc(K, sizeof(bool)),
                        .failed = calloc(K, 1),
                        .words = malloc(matrix),
                        .anchors = malloc(matrix),
                        .nearest_word = calloc(K, WORD_BYTES),
                        .nearest_text = calloc(K, sizeof(char *))};
  VW_CHECK(c->place && c->distance && c->anchor_id && c->nearest && c->rank_words && c->rank_all && c->history_step &&
               c->on_sphere && c->failed && c->words && c->anchors && c->nearest_word && c->nearest_text &&
               c->look_step && c->steps,
           VW_ERR_MEMORY, "results of a block: out of memory");
  return VW_OK;
}

/* A word that is not finite is a failed trial: its numbers stay, nobody counts them. */
static bool is_failed(const vw_block_state *s, int64_t k) {
  bool ok = isfinite(s->loss_end[k]);
  for (int64_t c = 0; c < s->C; c++) ok = ok && isfinite(s->words[k * s->C + c]);
  return !ok;
}

int64_t vw_block_failed_step(const double *history, int64_t K, int64_t k, int64_t every, int64_t steps) {
  for (int64_t i = 0; i * every < steps; i++)
    if (!isfinite(history[i * K + k])) return i * every;
  return steps;
}

void vw_block_tell_failed(const vw_block *b, const vw_trial *trials, const vw_block_state *s) {
  for (int64_t k = 0; k < s->K; k++) {
    char id[VW_HASH_TEXT], delta[VW_DELTA_TEXT];
    if (!is_failed(s, k)) continue;
    vw_hash_text(trials[k].id, id);
    vw_delta_text(trials[k].delta, delta);
    vw_log(VW_LOG_WARN,
           "trial %.12s failed: its loss is not finite at step %" PRId64 " (model %s, data %s, concept %s, anchor %s, "
           "delta %s); the others go on",
           id, vw_block_failed_step(s->history, s->K, k, s->every, vw_block_steps_of(s, k)), b->model, b->data,
           trials[k].concept, trials[k].anchor, delta);
  }
}

static void fill_steps(const result_columns *c, const vw_block_state *s) {
  for (int64_t i = 0; i < s->points; i++) c->history_step[i] = i * s->every;
  for (int64_t i = 0; i < s->looks; i++) c->look_step[i] = i * s->look_every;
  for (int64_t k = 0; k < s->K; k++) c->steps[k] = vw_block_steps_of(s, k);
}

/* [K, width]: a word's vectors all start at the same. */
static vw_status keep_anchors(const result_columns *c, const vw_block_state *s, vw_dtype type) {
  const int64_t width = s->C / s->vectors;
  for (int64_t k = 0; k < s->K; k++)
    VW_TRY(vw_convert((char *)c->anchors + (size_t)(k * width) * vw_dtype_bytes(type), type, s->anchors + k * s->C,
                      VW_F64, width));
  return VW_OK;
}

/* Where the vector of word k that is farthest from its anchor lies; the first of equally far ones. */
static const vw_word_place *farthest(const vw_word_place *place, int64_t k, int64_t vectors) {
  const vw_word_place *most = &place[k * vectors];
  for (int64_t i = 1; i < vectors; i++)
    if (place[k * vectors + i].from_anchor > most->from_anchor) most = &place[k * vectors + i];
  return most;
}

static vw_status place_vectors(result_columns *c, const vw_block_state *s, const vw_word_table *w) {
  const int64_t n = s->vectors;
  int64_t *ids = malloc((size_t)(s->K * n) * sizeof *ids);
  VW_CHECK(ids, VW_ERR_MEMORY, "results of a block: out of memory");
  for (int64_t i = 0; i < s->K * n; i++) ids[i] = c->anchor_id[i / n];
  const vw_status st = vw_place_words(&w->e, s->words, ids, s->K * n, c->place);
  free(ids);
  return st;
}

static bool is_on_sphere(const vw_block_state *s, int64_t k) {
  const int64_t width = s->C / s->vectors;
  bool all = true;
  for (int64_t at = k * s->C; at < (k + 1) * s->C; at += width) {
    bool one = false;
    (void)vw_kkt_residual(s->gradient + at, s->words + at, s->anchors + at, width, s->radius[k], &one);
    all = all && one;
  }
  return all;
}

static vw_status columns_fill(result_columns *c, const vw_block_state *s, const vw_trial *trials,
                              const vw_word_table *w) {
  const vw_dtype type = w->network->word_type;
  for (int64_t k = 0; k < s->K; k++) {
    int32_t id = 0;
    VW_TRY(vw_tokenizer_word(w->network->text.tokenizer, trials[k].anchor, &id));
    c->anchor_id[k] = id, c->failed[k] = is_failed(s, k), c->on_sphere[k] = is_on_sphere(s, k);
  }
  VW_TRY(place_vectors(c, s, w));
  for (int64_t k = 0; k < s->K; k++) {
    const vw_word_place *place = farthest(c->place, k, s->vectors);
    c->distance[k] = place->from_anchor, c->nearest[k] = place->nearest;
    c->rank_words[k] = place->rank_words, c->rank_all[k] = place->rank_all;
    vw_tokenizer_label(w->network->text.tokenizer, (int32_t)c->nearest[k], c->nearest_word[k], WORD_BYTES);
    c->nearest_text[k] = c->nearest_word[k];
  }
  fill_steps(c, s);
  VW_TRY(vw_convert(c->words, type, s->words, VW_F64, s->K * s->C));
  return keep_anchors(c, s, type);
}

static vw_status write_columns(const char *dir, const vw_block *b, const vw_trial *trials, const vw_block_state *s,
                               const result_columns *c, vw_dtype type) {
  char id[VW_BLOCK_ID], steps[32], seconds[32];
  const int64_t n = s->vectors, width = s->C / n;
  const vw_tensor f = vw_shape(VW_F64, s->K), i = vw_shape(VW_I64, s->K), u = vw_shape(VW_U8, s->K);
  const vw_safetensors_entry e[] = {
      entry("words", n > 1 ? vw_shape(type, s->K, n, width) : vw_shape(type, s->K, width), c->words),
      entry("anchors", vw_shape(type, s->K, width), c->anchors),
      entry("history", vw_shape(VW_F64, s->points, s->K), s->history),
      entry("history_step", vw_shape(VW_I64, s->points), c->history_step), entry("loss_start", f, s->loss_start),
      entry("loss_end", f, s->loss_end), entry("grad_norm", f, s->grad_norm), entry("kkt", f, s->kkt),
      entry("radius", f, s->radius), entry("distance", f, c->distance), entry("on_sphere", u, c->on_sphere),
      entry("failed", u, c->failed), entry("anchor_id", i, c->anchor_id), entry("nearest", i, c->nearest),
      entry("rank_words", i, c->rank_words), entry("rank_all", i, c->rank_all),
      /* of blocks that were looked at on the way: */
      entry("steps", i, c->steps), entry("looked", vw_shape(VW_F64, s->looks, s->K), s->looked),
      entry("look_step", vw_shape(VW_I64, s->looks), c->look_step)};
  enum { OF_LOOKS = 3 };
  const int64_t entries = (int64_t)(sizeof e / sizeof *e) - (s->looks ? 0 : OF_LOOKS);
  char *list = dump(trial_list(trials, s->K, c->nearest_text));
  VW_CHECK(list, VW_ERR_MEMORY, "results of a block: out of memory");
  (void)snprintf(steps, sizeof steps, "%" PRId64, s->step);
  (void)snprintf(seconds, sizeof seconds, "%.6f", s->seconds);
  const vw_keyvalue metadata[] = {
      {"model", b->model}, {"data", b->data}, {"steps", steps}, {"seconds", seconds}, {"trials", list}};
  vw_block_file_id(b, "", id);
  const vw_status st = vw_block_file_write(dir, id, e, entries, metadata, 5);
  free(list);
  return st;
}

vw_status vw_block_results_write(const char *dir, const vw_block *b, const vw_trial *trials, const vw_block_state *s,
                                 const vw_word_table *w) {
  result_columns c;
  vw_status st = columns_allocate(&c, s);
  if (st == VW_OK) st = columns_fill(&c, s, trials, w);
  if (st == VW_OK) st = write_columns(dir, b, trials, s, &c, w->network->word_type);
  columns_free(&c);
  return st;
}

/* Numbers that do not compress better than learned ones. */
static void make_up(double *x, int64_t n, uint64_t key) {
  for (int64_t i = 0; x && i < n; i++) x[i] = vw_uniform(vw_draw_u32(key, 0, (uint32_t)(i >> 32), (uint32_t)i)) - 0.5;
}

vw_status vw_block_made_up_write(const char *dir, const vw_block *b, const vw_trial *trials,
                                 const vw_learn_config *learn, const vw_network *network, int64_t vectors) {
  vw_block_state s;
  result_columns c = {0};
  VW_TRY(vw_block_state_create(&s, learn, b->n, vectors, network->width));
  vw_status st = columns_allocate(&c, &s);
  make_up(s.words, s.K * s.C, 1), make_up(s.anchors, s.K * s.C, 2), make_up(s.history, s.points * s.K, 3);
  make_up(s.loss_start, s.K, 4), make_up(s.loss_end, s.K, 5), make_up(s.kkt, s.K, 6), make_up(s.grad_norm, s.K, 7);
  for (int64_t k = 0; st == VW_OK && k < s.K; k++) s.radius[k] = 1, c.nearest_text[k] = "word";
  s.step = learn->steps;
  if (st == VW_OK) fill_steps(&c, &s);
  if (st == VW_OK) st = vw_convert(c.words, network->word_type, s.words, VW_F64, s.K * s.C);
  if (st == VW_OK) st = keep_anchors(&c, &s, network->word_type);
  if (st == VW_OK) st = write_columns(dir, b, trials, &s, &c, network->word_type);
  columns_free(&c);
  vw_block_state_free(&s);
  return st;
}

vw_status vw_block_words_read(const char *dir, const vw_block *b, int64_t C, double **words) {
  char id[VW_BLOCK_ID];
  vw_safetensors *f = NULL;
  vw_block_file_id(b, "", id);
  *words = NULL;
  VW_TRY(vw_block_file_open(dir, id, &f));
  double *x = malloc((size_t)(b->n * C) * sizeof *x + 1);
  vw_status st = x ? load_array(f, "words", x, b->n * C) : VW_RAISE(VW_ERR_MEMORY, "words of a block: out of memory");
  vw_safetensors_close(f);
  if (st == VW_OK)
    *words = x;
  else
    free(x);
  return st;
}

vw_status vw_block_failed_read(const char *dir, const vw_block *b, uint8_t **failed) {
  char id[VW_BLOCK_ID];
  vw_safetensors *f = NULL;
  vw_tensor t;
  vw_block_file_id(b, "", id);
  *failed = NULL;
  VW_TRY(vw_block_file_open(dir, id, &f));
  vw_status st = vw_safetensors_find(f, "failed", &t);
  if (st == VW_OK && (t.dtype != VW_U8 || vw_count(&t) != b->n))
    st = VW_RAISE(VW_ERR_INPUT, "%s: tensor 'failed' is %s, expected %" PRId64 " of u8; delete the file and run again",
                  vw_safetensors_path(f), vw_shape_text(&t), b->n);
  uint8_t *x = st == VW_OK ? malloc((size_t)b->n + 1) : NULL;
  if (st == VW_OK && !x) st = VW_RAISE(VW_ERR_MEMORY, "results of a block: out of memory");
  if (x) memcpy(x, t.data, (size_t)b->n);
  vw_safetensors_close(f);
  *failed = x;
  return st;
}

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

vw_safetensors_entry vw_kept_entry(const vw_kept_numbers *kept, int64_t n) {
  vw_tensor t = {.dtype = VW_F32, .ndim = 1, .dim = {n}};
  if (!kept->kind) return (vw_safetensors_entry){0};
  for (int i = 0; i < kept->kind->ndim; i++) t.dim[t.ndim++] = kept->dim[i];
  return entry(kept->kind->name, t, kept->numbers);
}

vw_status vw_kept_load(const vw_safetensors *f, int64_t n, vw_kept_numbers *kept) {
  vw_tensor t;
  *kept = (vw_kept_numbers){.kind = kept->kind, .each = 1};
  if (!kept->kind || !vw_safetensors_has(f, kept->kind->name)) return VW_OK;
  VW_TRY(vw_safetensors_find(f, kept->kind->name, &t));
  VW_CHECK(t.dtype == VW_F32 && t.ndim == 1 + kept->kind->ndim && t.dim[0] == n, VW_ERR_INPUT,
           "%s: tensor '%s' is %s %s, expected fp32 of %" PRId64 " words; delete the file and run again",
           vw_safetensors_path(f), kept->kind->name, vw_dtype_name(t.dtype), vw_shape_text(&t), n);
  for (int i = 0; i < kept->kind->ndim; i++) kept->dim[i] = t.dim[1 + i], kept->each *= t.dim[1 + i];
  const size_t bytes = (size_t)(n * kept->each) * sizeof *kept->numbers;
  kept->numbers = malloc(bytes + 1);
  VW_CHECK(kept->numbers, VW_ERR_MEMORY, "%s: out of memory", vw_safetensors_path(f));
  memcpy(kept->numbers, t.data, bytes);
  return VW_OK;
}

vw_status vw_block_evaluation_write(const char *dir, const vw_block *b, const vw_trial *trials,
                                    const vw_task_kind *task, const double *metrics, const vw_kept_numbers *kept) {
  char id[VW_BLOCK_ID], judging[VW_HASH_TEXT];
  char *list = dump(trial_list(trials, b->n, NULL)), *columns = dump(column_names(task));
  const vw_safetensors_entry e[] = {entry("metrics", vw_shape(VW_F64, b->n, task->n_metrics), metrics),
                                    vw_kept_entry(kept, b->n)};
  vw_status st = VW_OK;
  vw_block_evaluation_id(b, id);
  vw_hash_text(b->judging, judging);
  if (!list || !columns) st = VW_RAISE(VW_ERR_MEMORY, "evaluation: out of memory");
  const vw_keyvalue metadata[] = {
      {"model", b->model}, {"data", b->data}, {"columns", columns}, {"trials", list}, {"judging", judging}};
  if (st == VW_OK)
    st = vw_block_file_write(dir, id, e, kept->kind ? 2 : 1, metadata, vw_judging_is_own(b->judging) ? 5 : 4);
  free(list), free(columns);
  return st;
}

vw_status vw_baselines_write(const char *dir, const char *id, const vw_baselines_of *of, const vw_task_kind *task,
                             const vw_baselines *b, const double *metrics, const vw_kept_numbers *kept) {
  char judging[VW_HASH_TEXT];
  vw_json_watch();
  json_t *list = json_array();
  vw_status st = VW_OK;
  for (int64_t i = 0; i < b->n; i++) {
    const vw_baseline_row *r = &b->rows[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", r->kind, "concept", b->concept, "anchor",
                                          r->anchor, "delta", r->delta, "word", r->word));
  }
  char *text = dump(list), *columns = dump(column_names(task));
  if (!text || !columns) st = VW_RAISE(VW_ERR_MEMORY, "baselines: out of memory");
  const vw_safetensors_entry e[] = {entry("metrics", vw_shape(VW_F64, b->n, task->n_metrics), metrics),
                                    vw_kept_entry(kept, b->n)};
  vw_hash_text(of->judging, judging);
  const vw_keyvalue metadata[] = {{"model", of->model}, {"data", of->data}, {"concept", b->concept},
                                  {"columns", columns}, {"rows", text},     {"judging", judging}};
  if (st == VW_OK)
    st = vw_block_file_write(dir, id, e, kept->kind ? 2 : 1, metadata, vw_judging_is_own(of->judging) ? 6 : 5);
  free(text), free(columns);
  return st;
}

/* ---- picture by picture ------------------------------------------------------------------------------------------ */

vw_status vw_judged_part_id(const char *stem, int64_t picture, char id[VW_BLOCK_ID]) {
  const int n = snprintf(id, VW_BLOCK_ID, "%s-picture-%" PRId64, stem, picture);
  VW_CHECK(n > 0 && n < VW_BLOCK_ID, VW_ERR_ARG, "'%s' is too long for the name of a file of results", stem);
  return VW_OK;
}

vw_status vw_judged_part_write(const char *dir, const char *id, int64_t n, int64_t m, const double *numbers) {
  const vw_safetensors_entry e[] = {entry("numbers", vw_shape(VW_F64, n, m), numbers)};
  return vw_block_file_write(dir, id, e, 1, NULL, 0);
}

/* Numbers [n, m] of which the file has the first `there`. */
static vw_status load_part(const vw_safetensors *f, int64_t n, int64_t m, int64_t there, double *numbers) {
  VW_TRY(load_array(f, "numbers", numbers, n * there));
  for (int64_t i = n - 1; there < m && i >= 0; i--) { /* from the end, as they lie in one another's way */
    memmove(numbers + i * m, numbers + i * there, (size_t)there * sizeof *numbers);
    for (int64_t k = there; k < m; k++) numbers[i * m + k] = NAN;
  }
  return VW_OK;
}

vw_status vw_judged_part_read(const char *dir, const char *id, int64_t n, int64_t m, int64_t earlier, double *numbers) {
  vw_safetensors *f = NULL;
  vw_tensor t;
  VW_TRY(vw_block_file_open(dir, id, &f));
  vw_status st = vw_safetensors_find(f, "numbers", &t);
  const bool is_earlier = st == VW_OK && t.ndim == 2 && t.dim[1] == earlier && earlier < m;
  if (st == VW_OK) st = load_part(f, n, m, is_earlier ? t.dim[1] : m, numbers);
  vw_safetensors_close(f);
  return st;
}
