/* A CLIP model directory as the Hugging Face hub has it: config.json, model.safetensors (or model.fp16.safetensors,
 * or shards with model.safetensors.index.json), the picture settings (io/hub/hub_pictures.h); the tokenizer's files are
 * read by io/tokenizer/tokenizer.h.
 *
 * Configurations are sparse: a key that is not there has the default of transformers' CLIPConfig classes. */
#ifndef VW_IO_HUB_CLIP_H
#define VW_IO_HUB_CLIP_H

#include "core/hash.h"
#include "io/hub/hub_weights.h"
#include "io/pictures/preprocess.h"

typedef struct vw_hub_text {
  int64_t vocab, width, mlp, layers, heads, positions;
  int64_t eos_token_id; /* 2 (old files): the pooled position is that of the largest id, else the first of this id */
  double eps;
  char activation[16]; /* "quick_gelu" or "gelu" */
} vw_hub_text;

typedef struct vw_hub_vision {
  int64_t width, mlp, layers, heads, image_size, patch;
  double eps;
  char activation[16];
} vw_hub_vision;

/* What differs among the families of networks that have CLIP's two towers. */
typedef struct vw_hub_family {
  const char *type;   /* model_type of config.json: "clip" */
  const char *saves;  /* the class of transformers whose save_pretrained writes such a directory: "CLIPModel" */
  const char *prefix; /* of the towers' tensors: "", "owlv2." */
  int64_t positions, image_size, patch; /* defaults of a sparse configuration */
  bool compares; /* pictures with texts, by one feature each: logit_scale and CLIP's picture settings count */
} vw_hub_family;
extern const vw_hub_family vw_hub_family_clip;

typedef struct vw_hub_clip {
  const vw_hub_family *family;
  vw_hub_text text;
  vw_hub_vision vision;
  int64_t projection_dim;
  double logit_scale; /* the logarithm, as stored: cosines are multiplied by exp of it */
  vw_preprocess preprocess;
  bool reread; /* reads otherwise than viswords once did: its results have other ids than then. The picture settings set
                  it; who opens the tokenizer adds what vw_tokenizer_is_reread says */
  char *folder;           /* owned */
  vw_hub_weights weights; /* owned */
} vw_hub_clip;

/* The same for another family; where it does not compare, logit_scale and preprocess stay zero. */
vw_status vw_hub_clip_open_family(vw_hub_clip *h, const char *folder, const vw_hub_family *family);

/* Reads config.json and the picture settings alone; no weights are opened. Otherwise as vw_hub_clip_open. */
vw_status vw_hub_clip_read_config(vw_hub_clip *h, const char *folder);

/* Opens a directory and checks the configuration against the weights (the shapes of the embeddings, projections and
 * first and last layers). On success the caller closes it; on failure nothing is owned.
 * Errors: VW_ERR_IO, VW_ERR_INPUT, VW_ERR_UNSUPPORTED: one line with file and key or tensor. */
vw_status vw_hub_clip_open(vw_hub_clip *h, const char *folder);
void vw_hub_clip_close(vw_hub_clip *h); /* also of a zeroed struct */

/* A weight by its name in the hub's files ("text_model.final_layer_norm.weight"): a view that lives until close.
 * Errors: VW_ERR_INPUT naming directory and tensor. */
vw_status vw_hub_clip_tensor(const vw_hub_clip *h, const char *name, vw_tensor *out);

/* Refuses weights that are not finite, by the tensor's name: half a download, a training that diverged. Reads every
 * weight once. Errors: VW_ERR_INPUT. */
vw_status vw_hub_clip_check_finite(const vw_hub_clip *h);

/* XXH3-128 of all that a result depends on: names and bytes of the weights, config.json, preprocessor_config.json, the
 * tokenizer's files and trained_words.txt; where h->reread also processor_config.json and added_tokens.json. Reads
 * every weight once. */
vw_status vw_hub_clip_hash(const vw_hub_clip *h, vw_hash *out);

/* The weights' files still hold what vw_hub_clip_hash hashed: asked before anything computed with them is cached or
 * committed. Looks at sizes, times and inodes; reads a file again only where they differ. Errors: VW_ERR_IO naming it.
 */
vw_status vw_hub_clip_unchanged(const vw_hub_clip *h);

#endif
