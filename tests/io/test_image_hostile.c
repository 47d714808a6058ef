/* Pictures that were made to hurt, or are not pictures: one clear line, or the right picture. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/pictures/image.h"

#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>

/* A growing file in memory. */
typedef struct bytes {
  uint8_t *at;
  int64_t n;
} bytes;

static void append(bytes *b, const void *data, int64_t n) {
  b->at = realloc(b->at, (size_t)(b->n + n) + 1);
  assert_non_null(b->at);
  memcpy(b->at + b->n, data, (size_t)n);
  b->n += n;
}

static void expect(const bytes *b, const char *part) {
  vw_image image;
  assert_int_equal(vw_image_decode("x.png", b->at, b->n, true, &image), VW_ERR_INPUT);
  assert_null(image.rgb);
  if (!strstr(vw_error_message(), part) || !strstr(vw_error_message(), "x.png"))
    fail_msg("expected \"%s\" in: %s", part, vw_error_message());
}

/* Decodes whatever it is without harm; true: as a picture. */
static bool decodes(const bytes *b) {
  vw_image image;
  const vw_status st = vw_image_decode("x.png", b->at, b->n, true, &image);
  assert_true(st == VW_OK || st == VW_ERR_INPUT);
  vw_image_free(&image);
  return st == VW_OK;
}

/* ---- PNG --------------------------------------------------------------------------------------------------------- */

static void append_u32(bytes *b, uint32_t x) {
  const uint8_t big[4] = {(uint8_t)(x >> 24), (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x};
  append(b, big, 4);
}

static uint32_t crc_of(const uint8_t *data, int64_t n) {
  uint32_t c = ~0u;
  for (int64_t i = 0; i < n; i++) {
    c ^= data[i];
    for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
  }
  return ~c;
}

static void chunk(bytes *b, const char *name, const void *data, int64_t n) {
  append_u32(b, (uint32_t)n);
  const int64_t start = b->n;
  append(b, name, 4);
  if (n) append(b, data, n);
  append_u32(b, crc_of(b->at + start, n + 4));
}

static bytes png(uint32_t width, uint32_t height, uint8_t interlace) {
  bytes b = {0}, header = {0};
  append(&b, "\x89PNG\r\n\x1a\n", 8);
  append_u32(&header, width), append_u32(&header, height);
  append(&header, "\x08\x02\x00\x00", 4); /* 8 bits, RGB */
  append(&header, &interlace, 1);
  chunk(&b, "IHDR", header.at, header.n);
  free(header.at);
  return b;
}

/* zlib data of `n` zero bytes, stored: no compression needed to be valid. */
static bytes stored_zeros(int64_t n) {
  bytes b = {0};
  uint32_t low = 1, high = 0; /* Adler-32 */
  append(&b, "\x78\x01", 2);
  for (int64_t at = 0; at < n;) {
    const int64_t count = n - at < 65535 ? n - at : 65535;
    const uint8_t head[5] = {at + count == n, (uint8_t)count, (uint8_t)(count >> 8), (uint8_t)~count,
                             (uint8_t)(~count >> 8)};
    uint8_t *zeros = calloc((size_t)count, 1);
    append(&b, head, 5), append(&b, zeros, count);
    free(zeros);
    at += count;
  }
  high = (uint32_t)(n % 65521); /* low stays 1, high counts it n times */
  append_u32(&b, high << 16 | low);
  return b;
}

static bytes good_png(void) {
  bytes b = png(4, 3, 0), data = stored_zeros(3 * (1 + 4 * 3));
  chunk(&b, "IDAT", data.at, data.n);
  chunk(&b, "IEND", NULL, 0);
  free(data.at);
  return b;
}

static void png_files(void **state) {
  (void)state;
  bytes good = good_png();
  assert_true(decodes(&good));
  for (int64_t cut = 0; cut < good.n - 12; cut++) { /* what follows the pixels does not matter */
    const bytes part = {good.at, cut};
    assert_false(decodes(&part));
  }
  for (int64_t i = 8; i < good.n; i++) { /* every bit of every byte: a checksum finds it, or it does not matter */
    for (int bit = 0; bit < 8; bit++) {
      good.at[i] ^= (uint8_t)(1 << bit);
      (void)decodes(&good);
      good.at[i] ^= (uint8_t)(1 << bit);
    }
  }
  good.at[41] ^= 1; /* in IDAT, its checksum left as it was */
  expect(&good, "unreadable PNG");
  free(good.at);
}

static void png_sizes(void **state) {
  (void)state;
  static const uint32_t sizes[][2] = {
      {0, 5}, {5, 0}, {100001, 1000}, {1000000, 1000000}, {0x7fffffffu, 1}, {0xffffffffu, 0xffffffffu}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    bytes b = png(sizes[i][0], sizes[i][1], 0);
    chunk(&b, "IDAT", "\x78\x01", 2);
    expect(&b, "x.png");
    free(b.at);
  }
  bytes b = png(2000, 2000, 0), data = stored_zeros(1000); /* far too little data */
  chunk(&b, "IDAT", data.at, data.n);
  chunk(&b, "IEND", NULL, 0);
  expect(&b, "unreadable PNG");
  free(b.at), free(data.at);
}

/* Chunks that animate, and text that inflates: passed over. Data beyond the picture too. */
static void png_chunks(void **state) {
  (void)state;
  bytes b = png(4, 3, 0), data = stored_zeros(3 * (1 + 4 * 3)), more = stored_zeros(200000);
  chunk(&b, "acTL", "\0\0\0\2\0\0\0\0", 8);
  bytes text = {0};
  append(&text, "Comment\0\0", 9), append(&text, more.at, more.n);
  chunk(&b, "zTXt", text.at, text.n);
  chunk(&b, "IDAT", data.at, data.n);
  chunk(&b, "fdAT", more.at, 100);
  chunk(&b, "IEND", NULL, 0);
  append(&b, more.at, more.n);
  assert_true(decodes(&b));
  free(b.at), free(data.at), free(more.at), free(text.at);
  b = png(1, 1, 1); /* interlaced: the first pass holds the only pixel */
  data = stored_zeros(4);
  chunk(&b, "IDAT", data.at, data.n);
  chunk(&b, "IEND", NULL, 0);
  assert_true(decodes(&b));
  b.at[8 + 8 + 12] = 7; /* no such interlacing */
  expect(&b, "unreadable PNG");
  free(b.at), free(data.at);
}

/* ---- JPEG -------------------------------------------------------------------------------------------------------- */

enum { ONCE_EACH = 2 }; /* a progressive file whose scans send every coefficient at once: three of grey */

static bytes jpeg(int components, int progressive, int size) {
  static const jpeg_scan_info scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 5, 0, 0}, {1, {0}, 6, 63, 0, 0}};
  struct jpeg_compress_struct c;
  struct jpeg_error_mgr errors;
  unsigned char *out = NULL;
  unsigned long n = 0;
  bytes b = {0};
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  jpeg_mem_dest(&c, &out, &n);
  c.image_width = c.image_height = (JDIMENSION)size;
  c.input_components = components;
  c.in_color_space = components == 3 ? JCS_RGB : components == 1 ? JCS_GRAYSCALE : JCS_UNKNOWN;
  jpeg_set_defaults(&c);
  if (progressive) jpeg_simple_progression(&c);
  if (progressive == ONCE_EACH) c.scan_info = scans, c.num_scans = 3;
  jpeg_start_compress(&c, TRUE);
  uint8_t *row = calloc((size_t)(size * components), 1);
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size * components; x++) row[x] = (uint8_t)(7 * x + 13 * y);
    JSAMPROW rows[1] = {row};
    (void)jpeg_write_scanlines(&c, rows, 1);
  }
  jpeg_finish_compress(&c);
  jpeg_destroy_compress(&c);
  append(&b, out, (int64_t)n);
  free(out), free(row);
  return b;
}

/* The place of the marker's 0xff; from the end when `last`. */
static int64_t find_marker(const bytes *b, uint8_t marker, bool last) {
  int64_t found = -1;
  for (int64_t i = 2; i + 1 < b->n && (found < 0 || last); i++)
    if (b->at[i] == 0xff && b->at[i + 1] == marker) found = i;
  assert_true(found > 0);
  return found;
}

static void jpeg_kinds(void **state) {
  (void)state;
  bytes b = jpeg(3, false, 9);
  assert_true(decodes(&b));
  b.at[find_marker(&b, 0xc0, false) + 4] = 12; /* bits a sample */
  expect(&b, "unreadable JPEG: Unsupported JPEG data precision 12");
  b.at[find_marker(&b, 0xc0, false) + 4] = 8;
  b.at[find_marker(&b, 0xc0, false) + 1] = 0xc3; /* lossless */
  expect(&b, "unreadable JPEG");
  free(b.at);
  b = jpeg(2, false, 9);
  expect(&b, "unreadable JPEG");
  free(b.at);
  b = jpeg(4, false, 9);
  b.at[find_marker(&b, 0xc0, false) + 9] = 5; /* components, of which four follow */
  expect(&b, "unreadable JPEG");
  free(b.at);
  b = jpeg(3, false, 9);
  const int64_t frame = find_marker(&b, 0xc0, false);
  memset(b.at + frame + 5, 0, 2); /* height 0 */
  expect(&b, "unreadable JPEG");
  free(b.at);
}

static void jpeg_cut(void **state) {
  (void)state;
  bytes b = jpeg(3, true, 17);
  assert_true(decodes(&b));
  for (int64_t cut = 0; cut < b.n - 2; cut++) {
    const bytes part = {b.at, cut};
    assert_false(decodes(&part));
  }
  for (int64_t i = 3; i < b.n; i++)
    for (int bit = 0; bit < 8; bit += 3) {
      b.at[i] ^= (uint8_t)(1 << bit);
      (void)decodes(&b);
      b.at[i] ^= (uint8_t)(1 << bit);
    }
  free(b.at);
}

/* The last scan again and again: what a decoder would spend minutes on. Where it refines, that is out of order too. */
static void jpeg_scans(void **state) {
  (void)state;
  bytes b = jpeg(1, ONCE_EACH, 2000), bomb = {0};
  const int64_t scan = find_marker(&b, 0xda, true), end = find_marker(&b, 0xd9, true);
  append(&bomb, b.at, end);
  for (int i = 0; i < 200; i++) append(&bomb, b.at + scan, end - scan);
  append(&bomb, "\xff\xd9", 2);
  expect(&bomb, "more than 100 scans of 4000000 pixels");
  free(b.at), free(bomb.at);
}

/* Appends a copy of `b` without the bytes from `from` to `to`. */
static bytes without(const bytes *b, int64_t from, int64_t to) {
  bytes out = {0};
  append(&out, b->at, from);
  append(&out, b->at + to, b->n - to);
  return out;
}

/* Damage that libjpeg only warns of, or does not mention at all. */
static void jpeg_damaged(void **state) {
  (void)state;
  bytes b = jpeg(3, false, 64), cut, zeros = {0};
  const int64_t scan = find_marker(&b, 0xda, true) + 14, end = b.n - 2;
  assert_true(end - scan > 400);
  for (int64_t at = scan; at < end - 1; at += 37) { /* the rest of the scan, or a piece of it, is gone */
    cut = without(&b, at, end);
    expect(&cut, "unreadable JPEG: Corrupt JPEG data: premature end of data segment");
    free(cut.at);
  }
  cut = without(&b, scan, scan + 200);
  expect(&cut, "unreadable JPEG: Corrupt JPEG data");
  free(cut.at);
  append(&zeros, b.at, end), append(&zeros, "\x12\x34\x56\x78\x9a", 5), append(&zeros, b.at + end, 2);
  expect(&zeros, "extraneous bytes before marker 0xd9");
  append(&zeros, "what follows the end, as cameras put it there", 45);
  zeros.n -= 52, append(&zeros, b.at + end, 2), append(&zeros, "trailer", 7);
  assert_true(decodes(&zeros));
  free(zeros.at), free(b.at);
}

/* Scans that are missing: between whole ones, so that nothing looks cut. */
static void jpeg_missing_scans(void **state) {
  (void)state;
  bytes b = jpeg(3, true, 64);
  int64_t start[32], n = 0;
  for (int64_t i = 2; i + 1 < b.n; i++)
    if (b.at[i] == 0xff && b.at[i + 1] == 0xda) start[n++] = i;
  assert_int_equal(n, 10); /* libjpeg's script */
  for (int64_t k = 0; k < n; k++) {
    bytes part = without(&b, start[k], k + 1 < n ? start[k + 1] : b.n - 2);
    expect(&part, "unreadable JPEG");
    free(part.at);
    if (k == 0) continue;
    part = without(&b, start[k], b.n - 2); /* it and all that follow */
    expect(&part, "unreadable JPEG: scans are missing at its end");
    free(part.at);
  }
  free(b.at);
}

/* Sizes that the file cannot hold: refused before memory is taken; a flat picture that it can hold is read. */
static void claims(void **state) {
  (void)state;
  bytes b = jpeg(3, false, 16);
  const int64_t frame = find_marker(&b, 0xc0, false);
  memcpy(b.at + frame + 5, "\x27\x10\x27\x10", 4);
  expect(&b, "it claims 10000 x 10000 pixels, which");
  free(b.at);
  b = png(10000, 10000, 0);
  bytes data = stored_zeros(1000);
  chunk(&b, "IDAT", data.at, data.n), chunk(&b, "IEND", NULL, 0);
  expect(&b, "it claims 10000 x 10000 pixels, which");
  free(b.at), free(data.at);
}

/* A checksum that is wrong, also of a chunk that nothing here looks at, or of the pixels' stream in a chunk that is
 * right. */
static void png_checksums(void **state) {
  (void)state;
  bytes b = png(4, 3, 0), data = stored_zeros(3 * (1 + 4 * 3));
  chunk(&b, "tEXt", "Comment\0hello", 13);
  b.at[b.n - 1] ^= 1;
  chunk(&b, "IDAT", data.at, data.n), chunk(&b, "IEND", NULL, 0);
  expect(&b, "unreadable PNG: tEXt: CRC error");
  free(b.at);
  b = png(4, 3, 0);
  data.at[data.n - 1] ^= 1;
  chunk(&b, "IDAT", data.at, data.n), chunk(&b, "IEND", NULL, 0);
  expect(&b, "unreadable PNG: IDAT: incorrect data check");
  free(b.at), free(data.at);
}

/* ---- other files ------------------------------------------------------------------------------------------------- */

static void other_files(void **state) {
  (void)state;
  static const struct {
    const char *data;
    int64_t n;
    const char *name;
  } files[] = {{"GIF89a\1\0", 8, "a GIF file"},
               {"RIFF\x24\0\0\0WEBPVP8 ", 16, "unreadable WebP: the file is cut off"},
               {"BM\x3a\0\0\0", 6, "a BMP file"},
               {"II*\0\x08\0\0\0", 8, "a TIFF file"},
               {"\0\0\0\x18"
                "ftypheic",
                12, "a HEIC or AVIF file"},
               {"<!DOCTYPE html>", 15, "a web page"},
               {"version https://git-lfs.github.com/spec/v1", 42, "git lfs pull"},
               {"RIFF\x24\0\0\0WAVEfmt ", 16, "neither a JPEG nor a PNG nor a WebP"},
               {"hello", 5, "neither a JPEG nor a PNG nor a WebP"},
               {"\x89PN", 3, "neither a JPEG nor a PNG nor a WebP"},
               {"\xff\xd8\xff", 3, "unreadable JPEG"},
               {"\x89PNG\r\n\x1a\n", 8, "unreadable PNG"},
               {"", 0, "an empty file"}};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    bytes b = {0};
    append(&b, files[i].data, files[i].n); /* a copy of its exact size: reading beyond it would be seen */
    expect(&b, files[i].name);
    free(b.at);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(png_files),     cmocka_unit_test(png_sizes),          cmocka_unit_test(png_chunks),
      cmocka_unit_test(jpeg_kinds),    cmocka_unit_test(jpeg_cut),           cmocka_unit_test(jpeg_scans),
      cmocka_unit_test(jpeg_damaged),  cmocka_unit_test(jpeg_missing_scans), cmocka_unit_test(claims),
      cmocka_unit_test(png_checksums), cmocka_unit_test(other_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
