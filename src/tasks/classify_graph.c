#include "tasks/classify_graph.h"

#include "core/random.h"
#include "kernels/draw.h"
#include "kernels/join.h"
#include "kernels/one_vs_rest_loss.h"
#include "kernels/pgd_step.h"
#include "kernels/picture_logits.h"
#include "kernels/record.h"
#include "kernels/splice.h"
#include "kernels/take.h"

#include <string.h>

enum { MAX_LAYERS = 128 };

/* The text encoder from the word on. row_template [B]: which template a row reads. */
static vw_value word_feature(vw_graph *g, const vw_clip_text_config *text, const vw_block_shape *s, vw_value words,
                             vw_value row_word, vw_value row_template) {
  const int64_t C = text->t.width;
  vw_value prefix[MAX_LAYERS];
  const vw_value tail = vw_input(g, vw_shape(VW_PARAM, s->M, s->T, C), "tail");
  const vw_value word_pos = vw_input(g, vw_shape(VW_I32, s->M), "word_pos");
  const vw_value length = vw_take(g, vw_input(g, vw_shape(VW_I32, s->M), "length_of"), row_template);
  const vw_value pooled = vw_take(g, vw_input(g, vw_shape(VW_I32, s->M), "pooled_of"), row_template);
  const bool cached = s->P > 0;
  for (int64_t i = 0; cached && i < text->t.layers; i++)
    prefix[i] = vw_input(g, vw_shape(VW_ACT, s->M, s->P, 2 * C), "prefix.%lld", (long long)i);
  const vw_clip_text_rows rows = {.prefix = cached ? prefix : NULL,
                                  .row_prefix = row_template,
                                  .prefix_len = cached ? vw_input(g, vw_shape(VW_I32, s->M), "prefix_len") : VW_NONE,
                                  .length = length};
  const vw_value x = vw_splice(g, words, tail, row_word, row_template, word_pos);
  return vw_clip_text_feature(g, text, x, rows, pooled, NULL);
}

static vw_draw_pools pools(vw_graph *g, const char *name, int64_t entries, int64_t K) {
  return (vw_draw_pools){.pool = vw_input(g, vw_shape(VW_I32, entries), "%s_pool", name),
                         .offset = vw_input(g, vw_shape(VW_I32, K), "%s_offset", name),
                         .count = vw_input(g, vw_shape(VW_I32, K), "%s_count", name)};
}

typedef struct step_draws {
  vw_value table;    /* [K] slot * M + template: the row of the tables of the other classes' logits */
  vw_value template; /* [K] */
  vw_value picture;  /* [K, positives + negatives] */
} step_draws;

vw_block_part vw_block_part_of(const vw_block_shape *s, int64_t all) {
  if (s->slices <= 1) return (vw_block_part){0, all};
  const int64_t first = all * s->slice / s->slices;
  return (vw_block_part){first, all * (s->slice + 1) / s->slices - first};
}

/* The step's pictures of one kind, or a slice's part of them: [K, n]; VW_NONE where there are none. */
static vw_value draw_pictures(vw_graph *g, const vw_block_shape *s, const char *name, vw_value key, vw_value step,
                              vw_block_part part, uint32_t purpose) {
  const bool positive = strcmp(name, "positive") == 0;
  if (part.n == 0) return VW_NONE;
  return vw_draw(g, key, step, pools(g, name, positive ? s->positive_pool : s->negative_pool, s->K),
                 (vw_draw_attr){.S = part.n, .first = part.first, .purpose = purpose});
}

static step_draws draw_step(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, vw_value step,
                            uint32_t set) {
  const vw_value key = vw_input(g, vw_shape(VW_U32, s->K, 2), "key");
  step_draws d;
  d.table = vw_draw(g, key, step, pools(g, "slot", s->slots * s->M, s->K),
                    (vw_draw_attr){.S = 1, .purpose = VW_DRAW_TEMPLATE + set, .squeeze = true});
  d.template = vw_take(g, vw_input(g, vw_shape(VW_I32, s->slots * s->M), "template_of"), d.table);
  const vw_value positive =
      draw_pictures(g, s, "positive", key, step, vw_block_part_of(s, learn->positives), VW_DRAW_POSITIVE + set);
  const vw_value negative =
      draw_pictures(g, s, "negative", key, step, vw_block_part_of(s, learn->negatives), VW_DRAW_NEGATIVE + set);
  d.picture = positive == VW_NONE ? negative : negative == VW_NONE ? positive : vw_join(g, positive, negative);
  return d;
}

static void emit_update(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, int64_t C, vw_value words,
                        vw_value gradient, vw_value step) {
  const vw_tensor matrix = vw_shape(VW_HEAD, s->K, C);
  const vw_value anchors = vw_input(g, matrix, "anchors"), radius = vw_input(g, vw_shape(VW_HEAD, s->K), "radius");
  if (learn->optimiser == VW_ADAMW) {
    const vw_adamw_moments mv = {.m = vw_state(g, matrix, "adam_m"), .v = vw_state(g, matrix, "adam_v")};
    const vw_adamw_attr attr = {
        .lr = learn->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = learn->weight_decay};
    (void)vw_adamw_step(g, words, gradient, anchors, radius, mv, step, attr);
  } else {
    const vw_pgd_attr attr = {.eta0 = learn->eta, .steps = learn->steps};
    (void)vw_pgd_step(g, words, gradient, anchors, radius, step, attr);
  }
}

/* Loss [K] of the words on this step's pictures, or on a slice of them. */
static vw_value emit_loss(vw_graph *g, const vw_clip_text_config *text, const vw_learn_config *learn,
                          const vw_block_shape *s, double scale, vw_value words, const step_draws *d) {
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, s->K), "row_word");
  const vw_value q = word_feature(g, text, s, words, row_word, d->template);
  const vw_value features = vw_input(g, vw_shape(VW_HEAD, s->pictures, text->projection), "features");
  const vw_value z = vw_picture_logits(g, q, features, d->picture, scale);
  const vw_tensor table = vw_shape(VW_HEAD, s->slots * s->M, s->pictures);
  const vw_one_vs_rest_tables rest = {
      .row_table = d->table, .rest = vw_input(g, table, "rest"), .truth = vw_input(g, table, "truth")};
  const vw_one_vs_rest_attr attr = {.positives = vw_block_part_of(s, learn->positives).n,
                                    .of = learn->positives + learn->negatives};
  return vw_one_vs_rest_loss(g, z, d->picture, rest, attr);
}

static void emit_rest_of_step(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, int64_t C,
                              vw_value words, vw_value gradient, vw_value loss, vw_value step) {
  emit_update(g, learn, s, C, words, gradient, step);
  (void)vw_record(g, vw_state(g, vw_shape(VW_HEAD, s->points, s->K), "history"), loss, step, s->every);
  (void)vw_advance(g, step);
}

static vw_status update_graph(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, int64_t C) {
  const vw_tensor matrix = vw_shape(VW_HEAD, s->K, C);
  const vw_value words = vw_state(g, matrix, "words"), step = vw_state(g, vw_shape(VW_I64, 1), "step");
  const vw_value gradient = vw_input(g, matrix, "gradient"), loss = vw_input(g, vw_shape(VW_HEAD, s->K), "loss");
  emit_rest_of_step(g, learn, s, C, words, gradient, loss, step);
  return vw_graph_status(g);
}

vw_status vw_block_graph(vw_graph *g, const vw_clip_text_config *text, const vw_learn_config *learn,
                         const vw_block_shape *shape, double scale, vw_block_mode mode) {
  const bool train = mode == VW_BLOCK_TRAIN;
  const int64_t C = text->t.width;
  const vw_tensor matrix = vw_shape(VW_HEAD, shape->K, C), one = vw_shape(VW_I64, 1);
  vw_block_shape s = *shape;
  VW_CHECK(text->t.layers <= MAX_LAYERS, VW_ERR_UNSUPPORTED, "a text encoder of %lld layers; at most %d",
           (long long)text->t.layers, MAX_LAYERS);
  if (mode == VW_BLOCK_UPDATE) return update_graph(g, learn, &s, C);
  if (mode != VW_BLOCK_SLICE) s.slice = s.slices = 0;
  const vw_value words = train ? vw_state(g, matrix, "words") : vw_input(g, matrix, "words");
  const vw_value step = train ? vw_state(g, one, "step") : vw_input(g, one, "step");
  const step_draws d = draw_step(g, learn, &s, step, mode == VW_BLOCK_WATCH ? VW_DRAW_WATCH : 0);
  const vw_value loss = emit_loss(g, text, learn, &s, scale, words, &d);
  vw_value gradient = VW_NONE;
  VW_TRY(vw_reverse(g, loss, &words, 1, &gradient));
  if (train)
    emit_rest_of_step(g, learn, &s, C, words, gradient, loss, step);
  else
    vw_output(g, gradient, "gradient");
  vw_output(g, loss, "loss");
  if (mode == VW_BLOCK_SLICE) return vw_graph_status(g);
  vw_output(g, d.template, "template");
  vw_output(g, d.picture, "picture");
  return vw_graph_status(g);
}

vw_status vw_word_feature_graph(vw_graph *g, const vw_clip_text_config *text, int64_t K, int64_t B,
                                const vw_block_shape *s) {
  const vw_value words = vw_input(g, vw_shape(VW_HEAD, K, text->t.width), "words");
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, B), "row_word");
  const vw_value row_template = vw_input(g, vw_shape(VW_I32, B), "row_template");
  vw_output(g, word_feature(g, text, s, words, row_word, row_template), "feature");
  return vw_graph_status(g);
}
