#include "core/machine.h"

#include <stdio.h>

int64_t vw_machine_memory_free(void) {
  FILE *f = fopen("/proc/meminfo", "r");
  char line[128];
  long long kilobytes = 0;
  while (f && !kilobytes && fgets(line, sizeof line, f))
    if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) != 1) kilobytes = 0;
  if (f) (void)fclose(f);
  return (int64_t)kilobytes << 10;
}
