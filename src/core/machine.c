#include "core/machine.h"

#include "core/control_group.h"

#include <stdio.h>
#include <string.h>

/* Bytes of a line of /proc/meminfo. */
static int64_t memory_line(const char *name) {
  FILE *f = fopen("/proc/meminfo", "r");
  char line[128];
  long long kilobytes = 0;
  const size_t n = strlen(name);
  while (f && !kilobytes && fgets(line, sizeof line, f))
    if (strncmp(line, name, n) != 0 || sscanf(line + n, ": %lld kB", &kilobytes) != 1) kilobytes = 0;
  if (f) (void)fclose(f);
  return (int64_t)kilobytes << 10;
}

int64_t vw_machine_memory_free(void) {
  return memory_line("MemAvailable");
}

/* "max" in version 2, a huge number in version 1: no limit. */
static double memory_limit(const char *folder, bool is_version_2) {
  return vw_control_group_number(folder, is_version_2 ? "memory.max" : "memory.limit_in_bytes");
}

int64_t vw_machine_memory(const char *groups, const char *root) {
  const int64_t all = memory_line("MemTotal");
  const double granted = vw_control_group_limit(groups, root, "memory", memory_limit);
  return granted > 0 && granted < (double)all ? (int64_t)granted : all;
}
