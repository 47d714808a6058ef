/* CLIP and OWL-v2 directories with random weights of full size, for benchmarks. */
#ifndef VW_BENCH_RANDOM_CLIP_H
#define VW_BENCH_RANDOM_CLIP_H

#include "core/status.h"

#include <stdbool.h>

/* What is in the files. */
typedef enum vw_random_numbers {
  VW_RANDOM_FULL, /* fp32 */
  VW_RANDOM_HALF, /* fp16 */
  VW_RANDOM_NONE  /* sizes alone: the numbers' place is a hole, read as zeros */
} vw_random_numbers;

/* Writes `dir`, complete or not at all. size: "B/32", "B/16", "L/14" or "H/14"; tokenizer: a directory whose vocab.json
 * and merges.txt are copied; half: fp16; force: replaces a directory that was made here, no other is ever replaced.
 * Errors: VW_ERR_ARG (size), VW_ERR_INPUT (what is there, the tokenizer), VW_ERR_IO. */
vw_status vw_random_clip(const char *size, const char *dir, const char *tokenizer, bool half, bool force);
/* The same of OWL-v2's: "base" (patch 16, 960 px) or "large" (patch 14, 1,008 px). */
vw_status vw_random_owlv2(const char *size, const char *dir, const char *tokenizer, bool half, bool force);

/* The same files in the empty folder `dir`, without numbers: as large as the published ones, but they take no disk. For
 * plans, which ask for sizes alone (bench/stand_in.h). Errors as above; what was written stays then. */
vw_status vw_hollow_clip(const char *size, const char *dir, const char *tokenizer);
vw_status vw_hollow_owlv2(const char *size, const char *dir, const char *tokenizer);
/* Deletes what either wrote, and the folder. */
void vw_hollow_clip_remove(const char *dir);

#endif
