/* Learns the words of one block: a fixed group of trials of one network and data set, one row each. */
#ifndef VW_LEARN_BLOCK_H
#define VW_LEARN_BLOCK_H

#include "learn/block_graph.h"
#include "learn/team.h"
#include "study/trial.h"

/* One block's numbers; all arrays are double, rows in the block's order. What a checkpoint keeps stands first. A word is
 * `vectors` vectors one after the other, C numbers in all. */
typedef struct vw_block_state {
  int64_t K, C, points, every;
  int64_t vectors;               /* of a word */
  int64_t step;                  /* steps done */
  double *words;                 /* [K, C] */
  double *moments[2];            /* [K, C] each; adamw only, else NULL */
  double *history;               /* [points, K] training loss at steps 0, every, ...; NaN where not reached */
  double *loss_start, *loss_end; /* [K] on the fixed set */
  double seconds;                /* of training so far */
  int64_t look_every, looks;     /* steps between looks at the fixed set; how many there can be, 0: none */
  int64_t looks_done;            /* among them those that were not made (the study asked for them later) */
  double *looked;                /* [looks, K] loss on the fixed set after 0, look_every, ... steps; NaN: not looked */
  int64_t *stopped;              /* [K] steps after which a word stopped early; 0: it did not */
  /* known when the block is finished */
  double *gradient;        /* [K, C] of the fixed set's loss at the end */
  double *grad_norm, *kkt; /* [K] */
  /* what the trials start from */
  double *anchors; /* [K, C]: the anchor's embedding, as often as a word has vectors */
  double *radius;  /* [K] of each of its vectors' balls; INFINITY: free */
} vw_block_state;

/* No step is left: all are done, or every word has stopped. */
bool vw_block_is_done(const vw_block_state *s, const vw_learn_config *learn);

/* Steps of word k, when the block is finished. */
int64_t vw_block_steps_of(const vw_block_state *s, int64_t k);

/* The look, from 0, after which a word stops that had these losses at looks 0 .. n - 1, `stride` numbers apart; -1: at
 * none. It depends on the word's own losses alone (docs/protocol.md). */
int64_t vw_early_stop(const vw_learn_config *learn, const double *loss, int64_t n, int64_t stride);

/* K words of so many vectors of `width` numbers. The caller frees it. */
vw_status vw_block_state_create(vw_block_state *s, const vw_learn_config *learn, int64_t K, int64_t vectors,
                                int64_t width);
void vw_block_state_free(vw_block_state *s);

/* What the caller wants to be asked or told between steps. Any may be NULL. */
typedef struct vw_block_hooks {
  void *user;
  bool (*stop)(void *user);                                     /* asked every step: cheap */
  vw_status (*checkpoint)(void *user, const vw_block_state *s); /* at most every `checkpoint_seconds`, and on stop */
  void (*advanced)(void *user, int64_t step, int64_t steps);    /* after every step */
  double checkpoint_seconds;
} vw_block_hooks;

/* How a block is shared: slices of a step's pictures (plan), and the ranks that compute them. slices <= 1: a rank
 * learns it alone, team is not used. */
typedef struct vw_block_share {
  int64_t slices;
  int64_t segments; /* of a step's forward pass, made again on the way back; at most 1: all is kept. Changes no bit */
  vw_team *team;
} vw_block_share;

/* Goes on from s->step (0: from the anchors in s->words) to the end or until `stop` says so. trials[K] share model and
 * data set. *finished: all steps are done and the results are in s. Same trials, slices and kernels, same bits: for any
 * number of ranks in the team, of threads and of interruptions.
 *
 * With slices collective in the team: what the leader starts from is what all start from, only the leader is asked to
 * save, and results are in the leader's s. A member that returns an error has not told the others (vw_team_meet). */
vw_status vw_block_learn(vw_block_state *s, vw_task *t, const vw_study_config *config, const vw_trial *trials,
                         vw_block_share share, const vw_block_hooks *hooks, bool *finished);

#endif
