#include "learn/baselines.h"

#include "core/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places in the stream of purpose VW_DRAW_BASELINE: 0.. for the classes of recall_10, then these. */
enum { RANDOM_WORD = 64, RANDOM_DIRECTION = 128 };

static vw_status concept_key(const vw_clip_task *t, const char *concept, uint64_t *key) {
  const vw_stream stream = {.data = t->pictures->data->name, .concept = concept, .replica = 0, .seed = t->seed};
  return vw_stream_key(&stream, key);
}

vw_status vw_random_word(const vw_clip_task *t, const vw_word_table *w, const char *concept, int32_t *id) {
  uint64_t key = 0;
  VW_TRY(concept_key(t, concept, &key));
  *id = w->neighbours[vw_below(vw_draw_u32(key, 0, VW_DRAW_BASELINE, RANDOM_WORD), (uint32_t)w->n_neighbours)];
  return VW_OK;
}

/* A unit vector of the concept's stream: normals of Philox blocks from RANDOM_DIRECTION on. */
static void random_direction(uint64_t key, int64_t C, double *out) {
  double sum = 0;
  for (int64_t c = 0; c < C; c++) {
    float z[4];
    vw_normal4(vw_philox4x32(key, (uint32_t)(RANDOM_DIRECTION + c / 4), 0, VW_DRAW_BASELINE, 0), z);
    out[c] = z[c % 4], sum += out[c] * out[c];
  }
  for (int64_t c = 0; c < C; c++) out[c] /= sqrt(sum);
}

typedef struct builder {
  const vw_clip_task *t;
  const vw_word_table *w;
  const vw_study_config *config;
  const char *concept;
  vw_baseline_row *rows;
  double *vectors; /* [rows, C] */
  int64_t n, name; /* name: the row that is judged as text */
} builder;

static vw_status add_words(builder *b) {
  const int64_t C = b->t->network->text.t.width;
  const vw_tokenizer *tokenizer = b->t->network->tokenizer;
  int32_t id = 0;
  for (int64_t a = 0; a < b->config->anchors.n; a++, b->n++) {
    vw_baseline_row *r = &b->rows[b->n];
    r->kind = "anchor", r->anchor = b->config->anchors.name[a];
    (void)snprintf(r->delta, sizeof r->delta, "0");
    (void)snprintf(r->word, sizeof r->word, "%s", r->anchor);
    VW_TRY(vw_tokenizer_word(tokenizer, r->anchor, &id));
    VW_TRY(vw_clip_word_vector(b->t->network, id, b->vectors + b->n * C));
  }
  vw_baseline_row *r = &b->rows[b->n];
  r->kind = "random_word", r->anchor = "";
  VW_TRY(vw_random_word(b->t, b->w, b->concept, &id));
  vw_tokenizer_label(tokenizer, id, r->word, sizeof r->word);
  VW_TRY(vw_clip_word_vector(b->t->network, id, b->vectors + b->n++ * C));
  return VW_OK;
}

static vw_status add_directions(builder *b) {
  const int64_t C = b->t->network->text.t.width, n_anchors = b->config->anchors.n;
  double *direction = malloc((size_t)C * sizeof *direction);
  uint64_t key = 0;
  vw_status st = direction ? concept_key(b->t, b->concept, &key) : VW_RAISE(VW_ERR_MEMORY, "baselines: out of memory");
  if (st == VW_OK) random_direction(key, C, direction);
  for (int64_t a = 0; st == VW_OK && a < n_anchors; a++) {
    int32_t id = 0;
    int64_t nearest = 0;
    double distance = 0;
    VW_GOTO(vw_tokenizer_word(b->t->network->tokenizer, b->config->anchors.name[a], &id));
    VW_GOTO(vw_anchor_neighbour(&b->w->e, id, &nearest, &distance));
    for (int64_t i = 0; i < b->config->deltas.n; i++) {
      const double delta = b->config->deltas.v[i];
      if (isinf(delta)) continue;
      vw_baseline_row *r = &b->rows[b->n];
      r->kind = "random_direction", r->anchor = b->config->anchors.name[a];
      vw_delta_text(delta, r->delta);
      for (int64_t c = 0; c < C; c++)
        b->vectors[b->n * C + c] = b->vectors[a * C + c] + delta * distance * direction[c];
      b->n++;
    }
  }
cleanup:
  free(direction);
  return st;
}

/* One token that was trained, or several tokens of a network that was trained on all of them. */
static bool name_is_known(const builder *b) {
  const vw_tokenizer *tokenizer = b->t->network->tokenizer;
  int32_t ids[64];
  int64_t n = 0;
  bool known = vw_tokenizer_encode_part(tokenizer, b->concept, ids, 64, &n) == VW_OK && n > 0;
  if (!known) vw_error_clear();
  for (int64_t i = 0; known && i < n; i++) known = b->w->mask[ids[i]] || !vw_tokenizer_is_whole_word(tokenizer, ids[i]);
  return known;
}

/* Judges all rows; the name's from its text. */
static vw_status judge_rows(builder *b) {
  const size_t one = vw_clip_feature_bytes(b->t->network);
  const char *text_template = b->t->learn->judge_template;
  vw_slot slot = {0};
  vw_others others;
  vw_judge judge = {0};
  vw_status st = VW_OK;
  char text[512];
  const char *texts[] = {text};
  char *q = malloc((size_t)b->n * one);
  double *metrics = malloc((size_t)(b->n * VW_METRICS) * sizeof *metrics);
  if (!q || !metrics) st = VW_RAISE(VW_ERR_MEMORY, "baselines: out of memory");
  if (st != VW_OK) goto cleanup;
  VW_GOTO(vw_slot_create(&slot, b->t, b->concept, false));
  VW_GOTO(vw_slot_others(&slot, b->t, b->concept, &others));
  VW_GOTO(vw_judge_create(&judge, b->t, &slot, &others));
  VW_GOTO(vw_judge_encode(b->t, b->vectors, b->n, q));
  const bool known = name_is_known(b);
  VW_GOTO(vw_class_text(text_template, b->concept, text, sizeof text));
  if (known) VW_GOTO(vw_clip_encode_text(b->t->network, texts, 1, q + (size_t)b->name * one));
  if (known) (void)snprintf(b->rows[b->name].word, sizeof b->rows[b->name].word, "%s", b->concept);
  VW_GOTO(vw_judge_features(&judge, q, b->n, metrics));
  for (int64_t i = 0; i < b->n; i++)
    for (int j = 0; j < VW_METRICS; j++)
      b->rows[i].metrics[j] = i == b->name && !known ? NAN : metrics[i * VW_METRICS + j];
cleanup:
  vw_judge_free(&judge);
  vw_slot_free(&slot);
  free(q), free(metrics);
  return st;
}

vw_status vw_baselines_run(const vw_clip_task *t, const vw_word_table *w, const vw_study_config *config,
                           const char *concept, vw_baseline_row **rows, int64_t *n) {
  const int64_t most = config->anchors.n * (config->deltas.n + 1) + 2, C = t->network->text.t.width;
  builder b = {.t = t, .w = w, .config = config, .concept = concept};
  vw_status st = VW_OK;
  b.rows = calloc((size_t)most, sizeof *b.rows), b.vectors = calloc((size_t)(most * C), sizeof *b.vectors);
  if (!b.rows || !b.vectors) st = VW_RAISE(VW_ERR_MEMORY, "baselines: out of memory");
  if (st != VW_OK) goto cleanup;
  VW_GOTO(add_words(&b));
  b.name = b.n++; /* its vector stays zero: it is judged as text */
  b.rows[b.name].kind = "name", b.rows[b.name].anchor = "";
  VW_GOTO(add_directions(&b));
  VW_GOTO(judge_rows(&b));
cleanup:
  free(b.vectors);
  if (st != VW_OK) free(b.rows), b.rows = NULL;
  *rows = b.rows, *n = b.n;
  return st;
}
