#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "core/durable.h"
#include "io/pictures/image_internal.h"

/* One picture in memory, read or written; what libpng's jumps must not lose lives here. */
typedef struct stream {
  const char *path;
  const uint8_t *data; /* read */
  uint8_t *made;       /* written, owned */
  size_t bytes, at, room;
  png_bytep *rows; /* read; owned */
  uint8_t *rgba;   /* read, of a picture that is laid on white; owned */
  char message[256];
} stream;

static void on_error(png_structp png, png_const_charp message) {
  stream *s = png_get_error_ptr(png);
  (void)snprintf(s->message, sizeof s->message, "%s", message);
  png_longjmp(png, 1);
}

/* libpng calls damage of the pixels' stream a warning where all of them have come: its checksum is wrong, or it goes
 * on. Data behind the last pixel lose nothing. */
static void on_warning(png_structp png, png_const_charp message) {
  if (strncmp(message, "IDAT: ", 6) == 0 && !strstr(message, "Extra compressed data") &&
      !strstr(message, "Too much image data"))
    png_error(png, message);
}

static void take(png_structp png, png_bytep to, size_t n) {
  stream *s = png_get_io_ptr(png);
  if (n > s->bytes - s->at) png_error(png, "the file is cut off");
  memcpy(to, s->data + s->at, n);
  s->at += n;
}

static void give(png_structp png, png_bytep from, size_t n) {
  stream *s = png_get_io_ptr(png);
  if (s->bytes + n > s->room) {
    const size_t room = 2 * (s->bytes + n);
    uint8_t *more = realloc(s->made, room);
    if (!more) png_error(png, "out of memory");
    s->made = more, s->room = room;
  }
  memcpy(s->made + s->bytes, from, n);
  s->bytes += n;
}

static void flush(png_structp png) {
  (void)png;
}

/* `channels`: 3, or 4 into a buffer beside the picture. */
static vw_status set_rows(stream *s, const vw_image *image, int64_t channels) {
  uint8_t *to = image->rgb;
  if (channels == 4) to = s->rgba = calloc((size_t)(image->height * image->width), (size_t)channels);
  s->rows = malloc((size_t)image->height * sizeof *s->rows);
  VW_CHECK(s->rows && to, VW_ERR_MEMORY, "%s: out of memory", s->path);
  for (int64_t y = 0; y < image->height; y++) s->rows[y] = to + y * image->width * channels;
  return VW_OK;
}

/* Rows of 16-bit grey, two bytes a pixel at their start, become RGB in place. Pillow cuts values above 255 off instead
 * of taking the high byte, and so does every pipeline built on it. */
static void cut_off_grey16(const vw_image *image) {
  for (int64_t y = 0; y < image->height; y++) {
    uint8_t *row = image->rgb + y * image->width * 3;
    for (int64_t x = image->width - 1; x >= 0; x--) {
      const uint8_t v = row[2 * x] ? 255 : row[2 * x + 1];
      row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = v;
    }
  }
}

/* zlib's best is 258 bytes of two bits (a length and a distance of one bit each): a factor of 1,032. */
enum { MOST_INFLATED = 1032 };

static void check_claim(png_structp png, png_const_infop info, const stream *s) {
  const uint64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  const uint64_t bits = (uint64_t)png_get_bit_depth(png, info) * png_get_channels(png, info);
  char text[100];
  if (width * height / 8 * bits <= (uint64_t)s->bytes * MOST_INFLATED) return;
  (void)snprintf(text, sizeof text, "it claims %" PRIu64 " x %" PRIu64 " pixels, which %zu bytes cannot hold", width,
                 height, s->bytes);
  png_error(png, text);
}

/* All that may jump. Every kind of PNG becomes 8-bit RGB. */
static vw_status decode_inside(png_structp png, png_infop info, stream *s, bool on_white, vw_image *out) {
  if (setjmp(png_jmpbuf(png)))
    return VW_RAISE(VW_ERR_INPUT, "%s: unreadable PNG: %s; replace the file or take it out", s->path, s->message);
  png_set_user_limits(png, VW_MAX_PIXELS, VW_MAX_PIXELS);
  png_set_read_fn(png, s, take);
  png_set_crc_action(png, PNG_CRC_DEFAULT, PNG_CRC_ERROR_QUIT); /* of all chunks, as Pillow does */
  png_read_info(png, info);
  VW_TRY(vw_image_check_size(s->path, png_get_image_height(png, info), png_get_image_width(png, info)));
  check_claim(png, info, s);
  VW_TRY(vw_image_allocate(s->path, png_get_image_height(png, info), png_get_image_width(png, info), out));
  const bool grey16 = png_get_color_type(png, info) == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) == 16;
  const bool alpha = (png_get_color_type(png, info) & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
  const int64_t channels = grey16 ? 2 : on_white && alpha ? 4 : 3;
  VW_CHECK(!grey16 || !alpha || !on_white, VW_ERR_UNSUPPORTED,
           "%s: grey of 16 bits with a transparent colour cannot be laid on white; convert it to 8 bits", s->path);
  if (!grey16) {
    png_set_expand(png); /* palettes, less than 8 bits, tRNS */
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    if (channels == 3) png_set_strip_alpha(png);
  }
  (void)png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != (size_t)(out->width * channels)) png_error(png, "rows are not 8-bit RGB");
  VW_TRY(set_rows(s, out, channels == 4 ? 4 : 3));
  png_read_image(png, s->rows);
  png_read_end(png, NULL);
  if (grey16) cut_off_grey16(out);
  if (channels == 4) vw_image_lay_on_white(s->rgba, out);
  return VW_OK;
}

vw_status vw_png_decode(const char *path, const uint8_t *data, int64_t bytes, bool on_white, vw_image *out) {
  vw_status st = VW_OK;
  stream s = {.path = path, .data = data, .bytes = (size_t)bytes};
  png_infop info = NULL;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
  if (png) info = png_create_info_struct(png);
  if (!info) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
  VW_GOTO(decode_inside(png, info, &s, on_white, out));
cleanup:
  png_destroy_read_struct(&png, &info, NULL);
  free(s.rows), free(s.rgba);
  return st;
}

/* Chunks before the pixels; compression NONE is tEXt. libpng copies what it is given. */
static void put_texts(png_structp png, png_infop info, const vw_png_text *texts, int n) {
  for (int i = 0; i < n; i++) {
    png_text t = {.compression = PNG_TEXT_COMPRESSION_NONE,
                  .key = (png_charp)(uintptr_t)texts[i].key,
                  .text = (png_charp)(uintptr_t)texts[i].text,
                  .text_length = strlen(texts[i].text)};
    png_set_text(png, info, &t, 1);
  }
}

typedef struct content {
  int64_t height, width;
  const uint8_t *rgb;
  bool is_drawing; /* flat colours: rows are compressed as they are */
  const vw_png_text *texts;
  int n;
} content;

static vw_status encode_inside(png_structp png, png_infop info, stream *s, const content *c) {
  if (setjmp(png_jmpbuf(png))) return VW_RAISE(VW_ERR_MEMORY, "%s: cannot make the PNG: %s", s->path, s->message);
  png_set_write_fn(png, s, give, flush);
  if (c->is_drawing) png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
  png_set_IHDR(png, info, (png_uint_32)c->width, (png_uint_32)c->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  put_texts(png, info, c->texts, c->n);
  png_write_info(png, info);
  for (int64_t y = 0; y < c->height; y++) png_write_row(png, c->rgb + y * c->width * 3);
  png_write_end(png, NULL);
  return VW_OK;
}

enum { LONGEST_KEY = 79 };

/* Printable, or a line end. */
static bool is_ascii(const char *text) {
  for (; *text; text++)
    if ((*text < ' ' && *text != '\n') || *text > '~') return false;
  return true;
}

static vw_status write_content(const char *path, const content *c) {
  vw_status st = VW_OK;
  stream s = {.path = path};
  png_infop info = NULL;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning);
  if (png) info = png_create_info_struct(png);
  if (!info) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
  for (int i = 0; i < c->n; i++)
    if (!is_ascii(c->texts[i].key) || !is_ascii(c->texts[i].text) || !*c->texts[i].key ||
        strlen(c->texts[i].key) > LONGEST_KEY)
      VW_GOTO(VW_RAISE(VW_ERR_ARG, "%s: the text '%s' cannot stand in a PNG", path, c->texts[i].key));
  if (c->height <= 0 || c->width <= 0 || c->height > VW_MAX_PIXELS / c->width)
    VW_GOTO(VW_RAISE(VW_ERR_ARG, "%s: cannot write %" PRId64 " x %" PRId64 " pixels", path, c->width, c->height));
  VW_GOTO(encode_inside(png, info, &s, c));
  VW_GOTO(vw_file_write(path, s.made, (int64_t)s.bytes));
cleanup:
  png_destroy_write_struct(&png, &info);
  free(s.made);
  return st;
}

vw_status vw_png_write_with(const char *path, int64_t height, int64_t width, const uint8_t *rgb,
                            const vw_png_text *texts, int n) {
  return write_content(path, &(content){height, width, rgb, false, texts, n});
}

vw_status vw_png_write(const char *path, int64_t height, int64_t width, const uint8_t *rgb) {
  return write_content(path, &(content){height, width, rgb, false, NULL, 0});
}

vw_status vw_png_write_drawing(const char *path, int64_t height, int64_t width, const uint8_t *rgb) {
  return write_content(path, &(content){height, width, rgb, true, NULL, 0});
}

/* ---- texts ---- */

static uint32_t big_endian(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Length, type, data, checksum of each chunk; `n` bytes behind the signature. */
static vw_status find_text(const char *path, const uint8_t *p, size_t n, const char *key, char **text) {
  enum { AROUND = 12, BEFORE = 8 };
  const size_t prefix = strlen(key) + 1;
  while (n >= AROUND) {
    const size_t length = big_endian(p);
    VW_CHECK(length <= n - AROUND, VW_ERR_INPUT, "%s: the PNG is cut off", path);
    if (!memcmp(p + 4, "IEND", 4)) return VW_OK;
    if (!memcmp(p + 4, "tEXt", 4) && length >= prefix && !memcmp(p + BEFORE, key, prefix)) {
      *text = malloc(length - prefix + 1);
      VW_CHECK(*text, VW_ERR_MEMORY, "%s: out of memory", path);
      memcpy(*text, p + BEFORE + prefix, length - prefix);
      (*text)[length - prefix] = 0;
      return VW_OK;
    }
    p += length + AROUND, n -= length + AROUND;
  }
  return VW_RAISE(VW_ERR_INPUT, "%s: the PNG is cut off", path);
}

vw_status vw_png_read_text(const char *path, const char *key, char **text) {
  static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  char *data;
  int64_t bytes;
  *text = NULL;
  VW_TRY(vw_file_read(path, &data, &bytes));
  vw_status st = VW_OK;
  if (bytes < (int64_t)sizeof signature || memcmp(data, signature, sizeof signature) != 0)
    st = VW_RAISE(VW_ERR_INPUT, "%s: not a PNG", path);
  else
    st = find_text(path, (const uint8_t *)data + sizeof signature, (size_t)bytes - sizeof signature, key, text);
  free(data);
  return st;
}
