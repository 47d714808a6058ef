/* How a directory of the hub wants pictures prepared. */
#ifndef VW_IO_HUB_PICTURES_H
#define VW_IO_HUB_PICTURES_H

#include "io/pictures/preprocess.h"

/* Reads `image_processor` of processor_config.json (what transformers 5 saves) where it has one, else
 * preprocessor_config.json, as transformers 5.24 does; an absent key is CLIP's own value, a step (do_resize ..) that is
 * null is off. Without either file: CLIP's numbers at `image_size`. *p comes out with p->crop equal to image_size;
 * *reread: would viswords once have read other settings, or refused these? Errors: VW_ERR_IO, VW_ERR_INPUT,
 * VW_ERR_UNSUPPORTED naming file and key. */
vw_status vw_hub_pictures_read(const char *folder, int64_t image_size, vw_preprocess *p, bool *reread);

#endif
