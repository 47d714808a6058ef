/* Stable Diffusion's autoencoder (Rombach et al. 2022, arXiv 2112.10752; diffusers' AutoencoderKL) as two descriptions:
 * pictures to the moments of latents, and latents to pictures. Pictures are in [-1, 1], channels last.
 *
 * Weights are leaves named as in the hub's files behind `prefix`, the middle's attention by its new names (to_q ...).
 */
#ifndef VW_MODELS_VAE_H
#define VW_MODELS_VAE_H

#include "graph/graph.h"

enum { VW_VAE_LEVELS = 8 };

typedef struct vw_vae_config {
  int64_t channels, latent_channels;    /* of pictures: 3; of latents: 4 */
  int64_t levels, width[VW_VAE_LEVELS]; /* finest first; each but the last halves a side */
  int64_t layers;                       /* residual blocks of a level; one more in the decoder */
  int64_t groups;
  bool attends;                     /* the middle has a single-head attention */
  bool quant_conv, post_quant_conv; /* 1x1 convolutions between towers and latents */
  double scale;                     /* of latents before the UNet sees them */
  const char *prefix;               /* "vae." */
} vw_vae_config;

/* How often a latent's side fits into a picture's: 2^(levels - 1). */
int64_t vw_vae_factor(const vw_vae_config *cfg);

/* Moments [B, h, w, 2 latent_channels] (VW_HEAD): means, then logarithms of variances, not yet cut to their range
 * (kernels/diffuse.h). pixels [B, H, W, channels] (VW_ACT). */
vw_value vw_vae_encoder(vw_graph *g, const vw_vae_config *cfg, vw_value pixels);

/* Pictures [B, H, W, channels] (VW_HEAD) of latents z [B, h, w, latent_channels] (VW_ACT), divided by `scale` before.
 */
vw_value vw_vae_decoder(vw_graph *g, const vw_vae_config *cfg, vw_value z);

#endif
