/* What readers of picture settings of the families share. */
#ifndef VW_IO_HUB_PICTURES_INTERNAL_H
#define VW_IO_HUB_PICTURES_INTERNAL_H

#include "core/status.h"
#include "io/json.h"

/* Three numbers, or one for all; out stays where the key is absent or null. Errors: VW_ERR_INPUT naming file and key. */
vw_status vw_hub_three(const char *path, const json_t *config, const char *key, bool positive, double out[3]);

/* The processor that the settings name, if they name one, is one of the family's ("CLIP", "Owlv2") by any of
 * transformers' names for it. Errors: VW_ERR_UNSUPPORTED naming it. */
vw_status vw_hub_processor_is(const char *path, const json_t *config, const char *family);

#endif
