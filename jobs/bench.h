/* `bench`: what its benches of one rank and of several share. */
#ifndef VW_JOBS_BENCH_H
#define VW_JOBS_BENCH_H

#include "bench/bench.h"
#include "jobs/session.h"

typedef struct vw_bench_reference {
  const char *save, *against; /* files; NULL: none */
  double tolerance;           /* share of a rate that may be missing */
} vw_bench_reference;

/* The JSON of a bench: to standard output with `json`, to a file with save, compared with another with against. Takes
 * the caller's reference of `all`, which may be NULL (no memory); adds the bench's name and this host. *slower: rows
 * that are slower than the reference. */
vw_status vw_bench_end(json_t *all, const char *name, bool json, const vw_bench_reference *reference, int64_t *slower);

/* `bench queue`, `bench study`: collective under a launcher. Returns the exit code. */
int vw_bench_of_ranks(const char *const *positional, vw_session_options *o, double seconds,
                      const vw_bench_reference *reference);

#endif
