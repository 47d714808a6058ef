/* What is carried, and what becomes of it. */
#include "transfer/carried.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static vw_carried_row *next_row(vw_carried *c, vw_carried_kind kind, const char *concept) {
  vw_carried_row *r = &c->rows[c->n++];
  *r = (vw_carried_row){.kind = kind, .concept = concept, .anchor = "", .delta = NAN};
  r->norm_ratio = r->cosine = r->distance = NAN;
  return r;
}

static void list_words(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set) {
  const vw_block *b = &s->plan->blocks[set->block];
  for (int64_t i = b->first; i < b->first + b->n; i++) {
    const vw_trial *t = &s->plan->trials[i], *target = NULL;
    if (!vw_transfer_takes(s, set->from, set->to, set->data, t, &target)) continue;
    vw_carried_row *r = next_row(c, VW_CARRIED_WORD, t->concept);
    r->anchor = t->anchor, r->delta = t->delta, r->replica = t->replica, r->trial = t, r->target = target;
  }
}

static void list_baselines(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set) {
  const vw_names *anchors = &s->config->models[set->from].trials.anchors;
  const char *concept = vw_study_data_of(s->config, set->to, set->data)->concepts.name[set->concept];
  for (int64_t a = 0; a < anchors->n; a++) {
    vw_carried_row *r = next_row(c, VW_CARRIED_ANCHOR, concept);
    r->anchor = anchors->name[a], r->delta = 0;
  }
  (void)next_row(c, VW_CARRIED_NAME, concept);
  (void)next_row(c, VW_CARRIED_RANDOM_WORD, concept);
}

vw_status vw_carried_list(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set) {
  const int64_t most =
      set->block >= 0 ? s->plan->blocks[set->block].n : s->config->models[set->from].trials.anchors.n + 2;
  *c = (vw_carried){.vectors = s->config->models[set->from].vectors,
                    .from_width = s->networks[set->from]->width,
                    .to_width = s->networks[set->to]->width};
  c->rows = calloc((size_t)most + 1, sizeof *c->rows);
  c->source = calloc((size_t)(most * c->vectors * c->from_width) + 1, sizeof *c->source);
  c->words = calloc((size_t)(most * c->vectors * c->to_width) + 1, sizeof *c->words);
  VW_CHECK(c->rows && c->source && c->words, VW_ERR_MEMORY, "transfer: out of memory for %" PRId64 " words", most);
  if (set->block >= 0)
    list_words(c, s, set);
  else
    list_baselines(c, s, set);
  return VW_OK;
}

void vw_carried_free(vw_carried *c) {
  free(c->rows), free(c->source), free(c->words);
  *c = (vw_carried){0};
}

void vw_carried_label(const vw_carried_row *r, const char *from, char label[VW_DRAWN_LABEL]) {
  enum { SHOWN = 60 }; /* of each part: all of them fit */
  static const char *const kinds[VW_CARRIED_KINDS] = {
      [VW_CARRIED_ANCHOR] = "anchor", [VW_CARRIED_NAME] = "name", [VW_CARRIED_RANDOM_WORD] = "random_word"};
  char own[VW_DRAWN_LABEL];
  if (r->trial)
    vw_drawn_trial(r->trial, own);
  else
    vw_drawn_baseline(kinds[r->kind], r->anchor, "", own);
  (void)snprintf(label, VW_DRAWN_LABEL, "from-%.*s-%.*s%s%.*s", SHOWN, from, SHOWN / 2, r->trial ? r->trial->data : "",
                 r->trial ? "-" : "", SHOWN, own);
}

/* ---- anchors ----------------------------------------------------------------------------------------------------- */

/* An anchor in both networks. */
typedef struct both {
  const char *name; /* NULL: none yet */
  double *from, *to;
  vw_carried_anchor anchor;
  int32_t from_id, to_id;
} both;

static vw_status both_open(both *b, const vw_carried *c) {
  *b = (both){.from = calloc((size_t)(c->from_width + c->to_width), sizeof *b->from)};
  VW_CHECK(b->from, VW_ERR_MEMORY, "transfer: out of memory");
  b->to = b->from + c->from_width;
  return VW_OK;
}

static bool find_word(const vw_network *n, const char *word, int32_t *id) {
  if (word[0] && vw_tokenizer_word(n->text.tokenizer, word, id) == VW_OK) return true;
  vw_error_clear();
  return false;
}

static vw_status side_of(const vw_word_table *w, const char *name, int32_t *id, double *vector, const double **out,
                         double *distance) {
  int64_t nearest = 0;
  *out = NULL, *distance = NAN;
  if (!find_word(w->network, name, id)) return VW_OK;
  VW_TRY(vw_text_word_vector(&w->network->text, *id, vector));
  VW_TRY(vw_anchor_neighbour(&w->e, *id, &nearest, distance));
  *out = vector;
  return VW_OK;
}

/* Rows of one anchor follow one another: it is looked up once. */
static vw_status both_find(both *b, const vw_transfer_source *s, const vw_transfer_set *set, const char *name) {
  if (b->name && !strcmp(b->name, name)) return VW_OK;
  b->name = name;
  VW_TRY(side_of(&s->words[set->from], name, &b->from_id, b->from, &b->anchor.from, &b->anchor.from_distance));
  return side_of(&s->words[set->to], name, &b->to_id, b->to, &b->anchor.to, &b->anchor.to_distance);
}

/* ---- carrying ---------------------------------------------------------------------------------------------------- */

static double length_of(const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i] * v[i];
  return sqrt(sum);
}

static double distance_of(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt(sum);
}

vw_status vw_carry(const vw_map *map, int radius, const double *v, const vw_carried_anchor *anchor, double *out) {
  VW_TRY(vw_map_apply(map, v, 1, out));
  if (radius == VW_RADIUS_FREE || !anchor->from) return VW_OK;
  double *base = malloc((size_t)map->to * sizeof *base);
  VW_CHECK(base, VW_ERR_MEMORY, "transfer: out of memory");
  const vw_status st = vw_map_apply(map, anchor->from, 1, base);
  const double from = distance_of(v, anchor->from, map->from), way = distance_of(out, base, map->to);
  const double factor = way > 0 ? from / anchor->from_distance * anchor->to_distance / way : 0;
  for (int64_t i = 0; i < map->to; i++) out[i] = anchor->to ? anchor->to[i] + factor * (out[i] - base[i]) : NAN;
  free(base);
  return st;
}

static vw_status read_words(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set) {
  const vw_block *b = &s->plan->blocks[set->block];
  const int64_t C = c->vectors * c->from_width;
  double *words = NULL;
  uint8_t *failed = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_block_words_read(s->out, b, C, &words));
  VW_GOTO(vw_block_failed_read(s->out, b, &failed));
  for (int64_t i = 0; i < c->n; i++) {
    const int64_t k = c->rows[i].trial - (s->plan->trials + b->first);
    c->rows[i].is_carried = !failed[k];
    if (!failed[k]) memcpy(c->source + i * C, words + k * C, (size_t)C * sizeof *words);
  }
cleanup:
  free(words), free(failed);
  return st;
}

bool vw_carried_name_is_word(const vw_word_table *from, const char *concept) {
  int32_t id = 0;
  return find_word(from->network, concept, &id) && from->mask[id];
}

/* The word that a row of baselines is; false: the source has none. */
static vw_status baseline_word(const vw_transfer_source *s, const vw_transfer_set *set, const vw_carried_row *r,
                               bool *is_word, int32_t *id) {
  const vw_word_table *w = &s->words[set->from];
  if (r->kind == VW_CARRIED_RANDOM_WORD) {
    const vw_task_inputs in = {.pictures = s->pictures[set->to * s->config->n_data + set->data],
                               .seed = s->config->seed};
    *is_word = true;
    return vw_random_word(&in, w, r->concept, id);
  }
  *is_word = find_word(w->network, r->kind == VW_CARRIED_NAME ? r->concept : r->anchor, id);
  if (r->kind == VW_CARRIED_NAME) *is_word = vw_carried_name_is_word(w, r->concept);
  return VW_OK;
}

static vw_status read_baselines(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set) {
  const vw_text *text = &s->networks[set->from]->text;
  for (int64_t i = 0; i < c->n; i++) {
    vw_carried_row *r = &c->rows[i];
    int32_t id = 0;
    VW_TRY(baseline_word(s, set, r, &r->is_carried, &id));
    if (!r->is_carried) continue;
    vw_tokenizer_label(text->tokenizer, id, r->word, sizeof r->word);
    for (int64_t k = 0; k < c->vectors; k++)
      VW_TRY(vw_text_word_vector(text, id, c->source + (i * c->vectors + k) * c->from_width));
  }
  return VW_OK;
}

/* As numbers of the stored type: what is judged is what is stored. */
static vw_status as_stored(const vw_network *n, double *x, int64_t count) {
  float *room = malloc((size_t)count * sizeof *room);
  VW_CHECK(room, VW_ERR_MEMORY, "transfer: out of memory");
  vw_status st = n->word_type == VW_F64 ? VW_OK : vw_convert(room, n->word_type, x, VW_F64, count);
  if (st == VW_OK && n->word_type != VW_F64) st = vw_convert(x, VW_F64, room, n->word_type, count);
  free(room);
  return st;
}

vw_status vw_carried_carry(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set, const vw_map *map) {
  both b = {0};
  vw_status st = VW_OK;
  VW_TRY(set->block >= 0 ? read_words(c, s, set) : read_baselines(c, s, set));
  VW_GOTO(both_open(&b, c));
  for (int64_t i = 0; i < c->n; i++) {
    vw_carried_row *r = &c->rows[i];
    const int64_t one = c->vectors * c->to_width;
    double *to = c->words + i * one;
    if (!r->is_carried) continue;
    VW_GOTO(both_find(&b, s, set, r->anchor));
    for (int64_t k = 0; k < c->vectors; k++)
      VW_GOTO(vw_carry(map, s->config->transfer.radius, c->source + (i * c->vectors + k) * c->from_width, &b.anchor,
                       to + k * c->to_width));
    VW_GOTO(as_stored(s->networks[set->to], to, one));
    for (int64_t k = 0; k < one; k++) r->is_carried = r->is_carried && isfinite(to[k]);
    if (!r->is_carried) memset(to, 0, (size_t)one * sizeof *to);
  }
cleanup:
  free(b.from);
  return st;
}

/* ---- what became of them ----------------------------------------------------------------------------------------- */

static double cosine_of(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum / (length_of(a, n) * length_of(b, n));
}

/* Of several vectors: lengths and cosine of them laid end to end, as if the anchor were there as often; the distance of
 * the one that is farthest. */
static vw_status measure_row(vw_carried *c, int64_t i, const both *b, const vw_map *map, double *of_anchor) {
  vw_carried_row *r = &c->rows[i];
  const int64_t n = c->vectors, W = c->to_width;
  const double *v = c->source + i * n * c->from_width, *tv = c->words + i * n * W;
  r->norm_ratio = length_of(tv, n * W) / length_of(v, n * c->from_width);
  if (b->anchor.from) {
    VW_TRY(vw_map_apply(map, b->anchor.from, 1, of_anchor));
    for (int64_t k = 1; k < n; k++) memcpy(of_anchor + k * W, of_anchor, (size_t)W * sizeof *of_anchor);
    r->cosine = cosine_of(tv, of_anchor, n * W);
  }
  const double delta = r->kind == VW_CARRIED_WORD ? r->delta : 1;
  if (!b->anchor.to || !isfinite(delta)) return VW_OK;
  double most = 0;
  for (int64_t k = 0; k < n; k++) most = fmax(most, distance_of(tv + k * W, b->anchor.to, W));
  r->distance = most / (delta * b->anchor.to_distance);
  return VW_OK;
}

static vw_status place_first(const vw_carried *c, const vw_word_table *w, const double *vectors, const int64_t *ids,
                             vw_word_place *places) {
  const int64_t W = w->e.d;
  if (c->vectors == 1) return vw_place_words(&w->e, vectors, ids, c->n, places);
  double *first = malloc((size_t)(c->n * W) * sizeof *first + 1);
  VW_CHECK(first, VW_ERR_MEMORY, "transfer: out of memory");
  for (int64_t i = 0; i < c->n; i++) memcpy(first + i * W, vectors + i * c->vectors * W, (size_t)W * sizeof *first);
  const vw_status st = vw_place_words(&w->e, first, ids, c->n, places);
  free(first);
  return st;
}

/* Nearest whole words of the words' first vectors [n, width]; ids[n]: an entry that counts as a word too. */
static vw_status place(const vw_carried *c, const vw_word_table *w, const double *vectors, const int64_t *ids,
                       vw_word_place *places, bool after) {
  VW_TRY(place_first(c, w, vectors, ids, places));
  for (int64_t i = 0; i < c->n; i++) {
    vw_carried_row *r = &c->rows[i];
    if (r->is_carried)
      vw_tokenizer_label(w->network->text.tokenizer, (int32_t)places[i].nearest, after ? r->after : r->before,
                         VW_CARRIED_WORD_BYTES);
  }
  return VW_OK;
}

vw_status vw_carried_measure(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set,
                             const vw_map *map) {
  both b = {0};
  vw_status st = VW_OK;
  double *of_anchor = malloc((size_t)(c->vectors * c->to_width) * sizeof *of_anchor);
  int64_t *ids = calloc(2 * (size_t)c->n + 1, sizeof *ids);
  vw_word_place *places = calloc((size_t)c->n + 1, sizeof *places);
  if (!of_anchor || !ids || !places) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "transfer: out of memory"));
  VW_GOTO(both_open(&b, c));
  for (int64_t i = 0; i < c->n; i++) {
    VW_GOTO(both_find(&b, s, set, c->rows[i].anchor));
    ids[i] = b.anchor.from ? b.from_id : s->words[set->from].neighbours[0];
    ids[c->n + i] = b.anchor.to ? b.to_id : s->words[set->to].neighbours[0];
    if (c->rows[i].is_carried) VW_GOTO(measure_row(c, i, &b, map, of_anchor));
  }
  VW_GOTO(place(c, &s->words[set->from], c->source, ids, places, false));
  VW_GOTO(place(c, &s->words[set->to], c->words, ids + c->n, places, true));
cleanup:
  free(of_anchor), free(ids), free(places), free(b.from);
  return st;
}
