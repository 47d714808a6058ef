#include "models/resnet.h"

#include "kernels/cast.h"
#include "kernels/group_norm.h"

#include <stdarg.h>
#include <stdio.h>

const char *vw_path_of(vw_weight_path path, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(path, sizeof(vw_weight_path), fmt, args);
  va_end(args);
  return path;
}

vw_linear_weights vw_linear_of(vw_graph *g, int64_t in, int64_t out, bool bias, const char *path) {
  return (vw_linear_weights){.weight = vw_weight(g, vw_shape(VW_PARAM, out, in), "%s.weight", path),
                             .bias = bias ? vw_weight(g, vw_shape(VW_PARAM, out), "%s.bias", path) : VW_NONE};
}

static vw_value conv(vw_graph *g, vw_value x, int64_t out, int64_t side, int64_t stride, vw_padding padding,
                     vw_value shift, vw_value residual, vw_dtype role, const char *path) {
  const vw_tensor t = vw_value_tensor(g, x);
  const int64_t C = vw_last_dim(&t);
  x = vw_cast(g, x, VW_ACT); /* of the stream, where that is wider than what is multiplied */
  const vw_conv2d_inputs in = {.weight = vw_weight(g, vw_shape(VW_PARAM, out, C, side, side), "%s.weight", path),
                               .bias = vw_weight(g, vw_shape(VW_PARAM, out), "%s.bias", path),
                               .shift = shift,
                               .residual = residual};
  return vw_conv2d(g, x, in, stride, padding, role);
}

vw_value vw_conv3_of(vw_graph *g, vw_value x, int64_t out, vw_value shift, vw_value residual, vw_dtype role,
                     const char *path) {
  return conv(g, x, out, 3, 1, (vw_padding){1, 1, 1, 1}, shift, residual, role, path);
}

vw_value vw_conv1_of(vw_graph *g, vw_value x, int64_t out, vw_value residual, vw_dtype role, const char *path) {
  return conv(g, x, out, 1, 1, (vw_padding){0, 0, 0, 0}, VW_NONE, residual, role, path);
}

vw_value vw_conv_down_of(vw_graph *g, vw_value x, vw_padding padding, const char *path) {
  const vw_tensor t = vw_value_tensor(g, x);
  return conv(g, x, vw_last_dim(&t), 3, 2, padding, VW_NONE, VW_NONE, VW_RESIDUAL, path);
}

vw_value vw_group_norm_of(vw_graph *g, vw_value x, int64_t groups, double eps, bool silu, const char *path) {
  const vw_tensor t = vw_value_tensor(g, x), c = vw_shape(VW_PARAM, vw_last_dim(&t));
  const vw_group_norm_weights w = {.gamma = vw_weight(g, c, "%s.weight", path),
                                   .beta = vw_weight(g, c, "%s.bias", path)};
  return vw_group_norm(g, x, w, groups, eps, silu);
}

vw_value vw_resnet_block(vw_graph *g, vw_value x, int64_t out, const vw_resnet *r, const char *path) {
  vw_weight_path name;
  const vw_tensor t = vw_value_tensor(g, x), time = vw_value_tensor(g, r->time);
  vw_value h = vw_group_norm_of(g, x, r->groups, r->eps, true, vw_path_of(name, "%s.norm1", path)), shift = VW_NONE;
  if (r->time != VW_NONE) {
    const vw_linear_weights w =
        vw_linear_of(g, vw_last_dim(&time), out, true, vw_path_of(name, "%s.time_emb_proj", path));
    shift = vw_linear(g, r->time, w, VW_ACT_NONE, VW_NONE, VW_ACT);
  }
  h = vw_conv3_of(g, h, out, shift, VW_NONE, VW_ACT, vw_path_of(name, "%s.conv1", path));
  h = vw_group_norm_of(g, h, r->groups, r->eps, true, vw_path_of(name, "%s.norm2", path));
  if (vw_last_dim(&t) != out)
    x = vw_conv1_of(g, x, out, VW_NONE, VW_RESIDUAL, vw_path_of(name, "%s.conv_shortcut", path));
  return vw_conv3_of(g, h, out, VW_NONE, x, VW_RESIDUAL, vw_path_of(name, "%s.conv2", path));
}
