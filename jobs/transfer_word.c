/* `viswords transfer WORD --from DIR --to DIR`: words of one network, out of a file, as words of another. What shares the
 * subcommand with the stage (jobs/stages/transfer.c): no study, no judging. */
#include "jobs/transfer_word.h"
#include "core/text.h"
#include "io/block_file.h"
#include "io/json.h"
#include "jobs/encode.h"
#include "jobs/session.h"
#include "networks/owlv2.h"
#include "networks/stable_diffusion.h"
#include "transfer/carried.h"
#include "transfer/vocabulary.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct carrying {
  const vw_transfer_word *o;
  vw_context ctx;
  vw_network *from, *to;
  vw_word_table from_words, to_words;
  vw_map_rule rule;
  vw_map map;
  vw_encode_inputs in;
  double *words;          /* [in.words.n, to] */
  double *anchor_vectors; /* [from + to] */
  vw_carried_anchor anchor;
} carrying;

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* The kind of a model directory, by its own files. */
static vw_status kind_of(const char *dir, const vw_network_kind **kind) {
  char path[VW_PATH_BYTES];
  json_t *config = NULL;
  const char *type = NULL;
  *kind = &vw_sd_kind;
  VW_TRY(vw_path_format(path, "%s/model_index.json", dir));
  if (vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_path_format(path, "%s/config.json", dir));
  VW_TRY(vw_json_read(path, &config));
  const vw_status st = vw_json_text(path, "", config, "model_type", "clip", &type);
  if (st == VW_OK) *kind = strcmp(type, vw_owlv2_kind.name) != 0 ? &vw_clip_kind : &vw_owlv2_kind;
  json_decref(config);
  return st;
}

static vw_status open_network(const char *dir, vw_context *ctx, vw_network **n) {
  const vw_network_kind *kind = NULL;
  VW_TRY(kind_of(dir, &kind));
  return kind->open(n, dir, ctx);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* A block's words started at its anchors: the network that learned them has the same embeddings there. */
static vw_status check_block(const carrying *c, const char *path) {
  const int64_t C = c->from->width;
  vw_safetensors *f = NULL;
  vw_tensor anchors, ids;
  vw_status st = VW_OK;
  double *x = malloc(2 * (size_t)C * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "transfer: out of memory");
  VW_GOTO(vw_safetensors_open(&f, path));
  if (!vw_safetensors_has(f, "anchors") || !vw_safetensors_has(f, "anchor_id")) goto cleanup; /* no block */
  VW_GOTO(vw_safetensors_find(f, "anchors", &anchors));
  VW_GOTO(vw_safetensors_find(f, "anchor_id", &ids));
  if (anchors.ndim != 2 || anchors.dim[1] != C || ids.dtype != VW_I64 || vw_count(&ids) != anchors.dim[0])
    goto cleanup; /* of another width: none of its words is taken */
  for (int64_t i = 0; i < anchors.dim[0]; i++) {
    const int64_t id = ((const int64_t *)ids.data)[i];
    const char *row = (const char *)anchors.data + (size_t)(i * C) * vw_dtype_bytes(anchors.dtype);
    bool same = id >= 0 && id < c->from->text.tower.vocab;
    VW_GOTO(vw_convert(x, VW_F64, row, anchors.dtype, C));
    if (same) VW_GOTO(vw_text_word_vector(&c->from->text, id, x + C));
    for (int64_t k = 0; same && k < C; k++) same = fabs(x[k] - x[C + k]) <= 1e-6 * (1 + fabs(x[k]));
    if (!same)
      VW_GOTO(VW_RAISE(VW_ERR_INPUT,
                       "%s: its words were not learned for %s, whose embedding of their anchor (id %" PRId64
                       ") is another: give --from the network that learned them, or name its model, as in %s:clip",
                       path, c->o->from, id, c->o->word));
  }
cleanup:
  vw_safetensors_close(f);
  free(x);
  return st;
}

/* The blocks of a study's output directory whose model learned one of the words. */
static vw_status check_directory(const carrying *c, const char *dir) {
  char path[VW_PATH_BYTES], id[VW_BLOCK_ID];
  vw_plan *plan = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_path_format(path, "%s/plan.yaml", dir));
  VW_TRY(vw_plan_load(path, &plan));
  for (int64_t i = 0; i < plan->n_blocks; i++) {
    const size_t n = strlen(plan->blocks[i].model);
    const char *word = c->in.words.text[0]; /* of one model all: "clip: fox from dog, ..." */
    if (strncmp(word, plan->blocks[i].model, n) != 0 || word[n] != ':') continue;
    vw_block_file_id(&plan->blocks[i], "", id);
    VW_GOTO(vw_block_file_path(path, dir, id));
    if (vw_file_exists(path)) VW_GOTO(check_block(c, path));
  }
cleanup:
  vw_plan_destroy(plan);
  return st;
}

static vw_status check_origin(const carrying *c) {
  char path[VW_PATH_BYTES], plan[VW_PATH_BYTES];
  const char *colon = strrchr(c->o->word, ':');
  VW_TRY(vw_path_format(path, "%s", c->o->word));
  VW_TRY(vw_path_format(plan, "%s/plan.yaml", path));
  if (colon && !vw_file_exists(path) && !vw_file_exists(plan))
    VW_TRY(vw_path_format(path, "%.*s", (int)(colon - c->o->word), c->o->word));
  VW_TRY(vw_path_format(plan, "%s/plan.yaml", path));
  return vw_file_exists(plan) ? check_directory(c, path) : check_block(c, path);
}

static vw_status read_words(carrying *c) {
  const int64_t C = c->from->width;
  VW_TRY(vw_encode_add_named_words(&c->in, c->o->word, C));
  VW_TRY(check_origin(c));
  for (int64_t i = 0; i < c->in.words.n * C; i++)
    VW_CHECK(isfinite(c->in.vectors[i]), VW_ERR_INPUT,
             "'%s' has numbers that are not finite: its trial failed; look at learn.lr and the weights, and learn it "
             "again with 'viswords learn'",
             c->in.words.text[i / C]);
  return VW_OK;
}

/* ---- the anchor -------------------------------------------------------------------------------------------------- */

static vw_status look_up(const vw_word_table *w, const char *word, double *vector, double *distance) {
  int32_t id = 0;
  int64_t nearest = 0;
  VW_TRY(vw_tokenizer_word(w->network->text.tokenizer, word, &id));
  VW_TRY(vw_text_word_vector(&w->network->text, id, vector));
  return vw_anchor_neighbour(&w->e, id, &nearest, distance);
}

static vw_status find_anchor(carrying *c) {
  VW_CHECK(c->o->anchor || !c->o->keeps_radius, VW_ERR_ARG,
           "transfer: --keep-radius wants the word that learning started from: give --anchor");
  if (!c->o->anchor) return VW_OK;
  c->anchor_vectors = malloc((size_t)(c->from->width + c->to->width) * sizeof *c->anchor_vectors);
  VW_CHECK(c->anchor_vectors, VW_ERR_MEMORY, "transfer: out of memory");
  double *to = c->anchor_vectors + c->from->width;
  VW_TRY(look_up(&c->from_words, c->o->anchor, c->anchor_vectors, &c->anchor.from_distance));
  VW_TRY(look_up(&c->to_words, c->o->anchor, to, &c->anchor.to_distance));
  c->anchor.from = c->anchor_vectors, c->anchor.to = to;
  return VW_OK;
}

/* ---- the map, the words ------------------------------------------------------------------------------------------ */

static vw_status fit(carrying *c) {
  vw_common_words words;
  vw_status st = vw_common_words_find(&words, c->from, c->to);
  if (st == VW_OK) st = vw_common_words_fit(&words, c->from, c->to, &c->rule, &c->map);
  vw_common_words_free(&words);
  return st;
}

static double length_of(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (a[i] - (b ? b[i] : 0)) * (a[i] - (b ? b[i] : 0));
  return sqrt(sum);
}

static vw_status nearest(const vw_word_table *w, const double *v, char text[VW_CARRIED_WORD_BYTES]) {
  const int64_t some = w->neighbours[0];
  vw_word_place place;
  VW_TRY(vw_place_words(&w->e, v, &some, 1, &place));
  vw_tokenizer_label(w->network->text.tokenizer, (int32_t)place.nearest, text, VW_CARRIED_WORD_BYTES);
  return VW_OK;
}

static vw_status carry(carrying *c) {
  const int64_t n = c->in.words.n, from = c->from->width, to = c->to->width;
  c->words = malloc((size_t)(n * to) * sizeof *c->words);
  VW_CHECK(c->words, VW_ERR_MEMORY, "transfer: out of memory");
  (void)vw_print(stdout, "map: %s", vw_map_names[c->map.kind]);
  if (c->map.lambda > 0) (void)vw_print(stdout, ", lambda %g", c->map.lambda);
  (void)vw_print(stdout, ", of %lld words; R^2 %.3f in sample, %.3f held out; condition %.3g\n",
                 (long long)c->map.words, c->map.r2, c->map.r2_held_out, c->map.condition);
  for (int64_t i = 0; i < n; i++) {
    const double *v = c->in.vectors + i * from;
    double *tv = c->words + i * to;
    char before[VW_CARRIED_WORD_BYTES], after[VW_CARRIED_WORD_BYTES];
    VW_TRY(vw_carry(&c->map, c->o->keeps_radius ? VW_RADIUS_KEPT : VW_RADIUS_FREE, v, &c->anchor, tv));
    VW_TRY(nearest(&c->from_words, v, before));
    VW_TRY(nearest(&c->to_words, tv, after));
    (void)vw_print(stdout, "%s: |Tv| / |v| %.3f; nearest word '%s' before, '%s' after", c->in.words.text[i],
                   length_of(tv, NULL, to) / length_of(v, NULL, from), before, after);
    if (c->anchor.to)
      (void)vw_print(stdout, "; |Tv - '%s'| %.3f of its distance to the nearest word", c->o->anchor,
                     length_of(tv, c->anchor.to, to) / c->anchor.to_distance);
    (void)vw_print(stdout, "\n");
  }
  return VW_OK;
}

/* A tensor a word, as textual inversion saves them: every command reads it. */
static vw_status write_words(const carrying *c) {
  const int64_t n = c->in.words.n, to = c->to->width;
  vw_safetensors_entry *e = calloc((size_t)n, sizeof *e);
  float *x = malloc((size_t)(n * to) * sizeof *x);
  vw_status st = e && x ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "transfer: out of memory");
  const vw_keyvalue metadata[] = {{"from", c->o->from}, {"to", c->o->to}, {"map", vw_map_names[c->map.kind]}};
  if (st == VW_OK) st = vw_convert(x, VW_F32, c->words, VW_F64, n * to);
  for (int64_t i = 0; st == VW_OK && i < n; i++) {
    e[i] = (vw_safetensors_entry){.name = c->in.words.text[i], .tensor = vw_shape(VW_F32, to)};
    e[i].tensor.data = x + i * to;
  }
  if (st == VW_OK) st = vw_safetensors_write(c->o->out, e, n, metadata, 3);
  free(e), free(x);
  return st;
}

static vw_status run(carrying *c) {
  const vw_transfer_word *o = c->o;
  VW_CHECK(o->from && o->to, VW_ERR_ARG,
           "transfer: a word goes from one network to another: give --from DIR and --to DIR");
  VW_CHECK(o->out, VW_ERR_ARG, "transfer: -o FILE is missing: where shall the carried words go?");
  while (c->rule.kind < VW_MAP_KINDS && strcmp(vw_map_names[c->rule.kind], o->map) != 0) c->rule.kind++;
  VW_CHECK(c->rule.kind < VW_MAP_KINDS, VW_ERR_ARG,
           "transfer: --map '%s': choose auto, least-squares, ridge, orthogonal or hidden", o->map);
  VW_CHECK(o->lambda >= 0, VW_ERR_ARG, "transfer: --lambda %g: expected a number of 0 or more", o->lambda);
  c->rule.bias = o->bias, c->rule.lambda = o->lambda;
  VW_TRY(vw_context_open(&c->ctx, VW_CPU, 1, 0));
  VW_TRY(open_network(o->from, &c->ctx, &c->from));
  VW_TRY(open_network(o->to, &c->ctx, &c->to));
  VW_TRY(vw_word_table_open(&c->from_words, c->from, "default"));
  VW_TRY(vw_word_table_open(&c->to_words, c->to, "default"));
  VW_TRY(read_words(c));
  VW_TRY(find_anchor(c));
  VW_TRY(fit(c));
  VW_TRY(carry(c));
  VW_TRY(write_words(c));
  (void)vw_print(stdout, "%s: %lld word%s of width %lld for %s\n", o->out, (long long)c->in.words.n,
                 c->in.words.n == 1 ? "" : "s", (long long)c->to->width, o->to);
  return VW_OK;
}

int vw_transfer_word_run(const vw_transfer_word *o) {
  carrying c = {.o = o};
  const vw_status st = run(&c);
  const int code = vw_report(st);
  free(c.words), free(c.anchor_vectors);
  vw_map_free(&c.map);
  vw_word_table_close(&c.from_words), vw_word_table_close(&c.to_words);
  if (c.from) c.from->kind->close(c.from);
  if (c.to) c.to->kind->close(c.to);
  if (c.ctx.threads) vw_context_close(&c.ctx);
  vw_encode_inputs_free(&c.in);
  return code;
}
