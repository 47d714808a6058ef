/* The door to tasks: what words are learned for and how they are judged. Learning, the plan, results and jobs know
 * tasks by this struct alone. A task is one row of kinds (jobs/kinds.c) and its files here.
 *
 * A word is [n, W] throughout: n vectors of the network's width (models.<name>.vectors). Words of a block are one matrix
 * [K, n W]. */
#ifndef VW_TASKS_TASK_H
#define VW_TASKS_TASK_H

#include "cluster/ranks.h"
#include "networks/network.h"
#include "study/config.h"
#include "study/trial.h"
#include "tasks/pictures.h"

/* A column of /evaluation/<task>. */
typedef struct vw_metric {
  const char *name, *unit, *help;
  bool is_share; /* never below 0 nor above 1: nor is what people see of its intervals */
} vw_metric;
enum { VW_MOST_METRICS = 16 };

/* What judging keeps of each word beside its metrics: an f32 tensor [words, dimensions...] of the file with the metrics,
 * and of study.h5. */
enum { VW_KEPT_DIMS = 3, VW_MOST_SHOWN = 8 };
enum { /* of a box: score; pixels of the scene; how much it overlaps a true box, at most (intersection over union) */
       VW_BOX_SCORE,
       VW_BOX_X,
       VW_BOX_Y,
       VW_BOX_WIDTH,
       VW_BOX_HEIGHT,
       VW_BOX_OVERLAP,
       VW_BOX_NUMBERS
};
typedef struct vw_kept_kind {
  const char *name;  /* "boxes" */
  const char *units; /* "1" where numbers of several are in it */
  const char *help;
  int ndim;                                                   /* behind the words */
  const char *scale[VW_KEPT_DIMS], *scale_help[VW_KEPT_DIMS]; /* of these dimensions, in study.h5 */
  const char *const *labels;                                  /* of the last dimension; NULL: it is counted */
  bool are_features; /* of pictures: their cosines say how alike another network finds what words draw. In a part they
                      * stand behind the other numbers; parts of earlier versions lack them */
  bool are_boxes;    /* [scenes that are `shown`, boxes, VW_BOX_NUMBERS], the best first */
} vw_kept_kind;

/* Of some words. A word that was not judged, or where an earlier version kept nothing, has NaN. */
typedef struct vw_kept_numbers {
  const vw_kept_kind *kind; /* NULL: nothing is kept */
  int64_t dim[VW_KEPT_DIMS];
  int64_t each;   /* numbers of a word */
  float *numbers; /* [words, each]; whoever made it says whose it is */
} vw_kept_numbers;

/* What a task is made of: known before anything is computed. All borrowed. */
struct vw_task;
typedef struct vw_task_inputs {
  vw_network *network;
  struct vw_task *whole; /* where the network is a cut view (vw_network_cut), an open task on the whole one, which lends
                          * what does not depend on texts; NULL: none does. See vw_task_kind.lends_to_cut */
  vw_network *judge;     /* that names the pictures which words draw (judge.weights); NULL: none */
  const vw_model_config *model;
  const vw_picture_set *pictures;
  int64_t concepts; /* of the data set, null concepts counted */
  int64_t vectors;  /* of a word: n of [n, W] */
  int64_t seed;
  vw_hash weights;   /* of the network and its words */
  const char *cache; /* directory of what is computed once and kept; NULL: nothing will be computed */
  const char *
      drawn; /* folder for the pictures that judging draws, which is there (tasks/generation/drawn.h); NULL: not kept */
} vw_task_inputs;

/* The opened task: first member of every kind's own struct. */
typedef struct vw_task {
  const struct vw_task_kind *kind;
  vw_task_inputs in;
} vw_task;

/* What shapes the graph of a step. Plain numbers: equal shapes make equal programs, so what was measured for one holds
 * for all like it. */
enum { VW_TASK_SIZES = 12 };
typedef struct vw_step_shape {
  int64_t K;                   /* words: the block's trials */
  int64_t slice, slices;       /* which part of the step's pictures, cut into so many; 0 slices: not cut */
  int64_t size[VW_TASK_SIZES]; /* the task's own, named by an enum beside its loss */
} vw_step_shape;

/* The part of `all` things of a step that is the shape's slice. */
typedef struct vw_step_part {
  int64_t first, n;
} vw_step_part;
static inline vw_step_part vw_step_part_of(const vw_step_shape *s, int64_t all) {
  if (s->slices <= 1) return (vw_step_part){0, all};
  const int64_t first = all * s->slice / s->slices;
  return (vw_step_part){first, all * (s->slice + 1) / s->slices - first};
}

enum { VW_WATCH_DRAWS = 32 }; /* size of the fixed set (docs/protocol.md), unless a task says otherwise */

/* What a step's loss is made of. */
typedef struct vw_step_in {
  vw_value words; /* [K, n W] */
  vw_value step;  /* [1] int64 */
  uint32_t set;   /* added to the purpose of every draw: 0, or the fixed set's (VW_DRAW_WATCH) */
} vw_step_in;

/* Programs that run beside the steps, once a picture or text: their memory is planned before data exist. */
typedef struct vw_task_pass {
  const char *name;     /* "pictures" */
  const char *per;      /* "a picture": what its memory is for, as `viswords plan` says it */
  bool has_own_weights; /* weights that no step reads */
} vw_task_pass;
enum { VW_MOST_PASSES = 4 };

/* What the caller wants to be told or asked meanwhile. Either may be NULL. */
typedef struct vw_task_hooks {
  void *user;
  void (*told)(void *user, int64_t n); /* so many more are done */
  bool (*stop)(void *user);            /* true on any rank: all leave, what is whole is kept */
} vw_task_hooks;

/* Asked between passes of a network by judging that takes many. */
typedef struct vw_judge_watch {
  void *user;
  bool (*stop)(void *user);
  bool stopped; /* it has said so: what was judged is of no use */
} vw_judge_watch;

/* Words to be judged on one concept: learned ones, or what they are compared with. */
typedef struct vw_judged {
  const char *concept;
  bool null_concept;
  int64_t n;
  int64_t parts;            /* of judge_end: how many there are; 0: all of them */
  const double *words;      /* [n, n W] */
  const char *const *texts; /* NULL, or [n]: where not NULL, judged as this text instead: a concept's real name */
  /* For tasks that judge by what words draw; others do not look. */
  const char *const *anchors; /* [n] NULL: the word has none (a random word, a real name) */
  const char *const *labels;  /* [n] what a picture of the word is called: "dog-0.5-r0", "random-word"; NULL: its
                               * numbers are not used, and it need not be judged */
  bool are_baselines;         /* some of them come again for other concepts */
  vw_judge_watch *watch;      /* of judge_picture and sample; NULL: never stopped */
} vw_judged;

/* Asks; true: leave, what is whole is kept. */
static inline bool vw_judging_stops(const vw_judged *w) {
  vw_judge_watch *watch = w->watch;
  if (watch && !watch->stopped) watch->stopped = watch->stop(watch->user);
  return watch && watch->stopped;
}

/* Which words of a part of judging are judged by one rank, one file after the other, so that the task can keep what it
 * made for the first. */
typedef enum vw_shared_part {
  VW_SHARED_BY_NONE,
  VW_SHARED_BY_BASELINES, /* of all concepts: the untouched anchors come again for each */
  VW_SHARED_BY_ALL        /* baselines and learned words: what a part costs is its pictures, not the words */
} vw_shared_part;

/* Where a task lays the draws of a stream: tensor `name` of this shape, int32 for the task to fill. */
typedef struct vw_draw_sink {
  void *user;
  vw_status (*add)(void *user, const char *name, vw_tensor shape, int32_t **data);
  int32_t random_word; /* the concept's (docs/protocol.md, Baselines): told among the others as "random_word" */
} vw_draw_sink;

/* Work beside the steps, whose time `viswords plan` tells. */
typedef enum vw_task_part {
  VW_PART_OPEN,  /* a run of what `open` computes, on every rank, or (shares_open) `cache`, which shares it out */
  VW_PART_JUDGE, /* a run of judging words; with making its program ready, as judging does each time, unless draws_parts:
                  * a sampler's steps are runs of one program */
  VW_PART_CACHE, /* one of the things that `cache` makes */
  VW_TASK_PARTS
} vw_task_part;

enum { VW_MOST_PIECES = 8 };

/* How its time is called among those of a machine (learn/rates.h). */
enum { VW_PART_KIND = 48 };
typedef struct vw_part_name {
  char kind[VW_PART_KIND]; /* what, of which network: "words 512x12" */
  vw_hash shape;           /* of its sizes */
} vw_part_name;

typedef struct vw_task_kind {
  const char *name; /* "classification": also its group in study.h5 */
  unsigned sees;    /* of a data set: VW_SEES_* of tasks/pictures.h */
  const char *keys; /* of study files, that not all tasks read but this one does, separated by blanks; NULL: none */
  /* Of study files: the defaults that are its own, "learn.batch.positives=4 ..."; NULL: as all tasks have them. */
  const char *defaults;
  const char *data; /* kinds of data sets (data.<name>.kind) that have what it needs, separated by blanks; NULL: all */
  const vw_metric *metrics;
  int n_metrics;
  const char *metrics_are;  /* of what, in study.h5: "shares of held-out pictures" */
  const char *metric_scale; /* name of their scale in /evaluation; NULL: <name>_metric */
  int headline;             /* the metric of figures and verdicts: from 0 to 1, larger is better */
  const char *loss_unit;    /* "nat" */
  int64_t most_rows;        /* words that a processor likes to learn together */
  int64_t watch_draws;      /* of the fixed set, where steps are long; 0: VW_WATCH_DRAWS */
  int64_t
      concepts_per_block; /* 1: a step is long, its concept shares what does not depend on the word; 0: any number */
  bool few_directions;    /* random directions are judged at the largest finite delta alone: judging is dear */
  const vw_task_pass *passes;
  int n_passes;
  const vw_network_kind *judge_kind; /* of judge.weights, which is needed then; NULL: words are judged without */

  /* ---- before data exist: from sizes alone ---- */

  /* The largest shape of a block of `rows` words. Errors: VW_ERR_INPUT (a template). */
  vw_status (*shape)(const vw_task_inputs *in, int64_t rows, vw_step_shape *s);
  /* Emits a step: draws, network, loss [K] of the words. Leaves are the task's own; `key` [K, 2] u32 is the stream of a
   * word's draws (docs/protocol.md). No gradient, no optimiser: learning adds them. */
  vw_status (*loss)(const vw_task_inputs *in, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                    vw_value *loss);
  vw_status (*pass)(const vw_task_inputs *in, int i, vw_graph *g, const vw_policy **policy);

  /* ---- how long it takes, for `viswords plan`; it says "unknown" where one of these is NULL ---- */

  /* Rows that a product with a weight has for one word: how many words make a step efficient. NULL: one word does. */
  int64_t (*product_rows)(const vw_step_shape *s);
  /* Entry j of an integer leaf of `loss` and `part` in a step that is timed: as large as it gets. */
  int32_t (*made_up)(const vw_step_shape *s, const char *leaf, int64_t j);
  /* Emits one run of a part of the work, and names it. Judging may be made of several kinds of runs: `piece` is 0 for
   * other parts. */
  vw_status (*part)(const vw_task_inputs *in, vw_task_part what, int piece, vw_graph *g, const vw_policy **policy,
                    vw_part_name *name);
  /* How often it runs: VW_PART_JUDGE for so many words of one concept, VW_PART_CACHE for what is missing. */
  vw_status (*part_runs)(const vw_task_inputs *in, vw_task_part what, int piece, int64_t words, double *runs);
  int judge_pieces; /* kinds of runs that judging is made of, at most VW_MOST_PIECES; 0: one */
  /* How many items the queues of `cache` hand out of what is missing: of VW_PART_CACHE and, where it shares_open, of
   * VW_PART_OPEN. NULL: all of it is one. */
  vw_status (*part_items)(const vw_task_inputs *in, vw_task_part what, int64_t *n);
  /* Mean seconds of one run of VW_PART_CACHE with its files, over at least `seconds`; writes nothing. */
  vw_status (*time_cache)(const vw_task_inputs *in, double seconds, double *one);
  /* The same of one run of a piece of judging, with the files and other networks that stand around it; files lie below
   * in->cache meanwhile. NULL: judging takes what `part` emits, and nothing else that counts. */
  vw_status (*time_judge)(const vw_task_inputs *in, int piece, double seconds, double *one);
  bool skips_null; /* null concepts are not judged: they have no name */

  /* ---- what is computed once and kept ---- */

  /* How much is missing below in->cache; whole files are not told from damaged ones. Not collective. */
  vw_status (*missing)(const vw_task_inputs *in, int64_t *n);
  /* Collective: the ranks share out what is missing. Returns when all is there or, with *stopped (the same on all
   * ranks), when a rank was asked to stop. *computed counts what this rank did. */
  vw_status (*cache)(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks, int64_t *computed,
                     bool *stopped);
  double (*cache_bytes)(const vw_task_inputs *in); /* that all of it takes on disk and in memory */
  /* How many things `cache` tells about at most, for progress. */
  int64_t (*cached)(const vw_task_inputs *in);
  const char *cached_are; /* what they are; NULL: pictures */
  /* Is what `open` would compute so much that `cache` makes it, shared by the ranks? NULL: it is not. */
  bool (*shares_open)(const vw_task_inputs *in);

  /* ---- learning and judging ---- */

  /* Needs what `cache` made. The inputs are copied, what they point to is borrowed. The caller closes it. */
  vw_status (*open)(vw_task **t, const vw_task_inputs *in);
  void (*close)(vw_task *t);
  /* What the task holds for the words of one block; fills s->size. keys[K]: the trials' streams. The caller ends it,
   * after a failure too. */
  vw_status (*begin)(vw_task *t, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                     void **block);
  /* Writes every leaf that `loss` emitted. */
  vw_status (*leaves)(vw_task *t, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g);
  void (*end)(void *block); /* NULL allowed */

  /* metrics [n, n_metrics], NaN where there is nothing to count. NULL: judged picture by picture. */
  vw_status (*judge)(vw_task *t, const vw_judged *w, double *metrics);
  bool draws_parts; /* parts are samples of what a word draws: fewer of them judge it too, less surely */
  vw_shared_part shares_parts;
  bool lends_to_cut; /* a part is the same whatever the text encoder has: it is made once for tasks of all depths */
  /* Judging that is long: `pictures` parts, each of which gives `numbers` numbers a word and is kept in a file of its
   * own, so that ranks share them and a stop loses at most one; then the metrics from all of them. A part is a picture
   * that is drawn, or some pictures that are searched. */
  vw_status (*judge_parts)(const vw_task_inputs *in, int64_t *pictures, int64_t *numbers);
  /* w->watch is asked between passes of a network. */
  vw_status (*judge_picture)(vw_task *t, const vw_judged *w, int64_t picture, double *numbers /* [n, numbers] */);
  vw_status (*judge_end)(vw_task *t, const vw_judged *w, const double *numbers /* [pictures, n, numbers] */,
                         double *metrics);
  /* What is kept beside the metrics, from the same numbers of all parts; where there are no parts, `kept` is NULL. The
   * sizes need the inputs' networks alone. kept [n, each], filled whole. */
  const vw_kept_kind *kept; /* NULL: nothing is */
  vw_status (*kept_dims)(const vw_task_inputs *in, int64_t dim[VW_KEPT_DIMS]);
  vw_status (*judge_kept)(vw_task *t, const vw_judged *w, const double *numbers /* [pictures, n, numbers] */,
                          float *kept);
  /* The test scenes that what is kept of a concept's words was found in, in the order of the first dimension: at most
   * VW_MOST_SHOWN. NULL: it was not found in any. */
  vw_status (*shown)(const vw_task_inputs *in, const char *concept, const vw_scene **scenes, int64_t *n);
  /* An overview of the pictures that a concept's words drew, from those that are in in->drawn. Not collective. NULL:
   * nothing is drawn. */
  vw_status (*sheet)(const vw_task_inputs *in, const char *concept);

  /* Draws a picture of each word as it is after so many steps, into in->drawn. NULL: its words draw nothing. */
  vw_status (*sample)(vw_task *t, const vw_judged *w, int64_t step);

  /* The draws of a trial's stream, for `viswords draws`. NULL: not told. */
  vw_status (*draws)(vw_task *t, const vw_trial *trial, uint64_t key, const vw_draw_sink *sink);
  /* What of the data set cannot be learned from or is odd: the first thing, as a failure with its message. in->network is
   * NULL where it could not be opened. NULL: none. */
  vw_status (*check)(const vw_task_inputs *in, int64_t null_concepts);
} vw_task_kind;

/* Sizes of what a task keeps of a word, without numbers. */
static inline vw_status vw_task_keeps(const vw_task_kind *k, const vw_task_inputs *in, vw_kept_numbers *kept) {
  *kept = (vw_kept_numbers){.kind = k->kept, .each = k->kept ? 1 : 0};
  if (!k->kept) return VW_OK;
  VW_TRY(k->kept_dims(in, kept->dim));
  for (int i = 0; i < k->kept->ndim; i++) kept->each *= kept->dim[i];
  return VW_OK;
}

/* Draws of the fixed set. */
static inline int64_t vw_task_watch_draws(const vw_task_kind *k, const vw_learn_config *learn) {
  if (learn->watch_draws) return learn->watch_draws;
  return k->watch_draws ? k->watch_draws : VW_WATCH_DRAWS;
}

#endif
