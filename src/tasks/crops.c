/* Squares around boxes: which, where, and their pixels. */
#include "tasks/pictures_internal.h"

#include "core/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- geometry ---------------------------------------------------------------------------------------------------- */

bool vw_box_is_usable(const vw_box *b) {
  return !b->crowd && !b->ignored && (b->whole || (b->box[2] > 0 && b->box[3] > 0));
}

bool vw_box_inside(const vw_box *b, double width, double height, double inside[4]) {
  const double x = fmax(b->box[0], 0), y = fmax(b->box[1], 0);
  const double right = fmin(b->box[0] + b->box[2], width), bottom = fmin(b->box[1] + b->box[3], height);
  inside[0] = x, inside[1] = y, inside[2] = right - x, inside[3] = bottom - y;
  return inside[2] > 0 && inside[3] > 0;
}

vw_crop vw_crop_around(const double inside[4], double margin) {
  const double side = fmax(1, floor(margin * fmax(inside[2], inside[3]) + 0.5));
  return (vw_crop){.x = (int64_t)floor(inside[0] + inside[2] / 2 - side / 2 + 0.5),
                   .y = (int64_t)floor(inside[1] + inside[3] / 2 - side / 2 + 0.5),
                   .side = (int64_t)side};
}

enum { GREY = 128 };

vw_status vw_crop_cut(const vw_crop *crop, int pad, vw_image *image) {
  const int64_t S = crop->side;
  VW_CHECK(S > 0 && S <= VW_MAX_PIXELS / S, VW_ERR_INPUT, "a crop of %" PRId64 " pixels a side is too large", S);
  uint8_t *rgb = malloc((size_t)(S * S * 3));
  VW_CHECK(rgb, VW_ERR_MEMORY, "no memory for a crop of %" PRId64 " pixels a side", S);
  memset(rgb, pad == VW_PAD_BLACK ? 0 : GREY, (size_t)(S * S * 3));
  const int64_t left = crop->x < 0 ? -crop->x : 0;
  const int64_t right = crop->x + S > image->width ? image->width - crop->x : S;
  for (int64_t y = 0; y < S && left < right; y++) {
    const int64_t from = crop->y + y;
    if (from < 0 || from >= image->height) continue;
    memcpy(rgb + (y * S + left) * 3, image->rgb + (from * image->width + crop->x + left) * 3,
           (size_t)((right - left) * 3));
  }
  vw_image_free(image);
  *image = (vw_image){.height = S, .width = S, .rgb = rgb};
  return VW_OK;
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

/* Two words from the seed, the owner's name and the file's name: nothing else moves a draw. */
static vw_status draw(const vw_choosing *how, const char *owner, const char *file, vw_hash *drawn) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "pictures: out of memory");
  vw_hasher_field(h, how->purpose);
  vw_hasher_int(h, how->seed);
  vw_hasher_field(h, owner);
  vw_hasher_field(h, file);
  *drawn = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}

/* A box that can be learned from; of a picture whose size is not known yet, boxes lie inside. */
static bool is_good(const vw_choosing *how, const vw_dataset_picture *p, const vw_box *b) {
  double inside[4];
  if (!vw_box_is_usable(b)) return false;
  if (b->whole || !p->width) return true;
  return vw_box_inside(b, (double)p->width, (double)p->height, inside) && fmax(inside[2], inside[3]) >= how->least;
}

static void count_unusable(const vw_choosing *how, const vw_dataset_picture *p, const vw_box *b, vw_unusable *u) {
  u->boxes++;
  if (b->crowd)
    u->crowd++;
  else if (b->ignored)
    u->ignored++;
  else if (!is_good(how, p, b)) {
    double inside[4];
    *(vw_box_inside(b, (double)p->width, (double)p->height, inside) ? &u->small : &u->empty) += 1;
  }
}

/* The candidate of one owner in a picture, whose first good box is `first`. */
static vw_status add_candidate(const vw_choosing *how, int64_t picture, int64_t first, vw_candidate *out) {
  const vw_dataset_part *part = &how->from->part[how->part];
  const vw_dataset_picture *p = &part->picture[picture];
  const int64_t owner = part->box[first].owner, end = p->first_box + p->n_boxes;
  int64_t good = 0;
  vw_hash drawn;
  for (int64_t b = first; b < end; b++) good += part->box[b].owner == owner && is_good(how, p, &part->box[b]);
  VW_TRY(draw(how, how->from->owner[owner], p->file, &drawn));
  int64_t at = vw_below((uint32_t)drawn.hi, (uint32_t)good);
  *out = (vw_candidate){.owner = owner, .picture = picture, .rank = drawn.lo, .box = first};
  for (int64_t b = first; b < end && at >= 0; b++)
    if (part->box[b].owner == owner && is_good(how, p, &part->box[b]) && at-- == 0) out->box = b;
  return VW_OK;
}

static bool is_first_good(const vw_choosing *how, const vw_dataset_picture *p, int64_t b) {
  const vw_box *box = how->from->part[how->part].box;
  if (!is_good(how, p, &box[b])) return false;
  for (int64_t k = p->first_box; k < b; k++)
    if (box[k].owner == box[b].owner && is_good(how, p, &box[k])) return false;
  return true;
}

static int by_rank(const void *a, const void *b) {
  const vw_candidate *x = a, *y = b;
  if (x->owner != y->owner) return x->owner < y->owner ? -1 : 1;
  if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
  return (x->picture > y->picture) - (x->picture < y->picture);
}

static int by_picture(const void *a, const void *b) {
  const vw_candidate *x = a, *y = b;
  if (x->owner != y->owner) return x->owner < y->owner ? -1 : 1;
  return (x->picture > y->picture) - (x->picture < y->picture);
}

vw_status vw_choose_pictures(const vw_choosing *how, vw_candidate **list, int64_t *n, vw_unusable *unusable) {
  const vw_dataset_part *part = &how->from->part[how->part];
  int64_t all = 0, kept = 0;
  *n = 0, *unusable = (vw_unusable){0};
  *list = malloc((size_t)(part->n_boxes + 1) * sizeof **list);
  VW_CHECK(*list, VW_ERR_MEMORY, "pictures: out of memory for %" PRId64 " boxes", part->n_boxes);
  vw_candidate *c = *list;
  for (int64_t i = 0; i < part->n; i++) {
    const vw_dataset_picture *p = &part->picture[i];
    for (int64_t b = p->first_box; b < p->first_box + p->n_boxes; b++) {
      count_unusable(how, p, &part->box[b], unusable);
      if (is_first_good(how, p, b)) VW_TRY(add_candidate(how, i, b, &c[all++]));
    }
  }
  qsort(c, (size_t)all, sizeof *c, by_rank);
  for (int64_t i = 0, of_owner = 0; i < all; i++) {
    of_owner = i && c[i].owner == c[i - 1].owner ? of_owner + 1 : 0;
    if (of_owner < how->most) c[kept++] = c[i];
  }
  qsort(c, (size_t)kept, sizeof *c, by_picture);
  *n = kept;
  return VW_OK;
}

vw_status vw_drop_damaged(vw_picture_set *s, const vw_dataset *d, vw_part part, vw_candidate *c, int64_t *n) {
  int64_t kept = 0;
  for (int64_t i = 0; i < *n; i++) {
    bool is_whole = true;
    VW_TRY(vw_picture_is_whole(s, d, part, c[i].picture, &is_whole));
    if (is_whole) c[kept++] = c[i];
  }
  *n = kept;
  return VW_OK;
}

/* ---- the view ---------------------------------------------------------------------------------------------------- */

static vw_status say_unusable(vw_picture_set *s, const vw_choosing *how, const vw_unusable *u) {
  const char *name = how->from->part[how->part].name;
  if (u->crowd + u->ignored + u->empty + u->small == 0) return VW_OK;
  return vw_leave_out(
      s, u->crowd + u->ignored + u->empty + u->small, how->part == VW_TRAIN ? "training boxes" : "test boxes",
      "%s: of %" PRId64 " boxes no crop is made around %" PRId64 " that are crowds, %" PRId64
      " that are difficult, %" PRId64 " that are empty or outside, %" PRId64 " whose longer side is below %g px",
      name, u->boxes, u->crowd, u->ignored, u->empty, u->small, how->least);
}

/* Those that are damaged are left out where the study says so: *n and the list shrink. */
static vw_status take_crops(vw_picture_set *s, const vw_choosing *how, vw_candidate *c, int64_t *n, vw_picture *out) {
  const vw_dataset_part *part = &how->from->part[how->part];
  VW_TRY(vw_drop_damaged(s, how->from, how->part, c, n));
  for (int64_t i = 0; i < *n; i++) {
    const vw_dataset_picture *p = &part->picture[c[i].picture];
    double inside[4];
    (void)vw_box_inside(&part->box[c[i].box], (double)p->width, (double)p->height, inside);
    const vw_crop crop = vw_crop_around(inside, s->data->crop_margin);
    VW_TRY(vw_picture_take(s, how->from, how->part, c[i].picture, &crop, &out[i]));
  }
  return VW_OK;
}

/* The pictures of data sets whose pictures have one owner: as they come. */
static vw_status take_whole(vw_picture_set *s, const vw_dataset *d, vw_part which, vw_candidate *c, int64_t *n,
                            vw_picture *out) {
  const vw_dataset_part *part = &d->part[which];
  for (int64_t i = 0; i < part->n; i++)
    c[i] = (vw_candidate){.owner = part->box[part->picture[i].first_box].owner, .picture = i};
  VW_TRY(vw_drop_damaged(s, d, which, c, n));
  for (int64_t i = 0; i < *n; i++) VW_TRY(vw_picture_take(s, d, which, c[i].picture, &(vw_crop){0}, &out[i]));
  return VW_OK;
}

/* Places of each owner's pictures, which come owner by owner. */
static void count_owner(vw_picture_owner *o, vw_part part, int64_t at) {
  int64_t *first = part == VW_TRAIN ? &o->train_first : &o->test_first,
          *n = part == VW_TRAIN ? &o->n_train : &o->n_test;
  if (*n == 0) *first = at;
  (*n)++;
}

static vw_status fill_part(vw_picture_set *s, const vw_choosing *how) {
  const vw_dataset_part *part = &how->from->part[how->part];
  const bool whole = how->from->kind->one_owner;
  vw_candidate *c = NULL;
  vw_unusable unusable = {0};
  int64_t n = part->n;
  vw_status st = VW_OK;
  if (!whole) VW_GOTO(vw_choose_pictures(how, &c, &n, &unusable));
  if (whole && !(c = malloc((size_t)(n + 1) * sizeof *c))) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "pictures: out of memory"));
  vw_picture *to = vw_pool_take(&s->pool, (size_t)(n + 1) * sizeof *to);
  if (!to) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "pictures: out of memory for %" PRId64, n));
  VW_GOTO(whole ? take_whole(s, how->from, how->part, c, &n, to) : take_crops(s, how, c, &n, to));
  if (how->part == VW_TRAIN)
    s->train = to, s->n_train = n;
  else
    s->test = to, s->n_test = n;
  for (int64_t i = 0; i < n; i++) count_owner(&s->owners[c[i].owner], how->part, i);
  VW_GOTO(say_unusable(s, how, &unusable));
cleanup:
  free(c);
  return st;
}

/* Owners without pictures keep their place in the order. */
static void place_empty(vw_picture_set *s) {
  int64_t train = 0, test = 0;
  for (int64_t i = 0; i < s->n_owners; i++) {
    vw_picture_owner *o = &s->owners[i];
    if (!o->n_train) o->train_first = train;
    if (!o->n_test) o->test_first = test;
    train += o->n_train, test += o->n_test;
    if (i < s->n_classes) s->class_train = train, s->class_test = test;
  }
}

/* Classes without pictures: only their names compete. */
static vw_status say_empty(vw_picture_set *s, const vw_dataset *d) {
  for (int part = 0; part < VW_PARTS; part++) {
    char names[512] = "";
    int64_t n = 0;
    size_t at = 0;
    for (int64_t i = 0; i < s->n_classes; i++) {
      if ((part == VW_TRAIN ? s->owners[i].n_train : s->owners[i].n_test) > 0) continue;
      if (n++ && at < sizeof names) at += (size_t)snprintf(names + at, sizeof names - at, ", ");
      if (at < sizeof names) at += (size_t)snprintf(names + at, sizeof names - at, "%s", s->owners[i].name);
    }
    if (n && !d->kind->one_owner)
      VW_TRY(vw_leave_out(s, n, part == VW_TRAIN ? "classes without a training crop" : "classes without a test crop",
                          "%s: %" PRId64 " classes have no crop, only their names compete: %s", d->part[part].name, n,
                          names));
  }
  return VW_OK;
}

vw_status vw_open_crops(vw_picture_set *s, const vw_dataset *d, int64_t seed, const vw_picture_refusals *refusals,
                        bool *refused) {
  const vw_data_config *data = s->data;
  for (int i = 0; i < VW_PARTS; i++) {
    const vw_choosing how = {.data = data,
                             .from = d,
                             .seed = seed,
                             .part = (vw_part)i,
                             .purpose = "viswords-crops-1",
                             .least = (double)data->crop_least,
                             .most = i == VW_TRAIN ? data->train : data->test};
    VW_TRY(fill_part(s, &how));
  }
  place_empty(s);
  VW_TRY(say_empty(s, d));
  for (int64_t i = 0; i < s->n_owners; i++) {
    const vw_picture_owner *o = &s->owners[i];
    const bool learns = o->n_train > 0, judges = o->n_test > 0 || !(s->sees & VW_SEES_TEST);
    if ((learns && judges) || !vw_owner_is_concept(data, o->name)) continue;
    if (s->n_damaged) {
      VW_TRY(vw_refuse_owner(data, refusals, o->name, refused,
                             VW_RAISE(VW_ERR_INPUT, "'%s' has no picture left in %s that can be read: %s", o->name,
                                      d->part[learns ? VW_TEST : VW_TRAIN].name, s->damage)));
      continue;
    }
    VW_TRY(vw_refuse_owner(data, refusals, o->name, refused,
                           VW_RAISE(VW_ERR_INPUT,
                                    "'%s' has no box in %s to make a crop around (longer side at least %" PRId64
                                    " px, no crowd, not difficult); choose another concept, or lower crop.least",
                                    o->name, d->part[learns ? VW_TEST : VW_TRAIN].name, data->crop_least)));
  }
  return VW_OK;
}
