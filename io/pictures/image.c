#include "io/pictures/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/foreign.h"
#include "core/pulse.h"
#include "io/pictures/image_internal.h"

vw_status vw_image_check_size(const char *path, int64_t height, int64_t width) {
  VW_CHECK(height > 0 && width > 0 && height <= VW_MAX_PIXELS / width, VW_ERR_INPUT,
           "%s: a picture of %" PRId64 " x %" PRId64 " pixels, at most %d in all", path, width, height, VW_MAX_PIXELS);
  return VW_OK;
}

vw_status vw_image_allocate(const char *path, int64_t height, int64_t width, vw_image *out) {
  VW_TRY(vw_image_check_size(path, height, width));
  *out = (vw_image){.height = height, .width = width, .rgb = malloc((size_t)(height * width * 3))};
  VW_CHECK(out->rgb, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " x %" PRId64 " pixels", path, width, height);
  return VW_OK;
}

void vw_image_free(vw_image *image) {
  free(image->rgb);
  *image = (vw_image){0};
}

/* Seven bits more than the result has. */
void vw_image_lay_on_white(const uint8_t *rgba, vw_image *out) {
  for (int64_t i = 0; i < out->height * out->width; i++)
    for (int c = 0; c < 3; c++) {
      const uint32_t alpha = rgba[4 * i + 3], mixed = rgba[4 * i + c] * alpha + 255 * (255 - alpha);
      const uint32_t wide = (mixed + 128) << 7;
      out->rgb[3 * i + c] = (uint8_t)((((wide >> 8) + wide) >> 8) >> 7);
    }
}

/* What a file is by its first bytes, among what is often taken for a picture that we read; NULL: unknown. */
static const char *other_format(const uint8_t *data, int64_t bytes) {
  static const struct {
    int64_t at, n;
    const char *magic, *name;
  } formats[] = {{0, 4, "GIF8", "a GIF"},
                 {0, 2, "BM", "a BMP"},
                 {0, 4, "II*\0", "a TIFF"},
                 {0, 4, "MM\0*", "a TIFF"},
                 {4, 4, "ftyp", "a HEIC or AVIF"},
                 {0, 4, "%PDF", "a PDF"},
                 {0, 5, "<?xml", "an XML or SVG"},
                 {0, 4, "<svg", "an SVG"},
                 {0, 9, "<!DOCTYPE", "a web page"},
                 {0, 5, "<html", "a web page"},
                 {0, 23, "version https://git-lfs", "a Git LFS pointer (run `git lfs pull`), a text"}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (bytes >= formats[i].at + formats[i].n && !memcmp(data + formats[i].at, formats[i].magic, (size_t)formats[i].n))
      return formats[i].name;
  return NULL;
}

static vw_status refuse_format(const char *path, const void *data, int64_t bytes) {
  const char *name = other_format(data, bytes);
  VW_CHECK(bytes > 0, VW_ERR_INPUT, "%s: an empty file; neither a JPEG nor a PNG nor a WebP picture", path);
  return VW_RAISE(VW_ERR_INPUT, "%s: %s%sneither a JPEG nor a PNG nor a WebP picture; convert it or take it out", path,
                  name ? name : "", name ? " file, " : "");
}

vw_status vw_image_decode(const char *path, const void *data, int64_t bytes, unsigned look, vw_image *out) {
  vw_status st;
  *out = (vw_image){0};
  vw_pulse();
  if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
    st = vw_jpeg_decode(path, data, bytes, out);
  else if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
    st = vw_png_decode(path, data, bytes, (look & VW_IMAGE_ON_WHITE) != 0, out);
  else if (vw_is_webp(data, bytes))
    st = vw_webp_decode(path, data, bytes, (look & VW_IMAGE_ON_WHITE) != 0, out);
  else
    st = refuse_format(path, data, bytes);
  if (st == VW_OK && (look & VW_IMAGE_TURNED)) st = vw_image_turn(path, out, vw_image_orientation(data, bytes));
  if (st != VW_OK) vw_image_free(out);
  return st;
}

vw_status vw_image_read(const char *path, unsigned look, vw_image *out) {
  char *data;
  int64_t bytes;
  *out = (vw_image){0};
  VW_TRY(vw_file_read(path, &data, &bytes));
  const vw_status st = vw_image_decode(path, data, bytes, look, out);
  free(data);
  return st;
}

/* ---- the size alone ---- */

static int64_t big_endian(const uint8_t *p, int bytes) {
  int64_t v = 0;
  for (int i = 0; i < bytes; i++) v = v << 8 | p[i];
  return v;
}

/* The first frame header (SOF0 .. SOF15 without DHT, JPG and DAC) of a JPEG; false: none before the first scan. */
static bool jpeg_size(const uint8_t *p, int64_t bytes, int64_t *height, int64_t *width) {
  for (int64_t at = 2; at + 9 <= bytes && p[at] == 0xff;) {
    const int marker = p[at + 1];
    if (marker == 0xff || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
      at += marker == 0xff ? 1 : 2; /* fill bytes, markers without a segment */
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      *height = big_endian(p + at + 5, 2), *width = big_endian(p + at + 7, 2);
      return true;
    }
    if (marker == 0xda || marker == 0xd9) return false;
    at += 2 + big_endian(p + at + 2, 2);
  }
  return false;
}

static vw_status is_whole_turned(const char *path, bool *turned) {
  char *data;
  int64_t bytes;
  VW_TRY(vw_file_read(path, &data, &bytes));
  *turned = vw_image_orientation(data, bytes) > 1;
  free(data);
  return VW_OK;
}

vw_status vw_image_is_turned(const char *path, bool *turned) {
  enum { HEAD = 131072 };
  int fd = -1;
  *turned = false;
  char *head = malloc(HEAD);
  VW_CHECK(head, VW_ERR_MEMORY, "%s: out of memory", path);
  vw_status st = vw_foreign_open(path, &fd, NULL);
  const ssize_t n = st == VW_OK ? read(fd, head, HEAD) : 0;
  if (n > 0) *turned = vw_image_orientation(head, n) > 1;
  const bool is_behind = n == HEAD && vw_is_webp((const uint8_t *)head, n); /* the picture, in WebP */
  if (fd >= 0) (void)close(fd);
  free(head);
  return st == VW_OK && is_behind ? is_whole_turned(path, turned) : st;
}

vw_status vw_image_size(const char *path, unsigned look, int64_t *height, int64_t *width) {
  char *text = NULL;
  int64_t bytes = 0;
  VW_TRY(vw_file_read(path, &text, &bytes));
  const uint8_t *data = (const uint8_t *)text;
  bool found = false;
  vw_status st = VW_OK;
  if (bytes >= 24 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
    *height = big_endian(data + 20, 4), *width = big_endian(data + 16, 4), found = true;
  else if (bytes >= 4 && memcmp(data, "\xff\xd8\xff", 3) == 0)
    found = jpeg_size(data, bytes, height, width);
  else if (vw_is_webp(data, bytes))
    st = vw_webp_size(path, data, bytes, height, width), found = true;
  if (found) {
    if (st == VW_OK) st = vw_image_check_size(path, *height, *width);
    if (st == VW_OK && look & VW_IMAGE_TURNED && vw_image_orientation(data, bytes) >= 5) {
      const int64_t h = *height;
      *height = *width, *width = h;
    }
  } else { /* an odd one: the decoder knows, or says why not */
    vw_image image = {0};
    st = vw_image_decode(path, data, bytes, look, &image);
    *height = image.height, *width = image.width;
    vw_image_free(&image);
  }
  free(text);
  return st;
}
