/* OWL-v2 (Minderer et al. 2023, arXiv 2306.09683) as a description: CLIP's two towers, and heads that say at every
 * patch of a picture what is there, where, and whether anything is.
 *
 * What depends on the picture alone comes out of vw_owlv2_picture and is made once a picture; a word meets it in
 * vw_owlv2_logits. The text side is CLIP's (clip.h), its weights named "owlv2.text_model...". */
#ifndef VW_MODELS_OWLV2_H
#define VW_MODELS_OWLV2_H

#include "kernels/patch_logits.h"
#include "models/clip.h"

/* Of B pictures with N patches, row by row. */
typedef struct vw_owlv2_picture_values {
  vw_value embedding;    /* [B, N, projection] of unit length (VW_ACT) */
  vw_value shift, scale; /* [B, N, 1] of the patch's logits (VW_HEAD) */
  vw_value boxes;        /* [B, N, 4] centre x, y, width, height in parts of the picture's square (VW_HEAD) */
  vw_value objectness;   /* [B, N, 1] logit of there being anything (VW_HEAD) */
} vw_owlv2_picture_values;

/* pixels [B, S, S, 3], normalised, channels last. The class head's width is vision->projection. */
vw_owlv2_picture_values vw_owlv2_picture(vw_graph *g, const vw_clip_vision_config *vision, vw_value pixels);

/* Logits [K, S, N] of unit-length text features q [K, projection] at pictures of the tables f (kernels/patch_logits.h).
 */
vw_value vw_owlv2_logits(vw_graph *g, vw_value q, vw_patch_features f, vw_value picture);

#endif
