/* Are the results of two output directories the same, and if not, where and why? */
#include "results/compare/diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void vw_diff_note(vw_diff *d, const char *why, const char *fmt, ...) {
  if (d->first[0]) return;
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(d->first, sizeof d->first, fmt, args);
  va_end(args);
  (void)snprintf(d->why, sizeof d->why, "%s", why);
}

static double number_at(const vw_tensor *t, int64_t i) {
  switch (t->dtype) {
  case VW_F32:
    return (double)((const float *)t->data)[i];
  case VW_F64:
    return ((const double *)t->data)[i];
  case VW_I32:
    return ((const int32_t *)t->data)[i];
  case VW_I64:
    return (double)((const int64_t *)t->data)[i];
  case VW_U32:
    return ((const uint32_t *)t->data)[i];
  case VW_U8:
    return (double)((const uint8_t *)t->data)[i];
  default:
    return NAN;
  }
}

/* Of others only the bytes are compared. */
static bool is_number(vw_dtype t) {
  return t == VW_F32 || t == VW_F64 || t == VW_I32 || t == VW_I64 || t == VW_U32 || t == VW_U8;
}

bool vw_diff_same(const vw_diff *d, const vw_tensor *a, int64_t i, const vw_tensor *b, int64_t j, double *x,
                  double *y) {
  const size_t bytes = vw_dtype_bytes(a->dtype);
  *x = number_at(a, i), *y = number_at(b, j);
  if (a->dtype == b->dtype &&
      !memcmp((const char *)a->data + (size_t)i * bytes, (const char *)b->data + (size_t)j * bytes, bytes))
    return true;
  if (!is_number(a->dtype) || !is_number(b->dtype)) return false;
  if (isnan(*x) && isnan(*y)) return true;
  return d->tolerance > 0 && fabs(*x - *y) <= d->tolerance * fmax(1, fmax(fabs(*x), fabs(*y)));
}

/* ---- plans ------------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
  const vw_trial *x = *(const vw_trial *const *)a, *y = *(const vw_trial *const *)b;
  if (x->id.hi != y->id.hi) return x->id.hi < y->id.hi ? -1 : 1;
  return x->id.lo < y->id.lo ? -1 : x->id.lo > y->id.lo;
}

static bool same_hash(vw_hash a, vw_hash b) {
  return a.hi == b.hi && a.lo == b.lo;
}

static bool same_names(const vw_trial *a, const vw_trial *b) {
  return !strcmp(a->model, b->model) && !strcmp(a->data, b->data) && !strcmp(a->concept, b->concept) &&
         !strcmp(a->anchor, b->anchor) && a->delta == b->delta && a->replica == b->replica;
}

static const vw_block *block_of(const vw_plan *p, const vw_trial *t) {
  const int64_t i = t - p->trials;
  for (int64_t b = 0; b < p->n_blocks; b++)
    if (i >= p->blocks[b].first && i < p->blocks[b].first + p->blocks[b].n) return &p->blocks[b];
  return NULL;
}

/* Why the other plan has no trial of this id. */
static const char *why_absent(const vw_plan *mine, const vw_trial *t, const vw_plan *other) {
  for (int64_t i = 0; i < other->n_trials; i++) {
    const vw_trial *o = &other->trials[i];
    if (!same_names(t, o)) continue;
    const vw_block *x = block_of(mine, t), *y = block_of(other, o);
    if (x && y && !same_hash(x->weights, y->weights)) return "other weights, tokenizer or list of neighbours";
    if (x && y && !same_hash(x->protocol, y->protocol)) return "the study files decide otherwise how words are learned";
    if (!same_hash(t->data_hash, o->data_hash)) return "other pictures";
  }
  return "the other study does not ask for it";
}

static vw_status compare_trials(vw_diff *d, int mine) {
  const vw_plan *p = d->plan[mine], *other = d->plan[!mine];
  const vw_trial **sorted = malloc((size_t)(other->n_trials + 1) * sizeof(*sorted));
  VW_CHECK(sorted, VW_ERR_MEMORY, "diff: out of memory");
  for (int64_t i = 0; i < other->n_trials; i++) sorted[i] = &other->trials[i];
  qsort((void *)sorted, (size_t)other->n_trials, sizeof(*sorted), by_id);
  d->trials_in_both = 0;
  for (int64_t i = 0; i < p->n_trials; i++) {
    const vw_trial *t = &p->trials[i];
    if (bsearch((const void *)&t, (const void *)sorted, (size_t)other->n_trials, sizeof(*sorted), by_id)) {
      d->trials_in_both++;
      continue;
    }
    char id[VW_HASH_TEXT], delta[VW_DELTA_TEXT];
    vw_hash_text(t->id, id), vw_delta_text(t->delta, delta);
    if (!d->trials_only[mine]++)
      vw_diff_note(d, why_absent(p, t, other),
                   "plan: trial %s (%s, %s, %s, anchor %s, delta %s, replica %" PRId64 ") is only in %s", id, t->model,
                   t->data, t->concept, t->anchor, delta, t->replica, d->dir[mine]);
  }
  free((void *)sorted);
  return VW_OK;
}

/* Blocks that are in both have one precision; those of a model may have their own. */
static bool same_precision(const vw_plan *a, const vw_plan *b) {
  for (int64_t i = 0; i < a->n_blocks; i++)
    for (int64_t j = 0; j < b->n_blocks; j++)
      if (same_hash(a->blocks[i].id, b->blocks[j].id) &&
          strcmp(vw_block_precision(a, &a->blocks[i]), vw_block_precision(b, &b->blocks[j])) != 0)
        return false;
  return true;
}

/* Other kernels are a difference of their own only where the same bits are asked for. */
static void compare_kernels(vw_diff *d) {
  const vw_plan_kernels *a = &d->plan[0]->with, *b = &d->plan[1]->with;
  d->other_kernels = !same_precision(d->plan[0], d->plan[1]) || strcmp(a->backend, b->backend) != 0 ||
                     strcmp(a->precision, b->precision) != 0 || strcmp(a->kernels, b->kernels) != 0 ||
                     d->plan[0]->other_kernels.n || d->plan[1]->other_kernels.n;
}

/* Bits depend on which words are learned together and on the slices of a step. */
static bool same_blocks(const vw_plan *a, const vw_plan *b) {
  for (int64_t i = 0; i < a->n_blocks; i++) {
    int64_t j = 0;
    while (j < b->n_blocks && !same_hash(a->blocks[i].id, b->blocks[j].id)) j++;
    if (j == b->n_blocks || a->blocks[i].slices != b->blocks[j].slices) return false;
  }
  return true;
}

/* How words are judged is no part of a trial: the same words may have other metrics. */
static bool same_judging(const vw_plan *a, const vw_plan *b) {
  for (int64_t i = 0; i < a->n_blocks; i++)
    for (int64_t j = 0; j < b->n_blocks; j++)
      if (same_hash(a->blocks[i].id, b->blocks[j].id) && !same_hash(a->blocks[i].judging, b->blocks[j].judging))
        return false;
  return true;
}

static void kernels_text(const vw_plan *p, char text[VW_DIFF_TEXT / 3]) {
  (void)snprintf(text, VW_DIFF_TEXT / 3, "%s %s (%s%s%s)", p->with.backend, p->with.precision, p->with.kernels,
                 p->other_kernels.n ? ", later " : "", p->other_kernels.n ? p->other_kernels.name[0] : "");
}

static vw_status open_plan(vw_diff *d, int i) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/plan.yaml", d->dir[i]));
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT, "%s: no plan.yaml in it: not an output directory of 'viswords run'",
           d->dir[i]);
  return vw_plan_load(path, &d->plan[i]);
}

vw_status vw_diff_compare(vw_diff *d) {
  VW_TRY(open_plan(d, 0));
  VW_TRY(open_plan(d, 1));
  compare_kernels(d);
  VW_TRY(compare_trials(d, 0));
  VW_TRY(compare_trials(d, 1));
  VW_TRY(vw_diff_results(d));
  VW_TRY(vw_diff_study_files(d));
  if (d->other_kernels && !(d->tolerance > 0)) vw_diff_note(d, "", "plan: other kernels");
  if (!d->first[0]) return VW_OK;
  if (d->other_kernels) {
    char a[VW_DIFF_TEXT / 3], b[VW_DIFF_TEXT / 3];
    kernels_text(d->plan[0], a), kernels_text(d->plan[1], b);
    const size_t n = strlen(d->why);
    (void)snprintf(d->why + n, sizeof d->why - n, "%sother kernels: %s and %s", n ? "; " : "", a, b);
  }
  if (!d->why[0] && !same_judging(d->plan[0], d->plan[1]))
    (void)snprintf(d->why, sizeof d->why, "the studies judge the same words in other ways (keys of judge)");
  if (!d->why[0] && !same_blocks(d->plan[0], d->plan[1]))
    (void)snprintf(d->why, sizeof d->why,
                   "the plans learn the same trials in other blocks (plan.ranks, plan.block) or in other slices of a "
                   "step (plan.ranks_per_block): sums are in another order");
  if (!d->why[0])
    (void)snprintf(d->why, sizeof d->why,
                   "plan, kernels and inputs are the same: a file was changed, or other versions of the program made "
                   "them (/provenance of study.h5)");
  return VW_OK;
}
