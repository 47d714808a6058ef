/* The decoders behind io/pictures/image.h. */
#ifndef VW_IO_IMAGE_INTERNAL_H
#define VW_IO_IMAGE_INTERNAL_H

#include <stdbool.h>

#include "io/pictures/image.h"

vw_status vw_jpeg_decode(const char *path, const uint8_t *data, int64_t bytes, vw_image *out);
/* With `on_white`, what is transparent is laid on white. */
vw_status vw_png_decode(const char *path, const uint8_t *data, int64_t bytes, bool on_white, vw_image *out);

/* Whether the first bytes are those of a WebP file. */
bool vw_is_webp(const uint8_t *data, int64_t bytes);
/* One picture; files of several, which move, are refused (VW_ERR_INPUT). */
vw_status vw_webp_decode(const char *path, const uint8_t *data, int64_t bytes, bool on_white, vw_image *out);
/* From its head alone. Errors: VW_ERR_INPUT where that cannot be decoded. */
vw_status vw_webp_size(const char *path, const uint8_t *data, int64_t bytes, int64_t *height, int64_t *width);

/* out->rgb from rgba [height, width, 4] over white, rounded as Pillow's alpha_composite rounds. */
void vw_image_lay_on_white(const uint8_t *rgba, vw_image *out);

/* Between one pixel and VW_MAX_PIXELS. Errors: VW_ERR_INPUT. */
vw_status vw_image_check_size(const char *path, int64_t height, int64_t width);

/* Checks the size and allocates out->rgb. */
vw_status vw_image_allocate(const char *path, int64_t height, int64_t width, vw_image *out);

/* 1 to 8 as EXIF has it (1: as stored), also for data that are damaged. */
int vw_image_orientation(const void *data, int64_t bytes);

/* Turns and mirrors the picture so that orientation becomes 1. Errors: VW_ERR_MEMORY; the picture stays the caller's.
 */
vw_status vw_image_turn(const char *path, vw_image *image, int orientation);

#endif
