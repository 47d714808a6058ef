/* Whole pictures with the boxes of all owners, each picture once. */
#include "tasks/pictures_internal.h"

#include "core/durable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool vw_scene_holds(const vw_scenes *s, int64_t scene, int64_t owner) {
  const vw_scene *p = &s->scene[scene];
  for (int64_t b = p->first_box; b < p->first_box + p->n_boxes; b++)
    if (s->box[b].owner == owner) return true;
  return false;
}

int64_t vw_picture_set_negatives(const vw_picture_set *s, int64_t owner, int64_t *out) {
  const vw_scenes *scenes = &s->train_scenes;
  int64_t n = 0;
  for (int64_t i = 0; i < scenes->n; i++) out[i] = 0;
  for (int64_t o = 0; o < s->n_classes; o++)
    for (int64_t k = 0; o != owner && k < s->owners[o].n_chosen; k++) out[s->owners[o].chosen[k]] = 1;
  for (int64_t i = 0; i < scenes->n; i++)
    if (out[i] && (owner < 0 || !vw_scene_holds(scenes, i, owner))) out[n++] = i; /* n <= i: what is read is ahead */
  return n;
}

int64_t vw_picture_set_judged(const vw_picture_set *s, int64_t owner, int64_t *out) {
  const vw_scenes *scenes = &s->test_scenes;
  const bool all = !vw_dataset_kinds[s->data->kind]->one_owner;
  int64_t n = 0;
  for (int64_t i = 0; i < scenes->n; i++) {
    const int64_t of = scenes->scene[i].n_boxes ? scenes->box[scenes->scene[i].first_box].owner : -1;
    if (all || of < s->n_classes || of == owner) out[n++] = i;
  }
  return n;
}

/* ---- making them ------------------------------------------------------------------------------------------------- */

/* A box of no more than "this is a picture of it": the picture's edges. */
static void complete(vw_box *b, const vw_scene *p) {
  if (!b->whole) return;
  b->box[0] = b->box[1] = 0, b->box[2] = (double)p->width, b->box[3] = (double)p->height;
  b->area = b->box[2] * b->box[3];
}

static vw_status find_size(const vw_picture_set *s, vw_scene *p) {
  p->width = p->picture.width, p->height = p->picture.height;
  if (p->width) return VW_OK;
  return vw_image_size(p->picture.path, vw_data_look(s->data), &p->height, &p->width);
}

/* The pictures of a part that are wanted (NULL: all), with all their boxes. */
static vw_status take_scenes(vw_picture_set *s, const vw_dataset *d, vw_part which, const uint8_t *wanted,
                             vw_scenes *out) {
  const vw_dataset_part *part = &d->part[which];
  int64_t n = 0, boxes = 0;
  for (int64_t i = 0; i < part->n; i++)
    if (!wanted || wanted[i]) n++, boxes += part->picture[i].n_boxes;
  out->scene = vw_pool_take(&s->pool, (size_t)(n + 1) * sizeof *out->scene);
  out->box = vw_pool_take(&s->pool, (size_t)(boxes + 1) * sizeof *out->box);
  VW_CHECK(out->scene && out->box, VW_ERR_MEMORY, "pictures: out of memory for %" PRId64, n);
  for (int64_t i = 0; i < part->n; i++) {
    const vw_dataset_picture *p = &part->picture[i];
    if (wanted && !wanted[i]) continue;
    vw_scene *to = &out->scene[out->n++];
    *to = (vw_scene){.id = p->id, .first_box = out->n_boxes, .n_boxes = p->n_boxes};
    VW_TRY(vw_picture_take(s, d, which, i, &(vw_crop){0}, &to->picture));
    VW_TRY(find_size(s, to));
    for (int64_t b = 0; b < p->n_boxes; b++) {
      out->box[out->n_boxes] = part->box[p->first_box + b];
      complete(&out->box[out->n_boxes++], to);
    }
  }
  return VW_OK;
}

/* Says how many pictures are missing, not only that the first one is. */
static vw_status expect_files(const vw_dataset *d, vw_part which, const uint8_t *wanted) {
  const vw_dataset_part *part = &d->part[which];
  char path[VW_PATH_BYTES], first[VW_PATH_BYTES] = "";
  int64_t missing = 0, n = 0;
  for (int64_t i = 0; i < part->n; i++) {
    if (wanted && !wanted[i]) continue;
    n++;
    VW_TRY(vw_dataset_path(part, &part->picture[i], path));
    if (vw_file_exists(path)) continue;
    if (!missing++) memcpy(first, path, sizeof first);
  }
  VW_CHECK(!missing, VW_ERR_INPUT,
           "%" PRId64 " of the %" PRId64 " pictures of '%s' that are needed are not there, first %s", missing, n,
           part->name, first);
  return VW_OK;
}

/* Which training pictures are used, and for whom: a list of candidates. */
static vw_status choose_train(vw_picture_set *s, const vw_dataset *d, int64_t seed, vw_candidate **c, int64_t *n) {
  const vw_choosing how = {.data = s->data,
                           .from = d,
                           .seed = seed,
                           .part = VW_TRAIN,
                           .purpose = "viswords-scenes-1",
                           .most = s->data->train};
  vw_unusable u = {0};
  VW_TRY(vw_choose_pictures(&how, c, n, &u));
  if (u.crowd + u.ignored + u.empty == 0) return VW_OK;
  return vw_leave_out(s, u.crowd + u.ignored + u.empty, "training boxes",
                      "%s: of %" PRId64 " boxes nothing is learned from %" PRId64 " that are crowds, %" PRId64
                      " that are difficult, %" PRId64 " that are empty or outside",
                      d->part[VW_TRAIN].name, u.boxes, u.crowd, u.ignored, u.empty);
}

static vw_status give_chosen(vw_picture_set *s, const vw_candidate *c, int64_t n, const int64_t *scene_of) {
  int64_t *chosen = vw_pool_take(&s->pool, (size_t)(n + 1) * sizeof *chosen);
  VW_CHECK(chosen, VW_ERR_MEMORY, "pictures: out of memory");
  for (int64_t i = 0; i < n; i++) {
    vw_picture_owner *o = &s->owners[c[i].owner];
    if (!o->n_chosen) o->chosen = &chosen[i];
    o->n_chosen++;
    chosen[i] = scene_of[c[i].picture];
  }
  return VW_OK;
}

static vw_status open_train(vw_picture_set *s, const vw_dataset *d, int64_t seed) {
  const int64_t n_all = d->part[VW_TRAIN].n;
  vw_candidate *c = NULL;
  int64_t n = 0, *scene_of = malloc((size_t)(n_all + 1) * sizeof *scene_of);
  uint8_t *wanted = calloc((size_t)n_all + 1, 1);
  vw_status st = scene_of && wanted ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "pictures: out of memory");
  if (st != VW_OK) goto cleanup;
  VW_GOTO(choose_train(s, d, seed, &c, &n));
  for (int64_t i = 0; i < n; i++) wanted[c[i].picture] = 1;
  for (int64_t i = 0, at = 0; i < n_all; i++) scene_of[i] = wanted[i] ? at++ : -1;
  VW_GOTO(expect_files(d, VW_TRAIN, wanted));
  VW_GOTO(take_scenes(s, d, VW_TRAIN, wanted, &s->train_scenes));
  VW_GOTO(give_chosen(s, c, n, scene_of));
cleanup:
  free(c), free(scene_of), free(wanted);
  return st;
}

vw_status vw_open_scenes(vw_picture_set *s, const vw_dataset *d, int64_t seed, const vw_picture_refusals *refusals,
                         bool *refused) {
  VW_TRY(open_train(s, d, seed));
  VW_TRY(expect_files(d, VW_TEST, NULL));
  VW_TRY(take_scenes(s, d, VW_TEST, NULL, &s->test_scenes));
  for (int64_t i = 0; i < s->n_owners; i++)
    if (!s->owners[i].n_chosen && vw_owner_is_concept(s->data, s->owners[i].name))
      VW_TRY(vw_refuse_owner(s->data, refusals, s->owners[i].name, refused,
                             VW_RAISE(VW_ERR_INPUT,
                                      "'%s' has no box in %s to learn from (no crowd, not difficult, not empty)",
                                      s->owners[i].name, d->part[VW_TRAIN].name)));
  return VW_OK;
}
