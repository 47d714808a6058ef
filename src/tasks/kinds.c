#include "tasks/kinds.h"

#include <stdio.h>
#include <string.h>

const vw_kind *vw_kind_named(const char *name) {
  for (int i = 0; i < vw_n_kinds; i++)
    if (strcmp(vw_kinds[i].network->name, name) == 0) return &vw_kinds[i];
  return NULL;
}

const vw_study_kinds *vw_kinds_of_study(void) {
  static char models[512], tasks[512], keys[2048], data[512], defaults[512];
  static const vw_study_kinds kinds = {models, tasks, keys, data, vw_kinds_later, defaults};
  size_t at[5] = {0, 0, 0, 0, 0};
  for (int i = 0; i < vw_n_kinds; i++) {
    at[0] += (size_t)snprintf(models + at[0], sizeof models - at[0], "%s%s", i ? " " : "", vw_kinds[i].network->name);
    at[1] += (size_t)snprintf(tasks + at[1], sizeof tasks - at[1], "%s%s", i ? " " : "", vw_kinds[i].task->name);
    at[2] += (size_t)snprintf(keys + at[2], sizeof keys - at[2], "%s%s", i ? "," : "",
                              vw_kinds[i].task->keys ? vw_kinds[i].task->keys : "");
    at[3] += (size_t)snprintf(data + at[3], sizeof data - at[3], "%s%s", i ? "," : "",
                              vw_kinds[i].task->data ? vw_kinds[i].task->data : "");
    at[4] += (size_t)snprintf(defaults + at[4], sizeof defaults - at[4], "%s%s", i ? "," : "",
                              vw_kinds[i].task->defaults ? vw_kinds[i].task->defaults : "");
  }
  return &kinds;
}
