#include "tasks/features.h"

#include "cluster/progress.h"
#include "core/durable.h"
#include "io/pictures/preprocess.h"
#include "io/safetensors.h"
#include "tasks/cache_file.h"

#include <stdlib.h>
#include <string.h>

/* What the features of an owner depend on, as text: a file's name in the cache, and what the file says of itself. */
static vw_status feature_key(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, int64_t owner,
                             char key[VW_HASH_TEXT]) {
  const vw_picture_owner *o = &s->owners[owner];
  char kernels[128];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  vw_kernel_set(n->net.ctx, kernels);
  vw_hasher_field(h, "viswords-features-3");
  vw_hasher_add(h, &weights, sizeof weights);
  vw_hasher_field(h, kernels);
  vw_hasher_field(h, vw_precision_name(n->net.ctx));
  vw_hasher_int(h, (int64_t)vw_clip_feature_type(n));
  vw_hasher_int(h, o->n_train);
  for (int64_t i = 0; i < o->n_train; i++) vw_hasher_add(h, &s->train[o->train_first + i].hash, sizeof(vw_hash));
  for (int64_t i = 0; i < o->n_test; i++) vw_hasher_add(h, &s->test[o->test_first + i].hash, sizeof(vw_hash));
  vw_hash_text(vw_hasher_done(h), key);
  vw_hasher_destroy(h);
  return VW_OK;
}

static vw_status feature_path(const char *cache, const char *key, char path[VW_PATH_BYTES]) {
  return vw_cache_file_path(cache, "features", key, path);
}

/* A picture file to normalised pixels [S, S, 3]. */
static vw_status load_pixels(const vw_clip_network *n, const vw_picture_set *s, const vw_picture *picture,
                             uint8_t *square, double *pixels) {
  const vw_preprocess *how = &n->hub.preprocess;
  vw_image image = {0};
  VW_TRY(vw_picture_read(s, picture, &image));
  const vw_status st = vw_preprocess_pixels(how, &image, square);
  vw_image_free(&image);
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "%s", picture->path);
  vw_preprocess_normalise_f64(how, square, how->crop * how->crop, pixels);
  return VW_OK;
}

/* Pictures are decoded `width` at a time, one a thread: it takes longer than a GPU needs to encode them. */
enum { MOST_AT_ONCE = 32 };

typedef struct encoder {
  vw_image_encoder *encoder;
  int64_t width, values; /* pictures at once; numbers of one, S S 3 */
  uint8_t *square;       /* [width, S, S, 3] */
  double *pixels;        /* [width, S, S, 3] */
} encoder;

static void encoder_free(encoder *e) {
  vw_image_encoder_destroy(e->encoder);
  free(e->square), free(e->pixels);
}

static vw_status encoder_create(encoder *e, vw_clip_network *n) {
  const int64_t S = n->vision.image_size;
  e->width = n->net.ctx->threads < MOST_AT_ONCE ? n->net.ctx->threads : MOST_AT_ONCE, e->values = S * S * 3;
  e->square = malloc((size_t)(e->width * e->values));
  e->pixels = malloc((size_t)(e->width * e->values) * sizeof(double));
  VW_CHECK(e->square && e->pixels, VW_ERR_MEMORY, "image encoder: out of memory");
  return vw_image_encoder_create(&e->encoder, n);
}

/* Pictures 0 .. count - 1 of `list` into pixels. A failure's message belongs to the thread that met it: the first
 * picture that cannot be read is read again here. */
static vw_status decode(const encoder *e, const vw_clip_network *n, const vw_picture_set *s,
                        const vw_picture *const *list, int64_t count) {
  int64_t failed = count;
#pragma omp parallel for num_threads((int)e->width) schedule(dynamic, 1) reduction(min : failed) if (count > 1)
  for (int64_t i = 0; i < count; i++)
    if (load_pixels(n, s, list[i], e->square + i * e->values, e->pixels + i * e->values) != VW_OK && i < failed)
      failed = i;
  if (failed == count) return VW_OK;
  vw_error_clear();
  return load_pixels(n, s, list[failed], e->square, e->pixels);
}

static const vw_picture *picture_of(const vw_picture_set *s, const vw_picture_owner *o, int64_t i) {
  return i < o->n_train ? &s->train[o->train_first + i] : &s->test[o->test_first + i - o->n_train];
}

static bool asked_to_stop(const vw_task_hooks *h) {
  return h->stop && h->stop(h->user);
}

/* Asked to stop in between, it writes nothing. */
static vw_status encode_owner(encoder *e, const vw_picture_set *s, vw_clip_network *n, int64_t owner, const char *key,
                              const char *path, const vw_task_hooks *hooks) {
  const vw_picture_owner *o = &s->owners[owner];
  const size_t one = vw_clip_feature_bytes(n);
  const int64_t p = n->net.text.tower.projection, all = o->n_train + o->n_test;
  const vw_picture *list[MOST_AT_ONCE];
  char *features = malloc((size_t)(o->n_train + o->n_test) * one + 1);
  vw_status st = VW_OK;
  VW_CHECK(features, VW_ERR_MEMORY, "features of '%s': out of memory", o->name);
  for (int64_t first = 0; first < all; first += e->width) {
    const int64_t count = all - first < e->width ? all - first : e->width;
    for (int64_t i = 0; i < count; i++) list[i] = picture_of(s, o, first + i);
    VW_GOTO(decode(e, n, s, list, count));
    for (int64_t i = 0; i < count; i++) {
      if (asked_to_stop(hooks)) goto cleanup;
      VW_GOTO(vw_image_encoder_run(e->encoder, e->pixels + i * e->values, features + (size_t)(first + i) * one));
      if (hooks->told) hooks->told(hooks->user, 1);
    }
  }
  vw_safetensors_entry entries[2] = {{.name = "train", .tensor = vw_shape(vw_clip_feature_type(n), o->n_train, p)},
                                     {.name = "test", .tensor = vw_shape(vw_clip_feature_type(n), o->n_test, p)}};
  entries[0].tensor.data = features, entries[1].tensor.data = features + (size_t)o->n_train * one;
  VW_GOTO(vw_hub_clip_unchanged(&n->hub));
  VW_GOTO(vw_safetensors_write(path, entries, 2, &(vw_keyvalue){"key", key}, 1));
cleanup:
  free(features);
  return st;
}

/* A cached file that is whole and of the right shape. */
static vw_status open_cached(const vw_picture_owner *o, const vw_clip_network *n, const char *key, const char *path,
                             vw_safetensors **file, vw_tensor part[2]) {
  static const char *const names[2] = {"train", "test"};
  const int64_t rows[2] = {o->n_train, o->n_test};
  VW_TRY(vw_cache_file_open(path, key, "the features", file));
  vw_status st = VW_OK;
  for (int i = 0; st == VW_OK && i < 2; i++) {
    const vw_tensor expected = vw_shape(vw_clip_feature_type(n), rows[i], n->net.text.tower.projection);
    st = vw_cache_file_find(*file, names[i], &expected, &part[i]);
  }
  if (st == VW_OK) return VW_OK;
  vw_safetensors_close(*file);
  *file = NULL;
  return st;
}

static bool is_cached(const vw_picture_owner *o, const vw_clip_network *n, const char *key, const char *path) {
  vw_safetensors *file = NULL;
  vw_tensor part[2];
  if (!vw_file_exists(path)) return false;
  const bool whole = open_cached(o, n, key, path, &file, part) == VW_OK;
  if (!whole) vw_error_clear(); /* computed again */
  vw_safetensors_close(file);
  return whole;
}

static vw_status ensure_mine(const vw_picture_set *s, vw_clip_network *n, vw_hash weights, vw_queue *q,
                             const char *cache, const vw_task_hooks *hooks, int64_t *computed) {
  encoder e = {0};
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  vw_status st = VW_OK;
  int64_t owner = -1;
  while (!asked_to_stop(hooks)) {
    VW_GOTO(vw_queue_take(q, &owner));
    if (owner < 0) break;
    const vw_picture_owner *o = &s->owners[owner];
    VW_GOTO(feature_key(s, n, weights, owner, key));
    VW_GOTO(feature_path(cache, key, path));
    if (!is_cached(o, n, key, path)) {
      if (!e.encoder) VW_GOTO(encoder_create(&e, n));
      VW_GOTO(encode_owner(&e, s, n, owner, key, path, hooks));
      *computed += o->n_train + o->n_test;
    } else if (hooks->told) {
      hooks->told(hooks->user, o->n_train + o->n_test);
    }
    VW_GOTO(vw_queue_report_done(q, 1));
  }
cleanup:
  if (st != VW_OK || asked_to_stop(hooks)) (void)vw_queue_stop(q);
  encoder_free(&e);
  return st;
}

vw_status vw_features_missing(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, const char *cache,
                              int64_t *owners) {
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  *owners = 0;
  for (int64_t i = 0; i < s->n_owners; i++) {
    VW_TRY(feature_key(s, n, weights, i, key));
    VW_TRY(feature_path(cache, key, path));
    *owners += !vw_file_exists(path);
  }
  return VW_OK;
}

vw_status vw_features_missing_pictures(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights,
                                       const char *cache, int64_t *pictures) {
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  *pictures = 0;
  for (int64_t i = 0; i < s->n_owners; i++) {
    VW_TRY(feature_key(s, n, weights, i, key));
    VW_TRY(feature_path(cache, key, path));
    if (!vw_file_exists(path)) *pictures += s->owners[i].n_train + s->owners[i].n_test;
  }
  return VW_OK;
}

/* Pictures of the set from `first` on, as many as are decoded at once. */
static vw_status encode_some(encoder *e, const vw_picture_set *s, vw_clip_network *n, int64_t first, void *feature) {
  const vw_picture *list[MOST_AT_ONCE] = {0};
  const int64_t count = s->n_train < e->width ? s->n_train : e->width;
  for (int64_t i = 0; i < count; i++) list[i] = &s->train[(first + i) % s->n_train];
  VW_TRY(decode(e, n, s, list, count));
  for (int64_t i = 0; i < count; i++) VW_TRY(vw_image_encoder_run(e->encoder, e->pixels + i * e->values, feature));
  return VW_OK;
}

vw_status vw_features_time(const vw_picture_set *s, vw_clip_network *n, double seconds, double *one) {
  encoder e = {0};
  vw_status st = VW_OK;
  int64_t pictures = 0;
  void *feature = malloc(vw_clip_feature_bytes(n));
  *one = 0;
  VW_CHECK(feature, VW_ERR_MEMORY, "image encoder: out of memory");
  if (s->n_train == 0) goto cleanup;
  VW_GOTO(encoder_create(&e, n));
  VW_GOTO(encode_some(&e, s, n, 0, feature)); /* reads and packs the weights */
  const double start = vw_seconds();
  do {
    VW_GOTO(encode_some(&e, s, n, pictures, feature));
    pictures += s->n_train < e.width ? s->n_train : e.width;
  } while (pictures < 4 || vw_seconds() - start < seconds);
  *one = (vw_seconds() - start) / (double)pictures;
cleanup:
  encoder_free(&e);
  free(feature);
  return st;
}

/* ---- the rows of all pictures ------------------------------------------------------------------------------------ */

/* What tasks use, and what rank 0 sent and none has asked for yet. */
typedef struct kept {
  vw_features rows; /* the first member: who releases features releases this */
  int64_t users;
  struct kept *next;
} kept;

static kept *all_kept;
static int64_t files_read;

int64_t vw_features_read(void) {
  return files_read;
}

static vw_status digest_of(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, vw_hash *digest) {
  char key[VW_HASH_TEXT];
  vw_status st = VW_OK;
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; st == VW_OK && i < s->n_owners; i++) {
    st = feature_key(s, n, weights, i, key);
    if (st == VW_OK) vw_hasher_field(h, key);
    vw_hasher_int(h, s->owners[i].train_first), vw_hasher_int(h, s->owners[i].test_first);
  }
  *digest = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return st;
}

static kept *find_kept(vw_hash digest) {
  kept *k = all_kept;
  while (k && (k->rows.digest.lo != digest.lo || k->rows.digest.hi != digest.hi)) k = k->next;
  return k;
}

static void drop(kept *k) {
  kept **at = &all_kept;
  while (*at && *at != k) at = &(*at)->next;
  if (*at) *at = k->next;
  free(k->rows.train), free(k->rows.test), free(k);
}

/* Memory for the rows, among all that is kept. */
static vw_status add_kept(const vw_picture_set *s, const vw_clip_network *n, vw_hash digest, kept **out) {
  const size_t one = vw_clip_feature_bytes(n);
  kept *k = calloc(1, sizeof *k);
  *out = k;
  if (k) {
    *k = (kept){.rows = {.digest = digest}, .next = all_kept};
    k->rows.train = malloc((size_t)s->n_train * one + 1), k->rows.test = malloc((size_t)s->n_test * one + 1);
    all_kept = k;
    if (k->rows.train && k->rows.test) return VW_OK;
    drop(k), *out = NULL;
  }
  return VW_RAISE(VW_ERR_MEMORY, "features of %lld pictures: out of memory", (long long)(s->n_train + s->n_test));
}

static vw_status read_rows(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, const char *cache,
                           const vw_features *rows) {
  const size_t one = vw_clip_feature_bytes(n);
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  for (int64_t i = 0; i < s->n_owners; i++) {
    const vw_picture_owner *o = &s->owners[i];
    vw_safetensors *file = NULL;
    vw_tensor part[2];
    VW_TRY(feature_key(s, n, weights, i, key));
    VW_TRY(feature_path(cache, key, path));
    VW_TRY(open_cached(o, n, key, path, &file, part));
    memcpy((char *)rows->train + (size_t)o->train_first * one, part[0].data, (size_t)o->n_train * one);
    memcpy((char *)rows->test + (size_t)o->test_first * one, part[1].data, (size_t)o->n_test * one);
    vw_safetensors_close(file);
    files_read++;
  }
  return VW_OK;
}

/* All ranks' rows from rank 0's, unless every rank has them. */
static vw_status share(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, const vw_ranks *ranks,
                       const char *cache) {
  const size_t one = vw_clip_feature_bytes(n);
  vw_hash digest = {0};
  VW_TRY(vw_agree_message(ranks, digest_of(s, n, weights, &digest)));
  kept *k = find_kept(digest);
  int64_t lacks = !k;
  const bool is_new = !k;
  VW_TRY(vw_ranks_reduce(ranks, &lacks, 1, VW_REDUCE_MAX));
  if (!lacks) return VW_OK;
  vw_status st = k ? VW_OK : add_kept(s, n, digest, &k);
  if (st == VW_OK && is_new && ranks->rank == 0) st = read_rows(s, n, weights, cache, &k->rows);
  st = vw_agree_message(ranks, st);
  if (st == VW_OK) st = vw_ranks_broadcast(ranks, k->rows.train, s->n_train * (int64_t)one, 0);
  if (st == VW_OK) st = vw_ranks_broadcast(ranks, k->rows.test, s->n_test * (int64_t)one, 0);
  if (st != VW_OK && is_new && k) drop(k);
  return st;
}

vw_status vw_features_load(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, const char *cache,
                           const vw_features **features) {
  vw_hash digest = {0};
  *features = NULL;
  VW_TRY(digest_of(s, n, weights, &digest));
  kept *k = find_kept(digest);
  if (!k) {
    VW_TRY(add_kept(s, n, digest, &k));
    const vw_status st = read_rows(s, n, weights, cache, &k->rows);
    if (st != VW_OK) drop(k);
    VW_TRY(st);
  }
  k->users++;
  *features = &k->rows;
  return VW_OK;
}

void vw_features_release(const vw_features *features) {
  kept *k = (kept *)(uintptr_t)features;
  if (k && --k->users == 0) drop(k);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

vw_status vw_features_ensure(const vw_picture_set *s, vw_clip_network *n, vw_hash weights, const vw_ranks *ranks,
                             const char *cache, const vw_task_hooks *hooks, int64_t *computed, bool *stopped) {
  const vw_task_hooks none = {0};
  vw_queue *q = NULL;
  if (!hooks) hooks = &none;
  *computed = 0, *stopped = false;
  VW_TRY(vw_agree_message(ranks, vw_cache_folder_open(cache, "features", ranks->rank == 0)));
  VW_TRY(vw_queue_create(ranks, s->n_owners, &q));
  const vw_status mine = ensure_mine(s, n, weights, q, cache, hooks, computed);
  vw_queue_destroy(q);
  VW_TRY(vw_agree_message(ranks, mine));
  int64_t any = asked_to_stop(hooks);
  VW_TRY(vw_ranks_reduce(ranks, &any, 1, VW_REDUCE_MAX));
  *stopped = any != 0;
  return *stopped || ranks->size == 1 ? VW_OK : share(s, n, weights, ranks, cache);
}
