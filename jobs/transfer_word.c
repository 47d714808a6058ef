/* `viswords transfer WORD --from DIR --to DIR`: words of one network, out of a file, as words of another. What shares the
 * subcommand with the stage (jobs/stages/transfer.c): no study, no judging. */
#include "jobs/transfer_word.h"
#include "core/text.h"
#include "jobs/any_network.h"
#include "jobs/jobs.h"
#include "jobs/word_list.h"
#include "transfer/carried.h"
#include "transfer/vocabulary.h"

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
  vw_word_list words_in;
  double *words;          /* [vectors of all words, to] */
  double *anchor_vectors; /* [from + to] */
  vw_carried_anchor anchor;
} carrying;

/* ---- words ------------------------------------------------------------------------------------------------------- */

static vw_status read_words(carrying *c) {
  char way_out[512];
  VW_TRY(vw_word_list_add_named(&c->words_in, c->o->word, c->from->width));
  (void)snprintf(way_out, sizeof way_out, "give --from the network that learned them, or name its model, as in %s:clip",
                 c->o->word);
  VW_TRY(vw_word_list_check_network(&c->words_in, 0, c->from, way_out));
  return vw_word_list_check_finite(&c->words_in);
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

/* One vector v, which became tv. */
static vw_status tell(const carrying *c, const vw_given_word *w, int64_t vector, const double *v, const double *tv) {
  const int64_t from = c->from->width, to = c->to->width;
  char before[VW_CARRIED_WORD_BYTES], after[VW_CARRIED_WORD_BYTES];
  VW_TRY(nearest(&c->from_words, v, before));
  VW_TRY(nearest(&c->to_words, tv, after));
  (void)vw_print(stdout, "%s", w->from.name);
  if (w->from.vectors > 1) (void)vw_print(stdout, ", vector %lld", (long long)vector + 1);
  (void)vw_print(stdout, ": |Tv| / |v| %.3f; nearest word '%s' before, '%s' after",
                 length_of(tv, NULL, to) / length_of(v, NULL, from), before, after);
  if (c->anchor.to)
    (void)vw_print(stdout, "; |Tv - '%s'| %.3f of its distance to the nearest word", c->o->anchor,
                   length_of(tv, c->anchor.to, to) / c->anchor.to_distance);
  (void)vw_print(stdout, "\n");
  return VW_OK;
}

static vw_status carry(carrying *c) {
  const int64_t n = c->words_in.n, from = c->from->width, to = c->to->width;
  int64_t vectors = 0;
  for (int64_t i = 0; i < n; i++) vectors += c->words_in.word[i].from.vectors;
  c->words = malloc((size_t)(vectors * to) * sizeof *c->words);
  VW_CHECK(c->words, VW_ERR_MEMORY, "transfer: out of memory");
  (void)vw_print(stdout, "map: %s", vw_map_names[c->map.kind]);
  if (c->map.lambda > 0) (void)vw_print(stdout, ", lambda %g", c->map.lambda);
  (void)vw_print(stdout, ", of %lld words; R^2 %.3f in sample, %.3f held out; condition %.3g\n",
                 (long long)c->map.words, c->map.r2, c->map.r2_held_out, c->map.condition);
  double *tv = c->words;
  for (int64_t i = 0; i < n; i++) {
    const vw_given_word *w = &c->words_in.word[i];
    for (int64_t k = 0; k < w->from.vectors; k++, tv += to) {
      VW_TRY(vw_carry(&c->map, c->o->keeps_radius ? VW_RADIUS_KEPT : VW_RADIUS_FREE, w->x + k * from, &c->anchor, tv));
      VW_TRY(tell(c, w, k, w->x + k * from, tv));
    }
  }
  return VW_OK;
}

/* A tensor a word, as textual inversion saves them: every command reads it. */
static vw_status write_words(const carrying *c) {
  const int64_t n = c->words_in.n, to = c->to->width;
  vw_safetensors_entry *e = calloc((size_t)n, sizeof *e);
  int64_t vectors = 0;
  for (int64_t i = 0; i < n; i++) vectors += c->words_in.word[i].from.vectors;
  float *x = malloc((size_t)(vectors * to) * sizeof *x), *at = x;
  vw_status st = e && x ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "transfer: out of memory");
  const vw_keyvalue metadata[] = {{"from", c->o->from}, {"to", c->o->to}, {"map", vw_map_names[c->map.kind]}};
  if (st == VW_OK) st = vw_convert(x, VW_F32, c->words, VW_F64, vectors * to);
  for (int64_t i = 0; st == VW_OK && i < n; i++) {
    const vw_file_word *w = &c->words_in.word[i].from;
    e[i] = (vw_safetensors_entry){.name = w->name};
    e[i].tensor = w->vectors > 1 ? vw_shape(VW_F32, w->vectors, to) : vw_shape(VW_F32, to);
    e[i].tensor.data = at, at += w->vectors * to;
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
  VW_TRY(vw_network_open_any(o->from, &c->ctx, &c->from));
  VW_TRY(vw_network_open_any(o->to, &c->ctx, &c->to));
  VW_TRY(vw_word_table_open(&c->from_words, c->from, "default"));
  VW_TRY(vw_word_table_open(&c->to_words, c->to, "default"));
  VW_TRY(read_words(c));
  VW_TRY(find_anchor(c));
  VW_TRY(fit(c));
  VW_TRY(carry(c));
  VW_TRY(write_words(c));
  (void)vw_print(stdout, "%s: %lld word%s of width %lld for %s\n", o->out, (long long)c->words_in.n,
                 c->words_in.n == 1 ? "" : "s", (long long)c->to->width, o->to);
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
  vw_word_list_free(&c.words_in);
  return code;
}
