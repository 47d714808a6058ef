/* The loss of learning a word for Stable Diffusion as one graph: draws of template, pictures, mirrors, timesteps and
 * noise, texts with the word, noisy latents through the UNet, the error of what it predicts (Ho et al. 2020, arXiv
 * 2006.11239, eq. 14; Gal et al. 2022, arXiv 2208.01618). Nothing of it touches the host. */
#ifndef VW_TASKS_GENERATION_GRAPH_H
#define VW_TASKS_GENERATION_GRAPH_H

#include "networks/stable_diffusion.h"
#include "tasks/task.h"

/* vw_step_shape.size of this task. */
enum {
  VW_GENERATION_M,        /* templates */
  VW_GENERATION_STREAMS,  /* of the block's words: 1, or as many as words */
  VW_GENERATION_PICTURES, /* of the concept */
  VW_GENERATION_SIDE,     /* of latents */
  VW_GENERATION_TIMESTEPS /* of the schedule */
};

/* Emits the loss [K] of step->words. Leaves by name: those of tasks/leaves.h (key, row_word, row_stream; pools template,
 * positive, mirror, timestep), tail, word_pos, one [K] (ones), moments, noisy and, where the network predicts the
 * velocity, velocity (kernels/diffuse.h: coefficients by timestep). Outputs where the step is not cut: template,
 * picture, mirror, timestep. */
vw_status vw_generation_loss(const vw_sd_network *n, const vw_learn_config *learn, vw_graph *g, const vw_step_shape *s,
                             const vw_step_in *step, vw_value *loss);

/* What the loss begins with, alone: the drawn latents [streams samples, h, w, channels] (VW_HEAD) of the drawn pictures
 * and their mirrors. Leaves: key; pools positive, mirror; moments. */
vw_status vw_generation_latents(const vw_sd_network *n, const vw_learn_config *learn, vw_graph *g,
                                const vw_step_shape *s, const vw_step_in *step, vw_value *latents);

#endif
