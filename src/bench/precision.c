/* `bench precision`: COCO's average precision of the boxes in a safetensors file, as tools/bench/owl.py writes it:
 *
 *   truth.class, truth.picture  [n] i64        found.class, found.picture  [m] i64
 *   truth.box                   [n, 4] f64     found.box                   [m, 4] f64
 *   truth.area                  [n] f64        found.score                 [m] f64
 *   truth.crowd                 [n] u8
 *
 * The numbers are means over the classes that have them, as pycocotools prints them. What is timed begins with the
 * boxes in memory, in the file's order, and shares classes out among threads. */
#include "bench/bench.h"

#include "core/text.h"
#include "io/safetensors.h"
#include "study/average_precision.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct box_table {
  vw_tensor of_class, picture, box, value, crowd; /* value: area or score; crowd: of truths */
  int64_t n;
} box_table;

typedef struct precision_bench {
  vw_bench *b;
  box_table truth, found;
  int64_t classes;
  vw_true_box *truths;  /* [truth.n] by class */
  vw_found_box *founds; /* [found.n] by class */
  int64_t *first[2];    /* [classes + 1] of each */
  double *metrics;      /* [classes, 12] */
  double mean[VW_COCO_METRICS];
} precision_bench;

static vw_status find(const vw_safetensors *f, const char *kind, const char *name, vw_tensor shape, vw_tensor *out) {
  char full[64];
  (void)snprintf(full, sizeof full, "%s.%s", kind, name);
  VW_TRY(vw_safetensors_find(f, full, out));
  bool fits = out->dtype == shape.dtype && out->ndim == shape.ndim;
  for (int i = 0; fits && i < shape.ndim; i++) fits = shape.dim[i] < 0 || out->dim[i] == shape.dim[i];
  VW_CHECK(fits, VW_ERR_INPUT, "%s: tensor '%s' is %s %s; expected %s %s (-1: any)", vw_safetensors_path(f), full,
           vw_dtype_name(out->dtype), vw_shape_text(out), vw_dtype_name(shape.dtype), vw_shape_text(&shape));
  return VW_OK;
}

static vw_status find_table(const vw_safetensors *f, const char *kind, const char *value, box_table *t) {
  enum { MOST_CLASSES = 1 << 20 };
  VW_TRY(find(f, kind, "class", vw_shape(VW_I64, -1), &t->of_class));
  t->n = t->of_class.dim[0];
  VW_TRY(find(f, kind, "picture", vw_shape(VW_I64, t->n), &t->picture));
  VW_TRY(find(f, kind, "box", vw_shape(VW_F64, t->n, 4), &t->box));
  VW_TRY(find(f, kind, value, vw_shape(VW_F64, t->n), &t->value));
  for (int64_t i = 0; i < t->n; i++)
    VW_CHECK(vw_i64(&t->of_class)[i] >= 0 && vw_i64(&t->of_class)[i] < MOST_CLASSES, VW_ERR_INPUT,
             "%s: tensor '%s.class' holds %" PRId64 "; expected 0 to %d", vw_safetensors_path(f), kind,
             vw_i64(&t->of_class)[i], MOST_CLASSES - 1);
  return VW_OK;
}

static vw_status read_tables(precision_bench *p, const vw_safetensors *f) {
  VW_TRY(find_table(f, "truth", "area", &p->truth));
  VW_TRY(find_table(f, "found", "score", &p->found));
  VW_TRY(find(f, "truth", "crowd", vw_shape(VW_U8, p->truth.n), &p->truth.crowd));
  const box_table *both[2] = {&p->truth, &p->found};
  for (int k = 0; k < 2; k++)
    for (int64_t i = 0; i < both[k]->n; i++)
      if (vw_i64(&both[k]->of_class)[i] >= p->classes) p->classes = vw_i64(&both[k]->of_class)[i] + 1;
  p->truths = malloc((size_t)p->truth.n * sizeof *p->truths + 1);
  p->founds = malloc((size_t)p->found.n * sizeof *p->founds + 1);
  for (int k = 0; k < 2; k++) p->first[k] = malloc(((size_t)p->classes + 2) * sizeof *p->first[k]);
  p->metrics = malloc((size_t)p->classes * VW_COCO_METRICS * sizeof *p->metrics + 1);
  VW_CHECK(p->truths && p->founds && p->first[0] && p->first[1] && p->metrics, VW_ERR_MEMORY, "bench: out of memory");
  return VW_OK;
}

/* first[c]: where class c begins among boxes that are ordered by class; place(i) says where box i goes. */
static void count_classes(const box_table *t, int64_t classes, int64_t *first) {
  memset(first, 0, ((size_t)classes + 2) * sizeof *first);
  for (int64_t i = 0; i < t->n; i++) first[vw_i64(&t->of_class)[i] + 2]++;
  for (int64_t c = 2; c < classes + 2; c++) first[c] += first[c - 1];
}

/* Boxes by class; within one in the file's order. Behind it first[c] .. first[c + 1] are those of class c. */
static void order_by_class(precision_bench *p) {
  const box_table *t = &p->truth, *f = &p->found;
  count_classes(t, p->classes, p->first[0]);
  count_classes(f, p->classes, p->first[1]);
  for (int64_t i = 0; i < t->n; i++) {
    vw_true_box *to = &p->truths[p->first[0][vw_i64(&t->of_class)[i] + 1]++];
    *to = (vw_true_box){.picture = vw_i64(&t->picture)[i],
                        .area = vw_f64(&t->value)[i],
                        .crowd = ((const uint8_t *)t->crowd.data)[i] != 0};
    memcpy(to->box, vw_f64(&t->box) + 4 * i, sizeof to->box);
  }
  for (int64_t i = 0; i < f->n; i++) {
    vw_found_box *to = &p->founds[p->first[1][vw_i64(&f->of_class)[i] + 1]++];
    *to = (vw_found_box){.picture = vw_i64(&f->picture)[i], .score = vw_f64(&f->value)[i]};
    memcpy(to->box, vw_f64(&f->box) + 4 * i, sizeof to->box);
  }
}

static vw_status judge_class(const precision_bench *p, int64_t c) {
  vw_true_boxes *truth = NULL;
  const int64_t t = p->first[0][c], f = p->first[1][c];
  VW_TRY(vw_true_boxes_create(&truth, p->truths + t, p->first[0][c + 1] - t));
  const vw_status st =
      vw_coco_precision(truth, p->founds + f, p->first[1][c + 1] - f, p->metrics + c * VW_COCO_METRICS);
  vw_true_boxes_destroy(truth);
  return st;
}

static void average(precision_bench *p) {
  for (int m = 0; m < VW_COCO_METRICS; m++) {
    double sum = 0;
    int64_t n = 0;
    for (int64_t c = 0; c < p->classes; c++)
      if (p->metrics[c * VW_COCO_METRICS + m] > -1) sum += p->metrics[c * VW_COCO_METRICS + m], n++;
    p->mean[m] = n ? sum / (double)n : -1;
  }
}

static vw_status judge_all(precision_bench *p) {
  int64_t failed = p->classes;
  order_by_class(p);
#pragma omp parallel for num_threads(p->b->ctx.threads) schedule(dynamic, 1) reduction(min : failed)
  for (int64_t c = 0; c < p->classes; c++)
    if (judge_class(p, c) != VW_OK && c < failed) failed = c;
  if (failed < p->classes) { /* its message belongs to the thread that met it */
    vw_error_clear();
    return judge_class(p, failed);
  }
  average(p);
  return VW_OK;
}

static vw_status report(precision_bench *p, const char *file, double least) {
  vw_bench *b = p->b;
  if (!b->json)
    (void)vw_print(stdout,
                   "%s: %" PRId64 " true and %" PRId64 " found boxes of %" PRId64
                   " classes, %d thread%s: %.1f ms, %.3g found boxes/s; AP %.6f, AP50 %.6f\n",
                   file, p->truth.n, p->found.n, p->classes, b->ctx.threads, b->ctx.threads == 1 ? "" : "s",
                   1e3 * least, (double)p->found.n / least, p->mean[VW_COCO_AP], p->mean[VW_COCO_AP50]);
  json_t *metrics = json_array();
  for (int m = 0; m < VW_COCO_METRICS; m++) json_array_append_new(metrics, json_real(p->mean[m]));
  json_t *row = json_pack("{s:f, s:I, s:I, s:I, s:o}", "seconds", least, "true_boxes", (json_int_t)p->truth.n,
                          "found_boxes", (json_int_t)p->found.n, "classes", (json_int_t)p->classes, "metrics", metrics);
  VW_CHECK(row && !json_array_append_new(b->rows, row), VW_ERR_MEMORY, "bench: out of memory");
  return VW_OK;
}

vw_status vw_bench_precision(vw_bench *b, const char *file) {
  precision_bench p = {.b = b};
  vw_safetensors *f = NULL;
  double least = INFINITY;
  vw_status st = VW_OK;
  VW_TRY(vw_safetensors_open(&f, file));
  VW_GOTO(read_tables(&p, f));
  for (const double start = vw_bench_now(); least == INFINITY || vw_bench_now() - start < b->seconds;) {
    const double begun = vw_bench_now();
    VW_GOTO(judge_all(&p));
    least = fmin(least, vw_bench_now() - begun);
  }
  st = report(&p, file, least);
cleanup:
  free(p.truths), free(p.founds), free(p.first[0]), free(p.first[1]), free(p.metrics);
  vw_safetensors_close(f);
  return st;
}
