#include "tasks/classify/class_texts.h"

#include "cluster/queue.h"
#include "networks/clip.h"
#include "tasks/cache_file.h"

#include <stdlib.h>
#include <string.h>

enum {
  TEXT_BYTES = 512,
  WORTH_KEEPING = 256, /* texts: fewer take about a second and are not worth files */
  A_FILE = 1024        /* texts: a stop loses less */
};

/* Some classes in one sentence. */
typedef struct some_texts {
  const vw_task_inputs *in;
  vw_clip_network *network;
  const char *sentence;
  int64_t first, n;
  char (*text)[TEXT_BYTES];
  const char **texts;
  char key[VW_HASH_TEXT], path[VW_PATH_BYTES];
} some_texts;

static int64_t n_sentences(const vw_task_inputs *in) {
  return in->model->learn.templates.n + 1 + in->model->judge.templates.n;
}

/* Those of learning, that of judging, those of an ensemble. */
static const char *sentence_at(const vw_task_inputs *in, int64_t i) {
  const vw_names *learn = &in->model->learn.templates;
  if (i < learn->n) return learn->name[i];
  return i == learn->n ? in->model->learn.judge_template : in->model->judge.templates.name[i - learn->n - 1];
}

/* A sentence that occurred before: its texts are the same. */
static bool is_repeated(const vw_task_inputs *in, int64_t i) {
  for (int64_t k = 0; k < i; k++)
    if (strcmp(sentence_at(in, k), sentence_at(in, i)) == 0) return true;
  return false;
}

static int64_t n_different(const vw_task_inputs *in) {
  int64_t n = 0;
  for (int64_t i = 0; i < n_sentences(in); i++) n += !is_repeated(in, i);
  return n;
}

int64_t vw_class_texts_kept(const vw_task_inputs *in) {
  const int64_t texts = n_different(in) * in->pictures->n_classes;
  return in->cache && texts > WORTH_KEEPING ? texts : 0;
}

static int64_t n_files(const vw_task_inputs *in) {
  return (in->pictures->n_classes + A_FILE - 1) / A_FILE;
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

/* What the features depend on, as text: the file's name, and what it says of itself. */
static vw_status make_key(some_texts *s) {
  char kernels[128];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  vw_kernel_set(s->network->net.ctx, kernels);
  vw_hasher_field(h, "viswords-class-texts-1");
  vw_hasher_add(h, &s->in->weights, sizeof s->in->weights);
  vw_hasher_field(h, kernels);
  vw_hasher_field(h, vw_precision_name(s->network->net.ctx));
  vw_hasher_int(h, (int64_t)vw_clip_feature_type(s->network));
  if (s->network->net.is_cut) vw_hasher_int(h, s->network->net.text.tower.t.layers);
  for (int64_t i = 0; i < s->n; i++) vw_hasher_field(h, s->text[i]);
  vw_hash_text(vw_hasher_done(h), s->key);
  vw_hasher_destroy(h);
  return VW_OK;
}

static void end(some_texts *s) {
  free(s->text), free((void *)s->texts);
  *s = (some_texts){0};
}

/* Classes of file `file` in a sentence. The caller ends it, after a failure too. */
static vw_status begin(some_texts *s, const vw_task_inputs *in, const char *sentence, int64_t file) {
  const int64_t left = in->pictures->n_classes - file * A_FILE;
  *s = (some_texts){.in = in, .network = vw_clip_of(in->network), .sentence = sentence, .first = file * A_FILE};
  s->n = left < A_FILE ? left : A_FILE;
  s->text = malloc((size_t)s->n * sizeof *s->text + 1), s->texts = malloc((size_t)s->n * sizeof *s->texts + 1);
  VW_CHECK(s->text && s->texts, VW_ERR_MEMORY, "class texts: out of memory");
  for (int64_t i = 0; i < s->n; i++) {
    VW_TRY(vw_class_text(sentence, in->pictures->owners[s->first + i].name, s->text[i], TEXT_BYTES));
    s->texts[i] = s->text[i];
  }
  if (!in->cache) return VW_OK;
  VW_TRY(make_key(s));
  return vw_cache_file_path(in->cache, "texts", s->key, s->path);
}

static vw_tensor shape_of(const some_texts *s) {
  return vw_shape(vw_clip_feature_type(s->network), s->n, s->network->net.text.tower.projection);
}

/* From a file that is whole; *found false: there is none, and the texts are to be encoded. */
static void read_file(const some_texts *s, void *out, bool *found) {
  vw_safetensors *file = NULL;
  const vw_tensor expected = shape_of(s);
  vw_tensor t;
  *found = false;
  if (!vw_file_exists(s->path)) return;
  vw_status st = vw_cache_file_open(s->path, s->key, "texts", &file);
  if (st == VW_OK) st = vw_cache_file_find(file, "features", &expected, &t);
  if (st == VW_OK && out) memcpy(out, t.data, (size_t)s->n * vw_clip_feature_bytes(s->network));
  if (st != VW_OK) vw_error_clear();
  *found = st == VW_OK;
  vw_safetensors_close(file);
}

static bool asked_to_stop(const vw_task_hooks *h) {
  return h->stop && h->stop(h->user);
}

/* Asked to stop in between, *whole is false. */
static vw_status encode(const some_texts *s, const vw_task_hooks *hooks, void *out, bool *whole) {
  const vw_text_watch watch = {.user = hooks->user, .told = hooks->told, .stop = hooks->stop};
  VW_TRY(vw_clip_encode_text_watched(s->network, s->texts, s->n, out, &watch));
  *whole = !asked_to_stop(hooks);
  return VW_OK;
}

/* ---- all files --------------------------------------------------------------------------------------------------- */

static vw_status make_file(const some_texts *s, const vw_task_hooks *hooks, int64_t *computed) {
  bool whole = false;
  void *features = malloc((size_t)s->n * vw_clip_feature_bytes(s->network) + 1);
  VW_CHECK(features, VW_ERR_MEMORY, "class texts: out of memory");
  vw_status st = encode(s, hooks, features, &whole);
  if (st == VW_OK && whole) st = vw_network_unchanged(s->in->network);
  if (st == VW_OK && whole) {
    vw_safetensors_entry entry = {.name = "features", .tensor = shape_of(s)};
    entry.tensor.data = features;
    st = vw_safetensors_write(s->path, &entry, 1, &(vw_keyvalue){"key", s->key}, 1);
    *computed += s->n;
  }
  free(features);
  return st;
}

static vw_status ensure_file(const vw_task_inputs *in, int64_t item, const vw_task_hooks *hooks, int64_t *computed) {
  const int64_t sentence = item / n_files(in);
  some_texts s;
  bool found = false;
  if (is_repeated(in, sentence)) return VW_OK;
  vw_status st = begin(&s, in, sentence_at(in, sentence), item % n_files(in));
  if (st == VW_OK) read_file(&s, NULL, &found);
  if (st == VW_OK && !found) st = make_file(&s, hooks, computed);
  if (st == VW_OK && found && hooks->told) hooks->told(hooks->user, s.n);
  end(&s);
  return st;
}

static vw_status ensure_mine(const vw_task_inputs *in, vw_queue *q, const vw_task_hooks *hooks, int64_t *computed) {
  vw_status st = VW_OK;
  int64_t item = -1;
  while (st == VW_OK && !asked_to_stop(hooks)) {
    st = vw_queue_take(q, &item);
    if (st != VW_OK || item < 0) break;
    st = ensure_file(in, item, hooks, computed);
    if (st == VW_OK) st = vw_queue_report_done(q, 1);
  }
  if (st != VW_OK || asked_to_stop(hooks)) (void)vw_queue_stop(q);
  return st;
}

vw_status vw_class_texts_ensure(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks,
                                int64_t *computed, bool *stopped) {
  const vw_task_hooks none = {0};
  vw_queue *q = NULL;
  if (!hooks) hooks = &none;
  if (!vw_class_texts_kept(in)) return VW_OK;
  VW_TRY(vw_agree_message(ranks, vw_cache_folder_open(in->cache, "texts", ranks->rank == 0)));
  VW_TRY(vw_queue_create(ranks, n_sentences(in) * n_files(in), &q));
  const vw_status mine = ensure_mine(in, q, hooks, computed);
  vw_queue_destroy(q);
  VW_TRY(vw_agree_message(ranks, mine));
  int64_t any = asked_to_stop(hooks);
  VW_TRY(vw_ranks_reduce(ranks, &any, 1, VW_REDUCE_MAX));
  *stopped = any != 0;
  return VW_OK;
}

vw_status vw_class_texts_missing(const vw_task_inputs *in, int64_t *n) {
  const bool kept = vw_class_texts_kept(in) && !in->pictures->is_counted;
  *n = kept ? 0 : n_different(in) * in->pictures->n_classes;
  for (int64_t i = 0; kept && i < n_sentences(in) * n_files(in); i++) {
    some_texts s;
    if (is_repeated(in, i / n_files(in))) continue;
    const vw_status st = begin(&s, in, sentence_at(in, i / n_files(in)), i % n_files(in));
    if (st == VW_OK && !vw_file_exists(s.path)) *n += s.n;
    end(&s);
    VW_TRY(st);
  }
  return VW_OK;
}

int64_t vw_class_texts_files(int64_t texts) {
  return (texts + A_FILE - 1) / A_FILE;
}

vw_status vw_class_texts_load(const vw_task_inputs *in, const char *sentence, void *out) {
  static const vw_task_hooks none = {0};
  const size_t one = vw_clip_feature_bytes(vw_clip_of(in->network));
  vw_status st = VW_OK;
  for (int64_t file = 0; st == VW_OK && file < n_files(in); file++) {
    some_texts s;
    bool found = false;
    st = begin(&s, in, sentence, file);
    void *to = (char *)out + (size_t)s.first * one;
    if (st == VW_OK && vw_class_texts_kept(in)) read_file(&s, to, &found);
    if (st == VW_OK && !found) st = encode(&s, &none, to, &found);
    end(&s);
  }
  return st;
}
