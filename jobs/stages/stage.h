/* The stages of a study: what is done between plan.yaml and study.h5. Each is a row of one table (table.c) and a file
 * beside it; all run in one loop (loop.c), which knows ranks, the queue, teams, parts, stopping and progress. A stage
 * only says what is left to do and does one piece of it. */
#ifndef VW_JOBS_STAGES_STAGE_H
#define VW_JOBS_STAGES_STAGE_H

#include "cluster/queue.h"
#include "jobs/session.h"
#include "learn/team.h"

/* One piece of work, the same bytes on every rank. What a stage has no use for stays 0. */
typedef struct vw_stage_item {
  int64_t block;                /* of the plan; -1: of no block */
  int64_t model, data, concept; /* places in the study */
  int64_t source;               /* transfer: the model whose words are carried */
  int64_t picture;              /* -1: not of one picture */
  int64_t pictures; /* that words are judged by, at most, where they are drawn; 0: as many as the task says */
  int64_t layer;    /* of the model's network */
  int64_t units;    /* that it counts in the progress; 0 counts as 1 */
  int64_t slices;   /* ranks that can share it; at most one: a rank does it alone */
  int64_t group;    /* 0: alone; items of one group and round are taken by one rank, one after the other */
  int64_t round;    /* 0 ..: the next round begins when all items of this one are done */
  double cost;      /* of any unit: the dearest of a round come first, equal ones in the list's order */
} vw_stage_item;

typedef struct vw_stage_list {
  vw_stage_item *items; /* what is left to do; malloc'ed */
  int64_t n, room;
  int64_t units; /* of what is done already; items do not count */
} vw_stage_list;

/* Appends a copy. Errors: VW_ERR_MEMORY. */
vw_status vw_stage_add(vw_stage_list *list, const vw_stage_item *item);

/* A running stage, as its items see it. */
typedef struct vw_stage_run {
  vw_session *s;
  const struct vw_stage *stage;
  vw_queue *queue;
  vw_team *team; /* NULL: no item is shared */
  const vw_stage_item *item;
  vw_progress progress;
  int64_t before;                 /* units of earlier rounds */
  bool has_asked;                 /* vw_stage_should_stop was called for this item */
  int64_t taken;                  /* of this round by this rank */
  double item_seconds, item_most; /* of these items: all, the longest */
} vw_stage_run;

/* Takes items, saves and writes: every rank, or the first of a team. */
bool vw_stage_leads(const vw_stage_run *r);

/* Is the item to save what it has and return unfinished? Cheap: asked every step. */
bool vw_stage_should_stop(vw_stage_run *r);

/* So many of the item's steps are done: progress, and time for MPI. */
void vw_stage_advanced(vw_stage_run *r, int64_t step, int64_t steps);

/* What all ranks make ready before the first item. */
enum {
  VW_STAGE_WEIGHTS = 1,        /* weights on every rank's device */
  VW_STAGE_CACHE = 2,          /* what tasks compute once (features, latents) of all data sets */
  VW_STAGE_CACHE_OF_BLOCKS = 4 /* the same of those that blocks learn from, with progress */
};

typedef struct vw_stage {
  const char *name;    /* the subcommand, the name in `stages:`, what progress and times begin with */
  const char *summary; /* a line in `viswords --help` */
  const char *help;    /* a sentence in `viswords NAME --help` */
  const char *unit;    /* what progress counts: "trials" */
  const char *done;    /* what they are when a run finds them finished: "all 12 trials are DONE already" */
  const char *kept;    /* what stays where a run ends early: "finished blocks and checkpoints" */
  unsigned needs;      /* VW_STAGE_... */
  bool carries_words;  /* its subcommand also does so for words of a file (jobs/transfer_word.h) */
  int (*command)(int argc, char **argv); /* its subcommand, where that is not the one of all stages */
  bool keeps;            /* --complete: judges, and keeps more of words than metrics (vw_judging_list) */
  bool costs_operations; /* items' costs are floating-point operations */
  bool has_parts;        /* --part: items() lists those of this part alone (vw_session_has_block, _item) */

  /* Rank 0: what is left to do. NULL: there are no items, `end` does all. Errors: any. */
  vw_status (*items)(vw_session *s, vw_stage_list *list);
  /* One item, on the rank that took it (on its whole team where the item has slices). *finished false: asked to stop,
   * all is saved. */
  vw_status (*item)(vw_stage_run *r, const vw_stage_item *it, bool *finished);
  /* Collective, when all items are done and nothing was stopped; also where nothing was left to do. *stopped, the same on
   * all ranks: asked to stop, what is written is whole. May be NULL. */
  vw_status (*end)(vw_session *s, bool *stopped);
  /* What `viswords NAME DIR` does with the results in DIR: no study is opened, no MPI started. NULL: the subcommand
   * needs the study. */
  vw_status (*of_results)(const char *dir, bool *stopped);
} vw_stage;

/* In the order in which a study runs them; NULL behind the last. */
extern const vw_stage *const vw_stages[];

/* Collective: does what is left of a stage. *stopped: asked to stop, all is saved. */
vw_status vw_stage_go(const vw_stage *stage, vw_session *s, bool *stopped);

#endif
