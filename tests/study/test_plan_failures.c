/* The plan when memory or the disk fails at any place: plan.yaml is the old one or the whole new one, and never taken
 * for missing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "study/plan.h"
#include "tests/support/fail.h"

static const vw_plan_kernels here = {"cpu", "fp32", "these"}, there = {"cpu", "fp32", "those"};
static const vw_hash weights[1] = {{1, 2}};
static vw_hash on_o[8];
static const vw_hash *const pictures[1] = {on_o};
static const vw_study_inputs inputs = {weights, pictures};

static char path[64];
static vw_study_config *two, *three; /* so many anchors */
static vw_plan *plan;

static vw_study_config *study(const char *anchors) {
  char text[256];
  vw_study_config *c = NULL;
  (void)snprintf(text, sizeof text,
                 "data: {o: {root: r, concepts: [cat, dog]}}\nmodels: {clip: {weights: w}}\n"
                 "trials: {anchors: [%s]}\nplan: {block: 3}\n",
                 anchors);
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &vw_test_kinds, NULL, &c));
  return c;
}

static int set_up(void **state) {
  (void)state;
  (void)snprintf(path, sizeof path, "%s/vw-plan-%ld.yaml", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
                 (long)getpid());
  two = study("the, red"), three = study("the, red, big");
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  vw_study_config_destroy(two), vw_study_config_destroy(three);
  return unlink(path);
}

static void close_plan(void) {
  vw_plan_destroy(plan), plan = NULL;
}

static int64_t trials_in_file(void) {
  vw_plan *now = NULL;
  if (!vw_file_exists(path)) return 0;
  assert_ok(vw_plan_load(path, &now));
  const int64_t n = now->n_trials;
  vw_plan_destroy(now);
  return n;
}

static void no_plan(void) {
  (void)unlink(path);
}
static void old_plan(void) {
  no_plan();
  assert_ok(vw_plan_open(path, two, &inputs, &here, false, &plan));
  close_plan();
}

static vw_status open_two(void) {
  return vw_plan_open(path, two, &inputs, &here, false, &plan);
}
static vw_status open_three_elsewhere(void) {
  return vw_plan_open(path, three, &inputs, &there, true, &plan);
}
static vw_status load(void) {
  return vw_plan_load(path, &plan);
}

static const char first[] = "conv: 1\n", second[] = "conv: 2\ngemm: 3\n";

static void plan_with_algorithms(void) {
  old_plan();
  assert_ok(load());
  assert_ok(vw_plan_set_algorithms(plan, first));
  assert_ok(vw_plan_save(plan, path));
  close_plan();
}
static vw_status choose_again(void) {
  VW_TRY(load());
  VW_TRY(vw_plan_set_algorithms(plan, second));
  return vw_plan_save(plan, path);
}
/* The old choice or the new one. */
static void chosen(vw_status st) {
  close_plan();
  assert_ok(load());
  if (st == VW_OK || strcmp(plan->algorithms, first) != 0) assert_string_equal(plan->algorithms, second);
  close_plan();
}

static int64_t trials_of(const vw_study_config *c) {
  return (int64_t)vw_study_trial_count(c, 0, 0);
}

static void check(vw_status st, const vw_study_config *c, int64_t before) {
  const int64_t wanted = trials_of(c), found = trials_in_file();
  if (st == VW_OK) {
    assert_int_equal(plan->n_trials, wanted);
    assert_int_equal(found, wanted);
  } else {
    assert_null(plan);
    assert_true(found == wanted || found == before); /* fsync of the folder fails after the file is in place */
  }
  close_plan();
}
static void created(vw_status st) {
  check(st, two, 0);
}
static void grown(vw_status st) {
  check(st, three, trials_of(two));
}

static void test_plan(void **state) {
  static const fail_case create = {"plan, new", no_plan, open_two, created},
                         grow = {"plan, grown", old_plan, open_three_elsewhere, grown},
                         choose = {"plan, algorithms", plan_with_algorithms, choose_again, chosen},
                         read = {"plan, load", old_plan, load, created};
  (void)state;
  fail_each(&create, FAIL_MEMORY, ENOMEM);
  fail_each(&create, FAIL_IO, ENOSPC);
  fail_each(&grow, FAIL_MEMORY, ENOMEM);
  fail_each(&grow, FAIL_IO, EIO);
  fail_each(&choose, FAIL_MEMORY, ENOMEM);
  fail_each(&choose, FAIL_IO, ENOSPC);
  fail_each(&read, FAIL_MEMORY, ENOMEM);
  fail_each(&read, FAIL_IO, EIO);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plan)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
