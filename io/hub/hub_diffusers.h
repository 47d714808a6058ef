/* A Stable Diffusion directory as diffusers saves it: model_index.json, and a folder a component: tokenizer (read by
 * io/tokenizer/tokenizer.h), text_encoder, unet, vae, scheduler, each with its configuration and, where it has weights, one
 * safetensors file or shards (io/hub/hub_weights.h).
 *
 * Configurations are sparse: a key that is not there has the default of the class that it configures (diffusers 0.39,
 * transformers 4.57). What we do not compute is refused by file and key: other classes (XL, inpainting), conditioning
 * on more than a text and a timestep. */
#ifndef VW_IO_HUB_DIFFUSERS_H
#define VW_IO_HUB_DIFFUSERS_H

#include "io/hub/hub_clip.h"

enum { VW_HUB_LEVELS = 8, VW_HUB_LAYERS = 8 };
enum { VW_HUB_TEXT_ENCODER, VW_HUB_UNET, VW_HUB_VAE, VW_HUB_COMPONENTS }; /* those with weights */

typedef struct vw_hub_unet {
  int64_t levels; /* of all lists; finest first */
  int64_t width[VW_HUB_LEVELS], layers[VW_HUB_LEVELS], heads[VW_HUB_LEVELS], depth[VW_HUB_LEVELS];
  bool attends_down[VW_HUB_LEVELS], attends_up[VW_HUB_LEVELS]; /* up: of the level, not of the block's place */
  int64_t channels, context, groups, down_padding;
  int64_t sample_size; /* side of the latents that it was trained on; 0: not said */
  double eps, frequency_shift;
  bool linear_projection, cosine_first;
} vw_hub_unet;

typedef struct vw_hub_vae {
  int64_t levels, width[VW_HUB_LEVELS], layers, latent_channels, groups;
  double scale;
  bool quant_conv, post_quant_conv, attends;
} vw_hub_vae;

typedef struct vw_hub_scheduler {
  char class_name[48];
  int64_t steps, offset;
  double beta_start, beta_end;
  double clip_range;         /* what DDIM cuts its guess to, where it clips */
  bool scaled;               /* scaled_linear; else linear */
  bool velocity;             /* v_prediction; else epsilon */
  bool last_alpha_one, clip; /* what DDIM makes of this configuration */
  bool zero_snr;             /* rescale_betas_zero_snr: the last timestep is noise alone */
  char spacing[16];          /* "leading", "linspace", "trailing"; "": not said, a sampler's own */
  /* What DPM-Solver++ makes of it alone. */
  bool karras;           /* use_karras_sigmas */
  bool first_order;      /* solver_order 1; else 2 */
  bool heun;             /* solver_type; else midpoint */
  bool ends_noisy;       /* final_sigmas_type sigma_min; else zero */
  bool euler_at_final;   /* the last step is of first order */
  bool full_order_final; /* not lower_order_final, which says the same of fewer than 15 steps */
  double least_log_snr;  /* lambda_min_clipped: less is not drawn from; -infinity: all is */
  char not_dpm[64];      /* "use_beta_sigmas is true": why it cannot draw; "": it can */
} vw_hub_scheduler;

typedef struct vw_hub_diffusers {
  vw_hub_text text;
  vw_hub_unet unet;
  vw_hub_vae vae;
  vw_hub_scheduler scheduler;
  char *folder;                              /* owned */
  vw_hub_weights weights[VW_HUB_COMPONENTS]; /* owned */
} vw_hub_diffusers;

/* DPM-Solver++ steps otherwise than it does where a configuration says nothing. */
bool vw_hub_scheduler_steps_otherwise(const vw_hub_scheduler *s);

/* Reads the configurations alone; no weights are opened. Otherwise as vw_hub_diffusers_open. */
vw_status vw_hub_diffusers_read_configs(vw_hub_diffusers *h, const char *folder);

/* Opens a directory. On success the caller closes it; on failure nothing is owned. Shapes are checked by whoever
 * describes the network. Errors: VW_ERR_IO, VW_ERR_INPUT, VW_ERR_UNSUPPORTED: one line with file and key or tensor. */
vw_status vw_hub_diffusers_open(vw_hub_diffusers *h, const char *folder);
void vw_hub_diffusers_close(vw_hub_diffusers *h); /* also of a zeroed struct */

const char *vw_hub_component_name(int component); /* "text_encoder", "unet", "vae" */

/* A weight by its component's folder and its name there ("unet.conv_in.weight"), as today's diffusers calls it: a view
 * that lives until close. Also found: a text encoder's without "text_model.", as transformers 5 saves it; the
 * autoencoder's attention by its old names (query, key, value, proj_attn), as matrices or 1x1 convolutions.
 * Errors: VW_ERR_INPUT naming directory and tensor. */
vw_status vw_hub_diffusers_tensor(const vw_hub_diffusers *h, const char *name, vw_tensor *out);

/* The name that tensor `i` of a component's file has for vw_hub_diffusers_tensor, in `name` [bytes]; false: one that
 * no network reads (position_ids). For finding weights that a configuration does not explain. */
bool vw_hub_diffusers_name(const vw_hub_diffusers *h, int component, int64_t file, int64_t i, char *name, size_t bytes);

/* The weights' files, one after another; NULL behind the last. Borrowed. */
vw_safetensors *vw_hub_diffusers_file(const vw_hub_diffusers *h, int64_t i);

/* Refuses weights that are not finite. Reads every weight once. Errors: VW_ERR_INPUT. */
vw_status vw_hub_diffusers_check_finite(const vw_hub_diffusers *h);

/* XXH3-128 of all that a result depends on: names and bytes of the weights, every configuration, the tokenizer's files,
 * trained_words.txt. Reads every weight once. */
vw_status vw_hub_diffusers_hash(const vw_hub_diffusers *h, vw_hash *out);

#endif
