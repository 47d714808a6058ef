/* What a diffusion step makes of a picture's moments before the network: latents, and latents with noise.
 *
 * mix: two tensors by a row's coefficients, which are data: y[b] = coef[t[b]][0] a[b] + coef[t[b]][1] c[b].
 *   in   a, c [B, S..]   coef [N, 2] (VW_HEAD)   t [B] i32, each in 0..N-1      attr role      out  y [B, S..]
 * With coef = sqrt(abar), sqrt(1 - abar) it is x_t of latents and noise (Ho et al. 2020, arXiv 2006.11239, eq. 4); with
 * -sqrt(1 - abar), sqrt(abar) the velocity (Salimans & Ho 2022, arXiv 2202.00512, appendix D).
 *
 * sample_moments: latents of an autoencoder's moments, z = scale (mean + exp(logvar / 2) noise).
 *   in   moments [B, S.., 2C]: C means, then C logarithms of variances, cut to [-30, 20]   noise [B, S.., C]
 *   attr scale      out  z [B, S.., C] (VW_HEAD)
 * Neither has a gradient: nothing before the network depends on a word. Asking for one is refused. */
#ifndef VW_KERNELS_DIFFUSE_H
#define VW_KERNELS_DIFFUSE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MIX_A, MIX_C, MIX_COEF, MIX_T };
typedef struct vw_mix_attr {
  vw_dtype role; /* of y */
} vw_mix_attr;
enum { MOMENTS_X, MOMENTS_NOISE };
typedef struct vw_sample_moments_attr {
  double scale;
} vw_sample_moments_attr;
#define VW_LOGVAR_LEAST (-30)
#define VW_LOGVAR_MOST  20

vw_value vw_mix(vw_graph *g, vw_value a, vw_value c, vw_value coef, vw_value t, vw_dtype role);
vw_value vw_sample_moments(vw_graph *g, vw_value moments, vw_value noise, double scale);
extern const vw_op vw_mix_op, vw_sample_moments_op;

#ifdef __cplusplus
}
#endif
#endif
