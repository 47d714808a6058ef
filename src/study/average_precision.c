/* Found boxes are brought into the order (picture, score) for matching and (score, picture) for counting, by stable
 * radix sorts. Precision changes for the better only where a box is a hit, so each curve is kept at its hits alone:
 * after the k-th hit recall is k / n, and precision at a recall level is the best from its first hit on. */
#include "study/average_precision.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OVERLAPS = 10, SIZES = 4, LEVELS = 101, MOST_A_PICTURE = 100 };

/* numpy.linspace(.5, .95, 10), to the bit. */
static const double overlap_limits[OVERLAPS] = {
    0.5,  0.55000000000000004, 0.59999999999999998, 0.65000000000000002, 0.69999999999999996,
    0.75, 0.80000000000000004, 0.84999999999999998, 0.89999999999999991, 0.94999999999999996};
static const double size_limits[SIZES][2] = {{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}};

struct vw_true_boxes {
  vw_true_box *box; /* by picture, then as given */
  int64_t n;
  int64_t most; /* of a picture */
};

/* --- order ------------------------------------------------------------------------------------------------------ */

typedef struct keyed {
  uint64_t key;
  int64_t index;
} keyed;

/* Stable, ascending; bytes in which all keys agree cost a count and no pass. `other` is scratch of the same size; the
 * result is where *a points afterwards. */
static void sort_keys(keyed **a, keyed **other, int64_t n) {
  for (int shift = 0; shift < 64; shift += 8) {
    int64_t at[256] = {0};
    for (int64_t i = 0; i < n; i++) at[(*a)[i].key >> shift & 255]++;
    if (n == 0 || at[(*a)[0].key >> shift & 255] == n) continue;
    for (int64_t b = 0, sum = 0; b < 256; b++) {
      const int64_t count = at[b];
      at[b] = sum, sum += count;
    }
    for (int64_t i = 0; i < n; i++) (*other)[at[(*a)[i].key >> shift & 255]++] = (*a)[i];
    keyed *swap = *a;
    *a = *other, *other = swap;
  }
}

/* Ascending keys for descending scores. */
static uint64_t score_key(double score) {
  const double x = score + 0.0; /* -0 counts as 0 */
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 63 ? bits : ~bits & ~(UINT64_C(1) << 63);
}

static uint64_t picture_key(int64_t picture) {
  return (uint64_t)picture ^ UINT64_C(1) << 63;
}

/* Two arrays of n for sort_keys; the caller frees both. */
static vw_status keys_create(keyed **a, keyed **b, int64_t n) {
  *a = calloc((size_t)n + 1, sizeof **a);
  *b = calloc((size_t)n + 1, sizeof **b);
  VW_CHECK(*a && *b, VW_ERR_MEMORY, "no memory to order %" PRId64 " boxes", n);
  return VW_OK;
}

/* Found boxes as (picture, score): order[i].index is a place in `found`. */
static void order_by_picture(keyed **order, keyed **other, const vw_found_box *found, int64_t n) {
  for (int64_t i = 0; i < n; i++) (*order)[i] = (keyed){score_key(found[i].score), i};
  sort_keys(order, other, n);
  for (int64_t i = 0; i < n; i++) (*order)[i].key = picture_key(found[(*order)[i].index].picture);
  sort_keys(order, other, n);
}

static bool finite_box(const double b[4]) {
  return isfinite(b[0]) && isfinite(b[1]) && isfinite(b[2]) && isfinite(b[3]);
}

vw_status vw_true_boxes_create(vw_true_boxes **out, const vw_true_box *boxes, int64_t n) {
  vw_status st = VW_OK;
  keyed *order = NULL, *other = NULL;
  *out = NULL;
  for (int64_t i = 0; i < n; i++)
    VW_CHECK(finite_box(boxes[i].box) && isfinite(boxes[i].area) && boxes[i].box[2] >= 0 && boxes[i].box[3] >= 0,
             VW_ERR_ARG, "box %" PRId64 " of picture %" PRId64 " has a number that is not finite or a negative size", i,
             boxes[i].picture);
  vw_true_boxes *t = calloc(1, sizeof *t);
  VW_CHECK(t, VW_ERR_MEMORY, "out of memory");
  t->box = malloc(((size_t)n + 1) * sizeof *t->box);
  if (!t->box) st = VW_RAISE(VW_ERR_MEMORY, "no memory for %" PRId64 " boxes", n);
  if (st == VW_OK) VW_GOTO(keys_create(&order, &other, n));
  if (st != VW_OK) goto cleanup;
  for (int64_t i = 0; i < n; i++) order[i] = (keyed){picture_key(boxes[i].picture), i};
  sort_keys(&order, &other, n);
  t->n = n;
  for (int64_t i = 0, run = 0; i < n; i++) {
    t->box[i] = boxes[order[i].index];
    run = i && t->box[i].picture == t->box[i - 1].picture ? run + 1 : 1;
    if (run > t->most) t->most = run;
  }
  *out = t, t = NULL;
cleanup:
  free(order), free(other);
  vw_true_boxes_destroy(t);
  return st;
}

void vw_true_boxes_destroy(vw_true_boxes *t) {
  if (!t) return;
  free(t->box);
  free(t);
}

/* --- overlap ---------------------------------------------------------------------------------------------------- */

/* Intersection over union, or over the found box alone in a crowd. */
static double overlap(const double *d, const vw_true_box *t) {
  const double *g = t->box;
  const double w = fmin(d[2] + d[0], g[2] + g[0]) - fmax(d[0], g[0]);
  if (w <= 0) return 0;
  const double h = fmin(d[3] + d[1], g[3] + g[1]) - fmax(d[1], g[1]);
  if (h <= 0) return 0;
  const double shared = w * h, own = d[2] * d[3];
  return shared / (t->crowd ? own : own + g[2] * g[3] - shared);
}

/* --- COCO ------------------------------------------------------------------------------------------------------- */

/* What became of a found box for one size class: bit t for overlap t. */
typedef struct fate {
  uint16_t hit, ignored;
} fate;

/* One picture's boxes while they are matched. */
typedef struct picture_match {
  const vw_true_box *truth; /* [n_truths] */
  int64_t n_truths;
  const double *overlaps; /* [boxes, n_truths] */
  int64_t *turn;          /* [n_truths] truths that count first, then ignored ones */
  uint8_t *taken;         /* [n_truths] */
} picture_match;

static bool out_of_size(double area, int size) {
  return area < size_limits[size][0] || area > size_limits[size][1];
}

static bool truth_ignored(const vw_true_box *t, int size) {
  return t->crowd || t->ignored || out_of_size(t->area, size);
}

/* The truth that box d takes at this overlap: the best of those left, one that counts before any ignored one; -1. */
static int64_t best_truth(const picture_match *p, int64_t d, int size, double limit) {
  double best = fmin(limit, 1 - 1e-10);
  int64_t found = -1;
  for (int64_t k = 0; k < p->n_truths; k++) {
    const int64_t g = p->turn[k];
    if (p->taken[g] && !p->truth[g].crowd) continue;
    if (found >= 0 && !truth_ignored(&p->truth[found], size) && truth_ignored(&p->truth[g], size)) break;
    if (p->overlaps[d * p->n_truths + g] < best) continue;
    best = p->overlaps[d * p->n_truths + g], found = g;
  }
  return found;
}

/* Fates of a picture's boxes, best score first, for one size class. */
static void match_picture(picture_match *p, int64_t boxes, int size, fate *out) {
  int64_t at = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t g = 0; g < p->n_truths; g++)
      if (truth_ignored(&p->truth[g], size) == (pass == 1)) p->turn[at++] = g;
  for (int t = 0; t < OVERLAPS; t++) {
    memset(p->taken, 0, (size_t)p->n_truths);
    for (int64_t d = 0; d < boxes; d++) {
      const int64_t g = best_truth(p, d, size, overlap_limits[t]);
      if (g < 0) continue;
      p->taken[g] = 1;
      out[d * SIZES + size].hit |= (uint16_t)(1u << t);
      if (truth_ignored(&p->truth[g], size)) out[d * SIZES + size].ignored |= (uint16_t)(1u << t);
    }
  }
}

/* A box that hit nothing and is of another size is neither right nor wrong. */
static void ignore_other_sizes(const vw_found_box *b, fate *out) {
  for (int size = 0; size < SIZES; size++)
    if (out_of_size(b->box[2] * b->box[3], size))
      out[size].ignored |= (uint16_t)(~out[size].hit & ((1u << OVERLAPS) - 1));
}

typedef struct coco_run {
  const vw_true_boxes *truths;
  const vw_found_box *found;
  int64_t n;            /* boxes kept: at most MOST_A_PICTURE a picture */
  keyed *order, *other; /* [n found]; order: kept boxes by picture, later by score */
  uint8_t *rank;        /* [n] place among its picture's boxes */
  fate *fates;          /* [n, SIZES] of the kept boxes by picture */
  double *overlaps;     /* [MOST_A_PICTURE, truths->most] */
  int64_t *turn;        /* [truths->most] */
  uint8_t *taken;       /* [truths->most] */
  double *curve;        /* [OVERLAPS, truths] precision at each hit */
} coco_run;

static void coco_run_free(coco_run *r) {
  free(r->order), free(r->other), free(r->rank), free(r->fates);
  free(r->overlaps), free(r->turn), free(r->taken), free(r->curve);
}

/* Scratch, and the found boxes by picture without those beyond the hundredth. On failure the caller still frees. */
static vw_status coco_run_prepare(coco_run *r, int64_t n) {
  const size_t most = (size_t)r->truths->most + 1;
  VW_TRY(keys_create(&r->order, &r->other, n));
  order_by_picture(&r->order, &r->other, r->found, n);
  r->rank = calloc((size_t)n + 1, 1);
  VW_CHECK(r->rank, VW_ERR_MEMORY, "no memory for %" PRId64 " boxes", n);
  for (int64_t i = 0, run = 0; i < n; i++) {
    const int64_t before = i ? r->found[r->order[i - 1].index].picture : 0;
    run = i && r->found[r->order[i].index].picture == before ? run + 1 : 0;
    if (run >= MOST_A_PICTURE) continue;
    r->other[r->n] = r->order[i], r->rank[r->n++] = (uint8_t)run;
  }
  memcpy(r->order, r->other, (size_t)r->n * sizeof *r->order);
  r->fates = calloc((size_t)r->n + 1, SIZES * sizeof *r->fates);
  r->overlaps = calloc(most * MOST_A_PICTURE, sizeof *r->overlaps);
  r->turn = calloc(most, sizeof *r->turn);
  r->taken = calloc(most, 1);
  r->curve = calloc((size_t)r->truths->n + 1, OVERLAPS * sizeof *r->curve);
  VW_CHECK(r->fates && r->overlaps && r->turn && r->taken && r->curve, VW_ERR_MEMORY,
           "no memory to match %" PRId64 " boxes", n);
  return VW_OK;
}

/* The truths of a picture: *first and their number; from: where to go on looking. */
static int64_t truths_of(const vw_true_boxes *t, int64_t picture, int64_t *first) {
  int64_t i = *first, n = 0;
  while (i < t->n && t->box[i].picture < picture) i++;
  while (i + n < t->n && t->box[i + n].picture == picture) n++;
  *first = i;
  return n;
}

static void coco_match(coco_run *r) {
  int64_t first = 0;
  for (int64_t i = 0, n = 0; i < r->n; i += n) {
    const int64_t picture = r->found[r->order[i].index].picture;
    for (n = 1; i + n < r->n && r->found[r->order[i + n].index].picture == picture;) n++;
    const int64_t n_truths = truths_of(r->truths, picture, &first);
    picture_match p = {.truth = r->truths->box + first,
                       .n_truths = n_truths,
                       .overlaps = r->overlaps,
                       .turn = r->turn,
                       .taken = r->taken};
    for (int64_t d = 0; d < n; d++)
      for (int64_t g = 0; g < n_truths; g++)
        r->overlaps[d * n_truths + g] = overlap(r->found[r->order[i + d].index].box, &p.truth[g]);
    if (n_truths)
      for (int size = 0; size < SIZES; size++) match_picture(&p, n, size, r->fates + i * SIZES);
    for (int64_t d = 0; d < n; d++) ignore_other_sizes(&r->found[r->order[i + d].index], r->fates + (i + d) * SIZES);
  }
}

/* Kept boxes by score: order[i].index becomes a place among the kept boxes. */
static void coco_by_score(coco_run *r) {
  for (int64_t i = 0; i < r->n; i++) r->order[i] = (keyed){score_key(r->found[r->order[i].index].score), i};
  sort_keys(&r->order, &r->other, r->n);
}

/* Mean over the recall levels of the best precision from there on; curve [hits], n > 0 boxes to be found. */
static double level_mean(double *curve, int64_t hits, int64_t n) {
  double sum = 0;
  for (int64_t k = hits - 2; k >= 0; k--)
    if (curve[k] < curve[k + 1]) curve[k] = curve[k + 1];
  for (int64_t level = 0, k = 0; level < LEVELS; level++) {
    const double wanted = level == LEVELS - 1 ? 1.0 : (double)level * 0.01;
    while (k < hits && (double)(k + 1) / (double)n < wanted) k++;
    if (k == hits) break;
    sum += curve[k];
  }
  return sum / LEVELS;
}

/* precision[OVERLAPS] and recall[OVERLAPS] of a size class with at most `most` boxes a picture; false: nothing is there
 * to be found. */
static bool coco_count(coco_run *r, int size, int most, double *precision, double *recall) {
  int64_t n = 0, seen = 0, hits[OVERLAPS] = {0}, ignored[OVERLAPS] = {0};
  for (int64_t g = 0; g < r->truths->n; g++) n += !truth_ignored(&r->truths->box[g], size);
  if (!n) return false;
  for (int64_t i = 0; i < r->n; i++) {
    const int64_t at = r->order[i].index;
    if (r->rank[at] >= most) continue;
    const fate f = r->fates[at * SIZES + size];
    seen++;
    if (!(f.hit | f.ignored)) continue;
    for (int t = 0; t < OVERLAPS; t++) {
      if (f.ignored >> t & 1) {
        ignored[t]++;
      } else if (f.hit >> t & 1) {
        hits[t]++;
        r->curve[t * r->truths->n + hits[t] - 1] = (double)hits[t] / ((double)(seen - ignored[t]) + DBL_EPSILON);
      }
    }
  }
  for (int t = 0; t < OVERLAPS; t++) {
    precision[t] = level_mean(r->curve + t * r->truths->n, hits[t], n);
    recall[t] = (double)hits[t] / (double)n;
  }
  return true;
}

static double mean_of(const double *x) {
  double sum = 0;
  for (int t = 0; t < OVERLAPS; t++) sum += x[t];
  return sum / OVERLAPS;
}

static void coco_summary(coco_run *r, double out[VW_COCO_METRICS]) {
  static const int few[2] = {1, 10};
  double precision[OVERLAPS], recall[OVERLAPS];
  for (int m = 0; m < VW_COCO_METRICS; m++) out[m] = -1;
  for (int m = 0; m < 2; m++)
    if (coco_count(r, 0, few[m], precision, recall)) out[VW_COCO_AR_1 + m] = mean_of(recall);
  for (int size = 0; size < SIZES; size++) {
    if (!coco_count(r, size, MOST_A_PICTURE, precision, recall)) continue;
    out[size ? VW_COCO_AP_SMALL + size - 1 : VW_COCO_AP] = mean_of(precision);
    out[size ? VW_COCO_AR_SMALL + size - 1 : VW_COCO_AR_100] = mean_of(recall);
    if (size == 0) out[VW_COCO_AP50] = precision[0], out[VW_COCO_AP75] = precision[5];
  }
}

static vw_status check_found(const vw_found_box *found, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    VW_CHECK(isfinite(found[i].score) && finite_box(found[i].box), VW_ERR_ARG,
             "found box %" PRId64 " of picture %" PRId64 " has a number that is not finite", i, found[i].picture);
  return VW_OK;
}

vw_status vw_coco_precision(const vw_true_boxes *t, const vw_found_box *found, int64_t n, double out[VW_COCO_METRICS]) {
  VW_TRY(check_found(found, n));
  coco_run r = {.truths = t, .found = found};
  vw_status st = VW_OK;
  VW_GOTO(coco_run_prepare(&r, n));
  coco_match(&r);
  coco_by_score(&r);
  coco_summary(&r, out);
cleanup:
  coco_run_free(&r);
  return st;
}

/* --- VOC -------------------------------------------------------------------------------------------------------- */

/* Area under the curve whose precision at a recall is the best from there on: a step of 1 / n a hit. */
static double area_under(double *curve, int64_t hits, int64_t n) {
  double sum = 0;
  for (int64_t k = hits - 2; k >= 0; k--)
    if (curve[k] < curve[k + 1]) curve[k] = curve[k + 1];
  for (int64_t k = 0; k < hits; k++) sum += curve[k];
  return sum / (double)n;
}

static double eleven_points(double *curve, int64_t hits, int64_t n) {
  double sum = 0;
  for (int64_t k = hits - 2; k >= 0; k--)
    if (curve[k] < curve[k + 1]) curve[k] = curve[k + 1];
  for (int level = 0; level <= 10; level++) {
    int64_t k = 0;
    while (k < hits && (double)(k + 1) / (double)n < (double)level / 10) k++;
    sum += k < hits ? curve[k] / 11 : 0;
  }
  return sum;
}

/* The truth that overlaps a box most, the first of equal ones; -1: the picture has none. */
static int64_t voc_best(const vw_true_boxes *t, const vw_found_box *b, double *best) {
  int64_t low = 0, high = t->n, found = -1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (t->box[middle].picture < b->picture)
      low = middle + 1;
    else
      high = middle;
  }
  *best = -INFINITY;
  for (int64_t g = low; g < t->n && t->box[g].picture == b->picture; g++) {
    vw_true_box plain = t->box[g];
    plain.crowd = false;
    const double o = overlap(b->box, &plain);
    if (o > *best) *best = o, found = g;
  }
  return found;
}

vw_status vw_voc_precision(const vw_true_boxes *t, const vw_found_box *found, int64_t n, vw_voc_rule rule, double *ap) {
  VW_TRY(check_found(found, n));
  vw_status st = VW_OK;
  keyed *order = NULL, *other = NULL;
  uint8_t *taken = calloc((size_t)t->n + 1, 1);
  double *curve = malloc(((size_t)t->n + 1) * sizeof *curve);
  int64_t wanted = 0, hits = 0, wrong = 0;
  if (!taken || !curve) st = VW_RAISE(VW_ERR_MEMORY, "out of memory");
  if (st == VW_OK) VW_GOTO(keys_create(&order, &other, n));
  if (st != VW_OK) goto cleanup;
  for (int64_t g = 0; g < t->n; g++) wanted += !(t->box[g].ignored || t->box[g].crowd);
  order_by_picture(&order, &other, found, n);
  for (int64_t i = 0; i < n; i++) order[i].key = score_key(found[order[i].index].score);
  sort_keys(&order, &other, n);
  for (int64_t i = 0; i < n; i++) {
    double best = 0;
    const int64_t g = voc_best(t, &found[order[i].index], &best);
    const bool over = g >= 0 && best >= 0.5;
    if (over && (t->box[g].ignored || t->box[g].crowd)) continue;
    if (!over || taken[g]) {
      wrong++;
      continue;
    }
    taken[g] = 1, hits++;
    curve[hits - 1] = (double)hits / (double)(hits + wrong);
  }
  *ap = !wanted ? -1 : rule == VW_VOC_AREA ? area_under(curve, hits, wanted) : eleven_points(curve, hits, wanted);
cleanup:
  free(order), free(other), free(taken), free(curve);
  return st;
}
