/* Files of what is computed once and kept, below a folder of the cache: named by a key, believed only where they say
 * that key themselves. */
#ifndef VW_TASKS_CACHE_FILE_H
#define VW_TASKS_CACHE_FILE_H

#include "core/durable.h"
#include "core/hash.h"
#include "io/safetensors.h"

vw_status vw_cache_file_path(const char *cache, const char *folder, const char *key, char path[VW_PATH_BYTES]);

/* Makes the folder; the cache may be a link, the folder below it may not. `sweep`: what others left unfinished long ago
 * is removed; some may be at work in it. Errors: VW_ERR_IO. */
vw_status vw_cache_folder_open(const char *cache, const char *folder, bool sweep);

/* Opens a file that is whole and by its own word the one of this key: names can be mixed up. `what` it holds, for the
 * message. The caller closes it. Errors: VW_ERR_INPUT, VW_ERR_IO. */
vw_status vw_cache_file_open(const char *path, const char *key, const char *what, vw_safetensors **file);

/* A tensor of such a file; its shape and type must be those of `expected`. Errors: VW_ERR_INPUT. */
vw_status vw_cache_file_find(const vw_safetensors *file, const char *name, const vw_tensor *expected, vw_tensor *out);

#endif
