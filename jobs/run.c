/* `run` and its single stages: the same session, one or all stages of the table. */
#include "jobs/stages/stage.h"
#include "jobs/transfer_word.h"
#include "jobs/watch.h"

#include "core/log.h"
#include "core/text.h"
#include "results/report/report.h"

#include <stdlib.h>
#include <string.h>

/* What this rank held of its device, beside what `plan` predicts: a difference is a mistake of ours. */
static vw_status print_device(vw_session *s) {
  vw_learn_memory predicted;
  const vw_task_kind *task = NULL;
  if (s->ctx.backend != VW_CUDA) return VW_OK;
  VW_TRY(vw_session_memory(s, &predicted, &task, NULL));
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

/* `only`, or all stages that the study asks for. *now: the one that was last begun. */
static vw_status run_stages(vw_session *s, const vw_stage *only, const vw_stage **now, bool *stopped) {
  for (int i = 0; vw_stages[i] && !*stopped; i++) {
    const vw_stage *stage = vw_stages[i];
    if (only ? stage != only : !vw_study_has_stage(s->config, stage->name)) continue;
    *now = stage;
    const double start = vw_seconds();
    VW_TRY(vw_stage_go(stage, s, stopped));
    VW_TRY(vw_times_keep(&s->ranks, &s->ctx, s->out, stage->name, vw_seconds() - start));
  }
  VW_TRY(vw_session_check_lock(s)); /* another run may have done the rest while this one slept */
  return print_end(s);
}

/* All ranks come here; rank 0 speaks. */
static int finish(vw_session *s, vw_status st, bool stopped, const vw_stage *stage) {
  const bool speaks = s->ranks.rank == 0;
  const bool refused = st > 0 || s->problems.n_errors > 0;
  const int done = s->all_failed ? VW_EXIT_FAILED : VW_EXIT_OK;
  const int code = st == VW_OK ? (stopped ? VW_EXIT_REQUEUE : done) : refused ? VW_EXIT_REFUSED : VW_EXIT_FAILED;
  if (st != VW_OK && speaks) (void)vw_session_report(s, st);
  if ((st == VW_ERR_DEVICE || st == VW_ERR_COMM) && stage && speaks)
    (void)vw_print(stderr, "viswords: %s are kept in %s; the same command goes on\n", stage->kept, s->out);
  if (st == VW_OK && stopped && speaks) (void)vw_stop_tell(s->out);
  if (st == VW_OK && s->all_failed && speaks)
    (void)vw_print(stderr,
                   "viswords: all trials failed: their words or losses are not finite; see learn.lr and the "
                   "weights; %s holds what there is\n",
                   s->out);
  vw_signs_close(&s->signs, st != VW_OK || s->all_failed ? "failed" : stopped ? "stopped" : "finished");
  vw_watchdog *watchdog = s->watchdog;
  vw_session_close(s);
  vw_watchdog_stop(watchdog);
  vw_ranks_close(&s->ranks);
  return code;
}

/* Appends the options of a stage's other use to those of all; the caller has room. */
static void add_options(vw_option *options, const vw_option *more) {
  while (options->name) options++;
  while (more->name) *options++ = *more++;
  *options = (vw_option){0};
}

/* A stage that reads results alone: of DIR, or of a study's -o DIR. */
static int run_on_results(const vw_stage *stage, int argc, char **argv) {
  const char *out = NULL, *positional[1];
  const vw_option options[] = {{"out", 'o', VW_OPT_STRING, &out, "DIR", "of a study: its output directory"}, {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {stage->name, "DIR | STUDY.yaml -o DIR", stage->help, options, names, 1, 1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  const char *dir = out ? out : positional[0];
  bool stopped = false;
  vw_stop_signals_install();
  code = vw_report(stage->of_results(dir, &stopped));
  return code == VW_EXIT_OK && stopped ? vw_stop_tell(dir) : code;
}

/* The command of one stage; NULL: of all. */
static int run(const vw_stage *stage, int argc, char **argv) {
  if (stage && stage->of_results) return run_on_results(stage, argc, argv);
  enum { ROOM = 32 };
  vw_session_options o = {.checkpoint_seconds = 60};
  vw_transfer_word w = {.map = "auto"};
  const vw_option of_words[] = {
      {"from", 0, VW_OPT_STRING, &w.from, "DIR", "of WORD: the model directory that learned it"},
      {"to", 0, VW_OPT_STRING, &w.to, "DIR", "the model directory that it is carried to; -o: the file to write"},
      {"map", 0, VW_OPT_STRING, &w.map, "NAME", "of WORD: auto, least-squares, ridge, orthogonal, hidden"},
      {"lambda", 0, VW_OPT_DOUBLE, &w.lambda, "X", "of WORD: of ridge; default: by ten folds"},
      {"bias", 0, VW_OPT_FLAG, &w.bias, NULL, "of WORD: a map with a bias"},
      {"anchor", 0, VW_OPT_STRING, &w.anchor, "TEXT", "of WORD: the word that learning started from"},
      {"keep-radius", 0, VW_OPT_FLAG, &w.keeps_radius, NULL,
       "of WORD: the anchor becomes the target's, the distance to it stays in radii"},
      {0}};
  const char *log_level = "info", *max_time = NULL, *watchdog = VW_WATCH_DEFAULT, *positional[1];
  double seconds = 0, silence = 0;
  vw_option options[ROOM] = {
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "output directory (made if missing)"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref (double, slow), cpu, cuda; default: the study's"},
      {"precision", 0, VW_OPT_STRING, &o.precision, "NAME",
       "of cuda: auto, fp32, tf32, mixed, bf16; default: the study's"},
      {"threads", 't', VW_OPT_COUNT, &o.threads, "N",
       "threads of a rank; default: the node's cores shared among its ranks"},
      {"cache", 0, VW_OPT_STRING, &o.cache, "DIR", "image features; default: the study's, else ~/.cache/viswords"},
      {"checkpoint-seconds", 0, VW_OPT_DOUBLE, &o.checkpoint_seconds, "S",
       "time between checkpoints of a block (default 60)"},
      {"max-time", 0, VW_OPT_STRING, &max_time, "T",
       "stop in time to have saved after T (90, 30m, 3.5h, 3:30:00), as on a signal: exit code 75"},
      {"watchdog", 0, VW_OPT_STRING, &watchdog, "T",
       "end the job when a rank stands still for T (default 30m; 0: never): exit code 75"},
      {"allow-other-kernels", 0, VW_OPT_FLAG, &o.allow_other_kernels, NULL,
       "go on with a plan made on another machine kind"},
      {"quiet", 'q', VW_OPT_FLAG, &o.quiet, NULL, "no progress, no table at the end"},
      {"json", 0, VW_OPT_FLAG, &o.json, NULL, "results on standard output as JSON"},
      {"log", 0, VW_OPT_STRING, &log_level, "LEVEL", "error, warn, info or debug"},
      {0}};
  const vw_option of_parts[] = {
      {"part", 0, VW_OPT_STRING, &o.part, "I/N", "the share of part I of N, beside the others: jobs of an array"}, {0}};
  const vw_option of_kept[] = {
      {"complete", 0, VW_OPT_FLAG, &o.completes, NULL,
       "judge again where an earlier version kept no features of pictures, or no boxes; scores stay as they are"},
      {0}};
  if (stage && stage->has_parts) add_options(options, of_parts);
  if (stage && stage->keeps) add_options(options, of_kept);
  if (stage && stage->carries_words) add_options(options, of_words);
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {
      stage ? stage->name : "run",
      stage && stage->carries_words ? "STUDY.yaml -o DIR | WORD --from DIR --to DIR -o FILE [options]"
                                    : "STUDY.yaml -o DIR [options]",
      stage ? stage->help : "Runs all stages of a study. What is done already is kept: the same command resumes.",
      options,
      names,
      1,
      1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  w.word = positional[0], w.out = o.out;
  if (w.from || w.to) return vw_transfer_word_run(&w);
  if (!o.out) {
    (void)vw_print(stderr, "viswords %s: -o DIR is missing: where shall the results go?\n", c.command);
    return VW_EXIT_REFUSED;
  }
  if (max_time && vw_stop_time("--max-time", max_time, &seconds) != VW_OK) return vw_report(VW_ERR_ARG);
  if (vw_watch_time(watchdog, &silence) != VW_OK) return vw_report(VW_ERR_ARG);
  if (max_time) vw_stop_after(seconds);
  vw_log_set_level(!strcmp(log_level, "debug")   ? VW_LOG_DEBUG
                   : !strcmp(log_level, "warn")  ? VW_LOG_WARN
                   : !strcmp(log_level, "error") ? VW_LOG_ERROR
                                                 : VW_LOG_INFO);
  o.study = positional[0];
  vw_session s = {0};
  const vw_stage *now = NULL;
  bool stopped = false;
  vw_stop_signals_install(); /* first: a signal during MPI's start would end the process */
  vw_status st = vw_ranks_open(&s.ranks, NULL, NULL);
  if (st != VW_OK) return vw_report(st);
  vw_log_set_rank(s.ranks.rank);
  st = vw_watch_start(&s, &o, silence);
  if (st == VW_OK) st = vw_session_open(&s, &o, true);
  if (st == VW_OK && s.stopped) stopped = true;
  if (st == VW_OK && !s.stopped) st = run_stages(&s, stage, &now, &stopped);
  return finish(&s, st, stopped, now);
}

int vw_job_run(int argc, char **argv) {
  return run(NULL, argc, argv);
}

const char *vw_job_stage_at(int i, const char **summary, bool *computes) {
  const vw_stage *stage = vw_stages[i];
  if (!stage) return NULL;
  *summary = stage->summary, *computes = stage->items != NULL;
  return stage->name;
}

int vw_job_stage(int i, int argc, char **argv) {
  return vw_stages[i]->command ? vw_stages[i]->command(argc, argv) : run(vw_stages[i], argc, argv);
}
