/* Shared by block.c, block_watch.c and block_slices.c: the programs of one block while it is learned. */
#ifndef VW_LEARN_BLOCK_INTERNAL_H
#define VW_LEARN_BLOCK_INTERNAL_H

#include "learn/block.h"

/* A graph and its program. */
typedef struct vw_block_part_program {
  vw_graph *graph;
  vw_program *program;
} vw_block_part_program;

/* A training step in slices: this rank's slices, their gradients, the sum, and the update that all ranks make. */
typedef struct vw_sliced_step {
  vw_team *team;
  int64_t *count;                /* [team->size] slices of each member */
  vw_block_part_program *slices; /* [count[team->rank]] */
  int64_t n; /* elements of a slice's row: gradient [K, C], then loss [K], each from an aligned place */
  vw_dtype type;
  void *rows; /* [all slices, n] in the backend's memory */
  void *sum;  /* [n] */
} vw_sliced_step;

typedef struct vw_block_run {
  vw_task *t;
  const vw_trial *trials;
  const vw_learn_config *learn;
  vw_block_state *s;
  vw_block_shape shape;
  void *of_task;                 /* what the task holds for the words */
  vw_block_part_program watch;   /* owns the inputs and the arena that all others use too */
  vw_block_part_program look;    /* the fixed set's loss; without a program: nobody looks on the way */
  vw_block_part_program trained; /* holds words, step, moments, record: the whole step, or the update behind slices */
  vw_sliced_step *sliced;        /* NULL: the whole step is one program */
  const vw_block_hooks *hooks;   /* NULL: nobody asks or is told */
} vw_block_run;

/* Is it to stop? Asked between the passes of the fixed set, of a sample picture's sampler: this rank's own wish, on which
 * a team agrees when all come to the end of it (vw_block_agree). */
bool vw_block_asks_to_stop(const vw_block_run *r);

/* Collective in a team: *wants of all members (VW_TEAM_*). Of a rank alone they are what they were. Errors: VW_ERR_COMM. */
vw_status vw_block_agree(const vw_block_run *r, unsigned *wants);

/* One more program of the block in the memory of `watch`: its weights are bound, its own leaves are not. */
vw_status vw_block_add_program(const vw_block_run *r, vw_block_mode mode, int64_t slice, vw_block_part_program *p);
void vw_block_drop_program(vw_block_part_program *p);

vw_status vw_block_write_leaf(const vw_block_part_program *p, const char *name, vw_tensor shape, const void *data);
vw_status vw_block_read_leaf(const vw_block_part_program *p, const char *name, vw_tensor shape, void *data);

/* The vectors of all words, rows of the optimiser: their shape as a leaf. */
vw_tensor vw_block_matrix(const vw_block_state *s);

/* Whether this rank saves and writes: alone, or first in its team. */
bool vw_block_leads(const vw_block_run *r);

/* The words as they are now; those that stopped stay what they were then. */
vw_status vw_block_read_words(const vw_block_run *r);

/* ---- the fixed set (block_watch.c) ------------------------------------------------------------------------------- */

/* Mean loss [K] and gradient [K, C] (may be NULL) of the words, summed in the order of the draws. *stopped: asked to stop
 * among them, loss and gradient are of no use. */
vw_status vw_block_fixed_loss(const vw_block_run *r, double *loss, double *gradient, bool *stopped);

/* What is known of the words at their end, unless *stopped. */
vw_status vw_block_finish(const vw_block_run *r, bool *stopped);

/* Who has stopped, by what was seen so far. After the last step there is nothing to stop. */
void vw_block_stop_words(const vw_block_run *r);

/* The look that is due after s->step steps, if one is, and who stops there; sample pictures, if they are due. With
 * slices collective in the team, whose members share the draws. *wants: VW_TEAM_FAILED is added where a member failed,
 * VW_TEAM_STOP where it was asked to stop meanwhile; the look was not made then, or not all pictures. */
vw_status vw_block_look(const vw_block_run *r, unsigned *wants);

/* Where a leaf or an output lies in the backend's memory. */
void *vw_block_leaf_data(const vw_block_part_program *p, const char *name);

/* The programs of this rank's slices, connected to r->trained (the update, not yet prepared), and their memory. */
vw_status vw_sliced_create(vw_block_run *r, vw_team *team);
vw_status vw_sliced_prepare(const vw_block_run *r);
void vw_sliced_free(vw_block_run *r);

/* What all programs of the block own, and the slices' gradients. */
int64_t vw_block_bytes(const vw_block_run *r);

/* One training step by the whole team. *wants: vw_team_meet; with VW_TEAM_FAILED the step was not made. */
vw_status vw_sliced_run(const vw_block_run *r, unsigned *wants);

#endif
