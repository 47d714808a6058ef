/* Pages: the three formats, the same bytes twice, ids that do not meet those of another figure, names in any script,
 * texts that are cut. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/canvas/canvas.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/viswords-canvas-XXXXXX";

typedef struct sketch {
  const char *text;
  double most, width; /* width: what the text took */
} sketch;

static void draw(vw_canvas *c, void *user) {
  sketch *s = user;
  const vw_letters letters = {.size = 12, .colour = 0x222222, .most = s->most};
  const vw_pen pen = {.colour = 0x0072b2, .width = 2, .dash = {4, 2}};
  const double xy[] = {10, 10, 90, 50}, box[4] = {20, 20, 16, 16};
  uint8_t rgb[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
  const vw_image picture = {.height = 2, .width = 2, .rgb = rgb};
  vw_canvas_panel(c);
  vw_canvas_line(c, xy, 2, &pen);
  vw_canvas_area(c, xy, 2, 0xd55e00, .2);
  for (int i = 0; i < VW_MARKS; i++) {
    const vw_mark mark = {.form = i, .size = 8, .colour = 0x009e73, .is_hollow = i % 2 == 1};
    vw_canvas_mark(c, 10 + 12 * i, 60, &mark);
  }
  vw_canvas_picture(c, box, &picture);
  vw_canvas_text(c, 10, 90, s->text, &letters);
  s->width = vw_canvas_text_width(c, s->text, &letters);
}

/* The file's bytes; the caller frees them. */
static char *file(const char *name, const char *ending, int64_t *n) {
  char path[VW_PATH_BYTES], *data = NULL;
  assert_ok(vw_path_format(path, "%s/%s.%s", folder, name, ending));
  assert_ok(vw_file_read(path, &data, n));
  return data;
}

static void write_page(const char *name, sketch *s, vw_canvas_counts *counts) {
  char path[VW_PATH_BYTES];
  const vw_page page = {
      .width = 200, .height = 100, .title = "a <b> & c", .description = "\x1b[2J", .draw = draw, .user = s};
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  assert_ok(vw_page_write(&page, path, name, counts));
}

static void test_formats(void **state) {
  static const char *const endings[] = {"svg", "pdf", "png"};
  static const char *const begins[] = {"<?xml", "%PDF-", "\x89PNG"};
  sketch s = {.text = "words"};
  vw_canvas_counts counts = {0};
  (void)state;
  write_page("one", &s, &counts);
  const vw_canvas_counts wanted = {.panels = 1, .marks = VW_MARKS, .lines = 1, .areas = 1, .texts = 1, .pictures = 1};
  assert_memory_equal(&counts, &wanted, sizeof counts);
  for (int i = 0; i < 3; i++) {
    int64_t n = 0, m = 0;
    char *first = file("one", endings[i], &n);
    assert_memory_equal(first, begins[i], strlen(begins[i]));
    write_page("one", &s, NULL);
    char *second = file("one", endings[i], &m);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, (size_t)n);
    free(first), free(second);
  }
}

/* As text: a title, a description and counts, escaped; every id and every use of one has the figure's name. */
static void test_svg(void **state) {
  sketch s = {.text = "words"};
  int64_t n = 0, uses = 0;
  (void)state;
  write_page("two", &s, NULL);
  char *svg = file("two", "svg", &n);
  assert_non_null(strstr(svg, "<title>a &#60;b&#62; &#38; c</title>"));
  assert_non_null(strstr(svg, "<desc>\\x1b[2J</desc>"));
  assert_non_null(strstr(svg, "panels 1, marks 10, lines 1, areas 1, texts 1, pictures 1"));
  assert_non_null(strstr(svg, "role=\"img\""));
  for (const char *p = svg; (p = strstr(p, " id=\"")); p += 5) assert_memory_equal(p + 5, "two-", 4);
  for (const char *p = svg; (p = strstr(p, "href=\"#")); p += 7, uses++) assert_memory_equal(p + 7, "two-", 4);
  if (vw_canvas_has_font()) assert_true(uses >= 5); /* w, o, r, d, s */
  free(svg);
}

/* Letters of other fonts, of none, and bytes that are no text: drawn or escaped, and nothing fails. */
static void test_scripts(void **state) {
  static const char *const texts[] = {"",
                                      "F\xc3\xa9lin \xce\xb4 \xd0\xb6",
                                      "\xe7\x8b\x97\xe3\x81\x84\xe3\x81\xac",
                                      "\xff\xfe broken",
                                      "\xf0\x9f\xa6\x8a fox",
                                      "tab\there",
                                      "\xe2\x80\xaereversed"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    sketch s = {.text = texts[i]};
    write_page("three", &s, NULL);
    if (vw_canvas_has_font()) assert_int_equal(s.width > 0, texts[i][0] != 0);
  }
}

/* Cut to its room, between characters; a room for nothing leaves the ellipsis. */
static void test_cut(void **state) {
  char text[3001];
  (void)state;
  for (int i = 0; i < 1000; i++) memcpy(text + 3 * i, "\xe7\x8b\x97", 3);
  text[3000] = 0;
  if (!vw_canvas_has_font()) skip();
  sketch whole = {.text = "a rather long name"}, cut = {.text = whole.text, .most = 60},
         none = {.text = text, .most = 1};
  write_page("four", &whole, NULL);
  write_page("four", &cut, NULL);
  write_page("four", &none, NULL);
  assert_true(whole.width > 60 && cut.width <= 60 && cut.width > 30);
  assert_true(none.width > 0 && none.width < 20);
}

static void test_too_large(void **state) {
  sketch s = {.text = ""};
  const vw_page page = {.width = 1e6, .height = 10, .title = "", .description = "", .draw = draw, .user = &s};
  (void)state;
  assert_int_equal(vw_page_write(&page, folder, "x", NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "too large"));
}

static int remove_folder(void **state) {
  char command[64];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_svg),
                                     cmocka_unit_test(test_scripts), cmocka_unit_test(test_cut),
                                     cmocka_unit_test(test_too_large)};
  if (!mkdtemp(folder)) return 1;
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
