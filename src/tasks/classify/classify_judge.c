#include "tasks/classify/classify_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void vw_judge_free(vw_judge *j) {
  free(j->best_other), free(j->best_10), free(j->own), free(j->counts);
  *j = (vw_judge){0};
}

/* Less of a lead is a tie, and a tie is wrong: an untouched anchor that is also a class has that class' logits, and
 * rounding must not decide. Logits of fp32 features are good to 1e-4. */
static bool beats(double a, double b) {
  return a > b + 1e-3;
}

static double largest(const double *z, int64_t n, int64_t skip, int64_t skip_too) {
  double most = -INFINITY;
  for (int64_t c = 0; c < n; c++)
    if (c != skip && c != skip_too && z[c] > most) most = z[c];
  return most;
}

/* Which pictures count: the slot's own, and those of the other classes. A null concept's pictures belong to classes,
 * which is why they are marked last. */
static void mark_pictures(vw_judge *j) {
  const vw_picture_set *p = j->task->pictures;
  for (int64_t o = 0; o < p->n_classes; o++)
    for (int64_t i = 0; i < p->owners[o].n_test; i++)
      if (o != j->slot->class_index) j->counts[p->owners[o].test_first + i] = 2;
  for (int64_t i = 0; i < j->slot->n_test; i++) j->counts[j->slot->test[i]] = 1;
}

static void fill_logits(vw_judge *j, const vw_others *others) {
  const vw_picture_set *p = j->task->pictures;
  const int64_t C = p->n_classes;
  for (int64_t o = 0; o < p->n_owners; o++)
    for (int64_t i = p->owners[o].test_first; i < p->owners[o].test_first + p->owners[o].n_test; i++) {
      const double *z = j->task->judge_logits + i * C;
      j->best_other[i] = largest(z, C, j->slot->class_index, -1);
      j->best_10[i] = -INFINITY;
      for (int64_t k = 0; k < others->n; k++)
        if (z[others->class_index[k]] > j->best_10[i]) j->best_10[i] = z[others->class_index[k]];
      const bool right = o < C && beats(z[o], largest(z, C, j->slot->class_index, o));
      j->own[i] = right ? z[o] : -INFINITY;
    }
}

vw_status vw_judge_create(vw_judge *j, const vw_classify *t, const vw_slot *s, const vw_others *others) {
  const size_t n = (size_t)t->pictures->n_test;
  *j = (vw_judge){.task = t, .slot = s};
  j->best_other = malloc(n * sizeof(double)), j->best_10 = malloc(n * sizeof(double));
  j->own = malloc(n * sizeof(double)), j->counts = calloc(n, 1);
  if (!j->best_other || !j->best_10 || !j->own || !j->counts) {
    vw_judge_free(j);
    return VW_RAISE(VW_ERR_MEMORY, "judging: out of memory for %zu pictures", n);
  }
  mark_pictures(j);
  fill_logits(j, others);
  return VW_OK;
}

/* z [test pictures, n]: the words' logits. */
static void count(const vw_judge *j, const double *z, int64_t n, int64_t k, double *metrics) {
  double mine = 0, hits = 0, hits_10 = 0, others = 0, right = 0;
  bool finite = true;
  for (int64_t i = 0; i < j->task->pictures->n_test; i++) {
    const double w = z[i * n + k];
    finite = finite && isfinite(w);
    if (j->counts[i] == 1) mine++, hits += beats(w, j->best_other[i]), hits_10 += beats(w, j->best_10[i]);
    if (j->counts[i] == 2) others++, right += beats(j->own[i], w);
  }
  const bool real = j->slot->owner >= 0;
  metrics[VW_RECALL] = mine > 0 ? hits / mine : NAN;
  metrics[VW_RECALL_10] = mine > 0 ? hits_10 / mine : NAN;
  metrics[VW_ACCURACY] = (right + (real ? hits : 0)) / (others + (real ? mine : 0));
  metrics[VW_OTHERS_ACCURACY] = others > 0 ? right / others : NAN;
  for (int m = 0; m < VW_CLASSIFY_METRICS && !finite; m++)
    metrics[m] = NAN; /* beaten by all is a result, no number is
                         none */
}

vw_status vw_judge_features(const vw_judge *j, const void *q, int64_t n, double *metrics) {
  double *z = malloc((size_t)(j->task->pictures->n_test * n + 1) * sizeof *z);
  VW_CHECK(z, VW_ERR_MEMORY, "judging: out of memory");
  const vw_status st = vw_clip_logits(j->task->network, j->task->test, j->task->pictures->n_test, q, n, z);
  for (int64_t k = 0; st == VW_OK && k < n; k++) count(j, z, n, k, metrics + k * VW_CLASSIFY_METRICS);
  free(z);
  return st;
}
