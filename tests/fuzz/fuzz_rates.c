/* rates/HASH.json of the cache folder. */
#include "learn/rates.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>

void fuzz_one(const uint8_t *data, size_t size) {
  vw_rates r = {0};
  vw_rates_parse(&r, (const char *)data, (int64_t)size);
  for (int64_t i = 0; i < r.n; i++) {
    double seconds = -1;
    const vw_hash other = {.lo = ~r.item[i].shape.lo, .hi = r.item[i].shape.hi};
    if (vw_rates_seconds(&r, r.item[i].kind, r.item[i].shape, 1, &seconds) != VW_RATE_MEASURED || !(seconds > 0))
      abort();
    if (vw_rates_seconds(&r, r.item[i].kind, other, 1e9, &seconds) == VW_RATE_UNKNOWN || isnan(seconds)) abort();
  }
  vw_rates_close(&r);
}
