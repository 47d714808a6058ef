#include "results/collect/collect_alike.h"

#include "analysis/spread.h"

#include <math.h>
#include <stdlib.h>

bool vw_has_features(const vw_collected *c, int64_t model) {
  const vw_kept_kind *kept = vw_collect_task(c, model)->kept;
  return kept && kept->are_features;
}

/* Words at a delta, as double. */
typedef struct picked {
  int64_t n, d;
  double *x;            /* [n, d] */
  vw_spread_item *item; /* [n] radius: free, as there is none among features */
  vw_spread *spread;    /* [n] room */
  vw_score *scores;     /* [n] room */
  double *other;        /* [d] room */
} picked;

static void picked_free(picked *p) {
  free(p->x), free(p->item), free(p->spread), free(p->scores), free(p->other);
}

static bool is_counted(const vw_alike_words *w, int64_t row, double delta) {
  const vw_trial *t = w->c->trial[row];
  const vw_trial_row *r = &w->c->rows[row];
  return t->model_index == w->model && t->data_index == w->data && !t->null_concept && t->delta == delta &&
         r->learned && !r->failed;
}

static void as_double(const vw_kept_numbers *kept, int64_t row, double *out) {
  for (int64_t k = 0; k < kept->each; k++) out[k] = (double)kept->numbers[row * kept->each + k];
}

static vw_status pick(const vw_alike_words *w, double delta, picked *p) {
  const vw_kept_numbers *kept = &w->c->kept[w->model].words;
  int64_t most = 0;
  for (int64_t i = 0; i < w->c->n; i++) most += is_counted(w, i, delta);
  p->d = kept->each;
  p->x = malloc((size_t)(most * p->d) * sizeof *p->x + 1), p->item = malloc((size_t)(most + 1) * sizeof *p->item);
  p->spread = malloc((size_t)(most + 1) * sizeof *p->spread),
  p->scores = malloc((size_t)(most + 1) * sizeof *p->scores);
  p->other = malloc((size_t)p->d * sizeof *p->other + 1);
  VW_CHECK(p->x && p->item && p->spread && p->scores && p->other, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; i < w->c->n; i++) {
    const vw_trial *t = w->c->trial[i];
    if (!is_counted(w, i, delta)) continue;
    as_double(kept, w->c->rows[i].model_row, p->x + p->n * p->d);
    p->item[p->n++] = (vw_spread_item){t->concept_index, t->anchor_index, t->replica, INFINITY};
  }
  return VW_OK;
}

/* A number a concept: the mean over its pairs. */
static vw_status of_pairs(const vw_alike_words *w, picked *p, vw_interval *out) {
  static const vw_performant of[VW_SPREAD_PAIRS] = {VW_ALIKE_ANCHORS, VW_ALIKE_REPLICAS, VW_ALIKE_OTHERS};
  int64_t n = 0;
  vw_spreads(p->x, p->n, p->d, p->item, p->spread, &n);
  for (int64_t i = 0; i < n; i++) p->scores[i] = (vw_score){.concept = p->spread[i].concept};
  for (int k = 0; k < VW_SPREAD_PAIRS; k++) {
    for (int64_t i = 0; i < n; i++) p->scores[i].value = p->spread[i].cosine[k];
    VW_TRY(vw_mean_interval(p->scores, n, w->key, &out[of[k] - VW_ALIKE_ANCHORS]));
  }
  for (int64_t i = 0; i < n; i++)
    p->scores[i].value = p->spread[i].cosine[VW_SPREAD_ANCHORS] - p->spread[i].cosine[VW_SPREAD_OTHERS];
  return vw_mean_interval(p->scores, n, w->key, &out[VW_ALIKE_MORE - VW_ALIKE_ANCHORS]);
}

/* The place among the model's baselines; -1: none. anchor -1: of any. */
static int64_t baseline_of(const vw_alike_words *w, vw_measured what, int64_t concept, int64_t anchor) {
  const vw_kept_part *p = &w->c->kept[w->model];
  for (int64_t i = 0; i < p->n_baselines; i++) {
    const vw_baseline *b = &w->c->baselines[p->first_baseline + i];
    if (b->what == what && b->data_index == w->data && b->concept_index == concept &&
        (anchor < 0 || b->anchor_index == anchor))
      return i;
  }
  return -1;
}

/* A number a word: its cosine to a baseline of its concept, the real name or its own anchor. */
static vw_status of_baseline(const vw_alike_words *w, picked *p, vw_measured what, vw_interval *out) {
  for (int64_t i = 0; i < p->n; i++) {
    const vw_spread_item *t = &p->item[i];
    const int64_t b = baseline_of(w, what, t->concept, what == VW_OF_ANCHOR ? t->anchor : -1);
    p->scores[i] = (vw_score){.concept = t->concept, .anchor = t->anchor, .replica = t->replica, .value = NAN};
    if (b < 0) continue;
    as_double(&w->c->kept[w->model].baselines, b, p->other);
    p->scores[i].value = vw_cosine(p->x + i * p->d, p->other, p->d);
  }
  return vw_mean_interval(p->scores, p->n, w->key, out);
}

vw_status vw_alike_at(const vw_alike_words *w, double delta, vw_interval out[VW_ALIKES]) {
  picked p = {0};
  for (int i = 0; i < VW_ALIKES; i++) out[i] = (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
  if (!w->c->kept[w->model].words.numbers) return VW_OK;
  vw_status st = pick(w, delta, &p);
  if (st == VW_OK) st = of_pairs(w, &p, out);
  if (st == VW_OK) st = of_baseline(w, &p, VW_OF_NAME, &out[VW_ALIKE_NAME - VW_ALIKE_ANCHORS]);
  if (st == VW_OK) st = of_baseline(w, &p, VW_OF_ANCHOR, &out[VW_ALIKE_OWN - VW_ALIKE_ANCHORS]);
  picked_free(&p);
  return st;
}

/* An anchor draws the same for every concept: the first that has its pictures speaks for all. */
vw_status vw_alike_untouched(const vw_alike_words *w, vw_interval *out) {
  const vw_kept_part *k = &w->c->kept[w->model];
  *out = (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
  if (!k->baselines.numbers) return VW_OK;
  const int64_t d = k->baselines.each;
  int64_t n = 0, concepts = 0;
  double *x = malloc((size_t)(k->n_baselines * d) * sizeof *x + 1);
  vw_spread_item *item = malloc((size_t)(k->n_baselines + 1) * sizeof *item);
  vw_spread *spread = malloc((size_t)(k->n_baselines + 1) * sizeof *spread);
  vw_status st = x && item && spread ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; st == VW_OK && i < k->n_baselines; i++) {
    const vw_baseline *b = &w->c->baselines[k->first_baseline + i];
    if (b->what != VW_OF_ANCHOR || b->data_index != w->data || (n && item[0].concept != b->concept_index)) continue;
    as_double(&k->baselines, i, x + n * d);
    if (isfinite(x[n * d])) item[n++] = (vw_spread_item){b->concept_index, b->anchor_index, 0, INFINITY};
  }
  if (st == VW_OK) vw_spreads(x, n, d, item, spread, &concepts);
  if (concepts) out->n = spread[0].pairs[VW_SPREAD_ANCHORS], out->mean = spread[0].cosine[VW_SPREAD_ANCHORS];
  free(x), free(item), free(spread);
  return st;
}
