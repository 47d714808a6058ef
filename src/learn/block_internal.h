/* Shared by block.c and block_slices.c: the programs of one block while it is learned. */
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
  const vw_learn_config *learn;
  vw_block_state *s;
  vw_block_shape shape;
  void *of_task;                 /* what the task holds for the words */
  vw_block_part_program watch;   /* owns the inputs and the arena that all others use too */
  vw_block_part_program trained; /* holds words, step, moments, record: the whole step, or the update behind slices */
  vw_sliced_step *sliced;        /* NULL: the whole step is one program */
} vw_block_run;

/* One more program of the block in the memory of `watch`: its weights are bound, its own leaves are not. */
vw_status vw_block_add_program(const vw_block_run *r, vw_block_mode mode, int64_t slice, vw_block_part_program *p);
void vw_block_drop_program(vw_block_part_program *p);

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
