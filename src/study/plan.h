/* The plan: every trial of a study in fixed blocks, recorded once in plan.yaml of the output directory.
 *
 * The plan only grows, but for how words are judged, which follows the study. Trials are known by their ids, so a study
 * that gained an anchor keeps every block it has and gets new ones; a trial that the study no longer asks for stays,
 * with row -1. Bits of a result depend on the rows of its block and on the kernels, so both are recorded, and other
 * kernels are refused. */
#ifndef VW_STUDY_PLAN_H
#define VW_STUDY_PLAN_H

#include "study/trial.h"

/* Rows of a new block, where the study does not say. */
enum { VW_PLAN_SEGMENTS = 64 }; /* of a step at most: VW_MOST_SEGMENTS of src/graph */
enum { VW_LEAST_ROWS = 4, VW_MOST_CPU_ROWS = 64, VW_MOST_GPU_ROWS = 2048 };

typedef struct vw_block {
  vw_hash id; /* of its trials' ids in order */
  const char *model, *data;
  vw_hash weights, protocol;       /* as in vw_trial_hash */
  vw_hash judging;                 /* as the study asked last (vw_judging_hash); its evaluation is of this one */
  int64_t first, n;                /* trials[first .. first + n) of the plan */
  const char *precision;           /* of its words; NULL: the plan's */
  int64_t slices;                  /* parts of a step's pictures, which ranks may share (learn/team.h); 1: whole */
  int64_t segments;                /* of the forward pass, made again on the way back; 1: none; 0: not decided yet */
  int64_t n_selected;              /* trials with row >= 0; 0: nothing to do */
  int64_t model_index, data_index; /* places in the study file, -1: not in it */
} vw_block;

/* What results depend on besides the trial: as recorded, or as found on this machine. */
typedef struct vw_plan_kernels {
  const char *backend;   /* "cpu" */
  const char *precision; /* "fp32" */
  const char *kernels;   /* "OpenBLAS 0.3.21 Haswell" */
} vw_plan_kernels;
enum { VW_KERNELS_TEXT = 512 };

typedef struct vw_plan {
  const char *study;
  int64_t seed;
  vw_plan_kernels with;   /* of the first update */
  vw_names other_kernels; /* what --allow-other-kernels went on with */
  const char *algorithms; /* lines of kernels/algorithms.h, chosen by timing when the plan was made; NULL: none */
  vw_block *blocks;
  int64_t n_blocks;
  vw_trial *trials; /* in block order */
  int64_t n_trials;
  int64_t n_new;      /* trials that the last update appended */
  int64_t n_selected; /* trials with row >= 0: rows of study.h5 */
  int64_t n_done;     /* of them, those of blocks whose results are there; what vw_plan_print is to say, 0: nothing */
  bool changed;       /* since it was loaded or saved */
  vw_pool pool;
} vw_plan;

/* An empty plan. The caller destroys it. */
vw_status vw_plan_create(vw_plan **plan);
void vw_plan_destroy(vw_plan *plan); /* NULL allowed */

/* Reads plan.yaml and checks every id against the contents. Rows are -1 until an update tells what the study asks for.
 * Errors: VW_ERR_INPUT naming the line; VW_ERR_IO. */
vw_status vw_plan_load(const char *path, vw_plan **plan);

/* Records what every later run is held to; the text is copied. Errors: VW_ERR_MEMORY. */
vw_status vw_plan_set_algorithms(vw_plan *plan, const char *text);

/* Writes it beside, then renames; does nothing when the plan has not changed. */
vw_status vw_plan_save(vw_plan *plan, const char *path);

/* Brings the plan to what the study asks for: rows of known trials, blocks for new ones. `config` may be freed after
 * the call. Errors: VW_ERR_INPUT when the plan was made with other kernels, unless allow_other_kernels; the plan is
 * unchanged then. */
vw_status vw_plan_update(vw_plan *plan, const vw_study_config *config, const vw_study_inputs *inputs,
                         const vw_plan_kernels *here, bool allow_other_kernels);

/* Appends a block of another plan with its trials, as they are; names are copied. Errors: VW_ERR_MEMORY. */
vw_status vw_plan_take(vw_plan *plan, const vw_plan *from, int64_t block);

/* "cpu fp32 OpenBLAS ...": kernels as vw_plan.other_kernels has them. */
void vw_plan_kernels_text(const vw_plan_kernels *k, char text[VW_KERNELS_TEXT]);

/* Notes other kernels than the plan's that some of its results are of. Errors: VW_ERR_MEMORY. */
vw_status vw_plan_note_kernels(vw_plan *plan, const char *text);

/* Load or create, update, save: what a run does first. Not collective. */
vw_status vw_plan_open(const char *path, const vw_study_config *config, const vw_study_inputs *inputs,
                       const vw_plan_kernels *here, bool allow_other_kernels, vw_plan **plan);

/* How many near-equal blocks `n` trials make. block > 0: rows of a block asked for. Else the fewest blocks of at most
 * `most` rows whose number is a multiple of ranks, but none below `least` rows: smaller batches cost more than they
 * spread. */
int64_t vw_plan_block_count(int64_t n, int64_t ranks, int64_t block, int64_t least, int64_t most);

/* How exactly a block is computed: "fp32". */
const char *vw_block_precision(const vw_plan *plan, const vw_block *b);

/* The study asks for some of the block's trials and names its model and data set. */
bool vw_block_is_active(const vw_block *b);

/* Blocks with something to do. */
int64_t vw_plan_active_blocks(const vw_plan *plan);

/* For `viswords plan`: models, data sets, trials, blocks and their rows, utilisation for `ranks`. cost [n_blocks] of
 * learning a block, in any unit; NULL: as its rows. Errors: VW_ERR_MEMORY. */
vw_status vw_plan_print(const vw_plan *plan, int64_t ranks, const double *cost, FILE *out);

#endif
