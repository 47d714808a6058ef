#include "core/options.h"

#include "core/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Levenshtein distance by one row; words beyond 63 bytes count as far. */
static int distance(const char *a, const char *b) {
  enum { LONGEST = 63 };
  const size_t n = strlen(a), m = strlen(b);
  int row[LONGEST + 1];
  if (n > LONGEST || m > LONGEST) return LONGEST;
  for (size_t j = 0; j <= m; j++) row[j] = (int)j;
  for (size_t i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = (int)i;
    for (size_t j = 1; j <= m; j++) {
      const int substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      int best = substitute;
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[m];
}

const char *vw_near_miss(const char *word, const char *const *names, int64_t n) {
  const char *best = NULL;
  int least = (int)strlen(word) / 3 + 1;
  if (least > 3) least = 3;
  for (int64_t i = 0; i < n; i++) {
    const int d = distance(word, names[i]);
    if (d <= least && (!best || d < distance(word, best))) best = names[i];
  }
  return best;
}

static vw_status unknown(const vw_command_line *c, const char *text, size_t length) {
  const char *names[64], *near = NULL;
  char word[64];
  int64_t n = 0;
  for (const vw_option *o = c->options; o && o->name && n < 64; o++) names[n++] = o->name;
  if (length < sizeof word) {
    memcpy(word, text, length), word[length] = 0;
    near = vw_near_miss(word, names, n);
  }
  return VW_RAISE(VW_ERR_ARG, "%s: unknown option '%.*s'%s%s%s; see 'viswords %s --help'", c->command, (int)length,
                  text, near ? "; did you mean --" : "", near ? near : "", near ? "?" : "", c->command);
}

static vw_status set(const vw_command_line *c, const vw_option *o, const char *text) {
  char *end = NULL;
  errno = 0;
  switch (o->type) {
  case VW_OPT_FLAG:
    *(bool *)o->value = true;
    return VW_OK;
  case VW_OPT_STRING:
    *(const char **)o->value = text;
    return VW_OK;
  case VW_OPT_LIST: {
    vw_option_list *list = o->value;
    list->text[list->n++] = text;
    return VW_OK;
  }
  case VW_OPT_INT:
  case VW_OPT_COUNT:
    *(int64_t *)o->value = strtoll(text, &end, 10);
    VW_CHECK(o->type == VW_OPT_INT || end == text || *end || *(int64_t *)o->value >= 1, VW_ERR_ARG,
             "%s: --%s wants 1 or more, not '%s'", c->command, o->name, text);
    break;
  case VW_OPT_DOUBLE:
    *(double *)o->value = strtod(text, &end);
    break;
  }
  VW_CHECK(end != text && *end == 0 && errno == 0, VW_ERR_ARG, "%s: --%s wants a number, not '%s'", c->command, o->name,
           text);
  return VW_OK;
}

static const vw_option *find(const vw_command_line *c, const char *arg, size_t *length) {
  const bool is_long = arg[1] == '-';
  const char *name = arg + (is_long ? 2 : 1);
  *length = is_long ? strcspn(name, "=") : 1;
  for (const vw_option *o = c->options; o && o->name; o++) {
    if (is_long && strlen(o->name) == *length && !strncmp(o->name, name, *length)) return o;
    if (!is_long && o->letter && o->letter == name[0]) return o;
  }
  return NULL;
}

/* Consumes one option at argv[*i] and its value. */
static vw_status parse_one(const vw_command_line *c, int argc, char **argv, int *i) {
  const char *arg = argv[*i];
  size_t length = 0;
  const vw_option *o = find(c, arg, &length);
  const char *rest = arg + (arg[1] == '-' ? 2 : 1) + length;
  if (!o) return unknown(c, arg[1] == '-' ? arg + 2 : arg + 1, arg[1] == '-' ? length : strlen(arg) - 1);
  if (o->type == VW_OPT_FLAG) {
    VW_CHECK(!*rest, VW_ERR_ARG, "%s: --%s takes no value", c->command, o->name);
    return set(c, o, NULL);
  }
  if (*rest == '=') return set(c, o, rest + 1);
  if (*rest) return set(c, o, rest); /* -n4 */
  VW_CHECK(*i + 1 < argc, VW_ERR_ARG, "%s: --%s wants a value (%s)", c->command, o->name, o->argument);
  return set(c, o, argv[++*i]);
}

vw_status vw_parse_options(const vw_command_line *c, int argc, char **argv, const char **positional, bool *help) {
  int n = 0;
  bool only_positional = false;
  *help = false;
  for (int i = 0; i < c->max_positional; i++) positional[i] = NULL;
  for (int i = 0; i < argc; i++)
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) *help = true;
  if (*help) return VW_OK;
  for (int i = 0; i < argc; i++) {
    if (!only_positional && !strcmp(argv[i], "--")) {
      only_positional = true;
    } else if (!only_positional && argv[i][0] == '-' && argv[i][1]) {
      VW_TRY(parse_one(c, argc, argv, &i));
    } else {
      VW_CHECK(n < c->max_positional, VW_ERR_ARG, "%s: unexpected argument '%s'; see 'viswords %s --help'", c->command,
               argv[i], c->command);
      positional[n++] = argv[i];
    }
  }
  VW_CHECK(n >= c->min_positional, VW_ERR_ARG, "%s: %s is missing; usage: viswords %s %s", c->command,
           c->positional_names[n], c->command, c->arguments);
  return VW_OK;
}

void vw_print_usage(const vw_command_line *c, FILE *to) {
  (void)vw_print(to, "usage: viswords %s %s\n\n%s\n", c->command, c->arguments, c->summary);
  if (c->options && c->options->name) (void)vw_print(to, "\noptions:\n");
  for (const vw_option *o = c->options; o && o->name; o++) {
    char left[64], letter[8] = "    ";
    if (o->letter) (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->argument ? " " : "",
                   o->argument ? o->argument : "");
    (void)vw_print(to, "  %-30s %s\n", left, o->help);
  }
}
