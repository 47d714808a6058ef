#include "tasks/generation/generation_names.h"

#include "core/random.h"
#include "study/config.h"
#include "tasks/generation/generation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 512 };

void vw_judge_names_free(vw_judge_names *names) {
  free((void *)names->name), free(names->feature);
  vw_pool_fini(&names->pool);
  *names = (vw_judge_names){0};
}

static int64_t projection_of(const vw_judge_names *names) {
  return names->judge->net.text.tower.projection;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* As judges read it: without capitals, which their tokenizers do not see either. */
static vw_status plain(const char *name, char out[TEXT_BYTES]) {
  VW_TRY(vw_class_text("{}", name, out, TEXT_BYTES));
  for (char *p = out; *p; p++)
    if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
  return VW_OK;
}

/* Tokens of name k in the sentence: ids [L], and where its feature is read. */
static vw_status tokens_of(const vw_judge_names *names, int64_t k, int32_t *ids, int64_t L, int32_t *pooled) {
  const vw_text *t = &names->judge->net.text;
  char text[TEXT_BYTES];
  int64_t length = 0;
  vw_status st = vw_class_text(names->sentence, names->name[k], text, sizeof text);
  if (st == VW_OK) st = vw_tokenizer_encode(t->tokenizer, text, ids, L, &length);
  VW_CHECK(st == VW_OK, st, "the name '%s' for %s: %s", names->name[k], t->dir, vw_error_message());
  *pooled = (int32_t)vw_text_pooled(t, ids, length);
  return VW_OK;
}

/* Rows of the same length go together, so that none is computed with the length of another. */
static vw_status encode_rows(const vw_judge_names *names, int64_t first, const int32_t *ids, int64_t L,
                             const int32_t *pooled, int32_t length, int32_t *room_ids, int32_t *room_pooled,
                             char *features) {
  const int64_t p = projection_of(names), n = names->n - first;
  const size_t one = vw_clip_feature_bytes(names->judge);
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    if (pooled[i] != length) continue;
    memcpy(room_ids + count * L, ids + i * L, (size_t)L * sizeof *ids);
    room_pooled[count++] = length;
  }
  if (!count) return VW_OK;
  VW_TRY(vw_clip_encode_tokens(names->judge, room_ids, L, room_pooled, count, features));
  for (int64_t i = 0, at = 0; i < n; i++)
    if (pooled[i] == length)
      VW_TRY(vw_convert(names->feature + (first + i) * p, VW_F64, features + (size_t)at++ * one,
                        vw_clip_feature_type(names->judge), p));
  return VW_OK;
}

/* The names from `first` on. */
static vw_status encode(vw_judge_names *names, int64_t first) {
  const int64_t L = names->judge->net.text.tower.positions;
  const size_t n = (size_t)(names->n - first), width = (size_t)L;
  int32_t *ids = calloc(2 * n * width + 1, sizeof *ids), *pooled = calloc(2 * n + 1, sizeof *pooled);
  char *features = malloc(n * vw_clip_feature_bytes(names->judge) + 1);
  vw_status st = VW_OK;
  if (!ids || !pooled || !features) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "judging: out of memory for %zu names", n));
  for (size_t i = 0; i < n; i++) VW_GOTO(tokens_of(names, first + (int64_t)i, ids + i * width, L, &pooled[i]));
  for (int32_t length = 0; length < L; length++)
    VW_GOTO(encode_rows(names, first, ids, L, pooled, length, ids + n * width, pooled + n, features));
cleanup:
  free(ids), free(pooled), free(features);
  return st;
}

static vw_status grow(vw_judge_names *names, int64_t room) {
  if (room <= names->room) return VW_OK;
  const char **name = realloc((void *)names->name, (size_t)room * sizeof *name);
  if (name) names->name = name;
  double *feature = realloc(names->feature, (size_t)(room * projection_of(names)) * sizeof *feature);
  if (feature) names->feature = feature;
  VW_CHECK(name && feature, VW_ERR_MEMORY, "judging: out of memory for %lld names", (long long)room);
  names->room = room;
  return VW_OK;
}

/* Its place; adds it where it is not there. */
static vw_status place_of(vw_judge_names *names, const char *name, int64_t *place) {
  char text[TEXT_BYTES];
  VW_TRY(plain(name, text));
  for (*place = 0; *place < names->n; ++*place)
    if (strcmp(names->name[*place], text) == 0) return VW_OK;
  names->name[names->n] = vw_pool_text(&names->pool, text, -1);
  VW_CHECK(names->name[names->n], VW_ERR_MEMORY, "judging: out of memory for names");
  names->n++;
  return VW_OK;
}

vw_status vw_judge_names_find(vw_judge_names *names, const char *const *name, int64_t n, int64_t *place) {
  const int64_t before = names->n;
  VW_TRY(grow(names, names->n + n));
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i < n; i++) st = place_of(names, name[i], &place[i]);
  if (st == VW_OK && names->n > before) st = encode(names, before);
  if (st != VW_OK) names->n = before; /* without features they are no names */
  return st;
}

/* In double, term by term: as good as the features are, and the same whatever stands beside. */
void vw_judge_names_logits(const vw_judge_names *names, const double *feature, double *z) {
  const int64_t p = projection_of(names);
  for (int64_t k = 0; k < names->n; k++) {
    double sum = 0;
    for (int64_t i = 0; i < p; i++) sum += names->feature[k * p + i] * feature[i];
    z[k] = names->judge->scale * sum;
  }
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

static bool is_among(const int64_t *list, int64_t n, int64_t place) {
  for (int64_t i = 0; i < n; i++)
    if (list[i] == place) return true;
  return false;
}

static bool is_own(const vw_judge_rivals *r, int64_t place) {
  return place == r->concept || place == r->anchor;
}

void vw_judge_draw_others(vw_judge_rivals *r, uint64_t key) {
  int64_t available = 0; /* names that differ, as far as it matters */
  for (int64_t i = 0; i < r->n_known && available < VW_JUDGE_OTHERS; i++)
    available += !is_own(r, r->known[i]) && !is_among(r->known, i, r->known[i]);
  r->n_others = 0;
  for (uint32_t i = 0; r->n_others < available && i < UINT32_MAX; i++) {
    const uint32_t k = vw_below(vw_draw_u32(key, 0, VW_DRAW_BASELINE, i), (uint32_t)r->n_known);
    const int64_t place = r->known[k];
    if (!is_own(r, place) && !is_among(r->others, r->n_others, place)) r->others[r->n_others++] = place;
  }
}

/* The largest logit of a list, the concept's own left out. */
static double best_of(const vw_judge_rivals *r, const double *z, const int64_t *list, int64_t n) {
  double best = r->anchor >= 0 && r->anchor != r->concept ? z[r->anchor] : -INFINITY;
  for (int64_t i = 0; i < n; i++)
    if (list[i] != r->concept && z[list[i]] > best) best = z[list[i]];
  return best;
}

void vw_judge_score(const vw_judge_rivals *r, const double *z, double *numbers) {
  static const double tie = 1e-3; /* docs/protocol.md, Judging */
  const double mine = z[r->concept] - tie;
  const double few = best_of(r, z, r->concepts, r->n_concepts), ten = best_of(r, z, r->others, r->n_others);
  const double all = fmax(few, best_of(r, z, r->known, r->n_known));
  numbers[VW_GENERATION_NAMED] = mine > few, numbers[VW_GENERATION_NAMED_10] = mine > ten;
  numbers[VW_GENERATION_NAMED_ALL] = mine > all;
  for (int i = 0; i < VW_GENERATION_METRICS && !isfinite(mine); i++) numbers[i] = NAN;
}
