/* Class folders (io/folders.h), and DreamBooth's folders of subjects. */
#include "io/annotations/dataset_internal.h"

#include "core/durable.h"
#include "io/folders.h"
#include "io/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vw_folders_options options_of(const vw_dataset_ask *ask) {
  const vw_data_config *d = ask->data;
  const bool subjects = d->kind == VW_DATA_DREAMBOOTH;
  return (vw_folders_options){.train = d->train,
                              .test = d->test,
                              .seed = ask->seed,
                              .no_test = !ask->needs_test,
                              .subjects = subjects,
                              .folds = subjects ? d->folds : 0,
                              .fold = d->fold};
}

static vw_status take_part(vw_dataset *out, vw_part part, int64_t owner, const vw_pictures *from) {
  vw_dataset_part *p = &out->part[part];
  for (int64_t i = 0; i < from->n; i++) {
    p->box[p->n_boxes] = (vw_box){.owner = owner, .whole = true};
    p->picture[p->n] = (vw_dataset_picture){
        .file = vw_pool_text(&out->pool, from->path[i], -1), .id = p->n, .first_box = p->n_boxes, .n_boxes = 1};
    VW_CHECK(p->picture[p->n].file, VW_ERR_MEMORY, "data set: out of memory");
    p->n++, p->n_boxes++;
  }
  return VW_OK;
}

static vw_status take_folders(const vw_folders *f, vw_dataset *out) {
  int64_t n[VW_PARTS] = {0};
  for (int64_t i = 0; i < f->n; i++) n[VW_TRAIN] += f->classes[i].train.n, n[VW_TEST] += f->classes[i].test.n;
  out->owner = vw_pool_take(&out->pool, (size_t)(f->n + 1) * sizeof *out->owner);
  VW_CHECK(out->owner, VW_ERR_MEMORY, "data set: out of memory");
  for (int i = 0; i < VW_PARTS; i++) {
    vw_dataset_part *p = &out->part[i];
    p->name = i == VW_TRAIN ? "train" : "test", p->folder = "";
    p->picture = vw_pool_take(&out->pool, (size_t)(n[i] + 1) * sizeof *p->picture);
    p->box = vw_pool_take(&out->pool, (size_t)(n[i] + 1) * sizeof *p->box);
    VW_CHECK(p->picture && p->box, VW_ERR_MEMORY, "data set: out of memory");
  }
  for (int64_t i = 0; i < f->n; i++) {
    out->owner[i] = vw_pool_text(&out->pool, f->classes[i].name, -1);
    VW_CHECK(out->owner[i], VW_ERR_MEMORY, "data set: out of memory");
    out->n_owners++;
    VW_TRY(take_part(out, VW_TRAIN, i, &f->classes[i].train));
    VW_TRY(take_part(out, VW_TEST, i, &f->classes[i].test));
  }
  return VW_OK;
}

static vw_status leave_out(vw_dataset *out, int64_t count, const char *what, const char *why) {
  vw_left_out *l = &out->left_out[out->n_left_out++];
  *l = (vw_left_out){.count = count, .what = what, .why = vw_pool_text(&out->pool, why, -1)};
  VW_CHECK(l->why, VW_ERR_MEMORY, "data set: out of memory");
  return VW_OK;
}

/* Of the pictures of a part those that `limit` leaves out. */
static vw_status say_limit(const vw_folders *f, int part, const vw_data_config *d, vw_dataset *out) {
  int64_t used = 0, there = 0, most = 0, where = 0;
  const int64_t limit = part == VW_TRAIN ? d->train : d->test;
  char text[VW_PATH_BYTES];
  for (int64_t i = 0; i < f->n; i++) {
    const vw_class_pictures *c = &f->classes[i];
    const int64_t n = part == VW_TRAIN ? c->train_there : c->test_there;
    there += n;
    if (part == VW_TRAIN) used += c->train.n + (c->test_there ? 0 : c->test.n); /* one folder for both */
    if (part == VW_TEST && c->test_there) used += c->test.n;
    if (n > most) most = n, where = i;
  }
  if (used == there) return VW_OK;
  (void)snprintf(text, sizeof text,
                 "%" PRId64 " of %" PRId64 " %s pictures are used, at most %" PRId64
                 " of a class (pictures.%s): '%.100s' has %" PRId64,
                 used, there, part == VW_TRAIN ? "training" : "test", limit, part == VW_TRAIN ? "train" : "test",
                 f->classes[where].name, most);
  return leave_out(out, there - used, part == VW_TRAIN ? "training pictures" : "test pictures", text);
}

static vw_status say_left_out(const vw_folders *f, const vw_data_config *d, vw_dataset *out) {
  char text[2 * VW_PATH_BYTES];
  VW_TRY(say_limit(f, VW_TRAIN, d, out));
  VW_TRY(say_limit(f, VW_TEST, d, out));
  if (!f->unread.n) return VW_OK;
  (void)snprintf(text, sizeof text,
                 "%" PRId64 " file%s not read, as %s: convert to JPEG, PNG or WebP, or name JPEG files .jpg",
                 f->unread.n, f->unread.n == 1 ? " is" : "s are", f->unread.first);
  return leave_out(out, f->unread.n, "files", text);
}

/* Opening stops at the first mistake: then each name is tried alone. */
static vw_status find_wrong(const vw_dataset_ask *ask, const char *const *names, int64_t n, vw_status first) {
  const vw_folders_options o = options_of(ask);
  char *message = strdup(vw_error_message());
  int64_t refused = 0;
  vw_status st = message ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "data set: out of memory");
  for (int64_t i = 0; i < n && st == VW_OK; i++) {
    vw_folders f = {0};
    const vw_status wrong = vw_folders_open(&f, ask->data->root, &names[i], 1, &o);
    vw_folders_close(&f);
    if (wrong != VW_OK) refused++, st = vw_dataset_refuse(ask, names[i], wrong);
  }
  if (st == VW_OK && !refused) st = VW_RAISE(first, "%s", message); /* none of the names: what it said then */
  free(message);
  return st;
}

static vw_status read_named(const vw_dataset_ask *ask, const char *const *names, int64_t n, vw_dataset *out) {
  const vw_folders_options o = options_of(ask);
  vw_folders f = {0};
  vw_status st = vw_folders_open(&f, ask->data->root, names, n, &o);
  if (st == VW_OK)
    st = vw_first(take_folders(&f, out), say_left_out(&f, ask->data, out));
  else if (ask->refuse)
    st = find_wrong(ask, names, n, st);
  vw_folders_close(&f);
  return st;
}

/* All classes as the study spells them, then concepts that are none, which are refused. */
static vw_status read_folders(const vw_dataset_ask *ask, vw_dataset *out) {
  const vw_names *concepts = &ask->data->concepts;
  vw_name_list there = {0};
  VW_TRY(vw_folders_classes(ask->data->root, ask->data->kind == VW_DATA_DREAMBOOTH, &there));
  const char **names = malloc((size_t)(there.n + concepts->n + 1) * sizeof *names);
  vw_status st = names ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "data set: out of memory");
  if (st == VW_OK && ask->owner) {
    st = read_named(ask, ask->owner, ask->n_owners, out);
  } else if (st == VW_OK) {
    int64_t n = 0;
    for (int64_t i = 0; i < there.n; i++) names[n++] = there.name[i];
    for (int64_t k = 0; k < concepts->n; k++) {
      const int64_t at = vw_name_place((const char *const *)there.name, there.n, concepts->name[k]);
      names[at < 0 ? n++ : at] = concepts->name[k];
    }
    st = read_named(ask, names, n, out);
  }
  free((void *)names);
  vw_name_list_free(&there);
  return st;
}

const vw_dataset_kind vw_folders_dataset = {.name = "folders", .one_owner = true, .read = read_folders};
const vw_dataset_kind vw_dreambooth_dataset = {.name = "dreambooth", .one_owner = true, .read = read_folders};
