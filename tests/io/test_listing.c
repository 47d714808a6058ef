/* Folders that are listed: once between begin and end, again where they changed; what stands in them, links and output
 * directories too; nothing is kept outside. */
#include "tests/support/test.h"

#include "io/listing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/vw-listing-XXXXXX";

static int set_up(void **state) {
  char command[256];
  (void)state;
  if (!mkdtemp(dir)) return -1;
  (void)snprintf(
      command, sizeof command,
      "cd %s && mkdir cat .hidden old && touch b.jpg a.jpg old/plan.yaml && ln -s cat linked && ln -s none broken",
      dir);
  return system(command);
}

static int tear_down(void **state) {
  char command[64];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static void test_entries(void **state) {
  static const vw_listing_entry expected[] = {
      {".hidden", true, false}, {"a.jpg", false, false}, {"b.jpg", false, false}, {"broken", false, false},
      {"cat", true, false},     {"linked", true, false}, {"old", true, true}};
  const vw_listing *l = NULL;
  int err = -1;
  (void)state;
  assert_ok(vw_listing_open(dir, &l, &err));
  assert_int_equal(err, 0);
  assert_int_equal(l->n, sizeof expected / sizeof *expected);
  for (int64_t i = 0; i < l->n; i++) {
    assert_string_equal(l->entry[i].name, expected[i].name);
    assert_int_equal(l->entry[i].is_folder, expected[i].is_folder);
    assert_int_equal(l->entry[i].is_output, expected[i].is_output);
  }
  vw_listing_close(l);
  assert_int_equal(vw_listing_open("/nowhere", &l, &err), VW_ERR_IO);
  assert_int_equal(err, ENOENT);
  assert_null(l);
}

static void open_once(const char *path, int64_t reads) {
  const vw_listing *l = NULL;
  assert_ok(vw_listing_open(path, &l, NULL));
  vw_listing_close(l);
  assert_int_equal(vw_listings_read(), reads);
}

static void test_once(void **state) {
  vw_ranks one;
  char below[64];
  (void)state;
  (void)snprintf(below, sizeof below, "%s/cat", dir);
  vw_ranks_single(&one);
  vw_listings_begin();
  open_once(dir, 1), open_once(below, 2), open_once(dir, 2), open_once(below, 2);
  assert_ok(vw_listings_share(&one));
  open_once(dir, 2);
  vw_listings_end();
  assert_int_equal(vw_listings_read(), 0);
  open_once(dir, 1), open_once(dir, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_entries), cmocka_unit_test(test_once)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
