#include "jobs/session.h"

#include "core/cores.h"
#include "core/durable.h"
#include "core/inputs.h"
#include "core/log.h"
#include "io/block_file.h"
#include "jobs/report.h"
#include "kernels/algorithms.h"
#include "learn/algorithms_file.h"
#include "learn/block_io.h"
#include "learn/devices.h"
#include "learn/memory.h"
#include "tasks/generation/drawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const backend_names[] = {"auto", "ref", "cpu", "cuda"};

vw_status vw_backend_named(const char *name, vw_backend *b) {
  int choice = 0;
  while (choice < 4 && strcmp(backend_names[choice], name) != 0) choice++;
  VW_CHECK(choice < 4, VW_ERR_ARG, "--backend '%s': choose auto, ref, cpu or cuda", name);
  *b = choice == VW_BACKEND_REF ? VW_REF : choice == VW_BACKEND_CUDA ? VW_CUDA : VW_CPU;
  return VW_OK;
}

static const char *const precision_names[] = {"auto", "fp32", "tf32", "mixed", "bf16"};
enum { PRECISIONS = sizeof precision_names / sizeof *precision_names };

vw_status vw_precision_named(const char *name, vw_context *ctx) {
  static const vw_precision chosen[PRECISIONS] = {[VW_PRECISION_FP32] = VW_COMPUTE_FP32,
                                                  [VW_PRECISION_TF32] = VW_COMPUTE_TF32,
                                                  [VW_PRECISION_MIXED] = VW_COMPUTE_MIXED,
                                                  [VW_PRECISION_BF16] = VW_COMPUTE_BF16};
  int choice = 0;
  while (choice < PRECISIONS && strcmp(precision_names[choice], name) != 0) choice++;
  VW_CHECK(choice < PRECISIONS, VW_ERR_ARG, "--precision '%s': choose auto, fp32, tf32, mixed or bf16", name);
  if (choice == VW_PRECISION_AUTO)
    return vw_context_set_precision(ctx, ctx->backend == VW_CUDA ? VW_COMPUTE_MIXED : VW_COMPUTE_FP32);
  return vw_context_set_precision(ctx, chosen[choice]);
}

/* --threads, the study, the environment; else what the ranks of the node leave. */
static int choose_threads(const vw_session *s) {
  int64_t threads = s->options.threads > 0 ? s->options.threads : s->config->threads;
  const char *user = getenv("OMP_NUM_THREADS");
  if (threads <= 0 && user) threads = strtoll(user, NULL, 10);
  if (threads <= 0 && s->ranks.thread_level < 0) { /* only looks: as if all ranks were here */
    const int64_t ranks = s->ranks_planned > 0 ? s->ranks_planned : s->config->ranks;
    threads = s->ranks.cores / ranks > 1 ? s->ranks.cores / ranks : 1;
  }
  if (threads <= 0) return s->ranks.cores;
  return threads < VW_MOST_CORES ? (int)threads : VW_MOST_CORES;
}

static const char *asked_backend(const vw_session *s) {
  return s->options.backend ? s->options.backend : backend_names[s->config->backend];
}

static bool is_auto(const vw_session *s) {
  return strcmp(asked_backend(s), backend_names[VW_BACKEND_AUTO]) == 0;
}

/* The backend of DIR/plan.yaml; *backend stays where there is no plan. Not collective. */
static vw_status read_planned(const vw_session *s, int64_t *backend) {
  char path[VW_PATH_BYTES];
  vw_plan *plan = NULL;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", s->out));
  if (!s->out[0] || !vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_plan_load(path, &plan));
  for (int64_t b = 0; b < VW_BACKENDS; b++)
    if (!strcmp(plan->with.backend, vw_backend_name((vw_backend)b))) *backend = b;
  vw_plan_destroy(plan);
  return VW_OK;
}

/* Rank 0 looks, all get its answer. */
static vw_status find_planned(const vw_session *s, bool is_strict, int64_t *backend) {
  vw_status st = s->ranks.rank == 0 ? read_planned(s, backend) : VW_OK;
  if (st != VW_OK && !is_strict) { /* the damage is told where the plan is read */
    vw_error_clear();
    st = VW_OK;
  }
  VW_TRY(vw_agree_message(&s->ranks, st));
  return vw_ranks_broadcast(&s->ranks, backend, sizeof *backend, 0);
}

/* cuda where every rank has a device, whose context then stays open; cpu where none has. */
static vw_status decide_backend(vw_session *s, vw_backend *backend) {
  char why[256] = "";
  const bool has = vw_context_open(&s->ctx, VW_CUDA, choose_threads(s), s->ranks.local_rank) == VW_OK;
  int64_t devices = has;
  if (!has) {
    (void)snprintf(why, sizeof why, "%s", vw_error_message());
    vw_error_clear();
    s->ctx = (vw_context){0};
  }
  VW_TRY(vw_ranks_reduce(&s->ranks, &devices, 1, VW_REDUCE_SUM));
  *backend = devices ? VW_CUDA : VW_CPU;
  if (devices == 0 || devices == s->ranks.size) return VW_OK;
  return vw_agree_message(&s->ranks,
                          has ? VW_OK
                              : VW_RAISE(VW_ERR_UNSUPPORTED,
                                         "plan.backend is auto, and of %d ranks %lld have a CUDA device, this one has "
                                         "none (%s): start every rank where a device is, or choose --backend cpu",
                                         s->ranks.size, (long long)devices, why));
}

/* Collective. What `auto` means: as the plan says that is there; without one the first run that writes it decides, and
 * what only looks shows the CPU's. */
static vw_status settle_backend(vw_session *s, bool decides, vw_backend *backend) {
  int64_t planned = -1;
  VW_TRY(vw_backend_named(asked_backend(s), backend));
  if (!is_auto(s)) return VW_OK;
  vw_inputs_pause(true); /* rank 0 alone reads it */
  const vw_status found = find_planned(s, decides, &planned);
  vw_inputs_pause(false);
  VW_TRY(found);
  s->is_undecided = planned < 0 && !decides;
  if (planned >= 0)
    *backend = (vw_backend)planned;
  else if (decides)
    VW_TRY(decide_backend(s, backend));
  return VW_OK;
}

vw_status vw_cache_folder(const char *asked, const char *out, char cache[VW_PATH_BYTES]) {
  const char *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME");
  if (asked) return vw_path_format(cache, "%s", asked);
  if (xdg && *xdg) return vw_path_format(cache, "%s/viswords", xdg);
  if (home && *home) return vw_path_format(cache, "%s/.cache/viswords", home);
  return vw_path_format(cache, "%s/cache", out);
}

static vw_status choose_folders(vw_session *s) {
  VW_TRY(vw_path_format(s->out, "%s", s->options.out ? s->options.out : ""));
  return vw_cache_folder(s->options.cache ? s->options.cache : s->config->cache, s->out, s->cache);
}

/* Hashes of the pictures that each concept's trials of a model depend on; null concepts come last. The caller frees
 * hashes and *rows. */
static vw_status picture_hashes(const vw_session *s, vw_hash **hashes, const vw_hash *const **rows) {
  const vw_study_config *c = s->config;
  size_t total = 0, at = 0;
  const int64_t pairs = c->n_models * c->n_data;
  for (int64_t i = 0; i < pairs; i++) total += (size_t)vw_session_concepts(s, i / c->n_data, i % c->n_data);
  *hashes = calloc(total + 1, sizeof **hashes);
  const vw_hash **row = calloc((size_t)pairs + 1, sizeof *row);
  *rows = row;
  VW_CHECK(*hashes && row, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < pairs; i++) {
    const vw_names *concepts = &vw_study_data_of(c, i / c->n_data, i % c->n_data)->concepts;
    const unsigned sees = s->kinds[i / c->n_data]->task->sees;
    row[i] = *hashes + at;
    for (int64_t k = 0; s->pictures[i] && k < concepts->n + c->null_concepts; k++) {
      const bool is_null = k >= concepts->n;
      const char *concept = is_null ? NULL : concepts->name[k];
      VW_TRY(vw_picture_set_hash(s->pictures[i], sees, concept, is_null, &(*hashes)[at++]));
    }
  }
  return VW_OK;
}

int64_t vw_session_concepts(const vw_session *s, int64_t model, int64_t data) {
  return vw_study_data_of(s->config, model, data)->concepts.n + s->config->null_concepts;
}

/* Prepares every kind of block once, with a clock. */
static vw_status time_blocks(const vw_session *s, vw_context *ctx, char **text) {
  vw_log(VW_LOG_INFO, "timing the device's algorithms for the products of %lld blocks", (long long)s->plan->n_blocks);
  vw_algorithms_time(ctx, true);
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    int64_t same = 0;
    while (same < i &&
           (s->plan->blocks[same].n != b->n || s->plan->blocks[same].model_index != b->model_index ||
            s->plan->blocks[same].data_index != b->data_index || s->plan->blocks[same].segments != b->segments))
      same++;
    if (same < i) continue;
    const vw_task_inputs in = vw_session_inputs(s, b->model_index, b->data_index);
    VW_TRY(vw_learn_rehearse(s->kinds[b->model_index]->task, &in, b->n, b->segments));
  }
  vw_algorithms_time(ctx, false);
  return vw_algorithms_text(ctx, text);
}

/* A new plan on cuda with `plan.algorithms: timed`. What earlier plans of this device chose is taken as it is. */
static vw_status time_algorithms(const vw_session *s, char **text) {
  vw_context *ctx = s->networks[0]->ctx;
  char *known = NULL;
  VW_TRY(vw_algorithms_file_read(ctx, s->cache, &known));
  vw_status st = vw_algorithms_start(ctx, known);
  if (st == VW_OK) st = time_blocks(s, ctx, text);
  if (st == VW_OK && vw_algorithms_file_write(ctx, s->cache, known, *text) != VW_OK) {
    vw_log(VW_LOG_WARN, "%s: the next plan times its algorithms anew", vw_error_message());
    vw_error_clear();
  }
  free(known);
  return st;
}

/* Products run what the plan recorded; a plan that is not new and records nothing means the library's choices, as
 * before. */
static vw_status settle_algorithms(vw_session *s, bool save, const char *path) {
  const bool is_new = s->plan->n_new == s->plan->n_trials && s->plan->n_trials > 0;
  if (save && is_new && s->ranks.rank == 0 && !s->plan->algorithms && s->ctx.backend == VW_CUDA &&
      s->config->algorithms == VW_ALGORITHMS_TIMED) {
    char *text = NULL;
    vw_status st = time_algorithms(s, &text);
    if (st == VW_OK && text[0]) st = vw_plan_set_algorithms(s->plan, text);
    free(text);
    VW_TRY(st);
    VW_TRY(vw_plan_save(s->plan, path));
  }
  return vw_algorithms_obey(&s->ctx, s->plan->algorithms);
}

/* Trials that need not be learned, as `learn` counts them. */
static void count_done(vw_session *s) {
  char id[VW_BLOCK_ID];
  for (int64_t i = 0; s->out[0] && !s->is_counted && i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (!b->n_selected) continue;
    vw_block_file_id(b, "", id);
    if (vw_block_file_exists(s->out, id)) s->plan->n_done += b->n_selected;
  }
}

static vw_status open_plan(vw_session *s, bool save) {
  vw_hash *hashes = NULL;
  const vw_hash *const *rows = NULL;
  char kernels[128], path[VW_PATH_BYTES];
  int64_t *least = NULL, *most = NULL, *concepts = calloc((size_t)s->config->n_models + 1, sizeof *concepts);
  vw_status st = concepts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  if (st != VW_OK) goto cleanup;
  for (int64_t m = 0; m < s->config->n_models; m++) concepts[m] = s->kinds[m]->task->concepts_per_block;
  vw_kernel_set(&s->ctx, kernels);
  const vw_plan_kernels here = {
      .backend = vw_backend_name(s->ctx.backend), .precision = vw_precision_name(&s->ctx), .kernels = kernels};
  VW_GOTO(picture_hashes(s, &hashes, &rows));
  VW_GOTO(vw_session_rows(s, &least, &most));
  const vw_study_inputs inputs = {.weights = s->weights,
                                  .pictures = rows,
                                  .most_rows = most,
                                  .least_rows = least,
                                  .concepts_per_block = concepts,
                                  .precision = s->precision};
  VW_GOTO(vw_path_format(path, "%s/plan.yaml", s->out));
  if (save) {
    VW_GOTO(vw_plan_open(path, s->config, &inputs, &here, s->options.allow_other_kernels, &s->plan));
  } else {
    bool is_there = false;
    if (s->out[0] && !s->is_counted) VW_GOTO(vw_file_find_plain(path, &is_there)); /* without ids nothing is known */
    VW_GOTO(is_there ? vw_plan_load(path, &s->plan) : vw_plan_create(&s->plan));
    VW_GOTO(vw_plan_update(s->plan, s->config, &inputs, &here, s->options.allow_other_kernels));
    count_done(s);
  }
  if (s->ranks.rank == 0) VW_GOTO(vw_session_choose_segments(s, save));
  if (save && s->ranks.rank == 0) VW_GOTO(vw_plan_save(s->plan, path));
  VW_GOTO(settle_algorithms(s, save, path));
cleanup:
  free(hashes), free((void *)(uintptr_t)rows), free(least), free(most), free(concepts);
  return st;
}

static vw_status read_study(vw_session *s) {
  vw_backend asked;
  VW_TRY(vw_study_config_read(s->options.study, vw_kinds_of_study(), &s->problems, &s->config));
  if (!s->config || (s->problems.n_errors && !s->options.all_problems)) return vw_problems_first(&s->problems);
  VW_TRY(vw_backend_named(asked_backend(s), &asked));
  return choose_folders(s);
}

static const char *asked_precision(const vw_session *s, int choice) {
  return s->options.precision ? s->options.precision : precision_names[choice];
}

vw_status vw_session_set_precision(vw_session *s) {
  const vw_study_config *c = s->config;
  char own[VW_STUDY_KEY];
  const vw_status common = vw_precision_named(asked_precision(s, c->precision), &s->ctx);
  bool any_failed = common != VW_OK;
  VW_TRY(vw_study_keep(c, &s->problems, "plan.precision", -1, false, common));
  s->contexts = calloc((size_t)c->n_models + 1, sizeof *s->contexts);
  s->precision = calloc((size_t)c->n_models + 1, sizeof *s->precision);
  VW_CHECK(s->contexts && s->precision, VW_ERR_MEMORY, "out of memory");
  for (int64_t m = 0; m < c->n_models; m++) {
    s->contexts[m] = s->ctx;
    const vw_status mine = vw_precision_named(asked_precision(s, c->models[m].plan.precision), &s->contexts[m]);
    const char *key = vw_study_key_of(c, m, "plan.precision", own);
    any_failed |= mine != VW_OK;
    if (mine != VW_OK && (common == VW_OK || key == own)) VW_TRY(vw_study_keep(c, &s->problems, key, -1, false, mine));
    s->precision[m] = vw_precision_name(&s->contexts[m]);
  }
  return any_failed ? vw_problems_first(&s->problems) : VW_OK;
}

static vw_status open_context(vw_session *s, vw_backend backend) {
  vw_status opened = VW_OK;
  if (!s->ctx.threads) opened = vw_context_open(&s->ctx, backend, choose_threads(s), s->ranks.local_rank);
  VW_TRY(vw_study_keep(s->config, &s->problems, "plan.backend", -1, false, opened));
  if (opened != VW_OK) return vw_problems_first(&s->problems);
  return vw_session_set_precision(s);
}

/* Collective. A rank that could open nothing says so; the others then return VW_OK with nothing opened. */
static vw_status open_local(vw_session *s, vw_backend backend) {
  const vw_status opened = open_context(s, backend);
  return vw_agree(&s->ranks, opened) == VW_OK ? vw_session_open_inputs(s) : opened;
}

static bool wants_stop(void *user) {
  (void)user;
  return vw_stop_requested();
}

static bool is_own_file(const char *name) {
  static const char *const names[] = {"plan.yaml", "parts",          "study.h5",   "MANIFEST.json", "summary.csv",
                                      "probe.csv", "truncation.csv", "trials.csv", "report.html",   "study-file"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

static bool is_figure(const char *name) {
  static const char *const endings[] = {".svg", ".pdf", ".png", ".csv"};
  const size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (n > 4 && strcmp(name + n - 4, endings[i]) == 0) return true;
  return strcmp(name, "index.json") == 0;
}

/* Of this run or of a part's (io/rank_file.h). */
static bool is_of_ranks(const char *name) {
  static const char ending[] = "ranks.jsonl";
  const size_t n = strlen(name), m = sizeof ending - 1;
  return n >= m && strcmp(name + n - m, ending) == 0;
}

/* Another run may have made the plan since the backend was chosen here. *other: the plan's, for which everything must
 * be opened again; < 0: none. */
static vw_status open_plan_of_all(vw_session *s, int64_t *other) {
  int64_t planned = -1;
  *other = -1;
  if (is_auto(s)) VW_TRY(read_planned(s, &planned));
  if (planned >= 0 && planned != (int64_t)s->ctx.backend) {
    *other = planned;
    return VW_OK;
  }
  if (s->part.n) VW_TRY(vw_parts_write(s->out, s->part.n));
  VW_TRY(vw_study_place_keep(s->out, s->options.study));
  return open_plan(s, true);
}

/* plan.yaml belongs to all parts of a study: whoever changes it has it for a moment. */
static vw_status open_shared_plan(vw_session *s, int64_t *other) {
  const vw_lock_how how = {.part = "plan", .is_short = true, .stop = wants_stop};
  vw_lock lock = {0};
  VW_TRY(vw_lock_take(&lock, s->out, &how));
  s->stopped = !lock.held;
  const vw_status st = s->stopped ? VW_OK : open_plan_of_all(s, other);
  vw_lock_release(&lock);
  return st;
}

/* Rank 0 owns the directory, or its part of it: lock, folders. */
static vw_status take_directory(vw_session *s) {
  char figures[VW_PATH_BYTES], log[VW_PATH_BYTES];
  VW_TRY(vw_folder_make(s->out));
  VW_TRY(vw_part_lock_take(&s->lock, s->out, s->part, wants_stop));
  s->stopped = !s->lock.held;
  if (s->stopped) return VW_OK;
  VW_TRY(vw_path_format(figures, "%s/figures", s->out));
  VW_TRY(vw_path_format(log, "%s/log", s->out));
  vw_folder_sweep(s->out, is_own_file, 0), vw_folder_sweep(figures, is_figure, 0);
  vw_folder_sweep(log, is_of_ranks, 0);
  return vw_block_folder_open(s->out);
}

/* Of words, for people: what they draw, or were looked for in. */
static bool has_pictures(const vw_task_kind *task) {
  return task->sheet || task->shown;
}

/* DIR/pictures, where a task draws. Rank 0 clears away what killed runs left there. */
static vw_status open_drawn(vw_session *s) {
  const vw_study_config *c = s->config;
  bool any = false;
  for (int64_t m = 0; m < c->n_models; m++) any |= has_pictures(s->kinds[m]->task);
  if (!any) return VW_OK;
  VW_TRY(vw_subfolder_make(s->out, "pictures", s->drawn));
  for (int64_t i = 0; s->ranks.rank == 0 && i < c->n_models * c->n_data; i++) {
    const vw_task_inputs in = vw_session_inputs(s, i / c->n_data, i % c->n_data);
    if (in.drawn && in.pictures) vw_drawn_sweep(&in);
  }
  return VW_OK;
}

/* The other ranks: their commits look at rank 0's epoch. */
static vw_status follow_directory(vw_session *s, const char *epoch) {
  char part[VW_PART_TEXT];
  vw_part_lock_name(s->part, part);
  return vw_lock_follow(&s->lock, s->out, part, epoch);
}

/* DIR/log/rank-<n>.jsonl, of a part DIR/log/part-<i>-of-<n>-rank-<n>.jsonl, appended to: every message of this rank,
 * whatever is shown on the terminal. */
static vw_status open_log(vw_session *s) {
  char path[VW_PATH_BYTES], part[VW_PART_TEXT];
  int fd = -1;
  vw_part_lock_name(s->part, part);
  VW_TRY(vw_subfolder_make(s->out, "log", path));
  VW_TRY(vw_path_format(path, "%s/log/%s%srank-%d.jsonl", s->out, part, part[0] ? "-" : "", s->ranks.rank));
  VW_TRY(vw_file_append(path, &fd));
  s->log_file = fd + 1;
  vw_log_set_file(fd);
  return vw_signs_open(&s->signs, &s->ranks, s->out, part);
}

/* What `check` calls warnings is said by a run too, and goes on. */
static void tell_warnings(const vw_session *s) {
  enum { SHOWN = 20 };
  int64_t n = 0;
  for (int64_t i = 0; i < s->problems.n; i++)
    if (s->problems.item[i].status == VW_OK && n++ < SHOWN) vw_log(VW_LOG_WARN, "%s", s->problems.item[i].text);
  if (n > SHOWN)
    vw_log(VW_LOG_WARN, "and %lld more: 'viswords check %s' lists them", (long long)(n - SHOWN), s->options.study);
}

/* Collective. `planned`: the backend; < 0: the one that is asked for. */
static vw_status open_study(vw_session *s, bool decides, int64_t planned) {
  vw_backend backend = planned >= 0 ? (vw_backend)planned : VW_CPU;
  vw_inputs_begin();
  vw_status st = vw_agree_message(&s->ranks, read_study(s));
  if (st == VW_OK && planned < 0) st = settle_backend(s, decides, &backend);
  const vw_status opened = st == VW_OK ? open_local(s, backend) : st, changed = vw_inputs_end();
  VW_TRY(st); /* all ranks have agreed */
  VW_TRY(vw_agree_message(&s->ranks, opened != VW_OK ? opened : changed));
  VW_TRY(vw_session_agree_inputs(s));
  return vw_tell_shared_devices(&s->ranks, &s->ctx);
}

/* What open_study opened. */
static void close_study(vw_session *s) {
  const int64_t n_models = s->config ? s->config->n_models : 0, n_data = s->config ? s->config->n_data : 0;
  vw_session_cut_close(s);
  for (int64_t i = 0; s->tasks && i < n_models * n_data; i++)
    if (s->tasks[i]) s->tasks[i]->kind->close(s->tasks[i]);
  for (int64_t i = 0; s->words && i < n_models; i++) vw_word_table_close(&s->words[i]);
  for (int64_t i = 0; s->networks && i < n_models; i++)
    if (s->networks[i]) s->networks[i]->kind->close(s->networks[i]);
  for (int64_t i = 0; s->judges && i < n_models; i++)
    if (s->judges[i]) s->judges[i]->kind->close(s->judges[i]);
  for (int64_t i = 0; s->sets && i < s->n_sets; i++) vw_picture_set_close(s->sets[i].pictures);
  free((void *)s->tasks), free((void *)s->kinds), free(s->words), free((void *)s->networks), free((void *)s->judges),
      free((void *)s->pictures), free(s->sets), free(s->weights), free(s->contexts), free((void *)s->precision),
      free(s->stands_in);
  s->stands_in = NULL;
  s->tasks = NULL, s->kinds = NULL, s->words = NULL, s->networks = NULL, s->judges = NULL, s->pictures = NULL,
  s->weights = NULL;
  s->sets = NULL, s->n_sets = 0, s->contexts = NULL, s->precision = NULL;
  vw_costs_free(&s->costs);
  vw_problems_fini(&s->problems);
  s->problems = (vw_problems){0};
  vw_study_config_destroy(s->config);
  s->config = NULL;
  if (s->ctx.threads) vw_context_close(&s->ctx);
  s->ctx = (vw_context){0};
}

/* Collective: rank 0 takes the directory, the others follow. */
static vw_status lock_directory(vw_session *s) {
  char epoch[VW_LOCK_EPOCH] = ""; /* stays empty: stopped */
  VW_TRY(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? take_directory(s) : VW_OK));
  if (s->ranks.rank == 0 && !s->stopped) memcpy(epoch, s->lock.epoch, sizeof epoch);
  VW_TRY(vw_ranks_broadcast(&s->ranks, epoch, sizeof epoch, 0));
  s->stopped = !epoch[0];
  if (s->stopped) return VW_OK;
  return vw_agree_message(&s->ranks, s->ranks.rank == 0 ? VW_OK : follow_directory(s, epoch));
}

/* Collective: rank 0 brings the plan up to date, then all read it. *other >= 0: the backend that another run has
 * decided on meanwhile; there is no plan here yet. */
static vw_status share_plan(vw_session *s, int64_t *other) {
  int64_t found[] = {-1, 0}; /* backend, stopped */
  VW_TRY(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? open_shared_plan(s, &found[0]) : VW_OK));
  found[1] = s->stopped;
  VW_TRY(vw_ranks_broadcast(&s->ranks, found, sizeof found, 0));
  *other = found[0], s->stopped = found[1] != 0;
  if (*other >= 0 || s->stopped) return VW_OK;
  return vw_agree_message(&s->ranks, s->ranks.rank == 0 ? VW_OK : open_plan(s, true));
}

vw_status vw_session_open(vw_session *s, const vw_session_options *o, bool with_lock) {
  int64_t other = -1;
  s->options = *o, s->started = vw_seconds();
  VW_TRY(vw_part_read(o->part, &s->part));
  VW_TRY(open_study(s, with_lock, -1));
  vw_sections_add(&s->sections, "start", "read inputs", vw_seconds() - s->started);
  if (!with_lock) return open_plan(s, false);
  VW_TRY(lock_directory(s));
  if (s->stopped) return VW_OK;
  VW_TRY(share_plan(s, &other));
  if (other >= 0) { /* the plan is there now and keeps its backend */
    vw_log(VW_LOG_INFO, "%s/plan.yaml was made meanwhile and decides for %s: the inputs are read again for it", s->out,
           vw_backend_name((vw_backend)other));
    close_study(s);
    VW_TRY(open_study(s, false, other));
    VW_TRY(share_plan(s, &other));
  }
  if (s->stopped) return VW_OK;
  VW_CHECK(other < 0, VW_ERR_IO, "%s/plan.yaml: its backend changed while this run began; try again", s->out);
  VW_TRY(vw_agree_message(&s->ranks, open_log(s)));
  VW_TRY(vw_agree_message(&s->ranks, open_drawn(s)));
  if (s->ranks.rank == 0) tell_warnings(s);
  return VW_OK;
}

vw_status vw_session_check_lock(vw_session *s) {
  return vw_agree_message(&s->ranks, s->ranks.rank == 0 ? vw_lock_check(&s->lock) : VW_OK);
}

int vw_session_report(const vw_session *s, vw_status st) {
  if (st == VW_OK || !s->problems.n_errors) return vw_report(st);
  vw_problems_print(&s->problems, "viswords: ", false, stderr);
  vw_report_trail();
  return VW_EXIT_REFUSED;
}

void vw_session_close(vw_session *s) {
  vw_plan_destroy(s->plan);
  free(s->part_of);
  close_study(s);
  if (s->log_file) {
    vw_log_set_file(-1);
    (void)close(s->log_file - 1);
  }
  vw_lock_release(&s->lock);
}

vw_task_inputs vw_session_inputs(const vw_session *s, int64_t model, int64_t data) {
  const bool draws = s->drawn[0] && has_pictures(s->kinds[model]->task);
  return (vw_task_inputs){.network = s->networks[model],
                          .judge = s->judges[model],
                          .model = &s->config->models[model],
                          .pictures = s->pictures[model * s->config->n_data + data],
                          .concepts = vw_session_concepts(s, model, data),
                          .vectors = s->config->models[model].vectors,
                          .seed = s->config->seed,
                          .weights = s->weights[model],
                          .cache = s->cache,
                          .drawn = draws ? s->drawn : NULL};
}

vw_status vw_session_task(vw_session *s, int64_t model, int64_t data, vw_task **task) {
  vw_task **t = &s->tasks[model * s->config->n_data + data];
  const vw_task_inputs in = vw_session_inputs(s, model, data);
  const double start = vw_seconds();
  *task = *t;
  if (*t) return VW_OK;
  VW_TRY(s->kinds[model]->task->open(t, &in));
  vw_sections_add(&s->sections, "learn", "texts and tables", vw_seconds() - start);
  *task = *t;
  return VW_OK;
}

vw_results_source vw_session_results(const vw_session *s) {
  return (vw_results_source){.config = s->config,
                             .plan = s->plan,
                             .ranks = s->ranks,
                             .ctx = s->ctx,
                             .out = s->out,
                             .cache = s->cache,
                             .kinds = s->kinds,
                             .networks = s->networks,
                             .words = s->words,
                             .weights = s->weights,
                             .pictures = s->pictures,
                             .parts = s->parts,
                             .part_of = s->part_of,
                             .started = s->started,
                             .stop = vw_stop_requested};
}

vw_block_kind vw_session_block_kind(const vw_session *s, int64_t model, int64_t data, int64_t rows, vw_step_cut cut) {
  return (vw_block_kind){
      .task = s->kinds[model]->task, .in = vw_session_inputs(s, model, data), .rows = rows, .cut = cut};
}

vw_status vw_session_cost(vw_session *s, const vw_block *b, vw_block_cost *out) {
  const vw_block_kind kind =
      vw_session_block_kind(s, b->model_index, b->data_index, b->n, (vw_step_cut){b->slices, b->segments});
  return vw_costs_find(&s->costs, &kind, out);
}

vw_status vw_session_costs(vw_session *s, double **cost) {
  *cost = calloc((size_t)s->plan->n_blocks + 1, sizeof **cost);
  VW_CHECK(*cost, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    vw_block_cost c;
    if (!vw_block_is_active(b)) continue;
    VW_TRY(vw_session_cost(s, b, &c));
    (*cost)[i] = (double)c.runs * c.step.flops;
  }
  return VW_OK;
}
