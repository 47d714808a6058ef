/* Pictures: JPEG, PNG and WebP to 8-bit RGB, PNG and JPEG out. Told apart by content, not by name. */
#ifndef VW_IO_IMAGE_H
#define VW_IO_IMAGE_H

#include <stdint.h>

#include "core/status.h"

#ifndef VW_MAX_PIXELS /* the fuzzing build takes less: pictures that say they are huge cost it all its time */
#define VW_MAX_PIXELS 100000000
#endif

typedef struct vw_image {
  int64_t height, width;
  uint8_t *rgb; /* [height, width, 3], owned: vw_image_free */
} vw_image;

/* How a picture is looked at, or-ed. */
enum {
  VW_IMAGE_TURNED = 1, /* as people see it, by the orientation of its EXIF data; transformers' processor ignores that */
  VW_IMAGE_ON_WHITE = 2 /* what is transparent lies on white, as in transformers 5; else alpha is dropped, as in 4 */
};

/* Reads a picture as Pillow's convert("RGB") gives it: grey is repeated, palettes are looked up, of 16 bits the high 8
 * count (grey of 16 bits is cut off at 255), CMYK is converted naively, taken as inverted; no colour profile. Errors:
 * VW_ERR_IO; VW_ERR_INPUT with the path (not a picture, damaged, cut off, more than VW_MAX_PIXELS). On failure nothing
 * is owned. */
vw_status vw_image_read(const char *path, unsigned look, vw_image *out);

/* The same from a file's bytes; `path` is for messages. */
vw_status vw_image_decode(const char *path, const void *data, int64_t bytes, unsigned look, vw_image *out);

/* Height and width alone, without decoding more than the head, as vw_image_read would give them. Errors: as there, as
 * far as the head shows it. */
vw_status vw_image_size(const char *path, unsigned look, int64_t *height, int64_t *width);

/* Whether EXIF data turn or mirror the picture, as far as the first 128 KiB of the file say (of a WebP, all). Errors:
 * VW_ERR_IO, VW_ERR_INPUT (no regular file). */
vw_status vw_image_is_turned(const char *path, bool *turned);

void vw_image_free(vw_image *image);

/* A text beside the pixels (a tEXt chunk): ASCII; the key has 1 to 79 characters. */
typedef struct vw_png_text {
  const char *key, *text;
} vw_png_text;

/* Writes rgb [height, width, 3] as a PNG file with n texts, durably. Errors: VW_ERR_ARG, VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_png_write_with(const char *path, int64_t height, int64_t width, const uint8_t *rgb,
                            const vw_png_text *texts, int n);

/* The text of a key in a PNG file, the caller's to free; *text is NULL where it has none. Pixels are not looked at.
 * Errors: VW_ERR_IO; VW_ERR_INPUT (not a PNG, cut off); VW_ERR_MEMORY. */
vw_status vw_png_read_text(const char *path, const char *key, char **text);

/* Writes rgb [height, width, 3] as a PNG file, durably. The same pixels give the same bytes (of one libpng and zlib).
 */
vw_status vw_png_write(const char *path, int64_t height, int64_t width, const uint8_t *rgb);

/* The same of lines and flat areas: what makes photographs smaller (differences of neighbours) makes these larger, and
 * takes most of the time. */
vw_status vw_png_write_drawing(const char *path, int64_t height, int64_t width, const uint8_t *rgb);

/* The picture as the bytes of a JPEG file, for quality 1 to 100; *data is malloc'ed, the caller frees it. Errors:
 * VW_ERR_ARG (no such quality; a side of more than 65,500 pixels), VW_ERR_MEMORY. */
vw_status vw_jpeg_encode(const vw_image *image, int quality, uint8_t **data, int64_t *bytes);

#endif
