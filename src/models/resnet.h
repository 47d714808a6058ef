/* Parts that Stable Diffusion's UNet and autoencoder share: convolutions and norms by the names of their weights, and
 * the residual block. Everything is channels-last. */
#ifndef VW_MODELS_RESNET_H
#define VW_MODELS_RESNET_H

#include "graph/graph.h"
#include "kernels/conv2d.h"
#include "kernels/linear.h"

/* Weights are leaves below a printf-formatted path of at most VW_NAME_BYTES with ".weight" and ".bias" behind it. */
typedef char vw_weight_path[VW_NAME_BYTES];

/* Writes a path; returns it. */
const char *vw_path_of(vw_weight_path path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A linear layer [.., in] to [.., out]. */
vw_linear_weights vw_linear_of(vw_graph *g, int64_t in, int64_t out, bool bias, const char *path);

/* A convolution with bias of x [B, H, W, C] to `out` channels; shift and residual as in kernels/conv2d.h, VW_NONE where
 * absent. `side` 3 has a border of one pixel at stride 1; at stride 2 `padding` says where zeros lie. */
vw_value vw_conv3_of(vw_graph *g, vw_value x, int64_t out, vw_value shift, vw_value residual, vw_dtype role,
                     const char *path);
vw_value vw_conv1_of(vw_graph *g, vw_value x, int64_t out, vw_value residual, vw_dtype role, const char *path);
vw_value vw_conv_down_of(vw_graph *g, vw_value x, vw_padding padding, const char *path);

vw_value vw_group_norm_of(vw_graph *g, vw_value x, int64_t groups, double eps, bool silu, const char *path);

typedef struct vw_resnet {
  int64_t groups;
  double eps;
  vw_value time; /* SiLU of the time embedding [B, T]; VW_NONE: none */
} vw_resnet;

/* GN-SiLU-conv3 (+ linear(time) a channel), GN-SiLU-conv3, + x, or + its 1x1 convolution where widths differ:
 * x [B, H, W, C] -> [B, H, W, out] (He et al. 2016, arXiv 1603.05027; Ho et al. 2020, arXiv 2006.11239, appendix B). */
vw_value vw_resnet_block(vw_graph *g, vw_value x, int64_t out, const vw_resnet *r, const char *path);

#endif
