/* A Stable Diffusion network opened from a diffusers directory on one backend: its parts as descriptions, its schedule,
 * and the passes that need no learning: states of texts, moments of pictures, pictures of latents. Drawing from noise
 * stands in networks/drawing.h. */
#ifndef VW_NETWORKS_STABLE_DIFFUSION_H
#define VW_NETWORKS_STABLE_DIFFUSION_H

#include "io/hub/hub_diffusers.h"
#include "models/unet.h"
#include "models/vae.h"
#include "networks/network.h"
#include "networks/schedule.h"

typedef struct vw_sd_network {
  vw_network net; /* net.text.tower: all its states are used, no projection */
  vw_hub_diffusers hub;
  vw_unet_config unet;
  vw_vae_config vae;
  vw_schedule_config schedule;
  vw_policy image_policy; /* of UNet and autoencoder */
  int32_t pad;            /* the token that fills a text up: "!" (0) in 2.1, end of text in 1.5 */
} vw_sd_network;

extern const vw_network_kind vw_sd_kind;

/* The network behind the door; it must be of this kind. */
static inline vw_sd_network *vw_sd_of(vw_network *n) {
  return (vw_sd_network *)n;
}

/* Opens `dir`; ctx must outlive the network and keep its precision. The caller closes it. Weights are read when a pass
 * needs them, but found, and their shapes checked, now. */
vw_status vw_sd_network_open(vw_sd_network **n, const char *dir, vw_context *ctx);
void vw_sd_network_close(vw_sd_network *n); /* NULL allowed */

/* Calls `each` with the name ("unet.conv_in.weight") and shape of every tensor that a network of these configurations
 * has; a failure of it ends the walk. */
typedef vw_status (*vw_sd_weight_visitor)(void *user, const char *name, const vw_tensor *shape);
vw_status vw_sd_each_weight(const vw_hub_diffusers *h, vw_sd_weight_visitor each, void *user);

/* ---- texts */

/* Positions of a text, J of every pass. */
int64_t vw_sd_positions(const vw_sd_network *n);

/* Token ids [J] of a text, filled up with the pad. word: where the one {} of the text stands, for a word of so many
 * vectors (their ids mean nothing); NULL: it has none. Errors: VW_ERR_INPUT (too long, not one {}). */
vw_status vw_sd_tokens(const vw_sd_network *n, const char *text, int32_t *ids, int64_t vectors, int64_t *word);

/* Embedded positions x [J, C] of a text, filled up with the pad. With word [vectors, C] (NULL: none) the text holds one {}
 * that the vectors stand for. Errors: VW_ERR_INPUT (too long, not one {}). */
vw_status vw_sd_embed_text(const vw_sd_network *n, const char *text, const double *word, int64_t vectors, double *x);

/* The program that makes states of texts, for who needs it again and again. The network must outlive it; the caller
 * destroys it. */
typedef struct vw_sd_text_encoder vw_sd_text_encoder;
vw_status vw_sd_text_encoder_create(vw_sd_text_encoder **e, vw_sd_network *n);
void vw_sd_text_encoder_destroy(vw_sd_text_encoder *e); /* NULL allowed */
/* States [K, J, C] (double) of embedded positions x [K, J, C], one text after the other. */
vw_status vw_sd_text_encoder_run(vw_sd_text_encoder *e, const double *x, int64_t K, double *states);

/* The same with a program that is made for it. */
vw_status vw_sd_text_states(vw_sd_network *n, const double *x, int64_t K, double *states);

/* ---- pictures */

/* The pass of the encoder: input "pixels" [1, H, W, 3] in [-1, 1], output "moments" [1, h, w, 2 latent channels]. H and
 * W are multiples of vw_vae_factor. */
vw_status vw_sd_encoder_graph(vw_graph *g, const vw_sd_network *n, int64_t H, int64_t W);
/* The pass of the decoder: input "z" [1, h, w, latent channels], divided by the latents' scale; output "picture"
 * [1, H, W, 3], about [-1, 1]. */
vw_status vw_sd_decoder_graph(vw_graph *g, const vw_sd_network *n, int64_t h, int64_t w);
/* The pass of the UNet: inputs "x" [B, h, w, channels], "t" [B] i32, "context" [K, J, C], "row" [B] i32; output
 * "prediction" [B, h, w, channels]. */
vw_status vw_sd_unet_graph(vw_graph *g, const vw_sd_network *n, int64_t B, int64_t K, int64_t h, int64_t w);

#endif
