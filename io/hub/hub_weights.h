/* The weights of one component in a directory of the hub: BASE.safetensors, or BASE.fp16.safetensors, or shards with
 * BASE.safetensors.index.json, the full precision first. */
#ifndef VW_IO_HUB_WEIGHTS_H
#define VW_IO_HUB_WEIGHTS_H

#include "core/hash.h"
#include "io/safetensors.h"

enum { VW_HUB_SHARDS = 64 };

typedef struct vw_hub_weights {
  int64_t n_files;                      /* 1, or the number of shards */
  vw_safetensors *files[VW_HUB_SHARDS]; /* owned */
} vw_hub_weights;

/* What a component's files are called, and how a pickle of it is converted. */
typedef struct vw_hub_weights_names {
  const char *base;           /* "model", "diffusion_pytorch_model" */
  const char *pickle;         /* "pytorch_model", "diffusion_pytorch_model" */
  const char *library, *name; /* "transformers", "CLIPModel": what loads it in Python */
} vw_hub_weights_names;

/* Opens the files in `folder`. On success the caller closes them; on failure nothing is owned. Errors: VW_ERR_IO;
 * VW_ERR_INPUT (no weights, index and shards do not agree); VW_ERR_UNSUPPORTED (a pickle: says how to convert it). */
vw_status vw_hub_weights_open(vw_hub_weights *w, const char *folder, const vw_hub_weights_names *names);
void vw_hub_weights_close(vw_hub_weights *w); /* also of a zeroed struct */

bool vw_hub_weights_have(const vw_hub_weights *w, const char *name);

/* A tensor by name, of whichever file has it; a view that lives until close. Errors: VW_ERR_INPUT, VW_ERR_UNSUPPORTED
 * naming file and tensor. */
vw_status vw_hub_weights_find(const vw_hub_weights *w, const char *name, vw_tensor *out);

/* Refuses weights that are not finite, by the tensor's name: half a download, a training that diverged. Reads every
 * weight once. Errors: VW_ERR_INPUT. */
vw_status vw_hub_weights_check_finite(const vw_hub_weights *w);

/* Adds names and bytes of all files. Errors: VW_ERR_MEMORY. */
vw_status vw_hub_weights_hash(const vw_hub_weights *w, vw_hasher *hasher);

/* Adds name, length and bytes of folder/name; nothing where there is no such file. For the small files beside weights.
 * Errors: VW_ERR_IO. */
vw_status vw_hub_hash_small_file(vw_hasher *hasher, const char *folder, const char *name);

#endif
