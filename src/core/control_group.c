#include "core/control_group.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 4096 };

static double smaller(double a, double b) {
  return a > 0 && (b <= 0 || a < b) ? a : b;
}

double vw_control_group_number(const char *folder, const char *name) {
  char path[2 * LINE];
  double value = 0;
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  if (fscanf(f, "%lf", &value) != 1) value = 0;
  (void)fclose(f);
  return value;
}

/* The limits of ROOT/group and of every group above it. */
static double limit_above(const char *root, const char *group, bool is_version_2, vw_control_group_reader limit_of) {
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
double vw_control_group_limit(const char *groups, const char *root, const char *controller,
                              vw_control_group_reader limit_of) {
  char line[LINE], folder[LINE];
  double least = 0;
  FILE *f = fopen(groups, "re");
  if (!f) return 0;
  while (fgets(line, sizeof line, f)) {
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    line[strcspn(line, "\n")] = 0;
    if (!group) continue;
    *group++ = 0, controllers++;
    if (!*controllers) least = smaller(limit_above(root, group, true, limit_of), least);
    if (!lists(controllers, controller)) continue;
    const int length = snprintf(folder, sizeof folder, "%s/%s", root, controllers);
    if (length < 0 || (size_t)length >= sizeof folder) continue;
    least = smaller(limit_above(folder, group, false, limit_of), least); /* ends at the root: a container's own group */
  }
  (void)fclose(f);
  return least;
}
