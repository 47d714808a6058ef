#include <inttypes.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

#include "io/pictures/image_internal.h"

/* libjpeg reports errors by a call that must not return: it jumps back to decode_inside. */
typedef struct decoder {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
  JSAMPLE *row; /* of CMYK */
  struct jpeg_progress_mgr progress;
  bool seen[MAX_COMPONENTS]; /* a scan of this component was read; kept for files of several scans only */
} decoder;

static void on_error(j_common_ptr jpeg) {
  decoder *d = jpeg->client_data;
  jpeg->err->format_message(jpeg, d->message);
  longjmp(d->back, 1);
}

/* libjpeg warns and goes on, and invents what is missing. Only these warnings lose nothing: an unknown version of JFIF
 * or of Adobe's marker, the parameters of a sequential scan (nothing uses them), and bytes between the segments of the
 * header. Bytes that are left over behind a scan are another matter: the decoder lost its way in it. */
static bool loses_nothing(const decoder *d) {
  switch (d->errors.msg_code) {
  case JWRN_ADOBE_XFORM:
  case JWRN_JFIF_MAJOR:
  case JWRN_NOT_SEQUENTIAL:
    return true;
  case JWRN_EXTRANEOUS_DATA:
    return d->jpeg.input_scan_number == 0;
  default:
    return false;
  }
}

static void on_message(j_common_ptr jpeg, int level) {
  if (level < 0 && !loses_nothing(jpeg->client_data)) on_error(jpeg);
}

static void refuse(decoder *d, const char *message) {
  (void)snprintf(d->message, sizeof d->message, "%s", message);
  longjmp(d->back, 1);
}

/* Least size of what a header claims. A block of 8 x 8 samples takes a code of at least one bit for its mean and, in a
 * sequential file, one for the end of the block (ITU-T T.81, F.1.2); a progressive file codes the ends of up to 32,767
 * blocks at once (G.1.2.2). So a byte holds at most 4 or 8 blocks. Arithmetic coding has no such bound: a flat picture
 * of any size takes some bytes. */
static void check_claim(decoder *d, int64_t bytes) {
  const struct jpeg_decompress_struct *jpeg = &d->jpeg;
  const int64_t blocks_a_byte = jpeg->progressive_mode ? 8 : 4;
  int64_t blocks = 0;
  if (jpeg->arith_code) return;
  for (int c = 0; c < jpeg->num_components; c++)
    blocks += (int64_t)jpeg->comp_info[c].width_in_blocks * jpeg->comp_info[c].height_in_blocks;
  if (blocks <= bytes * blocks_a_byte) return;
  (void)snprintf(d->message, sizeof d->message, "it claims %u x %u pixels, which %" PRId64 " bytes cannot hold",
                 jpeg->image_width, jpeg->image_height, bytes);
  longjmp(d->back, 1);
}

/* Every component came, and in a progressive file every coefficient of it to its last bit. libjpeg paints what did not
 * come grey or coarse, without a warning. */
static void check_scans(decoder *d) {
  const struct jpeg_decompress_struct *jpeg = &d->jpeg;
  if (!jpeg_has_multiple_scans(&d->jpeg)) return;
  for (int c = 0; c < jpeg->num_components; c++) {
    if (!d->seen[c]) refuse(d, "a component has no scan");
    for (int k = 0; jpeg->coef_bits && k < DCTSIZE2; k++)
      if (jpeg->coef_bits[c][k] != 0) refuse(d, "scans are missing at its end");
  }
}

/* Every scan of a progressive file goes over the whole picture: a hundred kilobytes may hold thousands. Programs write
 * about ten. */
enum { FREE_SCANS = 100 };

static void on_progress(j_common_ptr jpeg) {
  decoder *d = jpeg->client_data;
  for (int i = 0; i < d->jpeg.comps_in_scan && d->jpeg.input_scan_number > 0; i++)
    d->seen[d->jpeg.cur_comp_info[i]->component_index] = true;
  const int64_t scans = d->jpeg.input_scan_number, pixels = (int64_t)d->jpeg.image_height * d->jpeg.image_width;
  if (scans <= FREE_SCANS || scans * pixels <= VW_MAX_PIXELS) return;
  (void)snprintf(d->message, sizeof d->message, "more than %" PRId64 " scans of %" PRId64 " pixels", scans - 1, pixels);
  longjmp(d->back, 1);
}

/* a * b / 255, rounded */
static int scale(int a, int b) {
  const int t = a * b + 128;
  return (t + (t >> 8)) >> 8;
}

/* Inks are stored inverted, 255 is no ink: Adobe's convention, which Pillow takes for every file. */
static void rgb_of_cmyk(const JSAMPLE *cmyk, int64_t width, uint8_t *rgb) {
  for (int64_t x = 0; x < width; x++, cmyk += 4, rgb += 3)
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(cmyk[3] - scale(255 - cmyk[c], cmyk[3]));
}

/* All that may jump; owns nothing but through `d` and `out`. */
static vw_status decode_inside(decoder *d, const char *path, const uint8_t *data, int64_t bytes, vw_image *out) {
  struct jpeg_decompress_struct *jpeg = &d->jpeg;
  if (setjmp(d->back))
    return VW_RAISE(VW_ERR_INPUT, "%s: unreadable JPEG: %s; replace the file or take it out", path, d->message);
  jpeg_create_decompress(jpeg);
  jpeg_mem_src(jpeg, data, (unsigned long)bytes);
  jpeg->progress = &d->progress;
  (void)jpeg_read_header(jpeg, TRUE);
  const bool cmyk = jpeg->num_components == 4;
  jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  VW_TRY(vw_image_check_size(path, jpeg->image_height, jpeg->image_width));
  check_claim(d, bytes);
  VW_TRY(vw_image_allocate(path, jpeg->image_height, jpeg->image_width, out));
  (void)jpeg_start_decompress(jpeg);
  check_scans(d);
  if (cmyk && !(d->row = malloc(4 * (size_t)out->width))) return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *to = out->rgb + (size_t)jpeg->output_scanline * (size_t)out->width * 3;
    JSAMPROW row = cmyk ? d->row : to;
    (void)jpeg_read_scanlines(jpeg, &row, 1);
    if (cmyk) rgb_of_cmyk(d->row, out->width, to);
  }
  (void)jpeg_finish_decompress(jpeg);
  return VW_OK;
}

vw_status vw_jpeg_decode(const char *path, const uint8_t *data, int64_t bytes, vw_image *out) {
  decoder d = {.row = NULL};
  d.jpeg.err = jpeg_std_error(&d.errors);
  d.jpeg.client_data = &d;
  d.errors.error_exit = on_error;
  d.errors.emit_message = on_message;
  d.progress.progress_monitor = on_progress;
  const vw_status st = decode_inside(&d, path, data, bytes, out);
  jpeg_destroy_decompress(&d.jpeg);
  free(d.row);
  return st;
}
