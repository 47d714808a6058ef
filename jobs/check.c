/* `check`: whether a study can run, before anything is queued. Reads as `run` does, and then what only a run would
 * meet: every picture, twins in both parts, the output directory, disk and memory. Never calls MPI_Init. */
#include "io/pictures/image.h"

#include "core/foreign.h"
#include "core/text.h"
#include "io/json.h"
#include "jobs/session.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct demand {
  int64_t trials, blocks, steps; /* steps: of all trials together */
  double memory, machine;        /* bytes: of a rank, about; of this machine, 0: unknown */
  double *cost;                  /* [blocks of the plan] operations of each; owned */
  double disk, free_disk;        /* bytes: of the results, about; free where they go, 0: unknown */
} demand;

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static vw_status keep_picture(vw_session *s, int64_t data, vw_status st) {
  char key[160];
  (void)snprintf(key, sizeof key, "data.%s.root", s->config->data[data].name);
  return vw_study_keep(s->config, &s->problems, key, -1, false, st);
}

static void show_progress(bool wanted, int64_t done, int64_t n) {
  if (wanted && (done % 64 == 0 || done == n)) (void)vw_print(stderr, "\rpictures: %" PRId64 " of %" PRId64, done, n);
  if (wanted && done == n) (void)vw_print(stderr, "\n");
}

/* Picture i of a set: crops of both parts, then scenes of both. */
static const vw_picture *picture_at(const vw_picture_set *p, int64_t i) {
  if (i < p->n_train) return &p->train[i];
  i -= p->n_train;
  if (i < p->n_test) return &p->test[i];
  i -= p->n_test;
  return i < p->train_scenes.n ? &p->train_scenes.scene[i].picture
                               : &p->test_scenes.scene[i - p->train_scenes.n].picture;
}

static vw_status decode_all(vw_session *s, int64_t set) {
  const vw_picture_set *p = s->sets[set].pictures;
  const int64_t data = s->sets[set].index;
  const int64_t n = p->n_train + p->n_test + p->train_scenes.n + p->test_scenes.n;
  const bool tell = !s->options.quiet && isatty(STDERR_FILENO);
  for (int64_t i = 0; i < n; i++) {
    vw_image image = {0};
    const vw_status st = vw_picture_read(p, picture_at(p, i), &image);
    if (st == VW_OK) vw_image_free(&image);
    VW_TRY(keep_picture(s, data, st));
    show_progress(tell, i + 1, n);
  }
  return VW_OK;
}

static vw_status check_pictures(vw_session *s) {
  for (int64_t i = 0; i < s->n_sets; i++)
    if (s->sets[i].pictures) VW_TRY(decode_all(s, i));
  return VW_OK;
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

static vw_status keep_here(vw_session *s, vw_status st) {
  return vw_problems_keep(&s->problems, st, 0, 0);
}

/* The nearest folder above `path` that is there. */
static vw_status existing_parent(const char *path, char out[VW_PATH_BYTES]) {
  VW_TRY(vw_path_format(out, "%s", path));
  while (access(out, F_OK) != 0) {
    char *slash = strrchr(out, '/');
    if (!slash) return vw_path_format(out, ".");
    slash[slash == out] = 0;
    if (slash == out) break;
  }
  return VW_OK;
}

static vw_status check_place(vw_session *s, const char *what, const char *path) {
  char parent[VW_PATH_BYTES], owner[VW_LOCK_OWNER_BYTES];
  struct stat info;
  VW_TRY(existing_parent(path, parent));
  if (stat(parent, &info) == 0 && !S_ISDIR(info.st_mode))
    return keep_here(s, VW_RAISE(VW_ERR_INPUT, "%s: cannot write into %s (%s): it is %s; choose another", path, parent,
                                 what, vw_file_kind(info.st_mode)));
  if (access(parent, W_OK | X_OK) != 0)
    return keep_here(s, VW_RAISE(VW_ERR_INPUT, "%s: cannot write into %s (%s): %s; choose another", path, parent, what,
                                 strerror(errno)));
  if (!strcmp(path, s->out) && vw_lock_owner(path, NULL, owner) && !strstr(owner, "is dead"))
    return keep_here(
        s, VW_RAISE(VW_ERR_INPUT, "%s: %s is working here; wait for it or choose another -o directory", path, owner));
  return VW_OK;
}

static double free_disk(const char *path) {
  char parent[VW_PATH_BYTES];
  struct statvfs fs;
  if (existing_parent(path, parent) != VW_OK || statvfs(parent, &fs) != 0) return 0;
  return (double)fs.f_bavail * (double)fs.f_frsize;
}

/* Weights and features, packed once more in the kernels' precision; then the rows of the largest block. An estimate:
 * what the exact plan of a block takes is known once its graph is built. */
static void add_model(const vw_session *s, int64_t m, demand *d) {
  const vw_network *n = s->networks[m];
  const double element = s->ctx.backend == VW_REF ? 8 : 4;
  double weights = 0, pictures = 0;
  for (int k = 0; k < 2; k++) {
    const vw_network *of = k ? s->judges[m] : n;
    vw_safetensors *file = NULL;
    for (int64_t i = 0; of && (file = of->kind->file(of, i)); i++) {
      size_t bytes = 0;
      (void)vw_safetensors_bytes(file, &bytes);
      weights += (double)bytes;
    }
  }
  for (int64_t i = 0; i < s->config->n_data; i++) {
    if (!vw_study_learns_on(s->config, m, i)) continue;
    const vw_task_inputs in = vw_session_inputs(s, m, i);
    pictures += s->kinds[m]->task->cache_bytes(&in);
  }
  if (2 * weights + pictures > d->memory) d->memory = 2 * weights + pictures;
  d->disk += pictures;
  const vw_learn_config *l = &s->config->models[m].learn;
  const double row =
      (double)n->width * (1 + 4 * (double)s->config->models[m].vectors) * element + (double)l->loss_points * 8;
  for (int64_t b = 0; b < s->plan->n_blocks; b++) {
    const vw_block *k = &s->plan->blocks[b];
    if (k->model_index != m || !k->n_selected) continue;
    d->trials += k->n_selected, d->blocks++, d->steps += k->n_selected * l->steps;
    d->disk += 2 * (double)k->n * row; /* block file and its share of study.h5 */
  }
}

static vw_status check_demand(vw_session *s, demand *d) {
  for (int64_t m = 0; m < s->config->n_models; m++) add_model(s, m, d);
  VW_TRY(vw_session_costs(s, &d->cost));
  d->machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  d->free_disk = free_disk(s->out[0] ? s->out : s->cache);
  if (d->machine > 0 && d->memory > d->machine)
    VW_TRY(keep_here(s, VW_RAISE(VW_ERR_INPUT, "a rank needs about %.1f GB of memory, this machine has %.1f GB",
                                 d->memory / 1e9, d->machine / 1e9)));
  if (d->free_disk > 0 && d->disk > d->free_disk)
    VW_TRY(keep_here(s, VW_RAISE(VW_ERR_INPUT, "results need about %.1f GB of disk, %.1f GB are free in %s",
                                 d->disk / 1e9, d->free_disk / 1e9, s->out[0] ? s->out : s->cache)));
  return VW_OK;
}

/* ---- saying it --------------------------------------------------------------------------------------------------- */

static void print_text(vw_session *s, const demand *d) {
  vw_problems_print(&s->problems, "warning: ", true, stdout);
  vw_problems_print(&s->problems, "", false, stdout);
  if (s->problems.n_errors) {
    (void)vw_print(stdout, "%s: %" PRId64 " problem%s\n", s->options.study, s->problems.n_errors,
                   s->problems.n_errors == 1 ? "" : "s");
    return;
  }
  (void)vw_plan_print(s->plan, s->config->ranks, d->cost, stdout);
  (void)vw_print(stdout,
                 "  %" PRId64
                 " trial-steps; about %.1f MB of memory a rank (this machine: %.0f MB); about %.1f MB of disk "
                 "(free: %.0f MB)\n%s: no problems\n",
                 d->steps, d->memory / 1e6, d->machine / 1e6, d->disk / 1e6, d->free_disk / 1e6, s->options.study);
}

static void print_json(vw_session *s, const demand *d) {
  json_t *problems = json_array(), *warnings = json_array();
  for (int64_t i = 0; i < s->problems.n; i++) {
    const vw_problem *p = &s->problems.item[i];
    json_array_append_new(
        p->status == VW_OK ? warnings : problems,
        json_pack("{s:I, s:I, s:s}", "line", (json_int_t)p->line, "column", (json_int_t)p->column, "message", p->text));
  }
  json_t *all =
      json_pack("{s:o, s:o, s:o}", "study", vw_json_name(s->options.study), "problems", problems, "warnings", warnings);
  if (!s->problems.n_errors)
    json_object_set_new(all, "plan",
                        json_pack("{s:I, s:I, s:I, s:f, s:f}", "trials", (json_int_t)d->trials, "blocks",
                                  (json_int_t)d->blocks, "trial_steps", (json_int_t)d->steps, "memory_bytes", d->memory,
                                  "disk_bytes", d->disk));
  (void)vw_json_print(all, JSON_INDENT(1), stdout);
  (void)vw_print(stdout, "\n");
  json_decref(all);
}

/* VW_OK: all was looked at and is in s->problems; else looking itself failed. */
static vw_status look(vw_session *s, const vw_session_options *o, bool quick, demand *d) {
  vw_status st = vw_session_open(s, o, false);
  if (st != VW_OK && !s->problems.n_errors) VW_TRY(keep_here(s, st)); /* plan.yaml, --backend */
  if (!s->config) return VW_OK;
  if (!quick) VW_TRY(check_pictures(s));
  if (s->out[0]) VW_TRY(check_place(s, "-o", s->out));
  if (s->cache[0]) VW_TRY(check_place(s, "cache", s->cache));
  if (s->plan && !s->problems.n_errors) VW_TRY(check_demand(s, d));
  vw_problems_sort(&s->problems);
  return VW_OK;
}

int vw_job_check(int argc, char **argv) {
  vw_session_options o = {.all_problems = true};
  const char *positional[1];
  bool quick = false;
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "check this output directory and its plan too"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref, cpu, cuda; default: the study's"},
      {"precision", 0, VW_OPT_STRING, &o.precision, "NAME",
       "of cuda: auto, fp32, tf32, mixed, bf16; default: the study's"},
      {"cache", 0, VW_OPT_STRING, &o.cache, "DIR", "image features; default: the study's, else ~/.cache/viswords"},
      {"quick", 0, VW_OPT_FLAG, &quick, NULL, "do not decode the pictures"},
      {"quiet", 'q', VW_OPT_FLAG, &o.quiet, NULL, "no progress"},
      {"json", 0, VW_OPT_FLAG, &o.json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {"check",
                             "STUDY.yaml [-o DIR] [--quick] [--json]",
                             "Checks a study file, its weights and pictures, the plan, disk and memory; tells every "
                             "problem with its place. Writes nothing. Exit code 2: there are problems.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  vw_session s = {0};
  demand d = {0};
  o.study = positional[0];
  vw_ranks_single(&s.ranks);
  code = vw_report(look(&s, &o, quick, &d));
  if (code == VW_EXIT_OK) {
    (o.json ? print_json : print_text)(&s, &d);
    if (s.problems.n_errors) code = VW_EXIT_REFUSED;
  }
  free(d.cost);
  vw_session_close(&s);
  return code;
}
