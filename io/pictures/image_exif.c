#include <stdlib.h>
#include <string.h>

#include "io/pictures/image_internal.h"

enum { ORIENTATION = 0x0112, SHORT = 3, UPRIGHT = 1 };

/* Bytes of a TIFF structure, in the order that its first two letters say. */
typedef struct tiff {
  const uint8_t *data;
  int64_t bytes;
  bool little;
} tiff;

/* `n` bytes (2 or 4) at `at`; 0 beyond the end. */
static int64_t number(const tiff *t, int64_t at, int n) {
  int64_t value = 0;
  if (at < 0 || at > t->bytes - n) return 0;
  for (int i = 0; i < n; i++) value = value << 8 | t->data[at + (t->little ? n - 1 - i : i)];
  return value;
}

static int orientation_of_tiff(const uint8_t *data, int64_t bytes) {
  const tiff t = {.data = data, .bytes = bytes, .little = bytes >= 2 && data[0] == 'I'};
  if (bytes < 8 || (memcmp(data, "II*\0", 4) != 0 && memcmp(data, "MM\0*", 4) != 0)) return UPRIGHT;
  const int64_t directory = number(&t, 4, 4), n = number(&t, directory, 2);
  for (int64_t i = 0; i < n; i++) {
    const int64_t entry = directory + 2 + 12 * i;
    if (entry > bytes - 12) break;
    if (number(&t, entry, 2) != ORIENTATION || number(&t, entry + 2, 2) != SHORT) continue;
    const int64_t value = number(&t, entry + 8, 2);
    return value >= 1 && value <= 8 ? (int)value : UPRIGHT;
  }
  return UPRIGHT;
}

/* The first APP1 segment with "Exif", before the picture's data begin. */
static int orientation_of_jpeg(const uint8_t *data, int64_t bytes) {
  for (int64_t at = 2; at + 4 <= bytes && data[at] == 0xFF;) {
    const int marker = data[at + 1];
    const int64_t length = (int64_t)data[at + 2] << 8 | data[at + 3];
    if (marker == 0xFF) { /* fill */
      at++;
      continue;
    }
    if (marker == 0xDA || length < 2 || at + 2 + length > bytes) break;
    if (marker == 0xE1 && length >= 8 && memcmp(data + at + 4, "Exif\0\0", 6) == 0)
      return orientation_of_tiff(data + at + 10, length - 8);
    at += 2 + length;
  }
  return UPRIGHT;
}

/* The chunk eXIf, which holds the TIFF structure itself. */
static int orientation_of_png(const uint8_t *data, int64_t bytes) {
  for (int64_t at = 8; at + 12 <= bytes;) {
    const tiff t = {.data = data, .bytes = bytes};
    const int64_t length = number(&t, at, 4);
    if (length > bytes - at - 12) break;
    if (memcmp(data + at + 4, "eXIf", 4) == 0) return orientation_of_tiff(data + at + 8, length);
    at += 12 + length;
  }
  return UPRIGHT;
}

/* The chunk EXIF, mostly behind the picture: a TIFF structure, in some files after JPEG's "Exif". */
static int orientation_of_webp(const uint8_t *data, int64_t bytes) {
  const tiff t = {.data = data, .bytes = bytes, .little = true};
  for (int64_t at = 12; at + 8 <= bytes;) {
    const int64_t length = number(&t, at + 4, 4);
    if (length > bytes - at - 8) break;
    if (memcmp(data + at, "EXIF", 4) == 0) {
      const int64_t skip = length >= 6 && memcmp(data + at + 8, "Exif\0\0", 6) == 0 ? 6 : 0;
      return orientation_of_tiff(data + at + 8 + skip, length - skip);
    }
    at += 8 + length + length % 2;
  }
  return UPRIGHT;
}

int vw_image_orientation(const void *data, int64_t bytes) {
  if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0) return orientation_of_jpeg(data, bytes);
  if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0) return orientation_of_png(data, bytes);
  if (vw_is_webp(data, bytes)) return orientation_of_webp(data, bytes);
  return UPRIGHT;
}

/* What each orientation says: rows and columns change places (after), columns run backwards, rows run backwards. */
vw_status vw_image_turn(const char *path, vw_image *image, int orientation) {
  const bool swap = orientation >= 5,
             mirror = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  vw_image out;
  if (orientation <= UPRIGHT || orientation > 8) return VW_OK;
  VW_TRY(vw_image_allocate(path, swap ? image->width : image->height, swap ? image->height : image->width, &out));
  for (int64_t y = 0; y < out.height; y++)
    for (int64_t x = 0; x < out.width; x++) {
      const int64_t v = flip ? out.height - 1 - y : y, u = mirror ? out.width - 1 - x : x;
      const int64_t from = swap ? u * image->width + v : v * image->width + u;
      memcpy(out.rgb + 3 * (y * out.width + x), image->rgb + 3 * from, 3);
    }
  vw_image_free(image);
  *image = out;
  return VW_OK;
}
