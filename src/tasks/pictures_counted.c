/* Pictures that are not there: what a plan follows from. */
#include "tasks/pictures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static vw_status check_counts(const vw_data_config *d) {
  const vw_data_counts *n = &d->counts;
  VW_CHECK(d->classes.n || n->classes, VW_ERR_INPUT, "counts.classes is missing");
  VW_CHECK(!d->classes.n || !n->classes || n->classes >= d->classes.n, VW_ERR_INPUT,
           "counts.classes is %" PRId64 ", but %" PRId64 " classes are listed", n->classes, d->classes.n);
  VW_CHECK(d->classes.n || n->classes >= d->concepts.n, VW_ERR_INPUT,
           "counts.classes is %" PRId64 ", but there are %" PRId64 " concepts", n->classes, d->concepts.n);
  VW_CHECK(n->train && n->test, VW_ERR_INPUT, "counts.%s is missing", n->train ? "test" : "train");
  return VW_OK;
}

/* Pictures of a class: the mean, rounded up, of all that the data set has, and no more than are used. */
static int64_t of_class(int64_t all, int64_t classes, int64_t most) {
  const int64_t mean = (all + classes - 1) / classes;
  return mean < most ? mean : most;
}

static bool is_among(const vw_names *names, const char *name) {
  for (int64_t i = 0; i < names->n; i++)
    if (strcmp(names->name[i], name) == 0) return true;
  return false;
}

/* The classes that are listed; else the concepts, then names made up. Then the concepts outside the classes. */
static vw_status name_owners(vw_picture_set *s) {
  const vw_data_config *d = s->data;
  const vw_names *known = d->classes.n ? &d->classes : &d->concepts;
  s->n_classes = d->classes.n ? d->classes.n : d->counts.classes;
  s->owners = vw_pool_take(&s->pool, (size_t)(s->n_classes + d->concepts.n + 1) * sizeof *s->owners);
  VW_CHECK(s->owners, VW_ERR_MEMORY, "pictures: out of memory");
  for (int64_t i = 0; i < s->n_classes; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "class-%" PRId64, i);
    s->owners[s->n_owners].name = vw_pool_text(&s->pool, i < known->n ? known->name[i] : name, -1);
    VW_CHECK(s->owners[s->n_owners++].name, VW_ERR_MEMORY, "pictures: out of memory");
  }
  for (int64_t k = 0; d->classes.n && k < d->concepts.n; k++)
    if (!is_among(&d->classes, d->concepts.name[k])) s->owners[s->n_owners++].name = d->concepts.name[k];
  return VW_OK;
}

static vw_status count_scenes(vw_scenes *scenes, vw_pool *pool, int64_t n) {
  scenes->scene = vw_pool_take(pool, (size_t)(n + 1) * sizeof *scenes->scene);
  VW_CHECK(scenes->scene, VW_ERR_MEMORY, "pictures: out of memory");
  for (int64_t i = 0; i < n; i++) scenes->scene[i] = (vw_scene){.picture = {.path = ""}};
  scenes->n = n;
  return VW_OK;
}

/* Of coco and voc whole pictures are judged by the whole part, not by so many of a class. */
static vw_status count_pictures(vw_picture_set *s) {
  const vw_data_config *d = s->data;
  const int64_t classes = d->counts.classes ? d->counts.classes : d->classes.n;
  const int64_t train = of_class(d->counts.train, classes, d->train), test = of_class(d->counts.test, classes, d->test);
  s->train = vw_pool_take(&s->pool, (size_t)(s->n_owners * train + 1) * sizeof *s->train);
  s->test = vw_pool_take(&s->pool, (size_t)(s->n_owners * test + 1) * sizeof *s->test);
  VW_CHECK(s->train && s->test, VW_ERR_MEMORY, "pictures: out of memory");
  int64_t *place = vw_pool_take(&s->pool, (size_t)(s->n_owners * train + 1) * sizeof *place);
  VW_CHECK(place, VW_ERR_MEMORY, "pictures: out of memory");
  for (int64_t i = 0; i < s->n_owners * train; i++) place[i] = i;
  for (int64_t i = 0; i < s->n_owners; i++) {
    vw_picture_owner *o = &s->owners[i];
    o->train_first = s->n_train, o->n_train = train, o->test_first = s->n_test, o->n_test = test;
    o->chosen = place + o->train_first, o->n_chosen = train;
    s->n_train += train, s->n_test += test;
    if (i < s->n_classes) s->class_train = s->n_train, s->class_test = s->n_test;
  }
  for (int64_t i = 0; i < s->n_train; i++) s->train[i] = (vw_picture){.path = ""};
  for (int64_t i = 0; i < s->n_test; i++) s->test[i] = (vw_picture){.path = ""};
  VW_TRY(count_scenes(&s->train_scenes, &s->pool, s->n_train));
  const bool is_whole = d->kind == VW_DATA_COCO || d->kind == VW_DATA_VOC;
  return count_scenes(&s->test_scenes, &s->pool, is_whole ? d->counts.test : s->n_test);
}

vw_status vw_picture_set_count(vw_picture_set **out, const vw_data_config *data) {
  *out = NULL;
  VW_TRY(check_counts(data));
  vw_picture_set *s = calloc(1, sizeof *s);
  VW_CHECK(s, VW_ERR_MEMORY, "pictures: out of memory");
  s->data = data, s->is_counted = true;
  vw_status st = name_owners(s);
  if (st == VW_OK) st = count_pictures(s);
  if (st != VW_OK) {
    vw_picture_set_close(s);
    return st;
  }
  *out = s;
  return VW_OK;
}
