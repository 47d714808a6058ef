/* Judging words on whole pictures: each goes through the tower once, then all words meet it in tiles. A part is PART
 * pictures; a word keeps the boxes of its TOP patches of each. */
#include "tasks/detect/detect.h"
#include "tasks/leaves.h"
#include "tasks/sentences.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  PART = VW_DETECT_PART,
  TOP = VW_DETECT_TOP,
  SCORE = 0,
  BOX = 1,
  NUMBERS = VW_DETECT_NUMBERS,
  OF_PICTURE = TOP * NUMBERS
};

/* What is ready for judging, and the pictures that were looked at last: words of many blocks come to the same ones. */
struct vw_detect_judge {
  vw_patch_maker *maker;
  vw_patches seen; /* of the pictures of part `part` */
  int64_t part;    /* -1: none */
  vw_graph *graph; /* of a tile of words and one picture */
  vw_program *program;
  bool prepared;
};

void vw_detect_judge_destroy(vw_detect_judge *j) {
  if (!j) return;
  vw_program_destroy(j->program);
  vw_graph_destroy(j->graph);
  vw_patch_maker_destroy(j->maker);
  vw_patches_free(&j->seen);
  free(j);
}

vw_status vw_detect_logits_graph(vw_graph *g, const vw_owlv2_network *n, int64_t words) {
  const int64_t N = vw_owlv2_patches(n), C = n->clip.vision.projection, one = 1;
  const vw_value q = vw_input(g, vw_shape(VW_HEAD, words, C), "q");
  const vw_patch_features f = {.features = vw_input(g, vw_shape(vw_owlv2_embedding_type(n), one, N, C), "features"),
                               .shift = vw_input(g, vw_shape(VW_HEAD, one, N), "shift"),
                               .scale = vw_input(g, vw_shape(VW_HEAD, one, N), "scale")};
  vw_output(g, vw_owlv2_logits(g, q, f, vw_input(g, vw_shape(VW_I32, one, one), "picture")), "logits");
  return vw_graph_status(g);
}

static vw_status judge_create(vw_detect *t) {
  const int32_t zero = 0;
  vw_detect_judge *j = calloc(1, sizeof *j);
  t->judging = j;
  VW_CHECK(j, VW_ERR_MEMORY, "judging: out of memory");
  j->part = -1;
  VW_TRY(vw_patches_create(&j->seen, t->network, PART));
  VW_TRY(vw_patch_maker_create(&j->maker, t->pictures, t->network));
  VW_TRY(vw_graph_create(&j->graph));
  VW_TRY(vw_detect_logits_graph(j->graph, t->network, VW_DETECT_WORDS));
  VW_TRY(vw_program_create(&j->program, j->graph, t->network->clip.net.ctx, &t->network->clip.net.policy));
  return vw_write_leaf(j->program, j->graph, "picture", vw_shape(VW_I32, 1, 1), &zero);
}

/* The pictures of a part: test scenes PART * part and on. */
static int64_t part_size(const vw_picture_set *s, int64_t part) {
  const int64_t left = s->test_scenes.n - part * PART;
  return left < PART ? left : PART;
}

static bool stops(void *user) {
  const vw_judged *w = user;
  return vw_judging_stops(w);
}

/* Where judging is asked to stop, j->part stays -1. */
static vw_status look_at(vw_detect *t, const vw_judged *w, int64_t part) {
  const vw_task_hooks hooks = {.user = (void *)(uintptr_t)w, .stop = stops};
  const vw_picture *list[PART];
  int64_t made = 0;
  if (!t->judging) VW_TRY(judge_create(t));
  vw_detect_judge *j = t->judging;
  if (j->part == part) return VW_OK;
  j->part = -1;
  const int64_t n = part_size(t->pictures, part);
  for (int64_t i = 0; i < n; i++) list[i] = &t->pictures->test_scenes.scene[part * PART + i].picture;
  VW_TRY(vw_patch_maker_run(j->maker, list, n, &j->seen, &hooks, &made));
  if (made == n) j->part = part;
  return VW_OK;
}

vw_status vw_detect_judge_parts(const vw_task_inputs *in, int64_t *parts, int64_t *numbers) {
  *parts = (in->pictures->test_scenes.n + PART - 1) / PART, *numbers = PART * OF_PICTURE;
  return VW_OK;
}

/* ---- one picture ------------------------------------------------------------------------------------------------- */

static int by_logit(const void *a, const void *b) {
  const vw_patch_logit *x = a, *y = b;
  if (x->z != y->z) return x->z > y->z ? -1 : 1;
  return x->patch < y->patch ? -1 : 1;
}

/* Intersection over union of x, y, width, height. */
static double overlap(const double a[4], const double b[4]) {
  double inner = 1;
  for (int k = 0; k < 2; k++) {
    const double low = a[k] > b[k] ? a[k] : b[k], a1 = a[k] + a[k + 2], b1 = b[k] + b[k + 2], high = a1 < b1 ? a1 : b1;
    inner *= high > low ? high - low : 0;
  }
  const double both = a[2] * a[3] + b[2] * b[3] - inner;
  return both > 0 ? inner / both : 0;
}

static bool is_suppressed(const double *kept, int64_t n, const double box[4], double suppression) {
  for (int64_t i = 0; suppression > 0 && i < n; i++)
    if (overlap(kept + i * NUMBERS + BOX, box) > suppression) return true;
  return false;
}

static vw_patch_logit logit_of(const double *z, int64_t patch) {
  return (vw_patch_logit){isnan(z[patch]) ? -INFINITY : z[patch], patch};
}

/* All patches, best first. */
static int64_t keep_all(const double *z, int64_t N, vw_patch_logit *best) {
  for (int64_t i = 0; i < N; i++) best[i] = logit_of(z, i);
  qsort(best, (size_t)N, sizeof *best, by_logit);
  return N;
}

/* The best `most` of them, by insertion: nearly all are worse than the worst that is kept. Returns how many there are. */
static int64_t keep_best(const double *z, int64_t N, int64_t most, vw_patch_logit *best) {
  int64_t n = 0;
  for (int64_t i = 0; i < N; i++) {
    const vw_patch_logit one = logit_of(z, i);
    if (n == most && by_logit(&one, &best[n - 1]) >= 0) continue;
    int64_t at = n < most ? n++ : n - 1;
    for (; at > 0 && by_logit(&one, &best[at - 1]) < 0; at--) best[at] = best[at - 1];
    best[at] = one;
  }
  return n;
}

void vw_detect_best(const double *z, const double *boxes, int64_t N, double side, double suppression,
                    vw_patch_logit *room, double *out) {
  int64_t n = 0;
  const int64_t ordered = suppression > 0 ? keep_all(z, N, room) : keep_best(z, N, TOP, room);
  for (int64_t i = 0; i < ordered && n < TOP; i++) {
    double *to = out + n * NUMBERS;
    const double *b = boxes + 4 * room[i].patch;
    for (int k = 0; k < 2; k++) to[BOX + k] = (b[k] - b[k + 2] / 2) * side, to[BOX + 2 + k] = b[k + 2] * side;
    to[SCORE] = 1 / (1 + exp(-room[i].z));
    n += !is_suppressed(out, n, to + BOX, suppression);
  }
  for (; n < TOP; n++) {
    out[n * NUMBERS + SCORE] = -1;
    memset(out + n * NUMBERS + BOX, 0, 4 * sizeof *out);
  }
}

static vw_status write_picture(const vw_detect_judge *j, const vw_owlv2_picture_data *d) {
  const int64_t N = j->seen.N, C = j->seen.C, one = 1;
  VW_TRY(vw_write_leaf(j->program, j->graph, "features", vw_shape(j->seen.type, one, N, C), d->embedding));
  VW_TRY(vw_write_leaf(j->program, j->graph, "shift", vw_shape(VW_F64, one, N), d->shift));
  return vw_write_leaf(j->program, j->graph, "scale", vw_shape(VW_F64, one, N), d->scale);
}

/* One tile of words at the picture that was written: z [VW_DETECT_WORDS, N]. */
static vw_status run_tile(vw_detect_judge *j, const vw_clip_network *n, const void *q, double *z) {
  const int64_t words = VW_DETECT_WORDS, one = 1;
  VW_TRY(vw_write_leaf(j->program, j->graph, "q", vw_shape(vw_clip_feature_type(n), words, j->seen.C), q));
  if (!j->prepared) VW_TRY(vw_program_prepare(j->program));
  j->prepared = true;
  VW_TRY(vw_program_run(j->program));
  return vw_read_leaf(j->program, j->graph, "logits", vw_shape(VW_F64, words, one, j->seen.N), z);
}

/* Words q [whole tiles, C] at picture i of the part: numbers [n, PART, OF_PICTURE]. */
static vw_status judge_scene(const vw_detect *t, int64_t i, const void *q, int64_t n, double *z, vw_patch_logit *room,
                             double *numbers) {
  vw_detect_judge *j = t->judging;
  const vw_scene *scene = &t->pictures->test_scenes.scene[j->part * PART + i];
  const vw_owlv2_picture_data d = vw_patches_at(&j->seen, i);
  const double side = (double)(scene->width > scene->height ? scene->width : scene->height);
  const size_t one = vw_clip_feature_bytes(&t->network->clip);
  VW_TRY(write_picture(j, &d));
  for (int64_t first = 0; first < n; first += VW_DETECT_WORDS) {
    VW_TRY(run_tile(j, &t->network->clip, (const char *)q + (size_t)first * one, z));
    for (int64_t k = 0; k < VW_DETECT_WORDS && first + k < n; k++)
      vw_detect_best(z + k * j->seen.N, d.boxes, j->seen.N, side, t->task.in.model->judge.suppression, room,
                     numbers + ((first + k) * PART + i) * OF_PICTURE);
  }
  return VW_OK;
}

/* In the one sentence of judging, or averaged over judge.templates. */
static vw_status encode_words(const vw_detect *t, const vw_judged *w, void *q) {
  const vw_names *sentences = &t->task.in.model->judge.templates;
  vw_clip_network *n = &t->network->clip;
  if (!sentences->n) return vw_sentences_encode(n, &t->prompts, t->judge, t->learn->judge_template, w, q);
  return vw_sentences_average(n, &t->judge_prompts, sentences, w, q);
}

vw_status vw_detect_judge_part(vw_task *task, const vw_judged *w, int64_t part, double *numbers) {
  vw_detect *t = (vw_detect *)task, *eyes = task->in.whole ? (vw_detect *)task->in.whole : t;
  const int64_t tiles = (w->n + VW_DETECT_WORDS - 1) / VW_DETECT_WORDS;
  VW_TRY(look_at(eyes, w, part));
  if (eyes->judging->part != part) return VW_OK;
  const int64_t N = eyes->judging->seen.N;
  void *q = calloc((size_t)(tiles * VW_DETECT_WORDS) + 1, vw_clip_feature_bytes(&t->network->clip));
  double *z = malloc((size_t)(VW_DETECT_WORDS * N) * sizeof *z);
  vw_patch_logit *room = malloc((size_t)N * sizeof *room);
  vw_status st = q && z && room ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "judging: out of memory");
  if (st == VW_OK) st = encode_words(t, w, q);
  for (int64_t i = 0; i < w->n * PART * TOP; i++) numbers[i * NUMBERS + SCORE] = -1;
  for (int64_t i = 0; st == VW_OK && i < part_size(t->pictures, part) && !vw_judging_stops(w); i++)
    st = judge_scene(eyes, i, q, w->n, z, room, numbers);
  free(q), free(z), free(room);
  return st;
}

/* ---- all pictures ------------------------------------------------------------------------------------------------ */

/* The boxes that are there to be found; picture: place in test_scenes. */
static vw_status list_truth(const vw_detect *t, const vw_detect_slot *s, vw_true_boxes **out) {
  const vw_scenes *all = &t->pictures->test_scenes;
  vw_true_box *list = malloc((size_t)(all->n_boxes + 1) * sizeof *list);
  int64_t n = 0;
  VW_CHECK(list, VW_ERR_MEMORY, "judging: out of memory");
  for (int64_t i = 0; i < s->n_judged; i++) {
    const vw_scene *p = &all->scene[s->judged[i]];
    for (int64_t b = p->first_box; b < p->first_box + p->n_boxes; b++) {
      const vw_box *box = &all->box[b];
      if (box->owner != s->judged_kept[i]) continue;
      list[n] = (vw_true_box){.picture = s->judged[i], .area = box->area, .crowd = box->crowd, .ignored = box->ignored};
      memcpy(list[n++].box, box->box, sizeof box->box);
    }
  }
  const vw_status st = vw_true_boxes_create(out, list, n);
  free(list);
  return st;
}

/* Word k of n: its boxes on the judged pictures, by picture. found: room for TOP a picture. */
static int64_t list_found(const vw_detect_slot *s, const double *numbers, int64_t n, int64_t k, vw_found_box *found) {
  int64_t count = 0;
  for (int64_t i = 0; i < s->n_judged; i++) {
    const int64_t scene = s->judged[i], part = scene / PART, at = scene % PART;
    const double *x = numbers + (((part * n + k) * PART) + at) * OF_PICTURE;
    for (int64_t b = 0; b < TOP && x[b * NUMBERS + SCORE] >= 0; b++) {
      found[count] = (vw_found_box){.picture = scene, .score = x[b * NUMBERS + SCORE]};
      memcpy(found[count++].box, x + b * NUMBERS + BOX, 4 * sizeof(double));
    }
  }
  return count;
}

static vw_status judge_word(const vw_true_boxes *truth, const vw_detect_slot *s, const double *numbers, int64_t n,
                            int64_t k, double *metrics) {
  vw_found_box *found = malloc((size_t)(s->n_judged * TOP + 1) * sizeof *found);
  VW_CHECK(found, VW_ERR_MEMORY, "judging: out of memory");
  const int64_t count = list_found(s, numbers, n, k, found);
  vw_status st = vw_coco_precision(truth, found, count, metrics);
  if (st == VW_OK) st = vw_voc_precision(truth, found, count, VW_VOC_AREA, &metrics[VW_DETECT_VOC]);
  for (int m = 0; m < VW_DETECT_METRICS; m++)
    if (metrics[m] < 0) metrics[m] = NAN; /* nothing of the kind is there to be found */
  free(found);
  return st;
}

vw_status vw_detect_judge_end(vw_task *task, const vw_judged *w, const double *numbers, double *metrics) {
  const vw_detect *t = (const vw_detect *)task;
  vw_detect_slot s = {0};
  vw_true_boxes *truth = NULL;
  int64_t failed = w->n;
  vw_status st = vw_detect_slot_create(&s, &task->in, w->concept, w->null_concept);
  if (st == VW_OK) st = list_truth(t, &s, &truth);
  if (st == VW_OK) {
#pragma omp parallel for num_threads(t->network->clip.net.ctx->threads) schedule(dynamic, 1) reduction(min : failed)
    for (int64_t k = 0; k < w->n; k++)
      if (judge_word(truth, &s, numbers, w->n, k, metrics + k * VW_DETECT_METRICS) != VW_OK && k < failed) failed = k;
  }
  if (st == VW_OK && failed < w->n) { /* its message belongs to the thread that met it */
    vw_error_clear();
    st = judge_word(truth, &s, numbers, w->n, failed, metrics + failed * VW_DETECT_METRICS);
  }
  vw_true_boxes_destroy(truth);
  vw_detect_slot_free(&s);
  return st;
}
