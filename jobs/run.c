/* `run` and its single stages: the same session, one or all stages. */
#include "jobs/session.h"

#include "core/log.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

typedef struct stage_set {
  bool learn, evaluate, collect;
} stage_set;

/* The collecting stage: block files to study.h5, summary.csv, figures and a table. Any time again. */
static vw_status stage_collect(vw_session *s) {
  const vw_results_source source = vw_session_results(s);
  return vw_collect(&source, &s->sections, s->options.json, &s->all_failed);
}

/* What this rank held of its device, beside what `plan` predicts: a difference is a mistake of ours. */
static vw_status print_device(vw_session *s) {
  vw_learn_memory predicted;
  const vw_task_kind *task = NULL;
  if (s->ctx.backend != VW_CUDA) return VW_OK;
  VW_TRY(vw_session_memory(s, &predicted, &task));
  (void)vw_print(stderr, "device memory of rank 0: at most %.1f MiB held, %.1f predicted; %s\n",
                 (double)vw_memory_used(&s->ctx).most / 1048576, (double)predicted.peak / 1048576,
                 vw_precision_name(&s->ctx));
  return VW_OK;
}

/* The table at the end: where the time went, rates, what to cite. */
static vw_status print_end(vw_session *s) {
  vw_section_stats *stats = NULL;
  int64_t n = 0, steps = 0;
  vw_status st = VW_OK;
  VW_TRY(vw_sections_gather(&s->ranks, &s->sections, &stats, &n));
  if (s->ranks.rank == 0 && !s->options.quiet) {
    (void)vw_print(stderr, "\n");
    vw_sections_print(stderr, stats, n, s->ranks.size);
    for (int64_t i = 0; i < s->plan->n_blocks; i++) {
      const vw_block *b = &s->plan->blocks[i];
      if (b->n_selected && b->model_index >= 0) steps += b->n * s->config->models[b->model_index].learn.steps;
    }
    (void)vw_print(stderr, "total %s on %d rank%s x %d thread%s; the study holds %lld trials, %lld trial-steps\n",
                   vw_duration_text(vw_seconds() - s->started), s->ranks.size, s->ranks.size == 1 ? "" : "s",
                   s->ctx.threads, s->ctx.threads == 1 ? "" : "s", (long long)s->plan->n_selected, (long long)steps);
    VW_GOTO(print_device(s));
    (void)vw_print(stderr, "cite: Trabucco et al. 2024, arXiv 2406.07506, and this software (CITATION.cff)\n");
  }
cleanup:
  free(stats);
  return st;
}

static vw_status stages(vw_session *s, stage_set which, bool *stopped) {
  *stopped = false;
  if (which.learn) VW_TRY(vw_stage_learn(s, stopped));
  if (which.evaluate && !*stopped) VW_TRY(vw_stage_evaluate(s, stopped));
  if (which.collect && !*stopped) VW_TRY(stage_collect(s));
  VW_TRY(vw_session_check_lock(s)); /* another run may have done the rest while this one slept */
  return print_end(s);
}

static stage_set of_study(const vw_session *s, stage_set which, bool all) {
  if (!all) return which;
  return (stage_set){.learn = vw_study_has_stage(s->config, "learn"),
                     .evaluate = vw_study_has_stage(s->config, "evaluate"),
                     .collect = vw_study_has_stage(s->config, "collect")};
}

/* All ranks come here; rank 0 speaks. */
static int finish(vw_session *s, vw_status st, bool stopped) {
  const bool speaks = s->ranks.rank == 0;
  const bool refused = st > 0 || s->problems.n_errors > 0;
  const int done = s->all_failed ? VW_EXIT_FAILED : VW_EXIT_OK;
  const int code = st == VW_OK ? (stopped ? VW_EXIT_REQUEUE : done) : refused ? VW_EXIT_REFUSED : VW_EXIT_FAILED;
  if (st != VW_OK && speaks) (void)vw_session_report(s, st);
  if ((st == VW_ERR_DEVICE || st == VW_ERR_COMM) && s->plan && speaks)
    (void)vw_print(stderr, "viswords: finished blocks and checkpoints are kept in %s; the same command goes on\n",
                   s->out);
  if (st == VW_OK && stopped && speaks)
    (void)vw_print(stderr,
                   "stopped on request or at the end of --max-time; all is saved in %s, the same command goes on\n",
                   s->out);
  if (st == VW_OK && s->all_failed && speaks)
    (void)vw_print(stderr,
                   "viswords: all trials failed: their words or losses are not finite; see learn.lr and the "
                   "weights; %s holds what there is\n",
                   s->out);
  vw_session_close(s);
  vw_ranks_close(&s->ranks);
  return code;
}

static int run_stages(const vw_command_line *text, int argc, char **argv, stage_set which, bool all) {
  vw_session_options o = {.checkpoint_seconds = 60};
  const char *log_level = "info", *max_time = NULL, *positional[1];
  double seconds = 0;
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "output directory (made if missing)"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref (double, slow), cpu, cuda; default: the study's"},
      {"precision", 0, VW_OPT_STRING, &o.precision, "NAME",
       "of cuda: auto, fp32, tf32, mixed, bf16; default: the study's"},
      {"threads", 't', VW_OPT_INT, &o.threads, "N",
       "threads of a rank; default: the node's cores shared among its ranks"},
      {"cache", 0, VW_OPT_STRING, &o.cache, "DIR", "image features; default: the study's, else ~/.cache/viswords"},
      {"checkpoint-seconds", 0, VW_OPT_DOUBLE, &o.checkpoint_seconds, "S",
       "time between checkpoints of a block (default 60)"},
      {"max-time", 0, VW_OPT_STRING, &max_time, "T",
       "stop in time to have saved after T (90, 30m, 3.5h, 3:30:00), as on a signal: exit code 75"},
      {"allow-other-kernels", 0, VW_OPT_FLAG, &o.allow_other_kernels, NULL,
       "go on with a plan made on another machine kind"},
      {"quiet", 'q', VW_OPT_FLAG, &o.quiet, NULL, "no progress, no table at the end"},
      {"json", 0, VW_OPT_FLAG, &o.json, NULL, "results on standard output as JSON"},
      {"log", 0, VW_OPT_STRING, &log_level, "LEVEL", "error, warn, info or debug"},
      {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {text->command, "STUDY.yaml -o DIR [options]", text->summary, options, names, 1, 1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  if (!o.out) {
    (void)vw_print(stderr, "viswords %s: -o DIR is missing: where shall the results go?\n", c.command);
    return VW_EXIT_REFUSED;
  }
  if (max_time && vw_stop_time(max_time, &seconds) != VW_OK) return vw_report(VW_ERR_ARG);
  if (max_time) vw_stop_after(seconds);
  vw_log_set_level(!strcmp(log_level, "debug")   ? VW_LOG_DEBUG
                   : !strcmp(log_level, "warn")  ? VW_LOG_WARN
                   : !strcmp(log_level, "error") ? VW_LOG_ERROR
                                                 : VW_LOG_INFO);
  o.study = positional[0];
  vw_session s = {0};
  bool stopped = false;
  vw_stop_signals_install(); /* first: a signal during MPI's start would end the process */
  vw_status st = vw_ranks_open(&s.ranks, NULL, NULL);
  if (st != VW_OK) return vw_report(st);
  vw_log_set_rank(s.ranks.rank);
  st = vw_session_open(&s, &o, true);
  if (st == VW_OK && s.stopped) stopped = true;
  if (st == VW_OK && !s.stopped) st = stages(&s, of_study(&s, which, all), &stopped);
  return finish(&s, st, stopped);
}

int vw_job_run(int argc, char **argv) {
  const vw_command_line c = {.command = "run",
                             .summary =
                                 "Runs all stages of a study. What is done already is kept: the same command resumes."};
  return run_stages(&c, argc, argv, (stage_set){0}, true);
}

int vw_job_learn(int argc, char **argv) {
  const vw_command_line c = {.command = "learn", .summary = "Learns the words of a study (resumes)."};
  return run_stages(&c, argc, argv, (stage_set){.learn = true}, false);
}

int vw_job_evaluate(int argc, char **argv) {
  const vw_command_line c = {.command = "evaluate",
                             .summary = "Judges the learned words and the baselines on held-out pictures."};
  return run_stages(&c, argc, argv, (stage_set){.evaluate = true}, false);
}

int vw_job_collect(int argc, char **argv) {
  const vw_command_line c = {.command = "collect", .summary = "Gathers the block files into DIR/study.h5."};
  return run_stages(&c, argc, argv, (stage_set){.collect = true}, false);
}
