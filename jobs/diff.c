/* `diff`: are the results of two output directories the same, and if not, where and why? Never calls MPI_Init. */
#include "results/compare/diff.h"

#include "core/text.h"
#include "io/json.h"
#include "jobs/jobs.h"

#include <inttypes.h>
#include <math.h>

static void print_names(const char *what, const json_t *names) {
  enum { SHOWN = 8 };
  const size_t n = json_array_size(names);
  if (!n) return;
  (void)vw_print(stdout, "  %s: %zu differ:", what, n);
  for (size_t i = 0; i < n && i < SHOWN; i++)
    (void)vw_print(stdout, " %s", json_string_value(json_array_get(names, i)));
  (void)vw_print(stdout, "%s\n", n > SHOWN ? " ..." : "");
}

static void print_text(const vw_diff *d) {
  const bool equal = !d->first[0];
  (void)vw_print(stdout, "%s and %s %s\n", d->dir[0], d->dir[1],
                 !equal             ? "differ"
                 : d->tolerance > 0 ? "are equal within the tolerance"
                                    : "are equal, bit for bit");
  if (!equal) (void)vw_print(stdout, "  first: %s\n  why: %s\n", d->first, d->why);
  (void)vw_print(stdout, "  plans: %" PRId64 " trials in both", d->trials_in_both);
  for (int i = 0; i < 2; i++)
    if (d->trials_only[i]) (void)vw_print(stdout, ", %" PRId64 " only in %s", d->trials_only[i], d->dir[i]);
  (void)vw_print(stdout, "\n  results: %" PRId64 " trials compared, %" PRId64 " differ", d->trials_compared,
                 d->trials_differ);
  if (d->trials_differ) (void)vw_print(stdout, "; largest difference of a word's component: %.3g", d->largest);
  for (int i = 0; i < 2; i++)
    if (d->trials_missing[i]) (void)vw_print(stdout, "; %" PRId64 " missing in %s", d->trials_missing[i], d->dir[i]);
  (void)vw_print(stdout, "\n");
  print_names("baselines", d->baselines);
  print_names("study.h5", d->sets);
  if (!d->study_compared) (void)vw_print(stdout, "  study.h5: not compared, it is not in both\n");
}

static void print_json(const vw_diff *d) {
  json_t *all = json_pack(
      "{s:b, s:o?, s:o?, s:I, s:I, s:I, s:[I, I], s:[I, I], s:f, s:b, s:b, s:O, s:O}", "equal", !d->first[0], "first",
      d->first[0] ? vw_json_name(d->first) : NULL, "why", d->first[0] ? vw_json_name(d->why) : NULL, "trials_in_both",
      (json_int_t)d->trials_in_both, "trials_compared", (json_int_t)d->trials_compared, "trials_differ",
      (json_int_t)d->trials_differ, "trials_only", (json_int_t)d->trials_only[0], (json_int_t)d->trials_only[1],
      "trials_missing", (json_int_t)d->trials_missing[0], (json_int_t)d->trials_missing[1], "largest_word_difference",
      isfinite(d->largest) ? d->largest : -1.0, "other_kernels", d->other_kernels, "study_file_compared",
      d->study_compared, "baselines", d->baselines, "data_sets", d->sets);
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
}

int vw_job_diff(int argc, char **argv) {
  vw_diff d = {0};
  const char *positional[2];
  bool json = false;
  const vw_option options[] = {
      {"tolerance", 't', VW_OPT_DOUBLE, &d.tolerance, "X",
       "numbers a, b are equal when |a - b| <= X max(1, |a|, |b|), whatever the kernels; default: bit for bit"},
      {"json", 0, VW_OPT_FLAG, &json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"A", "B"};
  const vw_command_line c = {"diff",
                             "A B [--tolerance X]",
                             "Compares the results of two output directories: names the first trial and step that "
                             "differ, and why. Exit code 3 when they differ.",
                             options,
                             names,
                             2,
                             2};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  d.dir[0] = positional[0], d.dir[1] = positional[1];
  d.baselines = json_array(), d.sets = json_array();
  const vw_status st = vw_diff_compare(&d);
  if (st == VW_OK && json) print_json(&d);
  if (st == VW_OK && !json) print_text(&d);
  code = st == VW_OK && d.first[0] ? VW_EXIT_DIFFERS : vw_report(st);
  vw_plan_destroy(d.plan[0]), vw_plan_destroy(d.plan[1]);
  json_decref(d.baselines), json_decref(d.sets);
  return code;
}
