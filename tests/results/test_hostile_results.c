/* Results and logs that a stranger wrote: tables whose columns have not the same length, numbers that are no places,
 * integers that differ where the comparison knew floating-point numbers alone, hosts that are no text. */
#include "core/durable.h"
#include "core/log.h"
#include "io/study/study_file.h"
#include "networks/stable_diffusion.h"
#include "results/compare/diff.h"
#include "results/figures/figures.h"
#include "results/report/report.h"
#include "tasks/generation/generation.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const vw_kind vw_kinds[] = {{&vw_sd_kind, &vw_generation_kind}};
const int vw_n_kinds = 1;
const char vw_kinds_later[] = "";

enum { TEXT = 8, ROWS = 2 };

static char dir[64], path[VW_PATH_BYTES];

static int set_up(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "/tmp/vw-hostile-XXXXXX");
  vw_log_set_level(VW_LOG_ERROR);
  return mkdtemp(dir) && vw_path_format(path, "%s/study.h5", dir) == VW_OK ? 0 : -1;
}

static int tear_down(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

/* ---- a study.h5 -------------------------------------------------------------------------------------------------- */

static void put(vw_study_file *f, const char *name, bool is_text, const int64_t *dim, int ndim, const void *rows) {
  const vw_row_range all = {0, dim[0]};
  vw_study_data d = {.path = name, .dtype = VW_F64, .text_bytes = is_text ? TEXT : 0, .ndim = ndim, .units = "1"};
  if (is_text) d.units = "utf-8";
  for (int i = 0; i < ndim; i++) d.dim[i] = dim[i];
  assert_ok(vw_study_file_write_rows(f, &d, &all, 1, rows));
}

static void put_texts(vw_study_file *f, const char *name, const char *text, int64_t rows) {
  char values[ROWS * TEXT] = "";
  for (int64_t i = 0; i < rows; i++) (void)snprintf(values + i * TEXT, TEXT, "%s", text);
  put(f, name, true, &rows, 1, values);
}

static void put_numbers(vw_study_file *f, const char *name, double number, int64_t rows) {
  const double values[ROWS] = {number, number};
  put(f, name, false, &rows, 1, values);
}

/* What all figures are drawn from; of `shorter` the column has a row less. */
static const struct column {
  const char *path, *text; /* text NULL: numbers */
  double number;
} columns[] = {
    {"/trials/data", "d", 0},
    {"/trials/concept", "fox", 0},
    {"/trials/anchor", "dog", 0},
    {"/trials/model", "a", 0},
    {"/trials/delta", NULL, 1},
    {"/trials/replica", NULL, 0},
    {"/trials/null", NULL, 0},
    {"/evaluation/generation_trial", NULL, 1e300},
    {"/evaluation/generation_baselines/data", "d", 0},
    {"/evaluation/generation_baselines/concept", "fox", 0},
    {"/evaluation/generation_baselines/anchor", "dog", 0},
    {"/evaluation/generation_baselines/delta", NULL, 0},
    {"/evaluation/generation_baselines/kind", "random", 0},
    {"/evaluation/generation_baselines/model", "a", 0},
    {"/summary/generation/n", NULL, NAN},
    {"/summary/generation/model", "a", 0},
    {"/summary/transfer/n", NULL, 1e300},
    {"/truncation/generation/kind", "learned", 0},
    {"/truncation/generation/model", "a", 0},
    {"/truncation/generation/source", "", 0},
    {"/truncation/generation/data", "d", 0},
    {"/truncation/generation/concept", "fox", 0},
    {"/truncation/generation/anchor", "dog", 0},
    {"/truncation/generation/delta", NULL, 1},
    {"/truncation/generation/replica", NULL, 0},
    {"/truncation/generation/trial", NULL, NAN},
    {"/summary/truncation/n", NULL, 1},
    {"/summary/truncation/model", "a", 0},
    {"/summary/truncation/data", "d", 0},
    {"/summary/truncation/metric", "named", 0},
    {"/summary/truncation/quantity", "value", 0},
    {"/summary/truncation/kind", "learned", 0},
    {"/summary/truncation/depth", NULL, 1e300},
    {"/activations/a/origin", "trial", 0},
    {"/activations/a/concept", "fox", 0},
    {"/activations/a/anchor", "dog", 0},
    {"/activations/a/delta", NULL, 1},
    {"/activations/a/trial", NULL, -1e300},
    {"/tsne/a/layer", NULL, 1},
    {"/tsne/a/position", "word", 0},
    {"/tsne/a/n", NULL, 2},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void write_study(int shorter) {
  vw_ranks alone;
  vw_study_file *f = NULL;
  const int64_t judged[] = {ROWS, 3}, points[] = {ROWS, ROWS, 2};
  static const double zeros[ROWS * ROWS * 3];
  vw_ranks_single(&alone);
  assert_ok(vw_study_file_create(&alone, path, &f));
  assert_ok(vw_study_file_write_text(f, "/config/study", "study: x\n", 9));
  for (int i = 0; i < COLUMNS; i++) {
    const int64_t rows = i == shorter ? ROWS - 1 : ROWS;
    if (columns[i].text)
      put_texts(f, columns[i].path, columns[i].text, rows);
    else
      put_numbers(f, columns[i].path, columns[i].number, rows);
  }
  put(f, "/evaluation/generation", false, judged, 2, zeros);
  put(f, "/evaluation/generation_baselines/metrics", false, judged, 2, zeros);
  put(f, "/tsne/a/points", false, points, 3, zeros);
  assert_ok(vw_study_file_close(f, VW_OK));
}

static size_t table_of(int i) {
  return (size_t)(strrchr(columns[i].path, '/') - columns[i].path);
}

static bool ends_table(int i) {
  return i + 1 == COLUMNS || table_of(i) != table_of(i + 1) ||
         strncmp(columns[i].path, columns[i + 1].path, table_of(i)) != 0;
}

/* The last column of each table is shorter than the others, and the message names that table. Numbers that are no
 * places of a table, or no counts, are none; those that lie nowhere on a page are not drawn. */
static void test_columns(void **state) {
  (void)state;
  write_study(-1);
  assert_ok(vw_figures_make(dir, VW_FIGURES_ALL, NULL, NULL));
  for (int i = 0; i < COLUMNS; i++) {
    char table[64];
    (void)snprintf(table, sizeof table, "%.*s/", (int)table_of(i), columns[i].path);
    if (!ends_table(i) || !strcmp(columns[i].path, "/summary/transfer/n")) continue; /* alone in its table */
    write_study(i);
    if (vw_figures_make(dir, VW_FIGURES_ALL, NULL, NULL) != VW_ERR_INPUT) fail_msg("%s: not refused", columns[i].path);
    if (!strstr(vw_error_message(), table) || !strstr(vw_error_message(), "rows"))
      fail_msg("%s: refused by '%s'", columns[i].path, vw_error_message());
    vw_error_clear();
  }
}

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

static void test_integers_differ(void **state) {
  (void)state;
  const int32_t a[] = {1, -7}, b[] = {1, -8};
  const uint32_t c[] = {1, 0xffffffffu}, e[] = {1, 0};
  const uint16_t half[] = {0x3c00, 0x7e00}, other[] = {0x3c00, 0x7e01};
  const struct {
    vw_dtype type;
    const void *one, *two;
  } pairs[] = {{VW_I32, a, b}, {VW_U32, c, e}, {VW_F16, half, other}};
  const vw_diff d = {0};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    const vw_tensor x = {.data = (void *)(uintptr_t)pairs[i].one, .dtype = pairs[i].type};
    const vw_tensor y = {.data = (void *)(uintptr_t)pairs[i].two, .dtype = pairs[i].type};
    double p = 0, q = 0;
    assert_true(vw_diff_same(&d, &x, 0, &y, 0, &p, &q));
    assert_false(vw_diff_same(&d, &x, 1, &y, 1, &p, &q));
  }
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

static void test_times(void **state) {
  static vw_stage_times t;
  static const char lines[] = "{\"stage\": \"learn\", \"seconds\": 2, \"ranks\": 3, \"hosts\": [7, \"a\"]}\n"
                              "none\n{\"stage\": 5}\n{\"stage\": \"learn\", \"seconds\": 1, \"ranks\": 2}\n";
  char file[VW_PATH_BYTES];
  (void)state;
  assert_ok(vw_subfolder_make(dir, "log", file));
  assert_ok(vw_path_format(file, "%s/log/times.jsonl", dir));
  assert_ok(vw_file_write(file, lines, (int64_t)sizeof lines - 1));
  vw_times_read(dir, &t);
  assert_int_equal(t.n, 1);
  assert_int_equal(t.stage[0].runs, 2);
  assert_true(t.stage[0].seconds == 3 && t.stage[0].rank_seconds == 8);
  assert_null(strstr(t.stage[0].with, "(null)"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_columns), cmocka_unit_test(test_integers_differ),
                                     cmocka_unit_test(test_times)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
