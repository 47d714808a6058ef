/* A study file (docs/study-file.md) as a plain struct. Names of things, no files but the study and the class lists it
 * points to are opened here: weights and pictures are checked by those who read them.
 *
 * Schema, defaults, ranges, messages and the printed reference come from one table, src/study/keys.c. */
#ifndef VW_STUDY_CONFIG_H
#define VW_STUDY_CONFIG_H

#include "core/hash.h"
#include "core/pool.h"
#include "core/problems.h"
#include "core/status.h"

#include <stdint.h>
#include <stdio.h>

typedef struct vw_names {
  int64_t n;
  const char **name;
} vw_names;

typedef struct vw_numbers {
  int64_t n;
  double *v;
} vw_numbers;

/* Orders follow the choices in src/study/keys.c. */
typedef enum vw_data_kind {
  VW_DATA_FOLDERS,
  VW_DATA_DREAMBOOTH,
  VW_DATA_COCO,
  VW_DATA_VOC,
  VW_DATA_IMAGENET
} vw_data_kind;
typedef enum vw_optimiser { VW_PGD, VW_ADAMW } vw_optimiser;
typedef enum vw_exif { VW_EXIF_IGNORE, VW_EXIF_TURN } vw_exif;
typedef enum vw_pad { VW_PAD_GREY, VW_PAD_BLACK } vw_pad;
typedef enum vw_alpha { VW_ALPHA_DROP, VW_ALPHA_WHITE } vw_alpha;
typedef enum vw_damaged { VW_DAMAGED_REFUSE, VW_DAMAGED_SKIP } vw_damaged;
typedef enum vw_matching_choice { VW_MATCHING_FIXED, VW_MATCHING_DYNAMIC } vw_matching_choice;
typedef enum vw_streams { VW_STREAMS_CONCEPT, VW_STREAMS_TRIAL } vw_streams;
typedef enum vw_template_per { VW_TEMPLATE_PER_STEP } vw_template_per;
typedef enum vw_algorithms_choice { VW_ALGORITHMS_FIRST, VW_ALGORITHMS_TIMED } vw_algorithms_choice;
typedef enum vw_precision_choice {
  VW_PRECISION_AUTO,
  VW_PRECISION_FP32,
  VW_PRECISION_TF32,
  VW_PRECISION_MIXED,
  VW_PRECISION_BF16
} vw_precision_choice;
typedef enum vw_backend_choice { VW_BACKEND_AUTO, VW_BACKEND_REF, VW_BACKEND_CPU, VW_BACKEND_CUDA } vw_backend_choice;

/* How words are learned and judged, for one model: defaults, then learn.*, then models.<name>.learn.* */
typedef struct vw_learn_config {
  int optimiser; /* vw_optimiser */
  int64_t steps;
  double eta;                   /* pgd: first step in radii */
  double lr, weight_decay;      /* adamw; decay applies to free words only */
  int64_t positives, negatives; /* pictures a trial and step */
  int64_t resolution;           /* generation: side of pictures in pixels; 0: the network's own */
  vw_names templates;           /* one {} each */
  const char *judge_template;   /* never NULL: the first template where the file does not say */
  int matching;                 /* vw_matching_choice: of a detector's patches with boxes */
  int template_per;             /* vw_template_per */
  int streams;                  /* vw_streams */
  int64_t loss_points;          /* points of the stored training loss */
  int64_t watch_every;          /* steps between looks at the loss on the fixed set; 0: there are none on the way */
  int64_t watch_draws;          /* of the fixed set; 0: what the task has (vw_task_watch_draws) */
  int64_t watch_pictures;       /* generation: steps between sample pictures of a word; 0: none */
  int64_t patience;             /* looks without progress after which a word stops; 0: it learns all steps */
  double threshold;             /* by how much of itself the loss must have fallen to be progress */
} vw_learn_config;

/* What a data set holds, as the study says, for plans where it is not there. 0: not said. */
typedef struct vw_data_counts {
  int64_t classes, train, test; /* pictures of all classes together */
} vw_data_counts;

typedef struct vw_data_config {
  const char *name;
  int kind; /* vw_data_kind */
  const char *root;
  vw_names concepts;
  vw_names classes;                     /* n = 0: all classes of the data set */
  int64_t train, test;                  /* at most so many pictures of a concept */
  int64_t negatives;                    /* detection: at most so many training pictures without it */
  int exif;                             /* vw_exif */
  int alpha;                            /* vw_alpha */
  int damaged;                          /* vw_damaged */
  int pad;                              /* vw_pad: of networks that pad their pictures, and of crops */
  const char *split_train, *split_test; /* of coco and voc: names of the parts; NULL: the format's own */
  double crop_margin;                   /* coco, voc: side of a crop in longer sides of its box */
  int64_t crop_least;                   /* the same: a box's longer side in pixels, at least */
  const char *names;                    /* imagenet: list of the classes' names; NULL: the first there is */
  int64_t folds, fold;                  /* dreambooth: parts that are held out in turn, 0: a third is; which one */
  vw_data_counts counts;
} vw_data_config;

/* Which trials a model has: trials.*, then models.<name>.trials.* Nothing of it changes a trial, but `train` and
 * `test`, which stand for those of the data set. */
typedef struct vw_trials_config {
  vw_names anchors;
  vw_numbers deltas; /* INFINITY: free */
  int64_t replicas;
  vw_names concepts;   /* n = 0: all of its data sets' */
  int64_t train, test; /* 0: the data set's */
} vw_trials_config;

/* How a model's words are learned on this machine: plan.*, then models.<name>.plan.* */
typedef struct vw_plan_config {
  int64_t block; /* rows of a block; 0: auto */
  int64_t ranks_per_block;
  int64_t recompute; /* segments of a step's forward pass, made again on the way back; 1: never; 0: as memory asks */
  int64_t memory;    /* bytes that a block may take; 0: no limit */
  int precision;     /* vw_precision_choice */
} vw_plan_config;

/* How words are judged, where no trial depends on it: judge.*, then models.<name>.judge.* */
typedef struct vw_judge_config {
  vw_names templates; /* one {} each; n = 0: learn.judge_template alone */
  double suppression; /* detection: of boxes that overlap a better one by more; 0: none */
  /* Of tasks whose words draw pictures. */
  const char *weights; /* of the network that names the pictures */
  vw_names names;      /* that it chooses among; n = 0: those of the data set's classes and concepts */
  int64_t pictures;    /* of a word */
  int sampler;         /* vw_sampler_kind of networks/schedule.h */
  int64_t steps;
  double guidance;
  const char *negative; /* NULL: the empty text */
  int spacing;          /* vw_spacing of networks/schedule.h */
  vw_hash network;      /* of what `weights` holds; set by who opens it, zero before and where there is none */
} vw_judge_config;

/* Words judged by the first layers of the text encoder alone (stage truncation): truncation.*, then
 * models.<name>.truncation.* No trial and no other evaluation depends on it. */
typedef struct vw_truncation_config {
  vw_numbers depths;        /* layers that are kept; n = 0: 0, 1 and four evenly spaced up to all */
  vw_numbers deltas;        /* of the words; n = 0: the largest finite one of the model */
  int carried;              /* 1: words of other networks, too */
  int64_t pictures;         /* that a word draws at a depth, at most; 0: as many as others */
  int64_t pictures_carried; /* that a carried one draws; 0: as many as others */
} vw_truncation_config;

/* Maps of the states of words (stage tsne). */
typedef enum vw_tsne_start { VW_TSNE_START_PCA, VW_TSNE_START_RANDOM } vw_tsne_start;
typedef struct vw_tsne_config {
  vw_numbers layers; /* n = 0: the embedding and four evenly spaced */
  double perplexity, exaggeration;
  int64_t iterations;
  int start; /* vw_tsne_start */
} vw_tsne_config;
/* How words are carried to other networks and judged there; no trial and no other evaluation depends on it. */
typedef struct vw_transfer_config {
  int all;          /* 1: words whose like was not learned in the target, too */
  int map;          /* vw_map_kind of transfer/map.h */
  int bias;         /* 1: with one */
  double lambda;    /* of ridge; 0: by cross-validation */
  int radius;       /* vw_transfer_radius */
  int64_t pictures; /* that a carried word draws, at most; 0: as many as others */
  vw_names pairs;   /* "clip->owl"; n = 0: all */
} vw_transfer_config;
typedef enum vw_transfer_radius { VW_RADIUS_FREE, VW_RADIUS_KEPT } vw_transfer_radius;

enum { VW_WORD_VECTORS = 75 }; /* of one word at most: what CLIP's 77 positions leave */

typedef struct vw_model_config {
  const char *name;
  const char *kind, *task, *keys; /* of vw_study_kinds; keys "": none of its own */
  const char *defaults;           /* of its task: "learn.batch.positives=4 ..."; "": as all have them */
  const char *takes;              /* kinds of data sets that the task learns on, separated by blanks; "": any */
  const char *weights;
  int64_t vectors; /* of a word: n of [n, W] */
  vw_names data;   /* that it learns on, in the study's order; use vw_study_learns_on */
  vw_learn_config learn;
  vw_trials_config trials;
  vw_plan_config plan;
  vw_judge_config judge;
  vw_truncation_config truncation;
  /* [n_data] the data sets as this model has them: its own concepts and numbers of pictures; use vw_study_data_of. */
  vw_data_config *on;
  bool *learns_on; /* [n_data] */
} vw_model_config;

/* Where a value stands in the file, from 1. */
typedef struct vw_study_place {
  const char *key; /* "trials.anchors" */
  int64_t item;    /* of a list; -1: the value itself */
  int64_t line, column;
} vw_study_place;

typedef struct vw_study_config {
  const char *study;
  int64_t seed;
  vw_data_config *data;
  int64_t n_data;
  vw_model_config *models;
  int64_t n_models;

  int64_t null_concepts;
  const char *vocabulary; /* "default", "words", "all", or the path of a list of words */

  int64_t ranks, threads; /* threads 0: auto */
  int backend;            /* vw_backend_choice */
  int algorithms;         /* vw_algorithms_choice */
  int precision; /* vw_precision_choice of models that have none of their own: models[m].plan says what is used */
  vw_tsne_config tsne;
  vw_transfer_config transfer;
  vw_names stages;
  const char *cache; /* NULL: the user's cache directory */

  const char *path;       /* of the study file, as given */
  const char *text;       /* the file, for /config in study.h5 */
  vw_pool pool;           /* owns all of the above */
  vw_study_place *places; /* owned */
  int64_t n_places, places_room;
} vw_study_config;

/* The kinds of models that a program knows, separated by blanks, and the task that each one's words are learned for, in
 * the same order: "clip", "classification". Then, separated by blanks within a task and by commas between tasks: the
 * keys that not all tasks read but this one does ("learn.batch.negatives"), and the kinds of data sets that it learns
 * on (none: any). Then the kinds of models that the program will know, separated by blanks. Last, in lists like those of
 * keys, the defaults that are a task's own: "learn.batch.positives=4"; NULL: none. */
typedef struct vw_study_kinds {
  const char *models, *tasks, *keys, *data, *later, *defaults;
} vw_study_kinds;

/* Reads and checks a study file. On success the caller owns *config: vw_study_config_destroy.
 * Errors: VW_ERR_INPUT with file:line:column, the key and the way out, or for a file that cannot be read;
 * VW_ERR_UNSUPPORTED for what the format knows and this version cannot do; VW_ERR_MEMORY.
 *
 * With a list of problems all of them are kept in it, in the file's order, and VW_OK comes back: ask
 * problems->n_errors. *config is then what could be read (a wrong value has its default, or zero; a wrong item of a
 * list is left out), or NULL. Without a list (NULL) the first problem is raised and *config is NULL. */
vw_status vw_study_config_read(const char *path, const vw_study_kinds *kinds, vw_problems *problems,
                               vw_study_config **config);

/* The same from memory; `path` is used in messages and for relative paths only. */
vw_status vw_study_config_parse(const char *path, const char *text, size_t bytes, const vw_study_kinds *kinds,
                                vw_problems *problems, vw_study_config **config);

/* The same for a text without its place, such as /config/study of a study.h5: opens no file. Where classes are listed
 * in a file, config->data[i].classes is empty. */
vw_status vw_study_config_parse_alone(const char *path, const char *text, size_t bytes, const vw_study_kinds *kinds,
                                      vw_study_config **config);

/* Where the value of a key stands ("models.clip.weights"), or the item-th of its list; NULL: not in the file. */
const vw_study_place *vw_study_find_place(const vw_study_config *config, const char *key, int64_t item);

/* The key that decides a value of a model: its own where it has one ("models.clip.trials.anchors"), else the key of all
 * ("trials.anchors"). */
enum { VW_STUDY_KEY = 160 };
const char *vw_study_key_of(const vw_study_config *config, int64_t model, const char *key, char own[VW_STUDY_KEY]);

/* Keeps a failure of somebody who used the key's value, with "file:line:column: key: " before its message; as
 * vw_problems_keep (or as a warning) does. */
vw_status vw_study_keep(const vw_study_config *config, vw_problems *problems, const char *key, int64_t item,
                        bool warning, vw_status st);

/* Whether words depend on a value of vw_study_values_text: false for keys of a model that neither its task nor its
 * optimiser reads ("models.sd.learn.batch.negatives"). `length` of the key. */
bool vw_study_reads_key(const vw_study_config *config, const char *key, int length);

void vw_study_config_destroy(vw_study_config *config); /* NULL allowed */

/* "folders", ...: the kind of a data set; lives until the next call of this thread. */
const char *vw_data_kind_name(const vw_data_config *d);

/* Whether the model learns on the data set: the trials of all other pairs do not exist. */
bool vw_study_learns_on(const vw_study_config *config, int64_t model, int64_t data);

/* The data set as the model has it, with the concepts that it learns and its numbers of pictures. */
const vw_data_config *vw_study_data_of(const vw_study_config *config, int64_t model, int64_t data);

bool vw_study_has_stage(const vw_study_config *config, const char *stage);

/* "a photo of a {}" and "sombrero" to "a photo of a sombrero", into `out` of `bytes`. Errors: VW_ERR_ARG (too long). */
vw_status vw_template_fill(const char *text_template, const char *word, char *out, size_t bytes);

/* A class' or concept's name in a template; '_' in names reads as a space. */
vw_status vw_class_text(const char *text_template, const char *name, char *out, size_t bytes);

/* Everything of the study file that a word of this model on this data set depends on, besides its names and its
 * input files: "key: value" lines in the order of the table. Hashed into trial ids. The caller frees *text.
 * Errors: VW_ERR_MEMORY. */
vw_status vw_study_protocol_text(const vw_study_config *config, int64_t model, int64_t data, char **text);

/* Everything of the study file that judging a word of this model depends on and learning it does not: lines as above.
 * "" where words are judged as before there were such keys. Hashed into evaluations. The caller frees *text. Errors:
 * VW_ERR_MEMORY. */
vw_status vw_study_judging_text(const vw_study_config *config, int64_t model, int64_t data, char **text);

/* Every value that the study decides, defaults too: "key: value" lines in the order of the table, whatever the order,
 * comments and spellings in the file. Not in it: where things lie (root, weights, cache), and the classes, which may
 * be in a file and are part of trial ids. The caller frees *text. Errors: VW_ERR_MEMORY. */
vw_status vw_study_values_text(const vw_study_config *config, char **text);

/* The table of keys: as text for a terminal, or as the table of docs/study-file.md. */
void vw_study_print_keys(FILE *out, const vw_study_kinds *kinds, bool markdown);

#endif
