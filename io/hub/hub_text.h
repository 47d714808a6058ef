/* The sizes of a CLIP text tower, as configurations of the hub have them: a part of a CLIP's config.json, the whole of
 * a Stable Diffusion text encoder's. */
#ifndef VW_IO_HUB_TEXT_H
#define VW_IO_HUB_TEXT_H

#include "io/hub/hub_clip.h"
#include "io/json.h"

/* Reads the object `c` (NULL: all defaults, those of transformers' CLIPTextConfig but for `positions`). `path` and
 * `where` ("text_config.") are for messages. Errors: VW_ERR_INPUT, VW_ERR_UNSUPPORTED naming file and key. */
vw_status vw_hub_text_read(const char *path, const char *where, const json_t *c, int64_t positions, vw_hub_text *t);

#endif
