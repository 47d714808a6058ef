/* Networks of the hub that are not there: directories of their published sizes without their numbers, for plans. */
#ifndef VW_BENCH_STAND_IN_H
#define VW_BENCH_STAND_IN_H

#include "core/durable.h"

/* The repository that a directory named so is a download of ("openai/clip-vit-large-patch14"), where its sizes are
 * known and it is of this kind (models.<name>.kind); else NULL. Only the last part of the path is looked at. */
const char *vw_stand_in_of(const char *path, const char *kind);

/* Makes a folder below TMPDIR (else /tmp) with the network's configurations, a small tokenizer's files and weights that
 * are holes: it opens as the download would, and every number of it is 0. `tokenizer`: a directory with vocab.json and
 * merges.txt. The caller removes it, which may be as soon as the network is open. Errors: VW_ERR_ARG (unknown),
 * VW_ERR_IO; nothing stays then. */
vw_status vw_stand_in_make(const char *path, const char *kind, const char *tokenizer, char dir[VW_PATH_BYTES]);
void vw_stand_in_remove(const char *path, const char *kind, const char *dir);

#endif
