/* What this process is doing, for those who watch whether it still moves (cluster/watchdog.h) and say where it stood.
 *
 * Loops that may run long call vw_pulse: the graph's calls, pieces of files, pictures, iterations. A count that stands
 * still for many minutes then means a device, a file system or a library that does not come back. Everything here may be
 * called by any thread and costs next to nothing. */
#ifndef VW_CORE_PULSE_H
#define VW_CORE_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { VW_PULSE_STAGE = 32, VW_PULSE_ITEM = 112, VW_PULSE_KEPT = 96 };

typedef struct vw_pulse_state {
  uint64_t count;             /* goes up while the process moves */
  int64_t step;               /* of the item; 0 before the first */
  bool waits;                 /* for other ranks: standing still is no fault of its own */
  char stage[VW_PULSE_STAGE]; /* "learn"; "" before the first */
  char item[VW_PULSE_ITEM];   /* of the stage, as a block's id; "": none */
  char kept[VW_PULSE_KEPT];   /* what stays where the run ends now: "finished blocks and checkpoints" */
} vw_pulse_state;

extern _Atomic uint64_t vw_pulse_count; /* NOLINT: read by the function below, so that a pulse costs one instruction */

static inline void vw_pulse(void) {
  atomic_fetch_add_explicit(&vw_pulse_count, 1, memory_order_relaxed);
}

/* A stage begins, without an item. NULL: "". */
void vw_pulse_stage(const char *stage, const char *kept);

/* An item of the stage begins, or ("") none is there. */
void vw_pulse_item(const char *item);

/* Steps of the item that are done. */
void vw_pulse_step(int64_t step);

/* From here on the process waits for other ranks, until as many calls of vw_pulse_resume as of this. */
void vw_pulse_wait(void);
void vw_pulse_resume(void);

void vw_pulse_read(vw_pulse_state *out);

#endif
