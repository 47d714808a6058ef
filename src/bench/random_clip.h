/* CLIP directories with random weights of full size, for benchmarks. */
#ifndef VW_BENCH_RANDOM_CLIP_H
#define VW_BENCH_RANDOM_CLIP_H

#include "core/status.h"

#include <stdbool.h>

/* Writes `dir`, complete or not at all. size: "B/32", "B/16", "L/14" or "H/14"; tokenizer: a directory whose vocab.json
 * and merges.txt are copied; half: fp16; force: replaces a directory that was made here, no other is ever replaced.
 * Errors: VW_ERR_ARG (size), VW_ERR_INPUT (what is there, the tokenizer), VW_ERR_IO. */
vw_status vw_random_clip(const char *size, const char *dir, const char *tokenizer, bool half, bool force);

#endif
