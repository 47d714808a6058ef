/* viswords: finds the subcommand. */
#include "jobs/jobs.h"
#include "jobs/waiting.h"

#include "core/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary;
  bool computes; /* on several threads */
} jobs[] = {
    {"run", vw_job_run, "all stages of a study: plan, learn, evaluate, collect (resumes)", true},
    {"check", vw_job_check, "every problem of a study, its weights and pictures, before it runs"},
    {"plan", vw_job_plan, "list the trials and blocks of a study", true},
    {"learn", vw_job_learn, "learn the words", true},
    {"evaluate", vw_job_evaluate, "judge the words and the baselines", true},
    {"collect", vw_job_collect, "gather block files into study.h5"},
    {"status", vw_job_status, "how far an output directory is"},
    {"doctor", vw_job_doctor, "what this machine and this build can do, and what was never verified"},
    {"diff", vw_job_diff, "compare the results of two output directories"},
    {"encode", vw_job_encode, "tokens, features and similarities of texts, words and pictures", true},
    {"classify", vw_job_classify, "name pictures with a CLIP: plain names and learned words", true},
    {"detect", vw_job_detect, "find and draw things in pictures with an OWL-v2: plain names and learned words", true},
    {"verify", vw_job_verify, "compare a model with transformers, or every checksum of an output directory", true},
    {"draws", vw_job_draws, "write the random draws of a study to a file"},
    {"bench", vw_job_bench, "measure rates on this machine", true},
    {"random-clip", vw_job_random_clip, "write a CLIP directory with random weights, for benchmarks"},
};
enum { JOBS = sizeof jobs / sizeof *jobs };

static void usage(FILE *to) {
  (void)vw_print(to, "usage: viswords COMMAND [ARGUMENTS]\n\nLearns visual words against frozen vision-language "
                     "models.\n\ncommands:\n");
  for (int i = 0; i < JOBS; i++) (void)vw_print(to, "  %-12s %s\n", jobs[i].name, jobs[i].summary);
  (void)vw_print(
      to, "\n'viswords COMMAND --help' tells more. On several ranks: mpirun -n 4 viswords run STUDY.yaml -o DIR\n"
          "exit codes: 0 done; 1 the run failed; 2 bad usage, study or input; 3 results differ (diff) or are "
          "damaged (verify);\n"
          "            75 stopped on request, all saved: the same command goes on\n");
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
  *code = vw_report(vw_parse_options(&all, argc, argv, positional, &help));
  if (*code != VW_EXIT_OK) return false;
  if (help) vw_print_usage(&all, stdout);
  return !help;
}

static int unknown_command(const char *name) {
  const char *names[JOBS];
  for (int i = 0; i < JOBS; i++) names[i] = jobs[i].name;
  const char *near = vw_near_miss(name, names, JOBS);
  (void)vw_print(stderr, "viswords: unknown command '%s'%s%s%s; see 'viswords --help'\n", name,
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return VW_EXIT_REFUSED;
}

int main(int argc, char **argv) {
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
  for (int i = 0; i < JOBS; i++)
    if (!strcmp(argv[1], jobs[i].name)) {
      if (jobs[i].computes) vw_wait_asleep(argv);
      return jobs[i].run(argc - 2, argv + 2);
    }
  return unknown_command(argv[1]);
}
