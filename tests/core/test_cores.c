/* Cores of a process: limits of control groups of both versions, masks that ranks share or not. */
#include "tests/support/test.h"

#include "core/cores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void put(const char *name, const char *text) {
  char path[256];
  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    (void)mkdir(path, 0700);
    *slash = '/';
  }
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static double quota_of(const char *groups) {
  char path[256];
  put("groups", groups);
  (void)snprintf(path, sizeof path, "%s/groups", root);
  return vw_cores_quota(path, root);
}

static void test_quota(void **state) {
  (void)state;
  put("cpu.max", "max 100000\n");
  put("slurm/cpu.max", "150000 100000\n");
  put("slurm/job/cpu.max", "800000 100000\n");
  put("free/cpu.max", "max 100000\n");
  put("cpu,cpuacct/docker/cpu.cfs_quota_us", "300000\n");
  put("cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
  put("cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  put("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  assert_true(quota_of("0::/free\n") == 0);
  assert_true(quota_of("0::/slurm\n") == 1.5);
  assert_true(quota_of("0::/slurm/job\n") == 1.5); /* a group's parent limits it too */
  assert_true(quota_of("0::/gone\n") == 0);
  assert_true(quota_of("5:cpu,cpuacct:/docker\n") == 3);
  assert_true(quota_of("5:cpuset:/docker\n4:cpu,cpuacct:/\n") == 0);
  assert_true(quota_of("nonsense\n\n") == 0);
  put("cpu.max", "400000 100000\n"); /* a container: its own group is the root */
  assert_true(quota_of("0::/\n") == 4);
  assert_true(vw_cores_quota("/nowhere", root) == 0);
}

static void test_share(void **state) {
  (void)state;
  static int32_t mine[VW_MOST_CORES], all[VW_MOST_CORES];
  assert_int_equal(vw_cores_share(mine, all, 0, 1), 1); /* nothing known: one */
  for (int c = 0; c < 12; c++) mine[c] = 1, all[c] = 3;
  assert_int_equal(vw_cores_share(mine, all, 0, 3), 4); /* three ranks, one mask */
  for (int c = 0; c < 12; c++) all[c] = 1;
  assert_int_equal(vw_cores_share(mine, all, 0, 3), 12); /* bound to cores of their own */
  assert_int_equal(vw_cores_share(mine, all, 7.5, 3), 2);
  assert_int_equal(vw_cores_share(mine, all, 1.5, 3), 1);
  memset(mine, 0, sizeof mine);
  mine[3] = mine[4] = mine[5] = 1, all[3] = all[4] = all[5] = 3;
  assert_int_equal(vw_cores_share(mine, all, 0, 3), 1); /* three thirds */
  all[3] = all[4] = all[5] = 4;
  assert_int_equal(vw_cores_share(mine, all, 0, 4), 1); /* more ranks than cores */
}

static void test_mask(void **state) {
  (void)state;
  static int32_t mask[VW_MOST_CORES];
  int n = 0;
  const int cores = vw_cores_mask(mask);
  for (int c = 0; c < VW_MOST_CORES; c++) n += mask[c];
  assert_int_equal(n, cores);
  assert_true(cores >= 1 && cores <= sysconf(_SC_NPROCESSORS_CONF));
}

int main(void) {
  (void)snprintf(root, sizeof root, "/tmp/viswords-cores-XXXXXX");
  if (!mkdtemp(root)) return 1;
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_quota), cmocka_unit_test(test_share),
                                     cmocka_unit_test(test_mask)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  char command[96];
  (void)snprintf(command, sizeof command, "rm -rf %s", root);
  return system(command) == 0 ? failed : 1;
}
