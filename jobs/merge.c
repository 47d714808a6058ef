/* `merge`: output directories of one protocol as one. Never calls MPI_Init. */
#include "results/compare/merge.h"

#include "core/text.h"
#include "jobs/jobs.h"

#include <string.h>

int vw_job_merge(int argc, char **argv) {
  vw_merge m = {0};
  const char *positional[VW_MOST_MERGED];
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &m.out, "DIR", "the new output directory, which is not there yet"},
      {"name", 0, VW_OPT_STRING, &m.name, "NAME", "of the joined study; default: theirs"},
      {"tolerance", 't', VW_OPT_DOUBLE, &m.tolerance, "X",
       "of results that are in several: numbers a, b are equal when |a - b| <= X max(1, |a|, |b|), and the first "
       "directory's are taken; default: bit for bit"},
      {"allow-other-kernels", 0, VW_OPT_FLAG, &m.allow_other_kernels, NULL,
       "join results of other backends, processors or versions; the plan records it"},
      {0}};
  static const char *const names[] = {"A", "B"};
  const vw_command_line c = {
      "merge",
      "A B ... -o DIR [options]",
      "Joins output directories of one protocol (other concepts, anchors, deltas, replicas, data "
      "sets, models or parts of them) into a new one; those stay as they are. docs/output.md",
      options,
      names,
      2,
      VW_MOST_MERGED};
  char out[VW_PATH_BYTES];
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  while (m.n < VW_MOST_MERGED && positional[m.n]) m.n++;
  m.dir = positional;
  if (!m.out) {
    (void)vw_print(stderr, "viswords merge: -o DIR is missing: where shall the joined results go?\n");
    return VW_EXIT_REFUSED;
  }
  vw_status st = vw_path_format(out, "%s", m.out);
  for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--) out[n - 1] = 0;
  m.out = out;
  if (st == VW_OK) st = vw_merge_directories(&m);
  code = vw_report(st);
  if (code != VW_EXIT_OK) return code;
  (void)vw_print(stdout, "%s: %lld learned trials of", m.out, (long long)m.learned);
  for (int64_t i = 0; i < m.n; i++)
    (void)vw_print(stdout, "%s %s (%lld)", i ? "," : "", m.dir[i], (long long)m.trials[i]);
  (void)vw_print(stdout, "\n");
  if (m.asked > m.learned)
    (void)vw_print(stdout, "its study.yaml asks for %lld trials: %lld were learned in none of them\n",
                   (long long)m.asked, (long long)(m.asked - m.learned));
  (void)vw_print(stdout,
                 "'viswords collect %s/study.yaml -o %s' makes study.h5; 'viswords run' instead also does what is "
                 "missing\n",
                 m.out, m.out);
  return VW_EXIT_OK;
}
