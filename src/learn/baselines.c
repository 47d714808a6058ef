#include "learn/baselines.h"

#include "core/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places in the stream of purpose VW_DRAW_BASELINE: 0.. for the classes of recall_10, then these. */
enum { RANDOM_WORD = 64, RANDOM_DIRECTION = 128 };

static vw_status concept_key(const vw_task_inputs *in, const char *concept, uint64_t *key) {
  const vw_stream stream = {.data = in->pictures->data->name, .concept = concept, .replica = 0, .seed = in->seed};
  return vw_stream_key(&stream, key);
}

vw_status vw_random_word(const vw_task_inputs *in, const vw_word_table *w, const char *concept, int32_t *id) {
  uint64_t key = 0;
  VW_TRY(concept_key(in, concept, &key));
  *id = w->neighbours[vw_below(vw_draw_u32(key, 0, VW_DRAW_BASELINE, RANDOM_WORD), (uint32_t)w->n_neighbours)];
  return VW_OK;
}

/* Unit vectors [n, W] of the concept's stream: normals of Philox blocks from RANDOM_DIRECTION on. */
static void random_directions(uint64_t key, int64_t n, int64_t W, double *out) {
  for (int64_t first = 0; first < n * W; first += W) {
    double sum = 0;
    for (int64_t c = first; c < first + W; c++) {
      float z[4];
      vw_normal4(vw_philox4x32(key, (uint32_t)(RANDOM_DIRECTION + c / 4), 0, VW_DRAW_BASELINE, 0), z);
      out[c] = z[c % 4], sum += out[c] * out[c];
    }
    for (int64_t c = first; c < first + W; c++) out[c] /= sqrt(sum);
  }
}

typedef struct builder {
  vw_baselines *b;
  const vw_task_inputs *in;
  const vw_task_kind *kind;
  const vw_word_table *w;
  const vw_trials_config *trials; /* of the model */
} builder;

static vw_baseline_row *next_row(vw_baselines *b, const char *kind, const char *anchor) {
  vw_baseline_row *r = &b->rows[b->n++];
  r->kind = kind, r->anchor = anchor, r->is_judged = true;
  return r;
}

/* Numbers of a word. */
static int64_t word_size(const vw_task_inputs *in) {
  return in->vectors * in->network->width;
}

/* The last row's word is the embedding of one token, as often as words have vectors. */
static vw_status set_token(const builder *of, int32_t id) {
  const int64_t C = word_size(of->in), W = of->in->network->width;
  for (int64_t at = 0; at < C; at += W)
    VW_TRY(vw_text_word_vector(&of->in->network->text, id, of->b->vectors + (of->b->n - 1) * C + at));
  return VW_OK;
}

static vw_status add_words(const builder *of) {
  vw_baselines *b = of->b;
  const vw_text *text = &of->in->network->text;
  int32_t id = 0;
  for (int64_t a = 0; a < of->trials->anchors.n; a++) {
    vw_baseline_row *r = next_row(b, "anchor", of->trials->anchors.name[a]);
    (void)snprintf(r->delta, sizeof r->delta, "0");
    (void)snprintf(r->word, sizeof r->word, "%s", r->anchor);
    VW_TRY(vw_tokenizer_word(text->tokenizer, r->anchor, &id));
    VW_TRY(set_token(of, id));
  }
  vw_baseline_row *r = next_row(b, "random_word", "");
  VW_TRY(vw_random_word(of->in, of->w, b->concept, &id));
  vw_tokenizer_label(text->tokenizer, id, r->word, sizeof r->word);
  return set_token(of, id);
}

bool vw_baseline_name_is_known(const vw_word_table *w, const char *concept) {
  const vw_tokenizer *tokenizer = w->network->text.tokenizer;
  int32_t ids[64];
  int64_t n = 0;
  bool known = vw_tokenizer_encode_part(tokenizer, concept, ids, 64, &n) == VW_OK && n > 0;
  if (!known) vw_error_clear();
  for (int64_t i = 0; known && i < n; i++) known = w->mask[ids[i]] || !vw_tokenizer_is_whole_word(tokenizer, ids[i]);
  return known;
}

/* Judged from its text: a name may be several tokens. */
static void add_name(const builder *of) {
  vw_baselines *b = of->b;
  vw_baseline_row *r = next_row(b, "name", "");
  r->is_judged = vw_baseline_name_is_known(of->w, b->concept);
  if (!r->is_judged) return;
  (void)snprintf(r->word, sizeof r->word, "%s", b->concept);
  b->texts[b->n - 1] = b->concept;
}

static double largest_finite(const vw_numbers *deltas) {
  double most = 0;
  for (int64_t i = 0; i < deltas->n; i++)
    if (!isinf(deltas->v[i]) && deltas->v[i] > most) most = deltas->v[i];
  return most;
}

static vw_status add_directions(const builder *of) {
  vw_baselines *b = of->b;
  const vw_numbers *deltas = &of->trials->deltas;
  const int64_t C = word_size(of->in), n_anchors = of->trials->anchors.n;
  const double most = largest_finite(deltas);
  double *direction = malloc((size_t)C * sizeof *direction);
  uint64_t key = 0;
  vw_status st =
      direction ? concept_key(of->in, b->concept, &key) : VW_RAISE(VW_ERR_MEMORY, "baselines: out of memory");
  if (st == VW_OK) random_directions(key, of->in->vectors, of->in->network->width, direction);
  for (int64_t a = 0; st == VW_OK && a < n_anchors; a++) {
    int32_t id = 0;
    int64_t nearest = 0;
    double distance = 0;
    VW_GOTO(vw_tokenizer_word(of->in->network->text.tokenizer, of->trials->anchors.name[a], &id));
    VW_GOTO(vw_anchor_neighbour(&of->w->e, id, &nearest, &distance));
    for (int64_t i = 0; i < deltas->n; i++) {
      const double delta = deltas->v[i];
      if (isinf(delta) || (of->kind->few_directions && delta < most)) continue;
      vw_baseline_row *r = next_row(b, "random_direction", of->trials->anchors.name[a]);
      vw_delta_text(delta, r->delta);
      for (int64_t c = 0; c < C; c++)
        b->vectors[(b->n - 1) * C + c] = b->vectors[a * C + c] + delta * distance * direction[c];
    }
  }
cleanup:
  free(direction);
  return st;
}

void vw_baselines_free(vw_baselines *b) {
  free(b->rows), free(b->vectors), free((void *)b->texts), free((void *)b->anchors), free((void *)b->labels);
  *b = (vw_baselines){0};
}

/* What tells them from one another: "random-direction-dog-0.5". */
static void set_labels(vw_baselines *b) {
  for (int64_t i = 0; i < b->n; i++) {
    vw_baseline_row *r = &b->rows[i];
    vw_drawn_baseline(r->kind, r->anchor, r->delta, r->label);
    b->anchors[i] = r->anchor[0] ? r->anchor : NULL;
    b->labels[i] = r->is_judged ? r->label : NULL;
  }
}

vw_status vw_baselines_list(vw_baselines *b, const vw_task_inputs *in, const vw_task_kind *kind, const vw_word_table *w,
                            const char *concept) {
  const vw_trials_config *trials = &in->model->trials;
  const int64_t most = trials->anchors.n * (trials->deltas.n + 1) + 2;
  const builder of = {.b = b, .in = in, .kind = kind, .w = w, .trials = trials};
  *b = (vw_baselines){.concept = concept};
  b->rows = calloc((size_t)most, sizeof *b->rows);
  b->vectors = calloc((size_t)(most * word_size(in)), sizeof *b->vectors);
  b->texts = calloc((size_t)most, sizeof *b->texts);
  b->anchors = calloc((size_t)most, sizeof *b->anchors), b->labels = calloc((size_t)most, sizeof *b->labels);
  VW_CHECK(b->rows && b->vectors && b->texts && b->anchors && b->labels, VW_ERR_MEMORY, "baselines: out of memory");
  VW_TRY(add_words(&of));
  add_name(&of);
  VW_TRY(add_directions(&of));
  set_labels(b);
  return VW_OK;
}

vw_judged vw_baselines_judged(const vw_baselines *b) {
  return (vw_judged){.concept = b->concept,
                     .n = b->n,
                     .words = b->vectors,
                     .texts = b->texts,
                     .anchors = b->anchors,
                     .labels = b->labels,
                     .are_baselines = true};
}

void vw_baselines_mask(const vw_baselines *b, int n_metrics, double *metrics, vw_kept_numbers *kept) {
  for (int64_t i = 0; i < b->n; i++) {
    for (int j = 0; j < n_metrics && !b->rows[i].is_judged; j++) metrics[i * n_metrics + j] = NAN;
    for (int64_t k = 0; k < kept->each && !b->rows[i].is_judged; k++) kept->numbers[i * kept->each + k] = NAN;
  }
}
