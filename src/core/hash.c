#include "core/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "core/pulse.h"

vw_hash vw_hash_bytes(const void *data, size_t bytes) {
  vw_pulse();
  const XXH128_hash_t h = XXH3_128bits(data, bytes);
  return (vw_hash){.lo = h.low64, .hi = h.high64};
}

void vw_hash_text(vw_hash h, char text[VW_HASH_TEXT]) {
  (void)snprintf(text, VW_HASH_TEXT, "%016" PRIx64 "%016" PRIx64, h.hi, h.lo);
}

/* The handle is xxHash's own state: it must be aligned to 64 bytes, which its allocator sees to. */
vw_hasher *vw_hasher_create(void) {
  XXH3_state_t *s = XXH3_createState();
  if (s) XXH3_128bits_reset(s);
  return (vw_hasher *)(void *)s;
}

void vw_hasher_destroy(vw_hasher *h) {
  XXH3_freeState((XXH3_state_t *)(void *)h);
}

void vw_hasher_add(vw_hasher *h, const void *data, size_t bytes) {
  vw_pulse();
  XXH3_128bits_update((XXH3_state_t *)(void *)h, data, bytes);
}

void vw_hasher_field(vw_hasher *h, const char *text) {
  const uint64_t n = strlen(text);
  vw_hasher_add(h, &n, sizeof n);
  vw_hasher_add(h, text, n);
}

void vw_hasher_int(vw_hasher *h, int64_t value) {
  vw_hasher_add(h, &value, sizeof value);
}
void vw_hasher_double(vw_hasher *h, double value) {
  vw_hasher_add(h, &value, sizeof value);
}

vw_hash vw_hasher_done(const vw_hasher *h) {
  const XXH128_hash_t d = XXH3_128bits_digest((const XXH3_state_t *)(const void *)h);
  return (vw_hash){.lo = d.low64, .hi = d.high64};
}
