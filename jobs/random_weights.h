/* What `random-clip` and `random-sd` share. */
#ifndef VW_JOBS_RANDOM_WEIGHTS_H
#define VW_JOBS_RANDOM_WEIGHTS_H

#include "core/durable.h"

/* data/clip-tiny here, else in the clone or bundle that the program lies in. Errors: VW_ERR_INPUT telling `command`'s
 * way out. */
vw_status vw_find_tokenizer(const char *command, char out[VW_PATH_BYTES]);

#endif
