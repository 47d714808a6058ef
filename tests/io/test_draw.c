/* Boxes and labels on pictures: where their pixels are, read back from the PNG. */
#include "tests/support/test.h"

#include "io/pictures/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/viswords-draw-XXXXXX";

static vw_image flat(int64_t height, int64_t width) {
  vw_image image = {.height = height, .width = width, .rgb = malloc((size_t)(height * width * 3))};
  assert_non_null(image.rgb);
  for (int64_t i = 0; i < height * width; i++)
    image.rgb[3 * i] = (uint8_t)(i % 7), image.rgb[3 * i + 1] = 200, image.rgb[3 * i + 2] = (uint8_t)(i % 11);
  return image;
}

static vw_image written(vw_drawing *d) {
  vw_image image = {0};
  assert_ok(vw_drawing_write(d, path));
  vw_drawing_destroy(d);
  assert_ok(vw_image_read(path, 0, &image));
  return image;
}

static bool same(const vw_image *a, int64_t x, int64_t y, const vw_image *b, int64_t u, int64_t v) {
  return !memcmp(a->rgb + (y * a->width + x) * 3, b->rgb + (v * b->width + u) * 3, 3);
}

static void copies(void **state) {
  (void)state;
  vw_image from = flat(5, 9);
  vw_drawing *d = NULL;
  assert_ok(vw_drawing_create(&d, &from, 3));
  vw_image image = written(d);
  assert_int_equal(image.width, 27);
  assert_int_equal(image.height, 15);
  for (int64_t y = 0; y < 15; y++)
    for (int64_t x = 0; x < 27; x++) assert_true(same(&image, x, y, &from, x / 3, y / 3));
  vw_image_free(&image), vw_image_free(&from);
}

/* An edge of 2 pixels around (20, 30) to (60, 80); nothing inside, nothing outside. */
static void box(void **state) {
  (void)state;
  vw_image from = flat(100, 100);
  vw_drawing *d = NULL;
  assert_ok(vw_drawing_create(&d, &from, 1));
  vw_drawing_box(d, (const double[]){20, 30, 40, 50}, 0);
  vw_drawing_box(d, (const double[]){-50, -50, 300, 300}, 1); /* outside: no pixel */
  vw_image image = written(d);
  for (int64_t y = 0; y < 100; y++)
    for (int64_t x = 0; x < 100; x++) {
      const bool outer = x >= 19 && x < 61 && y >= 29 && y < 81, inner = x >= 21 && x < 59 && y >= 31 && y < 79;
      const uint8_t *p = image.rgb + (y * 100 + x) * 3;
      if (outer && !inner)
        assert_true(p[0] > 200 && p[1] < 60 && p[2] < 60); /* the first colour is red */
      else
        assert_true(same(&image, x, y, &from, x, y));
    }
  vw_image_free(&image), vw_image_free(&from);
}

/* How many pixels changed, and whether all did within these rows. */
static int64_t changed(const vw_image *image, const vw_image *from, int64_t first, int64_t last) {
  int64_t n = 0;
  for (int64_t y = 0; y < from->height; y++)
    for (int64_t x = 0; x < from->width; x++)
      if (!same(image, x, y, from, x, y)) {
        n++;
        if (y < first || y >= last) fail_msg("pixel %d, %d changed", (int)x, (int)y);
      }
  return n;
}

static void labels(void **state) {
  (void)state;
  static const struct {
    double y;
    const char *text;
    int64_t first, last, least, most;                  /* rows, pixels that change */
  } cases[] = {{50, "fox 0.83", 30, 50, 600, 2000},    /* above the box */
               {2, "fox 0.83", 2, 24, 600, 2000},      /* no room: below its edge */
               {-30, "caf\xc3\xa9", 0, 24, 300, 2000}, /* a box outside: still inside the picture */
               {500, "x", 180, 200, 100, 800},
               {50, "a name that is longer than the picture is wide, and then some more of it", 30, 50, 2000, 4000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_image from = flat(200, 200);
    vw_drawing *d = NULL;
    assert_ok(vw_drawing_create(&d, &from, 1));
    const bool font = vw_drawing_has_font(d);
    vw_drawing_label(d, (const double[]){40, cases[i].y, 20, 20}, cases[i].text, (int64_t)i);
    vw_image image = written(d);
    const int64_t n = changed(&image, &from, cases[i].first, cases[i].last);
    if (font && (n < cases[i].least || n > cases[i].most)) fail_msg("case %d: %d pixels", (int)i, (int)n);
    vw_image_free(&image), vw_image_free(&from);
  }
}

static void too_large(void **state) {
  (void)state;
  vw_image from = flat(1, 40);
  vw_drawing *d = NULL;
  assert_int_equal(vw_drawing_create(&d, &from, 1000), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "too large to draw on"));
  vw_error_clear();
  assert_null(d);
  vw_image_free(&from);
}

static int make(void **state) {
  (void)state;
  const int fd = mkstemp(path);
  return fd < 0 || close(fd) != 0;
}

static int drop(void **state) {
  (void)state;
  return unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(copies), cmocka_unit_test(box), cmocka_unit_test(labels),
                                     cmocka_unit_test(too_large)};
  return cmocka_run_group_tests(tests, make, drop);
}
