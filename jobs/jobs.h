/* What a user runs: one function a subcommand. Each returns the process' exit code. */
#ifndef VW_JOBS_JOBS_H
#define VW_JOBS_JOBS_H

#include "core/options.h"
#include "core/status.h"

/* Exit codes (docs: README.md, `viswords --help`). */
enum {
  VW_EXIT_OK = 0,
  VW_EXIT_FAILED = 1,  /* the run failed: system, memory, device, communication */
  VW_EXIT_REFUSED = 2, /* usage, study file, weights, pictures: nothing was started or it was refused */
  VW_EXIT_DIFFERS = 3, /* diff: the runs differ; verify: a file is damaged; bench: slower than its reference */
  VW_EXIT_REQUEUE = 75 /* stopped on request, all saved, or by the watchdog: the same command goes on */
};

/* Prints the message (and the trail with --verbose) to standard error; returns the exit code for a status. */
int vw_report(vw_status st);
/* With --verbose the trail of the last error, after its message. */
void vw_report_trail(void);

/* Parses; prints help. Returns true when the command is to go on, else *code is its exit code. */
bool vw_begin(const vw_command_line *c, int argc, char **argv, const char **positional, int *code);

int vw_job_run(int argc, char **argv);
int vw_job_check(int argc, char **argv);
int vw_job_plan(int argc, char **argv);
/* A subcommand a stage, in the order of their table: its name, NULL behind the last; what it does; whether it computes
 * on several threads. */
const char *vw_job_stage_at(int i, const char **summary, bool *computes);
int vw_job_stage(int i, int argc, char **argv);
int vw_job_submit(int argc, char **argv);
int vw_job_status(int argc, char **argv);
int vw_job_diff(int argc, char **argv);
int vw_job_merge(int argc, char **argv);
int vw_job_verify(int argc, char **argv);
int vw_job_encode(int argc, char **argv);
int vw_job_words(int argc, char **argv);
int vw_job_export(int argc, char **argv);
int vw_job_import(int argc, char **argv);
int vw_job_generate(int argc, char **argv);
int vw_job_classify(int argc, char **argv);
int vw_job_detect(int argc, char **argv);
int vw_job_doctor(int argc, char **argv);
int vw_job_draws(int argc, char **argv);
int vw_job_bench(int argc, char **argv);
int vw_job_simulate(int argc, char **argv);
int vw_job_random_clip(int argc, char **argv);
int vw_job_random_owlv2(int argc, char **argv);
int vw_job_random_sd(int argc, char **argv);

#endif
