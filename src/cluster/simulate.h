/* A run of ranks over the work queue, simulated event by event: who takes what when, how long ranks wait, what rank 0
 * is asked. Every rank is a vw_queue_side (queue_rules.h), so the requests are those that cluster/queue.c sends; only
 * the network between them and the time that an item takes are a model:
 *
 *   an item of s seconds is `steps` steps of s / steps; a rank lets the queue move after each, asks for the next item
 *   one step before the end (not with a single step), and looks for a stop when the rules say so; several things that
 *   are taken together are one item, which reports each of them when it is done;
 *   a request of another rank travels latency / 2 to rank 0, is served there in the order of arrival, `service`
 *   seconds each, and its answer travels latency / 2 back; rank 0's own requests do not travel;
 *   an answer is heard at the rank's next step, or at once by a rank that waits for it.
 *
 * Not in the model: the time that the progress thread takes from rank 0's own computing, and collective calls. */
#ifndef VW_CLUSTER_SIMULATE_H
#define VW_CLUSTER_SIMULATE_H

#include "cluster/queue_rules.h"
#include "core/hash.h"
#include "core/status.h"

typedef struct vw_simulated {
  int64_t ranks;
  int64_t n;              /* items */
  const double *seconds;  /* [n] in the order of the queue (vw_schedule_sort): item i is handed out as i-th */
  const int64_t *units;   /* [n] that an item reports; NULL: 1 each */
  const int64_t *parts;   /* [n] that an item is made of, as long as each other: each reports its units; NULL: 1 */
  int64_t steps;          /* of each part, at least 1 */
  double latency;         /* seconds of a request there and back, without its service */
  double service;         /* seconds of rank 0 a request */
  const double *slowness; /* [ranks] by which a rank's items take longer; NULL: 1 */
} vw_simulated;

typedef struct vw_simulation {
  double makespan;                 /* seconds until the last item is done */
  double busy;                     /* rank-seconds of items */
  double utilisation;              /* busy / (ranks * makespan); 1 without items */
  double waited;                   /* rank-seconds in takes */
  double longest_wait;             /* of one take */
  double tail;                     /* seconds from the first rank that finds nothing more to the end of the last item */
  double rank_least, rank_most;    /* seconds of items of the rank that had the fewest, the most */
  int64_t sent[VW_QUEUE_REQUESTS]; /* requests of all ranks, by kind */
  double requests_a_second;        /* over the makespan */
  int64_t most_in_a_second;        /* requests that reach rank 0 within one second, at most */
  double served;                   /* share of the makespan that rank 0 spends with requests */
  int64_t done;                    /* units reported */
  vw_hash replay;                  /* of which rank took which item when: equal for equal inputs */
} vw_simulation;

/* Runs it. rank_of[n] (may be NULL): the rank that took each item; begins[n] (may be NULL): when. The caller owns all
 * arrays. Errors: VW_ERR_ARG (numbers that are not finite or below 0), VW_ERR_MEMORY. */
vw_status vw_simulate(const vw_simulated *in, vw_simulation *out, int64_t *rank_of, double *begins);

#endif
