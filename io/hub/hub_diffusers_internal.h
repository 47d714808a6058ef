/* The configurations behind io/hub/hub_diffusers.h. `path` is the file, for messages; `c` its object.
 * Errors: VW_ERR_INPUT, VW_ERR_UNSUPPORTED naming file and key. */
#ifndef VW_IO_HUB_DIFFUSERS_INTERNAL_H
#define VW_IO_HUB_DIFFUSERS_INTERNAL_H

#include "io/hub/hub_diffusers.h"
#include "io/json.h"

vw_status vw_hub_unet_read(const char *path, const json_t *c, vw_hub_unet *u);
vw_status vw_hub_vae_read(const char *path, const json_t *c, vw_hub_vae *v);
vw_status vw_hub_scheduler_read(const char *path, const json_t *c, vw_hub_scheduler *s);

#endif
