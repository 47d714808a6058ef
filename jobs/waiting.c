#include "jobs/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The program's own file; false where it runs below a loader that was called by name. */
static int find_self(char *path, size_t bytes) {
  const ssize_t length = readlink("/proc/self/exe", path, bytes - 1);
  if (length <= 0 || (size_t)length >= bytes - 1) return 0;
  path[length] = 0;
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  return strncmp(name, "ld-", 3) != 0 && strncmp(name, "ld.so", 5) != 0;
}

void vw_wait_asleep(char **argv) {
  static const char *const settings[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};
  char self[4096];
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (getenv(settings[i])) return;
  if (!find_self(self, sizeof self) || setenv("OMP_WAIT_POLICY", "passive", 1) != 0) return;
  (void)execv(self, argv); /* returns where it failed: waiting threads spin then, results are the same */
}
