#include "core/cores.h"

#include "core/control_group.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 4096 };

int vw_cores_mask(int32_t *mask) {
  int n = 0;
  memset(mask, 0, VW_MOST_CORES * sizeof *mask);
  cpu_set_t *set = CPU_ALLOC(VW_MOST_CORES);
  const size_t bytes = CPU_ALLOC_SIZE(VW_MOST_CORES);
  if (set && sched_getaffinity(0, bytes, set) == 0)
    for (int c = 0; c < VW_MOST_CORES; c++)
      if (CPU_ISSET_S((size_t)c, bytes, set)) mask[c] = 1, n++;
  if (set) CPU_FREE(set);
  if (n) return n;
  const long online = sysconf(_SC_NPROCESSORS_ONLN); /* a machine that does not say */
  for (; n < online && n < VW_MOST_CORES; n++) mask[n] = 1;
  if (!n) mask[n++] = 1;
  return n;
}

/* "200000 100000" or "max 100000": quota and period; 0: no limit. */
static double version_2(const char *path) {
  double quota = 0, period = 0;
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  const bool is_limited = fscanf(f, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0;
  (void)fclose(f);
  return is_limited ? quota / period : 0;
}

static double limit_of(const char *folder, bool is_version_2) {
  char path[2 * LINE];
  (void)snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (is_version_2) return version_2(path);
  const double quota = vw_control_group_number(folder, "cpu.cfs_quota_us"),
               period = vw_control_group_number(folder, "cpu.cfs_period_us");
  return quota > 0 && period > 0 ? quota / period : 0;
}

double vw_cores_quota(const char *groups, const char *root) {
  return vw_control_group_limit(groups, root, "cpu", limit_of);
}

int vw_cores_share(const int32_t *mine, const int32_t *sharers, double quota, int ranks) {
  static const double rounding = 1e-9; /* three thirds of a core are one */
  double cores = 0;
  for (int c = 0; c < VW_MOST_CORES; c++)
    if (mine[c]) cores += 1.0 / (sharers[c] > 1 ? sharers[c] : 1);
  if (quota > 0 && quota / ranks < cores) cores = quota / ranks;
  return cores < 1 ? 1 : (int)(cores + rounding);
}
