/* Pools: alignment, zeroed memory, things larger than a chunk, and texts cut at a length. */
#include "tests/support/test.h"

#include "core/pool.h"

#include <string.h>

static void test_pool(void **state) {
  (void)state;
  vw_pool pool = {0};
  char *last = NULL;
  for (size_t bytes = 0; bytes < 200000; bytes = 3 * bytes + 1) {
    char *p = vw_pool_take(&pool, bytes);
    assert_non_null(p);
    assert_true((uintptr_t)p % 16 == 0 && p != last);
    for (size_t i = 0; i < bytes; i++) assert_int_equal(p[i], 0);
    memset(p, 0x5a, bytes);
    last = p;
  }
  assert_string_equal(vw_pool_text(&pool, "sombrero", -1), "sombrero");
  assert_string_equal(vw_pool_text(&pool, "sombrero", 4), "somb");
  assert_null(vw_pool_take(&pool, SIZE_MAX));
  vw_pool_fini(&pool);
  assert_null(pool.head);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pool)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
