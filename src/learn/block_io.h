/* A block's files below DIR/blocks (io/block_file.h): checkpoint, results, evaluation, and the baselines of a concept.
 * K trials of a block, words of C numbers, R rows of baselines.
 *
 * <block id>.safetensors
 *   words                                                 [K, W] f32 (f64 from the ref backend); of n vectors each,
 *                                                         n > 1: [K, n, W]
 *   anchors                                               [K, W] likewise
 *   history                                               [points, K]
 *   history_step                                          [points] i64
 *   loss_start, loss_end, grad_norm, kkt                  [K] f64
 *   radius                                                [K] f64; inf: free
 *   distance                                              [K] f64: |word - anchor|
 *   on_sphere, failed                                     [K] u8
 *   anchor_id, nearest, rank_words, rank_all              [K] i64
 *                                                         of several vectors: distance, nearest and ranks are those of
 *                                                         the one that is farthest from the anchor; on_sphere: all are
 *   with learn.watch.every alone:
 *   steps                                                 [K] i64: of the word, fewer than the block's where it stopped
 *   looked                                                [looks, K] f64: loss on the fixed set; NaN: not looked
 *   look_step                                             [looks] i64
 *   metadata  model, data, steps, seconds
 *             trials: JSON list of {"id","concept","anchor","delta","replica","null","nearest"}
 *
 * <block id>-evaluation.safetensors
 *   metrics                                               [K, metrics] f64
 *   features, boxes                                       [K, ...] f32: what the task keeps of a word (tasks/task.h,
 *                                                         vw_kept_numbers); not there in files of earlier versions
 *   metadata  columns: JSON list of names
 *             trials: as above
 *
 * <concept id>-baselines.safetensors
 *   metrics                                               [R, metrics] f64
 *   features, boxes                                       [R, ...] likewise
 *   metadata  columns, model, data, concept
 *             rows: JSON list of {"kind","concept","anchor","delta","word"}
 *               kind: anchor | name | random_word | random_direction
 *               anchor, delta: "" where they do not apply
 *             A name the network does not know has a row with "word" "" and NaN metrics.
 *
 * Evaluations and baselines of a study with keys of judging also have "judging" in their metadata: its hash. */
#ifndef VW_LEARN_BLOCK_IO_H
#define VW_LEARN_BLOCK_IO_H

#include "io/safetensors.h"
#include "learn/baselines.h"
#include "learn/words.h"
#include "study/plan.h"

enum { VW_BLOCK_ID = VW_HASH_TEXT + 48 };

/* "3f...": the stem of a block's file names. */
void vw_block_file_id(const vw_block *b, const char *suffix, char id[VW_BLOCK_ID]);

/* The stem of the file with the metrics of its words: "3f...-evaluation", and with keys of judging their hash behind it
 * ("3f...-evaluation-90ab..."), so that another judging stands beside, and is never taken for this one. */
void vw_block_evaluation_id(const vw_block *b, char id[VW_BLOCK_ID]);

/* What a concept's baselines depend on besides names. */
typedef struct vw_baseline_inputs {
  vw_hash weights, protocol, pictures, judging;
  int64_t seed;
  const vw_trials_config *trials; /* the model's anchors and deltas */
} vw_baseline_inputs;

/* The stem of the file with a concept's baselines: a hash of all that they depend on. */
vw_status vw_baseline_file_id(const vw_baseline_inputs *in, const char *data, const char *concept,
                              char id[VW_BLOCK_ID]);

vw_status vw_block_checkpoint_save(const char *dir, const char *id, const vw_block_state *s);
/* Fills words, moments, history, loss_start, seconds and step from the newest whole checkpoint; *found false: there is
 * none. */
vw_status vw_block_checkpoint_load(const char *dir, const char *id, vw_block_state *s, bool *found);

vw_status vw_block_results_write(const char *dir, const vw_block *b, const vw_trial *trials, const vw_block_state *s,
                                 const vw_word_table *w);

/* Results of a block that was never learned, of the same sizes: for timing what reads them. */
vw_status vw_block_made_up_write(const char *dir, const vw_block *b, const vw_trial *trials,
                                 const vw_learn_config *learn, const vw_network *network, int64_t vectors);

/* The words [K, C] of a finished block as double, malloc'ed; the caller frees them. */
vw_status vw_block_words_read(const char *dir, const vw_block *b, int64_t C, double **words);

/* Which trials [K] of a finished block failed, their words or losses not being finite: 1, else 0; malloc'ed, the caller
 * frees it. Errors: as of vw_block_file_open. */
vw_status vw_block_failed_read(const char *dir, const vw_block *b, uint8_t **failed);

/* The step at which a failed word's loss was first seen not to be finite, of the stored ones: history [points, K], its
 * column k, a point each `every` steps; `steps`, those of the word, where all of them are finite. */
int64_t vw_block_failed_step(const double *history, int64_t K, int64_t k, int64_t every, int64_t steps);

/* Tells in the log which trials of a finished block failed, and where. */
void vw_block_tell_failed(const vw_block *b, const vw_trial *trials, const vw_block_state *s);

/* kept: of the block's words. */
vw_status vw_block_evaluation_write(const char *dir, const vw_block *b, const vw_trial *trials,
                                    const vw_task_kind *task, const double *metrics /* [b->n, metrics] */,
                                    const vw_kept_numbers *kept);

/* An entry of n words of a file with metrics; to be left out where kept->kind is NULL. */
vw_safetensors_entry vw_kept_entry(const vw_kept_numbers *kept, int64_t n);
/* What a file with metrics of n words keeps of them as `kept->kind` has it: sizes, and numbers, malloc'ed; the caller
 * frees them. numbers NULL: nothing. Errors: VW_ERR_INPUT (another type or shape), VW_ERR_MEMORY. */
vw_status vw_kept_load(const vw_safetensors *f, int64_t n, vw_kept_numbers *kept);

/* What baselines belong to. */
typedef struct vw_baselines_of {
  const char *model, *data;
  vw_hash judging;
} vw_baselines_of;
vw_status vw_baselines_write(const char *dir, const char *id, const vw_baselines_of *of, const vw_task_kind *task,
                             const vw_baselines *b, const double *metrics, const vw_kept_numbers *kept);

/* Judging picture by picture: what one picture gave, numbers [n, m], in <stem>-picture-<i>.safetensors. `stem` is that
 * of the file that the metrics will be in. A file of an earlier version may hold fewer numbers a word, `earlier`: those
 * behind them become NaN. */
vw_status vw_judged_part_id(const char *stem, int64_t picture, char id[VW_BLOCK_ID]);
vw_status vw_judged_part_write(const char *dir, const char *id, int64_t n, int64_t m, const double *numbers);
vw_status vw_judged_part_read(const char *dir, const char *id, int64_t n, int64_t m, int64_t earlier, double *numbers);

#endif
