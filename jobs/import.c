/* `viswords import`: words that other programs made, or another study, judged as a study judges its own. */
#include "core/text.h"
#include "io/json.h"
#include "jobs/jobs.h"
#include "jobs/session.h"
#include "jobs/stop.h"
#include "jobs/token.h"
#include "jobs/word_list.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct importing {
  vw_session s;
  vw_word_list words;
  const char *model_name, *data_name, *concept, *anchor;
  int64_t model, data;
  /* What is judged: the words, then the untouched anchors of those that have one. */
  int64_t n, numbers; /* rows; numbers of a row: vectors of a word times width */
  double *x;          /* [n, numbers] */
  const char **names, **anchors, **labels;
  char (*label)[VW_DRAWN_LABEL];
  double *metrics; /* [n, n_metrics] */
  bool json, stopped;
} importing;

static const vw_task_kind *task_of(const importing *im) {
  return im->s.kinds[im->model]->task;
}

/* ---- what is meant ----------------------------------------------------------------------------------------------- */

/* "a, b, c" of the names that `is_one` says yes to. */
typedef bool (*is_one)(const importing *im, int64_t i);

static void list_names(const importing *im, is_one is, int64_t n, const char *(*name)(const importing *, int64_t),
                       char *out, size_t bytes) {
  size_t used = 0;
  out[0] = 0;
  for (int64_t i = 0; i < n && used < bytes; i++)
    if (is(im, i)) used += (size_t)snprintf(out + used, bytes - used, "%s%s", used ? ", " : "", name(im, i));
}

static const char *model_name(const importing *im, int64_t m) {
  return im->s.config->models[m].name;
}
static const char *data_name(const importing *im, int64_t d) {
  return im->s.config->data[d].name;
}
static bool is_any(const importing *im, int64_t i) {
  (void)im, (void)i;
  return true;
}
/* As far as the file of the first word tells. */
static bool may_have_learned(const importing *im, int64_t m) {
  bool is = false;
  if (vw_word_is_of(&im->words.word[0], im->s.networks[m], &is) != VW_OK) vw_error_clear();
  return is;
}
static bool learns_on(const importing *im, int64_t d) {
  return vw_study_learns_on(im->s.config, im->model, d);
}

/* The one that is named, else the only one that will do. `what`: "model". */
static vw_status choose(const importing *im, const char *what, const char *wanted, is_one is, int64_t n,
                        const char *(*name)(const importing *, int64_t), int64_t *chosen) {
  char all[512];
  int64_t many = 0;
  list_names(im, wanted ? is_any : is, n, name, all, sizeof all);
  for (int64_t i = 0; i < n; i++) {
    if (wanted ? strcmp(wanted, name(im, i)) != 0 : !is(im, i)) continue;
    if (!many++) *chosen = i;
  }
  VW_CHECK(many || !wanted, VW_ERR_ARG, "import: no %s '%s' in %s; it has %s", what, wanted, im->s.options.study, all);
  VW_CHECK(many, VW_ERR_INPUT,
           "import: no %s of %s fits '%s', whose width is %" PRId64
           "%s: take a study with the network that it was learned "
           "for, or carry it over with 'viswords transfer'",
           what, im->s.options.study, im->words.word[0].from.name, im->words.word[0].from.width,
           vw_width_of(im->words.word[0].from.width));
  VW_CHECK(many == 1, VW_ERR_ARG, "import: %s has several that would do: say --%s, one of %s", im->s.options.study,
           what, all);
  return VW_OK;
}

static vw_status choose_concept(importing *im) {
  const vw_names *concepts = &vw_study_data_of(im->s.config, im->model, im->data)->concepts;
  char all[512];
  size_t used = 0;
  bool is_there = false;
  for (int64_t i = 1; !im->concept && i < im->words.n; i++) {
    const char *a = im->words.word[0].from.concept, *b = im->words.word[i].from.concept;
    VW_CHECK(
        (!a && !b) || (a && b && !strcmp(a, b)), VW_ERR_ARG,
        "import: '%s' and '%s' are for different concepts: which concept are they to be judged for? Give --concept, or "
        "choose words of one, as in %s:PART",
        im->words.word[0].from.name, im->words.word[i].from.name, im->words.word[0].path);
  }
  if (!im->concept) im->concept = im->words.word[0].from.concept;
  for (int64_t i = 0; i < concepts->n && used < sizeof all; i++) {
    is_there |= im->concept && !strcmp(im->concept, concepts->name[i]);
    used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", concepts->name[i]);
  }
  VW_CHECK(im->concept, VW_ERR_ARG, "import: %s does not say what its words are for: give --concept, one of %s",
           im->words.word[0].path, all);
  VW_CHECK(is_there, VW_ERR_INPUT, "import: concept '%s' is none of model '%s' on '%s': give --concept, one of %s",
           im->concept, model_name(im, im->model), data_name(im, im->data), all);
  for (int64_t i = 1; i < im->words.n; i++)
    VW_CHECK(im->words.word[i].from.vectors == im->words.word[0].from.vectors, VW_ERR_INPUT,
             "import: '%s' is %" PRId64 " vectors, '%s' %" PRId64 ": judge them one after the other",
             im->words.word[0].from.name, im->words.word[0].from.vectors, im->words.word[i].from.name,
             im->words.word[i].from.vectors);
  return VW_OK;
}

static vw_status choose_all(importing *im) {
  const vw_study_config *c = im->s.config;
  const int64_t width = im->words.word[0].from.width;
  VW_TRY(choose(im, "model", im->model_name, may_have_learned, c->n_models, model_name, &im->model));
  VW_TRY(choose(im, "data", im->data_name, learns_on, c->n_data, data_name, &im->data));
  VW_CHECK(vw_study_learns_on(c, im->model, im->data), VW_ERR_ARG, "import: model '%s' does not learn on '%s'",
           model_name(im, im->model), data_name(im, im->data));
  const vw_network *n = im->s.networks[im->model];
  VW_CHECK(n->width == width, VW_ERR_INPUT,
           "import: '%s' has width %" PRId64 "%s; words of model '%s' (%s) have %" PRId64 "%s: take the model that it "
           "was learned for, or carry it over with 'viswords transfer'",
           im->words.word[0].from.name, width, vw_width_of(width), model_name(im, im->model), n->dir, n->width,
           vw_width_of(n->width));
  VW_TRY(vw_word_list_check_network(&im->words, 0, n, VW_WORDS_WAY_OUT));
  VW_TRY(vw_word_list_check_finite(&im->words));
  return choose_concept(im);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static const char *anchor_of(const importing *im, const vw_given_word *w) {
  return im->anchor ? im->anchor : w->from.anchor;
}

static void add_row(importing *im, const char *name, const char *anchor, const char *label) {
  (void)snprintf(im->label[im->n], VW_DRAWN_LABEL, "%s", label);
  im->names[im->n] = name, im->anchors[im->n] = anchor, im->labels[im->n] = im->label[im->n];
  im->n++;
}

/* Each anchor once, untouched: its embedding, as often as a word has vectors. */
static vw_status add_anchor(importing *im, const char *anchor) {
  const vw_network *n = im->s.networks[im->model];
  int32_t id = 0;
  char label[VW_DRAWN_LABEL];
  for (int64_t i = im->words.n; i < im->n; i++)
    if (!strcmp(im->anchors[i], anchor)) return VW_OK;
  VW_TRY(vw_tokenizer_word(n->text.tokenizer, anchor, &id));
  double *x = im->x + im->n * im->numbers;
  for (int64_t at = 0; at < im->numbers; at += n->width) VW_TRY(vw_text_word_vector(&n->text, id, x + at));
  vw_drawn_baseline("anchor", anchor, "0", label);
  add_row(im, anchor, anchor, label);
  return VW_OK;
}

static vw_status add_rows(importing *im) {
  const int64_t most = 2 * im->words.n;
  const vw_file_word *first = &im->words.word[0].from;
  im->numbers = first->vectors * first->width;
  im->x = malloc((size_t)(most * im->numbers) * sizeof *im->x);
  im->names = calloc((size_t)most, sizeof *im->names), im->anchors = calloc((size_t)most, sizeof *im->anchors);
  im->labels = calloc((size_t)most, sizeof *im->labels), im->label = calloc((size_t)most, sizeof *im->label);
  im->metrics = calloc((size_t)(most * task_of(im)->n_metrics) + 1, sizeof *im->metrics);
  VW_CHECK(im->x && im->names && im->anchors && im->labels && im->label && im->metrics, VW_ERR_MEMORY,
           "import: out of memory for %" PRId64 " words", im->words.n);
  for (int64_t i = 0; i < im->words.n; i++) {
    const vw_given_word *w = &im->words.word[i];
    char token[VW_TOKEN_BYTES];
    memcpy(im->x + i * im->numbers, w->x, (size_t)im->numbers * sizeof *im->x);
    vw_token_of(w, false, token);
    add_row(im, w->from.name, anchor_of(im, w), token);
    if (!w->from.is_of_block && vw_token_is_taken(w->from.key, im->s.networks[im->model]))
      (void)vw_print(
          stderr,
          "%s: '%s' is also an entry of the network's vocabulary; the vector of the file is judged, not that "
          "word. Other programs refuse such a name: 'viswords export' gives it another\n",
          w->path, w->from.key);
  }
  for (int64_t i = 0; i < im->words.n; i++)
    if (anchor_of(im, &im->words.word[i])) VW_TRY(add_anchor(im, anchor_of(im, &im->words.word[i])));
  return VW_OK;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static bool wants_stop(void *user) {
  (void)user;
  return vw_stop_requested();
}

static vw_status judge_parts(importing *im, vw_task *t, vw_judged *w) {
  vw_judge_watch watch = {.stop = wants_stop};
  const vw_task_kind *kind = task_of(im);
  int64_t parts = 0, numbers = 0;
  vw_progress progress;
  VW_TRY(kind->judge_parts(&t->in, &parts, &numbers));
  double *all = calloc((size_t)(parts * w->n * numbers) + 1, sizeof *all);
  vw_status st = all ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "import: out of memory");
  w->watch = &watch;
  vw_progress_start(&progress, im->s.options.quiet ? NULL : stderr, "import", "parts", 0, parts);
  for (int64_t p = 0; st == VW_OK && p < parts && !im->stopped; p++) {
    st = kind->judge_picture(t, w, p, all + p * w->n * numbers);
    vw_progress_update(&progress, p + 1);
    im->stopped = vw_stop_requested();
  }
  vw_progress_finish(&progress, parts);
  w->parts = parts, w->watch = NULL;
  if (st == VW_OK && !im->stopped) st = kind->judge_end(t, w, all, im->metrics);
  free(all);
  return st;
}

static vw_status judge(importing *im) {
  vw_session *s = &im->s;
  vw_task *t = NULL;
  vw_task_inputs in = vw_session_inputs(s, im->model, im->data);
  vw_judged w = {.concept = im->concept, .n = im->n, .words = im->x, .anchors = im->anchors, .labels = im->labels};
  in.vectors = im->words.word[0].from.vectors;
  VW_TRY(task_of(im)->open(&t, &in));
  const vw_status st = task_of(im)->judge ? task_of(im)->judge(t, &w, im->metrics) : judge_parts(im, t, &w);
  task_of(im)->close(t);
  VW_TRY(st);
  return vw_session_inputs_unchanged(s);
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static const char *kind_of_row(const importing *im, int64_t i) {
  return i < im->words.n ? "word" : "untouched anchor";
}

static void print_table(const importing *im) {
  const vw_task_kind *kind = task_of(im);
  const vw_network *n = im->s.networks[im->model];
  (void)vw_print(stdout, "%s of '%s' on '%s' for concept '%s' (%s)\n", kind->name, model_name(im, im->model),
                 data_name(im, im->data), im->concept, n->dir);
  for (int m = 0; m < kind->n_metrics; m++) (void)vw_print(stdout, " %12s", kind->metrics[m].name);
  (void)vw_print(stdout, "\n");
  for (int64_t i = 0; i < im->n; i++) {
    for (int m = 0; m < kind->n_metrics; m++) {
      const double x = im->metrics[i * kind->n_metrics + m];
      (void)(isnan(x) ? vw_print(stdout, " %12s", "-") : vw_print(stdout, " %12.4f", x));
    }
    (void)vw_print(stdout, "  %s '%s'\n", kind_of_row(im, i), im->names[i]);
  }
}

static json_t *row_json(const importing *im, int64_t i) {
  const vw_task_kind *kind = task_of(im);
  json_t *metrics = json_object(), *o = json_object();
  for (int m = 0; m < kind->n_metrics; m++) {
    const double x = im->metrics[i * kind->n_metrics + m];
    json_object_set_new(metrics, kind->metrics[m].name, isfinite(x) ? json_real(x) : json_null());
  }
  json_object_set_new(o, "what", json_string(kind_of_row(im, i)));
  json_object_set_new(o, "word", vw_json_name(im->names[i]));
  if (i < im->words.n) {
    json_object_set_new(o, "file", vw_json_name(im->words.word[i].path));
    json_object_set_new(o, "vectors", json_integer(im->words.word[i].from.vectors));
  }
  json_object_set_new(o, "anchor", im->anchors[i] ? vw_json_name(im->anchors[i]) : json_null());
  json_object_set_new(o, "metrics", metrics);
  return o;
}

static vw_status print_json(const importing *im) {
  vw_json_watch();
  json_t *rows = json_array();
  for (int64_t i = 0; i < im->n; i++) json_array_append_new(rows, row_json(im, i));
  json_t *all = json_pack("{s:s, s:o, s:o, s:o, s:o}", "task", task_of(im)->name, "model",
                          vw_json_name(model_name(im, im->model)), "data", vw_json_name(data_name(im, im->data)),
                          "concept", vw_json_name(im->concept), "rows", rows);
  const bool starved = vw_json_starved();
  if (!starved) (void)vw_json_print(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9), stdout);
  json_decref(all);
  VW_CHECK(!starved, VW_ERR_MEMORY, "import: out of memory");
  (void)vw_print(stdout, "\n");
  return VW_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static vw_status run(importing *im, const char *spec) {
  VW_TRY(vw_word_list_add_named(&im->words, spec, 0));
  VW_TRY(vw_session_open(&im->s, &im->s.options, false));
  VW_TRY(choose_all(im));
  VW_TRY(add_rows(im));
  vw_stop_signals_install();
  VW_TRY(vw_session_cache(&im->s, false, &im->stopped));
  if (!im->stopped) VW_TRY(judge(im));
  if (im->stopped) return VW_OK;
  if (im->json) return print_json(im);
  print_table(im);
  return VW_OK;
}

int vw_job_import(int argc, char **argv) {
  importing im = {0};
  vw_session_options *o = &im.s.options;
  const char *positional[2];
  o->allow_other_kernels = true;
  const vw_option options[] = {
      {"model", 'm', VW_OPT_STRING, &im.model_name, "NAME", "of the study; default: the only one of the word's width"},
      {"data", 'd', VW_OPT_STRING, &im.data_name, "NAME",
       "the data set; default: the only one that the model learns on"},
      {"concept", 'c', VW_OPT_STRING, &im.concept, "NAME", "what the words are for; default: what the file says"},
      {"anchor", 0, VW_OPT_STRING, &im.anchor, "WORD",
       "that learning started from, judged beside; default: the file's"},
      {"backend", 'b', VW_OPT_STRING, &o->backend, "NAME", "auto, ref, cpu, cuda"},
      {"threads", 0, VW_OPT_COUNT, &o->threads, "N", "default: all cores"},
      {"cache", 0, VW_OPT_STRING, &o->cache, "DIR", "image features"},
      {"json", 0, VW_OPT_FLAG, &im.json, NULL, "numbers as JSON"},
      {"quiet", 'q', VW_OPT_FLAG, &o->quiet, NULL, "no progress"},
      {0}};
  static const char *const names[] = {"WORD", "STUDY.yaml"};
  const vw_command_line c = {"import",
                             "WORD STUDY.yaml [--model NAME] [--concept NAME]",
                             "Judges words out of a file, whoever made it, as the study's task judges its own: on the "
                             "same pictures, by the same numbers. Nothing is written.",
                             options,
                             names,
                             2,
                             2};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  o->study = positional[1];
  vw_ranks_single(&im.s.ranks);
  const vw_status st = run(&im, positional[0]);
  code = vw_session_report(&im.s, st);
  if (code == VW_EXIT_OK && im.stopped) code = VW_EXIT_REQUEUE;
  vw_session_close(&im.s);
  vw_word_list_free(&im.words);
  free(im.x), free(im.metrics), free((void *)im.names), free((void *)im.anchors), free((void *)im.labels),
      free(im.label);
  return code;
}
