/* --max-time: what could not be stopped of late is kept free before the end. */
#include <time.h>

#include "jobs/stop.h"
#include "tests/support/test.h"

static void pass(double seconds) {
  const struct timespec t = {0, (long)(1e9 * seconds)};
  (void)nanosleep(&t, NULL);
}

static void a_unit_that_would_not_end_is_not_begun(void **state) {
  (void)state;
  vw_stop_after(0.3);
  vw_stop_begin();
  (void)vw_stop_requested();
  pass(0.2);
  assert_true(vw_stop_requested()); /* 0.2 s are over, and the next unit takes as long */
  vw_stop_after(1e6);
  vw_stop_begin();
  pass(0.01); /* before the first question: of no unit */
  for (int i = 0; i < 3; i++) assert_false(vw_stop_requested());
  vw_stop_reserve(1e6); /* saving takes that long */
  assert_true(vw_stop_requested());
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_unit_that_would_not_end_is_not_begun)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
