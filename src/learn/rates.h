/* How fast this kind of machine was: measured times of passes and steps, in a file of the cache folder. They tell how
 * long a study will take, and never change a result. */
#ifndef VW_LEARN_RATES_H
#define VW_LEARN_RATES_H

#include "core/hash.h"
#include "kernels/op.h"

#include <stdbool.h>

enum { VW_RATE_KIND = 48 };

/* One pass or step that was timed. */
typedef struct vw_rate {
  char kind[VW_RATE_KIND]; /* what, of which network: "generation step 1024x23" */
  vw_hash shape;           /* of its sizes */
  double flops, seconds;   /* of one run */
} vw_rate;

typedef struct vw_rates {
  char *path;     /* CACHE/rates/<hash>.json: the hash of processor, backend, kernels, precision and threads */
  char *machine;  /* the same in words */
  double product; /* operations a second of a large matrix product; 0: not measured */
  vw_rate *item;
  int64_t n;
  bool changed;
} vw_rates;

typedef enum vw_rate_source {
  VW_RATE_MEASURED, /* this pass, with these sizes */
  VW_RATE_SCALED,   /* by operations, from the nearest size of the same kind */
  VW_RATE_ESTIMATE, /* operations at the rate of a product */
  VW_RATE_UNKNOWN   /* nothing was ever measured */
} vw_rate_source;

/* Reads what is known for the context's kind of machine; a file that is missing or damaged knows nothing. The caller
 * closes it. Errors: VW_ERR_MEMORY. */
vw_status vw_rates_open(vw_rates *r, const vw_context *ctx, const char *cache);
void vw_rates_close(vw_rates *r);

/* Adds what the text of such a file knows; of a damaged one nothing. */
void vw_rates_parse(vw_rates *r, const char *text, int64_t bytes);

/* Keeps a time; the last of a kind and shape counts. Errors: VW_ERR_MEMORY. */
vw_status vw_rates_put(vw_rates *r, const char *kind, vw_hash shape, double flops, double seconds);

/* Writes the file if anything changed. Errors: VW_ERR_IO. */
vw_status vw_rates_save(vw_rates *r);

/* Seconds of one run of `flops` operations. */
vw_rate_source vw_rates_seconds(const vw_rates *r, const char *kind, vw_hash shape, double flops, double *seconds);

/* "measured", "scaled", "estimate", "unknown". */
const char *vw_rate_source_name(vw_rate_source s);

#endif
