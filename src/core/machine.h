/* What this machine has to give. */
#ifndef VW_CORE_MACHINE_H
#define VW_CORE_MACHINE_H

#include <stdint.h>

/* Bytes of memory that programs can still take without swapping; 0: unknown. */
int64_t vw_machine_memory_free(void);

/* Bytes of memory that this machine has, or that the control groups of this process grant where that is less; 0:
 * unknown. `groups` and `root` as of vw_control_group_limit. */
int64_t vw_machine_memory(const char *groups, const char *root);

#endif
