#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "io/pictures/image.h"

/* libjpeg reports errors by a call that must not return: it jumps back to encode. */
typedef struct encoder {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf back;
  unsigned char *data;
  unsigned long bytes;
} encoder;

static void on_error(j_common_ptr jpeg) {
  encoder *e = jpeg->client_data;
  longjmp(e->back, 1);
}

static void on_message(j_common_ptr jpeg, int level) {
  (void)jpeg, (void)level;
}

static bool encode(encoder *e, const vw_image *image, int quality) {
  if (setjmp(e->back)) return false; /* NOLINT(cert-err52-cpp): libjpeg knows no other way */
  jpeg_create_compress(&e->jpeg);
  jpeg_mem_dest(&e->jpeg, &e->data, &e->bytes);
  e->jpeg.image_width = (JDIMENSION)image->width, e->jpeg.image_height = (JDIMENSION)image->height;
  e->jpeg.input_components = 3, e->jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&e->jpeg);
  jpeg_set_quality(&e->jpeg, quality, TRUE);
  jpeg_start_compress(&e->jpeg, TRUE);
  while (e->jpeg.next_scanline < e->jpeg.image_height) {
    JSAMPLE *line = image->rgb + (size_t)e->jpeg.next_scanline * (size_t)image->width * 3;
    (void)jpeg_write_scanlines(&e->jpeg, &line, 1);
  }
  jpeg_finish_compress(&e->jpeg);
  return true;
}

vw_status vw_jpeg_encode(const vw_image *image, int quality, uint8_t **data, int64_t *bytes) {
  VW_CHECK(image->height > 0 && image->width > 0 && image->height <= JPEG_MAX_DIMENSION &&
               image->width <= JPEG_MAX_DIMENSION && quality > 0 && quality <= 100,
           VW_ERR_ARG, "JPEG: a picture of %lld x %lld cannot be written with quality %d", (long long)image->height,
           (long long)image->width, quality);
  encoder *e = calloc(1, sizeof *e);
  VW_CHECK(e, VW_ERR_MEMORY, "JPEG: out of memory");
  e->jpeg.err = jpeg_std_error(&e->errors);
  e->errors.error_exit = on_error, e->errors.emit_message = on_message;
  e->jpeg.client_data = e;
  const bool ok = encode(e, image, quality);
  jpeg_destroy_compress(&e->jpeg);
  *data = e->data, *bytes = (int64_t)e->bytes;
  free(e);
  if (ok && *data) return VW_OK;
  free(*data);
  *data = NULL;
  return VW_RAISE(VW_ERR_MEMORY, "JPEG: out of memory"); /* of what libjpeg can refuse here nothing else is left */
}
