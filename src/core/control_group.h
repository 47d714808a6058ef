/* Limits that the control groups of this process set it. */
#ifndef VW_CORE_CONTROL_GROUP_H
#define VW_CORE_CONTROL_GROUP_H

#include <stdbool.h>

/* The limit of one group's folder; 0: none. Version 1 and 2 have other files. */
typedef double (*vw_control_group_reader)(const char *folder, bool is_version_2);

/* The smallest limit of the process' group and those above it, in version 2 and of `controller` ("cpu") in version 1;
 * 0: none. `groups` is /proc/self/cgroup, `root` is /sys/fs/cgroup. What cannot be read limits nothing. */
double vw_control_group_limit(const char *groups, const char *root, const char *controller,
                              vw_control_group_reader limit_of);

/* The number that a file begins with; 0: there is none. */
double vw_control_group_number(const char *folder, const char *name);

#endif
