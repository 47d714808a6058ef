/* Scales of figures: ticks, their texts, places in a panel, and names that figures have. */
#include "tests/support/test.h"

#include "results/figures/figure_curves.h"

#include "core/durable.h"
#include "tasks/kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const vw_task_kind task = {.name = "classification"};
const vw_kind vw_kinds[] = {{NULL, &task}};
const int vw_n_kinds = 1;

/* Round steps, from at or below to at or above, few enough. */
static void test_ticks(void **state) {
  static const struct {
    double low, high, first, last, step;
  } cases[] = {{0, 1, 0, 1, .2},         {0, 15, 0, 15, 5},           {-.13, .98, -.5, 1, .5}, {.37, .99, .2, 1, .2},
               {0, 1e-7, 0, 1e-7, 2e-8}, {-3e5, 7e5, -4e5, 8e5, 2e5}, {1, 0, 0, 1, .2}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double t[VW_MOST_TICKS];
    const int n = vw_ticks(cases[i].low, cases[i].high, 6, t);
    assert_in_range(n, 2, VW_MOST_TICKS);
    if (fabs(t[0] - cases[i].first) > 1e-12 + 1e-9 * fabs(t[0]) ||
        fabs(t[n - 1] - cases[i].last) > 1e-9 * fabs(t[n - 1]) ||
        fabs(t[1] - t[0] - cases[i].step) > 1e-9 * cases[i].step)
      fail_msg("%g to %g: ticks %g, %g ... %g", cases[i].low, cases[i].high, t[0], t[1], t[n - 1]);
  }
}

/* Nothing to span, or no number: still an axis. */
static void test_odd_ticks(void **state) {
  static const double cases[][2] = {{3, 3}, {0, 0}, {NAN, 1}, {0, INFINITY}, {-2, -2}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double t[VW_MOST_TICKS];
    const int n = vw_ticks(cases[i][0], cases[i][1], 6, t);
    assert_in_range(n, 2, VW_MOST_TICKS);
    for (int k = 1; k < n; k++) assert_true(isfinite(t[k]) && t[k] > t[k - 1]);
  }
}

static void test_tick_texts(void **state) {
  static const struct {
    double tick, step;
    const char *text;
  } cases[] = {{.2, .2, "0.2"},     {1, .2, "1.0"},      {5, 5, "5"},          {.25, .05, "0.25"},
               {-1e-17, .2, "0.0"}, {2e6, 1e6, "2e+06"}, {2e-5, 1e-5, "2e-05"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[VW_TICK_TEXT];
    vw_tick_text(cases[i].tick, cases[i].step, text);
    assert_string_equal(text, cases[i].text);
  }
}

static void test_panel(void **state) {
  const vw_panel p = {.x = 100, .y = 50, .width = 200, .height = 80, .x_low = -1, .x_high = 3, .y_low = 0, .y_high = 1};
  (void)state;
  assert_true(fabs(vw_panel_x(&p, -1) - 100) < 1e-12 && fabs(vw_panel_x(&p, 3) - 300) < 1e-12);
  assert_true(fabs(vw_panel_y(&p, 0) - 130) < 1e-12 && fabs(vw_panel_y(&p, 1) - 50) < 1e-12);
  assert_true(vw_inside(-.2, 0, 1) == 0 && vw_inside(1.7, 0, 1) == 1 && vw_inside(.3, 0, 1) == .3);
}

/* 14 looks, each another pair of colour and fill. */
static void test_looks(void **state) {
  (void)state;
  for (int i = 0; i < VW_MOST_SERIES; i++)
    for (int k = 0; k < i; k++) {
      const vw_mark a = vw_series_mark(i, 8), b = vw_series_mark(k, 8);
      assert_false(a.colour == b.colour && a.is_hollow == b.is_hollow);
    }
}

/* Every kind has what a report shows of it, and one place for a name at most. */
static void test_kinds(void **state) {
  (void)state;
  for (int i = 0; i < vw_n_figure_kinds; i++) {
    const vw_figure_kind *k = &vw_figure_kinds[i];
    assert_true(k->title[0] && k->caption[0] && k->command[0] && strlen(k->caption) > strlen(k->title));
    const char *at = strchr(k->name, '%');
    assert_int_equal(at != NULL, k->subject != VW_FIGURE_OF_STUDY);
    assert_true(!at || (at[1] == 's' && !strchr(at + 1, '%')));
    for (int o = 0; o < i; o++) assert_string_not_equal(k->name, vw_figure_kinds[o].name);
  }
}

/* Heads of narrow groups have room beside each other, whatever stands before them. */
static void test_grid(void **state) {
  static const vw_grid_column columns[] = {{"", "anchor"}, {"learned here", "0.5"}, {"carried from clip", "1"}};
  static const char *const rows[] = {"fox from dog"};
  vw_grid g = {.rows = rows, .columns = columns, .n_rows = 1, .cell_width = 27, .cell_height = 14};
  double width[4] = {0};
  (void)state;
  for (g.n_columns = 1; g.n_columns <= 3; g.n_columns++) width[g.n_columns] = vw_grid_width(&g);
  const double heads = vw_about_width("learned here", 12) + vw_about_width("carried from clip", 12);
  assert_true(width[3] - width[1] >= heads);
  g.n_columns = 3, g.cell_width = 200; /* wide enough without */
  assert_true(vw_grid_width(&g) < width[1] - 27 + 3 * 200 + 40);
}

static void draw_fit(vw_canvas *c, void *user) {
  const vw_letters large = {.size = 17, .is_bold = true};
  const char *text = "a title that is wider than the page it stands on";
  const double whole = vw_canvas_text_width(c, text, &large);
  double *got = user;
  for (int i = 0; i < 3; i++) { /* as it is, smaller, too long whatever is done */
    static const double part[] = {1.1, .9, .3};
    const vw_letters fit = vw_letters_fit(c, text, large, 12, part[i] * whole);
    const vw_letters uncut = {.size = fit.size, .is_bold = true};
    got[2 * i] = fit.size, got[2 * i + 1] = vw_canvas_text_width(c, text, &uncut) / (part[i] * whole);
  }
}

static void test_fit(void **state) {
  char path[] = "/tmp/viswords-plot-XXXXXX", file[VW_PATH_BYTES];
  double got[6] = {0};
  const vw_page page = {.width = 300, .height = 60, .title = "t", .description = "", .draw = draw_fit, .user = got};
  (void)state;
  assert_non_null(mkdtemp(path));
  assert_ok(vw_path_format(file, "%s/page", path));
  assert_ok(vw_page_write(&page, file, "page", NULL));
  assert_true(got[0] == 17 && got[2] < 17 && got[2] > 12 && got[4] == 12);
  assert_true(got[1] <= 1 && got[3] <= 1 && got[5] > 1);
  static const char *const endings[] = {"svg", "pdf", "png"};
  for (int i = 0; i < 3; i++) {
    assert_ok(vw_path_format(file, "%s/page.%s", path, endings[i]));
    assert_int_equal(unlink(file), 0);
  }
  assert_int_equal(rmdir(path), 0);
}

/* A curve without a number says nothing, and has no place in the legend. */
static void test_legend(void **state) {
  vw_figure_row seen = {.model = "", .from = "", .to = "", .data = "", .what = "", .quantity = "", .position = ""};
  seen.kind = seen.source = seen.metric = "", seen.i.mean = .5;
  vw_figure_row unseen = seen;
  unseen.i.mean = NAN;
  const vw_figure_row *const rows[] = {&unseen, &seen};
  vw_figure_source s = {.study = "study"};
  vw_figure_drawing d = {0};
  vw_curves *f = NULL;
  vw_curves_panel *p = NULL;
  (void)state;
  assert_ok(vw_curves_begin(&s, &f, "title", "below", 1));
  f->panel_width = f->panel_height = 100;
  assert_ok(vw_curves_panel_add(f, &(vw_curves_panel){.title = "", .x_title = "", .y_title = ""}, &p));
  for (int i = 0; i < 2; i++) {
    const vw_curve_look look = {.label = i ? "word" : "real name"};
    vw_curve *c = NULL;
    assert_ok(vw_curve_add(f, p, &look, &c));
    assert_ok(vw_curve_point(f, c, 0, rows[i]));
  }
  assert_ok(vw_curves_end(f, &d));
  assert_int_equal(f->n_legend, 1);
  assert_string_equal(f->legend[0].text, "word");
  free(d.csv);
  vw_pool_fini(&s.pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ticks), cmocka_unit_test(test_odd_ticks), cmocka_unit_test(test_tick_texts),
      cmocka_unit_test(test_panel), cmocka_unit_test(test_looks),     cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_grid),  cmocka_unit_test(test_fit),       cmocka_unit_test(test_legend)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
