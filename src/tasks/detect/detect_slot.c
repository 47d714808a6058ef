/* A concept's scenes: those it is learned from, those without it, and those that are judged. */
#include "tasks/detect/detect.h"

#include "core/random.h"
#include "study/trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vw_detect_slot_free(vw_detect_slot *s) {
  free(s->scene), free(s->kept), free(s->judged), free(s->judged_kept);
  *s = (vw_detect_slot){0};
}

static vw_status key_of(const vw_task_inputs *in, const char *concept, uint64_t *key) {
  const vw_stream stream = {.data = in->pictures->data->name, .concept = concept, .replica = 0, .seed = in->seed};
  return vw_stream_key(&stream, key);
}

/* The words of a stream, one after the other. */
typedef struct words_of {
  uint64_t key;
  uint32_t purpose, i;
} words_of;

static int64_t below(words_of *w, int64_t n) {
  return (int64_t)vw_below(vw_draw_u32(w->key, 0, w->purpose, w->i++), (uint32_t)n);
}

/* Draws `want` of the n entries of `list` without repetition, in the order in which they are drawn: they come first. */
static int64_t draw_distinct(words_of *w, int64_t *list, int64_t n, int64_t want) {
  if (want > n) want = n;
  uint8_t *taken = calloc((size_t)n + 1, 1);
  int64_t *drawn = malloc((size_t)(want + 1) * sizeof *drawn);
  int64_t got = taken && drawn ? 0 : -1;
  while (got >= 0 && got < want) {
    const int64_t k = below(w, n);
    if (taken[k]) continue;
    taken[k] = 1, drawn[got++] = list[k];
  }
  if (got > 0) memcpy(list, drawn, (size_t)got * sizeof *list);
  free(taken), free(drawn);
  return got;
}

static int by_place(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

/* The negatives of a slot: at most pictures.negatives of the candidates, ascending. */
static vw_status keep_negatives(vw_detect_slot *s, const vw_task_inputs *in, const char *concept, int64_t *list,
                                int64_t n) {
  words_of w = {.purpose = VW_DRAW_AGAINST};
  const int64_t most = in->model->learn.negatives ? in->pictures->data->negatives : 0;
  VW_TRY(key_of(in, concept, &w.key));
  if (n > most) n = draw_distinct(&w, list, n, most);
  VW_CHECK(n >= 0, VW_ERR_MEMORY, "out of memory");
  qsort(list, (size_t)n, sizeof *list, by_place);
  memcpy(s->scene + s->n_positive, list, (size_t)n * sizeof *list);
  s->n_negative = n;
  return VW_OK;
}

/* Whether the scene has a box of the owner that can be learned from. */
static bool shows(const vw_scenes *all, int64_t scene, int64_t owner) {
  const vw_scene *p = &all->scene[scene];
  for (int64_t b = p->first_box; b < p->first_box + p->n_boxes; b++)
    if (all->box[b].owner == owner && vw_box_is_usable(&all->box[b])) return true;
  return false;
}

/* One of the classes that the scene shows, in their order. -1: none. */
static int64_t draw_class(words_of *w, const vw_picture_set *set, const vw_scenes *all, int64_t scene) {
  int64_t n = 0;
  for (int64_t o = 0; o < set->n_classes; o++) n += shows(all, scene, o);
  if (!n) return -1;
  int64_t k = below(w, n);
  for (int64_t o = 0; o < set->n_classes; o++)
    if (shows(all, scene, o) && k-- == 0) return o;
  return -1;
}

static vw_status fill_real(vw_detect_slot *s, const vw_task_inputs *in, const char *concept, int64_t *room) {
  const vw_picture_set *set = in->pictures;
  s->owner = vw_picture_set_find(set, concept);
  VW_CHECK(s->owner >= 0, VW_ERR_ARG, "concept '%s' is not in data set '%s'", concept, set->data->name);
  const vw_picture_owner *o = &set->owners[s->owner];
  s->n_positive = o->n_chosen;
  for (int64_t i = 0; i < o->n_chosen; i++) s->scene[i] = o->chosen[i], s->kept[i] = s->owner;
  s->n_judged = vw_picture_set_judged(set, s->owner, s->judged);
  for (int64_t i = 0; i < s->n_judged; i++) s->judged_kept[i] = s->owner;
  return keep_negatives(s, in, concept, room, vw_picture_set_negatives(set, s->owner, room));
}

/* Pictures of the classes, and in each one class whose boxes count. */
static vw_status fill_null(vw_detect_slot *s, const vw_task_inputs *in, const char *concept, int64_t *room) {
  const vw_picture_set *set = in->pictures;
  words_of w = {.purpose = VW_DRAW_NULL};
  s->owner = -1;
  VW_TRY(key_of(in, concept, &w.key));
  int64_t n = vw_picture_set_negatives(set, -1, room);
  s->n_positive = draw_distinct(&w, room, n, set->data->train);
  VW_CHECK(s->n_positive >= 0, VW_ERR_MEMORY, "out of memory");
  memcpy(s->scene, room, (size_t)s->n_positive * sizeof *room);
  for (int64_t i = 0; i < s->n_positive; i++) s->kept[i] = draw_class(&w, set, &set->train_scenes, s->scene[i]);
  s->n_judged = vw_picture_set_judged(set, -1, s->judged);
  n = 0;
  for (int64_t i = 0; i < s->n_judged; i++) { /* those that show a class: the others have nothing to be drawn */
    s->judged_kept[i] = -1;
    for (int64_t o = 0; o < set->n_classes; o++)
      if (shows(&set->test_scenes, s->judged[i], o)) {
        room[n++] = i;
        break;
      }
  }
  n = draw_distinct(&w, room, n, set->data->test);
  VW_CHECK(n >= 0, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < n; i++) s->judged_kept[room[i]] = draw_class(&w, set, &set->test_scenes, s->judged[room[i]]);
  const int64_t all = vw_picture_set_negatives(set, -1, room);
  n = 0;
  for (int64_t i = 0; i < all; i++) {
    bool mine = false;
    for (int64_t j = 0; j < s->n_positive; j++) mine |= s->scene[j] == room[i];
    if (!mine) room[n++] = room[i];
  }
  return keep_negatives(s, in, concept, room, n);
}

vw_status vw_detect_slot_create(vw_detect_slot *s, const vw_task_inputs *in, const char *concept, bool is_null) {
  const vw_picture_set *set = in->pictures;
  const size_t train = (size_t)set->train_scenes.n + 1, test = (size_t)set->test_scenes.n + 1;
  int64_t *room = malloc((train + test) * sizeof *room);
  *s = (vw_detect_slot){.scene = malloc(2 * train * sizeof(int64_t)),
                        .kept = malloc(train * sizeof(int64_t)),
                        .judged = malloc(test * sizeof(int64_t)),
                        .judged_kept = malloc(test * sizeof(int64_t))};
  vw_status st = room && s->scene && s->kept && s->judged && s->judged_kept
                     ? VW_OK
                     : VW_RAISE(VW_ERR_MEMORY, "out of memory for %zu pictures", train + test);
  if (st == VW_OK) st = is_null ? fill_null(s, in, concept, room) : fill_real(s, in, concept, room);
  const bool needs = in->model->learn.negatives > 0;
  if (st == VW_OK && (!s->n_positive || !s->n_judged || (needs && !s->n_negative)))
    st = VW_RAISE(VW_ERR_INPUT,
                  "data set '%s', concept '%s': %" PRId64 " training pictures with it, %" PRId64
                  " without it and %" PRId64 " pictures to judge on; each must be at least 1",
                  set->data->name, concept, s->n_positive, s->n_negative, s->n_judged);
  free(room);
  if (st != VW_OK) vw_detect_slot_free(s);
  return st;
}

/* ---- of all concepts --------------------------------------------------------------------------------------------- */

static vw_status mark_wanted(const vw_task_inputs *in, const char *concept, bool is_null, uint8_t *wanted) {
  vw_detect_slot s;
  VW_TRY(vw_detect_slot_create(&s, in, concept, is_null));
  for (int64_t i = 0; i < s.n_positive + s.n_negative; i++) wanted[s.scene[i]] = 1;
  vw_detect_slot_free(&s);
  return VW_OK;
}

vw_status vw_detect_wanted(const vw_task_inputs *in, int64_t **scene, int64_t *n) {
  const vw_names *concepts = &in->pictures->data->concepts;
  const int64_t all = in->pictures->train_scenes.n;
  uint8_t *wanted = calloc((size_t)all + 1, 1);
  vw_status st = VW_OK;
  *scene = malloc((size_t)(all + 1) * sizeof **scene), *n = 0;
  if (!wanted || !*scene) st = VW_RAISE(VW_ERR_MEMORY, "out of memory");
  for (int64_t k = 0; st == VW_OK && k < concepts->n; k++) st = mark_wanted(in, concepts->name[k], false, wanted);
  for (int64_t k = concepts->n; st == VW_OK && k < in->concepts; k++) {
    char name[32];
    (void)snprintf(name, sizeof name, "null-%" PRId64, k - concepts->n);
    st = mark_wanted(in, name, true, wanted);
  }
  for (int64_t i = 0; st == VW_OK && i < all; i++)
    if (wanted[i]) (*scene)[(*n)++] = i;
  free(wanted);
  if (st != VW_OK) free(*scene), *scene = NULL;
  return st;
}
