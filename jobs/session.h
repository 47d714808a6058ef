/* An opened study: what all stages of a run share. */
#ifndef VW_JOBS_SESSION_H
#define VW_JOBS_SESSION_H

#include "cluster/progress.h"
#include "cluster/ranks.h"
#include "cluster/sections.h"
#include "cluster/watchdog.h"
#include "io/parts.h"
#include "jobs/jobs.h"
#include "jobs/signs.h"
#include "jobs/stop.h"
#include "learn/block_io.h"
#include "learn/cost.h"
#include "learn/memory.h"
#include "learn/words.h"
#include "results/collect/collect.h"
#include "study/config.h"
#include "study/plan.h"
#include "tasks/kinds.h"

typedef struct vw_session_options {
  const char *study, *out, *cache, *backend, *precision; /* backend, precision NULL: the study's */
  int64_t threads;           /* 0: the study's, else all cores shared among this node's ranks */
  double checkpoint_seconds; /* between checkpoints of a block */
  const char *part;          /* "i/n": of the jobs of an array (io/parts.h); NULL: the whole study */
  bool allow_other_kernels, json, quiet;
  bool completes;      /* judge again what an earlier version judged without keeping what this one keeps of words */
  bool counts_will_do; /* of a data set that is not there, the study's counts; of a network, its published sizes
                        * (viswords plan) */
  bool all_problems;   /* look at weights and pictures also where the study file itself is wrong (viswords check) */
} vw_session_options;

/* A data set as some of the models have it: those that want the same numbers of pictures share it. */
typedef struct vw_session_set {
  vw_data_config data;      /* with all concepts of the data set */
  int64_t index;            /* of the data set in the study */
  vw_picture_set *pictures; /* NULL: a problem */
} vw_session_set;

typedef struct vw_cut_task vw_cut_task; /* jobs/session_cut.c */

/* Networks that are not there, of which the sizes alone were opened (bench/stand_in.h). */
typedef struct vw_session_stand_in {
  bool model, judge;
} vw_session_stand_in;

typedef struct vw_session {
  vw_session_options options;
  vw_ranks ranks;
  int64_t ranks_planned; /* of one that only looks: those that would share this machine's cores; 0: the study's */
  vw_problems problems;  /* of the study file and of what it names, in the file's order */
  vw_study_config *config;
  vw_context ctx;
  char out[VW_PATH_BYTES], cache[VW_PATH_BYTES];
  char drawn[VW_PATH_BYTES]; /* folder of pictures that words draw; "": none do, or nothing is written */
  vw_study_part part;        /* that this run works on */
  int64_t parts, *part_of;   /* [n_blocks] 1 .. parts, 0: not asked for; vw_session_share_out */
  vw_lock lock;              /* of the part or the whole; held by rank 0, followed by the others */
  bool stopped;              /* asked to stop while it waited for the lock: nothing is open */
  int log_file;              /* descriptor + 1 of this rank's file in DIR/log; 0: none */
  vw_session_set *sets;      /* in the order of the data sets */
  int64_t n_sets;
  vw_picture_set **pictures;      /* [n_models * n_data] of the sets; NULL: the model does not learn on it */
  const vw_kind **kinds;          /* [n_models] */
  vw_network **networks;          /* [n_models] */
  vw_network **judges;            /* [n_models] of judge.weights; NULL: the model has none */
  vw_session_stand_in *stands_in; /* [n_models] */
  vw_context *contexts;           /* [n_models] ctx with the model's precision */
  const char **precision;         /* [n_models] its name */
  vw_word_table *words;           /* [n_models] */
  vw_hash *weights;               /* [n_models] */
  vw_hash inputs;                 /* of all files that every rank reads: study, lists, configurations, pictures */
  vw_task **tasks;                /* [n_models * n_data]; opened when a stage needs them */
  vw_cut_task *cut;               /* vw_session_cut_task; NULL: none is open */
  vw_plan *plan;
  vw_costs costs;          /* vw_session_cost */
  bool is_counted;         /* a data set or a network is not there: sizes are known, trials have no ids */
  bool is_undecided;       /* plan.backend is auto and no plan is there: only looked at, as the CPU's */
  bool has_shared_weights; /* vw_session_share_weights */
  vw_watchdog *watchdog;   /* of a run; NULL: none */
  vw_sections sections;
  vw_signs signs; /* what others see of this rank */
  double started;
  bool all_failed; /* learn, collect: not one trial gave a word; the command ends with exit code 1 */
} vw_session;

/* Collective (ranks are open). Reads the study, opens networks and pictures, takes the lock of the output directory,
 * brings the plan up to date. with_lock false: only looks (viswords plan): writes nothing, plan.yaml is not saved. The
 * caller closes the session, after a failure too; that does not close the ranks. s->stopped after VW_OK: a signal came
 * while another run's lock was watched; there is no plan, and no stage may run. */
vw_status vw_session_open(vw_session *s, const vw_session_options *o, bool with_lock);
void vw_session_close(vw_session *s);

/* Collective: did this run keep the lock of its directory? Errors: VW_ERR_IO, on every rank. */
vw_status vw_session_check_lock(vw_session *s);

/* The folder of features and rates: `asked`, else the user's, else one below `out`. */
vw_status vw_cache_folder(const char *asked, const char *out, char cache[VW_PATH_BYTES]);

/* What --backend says: auto (the CPU, where no study decides), ref, cpu, cuda. Errors: VW_ERR_ARG. */
vw_status vw_backend_named(const char *name, vw_backend *b);

/* Fills s->contexts: the session's with each model's precision. Errors: problems of plan.precision. */
vw_status vw_session_set_precision(vw_session *s);

/* What --precision says: auto (what the backend is best at), fp32, tf32, mixed, bf16; for an open context that nothing
 * was built on. Errors: VW_ERR_ARG, VW_ERR_UNSUPPORTED (not with this backend). */
vw_status vw_precision_named(const char *name, vw_context *ctx);

/* Collective. Opens what s->config names, part of vw_session_open. Errors: the first problem; all are in s->problems.
 * Where another rank fails, VW_OK and not all is opened: the caller agrees. */
vw_status vw_session_open_inputs(vw_session *s);

/* The weights of all networks still are what was hashed; asked before anything computed with them is committed. Not
 * collective. Errors: VW_ERR_IO naming the file. */
vw_status vw_session_inputs_unchanged(const vw_session *s);

/* Collective, after the inputs were opened: all ranks get rank 0's hashes of the weights, having read the same inputs.
 * Errors: VW_ERR_IO on the ranks where something differs. */
vw_status vw_session_agree_inputs(vw_session *s);

/* Rank 0, where the study has the stage `transfer`: keeps what it cannot do (no two networks, too few words in common) as
 * problems, before anything is learned. Part of vw_session_open_inputs, when the weights are hashed. */
vw_status vw_session_check_transfer(vw_session *s);

/* Rank 0, where the study has the stage `truncation`: keeps depths that a network does not have as problems. As above. */
vw_status vw_session_check_truncation(vw_session *s);

/* Rank 0, where the study has the stage `tsne`: keeps models with too few words for a map as problems. As above. */
vw_status vw_session_check_tsne(vw_session *s);

/* Tells all problems of the study, else the one message of `st`; returns the exit code. */
int vw_session_report(const vw_session *s, vw_status st);

/* The task of a block's model and data set; opened at first use. */
vw_status vw_session_task(vw_session *s, int64_t model, int64_t data, vw_task **task);

/* The same with a network whose text encoder is cut to its first `layers` layers (vw_network_cut); with all of them
 * that of vw_session_task. Other tasks are closed, so that what judging holds is held once; where the task lends to cut
 * ones, those of all depths stay open. *task lives until the next call for another model, data set or depth. Errors: as of vw_network_cut and the task's open. */
vw_status vw_session_cut_task(vw_session *s, int64_t model, int64_t data, int64_t layers, vw_task **task);
void vw_session_cut_close(vw_session *s);

/* What the task of a model and a data set is made of. */
vw_task_inputs vw_session_inputs(const vw_session *s, int64_t model, int64_t data);

/* Collective: what tasks compute once and keep, for all models and data sets (for_blocks: those with blocks to learn).
 * *stopped: asked to stop. */
vw_status vw_session_cache(vw_session *s, bool for_blocks, bool *stopped);

/* What results are gathered from. */
vw_results_source vw_session_results(const vw_session *s);

/* Concepts that a model learns of a data set, and null concepts. */
int64_t vw_session_concepts(const vw_session *s, int64_t model, int64_t data);

/* What the block that needs most will take of a rank's memory; weights of several models are not added. *task, *block:
 * whose block it is and which; NULL: there is none. `block` may be NULL. (jobs/session_memory.c, as the next two.) */
vw_status vw_session_memory(vw_session *s, vw_learn_memory *out, const vw_task_kind **task, const vw_block **block);

/* Rows of new blocks for every model and data set that it learns on: at least least[i], at most most[i], both
 * [n_models * n_data] and the caller's to free. What other ranks run changes nothing. Errors: VW_ERR_MEMORY, which says
 * what is needed where not even one word fits. */
vw_status vw_session_rows(const vw_session *s, int64_t **least, int64_t **most);

/* Decides for all blocks without results how many segments of a step are made again on the way back: as many as the
 * study says, else as few as the memory of a rank needs; what the plan has is kept where it fits. A block that cannot
 * fit is an error where `is_run`, else a warning. Rank 0 alone. */
vw_status vw_session_choose_segments(vw_session *s, bool is_run);

/* What the memory and work of blocks of a model and a data set follow from. */
vw_block_kind vw_session_block_kind(const vw_session *s, int64_t model, int64_t data, int64_t rows, vw_step_cut cut);

/* Memory and work of a block that the study asks for (model_index, data_index >= 0). */
vw_status vw_session_cost(vw_session *s, const vw_block *b, vw_block_cost *out);

/* Operations of learning each block of the plan, cost[n_blocks], malloc'ed; the caller frees it. 0 for blocks that the
 * study does not ask for. */
vw_status vw_session_costs(vw_session *s, double **cost);

/* Collective: shares the plan's blocks among `parts` parts, by cost. It follows from the plan and from `parts` alone,
 * so the parts need not talk. */
vw_status vw_session_share_out(vw_session *s, int64_t parts);

/* Does this run's part have block `block`; has it item `number` of those that are dealt out in turn? After
 * vw_session_share_out. A run of the whole study has all. */
bool vw_session_has_block(const vw_session *s, int64_t block);
bool vw_session_has_item(const vw_session *s, int64_t number);

/* Collective, before the first pass of a network: a device's weights are read by rank 0 alone and sent to all. Nothing
 * to do on one rank, and for backends that use the mapped file as it lies. Ends the job where a rank does not come. */
vw_status vw_session_share_weights(vw_session *s);

#endif
