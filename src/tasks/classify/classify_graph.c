#include "tasks/classify/classify_graph.h"

#include "core/random.h"
#include "kernels/join.h"
#include "kernels/one_vs_rest_loss.h"
#include "kernels/picture_logits.h"
#include "kernels/take.h"
#include "networks/clip.h"
#include "tasks/leaves.h"

#include <string.h>

typedef struct step_draws {
  vw_value table;    /* [K] slot * M + template: the row of the tables of the other classes' logits */
  vw_value template; /* [K] */
  vw_value picture;  /* [K, positives + negatives] */
} step_draws;

/* The step's pictures of one kind, or a slice's part of them: [K, n]; VW_NONE where there are none. */
static vw_value draw_pictures(vw_graph *g, const vw_step_shape *s, const char *name, vw_value key, vw_value step,
                              vw_step_part part, uint32_t purpose) {
  const bool positive = strcmp(name, "positive") == 0;
  if (part.n == 0) return VW_NONE;
  return vw_draw(
      g, key, step,
      vw_step_pool(g, name, positive ? s->size[VW_CLASSIFY_POSITIVES] : s->size[VW_CLASSIFY_NEGATIVES], s->K),
      (vw_draw_attr){.S = part.n, .first = part.first, .purpose = purpose});
}

static step_draws draw_step(vw_graph *g, const vw_learn_config *learn, const vw_step_shape *s, vw_value step,
                            uint32_t set) {
  const vw_value key = vw_input(g, vw_shape(VW_U32, s->K, 2), "key");
  step_draws d;
  d.table = vw_draw(g, key, step, vw_step_pool(g, "slot", s->size[VW_CLASSIFY_SLOTS] * s->size[VW_CLASSIFY_M], s->K),
                    (vw_draw_attr){.S = 1, .purpose = VW_DRAW_TEMPLATE + set, .squeeze = true});
  d.template = vw_take(
      g, vw_input(g, vw_shape(VW_I32, s->size[VW_CLASSIFY_SLOTS] * s->size[VW_CLASSIFY_M]), "template_of"), d.table);
  const vw_value positive =
      draw_pictures(g, s, "positive", key, step, vw_step_part_of(s, learn->positives), VW_DRAW_POSITIVE + set);
  const vw_value negative =
      draw_pictures(g, s, "negative", key, step, vw_step_part_of(s, learn->negatives), VW_DRAW_NEGATIVE + set);
  d.picture = positive == VW_NONE ? negative : negative == VW_NONE ? positive : vw_join(g, positive, negative);
  return d;
}

vw_status vw_classify_loss(const vw_classify_step *c, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                           vw_value *loss) {
  const vw_prompt_sizes prompts = {s->size[VW_CLASSIFY_M], s->size[VW_CLASSIFY_P], s->size[VW_CLASSIFY_T]};
  const int64_t pictures = s->size[VW_CLASSIFY_PICTURES];
  const step_draws d = draw_step(g, c->learn, s, step->step, step->set);
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, s->K), "row_word");
  vw_value q = VW_NONE;
  VW_TRY(vw_clip_word_feature(g, c->text, &prompts, step->words, row_word, d.template, &q));
  const vw_value features = vw_input(g, vw_shape(VW_HEAD, pictures, c->text->projection), "features");
  const vw_value z = vw_picture_logits(g, q, features, d.picture, c->scale);
  const vw_tensor table = vw_shape(VW_HEAD, s->size[VW_CLASSIFY_SLOTS] * prompts.M, pictures);
  const vw_one_vs_rest_tables rest = {
      .row_table = d.table, .rest = vw_input(g, table, "rest"), .truth = vw_input(g, table, "truth")};
  const vw_one_vs_rest_attr attr = {.positives = vw_step_part_of(s, c->learn->positives).n,
                                    .of = c->learn->positives + c->learn->negatives};
  *loss = vw_one_vs_rest_loss(g, z, d.picture, rest, attr);
  if (s->slices > 1) return vw_graph_status(g);
  vw_output(g, d.template, "template");
  vw_output(g, d.picture, "picture");
  return vw_graph_status(g);
}

vw_status vw_classify_emit(const void *user, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                           vw_value *loss) {
  return vw_classify_loss(user, g, s, step, loss);
}
