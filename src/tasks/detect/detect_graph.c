#include "tasks/detect/detect_graph.h"

#include "core/random.h"
#include "kernels/draw.h"
#include "kernels/focal_loss.h"
#include "kernels/join.h"
#include "kernels/match_patches.h"
#include "kernels/take.h"
#include "models/owlv2.h"
#include "networks/clip.h"
#include "tasks/leaves.h"

static const double ALPHA = 0.25; /* of the focal loss */

typedef struct step_draws {
  vw_value template; /* [streams] */
  vw_value picture;  /* [streams, pictures of the slice] */
  vw_value batch;    /* [streams, all pictures with the concept]: what counts the boxes of the step */
} step_draws;

static step_draws draw_step(vw_graph *g, const vw_learn_config *learn, const vw_step_shape *s, vw_value step,
                            uint32_t set) {
  const int64_t G = s->size[VW_DETECT_STREAMS];
  const vw_value key = vw_input(g, vw_shape(VW_U32, G, 2), "key");
  const vw_step_part with = vw_step_part_of(s, learn->positives), without = vw_step_part_of(s, learn->negatives);
  step_draws d = {VW_NONE, VW_NONE, VW_NONE};
  d.template = vw_draw(g, key, step, vw_step_pool(g, "template", s->size[VW_DETECT_M], G),
                       (vw_draw_attr){.S = 1, .purpose = VW_DRAW_TEMPLATE + set, .squeeze = true});
  const vw_draw_pools positive = vw_step_pool(g, "positive", s->size[VW_DETECT_POSITIVES], G);
  d.batch = vw_draw(g, key, step, positive, (vw_draw_attr){.S = learn->positives, .purpose = VW_DRAW_POSITIVE + set});
  const vw_draw_attr part = {.S = with.n, .first = with.first, .purpose = VW_DRAW_POSITIVE + set};
  if (with.n) d.picture = with.n == learn->positives ? d.batch : vw_draw(g, key, step, positive, part);
  if (without.n) {
    const vw_draw_attr attr = {.S = without.n, .first = without.first, .purpose = VW_DRAW_NEGATIVE + set};
    const vw_value negative = vw_draw(g, key, step, vw_step_pool(g, "negative", s->size[VW_DETECT_NEGATIVES], G), attr);
    d.picture = d.picture == VW_NONE ? negative : vw_join(g, d.picture, negative);
  }
  return d;
}

/* Which patches answer: of each picture, or of each word and picture as the word is now. */
static vw_value matched_patches(vw_graph *g, const vw_learn_config *learn, const vw_step_shape *s, vw_value z,
                                vw_value picture) {
  const int64_t pictures = s->size[VW_DETECT_POSITIVES] + s->size[VW_DETECT_NEGATIVES], N = s->size[VW_DETECT_PATCHES];
  if (learn->matching == VW_MATCHING_FIXED) return vw_input(g, vw_shape(VW_I32, pictures, N), "matched");
  const vw_match_boxes boxes = {.picture = picture,
                                .first = vw_input(g, vw_shape(VW_I32, pictures + 1), "first_box"),
                                .place = vw_input(g, vw_shape(VW_HEAD, s->size[VW_DETECT_BOXES], N), "place")};
  return vw_match_patches(g, z, boxes, ALPHA);
}

vw_status vw_detect_loss(const vw_detect_step *c, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                         vw_value *loss) {
  const vw_prompt_sizes prompts = {s->size[VW_DETECT_M], s->size[VW_DETECT_P], s->size[VW_DETECT_T]};
  const int64_t pictures = s->size[VW_DETECT_POSITIVES] + s->size[VW_DETECT_NEGATIVES], N = s->size[VW_DETECT_PATCHES];
  const step_draws d = draw_step(g, c->learn, s, step->step, step->set);
  const vw_value row_word = vw_input(g, vw_shape(VW_I32, s->K), "row_word");
  const vw_value row_template = vw_take(g, d.template, vw_input(g, vw_shape(VW_I32, s->K), "row_stream"));
  vw_value q = VW_NONE;
  VW_TRY(vw_clip_word_feature(g, c->text, &prompts, step->words, row_word, row_template, &q));
  const vw_patch_features f = {.features = vw_input(g, vw_shape(c->type, pictures, N, c->text->projection), "features"),
                               .shift = vw_input(g, vw_shape(VW_HEAD, pictures, N), "shift"),
                               .scale = vw_input(g, vw_shape(VW_HEAD, pictures, N), "scale")};
  const vw_value z = vw_owlv2_logits(g, q, f, d.picture);
  const vw_focal_targets targets = {.picture = d.picture,
                                    .matched = matched_patches(g, c->learn, s, z, d.picture),
                                    .boxes = vw_input(g, vw_shape(VW_I32, pictures), "boxes"),
                                    .batch = d.batch};
  *loss = vw_focal_loss(g, z, targets, ALPHA);
  if (s->slices > 1) return vw_graph_status(g);
  vw_output(g, d.template, "template");
  vw_output(g, d.picture, "picture");
  return vw_graph_status(g);
}

vw_status vw_detect_emit(const void *step, vw_graph *g, const vw_step_shape *s, const vw_step_in *in, vw_value *loss) {
  return vw_detect_loss(step, g, s, in, loss);
}
