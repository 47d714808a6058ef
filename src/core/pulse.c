#include "core/pulse.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

_Atomic uint64_t vw_pulse_count; /* NOLINT */

static _Atomic int64_t now_step;
static _Atomic int depth; /* of waiting */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char now_stage[VW_PULSE_STAGE], now_item[VW_PULSE_ITEM], now_kept[VW_PULSE_KEPT]; /* under the mutex */

void vw_pulse_stage(const char *stage, const char *kept) {
  (void)pthread_mutex_lock(&mutex);
  (void)snprintf(now_stage, sizeof now_stage, "%s", stage ? stage : "");
  (void)snprintf(now_kept, sizeof now_kept, "%s", kept ? kept : "");
  now_item[0] = 0;
  (void)pthread_mutex_unlock(&mutex);
  vw_pulse_step(0);
}

void vw_pulse_item(const char *item) {
  (void)pthread_mutex_lock(&mutex);
  (void)snprintf(now_item, sizeof now_item, "%s", item ? item : "");
  (void)pthread_mutex_unlock(&mutex);
  vw_pulse_step(0);
}

void vw_pulse_step(int64_t step) {
  atomic_store_explicit(&now_step, step, memory_order_relaxed);
  vw_pulse();
}

void vw_pulse_wait(void) {
  atomic_fetch_add(&depth, 1);
  vw_pulse();
}

void vw_pulse_resume(void) {
  atomic_fetch_sub(&depth, 1);
  vw_pulse();
}

void vw_pulse_read(vw_pulse_state *out) {
  *out = (vw_pulse_state){.count = atomic_load(&vw_pulse_count), .step = atomic_load(&now_step)};
  out->waits = atomic_load(&depth) > 0;
  (void)pthread_mutex_lock(&mutex);
  memcpy(out->stage, now_stage, sizeof out->stage);
  memcpy(out->item, now_item, sizeof out->item);
  memcpy(out->kept, now_kept, sizeof out->kept);
  (void)pthread_mutex_unlock(&mutex);
}
