/* timestep_embedding: the sinusoids by which a diffusion network knows how noisy its input is.
 *   in   t [B] i32: steps of the schedule
 *   attr width C (even), cosine_first, shift, period
 *   out  y [B, C] (VW_ACT): with h = C / 2 and w_i = period^(-i / (h - shift)), i = 0..h-1,
 *        y[b] = [cos(t w), sin(t w)] where cosine_first, else [sin(t w), cos(t w)]
 * Angles are made in double everywhere: a float has lost 6e-5 of an angle near 1000. No gradient: t is an integer.
 * Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.5; Ho et al. 2020, arXiv 2006.11239. */
#ifndef VW_KERNELS_TIMESTEP_EMBEDDING_H
#define VW_KERNELS_TIMESTEP_EMBEDDING_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_timestep_attr {
  int64_t width;
  bool cosine_first;
  double shift, period;
} vw_timestep_attr;

vw_value vw_timestep_embedding(vw_graph *g, vw_value t, vw_timestep_attr attr);
extern const vw_op vw_timestep_embedding_op;

#ifdef __cplusplus
}
#endif
#endif
