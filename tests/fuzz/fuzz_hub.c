/* The JSON of a model directory, with 0 bytes between the files: config.json, preprocessor_config.json,
 * processor_config.json; the last two also as OWL-v2's. Those that are empty are not there. */
#include <string.h>

#include "io/hub/hub_clip.h"
#include "io/hub/hub_owlv2.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size) {
  static const char *const files[] = {"config.json", "preprocessor_config.json", "processor_config.json"};
  vw_hub_clip h;
  vw_square square;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    const uint8_t *part;
    size_t n;
    fuzz_part(&data, &size, &part, &n);
    if (n || i == 0)
      (void)fuzz_file(files[i], part, n);
    else
      fuzz_forget(files[i]);
  }
  if (vw_hub_clip_read_config(&h, fuzz_folder()) == VW_OK) vw_hub_clip_close(&h);
  (void)vw_hub_owlv2_pictures_read(fuzz_folder(), 16, &square);
}
