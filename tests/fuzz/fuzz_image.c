/* A picture: decoded, turned by its EXIF data, preprocessed. */
#include "io/pictures/image.h"
#include "io/pictures/preprocess.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size) {
  static uint8_t square[8 * 8 * 3];
  const vw_preprocess how = vw_preprocess_clip(8);
  vw_image image;
  if (vw_image_decode("input", data, (int64_t)size, true, &image) != VW_OK) return;
  (void)vw_preprocess_pixels(&how, &image, square);
  vw_image_free(&image);
}
