/* Progress lines and durations, on one rank; the table of sections over several: test_ranks.sh. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/progress.h"
#include "cluster/sections.h"
#include "tests/support/test.h"

static void test_durations(void **state) {
  static const struct {
    double seconds;
    const char *text;
  } cases[] = {{0, "0.0 s"},        {9.94, "9.9 s"},      {41.6, "42 s"},       {59.7, "1 min 00 s"},
               {185, "3 min 05 s"}, {8040, "2 h 14 min"}, {442800, "5 d 03 h"}, {-3, "0.0 s"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(vw_duration_text(cases[i].seconds), cases[i].text);
}

static void test_lines(void **state) {
  vw_progress p;
  char text[VW_PROGRESS_TEXT];
  (void)state;
  vw_progress_start(&p, NULL, "learn", "trials", 100, 1600);
  vw_progress_update(&p, 200), vw_progress_finish(&p, 300); /* silent */
  vw_progress_format(text, &p, 120, 0.5);
  assert_string_equal(text, "learn 120/1600 trials (7 %), 40.0/s, 37 s left");
  vw_progress_format(text, &p, 100, 3);
  assert_string_equal(text, "learn 100/1600 trials (6 %)"); /* nothing done yet: no rate, no promise */
  vw_progress_format(text, &p, 101, 3600);
  assert_string_equal(text, "learn 101/1600 trials (6 %), 1.0/h, 62 d 11 h left");
  vw_progress_format(text, &p, 1600, 1);
  assert_string_equal(text, "learn 1600/1600 trials (100 %), 1500/s");
}

/* Drawn again in its place, whatever the terminal's width: it does not go on in the line below. */
static void test_terminal(void **state) {
  vw_progress p;
  char text[512];
  (void)state;
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  assert_true(terminal >= 0);
  FILE *out = fdopen(terminal, "w");
  assert_non_null(out);
  vw_progress_start(&p, out, "learn", "trials", 0, 2);
  assert_true(p.is_terminal);
  vw_progress_finish(&p, 2);
  const ssize_t n = read(master, text, sizeof text - 1);
  assert_true(n > 0);
  text[n] = 0;
  const char *cut = strstr(text, VW_TERMINAL_CUTS), *line = strstr(text, "learn 2/2 trials (100 %)");
  assert_true(cut && line > cut && strstr(line, "\033[K" VW_TERMINAL_WRAPS));
  (void)fclose(out), (void)close(master);
}

static void test_plain_output(void **state) {
  vw_progress p;
  char *text = NULL;
  size_t bytes = 0;
  FILE *out = tmpfile();
  (void)state;
  assert_non_null(out);
  vw_progress_start(&p, out, "learn", "trials", 0, 4);
  vw_progress_update(&p, 1); /* not yet */
  assert_int_equal(ftell(out), 0);
  p.due = 0;
  vw_progress_update(&p, 2);
  assert_true(p.interval > 10); /* more and more rarely */
  vw_progress_finish(&p, 4);
  rewind(out);
  assert_true(getline(&text, &bytes, out) > 0);
  assert_non_null(strstr(text, "Z learn 2/4 trials (50 %)"));
  assert_null(strchr(text, '\r'));
  assert_true(getline(&text, &bytes, out) > 0);
  assert_non_null(strstr(text, "learn 4/4 trials (100 %)"));
  assert_non_null(strstr(text, "took 0.0 s"));
  free(text);
  (void)fclose(out);
}

static void test_sections(void **state) {
  vw_ranks r;
  vw_sections s = {0};
  vw_section_stats *stats = NULL;
  int64_t n = 0;
  (void)state;
  vw_ranks_single(&r);
  vw_sections_add(&s, "learn", "step", 2), vw_sections_add(&s, "evaluate", "tower", 1);
  vw_sections_add(&s, "learn", "checkpoint", 0.5), vw_sections_add(&s, "learn", "step", 1);
  assert_ok(vw_sections_gather(&r, &s, &stats, &n));
  assert_int_equal(n, 3);
  assert_string_equal(stats[1].name, "checkpoint"); /* stages stay together */
  assert_true(stats[0].mean == 3 && stats[0].min == 3 && stats[0].imbalance == 1 && stats[0].calls == 2);
  free(stats);
  for (int i = 0; i < 2 * VW_MAX_SECTIONS; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "s%d", i);
    vw_sections_add(&s, "many", name, 1);
  }
  assert_int_equal(s.n, VW_MAX_SECTIONS);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_durations), cmocka_unit_test(test_lines),
                                     cmocka_unit_test(test_terminal), cmocka_unit_test(test_plain_output),
                                     cmocka_unit_test(test_sections)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
