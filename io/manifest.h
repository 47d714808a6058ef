/* MANIFEST.json beside a result file: its size and XXH3-128, checked before a library parses the file. */
#ifndef VW_IO_MANIFEST_H
#define VW_IO_MANIFEST_H

#include "core/status.h"

/* Puts `partial` (complete, closed) in the place of `path` and records its checksum in MANIFEST.json of the same
 * folder. The manifest is written first and keeps the checksum of the file that is there, so that at every moment the
 * file in place is a recorded one. Not collective. Errors: VW_ERR_IO, VW_ERR_MEMORY; the old file is kept. */
vw_status vw_manifest_commit(const char *partial, const char *path);

/* Errors: VW_ERR_INPUT: no manifest, not in it, or the bytes are not those recorded (what to do is in the message). */
vw_status vw_manifest_verify(const char *path);

#endif
