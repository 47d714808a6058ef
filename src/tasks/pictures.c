#include "tasks/pictures.h"

#include "core/durable.h"
#include "io/folders.h"

#include <stdlib.h>
#include <string.h>

unsigned vw_data_look(const vw_data_config *d) {
  return (d->exif == VW_EXIF_TURN ? VW_IMAGE_TURNED : 0U) | (d->alpha == VW_ALPHA_WHITE ? VW_IMAGE_ON_WHITE : 0U);
}

/* Names of all owners: the classes, then the concepts that are none. `names` has room for all. */
static vw_status list_owners(const vw_data_config *data, const char *const *classes, int64_t n_classes,
                             const char **names, int64_t *n) {
  *n = 0;
  for (int64_t i = 0; i < n_classes; i++) names[(*n)++] = classes[i];
  for (int64_t k = 0; k < data->concepts.n; k++) {
    bool known = false;
    for (int64_t i = 0; i < n_classes && !known; i++) known = !strcmp(classes[i], data->concepts.name[k]);
    if (!known) names[(*n)++] = data->concepts.name[k];
  }
  return VW_OK;
}

/* A picture that is looked at otherwise than as it is stored is another one to features and trials. */
static vw_hash looked_at(vw_hash hash, unsigned look) {
  const vw_hash both[2] = {hash, {.lo = look}};
  return look ? vw_hash_bytes(both, sizeof both) : hash;
}

static vw_status copy_pictures(vw_picture_set *s, const vw_pictures *from, vw_picture *to, int64_t *at) {
  for (int64_t i = 0; i < from->n; i++) {
    to[*at].path = vw_pool_text(&s->pool, from->path[i], -1);
    VW_CHECK(to[*at].path, VW_ERR_MEMORY, "pictures: out of memory");
    to[(*at)++].hash = looked_at(from->hash[i], vw_data_look(s->data));
  }
  return VW_OK;
}

static vw_status copy_owners(vw_picture_set *s, const vw_folders *f, int64_t n_classes) {
  int64_t train = 0, test = 0;
  for (int64_t i = 0; i < f->n; i++) train += f->classes[i].train.n, test += f->classes[i].test.n;
  s->owners = vw_pool_take(&s->pool, (size_t)(f->n + 1) * sizeof *s->owners);
  s->train = vw_pool_take(&s->pool, (size_t)(train + 1) * sizeof *s->train);
  s->test = vw_pool_take(&s->pool, (size_t)(test + 1) * sizeof *s->test);
  VW_CHECK(s->owners && s->train && s->test, VW_ERR_MEMORY, "pictures: out of memory");
  s->n_owners = f->n, s->n_classes = n_classes;
  for (int64_t i = 0; i < f->n; i++) {
    const vw_class_pictures *c = &f->classes[i];
    vw_picture_owner *o = &s->owners[i];
    o->name = vw_pool_text(&s->pool, c->name, -1);
    VW_CHECK(o->name, VW_ERR_MEMORY, "pictures: out of memory");
    o->train_first = s->n_train, o->n_train = c->train.n, o->test_first = s->n_test, o->n_test = c->test.n;
    VW_TRY(copy_pictures(s, &c->train, s->train, &s->n_train));
    VW_TRY(copy_pictures(s, &c->test, s->test, &s->n_test));
    if (i < n_classes) s->class_train = s->n_train, s->class_test = s->n_test;
  }
  return VW_OK;
}

static vw_status open_classes(vw_picture_set *s, const char *const *classes, int64_t n_classes, int64_t seed) {
  const vw_data_config *data = s->data;
  const vw_folders_options options = {.train = data->train, .test = data->test, .seed = seed};
  const char **names = malloc((size_t)(n_classes + data->concepts.n + 1) * sizeof *names);
  vw_folders f = {0};
  int64_t n = 0;
  vw_status st =
      names ? list_owners(data, classes, n_classes, names, &n) : VW_RAISE(VW_ERR_MEMORY, "pictures: out of memory");
  if (st == VW_OK) st = vw_folders_open(&f, data->root, names, n, &options);
  if (st == VW_OK) st = vw_folders_hash(&f);
  if (st == VW_OK) st = copy_owners(s, &f, n_classes);
  vw_folders_close(&f);
  free((void *)names);
  return st;
}

vw_status vw_picture_set_open(vw_picture_set **out, const vw_data_config *data, int64_t seed) {
  vw_picture_set *s = calloc(1, sizeof *s);
  vw_name_list all = {0};
  vw_status st = VW_OK;
  *out = NULL;
  VW_CHECK(s, VW_ERR_MEMORY, "pictures: out of memory");
  s->data = data;
  if (data->classes.n) {
    st = open_classes(s, data->classes.name, data->classes.n, seed);
  } else {
    st = vw_folders_classes(data->root, &all);
    if (st == VW_OK) st = open_classes(s, (const char *const *)all.name, all.n, seed);
    vw_name_list_free(&all);
  }
  if (st != VW_OK) {
    vw_picture_set_close(s);
    return vw_fail(st, __FILE__, __LINE__, "data set '%s'", data->name);
  }
  *out = s;
  return VW_OK;
}

void vw_picture_set_close(vw_picture_set *s) {
  if (!s) return;
  vw_pool_fini(&s->pool);
  free(s);
}

vw_status vw_picture_read(const vw_picture_set *s, const vw_picture *p, vw_image *out) {
  const unsigned look = vw_data_look(s->data);
  char *data = NULL;
  int64_t bytes = 0;
  *out = (vw_image){0};
  VW_TRY(vw_file_read(p->path, &data, &bytes));
  const vw_hash hash = looked_at(vw_hash_bytes(data, (size_t)bytes), look);
  const vw_status st =
      hash.lo == p->hash.lo && hash.hi == p->hash.hi
          ? vw_image_decode(p->path, data, bytes, look, out)
          : VW_RAISE(VW_ERR_IO,
                     "%s: changed while this run read it: nothing was kept of it; the same command starts anew with "
                     "the file as it is then",
                     p->path);
  free(data);
  return st;
}

static void add_owner(vw_hasher *h, const vw_picture_set *s, int64_t owner) {
  const vw_picture_owner *o = &s->owners[owner];
  vw_hasher_field(h, o->name);
  vw_hasher_int(h, o->n_train);
  for (int64_t i = 0; i < o->n_train; i++) vw_hasher_add(h, &s->train[o->train_first + i].hash, sizeof(vw_hash));
  for (int64_t i = 0; i < o->n_test; i++) vw_hasher_add(h, &s->test[o->test_first + i].hash, sizeof(vw_hash));
}

vw_status vw_picture_set_hash(const vw_picture_set *s, const char *concept, bool is_null, vw_hash *hash) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "pictures: out of memory");
  vw_hasher_field(h, "viswords-pictures-1");
  for (int64_t i = 0; i < s->n_classes; i++) add_owner(h, s, i);
  for (int64_t i = s->n_classes; i < s->n_owners && !is_null; i++)
    if (!strcmp(s->owners[i].name, concept)) add_owner(h, s, i);
  *hash = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}
