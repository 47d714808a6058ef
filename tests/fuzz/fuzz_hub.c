/* The JSON of a model directory: config.json, and after a 0 byte preprocessor_config.json. */
#include <string.h>

#include "io/hub/hub_clip.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size) {
  const uint8_t *end = memchr(data, 0, size);
  const size_t first = end ? (size_t)(end - data) : size, rest = end ? size - first - 1 : 0;
  vw_hub_clip h;
  (void)fuzz_file("config.json", data, first);
  (void)fuzz_file("preprocessor_config.json", end ? end + 1 : (const uint8_t *)"{}", end ? rest : 2);
  if (vw_hub_clip_read_config(&h, fuzz_folder()) == VW_OK) vw_hub_clip_close(&h);
}
