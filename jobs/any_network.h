/* A model directory whose kind nobody said: for commands that have no study. */
#ifndef VW_JOBS_ANY_NETWORK_H
#define VW_JOBS_ANY_NETWORK_H

#include "networks/network.h"

/* Opens a CLIP, an OWL-v2 or a Stable Diffusion by what its own files say. ctx must outlive it; the caller closes it.
 * Errors: as of its kind's open. */
vw_status vw_network_open_any(const char *dir, vw_context *ctx, vw_network **n);

#endif
