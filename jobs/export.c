/* `viswords export`: learned words as files of other programs, a file a word (docs/words.md). */
#include "core/durable.h"
#include "core/text.h"
#include "jobs/any_network.h"
#include "jobs/jobs.h"
#include "jobs/token.h"
#include "jobs/word_list.h"
#include "learn/words.h"
#include "networks/stable_diffusion.h"
#include "study/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_METADATA = 20, NUMBER_BYTES = 32 };

/* Who is to read the file. */
typedef struct layout {
  const char *name;
  bool is_of_diffusion; /* Stable Diffusion's words alone make sense to it */
  bool has_token_key;   /* the tensor is called by the token; else emb_params, and the file's name is the token */
} layout;
static const layout layouts[] = {
    {"plain", false, true}, {"diffusers", true, true}, {"a1111", true, false}, {"kohya", true, false}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

typedef struct exporting {
  const char *network_dir, *out, *token, *only;
  const layout *to;
  vw_context ctx;
  vw_network *n;
  vw_word_table table;
  vw_word_list words;
  char network[VW_HASH_TEXT];
  int64_t written;
} exporting;

/* ---- one file ---------------------------------------------------------------------------------------------------- */

typedef struct metadata {
  int n;
  vw_keyvalue pair[MOST_METADATA];
  char number[MOST_METADATA][NUMBER_BYTES];
  char embedding[VW_HASH_TEXT];
} metadata;

static void say(metadata *m, const char *key, const char *value) {
  if (value && m->n < MOST_METADATA) m->pair[m->n++] = (vw_keyvalue){key, value};
}

static void say_int(metadata *m, const char *key, int64_t value) {
  if (m->n >= MOST_METADATA) return;
  (void)snprintf(m->number[m->n], NUMBER_BYTES, "%" PRId64, value);
  say(m, key, m->number[m->n]);
}

static void say_number(metadata *m, const char *key, double value) {
  if (m->n >= MOST_METADATA || isnan(value)) return;
  vw_delta_text(value, m->number[m->n]);
  say(m, key, m->number[m->n]);
}

/* The ball's radius and the anchor's embedding, where the anchor is known. */
static vw_status say_anchor(const exporting *e, const vw_given_word *w, metadata *m) {
  double *x = NULL, distance = 0;
  int32_t id = 0;
  int64_t nearest = 0;
  if (!w->from.anchor) return VW_OK;
  say(m, "anchor", w->from.anchor);
  VW_TRY(vw_tokenizer_word(e->n->text.tokenizer, w->from.anchor, &id));
  VW_TRY(vw_anchor_neighbour(&e->table.e, id, &nearest, &distance));
  say_number(m, "radius", isnan(w->from.radius) ? w->from.delta * distance : w->from.radius);
  x = malloc((size_t)e->n->width * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "export: out of memory");
  const vw_status st = vw_text_word_vector(&e->n->text, id, x);
  if (st == VW_OK) vw_embedding_hash(x, e->n->width, m->embedding);
  free(x);
  if (st == VW_OK) say(m, "anchor_embedding", m->embedding);
  return st;
}

static vw_status describe(const exporting *e, const vw_given_word *w, const char *token, metadata *m) {
  *m = (metadata){0};
  say(m, VW_WORD_MARK, VW_WORD_MARK_WORD);
  say(m, "version", VISWORDS_VERSION);
  say(m, "layout", e->to->name);
  say(m, "token", token);
  say(m, "kind", e->n->kind->name);
  say(m, "network", e->network);
  say_int(m, "width", w->from.width), say_int(m, "vectors", w->from.vectors);
  say(m, "model", w->from.model), say(m, "concept", w->from.concept);
  VW_TRY(say_anchor(e, w, m));
  say_number(m, "delta", w->from.delta);
  if (w->from.replica >= 0) say_int(m, "replica", w->from.replica);
  say(m, "trial", w->from.id), say(m, "weights", w->from.weights), say(m, "protocol", w->from.protocol);
  return VW_OK;
}

static vw_status write_word(const exporting *e, const vw_given_word *w, const char *token, const char *path) {
  metadata m;
  const int64_t n = w->from.vectors * w->from.width;
  float *x = malloc((size_t)n * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "export: out of memory");
  vw_safetensors_entry entry = {e->to->has_token_key ? token : VW_WORD_EMB_PARAMS,
                                vw_shape(VW_F32, w->from.vectors, w->from.width)};
  entry.tensor.data = x;
  vw_status st = vw_convert(x, VW_F32, w->x, VW_F64, n);
  if (st == VW_OK) st = describe(e, w, token, &m);
  if (st == VW_OK) st = vw_safetensors_write(path, &entry, 1, m.pair, m.n);
  free(x);
  return st;
}

/* ---- all words --------------------------------------------------------------------------------------------------- */

static bool is_file_name(const char *out) {
  const char *end = ".safetensors";
  const size_t n = strlen(out), m = strlen(end);
  return n > m && !strcmp(out + n - m, end);
}

/* Whether all numbers are finite: a trial that failed has no word. */
static bool is_finite(const vw_given_word *w) {
  for (int64_t i = 0; i < w->from.vectors * w->from.width; i++)
    if (!isfinite(w->x[i])) return false;
  return true;
}

static vw_status export_word(exporting *e, const vw_given_word *w) {
  char token[VW_TOKEN_BYTES], stem[VW_TOKEN_BYTES], path[VW_PATH_BYTES];
  if (!is_finite(w)) {
    (void)vw_print(stderr, "%s: left out: its numbers are not finite, its trial failed\n", w->from.name);
    return VW_OK;
  }
  if (e->token)
    (void)snprintf(token, sizeof token, "%s", e->token);
  else
    vw_token_of(w, e->to->has_token_key, token);
  VW_TRY(vw_token_check(token, e->n));
  vw_token_stem(token, stem);
  VW_TRY(is_file_name(e->out) ? vw_path_format(path, "%s", e->out)
                              : vw_path_format(path, "%s/%s.safetensors", e->out, stem));
  VW_TRY(write_word(e, w, token, path));
  (void)vw_print(stdout, "%s: %s\n", path, w->from.name);
  e->written++;
  return VW_OK;
}

static vw_status check_wishes(const exporting *e) {
  const bool is_diffusion = e->n->kind == &vw_sd_kind;
  VW_CHECK(is_diffusion || !e->to->is_of_diffusion, VW_ERR_ARG,
           "export: --format %s is for words of Stable Diffusion; %s is of the kind %s: take --format plain",
           e->to->name, e->n->dir, e->n->kind->name);
  VW_CHECK(e->words.n == 1 || (!e->token && !is_file_name(e->out)), VW_ERR_ARG,
           "export: %" PRId64 " words are meant, the first is '%s': %s is for one; choose it, as in %s:PART, or leave "
           "the option out",
           e->words.n, e->words.word[0].from.name, e->token ? "--token" : "a file behind -o", e->words.word[0].path);
  return e->token ? vw_token_check(e->token, e->n) : VW_OK;
}

static vw_status run(exporting *e, const char *spec, const char *format) {
  vw_hash hash;
  VW_CHECK(e->network_dir, VW_ERR_ARG,
           "export: give --network DIR, the model directory that the words were learned for");
  for (int i = 0; i < LAYOUTS && !e->to; i++)
    if (!strcmp(format, layouts[i].name)) e->to = &layouts[i];
  VW_CHECK(e->to, VW_ERR_ARG, "export: --format '%s': choose plain, diffusers, a1111 or kohya", format);
  VW_TRY(vw_context_open(&e->ctx, VW_CPU, 1, 0));
  VW_TRY(vw_network_open_any(e->network_dir, &e->ctx, &e->n));
  VW_TRY(vw_word_list_add_named(&e->words, spec, e->n->width));
  VW_TRY(check_wishes(e));
  VW_TRY(vw_word_list_check_network(
      &e->words, 0, e->n, "give --network the directory that learned them, or name its model, as in DIR:clip"));
  VW_TRY(vw_word_table_open(&e->table, e->n, "default"));
  VW_TRY(e->n->kind->hash(e->n, &hash));
  vw_hash_text(hash, e->network);
  if (!is_file_name(e->out)) VW_TRY(vw_folder_make(e->out));
  for (int64_t i = 0; i < e->words.n; i++) VW_TRY(export_word(e, &e->words.word[i]));
  VW_CHECK(e->written, VW_ERR_INPUT, "export: no word is left: all of them failed");
  return vw_network_unchanged(e->n);
}

int vw_job_export(int argc, char **argv) {
  exporting e = {.out = "words"};
  const char *positional[1], *format = "plain";
  const vw_option options[] = {
      {"network", 0, VW_OPT_STRING, &e.network_dir, "DIR", "the model directory that the words were learned for"},
      {"output", 'o', VW_OPT_STRING, &e.out, "PATH", "folder, or FILE.safetensors for one word; default 'words'"},
      {"format", 0, VW_OPT_STRING, &format, "NAME", "plain (default), diffusers, a1111 or kohya"},
      {"token", 0, VW_OPT_STRING, &e.token, "NAME", "what prompts call the word; default: of its trial"},
      {0}};
  static const char *const names[] = {"WORD"};
  const vw_command_line c = {"export",
                             "WORD --network DIR [--format diffusers] [-o DIR]",
                             "Writes learned words as files of other programs. WORD is an output directory, a block or "
                             "another file of words, or PATH:PART,... for those whose name holds a PART.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  code = vw_report(run(&e, positional[0], format));
  vw_word_table_close(&e.table);
  vw_word_list_free(&e.words);
  if (e.n) e.n->kind->close(e.n);
  if (e.ctx.threads) vw_context_close(&e.ctx);
  return code;
}
