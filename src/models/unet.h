/* Stable Diffusion's UNet (Rombach et al. 2022, arXiv 2112.10752; diffusers' UNet2DConditionModel) as a description:
 * residual blocks that know the timestep, and at some levels transformer blocks that look at a text's states.
 *
 * Weights are leaves named as in the hub's files behind `prefix`. Latents have any size: where a level's size is odd,
 * up sampling goes to the size of the skip it meets. */
#ifndef VW_MODELS_UNET_H
#define VW_MODELS_UNET_H

#include "graph/graph.h"

enum { VW_UNET_LEVELS = 8, VW_UNET_LAYERS = 8 };

typedef struct vw_unet_level {
  int64_t width, layers; /* residual blocks down; one more up */
  int64_t heads, depth;  /* of attention; transformer blocks of one stack */
  bool attends_down, attends_up;
} vw_unet_level;

typedef struct vw_unet_config {
  int64_t in_channels, out_channels;
  int64_t levels; /* finest first */
  vw_unet_level level[VW_UNET_LEVELS];
  int64_t context; /* width of the text's states */
  int64_t groups;
  double eps;             /* of the residual blocks' norms */
  bool linear_projection; /* into and out of a transformer stack: linear layers, else 1x1 convolutions */
  bool cosine_first;      /* of the timestep's sinusoids */
  double frequency_shift;
  int64_t down_padding; /* 1: around; 0: right and bottom alone */
  const char *prefix;   /* of the weights' names: "unet." */
} vw_unet_config;

/* Rows may share latents. Then x and t come in groups of `each` [R each, ..], row k `each` + i reads the i-th of the
 * group latents[k], and what comes before the first look at a text is computed once a group. */
typedef struct vw_unet_in {
  vw_value x;       /* [B, h, w, in_channels] noisy latents (VW_ACT) */
  vw_value t;       /* [B] i32 timesteps */
  vw_value latents; /* [B / each] i32; VW_NONE: every row has its own */
  int64_t each;
  vw_value context; /* [K, J, context] states of texts (VW_ACT): keys and values are made once a text */
  vw_value row;     /* [B] i32: the text that a picture reads */
} vw_unet_in;

/* Handing out of x [R each, ..] as the network does it: [B, ..] of the groups that latents [B / each] names. */
vw_value vw_unet_spread(vw_graph *g, vw_value x, vw_value latents, int64_t each);

/* What the network predicts [B, h, w, out_channels] (VW_HEAD): noise or velocity, as it was trained. */
vw_value vw_unet(vw_graph *g, const vw_unet_config *cfg, vw_unet_in in);

#endif
