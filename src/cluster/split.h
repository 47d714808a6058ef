/* The first few ranks as a run of their own: for measuring how a number of them works together. */
#ifndef VW_CLUSTER_SPLIT_H
#define VW_CLUSTER_SPLIT_H

#include "cluster/ranks.h"

#include <stdbool.h>

/* Collective over `all`, which must outlive it. Ranks 0 .. n - 1 get *part of n ranks and *is_in true; the others get a
 * single rank that is not to be used. n is 1 .. all->size. Close with vw_ranks_split_close, after a failure too. Errors:
 * VW_ERR_COMM, VW_ERR_MEMORY. */
vw_status vw_ranks_split(const vw_ranks *all, int n, vw_ranks *part, bool *is_in);
void vw_ranks_split_close(vw_ranks *part);

/* vw_ranks_barrier for ranks that have nothing to do while others compute: they sleep, and leave up to 1 ms late. */
vw_status vw_ranks_rest(const vw_ranks *r);

#endif
