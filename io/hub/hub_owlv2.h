/* An OWL-v2 model directory as the Hugging Face hub has it (Owlv2ForObjectDetection): CLIP's two towers under the
 * prefix "owlv2." (io/hub/hub_clip.h), heads beside them, and how pictures are made square. */
#ifndef VW_IO_HUB_OWLV2_H
#define VW_IO_HUB_OWLV2_H

#include "io/hub/hub_clip.h"
#include "io/pictures/preprocess_square.h"

extern const vw_hub_family vw_hub_family_owlv2;

/* Opens a directory: configuration and weights as vw_hub_clip_open does, the heads' tensors by whoever describes them;
 * the picture settings from `image_processor` of processor_config.json where it has one (transformers 5), else from
 * preprocessor_config.json, else OWL-v2's own at the configuration's image_size. square->size may be another than
 * image_size: positions are then interpolated. square->pad is transformers 4's .5, whatever the version that saved it.
 * On success the caller closes *h. Errors: as vw_hub_clip_open, naming file and key. */
vw_status vw_hub_owlv2_open(vw_hub_clip *h, vw_square *square, const char *folder);

/* The picture settings alone. Errors: VW_ERR_IO, VW_ERR_INPUT, VW_ERR_UNSUPPORTED naming file and key. */
vw_status vw_hub_owlv2_pictures_read(const char *folder, int64_t image_size, vw_square *square);

#endif
