/* What this machine has to give. */
#ifndef VW_CORE_MACHINE_H
#define VW_CORE_MACHINE_H

#include <stdint.h>

/* Bytes of memory that programs can still take without swapping; 0: unknown. */
int64_t vw_machine_memory_free(void);

#endif
