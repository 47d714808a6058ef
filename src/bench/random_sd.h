/* Stable Diffusion directories with random weights of full size, for benchmarks. */
#ifndef VW_BENCH_RANDOM_SD_H
#define VW_BENCH_RANDOM_SD_H

#include "bench/random_clip.h"

/* Writes `dir` as diffusers saves it, complete or not at all; what is there is never replaced. size: "1.5", "2.1-base"
 * or "2.1"; like: NULL, or a directory whose configurations count instead; tokenizer: a directory whose vocab.json and
 * merges.txt are copied; half: fp16. Errors: VW_ERR_ARG (size), VW_ERR_INPUT (what is there, configurations),
 * VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_random_sd(const char *size, const char *dir, const char *like, const char *tokenizer, bool half);

/* The same files in the empty folder `dir`, without numbers (bench/random_clip.h). */
vw_status vw_hollow_sd(const char *size, const char *dir, const char *tokenizer);
void vw_hollow_sd_remove(const char *dir);

#endif
