/* The work queue: items 0 .. n-1 (longest first: the caller orders them), each handed to exactly one rank.
 *
 * One 64-bit counter in a window on rank 0, advanced by one-sided atomic adds: no rank serves requests, ranks that are
 * busy do not slow others. A second word counts what is done. Stopping adds a large number to the counter: every later
 * take sees the end, and one atomic read tells both.
 *
 * Where the network needs its target to call MPI before anything moves (TCP), a thread on rank 0 does, if MPI allows
 * threads; else rank 0 should call vw_queue_stopped or vw_queue_poll often (each training step): everybody else waits
 * for it.
 *
 * What is asked when are the rules of cluster/queue_rules.h.
 *
 * Asking early: vw_queue_ask starts the request and returns; the take that follows finds the answer there. Ask shortly
 * before an item is finished (one training step), not before it is begun: an index belongs to the rank that asked, and
 * would wait for as long as that rank is busy while others go idle.
 *
 * Results do not depend on who takes what. Not thread-safe, except vw_queue_signal. With one rank no MPI is used. */
#ifndef VW_CLUSTER_QUEUE_H
#define VW_CLUSTER_QUEUE_H

#include <stdint.h>

#include "cluster/queue_rules.h"
#include "cluster/ranks.h"

typedef struct vw_queue vw_queue;

/* Collective. `ranks` must outlive the queue. n_items is the same everywhere. The caller destroys *q. Errors (on all
 * ranks): VW_ERR_ARG, VW_ERR_MEMORY, VW_ERR_COMM. */
vw_status vw_queue_create(const vw_ranks *ranks, int64_t n_items, vw_queue **q);

/* Collective: every rank must come, after its last take. q may be NULL on all. */
void vw_queue_destroy(vw_queue *q);

/* Starts the request for the next index, if none is under way. Never waits. */
vw_status vw_queue_ask(vw_queue *q);

/* The next index, or -1: no more items, or stopped. Waits for the answer if it was not asked for early. */
vw_status vw_queue_take(vw_queue *q, int64_t *index);

/* So many more units are done, for the progress shown: of an item all at once, which is one message. Never waits. */
vw_status vw_queue_report_done(vw_queue *q, int64_t units);

/* Units reported done by all. Rank 0 reads its own memory; elsewhere the number is as old as the last report. */
int64_t vw_queue_done(vw_queue *q);

/* Ends the queue for all: takes return -1, vw_queue_stopped turns true everywhere. Never waits. */
vw_status vw_queue_stop(vw_queue *q);

/* For signal handlers: only sets a flag, which this rank's next call of any function here turns into vw_queue_stop. */
void vw_queue_signal(vw_queue *q);

/* Has anybody stopped the queue? Cheap enough for every training step: never waits, asks rank 0 at most every 50 ms
 * (cluster/queue_rules.h). */
bool vw_queue_stopped(vw_queue *q);

/* Lets MPI move messages, as every call above does. */
void vw_queue_poll(vw_queue *q);

/* Requests of a kind that this rank has sent so far. Not collective. */
int64_t vw_queue_sent(const vw_queue *q, vw_queue_request what);

#endif
