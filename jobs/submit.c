/* `submit`: a study as Slurm jobs. Tells what it costs, asks, and calls slurm/submit.sh, which fills the batch script
 * from the site file. Never calls MPI_Init. */
#include "jobs/predict.h"
#include "jobs/session.h"
#include "jobs/slurm_jobs.h"
#include "jobs/stages/stage.h"

#include "core/text.h"
#include "io/manifest.h"
#include "io/parts.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct submission {
  vw_session s;
  vw_session_options options;
  const char *site, *parts;
  bool is_chain, yes, is_dry;
  char script[VW_PATH_BYTES], study[VW_PATH_BYTES], out[VW_PATH_BYTES]; /* absolute: jobs start elsewhere */
  char how[512]; /* of slurm/submit.sh: job, chain:..., array:N:... */
  int64_t ranks, cores;
  char time[64], signal[64];
} submission;

/* ---- the site ---------------------------------------------------------------------------------------------------- */

/* slurm/submit.sh beside or above the program, where a clone, an installation or a bundle has it; or VISWORDS_SLURM. */
static vw_status find_script(submission *b) {
  static const char *const places[] = {"/../../slurm", "/slurm", "/../slurm", "/../share/viswords/slurm"};
  char self[VW_PATH_BYTES], *slash = NULL;
  const char *named = getenv("VISWORDS_SLURM");
  if (named && *named) {
    VW_TRY(vw_path_format(b->script, "%s/submit.sh", named));
    VW_CHECK(vw_file_exists(b->script), VW_ERR_INPUT, "VISWORDS_SLURM is %s, and no submit.sh is there", named);
    return VW_OK;
  }
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = 0;
  if ((slash = strrchr(self, '/'))) *slash = 0;
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    VW_TRY(vw_path_format(b->script, "%s%s/submit.sh", self, places[i]));
    if (vw_file_exists(b->script)) return VW_OK;
  }
  return VW_RAISE(VW_ERR_INPUT, "the folder slurm/ is not found from %s: name it in VISWORDS_SLURM", self);
}

static const char *value_of(const char *text, const char *key) {
  const size_t length = strlen(key);
  for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
    if (!strncmp(line, key, length) && line[length] == '=') return line + length + 1;
  return "";
}

static void copy_line(char *to, size_t size, const char *from) {
  (void)snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

/* Says on standard error what is wrong with the site file and returns VW_EXIT_REFUSED; VW_EXIT_OK. */
static int read_site(submission *b) {
  char path[PATH_MAX], *text = NULL;
  int code = 0;
  if (b->site && !realpath(b->site, path))
    return vw_report(VW_RAISE(VW_ERR_INPUT, "--site %s: %s", b->site, strerror(errno)));
  if (b->site && setenv("VISWORDS_SITE", path, 1) != 0) return vw_report(VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  const char *const argv[] = {"bash", b->script, "info", NULL};
  const vw_status st = vw_run_program(argv, false, &text, &code);
  if (st != VW_OK) return vw_report(st);
  if (code == VW_EXIT_OK) {
    b->ranks = strtoll(value_of(text, "ranks"), NULL, 10), b->cores = strtoll(value_of(text, "cores"), NULL, 10);
    copy_line(b->time, sizeof b->time, value_of(text, "time"));
    copy_line(b->signal, sizeof b->signal, value_of(text, "signal"));
  }
  free(text);
  return code == VW_EXIT_OK ? VW_EXIT_OK : VW_EXIT_REFUSED;
}

/* ---- the cost ---------------------------------------------------------------------------------------------------- */

/* Bytes that the trials leave: words, anchors, losses, names and numbers, in block files and again in study.h5. */
static double disk_bytes(const vw_session *s) {
  static const double names = 600, twice = 2, reals = 4, losses = 1000;
  double bytes = 0;
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (!vw_block_is_active(b)) continue;
    bytes += twice * (double)b->n *
             (names + reals * ((1 + (double)s->config->models[b->model_index].vectors) *
                                   (double)s->networks[b->model_index]->width +
                               losses));
  }
  return bytes;
}

static vw_status print_cost(submission *b, const vw_prediction *p) {
  static const double hour = 3600, mebi = 1048576;
  vw_session *s = &b->s;
  vw_learn_memory memory;
  const vw_task_kind *task = NULL;
  double seconds = 0;
  VW_TRY(vw_session_memory(s, &memory, &task, NULL));
  for (int i = 0; i < VW_PREDICT_STAGES; i++) seconds += p->seconds[i];
  (void)vw_print(stdout, "study %s: %lld trials, %lld new, into %s\n", s->config->study, (long long)s->plan->n_selected,
                 (long long)s->plan->n_new, b->out);
  (void)vw_print(stdout,
                 "  time    about %s on %lld rank%s x %lld core%s (%s): %.3g core-hours; a start has %s and is told to "
                 "save %s s before its end\n",
                 vw_duration_text(seconds), (long long)b->ranks, b->ranks == 1 ? "" : "s", (long long)b->cores,
                 b->cores == 1 ? "" : "s", vw_rate_source_name(p->source),
                 seconds * (double)(b->ranks * b->cores) / hour, b->time, b->signal);
  (void)vw_print(stdout, "  memory  %.0f MiB a rank%s, and %.0f for the weights\n", (double)memory.peak / mebi,
                 s->ctx.backend == VW_CUDA ? " on its device" : "", (double)memory.weights / mebi);
  (void)vw_print(stdout, "  disk    about %.0f MiB of results\n", disk_bytes(s) / mebi);
  if (p->source == VW_RATE_ESTIMATE)
    (void)vw_print(stdout, "  'viswords plan STUDY.yaml --measure' on a node makes the time more certain\n");
  return VW_OK;
}

static bool is_done(const submission *b, const vw_prediction *p) {
  char path[VW_PATH_BYTES];
  for (int i = VW_PREDICT_LEARN; i <= VW_PREDICT_TSNE; i++)
    if (p->seconds[i] > 0) return false;
  if (b->s.plan->n_new > 0) return false;
  if (vw_path_format(path, "%s/study.h5", b->out) == VW_OK && vw_file_exists(path) && vw_manifest_verify(path) == VW_OK)
    return true;
  vw_error_clear();
  return false;
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static void keep_owner(void *user, vw_study_part part, const char *owner) {
  char *kept = user;
  (void)snprintf(kept, VW_LOCK_OWNER_BYTES, "%s", owner);
  (void)part;
}

static vw_status refuse_active(const submission *b) {
  vw_slurm_jobs jobs;
  char owner[VW_LOCK_OWNER_BYTES] = "", first[VW_SLURM_TEXT] = "", state[VW_SLURM_TEXT] = "";
  const vw_status st = vw_slurm_jobs_look(b->out, &jobs);
  const bool is_known = jobs.is_known || !jobs.n;
  int64_t active = 0;
  for (int64_t i = 0; i < jobs.n && !active; i++)
    if ((active = jobs.job[i].active) > 0)
      memcpy(first, jobs.job[i].id, sizeof first), memcpy(state, jobs.job[i].state, sizeof state);
  vw_slurm_jobs_free(&jobs);
  VW_TRY(st);
  VW_CHECK(is_known, VW_ERR_INPUT,
           "%s: jobs were submitted before, and squeue does not say whether they still run; try again when it does",
           b->out);
  VW_CHECK(!active, VW_ERR_INPUT, "%s: job %s of it is %s; wait for it, or 'scancel %s' first", b->out, first, state,
           first);
  if (!vw_lock_owner(b->out, NULL, owner)) owner[0] = 0, vw_part_owners(b->out, keep_owner, owner);
  VW_CHECK(!owner[0], VW_ERR_INPUT, "%s: %s is working here; wait for it ('viswords status' shows it)", b->out, owner);
  return VW_OK;
}

/* slurm/submit.sh with `what` print or submit; its text goes to *text. */
static int call_script(const submission *b, const char *what, char **text) {
  int code = 0;
  const char *const argv[] = {"bash", b->script, what, b->study, b->out, b->how, NULL};
  const vw_status st = vw_run_program(argv, false, text, &code);
  return st != VW_OK ? vw_report(st) : code == VW_EXIT_OK ? VW_EXIT_OK : VW_EXIT_REFUSED;
}

static void print_indented(const char *text) {
  for (const char *line = text ? text : ""; *line;) {
    const size_t length = strcspn(line, "\n");
    (void)vw_print(stdout, "  %.*s\n", (int)length, line);
    line += length + (line[length] == '\n');
  }
}

static int submit_now(const submission *b) {
  char log[VW_PATH_BYTES], *text = NULL;
  vw_lock lock = {0};
  const vw_lock_how how = {.part = "submit", .is_short = true};
  vw_status st = vw_folder_make(b->out);
  if (st == VW_OK) st = vw_subfolder_make(b->out, "log", log);
  if (st == VW_OK) st = vw_lock_take(&lock, b->out, &how); /* two at once: the second finds the first one's jobs */
  if (st == VW_OK) st = refuse_active(b);
  int code = st == VW_OK ? call_script(b, "submit", &text) : vw_report(st);
  if (code == VW_EXIT_OK) {
    st = vw_slurm_jobs_add(b->out, text);
    if (st != VW_OK) code = vw_report(st);
    (void)vw_print(stdout, "submitted:\n");
    print_indented(text);
    (void)vw_print(stdout, "'viswords status %s' shows how far it is; logs are %s/slurm-*.out\n", b->out, log);
  }
  vw_lock_release(&lock);
  free(text);
  return code;
}

/* Does the user want it? Without a terminal only --yes says so. */
static bool ask(const submission *b) {
  char answer[16] = "";
  if (b->yes) return true;
  if (!isatty(STDIN_FILENO)) {
    (void)vw_print(stderr, "viswords submit: nobody can be asked here: pass --yes to submit, --dry-run to look\n");
    return false;
  }
  (void)vw_print(stdout, "submit? [y/N] ");
  (void)fflush(stdout);
  if (!fgets(answer, sizeof answer, stdin)) return false;
  return answer[0] == 'y' || answer[0] == 'Y';
}

static int go_on(submission *b, const vw_prediction *p) {
  if (is_done(b, p)) {
    (void)vw_print(stdout, "%s: all of study %s is done; nothing is submitted\n", b->out, b->s.config->study);
    return VW_EXIT_OK;
  }
  const vw_status st = refuse_active(b);
  if (st != VW_OK) return vw_report(st);
  const vw_status shown = print_cost(b, p);
  if (shown != VW_OK) return vw_report(shown);
  if (b->is_dry) {
    char *text = NULL;
    const int code = call_script(b, "print", &text);
    if (code == VW_EXIT_OK) (void)vw_print(stdout, "would submit:\n");
    if (code == VW_EXIT_OK) print_indented(text);
    free(text);
    return code;
  }
  return ask(b) ? submit_now(b) : VW_EXIT_REFUSED;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* DIR may not be there yet: then its parent's place counts. */
static vw_status make_absolute(const char *path, char out[VW_PATH_BYTES]) {
  char real[PATH_MAX], here[PATH_MAX];
  if (realpath(path, real)) return vw_path_format(out, "%s", real);
  if (path[0] == '/') return vw_path_format(out, "%s", path);
  VW_CHECK(getcwd(here, sizeof here), VW_ERR_IO, "the current folder: %s", strerror(errno));
  return vw_path_format(out, "%s/%s", here, path);
}

static vw_status read_how(submission *b) {
  char *end = NULL;
  VW_CHECK(!b->is_chain || !b->parts, VW_ERR_ARG, "submit: choose --chain or --array");
  (void)snprintf(b->how, sizeof b->how, "%s", b->is_chain ? "chain:" : "job");
  if (!b->parts) return VW_OK;
  const long long n = strtoll(b->parts, &end, 10);
  VW_CHECK(end != b->parts && !*end && n >= 1 && n <= INT_MAX, VW_ERR_ARG,
           "submit: --array '%s': expected a number of parts", b->parts);
  (void)snprintf(b->how, sizeof b->how, "array:%lld:", n);
  return VW_OK;
}

/* The study's stages, in the order in which they run; those that an array can share have a + behind. */
static void add_stages(submission *b) {
  for (int i = 0, n = 0; vw_stages[i]; i++) {
    if (!vw_study_has_stage(b->s.config, vw_stages[i]->name)) continue;
    const size_t at = strlen(b->how);
    (void)snprintf(b->how + at, sizeof b->how - at, "%s%s%s", n++ ? "," : "", vw_stages[i]->name,
                   vw_stages[i]->has_parts ? "+" : "");
  }
}

static vw_status open_all(submission *b, vw_prediction *p) {
  VW_TRY(read_how(b));
  VW_TRY(make_absolute(b->options.study, b->study));
  VW_TRY(make_absolute(b->options.out, b->out));
  vw_ranks_single(&b->s.ranks);
  b->s.ranks_planned = b->ranks, b->options.threads = b->cores, b->options.allow_other_kernels = true;
  VW_TRY(vw_session_open(&b->s, &b->options, false));
  if (b->is_chain || b->parts) add_stages(b);
  return vw_session_predict(&b->s, b->ranks, false, p, NULL, NULL);
}

int vw_job_submit(int argc, char **argv) {
  submission b = {0};
  const char *positional[1];
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &b.options.out, "DIR", "output directory, on a file system that all nodes see"},
      {"site", 0, VW_OPT_STRING, &b.site, "FILE", "the site file; default: slurm/site.sh, or VISWORDS_SITE"},
      {"chain", 0, VW_OPT_FLAG, &b.is_chain, NULL, "a job a stage, each after the one before"},
      {"array", 0, VW_OPT_STRING, &b.parts, "N",
       "stages that can be shared in N jobs of an array each, the others in one"},
      {"yes", 'y', VW_OPT_FLAG, &b.yes, NULL, "do not ask"},
      {"dry-run", 0, VW_OPT_FLAG, &b.is_dry, NULL, "show the cost and the commands, submit nothing"},
      {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {"submit",
                             "STUDY.yaml -o DIR [options]",
                             "Submits a study to Slurm: shows what it costs, asks, submits what is neither queued nor "
                             "done. docs/cluster.md",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  if (!b.options.out) {
    (void)vw_print(stderr, "viswords submit: -o DIR is missing: where shall the results go?\n");
    return VW_EXIT_REFUSED;
  }
  b.options.study = positional[0];
  const vw_status found = find_script(&b);
  code = found == VW_OK ? read_site(&b) : vw_report(found);
  if (code != VW_EXIT_OK) return code;
  vw_prediction p;
  const vw_status st = open_all(&b, &p);
  code = st == VW_OK ? go_on(&b, &p) : vw_session_report(&b.s, st);
  vw_session_close(&b.s);
  return code;
}
