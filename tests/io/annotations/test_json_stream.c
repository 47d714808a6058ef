/* The stream of JSON events: what it takes, what it refuses and where, and texts that reach over its buffer. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/annotations/json_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/viswords-json-XXXXXX";

typedef struct trace {
  char text[4096];
  size_t n;
  int64_t longest, events;
  bool passes; /* all lists below the first */
} trace;

static vw_status add(trace *t, const char *what, const char *text, size_t n) {
  t->events++;
  if ((int64_t)n > t->longest) t->longest = (int64_t)n;
  if (t->n + n + 8 < sizeof t->text) t->n += (size_t)sprintf(t->text + t->n, "%s%.*s ", what, (int)n, text);
  return VW_OK;
}

static vw_status on_null(void *user) {
  return add(user, "null", "", 0);
}

static vw_status on_boolean(void *user, bool v) {
  return add(user, v ? "true" : "false", "", 0);
}

static vw_status on_number(void *user, const char *text, size_t n) {
  if (n == 2 && !memcmp(text, "13", 2)) return VW_RAISE(VW_ERR_UNSUPPORTED, "no 13");
  return add(user, "", text, n);
}

static vw_status on_string(void *user, const char *text, size_t n) {
  return add(user, "=", text, n);
}

static vw_status on_key(void *user, const char *text, size_t n) {
  return add(user, ":", text, n);
}

static vw_status on_begin(void *user, bool object) {
  return add(user, object ? "{" : "[", "", 0);
}

static vw_status on_end(void *user, bool object) {
  return add(user, object ? "}" : "]", "", 0);
}

static bool passes(void *user, bool object) {
  const trace *t = user;
  return t->passes && !object && t->n > 2;
}

static const vw_json_events events = {.null = on_null,
                                      .boolean = on_boolean,
                                      .number = on_number,
                                      .string = on_string,
                                      .key = on_key,
                                      .begin = on_begin,
                                      .end = on_end,
                                      .passes = passes};

static vw_status read_bytes(const char *text, size_t n, trace *t) {
  assert_ok(vw_file_write(path, text, (int64_t)n));
  return vw_json_stream(path, &events, t);
}

static void taken(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {" {\"a\" : [1, -2.5e+3,0 ],\"b\":{}, \"c\":[]}\n", "{ :a [ 1 -2.5e+3 0 ] :b { } :c [ ] } "},
      {"[true,false,null,\"\"]", "[ true false null = ] "},
      {"\"\\u00e9\\ud83e\\udd8a\\n\\\"\\/\\\\\"", "=\xc3\xa9\xf0\x9f\xa6\x8a\n\"/\\ "},
      {"\"\xc3\xa9\xf0\x9f\xa6\x8a\"", "=\xc3\xa9\xf0\x9f\xa6\x8a "},
      {"7", "7 "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    trace t = {0};
    assert_ok(read_bytes(cases[i][0], strlen(cases[i][0]), &t));
    assert_string_equal(t.text, cases[i][1]);
  }
}

static void refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t n; /* 0: its length */
    int byte;
  } cases[] = {{"", 0, 1},
               {"[1,]", 0, 4},
               {"[1 2]", 0, 4},
               {"[1}", 0, 3},
               {"{\"a\":1,}", 0, 8},
               {"{\"a\" 1}", 0, 6},
               {"{1:2}", 0, 2},
               {"[01]", 0, 2},
               {"[1.]", 0, 2},
               {"[1e]", 0, 2},
               {"[-]", 0, 2},
               {"[+1]", 0, 2},
               {"[NaN]", 0, 2},
               {"[tru]", 0, 2},
               {"\"a", 0, 3},
               {"\"a\nb\"", 0, 3},
               {"\"\\x\"", 0, 2},
               {"\"\\ud83e\"", 0, 2},
               {"\"\\udd8a\"", 0, 2},
               {"\"\\u12g4\"", 0, 2},
               {"\"\xc3(\"", 0, 2},
               {"\"\xed\xa0\x80\"", 0, 2},
               {"\"\xc0\x80\"", 0, 2},
               {"\"a\0b\"", 5, 3},
               {"[1]\0", 4, 4},
               {"[1] 2", 0, 5},
               {"[", 0, 2}};
  for (int silent = 0; silent < 2; silent++)
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      trace t = {.passes = silent};
      char text[128], expected[64];
      const size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);
      size_t before = 0;
      if (silent) before = (size_t)sprintf(text, "[5,[5, 5.5, ");
      memcpy(text + before, cases[i].text, n);
      if (silent && i == sizeof cases / sizeof *cases - 1) continue; /* ends elsewhere */
      if (silent && i >= 24) continue;                               /* right inside a list */
      const vw_status st = read_bytes(text, before + n, &t);
      if (st != VW_ERR_INPUT) fail_msg("%s was taken", cases[i].text);
      (void)snprintf(expected, sizeof expected, "not JSON at byte %d: ", cases[i].byte + (int)before);
      if (!strstr(vw_error_message(), expected))
        fail_msg("'%s': %s, expected byte %d", text, vw_error_message(), cases[i].byte);
      vw_error_clear();
    }
}

static void stops_where_told(void **state) {
  (void)state;
  trace t = {0};
  assert_int_equal(read_bytes("[12,13,14]", 10, &t), VW_ERR_UNSUPPORTED);
  vw_error_clear();
  assert_string_equal(t.text, "[ 12 ");
  t = (trace){.passes = true};
  assert_ok(read_bytes("{\"a\":[13,[13,\"x\",{\"b\":13}],-1.5, 2],\"c\":[[]],\"d\":1}", 51, &t));
  assert_string_equal(t.text, "{ :a :c :d 1 } ");
}

static void depth(void **state) {
  (void)state;
  char text[2 * VW_JSON_DEPTH + 3] = "";
  for (int n = VW_JSON_DEPTH; n <= VW_JSON_DEPTH + 1; n++) {
    trace t = {0};
    memset(text, '[', (size_t)n), memset(text + n, ']', (size_t)n);
    assert_int_equal(read_bytes(text, 2 * (size_t)n, &t), n > VW_JSON_DEPTH ? VW_ERR_INPUT : VW_OK);
    vw_error_clear();
  }
}

/* Texts, escapes, sequences, numbers and words at every place of the buffer's edge, and a text longer than it. */
static void over_the_buffer(void **state) {
  (void)state;
  enum { EDGE = 1 << 18 };
  static const char tail[] = "\",-12.5e-3,true,\"\\ud83e\\udd8a\xf0\x9f\xa6\x8a\",[[null]],{\"k\":1}]";
  char *text = malloc(2 * EDGE + 256);
  assert_non_null(text);
  for (int64_t n = EDGE - 80; n < EDGE + 8; n++) {
    trace t = {0};
    text[0] = '[', text[1] = '"';
    memset(text + 2, 'x', (size_t)n);
    memcpy(text + 2 + n, tail, sizeof tail - 1);
    assert_ok(read_bytes(text, 2 + (size_t)n + sizeof tail - 1, &t));
    assert_int_equal(t.longest, n);
    assert_string_equal(strstr(t.text, "-12.5e-3"),
                        "-12.5e-3 true =\xf0\x9f\xa6\x8a\xf0\x9f\xa6\x8a [ [ null ] ] { :k 1 } ] ");
  }
  free(text);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(taken), cmocka_unit_test(refused),
                                     cmocka_unit_test(stops_where_told), cmocka_unit_test(depth),
                                     cmocka_unit_test(over_the_buffer)};
  return cmocka_run_group_tests(tests, make, drop);
}
