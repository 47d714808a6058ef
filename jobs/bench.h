/* `viswords bench`: what its parts share. */
#ifndef VW_JOBS_BENCH_H
#define VW_JOBS_BENCH_H

#include "learn/clip_network.h"

#include <jansson.h>

typedef struct vw_bench {
  vw_clip_network *n;
  vw_context ctx;
  double seconds, sgemm;
  json_t *rows;
  bool json, ops;
} vw_bench;

/* Seconds of a steady clock. */
double vw_bench_now(void);

/* Rates of reading what a user brings, on one thread, warm caches. Each prints rows and adds them to b->rows.
 * load: weights from a model directory to both towers' programs, beside the page cache. tokenizer: texts of a file, one
 * a line. preprocess: the pictures in a folder and below, decoded, resized, normalised. */
vw_status vw_bench_load(vw_bench *b, const char *dir);
vw_status vw_bench_tokenizer(vw_bench *b, const char *dir, const char *texts);
vw_status vw_bench_preprocess(vw_bench *b, const char *dir, const char *folder);

#endif
