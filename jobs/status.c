/* `status`: how far an output directory is. Only looks: never calls MPI_Init, takes no lock, works beside a running
 * study. */
#include "jobs/jobs.h"
#include "jobs/slurm_jobs.h"
#include "jobs/status_ranks.h"

#include "cluster/progress.h"
#include "core/foreign.h"
#include "core/text.h"
#include "io/block_file.h"
#include "io/json.h"
#include "io/manifest.h"
#include "io/parts.h"
#include "learn/block_io.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of one model and data set, or of all. */
typedef struct progress {
  const char *model, *data;
  int64_t blocks, trials, learned_blocks, learned, judged, started, started_trials;
  int64_t timed;  /* trials of the blocks whose times were read */
  double seconds; /* of a rank, for learning these */
} progress;

typedef struct look {
  const char *dir;
  vw_plan *plan;
  progress *part, all; /* part[n_parts] */
  int64_t n_parts, n_baselines;
  int64_t n_maps, n_carried; /* files of transfer: maps between networks, sets of words that were judged there */
  int64_t n_truncated;       /* files of truncation: sets of words at one depth */
  json_t *concepts;          /* {data: {concept: are its baselines judged?}} */
  json_t *running;           /* blocks with a checkpoint */
  const char *study_file;
  char owner[VW_LOCK_OWNER_BYTES];
  bool locked;
  vw_slurm_jobs jobs;
  vw_rank_views runs; /* what ranks told of themselves */
  json_t *held;       /* of {"part", "by"}: parts of an array that are at work */
} look;

static bool is_same(const char *a, const char *b) {
  return a && b && !strcmp(a, b);
}

static progress *part_of(look *l, const vw_block *b) {
  for (int64_t i = 0; i < l->n_parts; i++)
    if (is_same(l->part[i].model, b->model) && is_same(l->part[i].data, b->data)) return &l->part[i];
  l->part[l->n_parts] = (progress){.model = b->model, .data = b->data};
  return &l->part[l->n_parts++];
}

static void add(progress *to, const progress *p) {
  to->blocks += p->blocks, to->trials += p->trials, to->learned_blocks += p->learned_blocks, to->learned += p->learned;
  to->judged += p->judged, to->started += p->started, to->started_trials += p->started_trials;
}

/* A block that has a checkpoint and no results. A checkpoint may vanish while it is looked at: then it has none. */
static void look_at_checkpoint(look *l, const vw_block *b, const char *id, progress *p) {
  vw_safetensors *f = NULL;
  int64_t step = 0;
  if (vw_checkpoint_open(l->dir, id, &f, &step) != VW_OK) vw_error_clear();
  if (!f) return;
  vw_safetensors_close(f);
  p->started = 1, p->started_trials = b->n;
  json_array_append_new(l->running,
                        json_pack("{s:s, s:o, s:o, s:I, s:I}", "block", id, "model", vw_json_name(b->model), "data",
                                  vw_json_name(b->data), "trials", (json_int_t)b->n, "step", (json_int_t)step));
}

/* How long a finished block was learned; a few of a model and data set are enough for a mean. */
static void look_at_time(const look *l, const vw_block *b, const char *id, progress *part) {
  enum { ENOUGH = 20 };
  vw_safetensors *f = NULL;
  if (part->learned_blocks >= ENOUGH) return;
  if (vw_block_file_open(l->dir, id, &f) != VW_OK) vw_error_clear();
  const char *seconds = f ? vw_safetensors_metadata(f, "seconds") : NULL;
  if (seconds) part->seconds += strtod(seconds, NULL), part->timed += b->n;
  if (f) vw_safetensors_close(f);
}

static void look_at_block(look *l, const vw_block *b) {
  progress p = {.blocks = 1, .trials = b->n};
  char id[VW_BLOCK_ID];
  vw_block_file_id(b, "", id);
  if (vw_block_file_exists(l->dir, id)) {
    p.learned_blocks = 1, p.learned = b->n;
    look_at_time(l, b, id, part_of(l, b));
  } else {
    look_at_checkpoint(l, b, id, &p);
  }
  vw_block_evaluation_id(b, id);
  if (vw_block_file_exists(l->dir, id)) p.judged = b->n;
  add(part_of(l, b), &p);
  add(&l->all, &p);
}

/* The concepts of the plan, none of which is known to be judged yet. */
static void list_concepts(look *l) {
  for (int64_t b = 0; b < l->plan->n_blocks; b++) {
    const vw_block *block = &l->plan->blocks[b];
    json_t *of_data = json_object_get(l->concepts, block->data);
    if (!of_data) json_object_set_new(l->concepts, block->data, of_data = json_object());
    for (int64_t i = block->first; i < block->first + block->n; i++)
      json_object_set_new(of_data, l->plan->trials[i].concept, json_false());
  }
}

static bool ends_in(const char *name, const char *end) {
  const size_t length = strlen(name), n = strlen(end);
  return length > n && strcmp(name + length - n, end) == 0;
}

/* A concept has a file for each model, and further ones of earlier anchors: it counts once. */
static vw_status count_others(void *user, const char *name, const char *path) {
  look *l = user;
  vw_safetensors *f = NULL;
  l->n_maps += ends_in(name, "-map.safetensors"), l->n_carried += ends_in(name, "-carried.safetensors");
  l->n_truncated += ends_in(name, "-truncated.safetensors");
  if (!ends_in(name, "-baselines.safetensors")) return VW_OK;
  if (vw_safetensors_open(&f, path) != VW_OK) vw_error_clear();
  if (!f) return VW_OK;
  const char *data = vw_safetensors_metadata(f, "data"), *concept = vw_safetensors_metadata(f, "concept");
  json_t *of_data = data ? json_object_get(l->concepts, data) : NULL;
  if (concept && json_is_false(json_object_get(of_data, concept))) {
    json_object_set_new(of_data, concept, json_true());
    l->n_baselines++;
  }
  vw_safetensors_close(f);
  return VW_OK;
}

static void look_at_part(void *user, vw_study_part part, const char *owner) {
  char name[VW_PART_TEXT];
  look *l = user;
  (void)snprintf(name, sizeof name, "%lld/%lld", (long long)part.i, (long long)part.n);
  json_array_append_new(l->held, json_pack("{s:s, s:o}", "part", name, "by", vw_json_name(owner)));
}

static const char *look_at_study_file(const char *dir) {
  char path[VW_PATH_BYTES];
  if (vw_path_format(path, "%s/study.h5", dir) != VW_OK || !vw_file_exists(path)) return "none";
  if (vw_manifest_verify(path) == VW_OK) return "whole";
  vw_error_clear();
  return "damaged";
}

static vw_status check_folder(const char *dir) {
  struct stat info;
  VW_CHECK(stat(dir, &info) == 0, VW_ERR_INPUT, "%s: no such directory", dir);
  VW_CHECK(S_ISDIR(info.st_mode), VW_ERR_INPUT, "%s: is %s, not an output directory of 'viswords run'", dir,
           vw_file_kind(info.st_mode));
  return VW_OK;
}

static vw_status look_at(look *l) {
  char path[VW_PATH_BYTES];
  VW_TRY(check_folder(l->dir));
  VW_TRY(vw_path_format(path, "%s/plan.yaml", l->dir));
  VW_TRY(vw_slurm_jobs_look(l->dir, &l->jobs));
  if (!vw_file_exists(path) && l->jobs.n) return VW_OK; /* submitted, and no job has begun */
  VW_CHECK(vw_file_exists(path), VW_ERR_INPUT, "%s: no plan.yaml in it: not an output directory of 'viswords run'",
           l->dir);
  VW_TRY(vw_plan_load(path, &l->plan));
  l->part = calloc((size_t)l->plan->n_blocks + 1, sizeof *l->part);
  l->running = json_array(), l->held = json_array(), l->concepts = json_object();
  VW_CHECK(l->part && l->running && l->held && l->concepts, VW_ERR_MEMORY, "%s: out of memory", l->dir);
  for (int64_t i = 0; i < l->plan->n_blocks; i++) look_at_block(l, &l->plan->blocks[i]);
  list_concepts(l);
  if (vw_block_files_visit(l->dir, count_others, l) != VW_OK) vw_error_clear(); /* nothing is there yet */
  l->study_file = look_at_study_file(l->dir);
  l->locked = vw_lock_owner(l->dir, NULL, l->owner);
  vw_part_owners(l->dir, look_at_part, l);
  return vw_rank_views_look(l->dir, &l->runs);
}

/* ---- saying it --------------------------------------------------------------------------------------------------- */

static double percent(int64_t n, int64_t of) {
  return of ? 100.0 * (double)n / (double)of : 100;
}

/* Seconds of a rank that learning what is left will take, as the finished blocks did; -1: none has finished. */
static double seconds_left(const look *l) {
  double left = 0;
  for (int64_t i = 0; i < l->n_parts; i++) {
    const progress *p = &l->part[i];
    if (p->learned == p->trials) continue;
    if (!p->timed) return -1;
    left += p->seconds / (double)p->timed * (double)(p->trials - p->learned);
  }
  return left;
}

static void print_jobs(const look *l) {
  const double left = seconds_left(l);
  if (left > 0)
    (void)vw_print(stdout, "  left to learn: about %s of one rank, as the finished blocks took\n",
                   vw_duration_text(left));
  for (int64_t i = 0; i < l->jobs.n; i++) {
    const vw_slurm_job *j = &l->jobs.job[i];
    (void)vw_print(stdout, "  Slurm job %s (%s): %s", j->id, j->what,
                   !l->jobs.is_known ? "unknown, squeue does not answer"
                   : j->active       ? j->state
                                     : "not queued any more");
    if (j->active > 1) (void)vw_print(stdout, ", %lld tasks", (long long)j->active);
    (void)vw_print(stdout, "\n");
  }
}

static json_t *json_of_jobs(const look *l) {
  json_t *jobs = json_array();
  for (int64_t i = 0; i < l->jobs.n; i++) {
    const vw_slurm_job *j = &l->jobs.job[i];
    json_array_append_new(jobs, json_pack("{s:s, s:o, s:o, s:I}", "id", j->id, "what", vw_json_name(j->what), "state",
                                          j->state[0] ? vw_json_name(j->state) : json_null(), "active_tasks",
                                          (json_int_t)j->active));
  }
  return jobs;
}

/* Who reads JSON finds the reason there too, beside the line on standard error. */
static void print_failure(const look *l) {
  json_t *all = json_pack("{s:o, s:o}", "dir", vw_json_name(l->dir), "error", vw_json_name(vw_error_message()));
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
}

/* Submitted, and no job has begun. */
static void print_submitted(const look *l, bool json) {
  if (!json) {
    (void)vw_print(stdout, "%s: submitted, nothing has begun\n", l->dir);
    print_jobs(l);
    return;
  }
  json_t *all = json_pack("{s:o, s:n, s:o}", "dir", vw_json_name(l->dir), "study", "slurm_jobs", json_of_jobs(l));
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
}

enum { RANKS_SHOWN = 16 };

static void print_text(const look *l) {
  const progress *a = &l->all;
  const char *study = l->study_file;
  (void)vw_print(stdout, "%s: study %s, backend %s (%s)\n", l->dir, l->plan->study, l->plan->with.backend,
                 l->plan->with.kernels);
  for (int64_t i = 0; i < l->n_parts; i++) {
    const progress *p = &l->part[i];
    (void)vw_print(stdout, "  %s, %s: %lld of %lld trials learned (%.0f %%), %lld judged\n", p->model, p->data,
                   (long long)p->learned, (long long)p->trials, percent(p->learned, p->trials), (long long)p->judged);
  }
  (void)vw_print(stdout,
                 "  all: %lld of %lld blocks, %lld of %lld trials learned (%.0f %%), %lld judged; baselines of %lld "
                 "concepts\n",
                 (long long)a->learned_blocks, (long long)a->blocks, (long long)a->learned, (long long)a->trials,
                 percent(a->learned, a->trials), (long long)a->judged, (long long)l->n_baselines);
  if (l->n_maps)
    (void)vw_print(stdout, "  carried to other networks: %lld maps, %lld sets of words judged there\n",
                   (long long)l->n_maps, (long long)l->n_carried);
  if (l->n_truncated)
    (void)vw_print(stdout, "  judged by the first layers of text encoders: %lld sets of words at one depth\n",
                   (long long)l->n_truncated);
  for (size_t i = 0; i < json_array_size(l->running); i++) {
    const json_t *r = json_array_get(l->running, i);
    (void)vw_print(stdout, "  block %s has a checkpoint at step %lld (%lld trials)\n",
                   json_string_value(json_object_get(r, "block")),
                   (long long)json_integer_value(json_object_get(r, "step")),
                   (long long)json_integer_value(json_object_get(r, "trials")));
  }
  (void)vw_print(stdout, "  study.h5: %s\n",
                 !strcmp(study, "none")    ? "not there yet"
                 : !strcmp(study, "whole") ? "whole (checksum compared)"
                                           : "DAMAGED: run 'viswords collect' again");
  for (size_t i = 0; i < json_array_size(l->held); i++) {
    const json_t *h = json_array_get(l->held, i);
    (void)vw_print(stdout, "  part %s is held by %s\n", json_string_value(json_object_get(h, "part")),
                   json_string_value(json_object_get(h, "by")));
  }
  if (l->locked || !json_array_size(l->held))
    (void)vw_print(stdout, "  %s%s\n", l->locked ? "held by " : "nobody is working here", l->locked ? l->owner : "");
  for (int64_t i = 0; i < l->runs.n; i++)
    if (l->runs.view[i].life != VW_RUN_FINISHED || l->runs.n == 1)
      vw_rank_view_print(&l->runs.view[i], l->runs.living == 1 ? RANKS_SHOWN : 0, "\n");
  print_jobs(l);
}

static json_t *json_of(const progress *p) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "blocks", (json_int_t)p->blocks, "trials",
                   (json_int_t)p->trials, "learned_blocks", (json_int_t)p->learned_blocks, "learned_trials",
                   (json_int_t)p->learned, "judged_trials", (json_int_t)p->judged, "checkpointed_blocks",
                   (json_int_t)p->started, "checkpointed_trials", (json_int_t)p->started_trials);
}

static void print_json(const look *l) {
  json_t *parts = json_array();
  for (int64_t i = 0; i < l->n_parts; i++) {
    json_t *p = json_of(&l->part[i]);
    json_object_set_new(p, "model", vw_json_name(l->part[i].model));
    json_object_set_new(p, "data", vw_json_name(l->part[i].data));
    json_array_append_new(parts, p);
  }
  json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:I, s:s, s:o?, s:O}", "dir", vw_json_name(l->dir),
                          "study", vw_json_name(l->plan->study), "backend", vw_json_name(l->plan->with.backend),
                          "kernels", vw_json_name(l->plan->with.kernels), "all", json_of(&l->all), "parts", parts,
                          "checkpoints", l->running, "baselines", (json_int_t)l->n_baselines, "study_file",
                          l->study_file, "held_by", l->locked ? vw_json_name(l->owner) : NULL, "held_parts", l->held);
  const double left = seconds_left(l);
  json_object_set_new(all, "learn_rank_seconds_left", left >= 0 ? json_real(left) : json_null());
  json_object_set_new(all, "slurm_jobs", json_of_jobs(l));
  json_object_set_new(all, "runs", vw_rank_views_json(&l->runs));
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
}

int vw_job_status(int argc, char **argv) {
  const char *positional[1];
  bool json = false, watch = false, failed = false;
  double every = 0;
  const vw_option options[] = {
      {"watch", 'w', VW_OPT_FLAG, &watch, NULL,
       "again and again until nothing works there; exit code 1: it ended badly"},
      {"every", 0, VW_OPT_DOUBLE, &every, "S", "of --watch: seconds between (default 2 on a terminal, else 10)"},
      {"json", 0, VW_OPT_FLAG, &json, NULL, "as JSON; with --watch a line each time"},
      {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {"status",
                             "DIR [--watch] [--json]",
                             "How far an output directory is: trials learned and judged, checkpoints, study.h5, and "
                             "what each rank does. Only looks; works beside a running study, on any machine.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  look l = {.dir = positional[0]};
  vw_status st = watch ? check_folder(l.dir) : look_at(&l);
  if (watch && st == VW_OK) st = vw_rank_views_watch(l.dir, every, json, &failed);
  if (watch) return st != VW_OK ? vw_report(st) : failed ? VW_EXIT_FAILED : VW_EXIT_OK;
  if (st == VW_OK && !l.plan)
    print_submitted(&l, json);
  else if (st == VW_OK && json)
    print_json(&l);
  else if (st == VW_OK)
    print_text(&l);
  if (st != VW_OK && json) print_failure(&l);
  vw_plan_destroy(l.plan);
  vw_slurm_jobs_free(&l.jobs);
  vw_rank_views_free(&l.runs);
  free(l.part);
  json_decref(l.running), json_decref(l.held), json_decref(l.concepts);
  return vw_report(st);
}
