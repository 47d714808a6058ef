/* What the parts of `viswords diff` share.  */
#ifndef VW_RESULTS_DIFF_H
#define VW_RESULTS_DIFF_H

#include "core/durable.h"
#include "core/tensor.h"
#include "study/plan.h"

#include <jansson.h>

enum { VW_DIFF_TEXT = 640 };

typedef struct vw_diff {
  const char *dir[2];
  vw_plan *plan[2];
  double tolerance; /* 0: bit for bit */
  bool only_both;   /* what one of them alone has is no difference: they are to be joined */
  bool other_kernels;
  char first[VW_DIFF_TEXT], why[VW_DIFF_TEXT]; /* of the first difference; why may be "" */
  int64_t trials_in_both, trials_compared, trials_differ, trials_only[2], trials_missing[2];
  double largest;           /* difference of a component of a word */
  bool study_compared;      /* both have a study.h5 */
  json_t *baselines, *sets; /* names of those that differ */
} vw_diff;

/* Notes a difference; the first one is kept with its reason ("": not known here). */
void vw_diff_note(vw_diff *d, const char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Are element i of `a` and j of `b` the same, bit for bit or within the tolerance? Numbers of both as double in x, y.
 */
bool vw_diff_same(const vw_diff *d, const vw_tensor *a, int64_t i, const vw_tensor *b, int64_t j, double *x, double *y);

/* Compares d->dir[0] and d->dir[1]: the caller sets them, the tolerance and the two lists, and destroys the plans.
 * Errors: VW_ERR_IO, VW_ERR_INPUT (damaged, or no output directory). */
vw_status vw_diff_compare(vw_diff *d);

/* Results of trials and baselines, from the block files; then study.h5. Errors: VW_ERR_IO, VW_ERR_INPUT (damaged). */
vw_status vw_diff_results(vw_diff *d);
vw_status vw_diff_study_files(vw_diff *d);

#endif
