#include "tests/support/test.h"

#include "core/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#ifndef VW_TEST_DATA
#define VW_TEST_DATA "tests"
#endif

const vw_study_kinds vw_test_kinds = {
    "clip owlv2 stable-diffusion", "classification detection generation",
    "learn.batch.negatives judge.templates,learn.batch.negatives learn.matching "
    "data.<name>.pictures.negatives judge.suppression judge.templates,learn.resolution learn.watch.pictures "
    "judge.weights judge.names judge.pictures judge.sampler judge.steps judge.guidance judge.negative judge.spacing "
    "truncation.pictures truncation.pictures_carried data.<name>.concepts",
    ",,", "imaginary"};

void vw_assert_near(const char *what, const double *a, const double *b, int64_t n, double tol) {
  double worst = 0, largest = 1;
  int64_t at = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(b[i]) && fabs(b[i]) > largest) largest = fabs(b[i]);
  for (int64_t i = 0; i < n; i++) {
    if (a[i] == b[i]) continue; /* equal infinities too */
    const double d = fabs(a[i] - b[i]);
    if (!(d <= worst)) worst = d, at = i;
    if (!isfinite(d)) break; /* NaN is the worst of all: keep it */
  }
  if (!(worst <= tol * largest))
    fail_msg("%s: element %" PRId64 " is %.17g, expected %.17g: differs by %.3g, allowed %.3g", what, at, a[at], b[at],
             worst, tol * largest);
}

void vw_test_fill(double *x, int64_t n, uint64_t seed) {
  for (int64_t i = 0; i < n; i++) x[i] = 2.0 * vw_uniform(vw_draw_u32(seed, 0, 99, (uint32_t)i)) - 1.0;
}

const char *vw_test_path(const char *relative) {
  static char path[8][1024];
  static int next;
  char *p = path[next++ % 8];
  const char *moved = getenv("VISWORDS_TESTS"); /* a bundle's tests run far from where they were built */
  (void)snprintf(p, sizeof path[0], "%s/%s", moved ? moved : VW_TEST_DATA, relative);
  return p;
}
