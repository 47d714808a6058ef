/* What the host asked of the emulated device, for tests: other is memory, copies and waits for the stream. */
#ifndef VW_TESTS_EMULATOR_CALLS_H
#define VW_TESTS_EMULATOR_CALLS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_emulated_counts {
  int64_t launches, products, graph_launches, events, event_waits, other;
} vw_emulated_counts;
extern vw_emulated_counts vw_emulated_calls;

#ifdef __cplusplus
}
#endif
#endif
