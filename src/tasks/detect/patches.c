#include "tasks/detect/patches.h"

#include "cluster/progress.h"
#include "tasks/cache_file.h"
#include "tasks/cache_work.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER "patches"

/* ---- room -------------------------------------------------------------------------------------------------------- */

vw_status vw_patches_create(vw_patches *p, const vw_owlv2_network *n, int64_t pictures) {
  const int64_t N = vw_owlv2_patches(n), C = n->clip.vision.projection;
  const size_t all = (size_t)(pictures * N) + 1;
  *p = (vw_patches){.pictures = pictures, .N = N, .C = C, .type = vw_owlv2_embedding_type(n)};
  p->all = (vw_owlv2_picture_data){.embedding = malloc(all * (size_t)C * vw_dtype_bytes(p->type)),
                                   .shift = malloc(all * sizeof(double)),
                                   .scale = malloc(all * sizeof(double)),
                                   .boxes = malloc(4 * all * sizeof(double)),
                                   .objectness = malloc(all * sizeof(double))};
  VW_CHECK(p->all.embedding && p->all.shift && p->all.scale && p->all.boxes && p->all.objectness, VW_ERR_MEMORY,
           "features of %lld pictures: out of memory", (long long)pictures);
  return VW_OK;
}

void vw_patches_free(vw_patches *p) {
  free(p->all.embedding), free(p->all.shift), free(p->all.scale), free(p->all.boxes), free(p->all.objectness);
  *p = (vw_patches){0};
}

vw_owlv2_picture_data vw_patches_at(const vw_patches *p, int64_t i) {
  return (vw_owlv2_picture_data){.embedding =
                                     (char *)p->all.embedding + (size_t)(i * p->N * p->C) * vw_dtype_bytes(p->type),
                                 .shift = p->all.shift + i * p->N,
                                 .scale = p->all.scale + i * p->N,
                                 .boxes = p->all.boxes + i * p->N * 4,
                                 .objectness = p->all.objectness + i * p->N};
}

double vw_patches_bytes(const vw_owlv2_network *n) {
  const double row = (double)n->clip.vision.projection * (double)vw_dtype_bytes(vw_owlv2_embedding_type(n)) +
                     7.0 * (double)vw_dtype_bytes(vw_owlv2_head_type(n));
  return (double)vw_owlv2_patches(n) * row;
}

/* ---- through the network ----------------------------------------------------------------------------------------- */

struct vw_patch_maker {
  const vw_picture_set *set;
  vw_owlv2_network *network;
  vw_owlv2_encoder *encoder;
  int64_t width, values; /* pictures decoded at once; numbers of one */
  float *square;         /* [width, S, S, 3] */
  double *pixels;
};

void vw_patch_maker_destroy(vw_patch_maker *m) {
  if (!m) return;
  vw_owlv2_encoder_destroy(m->encoder);
  free(m->square), free(m->pixels), free(m);
}

vw_status vw_patch_maker_create(vw_patch_maker **out, const vw_picture_set *s, vw_owlv2_network *n) {
  const int64_t threads = n->clip.net.ctx->threads;
  vw_patch_maker *m = calloc(1, sizeof *m);
  *out = NULL;
  VW_CHECK(m, VW_ERR_MEMORY, "picture encoder: out of memory");
  *m = (vw_patch_maker){.set = s, .network = n, .width = threads < VW_PATCHES_AT_ONCE ? threads : VW_PATCHES_AT_ONCE};
  m->values = n->square.size * n->square.size * 3;
  m->square = malloc((size_t)(m->width * m->values) * sizeof *m->square);
  m->pixels = malloc((size_t)(m->width * m->values) * sizeof *m->pixels);
  const vw_status st = m->square && m->pixels ? vw_owlv2_encoder_create(&m->encoder, n)
                                              : VW_RAISE(VW_ERR_MEMORY, "picture encoder: out of memory");
  if (st == VW_OK)
    *out = m;
  else
    vw_patch_maker_destroy(m);
  return st;
}

/* A picture file to normalised pixels [S, S, 3]. */
static vw_status load_pixels(const vw_patch_maker *m, const vw_picture *picture, float *square, double *pixels) {
  vw_square how = m->network->square;
  vw_image image = {0};
  if (m->set->data->pad == VW_PAD_BLACK) how.pad = 0;
  VW_TRY(vw_picture_read(m->set, picture, &image));
  const vw_status st = vw_square_pixels(&how, &image, square);
  vw_image_free(&image);
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "%s", picture->path);
  vw_square_normalise_f64(&how, square, how.size * how.size, pixels);
  return VW_OK;
}

/* A failure's message belongs to the thread that met it: the first picture that cannot be read is read again here. */
static vw_status decode(const vw_patch_maker *m, const vw_picture *const *list, int64_t count) {
  int64_t failed = count;
#pragma omp parallel for num_threads((int)m->width) schedule(dynamic, 1) reduction(min : failed) if (count > 1)
  for (int64_t i = 0; i < count; i++)
    if (load_pixels(m, list[i], m->square + i * m->values, m->pixels + i * m->values) != VW_OK && i < failed)
      failed = i;
  if (failed == count) return VW_OK;
  vw_error_clear();
  return load_pixels(m, list[failed], m->square, m->pixels);
}

vw_status vw_patch_maker_run(vw_patch_maker *m, const vw_picture *const *pictures, int64_t count, const vw_patches *out,
                             const vw_task_hooks *hooks, int64_t *made) {
  *made = 0;
  for (int64_t at = 0; at < count; at += m->width) {
    const int64_t n = count - at < m->width ? count - at : m->width;
    VW_TRY(decode(m, pictures + at, n));
    for (int64_t i = 0; i < n; i++) {
      const vw_owlv2_picture_data one = vw_patches_at(out, at + i);
      if (hooks && vw_cache_work_ends(hooks)) return VW_OK;
      VW_TRY(vw_owlv2_encoder_run(m->encoder, m->pixels + i * m->values, &one));
      ++*made;
    }
  }
  return VW_OK;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static vw_status key_of(const vw_patch_list *l, int64_t scene, char key[VW_HASH_TEXT], char path[VW_PATH_BYTES]) {
  const vw_context *ctx = l->network->clip.net.ctx;
  char kernels[128];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  vw_kernel_set(ctx, kernels);
  vw_hasher_field(h, "viswords-patches-1");
  vw_hasher_add(h, &l->weights, sizeof l->weights);
  vw_hasher_field(h, kernels);
  vw_hasher_field(h, vw_precision_name(ctx));
  vw_hasher_int(h, (int64_t)vw_owlv2_embedding_type(l->network));
  vw_hasher_add(h, &l->network->square.pad, sizeof l->network->square.pad);
  vw_hasher_add(h, &l->set->train_scenes.scene[scene].picture.hash, sizeof(vw_hash));
  vw_hash_text(vw_hasher_done(h), key);
  vw_hasher_destroy(h);
  return vw_cache_file_path(l->cache, FOLDER, key, path);
}

/* The tensors of a picture's file. */
enum { EMBEDDING, SHIFT, SCALE, BOXES, OBJECTNESS, TENSORS };
static const char *const names[TENSORS] = {"embedding", "shift", "scale", "boxes", "objectness"};

static void shapes_of(const vw_owlv2_network *n, vw_tensor shape[TENSORS]) {
  const int64_t N = vw_owlv2_patches(n), four = 4;
  const vw_dtype head = vw_owlv2_head_type(n);
  shape[EMBEDDING] = vw_shape(vw_owlv2_embedding_type(n), N, n->clip.vision.projection);
  shape[SHIFT] = shape[SCALE] = shape[OBJECTNESS] = vw_shape(head, N);
  shape[BOXES] = vw_shape(head, N, four);
}

/* Where tensor i of a picture lies; embeddings as they are, the others as double. */
static double *head_of(const vw_owlv2_picture_data *d, int i) {
  return i == SHIFT ? d->shift : i == SCALE ? d->scale : i == BOXES ? d->boxes : d->objectness;
}

static vw_status write_file(const vw_patch_list *l, const char *path, const char *key, const vw_owlv2_picture_data *d) {
  vw_safetensors_entry entries[TENSORS];
  vw_tensor shape[TENSORS];
  vw_status st = VW_OK;
  shapes_of(l->network, shape);
  for (int i = 0; i < TENSORS; i++) {
    entries[i] = (vw_safetensors_entry){.name = names[i], .tensor = shape[i]};
    entries[i].tensor.data = i == EMBEDDING ? d->embedding : malloc(vw_bytes(&shape[i]));
    if (st == VW_OK && !entries[i].tensor.data) st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
    if (st == VW_OK && i != EMBEDDING)
      st = vw_convert(entries[i].tensor.data, shape[i].dtype, head_of(d, i), VW_F64, vw_count(&shape[i]));
  }
  if (st == VW_OK) st = vw_hub_clip_unchanged(&l->network->clip.hub);
  if (st == VW_OK) st = vw_safetensors_write(path, entries, TENSORS, &(vw_keyvalue){"key", key}, 1);
  for (int i = SHIFT; i < TENSORS; i++) free(entries[i].tensor.data);
  return st;
}

/* d NULL: is it there and whole? */
static vw_status read_file(const vw_patch_list *l, const char *path, const char *key, const vw_owlv2_picture_data *d) {
  vw_safetensors *file = NULL;
  vw_tensor shape[TENSORS], t;
  VW_TRY(vw_cache_file_open(path, key, "what is kept of a picture", &file));
  vw_status st = VW_OK;
  shapes_of(l->network, shape);
  for (int i = 0; st == VW_OK && i < TENSORS; i++) {
    st = vw_cache_file_find(file, names[i], &shape[i], &t);
    if (st != VW_OK || !d) continue;
    if (i == EMBEDDING)
      memcpy(d->embedding, t.data, vw_bytes(&t));
    else
      st = vw_convert(head_of(d, i), VW_F64, t.data, t.dtype, vw_count(&t));
  }
  vw_safetensors_close(file);
  return st;
}

static bool is_cached(const vw_patch_list *l, const char *path, const char *key) {
  if (!vw_file_exists(path)) return false;
  const bool whole = read_file(l, path, key, NULL) == VW_OK;
  if (!whole) vw_error_clear(); /* computed again */
  return whole;
}

vw_status vw_patches_missing(const vw_patch_list *l, int64_t *n) {
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  *n = 0;
  for (int64_t i = 0; i < l->n; i++) {
    VW_TRY(key_of(l, l->scene[i], key, path));
    *n += !vw_file_exists(path);
  }
  return VW_OK;
}

vw_status vw_patches_load(const vw_patch_list *l, vw_patches *out) {
  char path[VW_PATH_BYTES], key[VW_HASH_TEXT];
  VW_TRY(vw_patches_create(out, l->network, l->n));
  for (int64_t i = 0; i < l->n; i++) {
    const vw_owlv2_picture_data one = vw_patches_at(out, i);
    VW_TRY(key_of(l, l->scene[i], key, path));
    VW_TRY(read_file(l, path, key, &one));
  }
  return VW_OK;
}

/* ---- making them ------------------------------------------------------------------------------------------------- */

/* A rank while it makes files. */
typedef struct making {
  const vw_patch_list *l;
  vw_patch_maker *maker; /* made when it is first needed */
  vw_patches room;
} making;

/* What of a part of the list is missing: made and written. */
static vw_status make_part(void *user, int64_t first, int64_t end, const vw_task_hooks *hooks, int64_t *computed) {
  making *m = user;
  const vw_patch_list *l = m->l;
  const vw_picture *list[VW_PATCHES_AT_ONCE];
  char path[VW_PATCHES_AT_ONCE][VW_PATH_BYTES], key[VW_PATCHES_AT_ONCE][VW_HASH_TEXT];
  int64_t n = 0;
  for (int64_t i = first; i < end; i++) {
    VW_TRY(key_of(l, l->scene[i], key[n], path[n]));
    list[n] = &l->set->train_scenes.scene[l->scene[i]].picture;
    if (!is_cached(l, path[n], key[n]))
      n++;
    else if (hooks->told)
      hooks->told(hooks->user, 1);
  }
  if (n && !m->maker) VW_TRY(vw_patch_maker_create(&m->maker, l->set, l->network));
  for (int64_t at = 0; at < n && !vw_cache_work_ends(hooks); at += m->maker->width) {
    const int64_t some = n - at < m->maker->width ? n - at : m->maker->width;
    int64_t made = 0;
    VW_TRY(vw_patch_maker_run(m->maker, list + at, some, &m->room, hooks, &made));
    for (int64_t i = 0; i < made; i++) {
      const vw_owlv2_picture_data one = vw_patches_at(&m->room, i);
      VW_TRY(write_file(l, path[at + i], key[at + i], &one));
      ++*computed;
      if (hooks->told) hooks->told(hooks->user, 1);
    }
  }
  return VW_OK;
}

vw_status vw_patches_ensure(const vw_patch_list *l, const vw_ranks *ranks, const vw_task_hooks *hooks,
                            int64_t *computed, bool *stopped) {
  making m = {.l = l};
  const vw_cache_work work = {
      .cache = l->cache, .folder = FOLDER, .n = l->n, .at_once = VW_PATCHES_AT_ONCE, .make = make_part, .user = &m};
  vw_status st = vw_agree_message(ranks, vw_patches_create(&m.room, l->network, VW_PATCHES_AT_ONCE));
  if (st == VW_OK) st = vw_cache_work_do(&work, ranks, hooks, computed, stopped);
  vw_patch_maker_destroy(m.maker);
  vw_patches_free(&m.room);
  return st;
}

vw_status vw_patches_time(const vw_patch_list *l, double seconds, double *one) {
  const vw_picture *list[VW_PATCHES_AT_ONCE];
  vw_patch_maker *m = NULL;
  vw_patches room = {0};
  vw_status st = VW_OK;
  int64_t pictures = 0, made = 0;
  *one = 0;
  if (l->n == 0) return VW_OK;
  VW_GOTO(vw_patches_create(&room, l->network, VW_PATCHES_AT_ONCE));
  VW_GOTO(vw_patch_maker_create(&m, l->set, l->network));
  for (int64_t i = 0; i < m->width; i++) list[i] = &l->set->train_scenes.scene[l->scene[i % l->n]].picture;
  VW_GOTO(vw_patch_maker_run(m, list, 1, &room, NULL, &made)); /* reads and packs the weights */
  const double start = vw_seconds();
  do {
    VW_GOTO(vw_patch_maker_run(m, list, m->width, &room, NULL, &made));
    pictures += made;
  } while (pictures < 4 || vw_seconds() - start < seconds);
  *one = (vw_seconds() - start) / (double)pictures;
cleanup:
  vw_patch_maker_destroy(m);
  vw_patches_free(&room);
  return st;
}
