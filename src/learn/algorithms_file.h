/* What plans on a device have chosen (kernels/algorithms.h), in one file for each kernel set and precision: the next plan
 * starts from there, so that only new sizes are timed. */
#ifndef VW_LEARN_ALGORITHMS_FILE_H
#define VW_LEARN_ALGORITHMS_FILE_H

#include "kernels/op.h"

/* Its text, "" where there is none or it cannot be read; the caller frees *text. Errors: VW_ERR_MEMORY. */
vw_status vw_algorithms_file_read(const vw_context *ctx, const char *cache, char **text);

/* `text`, and behind it the lines of `old` whose products `text` does not have; the caller frees *all. Errors:
 * VW_ERR_MEMORY. */
vw_status vw_algorithms_join(const char *old, const char *text, char **all);

/* Writes both, joined so. Errors: VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_algorithms_file_write(const vw_context *ctx, const char *cache, const char *old, const char *text);

#endif
