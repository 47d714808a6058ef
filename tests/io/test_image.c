/* Pictures against Pillow, preprocessing against transformers (tests/reference/pictures.py): equal to the byte. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/pictures/image.h"
#include "io/pictures/preprocess.h"
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static vw_safetensors *expected;
static char path[] = "/tmp/vw-image-XXXXXX";

static int open_expected(void **state) {
  (void)state;
  const int fd = mkstemp(path);
  return fd < 0 || close(fd) != 0 ||
         vw_safetensors_open(&expected, vw_test_path("reference/fixtures/pictures/expected.safetensors")) != VW_OK;
}

static int close_expected(void **state) {
  (void)state;
  vw_safetensors_close(expected);
  return unlink(path);
}

static const char *fixture(const char *name) {
  char relative[200];
  (void)snprintf(relative, sizeof relative, "reference/fixtures/pictures/%s", name);
  return vw_test_path(relative);
}

/* The largest difference of two byte arrays. */
static int worst(const uint8_t *a, const uint8_t *b, int64_t n) {
  int most = 0;
  for (int64_t i = 0; i < n; i++) most = abs(a[i] - b[i]) > most ? abs(a[i] - b[i]) : most;
  return most;
}

static void check_pixels(const char *name, vw_tensor expected_pixels) {
  vw_image image;
  assert_ok(vw_image_read(fixture(name), false, &image));
  assert_int_equal(image.height, expected_pixels.dim[0]);
  assert_int_equal(image.width, expected_pixels.dim[1]);
  const int most = worst(image.rgb, expected_pixels.data, vw_count(&expected_pixels));
  if (most) fail_msg("%s: a value differs by %d", name, most);
  vw_image_free(&image);
}

static void decode(void **state) {
  (void)state;
  static const char *const names[] = {"rgb.png",    "grey.png",       "palette.png", "bilevel.png",
                                      "rgba.png",   "grey_alpha.png", "sixteen.png", "palette_transparent.png",
                                      "colour.jpg", "grey.jpg",       "full.jpg",    "progressive.jpg",
                                      "cmyk.jpg"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char key[100];
    vw_tensor t;
    (void)snprintf(key, sizeof key, "%s.rgb", names[i]);
    assert_ok(vw_safetensors_find(expected, key, &t));
    check_pixels(names[i], t);
  }
}

/* Every PNG colour type and depth, interlaced or not; JPEGs with restarts, other samplings, inks, an EXIF turn. */
static void odd_kinds(void **state) {
  (void)state;
  int64_t found = 0;
  for (int64_t i = 0; i < vw_safetensors_count(expected); i++) {
    const char *name = vw_safetensors_name(expected, i);
    if (strncmp(name, "odd/", 4) != 0) continue;
    check_pixels(name + 4, vw_safetensors_tensor(expected, i));
    found++;
  }
  assert_int_equal(found, 40);
}

/* All eight orientations, as Pillow's exif_transpose turns them; the ninth is a PNG. */
static void turns(void **state) {
  (void)state;
  for (int o = 1; o <= 9; o++) {
    char name[40], key[60];
    vw_image image;
    vw_tensor t;
    (void)snprintf(name, sizeof name, o < 9 ? "turned_%d.jpg" : "turned.png", o);
    (void)snprintf(key, sizeof key, "turned/%s", name);
    assert_ok(vw_image_read(fixture(name), true, &image));
    assert_ok(vw_safetensors_find(expected, key, &t));
    assert_int_equal(image.height, t.dim[0]);
    assert_int_equal(image.width, t.dim[1]);
    if (worst(image.rgb, t.data, vw_count(&t))) fail_msg("%s is turned otherwise", name);
    vw_image_free(&image);
  }
}

/* Damaged EXIF data leave the picture as it is stored, or turned; never worse. */
static void damaged_exif(void **state) {
  (void)state;
  char *data;
  int64_t bytes, read = 0;
  vw_image image;
  assert_ok(vw_file_read(fixture("turned_6.jpg"), &data, &bytes));
  for (int64_t i = 22; i < 70; i++) {
    const char kept = data[i];
    data[i] = (char)(kept ^ 0xFF);
    if (vw_image_decode("x.jpg", data, bytes, true, &image) == VW_OK) {
      assert_int_equal(image.height * image.width, 4 * 7);
      vw_image_free(&image);
      read++;
    }
    data[i] = kept;
  }
  assert_true(read > 20);
  free(data);
}

static void check_preprocessing(const char *name, int64_t size, int64_t crop) {
  char key[100];
  vw_image image;
  vw_tensor t, norm;
  vw_preprocess p = vw_preprocess_clip(size);
  const int64_t n = crop * crop;
  p.crop = crop;
  uint8_t *pixels = malloc((size_t)(3 * n));
  float *single = malloc((size_t)(3 * n) * sizeof *single);
  double *both = malloc((size_t)(6 * n) * sizeof *both); /* ours, then theirs */
  assert_ok(vw_image_read(fixture(name), false, &image));
  (void)snprintf(key, sizeof key, "%s.%d.%d", name, (int)size, (int)crop);
  assert_ok(vw_safetensors_find(expected, key, &t));
  (void)snprintf(key, sizeof key, "%s.%d.%d.norm", name, (int)size, (int)crop);
  assert_ok(vw_safetensors_find(expected, key, &norm));
  assert_ok(vw_preprocess_pixels(&p, &image, pixels));
  assert_int_equal(vw_count(&t), 3 * n);
  const int most = worst(pixels, t.data, 3 * n);
  if (most) fail_msg("%s: a value differs by %d", name, most);
  vw_preprocess_normalise(&p, pixels, n, single);
  vw_preprocess_normalise_f64(&p, pixels, n, both);
  for (int64_t i = 0; i < 3 * n; i++) both[3 * n + i] = vw_f32(&norm)[i];
  vw_assert_near(name, both, both + 3 * n, 3 * n, 4 * 1.2e-7); /* theirs: 4 roundings to fp32 */
  for (int64_t i = 0; i < 3 * n; i++) assert_true(single[i] == (float)both[i]);
  free(pixels);
  free(single);
  free(both);
  vw_image_free(&image);
}

static void preprocess(void **state) {
  (void)state;
  check_preprocessing("wide.png", 32, 32);
  check_preprocessing("tall.png", 32, 32);
  check_preprocessing("small.png", 32, 32); /* enlarged */
  check_preprocessing("odd.png", 31, 24);
  check_preprocessing("even.png", 32, 28);
  check_preprocessing("same.png", 32, 32);
  check_preprocessing("row.png", 16, 16); /* one axis keeps its size */
  check_preprocessing("line.png", 24, 24);
  check_preprocessing("dot.png", 8, 8);
  check_preprocessing("large.png", 14, 14); /* shrunk 14 times */
  check_preprocessing("tower.png", 24, 24); /* the height first */
  check_preprocessing("column.png", 16, 16);
}

static void write_png(void **state) {
  (void)state;
  vw_image image, back;
  assert_ok(vw_image_read(fixture("odd.png"), false, &image));
  assert_ok(vw_png_write(path, image.height, image.width, image.rgb));
  assert_ok(vw_image_read(path, false, &back));
  assert_int_equal(back.height, image.height);
  assert_int_equal(back.width, image.width);
  assert_memory_equal(back.rgb, image.rgb, (size_t)(3 * image.height * image.width));
  char below[sizeof path + 8]; /* a file, not a folder */
  (void)snprintf(below, sizeof below, "%s/x.png", path);
  assert_int_equal(vw_png_write(below, image.height, image.width, image.rgb), VW_ERR_IO);
  assert_int_equal(vw_png_write(path, 0, 3, image.rgb), VW_ERR_ARG);
  vw_image_free(&image);
  vw_image_free(&back);
}

static void expect_refused(vw_status code, const char *part) {
  vw_image image;
  assert_int_equal(vw_image_read(path, false, &image), code);
  assert_null(image.rgb);
  if (!strstr(vw_error_message(), part) || !strstr(vw_error_message(), path))
    fail_msg("expected \"%s\" and the path in: %s", part, vw_error_message());
}

/* A picture that is cut off at any byte but within what follows the pixels is refused. */
static void refused(void **state) {
  (void)state;
  static const char *const names[] = {"colour.jpg", "progressive.jpg", "cmyk.jpg", "odd.png", "palette.png"};
  char *data;
  int64_t bytes;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_ok(vw_file_read(fixture(names[i]), &data, &bytes));
    for (int64_t cut = 4; cut < bytes - 20; cut += 97) {
      assert_ok(vw_file_write(path, data, cut));
      expect_refused(VW_ERR_INPUT, cut < 8 ? "" : "unreadable");
    }
    free(data);
  }
  assert_ok(vw_file_read(fixture("rgb.png"), &data, &bytes));
  data[18] = 127; /* the width's second byte: 8 million pixels; the checksum of the header is wrong as well */
  assert_ok(vw_file_write(path, data, bytes));
  expect_refused(VW_ERR_INPUT, "unreadable PNG");
  free(data);
  assert_ok(vw_file_write(path, "GIF89a", 6));
  expect_refused(VW_ERR_INPUT, "neither a JPEG nor a PNG");
  assert_ok(vw_file_write(path, "", 0));
  expect_refused(VW_ERR_INPUT, "neither a JPEG nor a PNG");
  /* a JPEG header that claims 65,500 x 65,500 pixels */
  assert_ok(vw_file_read(fixture("grey.jpg"), &data, &bytes));
  for (int64_t i = 2; i + 9 < bytes; i++)
    if ((uint8_t)data[i] == 0xff && (uint8_t)data[i + 1] == 0xc0) {
      data[i + 5] = data[i + 7] = (char)0xff, data[i + 6] = data[i + 8] = (char)0xdc;
      break;
    }
  assert_ok(vw_file_write(path, data, bytes));
  expect_refused(VW_ERR_INPUT, "65500 x 65500 pixels, at most 100000000");
  free(data);
  vw_image image = {.height = 1, .width = 1 << 20, .rgb = (uint8_t *)path};
  const vw_preprocess p = vw_preprocess_clip(224);
  assert_int_equal(vw_preprocess_pixels(&p, &image, NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "too long"));
}

/* Transparency on white, to the bit as Pillow composites (tests/reference/white.py); dropped, it leaves other pixels.
 */
static void on_white(void **state) {
  (void)state;
  static const char *const names[] = {"rgba", "grey", "palette", "key"};
  for (int i = 0; i < 4; i++) {
    char name[200];
    vw_image image, whole, dropped;
    (void)snprintf(name, sizeof name, "reference/fixtures/white/%s.png", names[i]);
    assert_ok(vw_image_read(vw_test_path(name), VW_IMAGE_ON_WHITE, &image));
    assert_ok(vw_image_read(vw_test_path(name), 0, &dropped));
    (void)snprintf(name, sizeof name, "reference/fixtures/white/%s_on_white.png", names[i]);
    assert_ok(vw_image_read(vw_test_path(name), VW_IMAGE_ON_WHITE, &whole)); /* opaque: as it is */
    const int64_t n = whole.height * whole.width * 3;
    assert_int_equal(worst(image.rgb, whole.rgb, n), 0);
    assert_true(worst(dropped.rgb, whole.rgb, n) > 0);
    vw_image_free(&image), vw_image_free(&whole), vw_image_free(&dropped);
  }
}

/* WebP as Pillow reads it (tests/reference/webp.py): to the byte, whatever was lost when it was written. */
static void webp(void **state) {
  (void)state;
  static const struct {
    const char *name, *expected;
    unsigned look;
  } cases[] = {{"lossless", "lossless", 0},
               {"lossy", "lossy", 0},
               {"grey", "grey", 0},
               {"lossless_alpha", "lossless_alpha", 0},
               {"lossy_alpha", "lossy_alpha", 0},
               {"lossless_alpha", "lossless_alpha_on_white", VW_IMAGE_ON_WHITE},
               {"lossy_alpha", "lossy_alpha_on_white", VW_IMAGE_ON_WHITE},
               {"turned", "turned", VW_IMAGE_TURNED}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char name[200];
    vw_image image, expected_image;
    int64_t height = 0, width = 0;
    (void)snprintf(name, sizeof name, "reference/fixtures/webp/%s.webp", cases[i].name);
    assert_ok(vw_image_read(vw_test_path(name), cases[i].look, &image));
    assert_ok(vw_image_size(vw_test_path(name), cases[i].look, &height, &width));
    (void)snprintf(name, sizeof name, "reference/fixtures/webp/%s.png", cases[i].expected);
    assert_ok(vw_image_read(vw_test_path(name), 0, &expected_image));
    assert_true(image.height == expected_image.height && image.width == expected_image.width);
    assert_true(image.height == height && image.width == width);
    if (worst(image.rgb, expected_image.rgb, height * width * 3)) fail_msg("%s.webp is read otherwise", cases[i].name);
    vw_image_free(&image), vw_image_free(&expected_image);
  }
  bool turned = false;
  assert_ok(vw_image_is_turned(vw_test_path("reference/fixtures/webp/turned.webp"), &turned));
  assert_true(turned);
}

/* EXIF data stand behind the picture, however large that is: here behind a chunk that nobody knows. */
static void webp_turned_late(void **state) {
  (void)state;
  enum { CHUNK = 150000 };
  char *data;
  int64_t bytes;
  bool turned = false;
  assert_ok(vw_file_read(vw_test_path("reference/fixtures/webp/turned.webp"), &data, &bytes));
  const char *exif = memmem(data, (size_t)bytes, "EXIF", 4);
  assert_non_null(exif);
  const int64_t before = exif - data;
  char *late = calloc(1, (size_t)bytes + 8 + CHUNK);
  memcpy(late, data, (size_t)before);
  memcpy(late + before, "JUNK\xf0\x49\x02\0", 8);
  memcpy(late + before + 8 + CHUNK, exif, (size_t)(bytes - before));
  assert_ok(vw_file_write(path, late, bytes + 8 + CHUNK));
  assert_ok(vw_image_is_turned(path, &turned));
  assert_true(turned);
  free(data), free(late);
}

/* A WebP that is cut off anywhere, damaged, larger than any picture may be, or of several pictures. */
static void damaged_webp(void **state) {
  (void)state;
  static const char *const names[] = {"lossless", "lossy", "lossy_alpha", "turned"};
  char *data;
  int64_t bytes;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char name[200];
    vw_image image;
    (void)snprintf(name, sizeof name, "reference/fixtures/webp/%s.webp", names[i]);
    assert_ok(vw_file_read(vw_test_path(name), &data, &bytes));
    const int64_t pictures_end = i == 3 ? 60 : bytes - 4; /* then EXIF data, which a cut does not make unreadable */
    for (int64_t cut = 12; cut < pictures_end; cut += 11) {
      assert_ok(vw_file_write(path, data, cut));
      expect_refused(VW_ERR_INPUT, "unreadable WebP");
    }
    for (int64_t at = 12; at < bytes; at++) { /* read or refused, nothing else */
      data[at] = (char)~data[at];
      if (vw_image_decode("x.webp", data, bytes, VW_IMAGE_TURNED | VW_IMAGE_ON_WHITE, &image) == VW_OK)
        vw_image_free(&image);
      data[at] = (char)~data[at];
    }
    free(data);
  }
  assert_ok(vw_file_read(vw_test_path("reference/fixtures/webp/moving.webp"), &data, &bytes));
  assert_ok(vw_file_write(path, data, bytes));
  expect_refused(VW_ERR_INPUT, "a moving WebP of several pictures");
  free(data);
  /* VP8L: a byte 0x2f, 14 bits of width - 1, 14 of height - 1 */
  static const char huge[] = "RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0";
  assert_ok(vw_file_write(path, huge, sizeof huge));
  expect_refused(VW_ERR_INPUT, "16384 x 16384 pixels, at most");
}

/* Texts beside the pixels are read back; Pillow and others see tEXt chunks. */
static void png_texts(void **state) {
  (void)state;
  static const vw_png_text texts[] = {{"settings", "{\"seed\": 7}\n"}, {"settings.more", "x"}, {"empty", ""}};
  static const vw_png_text bad[] = {{"key", "caf\xc3\xa9"}, {"", "x"}, {"tab\t", "x"}};
  const uint8_t rgb[] = {1, 2, 3, 4, 5, 6};
  char file[] = "/tmp/viswords-png-XXXXXX", *text = NULL;
  vw_image image;
  const int fd = mkstemp(file);
  assert_true(fd >= 0);
  (void)close(fd);
  assert_ok(vw_png_write_with(file, 1, 2, rgb, texts, 3));
  assert_ok(vw_image_read(file, 0, &image));
  assert_memory_equal(image.rgb, rgb, sizeof rgb);
  vw_image_free(&image);
  for (int i = 0; i < 3; i++) {
    assert_ok(vw_png_read_text(file, texts[i].key, &text));
    assert_string_equal(text, texts[i].text);
    free(text);
  }
  assert_ok(vw_png_read_text(file, "setting", &text));
  assert_null(text);
  for (int i = 0; i < 3; i++) assert_int_equal(vw_png_write_with(file, 1, 2, rgb, &bad[i], 1), VW_ERR_ARG);
  assert_int_equal(truncate(file, 60), 0);
  assert_int_equal(vw_png_read_text(file, "empty", &text), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "cut off"));
  assert_int_equal(truncate(file, 4), 0);
  assert_int_equal(vw_png_read_text(file, "empty", &text), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "not a PNG"));
  assert_null(text);
  (void)unlink(file);
}

/* What is written reads back: the size to the pixel, a smooth picture to some grey levels; the better the quality the
 * nearer. JPEG 85 quantises no coefficient of a gradient by more than 30 (table K.1, halved and less). */
static void write_jpeg(void **state) {
  enum { H = 19, W = 33 };
  uint8_t rgb[H * W * 3], *data = NULL;
  const vw_image picture = {H, W, rgb};
  int64_t bytes = 0;
  int worst[2] = {0, 0};
  (void)state;
  for (int i = 0; i < H * W; i++) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = (uint8_t)(60 + 4 * (i % W) + i / W);
  for (int k = 0; k < 2; k++) {
    vw_image back = {0};
    assert_ok(vw_jpeg_encode(&picture, k ? 95 : 50, &data, &bytes));
    assert_ok(vw_image_decode("encoded", data, bytes, 0, &back));
    assert_true(back.height == H && back.width == W);
    for (int i = 0; i < H * W * 3; i++)
      if (abs(back.rgb[i] - rgb[i]) > worst[k]) worst[k] = abs(back.rgb[i] - rgb[i]);
    vw_image_free(&back);
    free(data);
  }
  assert_true(worst[1] < worst[0] && worst[0] < 30);
  assert_int_equal(vw_jpeg_encode(&picture, 0, &data, &bytes), VW_ERR_ARG);
  const vw_image wide = {1, 70000, rgb};
  assert_int_equal(vw_jpeg_encode(&wide, 85, &data, &bytes), VW_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decode),       cmocka_unit_test(odd_kinds),        cmocka_unit_test(turns),
      cmocka_unit_test(webp),         cmocka_unit_test(webp_turned_late), cmocka_unit_test(damaged_webp),
      cmocka_unit_test(damaged_exif), cmocka_unit_test(on_white),         cmocka_unit_test(preprocess),
      cmocka_unit_test(write_png),    cmocka_unit_test(refused),          cmocka_unit_test(png_texts),
      cmocka_unit_test(write_jpeg),
  };
  return cmocka_run_group_tests(tests, open_expected, close_expected);
}
