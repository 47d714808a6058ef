/* viswords: finds the subcommand. */
#include "jobs/ending.h"
#include "jobs/jobs.h"
#include "jobs/waiting.h"

#include "core/manual.h"
#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
  const char *name;
  int (*run)(int argc, char **argv); /* NULL: a stage */
  const char *summary;
  bool computes; /* on several threads */
} job;
static const job jobs[] = {
    {"run", vw_job_run, "all stages of a study: plan, learn, evaluate, collect (resumes)", true},
    {"check", vw_job_check, "every problem of a study, its weights and pictures, before it runs"},
    {"plan", vw_job_plan, "list the trials and blocks of a study", true},
    {"submit", vw_job_submit, "submit a study to Slurm: cost first, nothing twice", true},
    {"status", vw_job_status, "how far an output directory is"},
    {"doctor", vw_job_doctor, "what this machine and this build can do, and what was never verified"},
    {"diff", vw_job_diff, "compare the results of two output directories"},
    {"merge", vw_job_merge, "join output directories of one protocol into a new one"},
    {"encode", vw_job_encode, "tokens, features and similarities of texts, words and pictures", true},
    {"words", vw_job_words, "where learned words lie among their network's words: a table of a study"},
    {"export", vw_job_export, "learned words as files of diffusers, AUTOMATIC1111, kohya"},
    {"import", vw_job_import, "judge words that other programs made, as a study judges its own", true},
    {"generate", vw_job_generate, "pictures of texts and words by a Stable Diffusion directory", true},
    {"classify", vw_job_classify, "name pictures with a CLIP: plain names and learned words", true},
    {"detect", vw_job_detect, "find and draw things in pictures with an OWL-v2: plain names and learned words", true},
    {"verify", vw_job_verify, "compare a model with transformers, or every checksum of an output directory", true},
    {"draws", vw_job_draws, "write the random draws of a study to a file"},
    {"bench", vw_job_bench, "measure rates on this machine", true},
    {"simulate", vw_job_simulate, "how busy many ranks would be with a study"},
    {"random-clip", vw_job_random_clip, "write a CLIP directory with random weights, for benchmarks"},
    {"random-owlv2", vw_job_random_owlv2, "the same of OWL-v2"},
    {"random-sd", vw_job_random_sd, "write a Stable Diffusion directory with random weights, for benchmarks"},
};
enum { JOBS = sizeof jobs / sizeof *jobs, BEFORE_STAGES = 3, MOST_JOBS = 64 };

/* Job i, the stages behind `plan`; its name is NULL behind the last. *stage: the stage's place, where it is one. */
static job job_at(int i, int *stage) {
  job j = {0};
  int n = 0;
  while (vw_job_stage_at(n, &j.summary, &j.computes)) n++;
  *stage = i - BEFORE_STAGES;
  if (i < BEFORE_STAGES) return jobs[i];
  if (*stage >= n) return i - n < JOBS ? jobs[i - n] : (job){0};
  j.name = vw_job_stage_at(*stage, &j.summary, &j.computes);
  return j;
}

static int run_job(int i, int argc, char **argv) {
  int stage;
  const job j = job_at(i, &stage);
  return j.run ? j.run(argc, argv) : vw_job_stage(stage, argc, argv);
}

#define ABOUT "learns visual words against frozen vision-language models"
#define EXIT_CODES                                                                                                     \
  "0 done; 1 the run failed; 2 bad usage, study or input; 3 results differ (diff), are damaged (verify) or\n"          \
  "            rates are low (bench --against); 75 stopped on request (INT, TERM, HUP, XCPU, USR1, USR2), all\n"       \
  "            saved, or by --watchdog: the same command goes on\n"

static void usage(FILE *to) {
  (void)vw_print(to, "usage: viswords COMMAND [ARGUMENTS]\n\nviswords " ABOUT ".\n\ncommands:\n");
  int stage;
  for (int i = 0; job_at(i, &stage).name; i++)
    (void)vw_print(to, "  %-12s %s\n", job_at(i, &stage).name, job_at(i, &stage).summary);
  (void)vw_print(to, "\n'viswords COMMAND --help' tells more. On several ranks: mpirun -n 4 viswords run STUDY.yaml "
                     "-o DIR\n--completion bash|zsh|fish, --man: completion for a shell and the manual page, on "
                     "standard output\nexit codes: " EXIT_CODES);
}

/* While it is set, commands tell their table of options instead of doing anything. */
static const struct listing {
  vw_manual manual;
  vw_manual_kind kind;
} * listing;

/* All commands' tables, as completion or as the manual page. */
static int manual(vw_manual_kind kind) {
  static const char codes[] = EXIT_CODES;
  static const char examples[] = "viswords check STUDY.yaml: every problem before it runs\n"
                                 "viswords run STUDY.yaml -o DIR: all stages; resumes";
  static const char *const endings[] = {"EXIT STATUS", codes, "EXAMPLES", examples, NULL};
  const char *names[MOST_JOBS], *about[MOST_JOBS];
  int n = 0, stage;
  for (job j; n < MOST_JOBS && (j = job_at(n, &stage)).name; n++) names[n] = j.name, about[n] = j.summary;
  const struct listing all = {{"viswords", ABOUT, VISWORDS_VERSION, n, names, about, endings}, kind};
  vw_manual_begin(&all.manual, kind, stdout);
  listing = &all;
  int code = VW_EXIT_OK;
  for (int i = 0; i < n && code == VW_EXIT_OK; i++) code = run_job(i, 0, NULL);
  listing = NULL;
  vw_manual_end(&all.manual, kind, stdout);
  return code;
}

static bool is_verbose; /* --verbose, which every command takes */

void vw_report_trail(void) {
  if (is_verbose) (void)fputs(vw_error_trail(), stderr);
}

int vw_report(vw_status st) {
  if (st == VW_OK) return VW_EXIT_OK;
  (void)vw_print(stderr, "viswords: %s\n", vw_error_message());
  vw_report_trail();
  return st > 0 ? VW_EXIT_REFUSED : VW_EXIT_FAILED;
}

bool vw_begin(const vw_command_line *c, int argc, char **argv, const char **positional, int *code) {
  enum { MOST = 32 };
  vw_option options[MOST + 2];
  vw_command_line all = *c;
  bool help = false;
  int n = 0;
  for (; c->options && c->options[n].name && n < MOST; n++) options[n] = c->options[n];
  options[n] = (vw_option){"verbose", 0, VW_OPT_FLAG, &is_verbose, NULL, "where in the source an error came from"};
  options[n + 1] = (vw_option){0};
  all.options = options;
  if (listing) {
    vw_manual_command(&listing->manual, listing->kind, &all, stdout);
    *code = VW_EXIT_OK;
    return false;
  }
  *code = vw_report(vw_parse_options(&all, argc, argv, positional, &help));
  if (*code != VW_EXIT_OK) return false;
  if (help) vw_print_usage(&all, stdout);
  return !help;
}

static int unknown_command(const char *name) {
  const char *names[MOST_JOBS];
  int n = 0, stage;
  while (n < MOST_JOBS && job_at(n, &stage).name) names[n] = job_at(n, &stage).name, n++;
  const char *near = vw_near_miss(name, names, n);
  (void)vw_print(stderr, "viswords: unknown command '%s'%s%s%s; see 'viswords --help'\n", name,
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return VW_EXIT_REFUSED;
}

static int dispatch(int argc, char **argv) {
  if (argc < 2) {
    usage(stderr);
    return VW_EXIT_REFUSED;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    usage(stdout);
    return VW_EXIT_OK;
  }
  if (!strcmp(argv[1], "--version")) {
    (void)vw_print(stdout, "viswords %s\n", VISWORDS_VERSION);
    return VW_EXIT_OK;
  }
  if (!strcmp(argv[1], "--man")) return manual(VW_MANUAL_PAGE);
  if (!strcmp(argv[1], "--completion")) {
    vw_manual_kind kind = VW_MANUAL_BASH;
    const vw_status st = vw_manual_shell(argc > 2 ? argv[2] : "", &kind);
    return st == VW_OK ? manual(kind) : vw_report(st);
  }
  int stage;
  for (int i = 0; job_at(i, &stage).name; i++) {
    if (strcmp(argv[1], job_at(i, &stage).name) != 0) continue;
    if (job_at(i, &stage).computes) vw_wait_asleep(argv);
    vw_exit_note_begin();
    return run_job(i, argc - 2, argv + 2);
  }
  return unknown_command(argv[1]);
}

int main(int argc, char **argv) {
  vw_streams_begin();
  return vw_ending(dispatch(argc, argv));
}
