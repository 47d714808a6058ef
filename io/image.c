#include "io/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/durable.h"
#include "io/image_internal.h"

vw_status vw_image_allocate(const char *path, int64_t height, int64_t width, vw_image *out) {
  VW_CHECK(height > 0 && width > 0 && height <= VW_MAX_PIXELS / width, VW_ERR_INPUT,
           "%s: a picture of %" PRId64 " x %" PRId64 " pixels, at most %d in all", path, width, height, VW_MAX_PIXELS);
  *out = (vw_image){.height = height, .width = width, .rgb = malloc((size_t)(height * width * 3))};
  VW_CHECK(out->rgb, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " x %" PRId64 " pixels", path, width, height);
  return VW_OK;
}

void vw_image_free(vw_image *image) {
  free(image->rgb);
  *image = (vw_image){0};
}

vw_status vw_image_decode(const char *path, const void *data, int64_t bytes, bool turn, vw_image *out) {
  vw_status st;
  *out = (vw_image){0};
  if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
    st = vw_jpeg_decode(path, data, bytes, out);
  else if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
    st = vw_png_decode(path, data, bytes, out);
  else
    st = VW_RAISE(VW_ERR_INPUT, "%s: neither a JPEG nor a PNG picture; convert it or take it out", path);
  if (st == VW_OK && turn) st = vw_image_turn(path, out, vw_image_orientation(data, bytes));
  if (st != VW_OK) vw_image_free(out);
  return st;
}

vw_status vw_image_read(const char *path, bool turn, vw_image *out) {
  char *data;
  int64_t bytes;
  *out = (vw_image){0};
  VW_TRY(vw_file_read(path, &data, &bytes));
  const vw_status st = vw_image_decode(path, data, bytes, turn, out);
  free(data);
  return st;
}
