/* What `collect` gathers from the block files, and where it writes it. Inside jobs/. */
#ifndef VW_RESULTS_COLLECT_H
#define VW_RESULTS_COLLECT_H

#include "cluster/progress.h"
#include "cluster/sections.h"
#include "core/durable.h"
#include "io/safetensors.h"
#include "io/study/study_file.h"
#include "learn/block_io.h"
#include "study/summary.h"
#include "tasks/kinds.h"
#include "transfer/carried.h"
#include "transfer/vocabulary.h"

enum { VW_WORD_BYTES = 64 };

/* An opened study, as results see it. All borrowed. */
typedef struct vw_results_source {
  const vw_study_config *config;
  const vw_plan *plan;
  vw_ranks ranks;
  vw_context ctx;
  const char *out, *cache;     /* the output directory; that of features and rates */
  const vw_kind *const *kinds; /* [n_models], as all below */
  vw_network *const *networks;
  const vw_word_table *words;
  const vw_hash *weights;
  vw_picture_set *const *pictures; /* [n_models * n_data]; NULL: the model does not learn on the data set */
  int64_t parts;                   /* of an array that learned it (io/parts.h); 0: of none */
  const int64_t *part_of;          /* [blocks of the plan] 1 .. parts */
  double started;                  /* vw_seconds() */
  bool (*stop)(void);              /* has somebody asked the run to stop? NULL: never */
} vw_results_source;

/* The stem of the file with a concept's baselines (learn/block_io.h). */
vw_status vw_results_baseline_id(const vw_results_source *s, int64_t model, int64_t data, int64_t concept,
                                 char id[VW_BLOCK_ID]);

/* The same as transfer sees it. */
vw_transfer_source vw_results_transfer(const vw_results_source *s);

/* One trial in the study's order. Numbers travel between ranks; texts are of the plan or of this row. */
typedef struct vw_trial_row {
  int64_t row, model_row; /* places among all trials and among its model's */
  int64_t steps, replica, rank_words, rank_all;
  double delta, distance_over_radius, loss_start, loss_end, kkt, grad_norm, seconds, metrics[VW_MOST_METRICS];
  uint8_t is_null, on_sphere, failed, is_stopped, learned,
      judged; /* learned: its block is there; judged: its evaluation is */
  char nearest_word[VW_WORD_BYTES];
  char id[VW_HASH_TEXT], pictures[VW_HASH_TEXT], weights[VW_HASH_TEXT], protocol[VW_HASH_TEXT];
  char why[48];                                                            /* its reason */
  const char *model, *data, *concept, *anchor, *nearest, *status, *reason; /* of this process */
  const char *id_text, *pictures_text, *weights_text, *protocol_text;
} vw_trial_row;

/* One row of /evaluation/<task>_baselines. */
typedef struct vw_baseline {
  int64_t item; /* place of its concept in the order of models, data sets, concepts */
  int64_t row, model_index, data_index, concept_index, anchor_index;
  vw_measured what;
  double delta, metrics[VW_MOST_METRICS];
  char word_text[VW_WORD_BYTES];
  const char *model, *data, *concept, *kind, *anchor, *word; /* of this process */
} vw_baseline;

/* One row of /summary/probe: of a model's words for a data set, at one delta, position and layer. */
typedef struct vw_probe_row {
  int64_t model_index, data_index, source_index,
      layer;              /* source: model_index, or the model that learned carried words */
  int position, quantity; /* vw_state_positions, vw_probe_quantities */
  double delta;
  vw_interval i;
  const char *model, *data, *source, *position_name, *quantity_name; /* of this process; source "": learned here */
} vw_probe_row;

/* What judging kept of a model's words and of their baselines; numbers are rank 0's. */
typedef struct vw_kept_part {
  vw_kept_numbers words; /* [trials of the model]; kind NULL: its task keeps nothing, or no file of this study has it */
  vw_kept_numbers baselines;           /* [n_baselines], of the same sizes */
  int64_t first_baseline, n_baselines; /* in vw_collected.baselines */
} vw_kept_part;

/* Where numbers of words lie: /summary/loss (a row a step) and /summary/constraint. */
typedef enum vw_quartile_of {
  VW_QUARTILES_LOSS,     /* the training loss at a step */
  VW_QUARTILES_WATCH,    /* that on the fixed set, where words were looked at on the way */
  VW_QUARTILES_DISTANCE, /* to the anchor, over the radius */
  VW_QUARTILES_KKT,
  VW_QUARTILES
} vw_quartile_of;
extern const char *const vw_quartile_names[VW_QUARTILES];

typedef struct vw_quartile_row {
  int64_t model_index, data_index, step, n; /* step -1: of no step */
  vw_quartile_of of;
  double delta, low, median, high;
  const char *model, *data, *quantity; /* of this process */
} vw_quartile_row;

/* Are performant solutions everywhere? /summary/performant: words of a model for a data set at one delta. */
typedef enum vw_performant {
  VW_COSINE_ANCHORS, /* of words of one concept, from different anchors; mean and intervals over concepts */
  VW_DISTANCE_ANCHORS,
  VW_COSINE_REPLICAS, /* the same of one anchor's replicas */
  VW_DISTANCE_REPLICAS,
  VW_COSINE_OTHERS, /* the same of different concepts, from different anchors */
  VW_DISTANCE_OTHERS,
  VW_COSINE_UNTOUCHED, /* of the anchors themselves, over pairs: delta 0 */
  VW_ALIKE_ANCHORS,    /* cosines of what the judge sees in their pictures: of the same pairs ... */
  VW_ALIKE_REPLICAS,
  VW_ALIKE_OTHERS,
  VW_ALIKE_MORE,        /* of one concept minus of different ones, paired by concept */
  VW_ALIKE_NAME,        /* of a word and its concept's real name */
  VW_ALIKE_OWN,         /* of a word and its own untouched anchor */
  VW_ALIKE_UNTOUCHED,   /* of the untouched anchors themselves, over pairs: delta 0 */
  VW_NEAREST_IS_ANCHOR, /* 1: the whole word nearest to the word is its anchor */
  VW_PERFORMANCE,       /* the headline */
  VW_PERFORMANCE_MORE,  /* minus that at the next smaller delta, paired */
  VW_PERFORMANCE_HALF,  /* at delta 1 minus that at 0.5, paired: has it saturated at 0.5? */
  VW_PERFORMANTS
} vw_performant;
extern const char *const vw_performant_names[VW_PERFORMANTS];

typedef struct vw_performant_row {
  int64_t model_index, data_index;
  vw_performant of;
  double delta;
  vw_interval i;
  const char *model, *data, *quantity, *metric; /* of this process; metric: "" where it is of no metric */
} vw_performant_row;

/* A carried word, in the order of pairs and sets. Numbers travel between ranks; texts are of this process. */
typedef struct vw_transfer_row {
  int64_t pair, data, concept_index; /* data, concept: of the target */
  int64_t anchor_index, replica;     /* the source's anchor; -1: none */
  int64_t trial, target;             /* rows of /trials; -1: none */
  vw_carried_kind kind;
  double delta, norm_ratio, cosine, distance, metrics[VW_MOST_METRICS]; /* NaN: not carried */
  char word_text[VW_CARRIED_WORD_BYTES], before_text[VW_CARRIED_WORD_BYTES], after_text[VW_CARRIED_WORD_BYTES];
  const char *data_name, *concept, *anchor, *kind_name, *word, *before, *after;
} vw_transfer_row;

/* What the words of a pair are in the target: a number for each, over words, and over their paired differences. */
typedef enum vw_transfer_quantity {
  VW_CARRIED_VALUE,
  VW_CARRIED_IN_DOMAIN,    /* of the same words learned in the target */
  VW_CARRIED_LOSS,         /* in domain minus carried */
  VW_CARRIED_MINUS_ANCHOR, /* carried minus the target's untouched anchor */
  VW_CARRIED_QUANTITIES
} vw_transfer_quantity;
extern const char *const vw_transfer_quantity_names[VW_CARRIED_QUANTITIES];

typedef struct vw_transfer_summary {
  int64_t pair, data;
  vw_carried_kind what;
  vw_transfer_quantity quantity;
  double delta; /* as in vw_summary_row */
  int metric;   /* of the target's task */
  vw_interval interval;
} vw_transfer_summary;

/* A pair whose map is there. */
typedef struct vw_transfer_part {
  vw_transfer_pair models;
  vw_map map;           /* its arrays on rank 0 alone */
  int64_t first, n;     /* of its rows */
  double *words;        /* [n, to] on rank 0 */
  vw_kept_numbers kept; /* [n], numbers on rank 0; kind NULL: nothing of these words was kept */
} vw_transfer_part;

typedef struct vw_transferred {
  vw_transfer_part *pair; /* complete on all ranks, but for arrays of numbers */
  int64_t n_pairs;        /* 0: nothing was carried */
  vw_transfer_row *rows;
  int64_t n;
  vw_transfer_summary *summary;
  int64_t n_summary;
  int64_t missing; /* sets whose words are learned, but not carried */
  int64_t unkept;  /* sets of earlier versions, which kept metrics alone */
} vw_transferred;

/* A word that was judged by the first layers of a text encoder, in the order of models and sets. Numbers travel between
 * ranks; texts are of this process. */
typedef struct vw_truncation_row {
  int64_t model, data, source;         /* source: the model that learned it; `model`, if it was not carried */
  int64_t concept_index, anchor_index; /* anchor -1: none */
  int64_t replica, trial;              /* row of /trials; -1: none */
  int64_t kind;                        /* vw_origin */
  double delta;                        /* 0: an anchor; NaN: a name */
  char word_text[VW_WORD_BYTES];       /* a known word */
  const char *kind_name, *model_name, *source_name, *data_name, *concept, *anchor, *word; /* source "": not carried */
} vw_truncation_row;

typedef enum vw_truncation_quantity {
  VW_CUT_VALUE,
  VW_CUT_DEEPEST_MINUS, /* the same word at the largest depth that was judged minus this, paired */
  VW_CUT_QUANTITIES
} vw_truncation_quantity;
extern const char *const vw_truncation_quantity_names[VW_CUT_QUANTITIES];

typedef struct vw_truncation_summary {
  int64_t model, data, source, kind, depth; /* as above; depth: layers that were kept */
  vw_truncation_quantity quantity;
  double delta;
  int metric; /* of the model's task */
  vw_interval interval;
} vw_truncation_summary;

typedef struct vw_truncated {
  vw_truncation_row *rows; /* complete on all ranks; n 0: nothing was truncated */
  int64_t n;
  int64_t *depths, *n_depths, room; /* depths[n_models][room] of a model, ascending, n_depths[n_models] of them */
  int64_t *layers;                  /* [n_models] that its text encoder has */
  double *metrics;                  /* rank 0: [n, room, VW_MOST_METRICS] at the depths of the row's model */
  vw_truncation_summary *summary;   /* complete on all ranks */
  int64_t n_summary;
  int64_t missing; /* sets and depths whose words are there, but not judged */
} vw_truncated;

typedef struct vw_collected {
  const vw_results_source *s;
  int64_t n;              /* trials the study asks for */
  const vw_trial **trial; /* [n] */
  vw_trial_row *rows;     /* [n]; complete on all ranks */
  int64_t *model_n;       /* [n_models] trials of a model */
  vw_safetensors **file;  /* [blocks of the plan] results of this rank's blocks; else NULL */
  int64_t *mine, n_mine;  /* rows of this rank's blocks, whether the block is there or not */
  vw_baseline *baselines; /* complete on all ranks */
  int64_t n_baselines;
  int64_t blocks, missing_blocks, unjudged_blocks, missing_baselines; /* of all ranks */
  int64_t missing;                                                    /* trials */
  vw_summary_row *summary;                                            /* complete on all ranks */
  int64_t n_summary;
  vw_probe_row *probe; /* complete on all ranks; n 0: nothing was probed */
  int64_t n_probe;
  vw_kept_part *kept; /* [n_models] of vw_collect_kept; sizes are the same on all ranks */
  int64_t unkept;     /* files with metrics, of all ranks, of earlier versions, which kept metrics alone */
  vw_transferred transfer;
  vw_truncated truncation;
  vw_quartile_row *quartiles; /* complete on all ranks */
  int64_t n_quartiles;
  vw_performant_row *performant; /* the same */
  int64_t n_performant;
  bool stopped; /* vw_collect_asks said so: what comes behind is not there */
} vw_collected;

/* Collective, when the rows of trials and baselines are complete: c->kept and c->unkept. */
vw_status vw_collect_kept(vw_collected *c);
void vw_collected_kept_free(vw_collected *c);

/* Collective, after vw_collect_read: c->quartiles and c->performant. */
vw_status vw_collect_spread(vw_collected *c);

/* Collective: is any rank asked to stop? Then c->stopped on all, and for good; what comes next is left. Asked between the
 * parts of reading and gathering, where no file is open for writing. */
vw_status vw_collect_asks(vw_collected *c);

/* Collective, when the rows of trials and baselines are complete: what the transfer stage left, c->transfer. Nothing
 * where it never ran. */
vw_status vw_collect_read_transfer(vw_collected *c);
void vw_transferred_free(vw_transferred *t);

/* Collective: the same of the truncation stage, c->truncation. */
vw_status vw_collect_read_truncation(vw_collected *c);
void vw_truncated_free(vw_truncated *t);

/* Rank 0: DIR/truncation.csv, where something was truncated. */
vw_status vw_collect_truncation_csv(const vw_collected *c);

/* Collective. Reads this rank's share of the block files and exchanges what every rank needs. The caller frees it,
 * after a failure too. A block that is not there is counted; a damaged one is logged and counts as not there. */
vw_status vw_collect_read(const vw_results_source *s, vw_collected *c);
void vw_collected_free(vw_collected *c);

/* "recall" ... "nothing_learned". */
const char *vw_collect_metric_name(const vw_collected *c, int64_t model, int metric);

/* The task of a model, and the study's tasks in the order of its models; NULL behind the last. */
const vw_task_kind *vw_collect_task(const vw_collected *c, int64_t model);
const vw_task_kind *vw_collect_task_at(const vw_collected *c, int64_t i);

/* Collective: DIR/study.h5. */
vw_status vw_collect_study_file(const vw_collected *c);

/* Rank 0: DIR/summary.csv, and the table of metrics against delta on `out`, or the same as JSON. */
vw_status vw_collect_csv(const vw_collected *c);
void vw_collect_print(const vw_collected *c, FILE *out);
void vw_collect_print_json(const vw_collected *c, FILE *out);

/* Rank 0: DIR/trials.csv, a line a trial in the headline of its task. */
vw_status vw_collect_trials_csv(const vw_collected *c);

/* Collective, after vw_collect_read: c->probe, from the states that the stage `probe` kept. */
vw_status vw_collect_probe(vw_collected *c);

/* Rank 0: DIR/probe.csv, where something was probed. */
vw_status vw_collect_probe_csv(const vw_collected *c);

/* Collective: all of it, as the stage does. `sections` gets the times. *all_failed: there are trials, and not
 * one counts. *stopped: s->stop said so, on any rank: what is written is whole, the rest is as it was. */
vw_status vw_collect(const vw_results_source *s, vw_sections *sections, bool json, bool *all_failed, bool *stopped);

#endif
