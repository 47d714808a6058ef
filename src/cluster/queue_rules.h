/* What a rank asks of the work queue, and when: rules without MPI and without a clock. cluster/queue.c sends over MPI
 * what they say, cluster/simulate.c over a model of a network, so that what is simulated is what runs.
 *
 * Two words lie on rank 0: the next index, and how many units are done. Every request is an atomic add to one of them
 * that brings back what was there before. A rank has at most one request of a kind under way. */
#ifndef VW_CLUSTER_QUEUE_RULES_H
#define VW_CLUSTER_QUEUE_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum { VW_QUEUE_NEXT, VW_QUEUE_DONE, VW_QUEUE_WORDS };

typedef enum vw_queue_request {
  VW_QUEUE_TAKE,   /* the next index */
  VW_QUEUE_REPORT, /* so many more units are done */
  VW_QUEUE_LOOK,   /* has anybody stopped the queue? */
  VW_QUEUE_HALT,   /* stops it for all */
  VW_QUEUE_REQUESTS
} vw_queue_request;
extern const char *const vw_queue_request_names[VW_QUEUE_REQUESTS];

/* Added to the next index to stop the queue. A rank stops it at most once, so 2^40 items and 2^22 ranks fit into 63
 * bits. */
#define VW_QUEUE_STOP (INT64_C(1) << 40)

/* One rank's side. Only vw_queue_side_... change it. */
typedef struct vw_queue_side {
  int64_t n_items;
  int64_t look_ns;    /* between two looks */
  int64_t looked_ns;  /* when the last one was asked for */
  int64_t unreported; /* units done here that were not sent yet */
  int64_t done_seen;  /* of all ranks, as the last report told */
  bool is_stopped;    /* as far as this rank has heard */
  bool is_busy[VW_QUEUE_REQUESTS];
  int64_t add[VW_QUEUE_REQUESTS];  /* of the request under way */
  int64_t sent[VW_QUEUE_REQUESTS]; /* requests so far */
} vw_queue_side;

/* n_items below VW_QUEUE_STOP. All looks of all `ranks` together stay below 2,000 a second, and a rank looks at most
 * every 50 ms: from 100 ranks on each looks less often, so that rank 0 is never busy with that alone. */
void vw_queue_side_open(vw_queue_side *s, int64_t n_items, int64_t ranks);

/* Is a request of this kind to be sent now? Then it counts as under way, and s->add[what] is what it adds to
 * vw_queue_word_of(what). `now_ns` of a steady clock matters to VW_QUEUE_LOOK alone. */
bool vw_queue_side_sends(vw_queue_side *s, vw_queue_request what, int64_t now_ns);
int vw_queue_word_of(vw_queue_request what);

/* The answer to a request under way: what was in its word before. */
void vw_queue_side_hears(vw_queue_side *s, vw_queue_request what, int64_t before);

/* The index that the answer to VW_QUEUE_TAKE gives this rank; -1: none, nothing is left or the queue is stopped. */
int64_t vw_queue_side_index(const vw_queue_side *s, int64_t before);

/* `units` more are done here: the next VW_QUEUE_REPORT carries them. */
void vw_queue_side_did(vw_queue_side *s, int64_t units);

#endif
