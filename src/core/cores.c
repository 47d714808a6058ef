#include "core/cores.h"

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

static double smaller(double a, double b) {
  return a > 0 && (b <= 0 || a < b) ? a : b;
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

static double number_in(const char *folder, const char *name) {
  char path[2 * LINE];
  double value = 0;
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  if (fscanf(f, "%lf", &value) != 1) value = 0;
  (void)fclose(f);
  return value;
}

static double limit_of(const char *folder, bool is_version_2) {
  char path[2 * LINE];
  (void)snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (is_version_2) return version_2(path);
  const double quota = number_in(folder, "cpu.cfs_quota_us"), period = number_in(folder, "cpu.cfs_period_us");
  return quota > 0 && period > 0 ? quota / period : 0;
}

/* The limits of ROOT/group and of every group above it. */
static double limit_above(const char *root, const char *group, bool is_version_2) {
  char folder[LINE];
  const size_t start = strlen(root);
  double least = 0;
  const int length = snprintf(folder, sizeof folder, "%s%s", root, group);
  if (length < 0 || (size_t)length >= sizeof folder) return 0;
  for (;;) {
    least = smaller(limit_of(folder, is_version_2), least);
    char *slash = strrchr(folder + start, '/');
    if (!slash) return least;
    *slash = 0;
  }
}

static bool lists(const char *controllers, const char *name) {
  const size_t n = strlen(name);
  for (const char *p = strstr(controllers, name); p; p = strstr(p + 1, name))
    if ((p == controllers || p[-1] == ',') && (p[n] == ',' || !p[n])) return true;
  return false;
}

/* Lines are "0::/group" (version 2) or "4:cpu,cpuacct:/group". */
double vw_cores_quota(const char *groups, const char *root) {
  char line[LINE], folder[LINE];
  double least = 0;
  FILE *f = fopen(groups, "re");
  if (!f) return 0;
  while (fgets(line, sizeof line, f)) {
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    line[strcspn(line, "\n")] = 0;
    if (!group) continue;
    *group++ = 0, controllers++;
    if (!*controllers) least = smaller(limit_above(root, group, true), least);
    if (!lists(controllers, "cpu")) continue;
    const int length = snprintf(folder, sizeof folder, "%s/%s", root, controllers);
    if (length < 0 || (size_t)length >= sizeof folder) continue;
    least = smaller(limit_above(folder, group, false), least); /* ends at the root: a container's own group */
  }
  (void)fclose(f);
  return least;
}

int vw_cores_share(const int32_t *mine, const int32_t *sharers, double quota, int ranks) {
  static const double rounding = 1e-9; /* three thirds of a core are one */
  double cores = 0;
  for (int c = 0; c < VW_MOST_CORES; c++)
    if (mine[c]) cores += 1.0 / (sharers[c] > 1 ? sharers[c] : 1);
  if (quota > 0 && quota / ranks < cores) cores = quota / ranks;
  return cores < 1 ? 1 : (int)(cores + rounding);
}
