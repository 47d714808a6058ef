/* What is escaped, what stays, and that printing escapes arguments only. */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/status.h"
#include "core/text.h"
#include "tests/support/test.h"

static const struct {
  const char *from, *to;
} cases[] = {
    {"", ""},
    {"plain C:\\path 'x'", "plain C:\\path 'x'"},
    {"caf\u00e9 \u4e2d\u6587 \U0001f98a e\u0301 \u200b", "caf\u00e9 \u4e2d\u6587 \U0001f98a e\u0301 \u200b"},
    {"a\nviswords: b\r\t", "a\\x0aviswords: b\\x0d\\x09"},
    {"\x1b[2J\x7f", "\\x1b[2J\\x7f"},
    {"\xc2\x85\xc2\x9b\xc2\x9f\u00a0", "\\u0085\\u009b\\u009f\u00a0"},
    {"\u2027\u2028\u2029\u202a\u202e\u202f", "\u2027\\u2028\\u2029\\u202a\\u202e\u202f"},
    {"\u2065\u2066\u2069\u206a", "\u2065\\u2066\\u2069\u206a"},
    {"\x9b\xff", "\\x9b\\xff"},                            /* C1 as one byte */
    {"\xc0\x8a\xe0\x80\x8a", "\\xc0\\x8a\\xe0\\x80\\x8a"}, /* overlong line ends */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                   /* a surrogate */
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},          /* beyond Unicode */
    {"\xe4\xb8", "\\xe4\\xb8"},                            /* cut */
};
enum { CASES = sizeof cases / sizeof *cases };

static void test_escape(void **state) {
  char out[256], again[256];
  (void)state;
  for (int i = 0; i < CASES; i++) {
    const size_t n = vw_text_escape(out, sizeof out, cases[i].from, strlen(cases[i].from));
    assert_string_equal(out, cases[i].to);
    assert_int_equal(n, strlen(out));
    (void)vw_text_escape(again, sizeof again, out, n);
    assert_string_equal(again, out);
  }
  assert_int_equal(vw_text_escape(out, 6, "ab\x1b", 3), 2); /* never half an escape */
  assert_string_equal(out, "ab");
  assert_int_equal(vw_text_escape(out, 4, "ab\u00e9", 4), 2); /* nor half a character */
}

static void test_print(void **state) {
  char *text = NULL;
  size_t bytes = 0;
  (void)state;
  FILE *out = open_memstream(&text, &bytes);
  assert_non_null(out);
  assert_true(vw_print(out, "%s|%-6s|%6s|%.*s|%%|%c\n", "a\nb", "\x1b", "x", 2, "\x07yz", '\n'));
  assert_true(vw_print(out, "%d %5d|%-5d|%05d %+d %u %x %ld %lld %zu %3lld %*d\r", -1, 7, 7, 7, 7, 8U, 255U, 9L, 10LL,
                       (size_t)11, 12LL, 4, 13));
  assert_true(vw_print(out, "%.3f %9.2e %g %-8.1f| %5.1f %%", 1.5, 1500.0, 0.25, 2.0, 99.9));
  assert_int_equal(fclose(out), 0);
  char expected[512];
  (void)snprintf(expected, sizeof expected,
                 "a\\x0ab|\\x1b  |     x|\\x07y|%%|\\x0a\n%d %5d|%-5d|%05d %+d %u %x %ld %lld %zu %3lld %*d\r"
                 "%.3f %9.2e %g %-8.1f| %5.1f %%",
                 -1, 7, 7, 7, 7, 8U, 255U, 9L, 10LL, (size_t)11, 12LL, 4, 13, 1.5, 1500.0, 0.25, 2.0, 99.9);
  assert_string_equal(text, expected);
  free(text);
}

static vw_status raise(const char *name) {
  return VW_RAISE(VW_ERR_INPUT, "%s: not there", name);
}

/* Messages, with what they quote, and their trail are one line each. */
static void test_messages(void **state) {
  (void)state;
  assert_int_equal(raise("x\nviswords: forged\x1b[0m \u202e"), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(), "x\\x0aviswords: forged\\x1b[0m \\u202e: not there");
  assert_int_equal(VW_RAISE(VW_ERR_INPUT, "y: %s", vw_error_message()), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(), "y: x\\x0aviswords: forged\\x1b[0m \\u202e: not there");
  const char *end = strchr(vw_error_trail(), '\n');
  assert_true(end && !end[1]);
}

/* Of HTML's four special characters and the apostrophe no text has one; formats keep theirs; what is escaped for a
 * terminal is here, too. */
static void test_print_html(void **state) {
  char *text = NULL;
  size_t bytes = 0;
  (void)state;
  FILE *out = open_memstream(&text, &bytes);
  assert_non_null(out);
  assert_true(vw_print_html(out, "<p title=\"%s\">%.*s %c %d %.2f%%</p>", "a\" onload='x'", 3, "<b>&", '&', 7, 0.5));
  assert_true(vw_print_html(out, "%s|%5s", "\u202e\n\xff", "<"));
  assert_int_equal(fclose(out), 0);
  assert_string_equal(text,
                      "<p title=\"a&#34; onload=&#39;x&#39;\">&#60;b&#62; &#38; 7 0.50%</p>\\u202e\\x0a\\xff|&#60;");
  free(text);
}

static void test_slug(void **state) {
  char out[9];
  (void)state;
  vw_text_slug(out, 8, "  A <Fox>!");
  assert_string_equal(out, "a-fox");
  vw_text_slug(out, 8, "Fire Truck 7"); /* cut, with no hyphen at its end */
  assert_string_equal(out, "fire-tru");
  vw_text_slug(out, 5, "Fire Truck");
  assert_string_equal(out, "fire");
  vw_text_slug(out, 8, "\xc3\xa9");
  assert_string_equal(out, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_escape), cmocka_unit_test(test_print),
                                     cmocka_unit_test(test_print_html), cmocka_unit_test(test_slug),
                                     cmocka_unit_test(test_messages)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
