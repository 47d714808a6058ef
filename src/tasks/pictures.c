#include "tasks/pictures_internal.h"

#include "tasks/looks.h"

#include "core/random.h"

#include "core/durable.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned vw_data_look(const vw_data_config *d) {
  return (d->exif == VW_EXIF_TURN ? VW_IMAGE_TURNED : 0U) | (d->alpha == VW_ALPHA_WHITE ? VW_IMAGE_ON_WHITE : 0U);
}

/* ---- what both views are made with ------------------------------------------------------------------------------- */

/* A picture that is looked at otherwise than as it is stored is another one to features and trials. */
vw_hash vw_picture_looked_at(vw_hash file, unsigned look, const vw_crop *crop, int pad) {
  const vw_hash both[2] = {file, {.lo = look}};
  if (look) file = vw_hash_bytes(both, sizeof both);
  const struct {
    vw_hash file;
    int64_t pad;
  } whole = {file, pad};
  if (!crop->side) return pad == VW_PAD_GREY ? file : vw_hash_bytes(&whole, sizeof whole);
  const struct {
    vw_hash file;
    int64_t x, y, side, pad;
  } cut = {file, crop->x, crop->y, crop->side, pad};
  return vw_hash_bytes(&cut, sizeof cut);
}

vw_status vw_picture_take(vw_picture_set *s, const vw_dataset *d, vw_part part, int64_t i, const vw_crop *crop,
                          vw_picture *out) {
  const vw_dataset_picture *p = &d->part[part].picture[i];
  char path[VW_PATH_BYTES];
  vw_hash hash;
  bool turned = false;
  VW_TRY(vw_dataset_path(&d->part[part], p, path));
  VW_TRY(vw_look_at(path, &hash, s->data->exif != VW_EXIF_TURN ? &turned : NULL));
  *out = (vw_picture){.path = vw_pool_text(&s->pool, path, -1), .crop = *crop, .width = p->width, .height = p->height};
  VW_CHECK(out->path, VW_ERR_MEMORY, "pictures: out of memory");
  out->turned = turned;
  out->hash = vw_picture_looked_at(hash, vw_data_look(s->data), crop, s->data->pad);
  return VW_OK;
}

enum { UNKNOWN, WHOLE, DAMAGED };

/* Decodes it, without a crop: sizes and boxes are looked at when it is used. */
static vw_status look_for_damage(vw_picture_set *s, const vw_dataset *d, vw_part part, int64_t i, uint8_t *state) {
  char path[VW_PATH_BYTES];
  vw_image image = {0};
  VW_TRY(vw_dataset_path(&d->part[part], &d->part[part].picture[i], path));
  const vw_status st = vw_file_exists(path) ? vw_image_read(path, vw_data_look(s->data), &image) : VW_OK;
  vw_image_free(&image);
  *state = st == VW_ERR_INPUT ? DAMAGED : WHOLE;
  if (st != VW_ERR_INPUT) return st;
  if (!s->n_damaged++) s->damage = vw_pool_text(&s->pool, vw_error_message(), -1);
  vw_error_clear();
  VW_CHECK(s->damage, VW_ERR_MEMORY, "pictures: out of memory");
  return VW_OK;
}

vw_status vw_picture_is_whole(vw_picture_set *s, const vw_dataset *d, vw_part part, int64_t i, bool *is_whole) {
  *is_whole = true;
  if (s->data->damaged != VW_DAMAGED_SKIP) return VW_OK;
  if (!s->state[part]) {
    s->state[part] = vw_pool_take(&s->pool, (size_t)d->part[part].n + 1);
    VW_CHECK(s->state[part], VW_ERR_MEMORY, "pictures: out of memory");
    memset(s->state[part], UNKNOWN, (size_t)d->part[part].n + 1);
  }
  if (s->state[part][i] == UNKNOWN) VW_TRY(look_for_damage(s, d, part, i, &s->state[part][i]));
  *is_whole = s->state[part][i] == WHOLE;
  return VW_OK;
}

static vw_status say_damaged(vw_picture_set *s) {
  if (!s->n_damaged) return VW_OK;
  return vw_leave_out(s, s->n_damaged, "damaged pictures", "%" PRId64 " picture%s skipped (pictures.damaged: skip): %s",
                      s->n_damaged, s->n_damaged == 1 ? " is" : "s are", s->damage);
}

vw_status vw_leave_out(vw_picture_set *s, int64_t count, const char *what, const char *fmt, ...) {
  char text[2 * VW_PATH_BYTES];
  va_list ap;
  if (s->n_left_out == VW_MOST_LEFT_OUT) return VW_OK; /* a reader says three, a view two a part */
  va_start(ap, fmt);
  (void)vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  vw_left_out *l = &s->left_out[s->n_left_out++];
  *l = (vw_left_out){count, vw_pool_text(&s->pool, what, -1), vw_pool_text(&s->pool, text, -1)};
  VW_CHECK(l->what && l->why, VW_ERR_MEMORY, "pictures: out of memory");
  return VW_OK;
}

bool vw_owner_is_concept(const vw_data_config *data, const char *name) {
  for (int64_t k = 0; k < data->concepts.n; k++)
    if (strcmp(data->concepts.name[k], name) == 0) return true;
  return false;
}

vw_status vw_refuse_owner(const vw_data_config *data, const vw_picture_refusals *refusals, const char *name,
                          bool *refused, vw_status st) {
  bool named = false;
  if (!refusals) return st;
  *refused = true;
  char *message = strdup(vw_error_message());
  VW_CHECK(message, VW_ERR_MEMORY, "pictures: out of memory");
  vw_status kept = VW_OK;
  for (int i = 0; i < 2; i++) {
    const vw_names *list = i ? &data->classes : &data->concepts;
    for (int64_t k = 0; k < list->n && kept == VW_OK; k++)
      if (strcmp(list->name[k], name) == 0) {
        if (named) st = VW_RAISE(st, "%s", message);
        kept = refusals->refuse(refusals->user, i ? "classes" : "concepts", k, st);
        named = true;
      }
  }
  if (!data->classes.n && kept == VW_OK && !named) kept = refusals->refuse(refusals->user, "root", -1, st);
  free(message);
  return kept;
}

static int by_path(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* People see such pictures otherwise than the networks do. A picture may be there several times: for several owners,
 * and in both views. */
static vw_status say_turned(vw_picture_set *s) {
  const int64_t room = s->n_train + s->n_test + s->train_scenes.n + s->test_scenes.n;
  const char **path = malloc((size_t)(room + 1) * sizeof *path);
  int64_t n = 0, different = 0;
  VW_CHECK(path, VW_ERR_MEMORY, "pictures: out of memory");
  for (int64_t i = 0; i < s->n_train; i++)
    if (s->train[i].turned) path[n++] = s->train[i].path;
  for (int64_t i = 0; i < s->n_test; i++)
    if (s->test[i].turned) path[n++] = s->test[i].path;
  for (int64_t i = 0; i < s->train_scenes.n; i++)
    if (s->train_scenes.scene[i].picture.turned) path[n++] = s->train_scenes.scene[i].picture.path;
  for (int64_t i = 0; i < s->test_scenes.n; i++)
    if (s->test_scenes.scene[i].picture.turned) path[n++] = s->test_scenes.scene[i].picture.path;
  qsort((void *)path, (size_t)n, sizeof *path, by_path);
  for (int64_t i = 0; i < n; i++) different += !i || strcmp(path[i], path[i - 1]) != 0;
  vw_status st = VW_OK;
  if (n)
    st = vw_leave_out(s, different, "turned pictures",
                      "%" PRId64 " picture%s by EXIF data, which are not looked at (pictures.exif: ignore): %s is used "
                      "as it is stored",
                      different, different == 1 ? " is turned" : "s are turned", path[0]);
  free((void *)path);
  return st;
}

/* What the data set's reader says. */
static vw_status say_left_out(vw_picture_set *s, const vw_dataset *d) {
  for (int i = 0; i < d->n_left_out; i++)
    VW_TRY(vw_leave_out(s, d->left_out[i].count, d->left_out[i].what, "%s", d->left_out[i].why));
  return VW_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Names of all owners: the classes, then the concepts that are none. `names` has room for all. */
static int64_t list_owners(const vw_data_config *data, const char **names) {
  int64_t n = 0;
  for (int64_t i = 0; i < data->classes.n; i++) names[n++] = data->classes.name[i];
  for (int64_t k = 0; k < data->concepts.n; k++) {
    bool known = false;
    for (int64_t i = 0; i < data->classes.n && !known; i++)
      known = !strcmp(data->classes.name[i], data->concepts.name[k]);
    if (!known) names[n++] = data->concepts.name[k];
  }
  return n;
}

typedef struct refusing {
  const vw_data_config *data;
  const vw_picture_refusals *to;
  bool any;
} refusing;

static vw_status refuse(void *user, const char *name, vw_status st) {
  refusing *r = user;
  return vw_refuse_owner(r->data, r->to, name, &r->any, st);
}

static vw_status take_owners(vw_picture_set *s, const vw_dataset *d) {
  s->owners = vw_pool_take(&s->pool, (size_t)(d->n_owners + 1) * sizeof *s->owners);
  VW_CHECK(s->owners, VW_ERR_MEMORY, "pictures: out of memory");
  s->n_owners = d->n_owners, s->n_classes = s->data->classes.n ? s->data->classes.n : d->n_owners;
  for (int64_t i = 0; i < d->n_owners; i++) {
    s->owners[i].name = vw_pool_text(&s->pool, d->owner[i], -1);
    VW_CHECK(s->owners[i].name, VW_ERR_MEMORY, "pictures: out of memory");
  }
  return VW_OK;
}

static vw_status fill(vw_picture_set *s, int64_t seed, refusing *r) {
  const vw_data_config *data = s->data;
  const char **names = malloc((size_t)(data->classes.n + data->concepts.n + 1) * sizeof *names);
  vw_dataset d = {0};
  vw_status st = names ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "pictures: out of memory");
  if (st != VW_OK) goto cleanup;
  const int64_t n = list_owners(data, names);
  const vw_dataset_ask ask = {.data = data,
                              .seed = seed,
                              .owner = data->classes.n ? names : NULL,
                              .n_owners = data->classes.n ? n : 0,
                              .needs_test = (s->sees & VW_SEES_TEST) != 0,
                              .boxes = (s->sees & VW_SEES_SCENES) != 0,
                              .refuse = r->to ? refuse : NULL,
                              .user = r};
  VW_GOTO(vw_dataset_read(&ask, &d));
  if (r->any) goto cleanup;
  VW_GOTO(take_owners(s, &d));
  if (s->sees & VW_SEES_CROPS) VW_GOTO(vw_open_crops(s, &d, seed, r->to, &r->any));
  if (s->sees & VW_SEES_SCENES && !r->any) VW_GOTO(vw_open_scenes(s, &d, seed, r->to, &r->any));
  VW_GOTO(say_left_out(s, &d));
  VW_GOTO(say_turned(s));
  VW_GOTO(say_damaged(s));
cleanup:
  vw_dataset_close(&d);
  free((void *)names);
  return st;
}

vw_status vw_picture_set_open(vw_picture_set **out, const vw_data_config *data, int64_t seed, unsigned sees,
                              const vw_picture_refusals *refusals) {
  vw_picture_set *s = calloc(1, sizeof *s);
  refusing r = {.data = data, .to = refusals};
  *out = NULL;
  VW_CHECK(s, VW_ERR_MEMORY, "pictures: out of memory");
  s->data = data, s->sees = sees;
  const vw_status st = fill(s, seed, &r);
  if (st != VW_OK || r.any) vw_picture_set_close(s);
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "data set '%s'", data->name);
  if (!r.any) *out = s;
  return VW_OK;
}

void vw_picture_set_close(vw_picture_set *s) {
  if (!s) return;
  vw_pool_fini(&s->pool);
  free(s);
}

int64_t vw_picture_set_find(const vw_picture_set *s, const char *name) {
  for (int64_t i = 0; i < s->n_owners; i++)
    if (strcmp(s->owners[i].name, name) == 0) return i;
  return -1;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Boxes count the pixels of the picture that was annotated. */
static vw_status expect_size(const vw_picture *p, const vw_image *image) {
  VW_CHECK(!p->width || (p->width == image->width && p->height == image->height), VW_ERR_INPUT,
           "%s: has %" PRId64 " x %" PRId64 " pixels, its annotation says %" PRId64 " x %" PRId64
           ": its boxes would be elsewhere",
           p->path, image->width, image->height, p->width, p->height);
  return VW_OK;
}

vw_status vw_picture_read(const vw_picture_set *s, const vw_picture *p, vw_image *out) {
  const unsigned look = vw_data_look(s->data);
  char *data = NULL;
  int64_t bytes = 0;
  *out = (vw_image){0};
  VW_TRY(vw_file_read(p->path, &data, &bytes));
  const vw_hash hash = vw_picture_looked_at(vw_hash_bytes(data, (size_t)bytes), look, &p->crop, s->data->pad);
  vw_status st = hash.lo == p->hash.lo && hash.hi == p->hash.hi
                     ? vw_image_decode(p->path, data, bytes, look, out)
                     : VW_RAISE(VW_ERR_IO,
                                "%s: changed while this run read it: nothing was kept of it; the same command starts "
                                "anew with the file as it is then",
                                p->path);
  free(data);
  if (st == VW_OK) st = expect_size(p, out);
  if (st == VW_OK && p->crop.side) st = vw_crop_cut(&p->crop, s->data->pad, out);
  if (st != VW_OK) vw_image_free(out);
  return st;
}

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

static void add_crops(vw_hasher *h, const vw_picture_set *s, int64_t owner) {
  const vw_picture_owner *o = &s->owners[owner];
  vw_hasher_field(h, o->name);
  vw_hasher_int(h, o->n_train);
  for (int64_t i = 0; i < o->n_train; i++) vw_hasher_add(h, &s->train[o->train_first + i].hash, sizeof(vw_hash));
  for (int64_t i = 0; i < o->n_test; i++) vw_hasher_add(h, &s->test[o->test_first + i].hash, sizeof(vw_hash));
}

static void hash_crops(vw_hasher *h, const vw_picture_set *s, const char *concept, bool is_null) {
  vw_hasher_field(h, "viswords-pictures-1");
  for (int64_t i = 0; i < s->n_classes; i++) add_crops(h, s, i);
  for (int64_t i = s->n_classes; i < s->n_owners && !is_null; i++)
    if (!strcmp(s->owners[i].name, concept)) add_crops(h, s, i);
}

/* A picture with the boxes of one owner, or of all classes (owner -1). */
static void add_scene(vw_hasher *h, const vw_picture_set *s, const vw_scenes *scenes, int64_t scene, int64_t owner) {
  const vw_scene *p = &scenes->scene[scene];
  vw_hasher_add(h, &p->picture.hash, sizeof p->picture.hash);
  for (int64_t i = p->first_box; i < p->first_box + p->n_boxes; i++) {
    const vw_box *b = &scenes->box[i];
    if (owner < 0 ? b->owner >= s->n_classes : b->owner != owner) continue;
    vw_hasher_int(h, owner < 0 ? b->owner : 0);
    for (int k = 0; k < 4; k++) vw_hasher_double(h, b->box[k]);
    vw_hasher_double(h, b->area);
    vw_hasher_int(h, b->crowd + 2 * b->ignored);
  }
  vw_hasher_int(h, -1);
}

/* A null concept's boxes are those of classes. A concept's are its own, in all pictures that it is learned from and
 * against, and in all that it is judged on. */
static vw_status hash_scenes(vw_hasher *h, const vw_picture_set *s, const char *concept, bool is_null) {
  const int64_t mine = is_null ? -1 : vw_picture_set_find(s, concept);
  int64_t *judged = malloc((size_t)(s->test_scenes.n + 1) * sizeof *judged);
  VW_CHECK(judged, VW_ERR_MEMORY, "pictures: out of memory");
  vw_hasher_field(h, "viswords-scenes-1");
  for (int64_t o = 0; o < s->n_owners; o++) {
    const vw_picture_owner *w = &s->owners[o];
    if (o >= s->n_classes && o != mine) continue;
    vw_hasher_field(h, w->name);
    vw_hasher_int(h, w->n_chosen);
    for (int64_t k = 0; k < w->n_chosen; k++) add_scene(h, s, &s->train_scenes, w->chosen[k], mine);
  }
  const int64_t n = vw_picture_set_judged(s, mine, judged);
  vw_hasher_int(h, n);
  for (int64_t i = 0; i < n; i++) add_scene(h, s, &s->test_scenes, judged[i], mine);
  free(judged);
  return VW_OK;
}

vw_status vw_picture_set_hash(const vw_picture_set *s, unsigned sees, const char *concept, bool is_null,
                              vw_hash *hash) {
  vw_hasher *h = vw_hasher_create();
  vw_status st = VW_OK;
  VW_CHECK(h, VW_ERR_MEMORY, "pictures: out of memory");
  if (sees & VW_SEES_SCENES)
    st = hash_scenes(h, s, concept, is_null);
  else
    hash_crops(h, s, concept, is_null);
  *hash = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return st;
}

vw_status vw_draw_distinct(uint64_t key, uint32_t purpose, uint32_t *i, int64_t n, int64_t want, int32_t *out,
                           int64_t *n_out) {
  uint8_t *taken = calloc((size_t)n + 1, 1);
  VW_CHECK(taken, VW_ERR_MEMORY, "out of memory");
  if (want > n) want = n;
  for (*n_out = 0; *n_out < want; (*i)++) {
    const uint32_t k = vw_below(vw_draw_u32(key, 0, purpose, *i), (uint32_t)n);
    if (taken[k]) continue;
    taken[k] = 1;
    out[(*n_out)++] = (int32_t)k;
  }
  free(taken);
  return VW_OK;
}
