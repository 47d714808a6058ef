/* Pictures of texts by a Stable Diffusion network: noise, a sampler's steps through the UNet with classifier-free
 * guidance, the decoder. Several pictures go through the UNet at once; each is the same whatever goes with it. */
#ifndef VW_NETWORKS_DRAWING_H
#define VW_NETWORKS_DRAWING_H

#include "networks/stable_diffusion.h"

typedef struct vw_drawing {
  int64_t batch;         /* pictures at once */
  int64_t height, width; /* of pictures, in pixels */
  double guidance;       /* above 1 each step runs the network with and without the text; else with it alone */
  vw_sampler_kind sampler;
  int64_t steps;
  vw_spacing spacing; /* of timesteps; DEFAULT: as the network's configuration says */
} vw_drawing;

/* The sides that the network was trained on, in pixels. Errors: VW_ERR_INPUT where its configuration does not say. */
vw_status vw_drawing_trained_size(const vw_sd_network *n, int64_t *side);

/* Errors: VW_ERR_ARG: sides that latents do not divide, no steps or too many, no guidance. */
vw_status vw_drawing_check(const vw_sd_network *n, const vw_drawing *d);

/* Bytes of the backend's memory, planned before anything is taken. */
typedef struct vw_drawing_memory {
  int64_t weights;  /* of text encoder, UNet and decoder; host backends use some as they lie in the mapped file */
  int64_t programs; /* what texts, steps and the decoder work in */
} vw_drawing_memory;
vw_status vw_drawing_measure(const vw_sd_network *n, const vw_drawing *d, vw_drawing_memory *out);

/* Bytes of the backend's memory that can be taken; 0: unknown. */
int64_t vw_drawing_memory_free(const vw_context *ctx);

/* Where picture `step` of the stream `key` starts: latents [h, w, channels], standard normals that are the same
 * everywhere (core/random.h). The stream's numbers go channel by channel, then row by row, whatever the layout. */
void vw_drawing_noise(uint64_t key, uint64_t step, int64_t h, int64_t w, int64_t channels, double *latents);

typedef struct vw_drawer vw_drawer;

/* The programs of a drawing. The network must outlive it; the caller destroys it. */
vw_status vw_drawer_create(vw_drawer **out, vw_sd_network *n, const vw_drawing *d);
void vw_drawer_destroy(vw_drawer *d); /* NULL allowed */

/* Numbers of one picture's latents [h, w, channels]. */
int64_t vw_drawer_latents(const vw_drawer *d);

/* The noise of one picture, in the shape of its latents. */
void vw_drawer_start(const vw_drawer *d, uint64_t key, uint64_t step, double *latents);

/* Told after each step, when the latents may be looked at and changed: the next step takes what it finds. False ends the
 * drawing. */
typedef struct vw_drawing_watch {
  bool (*step)(void *user, int64_t done, int64_t steps); /* NULL: nobody is told */
  void *user;
} vw_drawing_watch;

/* Draws a batch: latents [batch, h, w, channels] hold noise, and what it became. states [batch, J, C]: of each
 * picture's text (vw_sd_text_states); without [J, C]: of the negative prompt, not read where the guidance is 1 or less.
 * *stopped: the watch ended it, and latents are of no use. */
vw_status vw_drawer_run(vw_drawer *d, const double *states, const double *without, double *latents,
                        const vw_drawing_watch *watch, bool *stopped);

/* The picture [height, width, 3] of one picture's latents, as diffusers rounds it to 8 bits. */
vw_status vw_drawer_decode(vw_drawer *d, const double *latents, uint8_t *rgb);

#endif
