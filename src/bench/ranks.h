/* `viswords bench queue` and `bench study`: what several ranks do together. */
#ifndef VW_BENCH_RANKS_H
#define VW_BENCH_RANKS_H

#include "cluster/ranks.h"
#include "learn/cost.h"

#include <jansson.h>

/* Collective. How many blocks a second all ranks but rank 0 take from the queue while rank 0 computes and never calls
 * MPI; how long one block takes a rank that takes alone, and the rate that it reached within 2 ms at best, which a busy
 * machine lets through; each measured for `seconds`. One rank: its own takes. On rank 0 *row is a new object, elsewhere NULL. Errors: VW_ERR_COMM, VW_ERR_MEMORY. */
vw_status vw_bench_queue(const vw_ranks *ranks, double seconds, json_t **row);

/* Collective. Training steps of blocks like `kind`, taken from the queue by the first 1, 2, 4 ... ranks and by all:
 * as many blocks a rank (weak), and as many blocks in all (strong). A block takes about seconds / 4.
 *
 *   rate               steps of a block's rows a second, of all ranks, over the time until the last has finished
 *   weak_efficiency    rate / (ranks * rate of one rank), with 4 blocks a rank
 *   strong_efficiency  time of one rank / (ranks * time), with 4 blocks for each of all ranks
 *   least, most        rates of single ranks while they computed
 *
 * On rank 0 *rows is a new list, a number of ranks each, and *each one with the rate and the host of each rank when all
 * compute; elsewhere NULL. Errors: also as of vw_time_open. */
vw_status vw_bench_study(const vw_ranks *ranks, const vw_block_kind *kind, double seconds, json_t **rows,
                         json_t **each);

#endif
