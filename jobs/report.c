#include "jobs/report.h"

#include "core/text.h"
#include "io/lock.h"
#include "jobs/session.h"
#include "results/report/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- the study file of a directory ------------------------------------------------------------------------------- */

static vw_status place(const char *out, char path[VW_PATH_BYTES]) {
  return vw_path_format(path, "%s/study-file", out);
}

vw_status vw_study_place_keep(const char *out, const char *study) {
  char path[VW_PATH_BYTES], *whole = realpath(study, NULL);
  if (!whole) return VW_OK; /* it vanished while it was read: the run goes on with what it read */
  vw_status st = place(out, path);
  if (st == VW_OK) st = vw_file_write(path, whole, (int64_t)strlen(whole));
  free(whole);
  return st;
}

vw_status vw_study_place_find(const char *out, char study[VW_PATH_BYTES]) {
  char path[VW_PATH_BYTES], *text = NULL;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", out));
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT, "%s: no plan.yaml in it: not an output directory of 'viswords run'",
           out);
  VW_TRY(vw_path_format(study, "%s/study.yaml", out)); /* what `merge` leaves, until something runs */
  VW_TRY(place(out, path));
  if (!vw_file_exists(path) && vw_file_exists(study)) return VW_OK;
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT,
           "%s: it does not say where its study file is: 'viswords report STUDY.yaml -o %s'", out, out);
  VW_TRY(vw_file_read(path, &text, NULL));
  text[strcspn(text, "\r\n")] = 0;
  vw_status st = vw_path_format(study, "%s", text);
  if (st == VW_OK && !vw_file_exists(study))
    st = VW_RAISE(VW_ERR_INPUT, "%s: its study file %s is not there any more: 'viswords report STUDY.yaml -o %s'", out,
                  text, out);
  free(text);
  return st;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

typedef struct holder {
  char text[VW_LOCK_OWNER_BYTES];
  bool is_held;
} holder;

static void see_part(void *user, vw_study_part part, const char *owner) {
  holder *h = user;
  (void)part;
  if (!h->is_held) (void)snprintf(h->text, sizeof h->text, "%s", owner);
  h->is_held = true;
}

/* Reads as a stage does, but with no lock: files of results are written once, and the page is put in its place at once.
 * It computes nothing, so any machine's processor will do, whatever the plan was made for. */
static vw_status write(vw_session *s, const vw_session_options *o, bool *stopped) {
  holder h = {.is_held = false};
  VW_TRY(vw_session_open(s, o, false));
  VW_CHECK(!s->is_counted, VW_ERR_INPUT, "%s: a data set is not there: nothing was learned that could be told",
           o->study);
  h.is_held = vw_lock_owner(s->out, NULL, h.text);
  vw_part_owners(s->out, see_part, &h);
  const vw_results_source source = vw_session_results(s);
  const vw_report_about about = {.study = o->study, .holder = h.is_held ? h.text : NULL};
  vw_stop_signals_install(); /* from here on it ends at the next place where nothing is half-written */
  return vw_report_write(&source, &about, o->quiet ? NULL : stdout, stopped);
}

int vw_job_report(int argc, char **argv) {
  vw_session_options o = {.backend = "cpu", .precision = "auto", .allow_other_kernels = true};
  const char *positional[1];
  char study[VW_PATH_BYTES], plan[VW_PATH_BYTES];
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "the output directory, where the study file is named"},
      {"cache", 0, VW_OPT_STRING, &o.cache, "DIR",
       "the cache folder of the run; default: the study's, else ~/.cache/viswords"},
      {"quiet", 'q', VW_OPT_FLAG, &o.quiet, NULL, "do not say where the page is"},
      {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {"report",
                             "DIR | STUDY.yaml -o DIR",
                             "Writes DIR/report.html, one file that needs no network: the answer, figures, pictures, "
                             "tables, provenance. Works beside a running study, with what there is so far; takes no "
                             "lock.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  vw_status st = VW_OK;
  if (o.out)
    st = vw_path_format(study, "%s", positional[0]);
  else
    o.out = positional[0], st = vw_study_place_find(o.out, study);
  if (st == VW_OK) st = vw_path_format(plan, "%s/plan.yaml", o.out);
  if (st == VW_OK && !vw_file_exists(plan))
    st = VW_RAISE(VW_ERR_INPUT, "%s: no plan.yaml in it: not an output directory of 'viswords run'", o.out);
  if (st != VW_OK) return vw_report(st);
  o.study = study;
  vw_session s = {0};
  vw_ranks_single(&s.ranks);
  bool stopped = false;
  st = write(&s, &o, &stopped);
  code = vw_session_report(&s, st);
  if (code == VW_EXIT_OK && stopped) code = vw_stop_tell(s.out);
  vw_session_close(&s);
  return code;
}
