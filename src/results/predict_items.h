/* What the queues of a stage hand out, by a plan: the pieces of work that jobs/stages lists, and how long each takes. */
#ifndef VW_RESULTS_PREDICT_ITEMS_H
#define VW_RESULTS_PREDICT_ITEMS_H

#include "core/status.h"

#include <stdint.h>

typedef struct vw_predict_item {
  double seconds;
  double cost;   /* of any unit: the dearest of a round come first, equal ones in the list's order */
  int64_t group; /* 0: alone; those of one group and round are taken by one rank, one after the other */
  int64_t round; /* 0 ..: the next round begins when all items of this one are done */
} vw_predict_item;

typedef struct vw_predict_items {
  vw_predict_item *item; /* that are left; malloc'ed */
  int64_t n, room;
  double beside; /* seconds that every rank takes beside its items */
  double alone;  /* seconds that one rank takes while the others wait */
} vw_predict_items;

/* Errors: VW_ERR_MEMORY. */
vw_status vw_predict_items_add(vw_predict_items *items, vw_predict_item one);
void vw_predict_items_free(vw_predict_items *items);

/* Behind the last round; 0: no items. */
int64_t vw_predict_rounds(const vw_predict_items *items);

/* What the queue of a round hands out, in its order. */
typedef struct vw_predict_queue {
  int64_t n;
  double *seconds, *cost; /* [n] */
  int64_t *parts;         /* [n] items of each: more than 1 of a group */
} vw_predict_queue;

/* The caller frees it, after a failure too. Errors: VW_ERR_MEMORY. */
vw_status vw_predict_queue_of(const vw_predict_items *items, int64_t round, vw_predict_queue *out);
void vw_predict_queue_free(vw_predict_queue *q);

/* Seconds until `ranks` ranks are done with all of it, where requests take no time. Errors: VW_ERR_MEMORY, VW_ERR_ARG
 * (times that are not finite). */
vw_status vw_predict_items_length(const vw_predict_items *items, int64_t ranks, double *seconds);

#endif
