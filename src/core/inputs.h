/* Inputs that are read more than once while a study is opened: a configuration is parsed, and hashed later. Between
 * vw_inputs_begin and vw_inputs_end vw_file_read, vw_file_exists and vw_json_read_optional remember each file's hash,
 * or that it was not there; a second look that sees something else is an error that names the file. One list a process,
 * one thread. */
#ifndef VW_CORE_INPUTS_H
#define VW_CORE_INPUTS_H

#include <stdint.h>

#include "core/hash.h"
#include "core/status.h"

/* Forgets all and remembers from now on. */
void vw_inputs_begin(void);

/* Files that are looked at meanwhile are no inputs: what a run itself has written, which one rank looks at alone. */
void vw_inputs_pause(bool paused);

/* Remembers no more. Errors: VW_ERR_IO with the file that came or went in between (a look that has no way to say so).
 */
vw_status vw_inputs_end(void);

/* What was seen of a file: its bytes. Nothing happens outside begin and end. Errors: VW_ERR_IO where it was not there
 * or held other bytes before; VW_ERR_MEMORY. */
vw_status vw_inputs_read(const char *path, const void *data, int64_t bytes);

/* A look alone: whether the file is there. A contradiction comes back from vw_inputs_end. */
void vw_inputs_looked(const char *path, bool there);

/* The hashes of all files read so far, in the order in which they were first read. Ranks compare it: all read the same.
 * Errors: VW_ERR_MEMORY. */
vw_status vw_inputs_digest(vw_hash *digest);

#endif
