/* Cores that this process may use: what the launcher bound it to, and what its control group grants. */
#ifndef VW_CORE_CORES_H
#define VW_CORE_CORES_H

#include <stdint.h>

enum { VW_MOST_CORES = 4096 };

/* mask[VW_MOST_CORES]: 1 for each core that the system may run this thread on. Returns their number, at least 1. Cores
 * beyond VW_MOST_CORES are not counted. */
int vw_cores_mask(int32_t *mask);

/* The cores' worth of time that the control groups of this process grant it, parts of a core too; 0: no limit.
 * `groups` is /proc/self/cgroup, `root` is /sys/fs/cgroup; version 2 (cpu.max) and version 1 (cpu.cfs_quota_us). The
 * smallest limit of the group and those above it counts. What cannot be read limits nothing. */
double vw_cores_quota(const char *groups, const char *root);

/* The cores of one rank of a node. `mine` is the rank's mask; sharers[c] counts the node's ranks that may use core c,
 * each of which gets an equal part of it. The quota is that of all `ranks` together. At least 1. */
int vw_cores_share(const int32_t *mine, const int32_t *sharers, double quota, int ranks);

#endif
