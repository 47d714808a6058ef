/* Moments of pictures' latents, as they are and mirrored: computed once a picture and kept in a file a picture, keyed by
 * weights, kernels, size and the picture's contents. */
#ifndef VW_TASKS_LATENTS_H
#define VW_TASKS_LATENTS_H

#include "networks/stable_diffusion.h"
#include "tasks/task.h"

/* The training pictures of a set that are wanted, and where their files lie. */
typedef struct vw_latent_list {
  const vw_picture_set *set;
  vw_sd_network *network;
  vw_hash weights;
  const char *cache;
  int64_t side;           /* of pictures in pixels: their centre, resized */
  const int64_t *picture; /* [n] places in set->train, ascending */
  int64_t n;
} vw_latent_list;

/* Type of moments on the host: fp64 for ref, else fp32. */
vw_dtype vw_latents_type(const vw_sd_network *n);
/* Numbers of one picture's: 2 (as it is, mirrored), h, w, 2 latent channels. */
int64_t vw_latents_count(const vw_sd_network *n, int64_t side);

/* Collective: the ranks share out what is missing. As vw_task_kind.cache. */
vw_status vw_latents_ensure(const vw_latent_list *l, const vw_ranks *ranks, const vw_task_hooks *hooks,
                            int64_t *computed, bool *stopped);
/* How many have no file; whole files are not told from damaged ones. */
vw_status vw_latents_missing(const vw_latent_list *l, int64_t *n);

enum { VW_LATENTS_AT_ONCE = 4 }; /* pictures that a rank takes from the queue together */
/* Mean seconds of decoding and encoding one, over at least `seconds`. Writes nothing. */
vw_status vw_latents_time(const vw_latent_list *l, double seconds, double *one);
/* Reads all of the list: out [n, vw_latents_count]. */
vw_status vw_latents_load(const vw_latent_list *l, void *out);

/* The centre of a picture as a square of `side` pixels, resized as Pillow does (bicubic, 8 bits): rgb [side, side, 3].
 * Errors: VW_ERR_MEMORY, VW_ERR_ARG. */
vw_status vw_centre_square(const vw_image *image, int64_t side, uint8_t *rgb);

#endif
