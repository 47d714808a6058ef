#include "models/owlv2.h"

#include "kernels/class_merge.h"
#include "kernels/elu_plus.h"
#include "kernels/grid_box.h"
#include "kernels/unit_rows.h"
#include "models/transformer.h"

#include <stdio.h>

/* Image and text features are divided by |x| + EPS before they meet. */
static const double EPS = 1e-6;

static vw_value dense(vw_graph *g, vw_value x, int64_t in, int64_t out, vw_activation act, vw_dtype role,
                      const char *path) {
  const vw_linear_weights w = {.weight = vw_weight(g, vw_shape(VW_PARAM, out, in), "%s.weight", path),
                               .bias = vw_weight(g, vw_shape(VW_PARAM, out), "%s.bias", path)};
  return vw_linear(g, x, w, act, VW_NONE, role);
}

/* Two hidden layers of the features' width, then `out` numbers a patch. */
static vw_value perceptron(vw_graph *g, vw_value x, int64_t width, int64_t out, const char *head) {
  char path[3][VW_NAME_BYTES];
  for (int i = 0; i < 3; i++) (void)snprintf(path[i], VW_NAME_BYTES, "%s.dense%d", head, i);
  x = dense(g, x, width, width, VW_ACT_GELU, VW_ACT, path[0]);
  x = dense(g, x, width, width, VW_ACT_GELU, VW_ACT, path[1]);
  return dense(g, x, width, out, VW_ACT_NONE, VW_HEAD, path[2]);
}

vw_owlv2_picture_values vw_owlv2_picture(vw_graph *g, const vw_clip_vision_config *vision, vw_value pixels) {
  const int64_t D = vision->t.width;
  vw_value x = vw_class_merge(g, vw_clip_vision_tokens(g, vision, pixels, VW_NONE, NULL));
  x = vw_layernorm(g, x, vw_norm_weights_of(g, D, "layer_norm"), vision->t.eps);
  vw_owlv2_picture_values v;
  v.embedding = vw_unit_rows(g, dense(g, x, D, vision->projection, VW_ACT_NONE, VW_HEAD, "class_head.dense0"), EPS);
  v.shift = dense(g, x, D, 1, VW_ACT_NONE, VW_HEAD, "class_head.logit_shift");
  v.scale = vw_elu_plus(g, dense(g, x, D, 1, VW_ACT_NONE, VW_HEAD, "class_head.logit_scale"));
  v.boxes = vw_grid_box(g, perceptron(g, x, D, 4, "box_head"));
  v.objectness = perceptron(g, x, D, 1, "objectness_head");
  return v;
}

vw_value vw_owlv2_logits(vw_graph *g, vw_value q, vw_patch_features f, vw_value picture) {
  return vw_patch_logits(g, q, f, picture, 1 / (1 + EPS)); /* |q| is 1 */
}
