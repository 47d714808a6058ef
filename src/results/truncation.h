/* Words judged by the first layers of their network's text encoder alone: which ones at which depths, and the files of
 * what they scored. Words are not learned again; every text is read by the cut encoder, those of rivals too.
 *
 * <hash>-truncated.safetensors              a set of words at one depth; the hash is of all that it depends on
 *   metrics  [n, metrics] f64, of the model's task
 *   metadata  model, data, source (the model that learned carried words, else ""), layers (that are kept), columns
 *             rows: JSON list of {"kind","concept","anchor","delta","replica","trial","word"}
 *               trial: an id; "" where there is none */
#ifndef VW_RESULTS_TRUNCATION_H
#define VW_RESULTS_TRUNCATION_H

#include "results/activations.h"

enum { VW_MOST_DEPTHS = 64 }; /* of a model */

/* Words that are judged together. */
typedef struct vw_cut_set {
  int64_t model, data; /* whose network is cut, and a data set of its */
  int64_t source;      /* the model that learned them; `model` itself: they were not carried */
  int64_t block,
      concept; /* block >= 0: words of its trials; -1: the anchors and the name of a concept of the data set */
} vw_cut_set;

typedef struct vw_cut_row {
  vw_origin origin;
  int64_t concept_place, anchor_place, replica; /* of the study: concept of the data set; anchor -1: none */
  const vw_trial *trial;                        /* that learned it; NULL: none */
  const char *concept, *anchor, *word;          /* word: a known one; "" */
  double delta;                                 /* 0: an anchor; NaN: a name */
  bool is_judged;                               /* false: failed, not carried, a name that the network does not know */
} vw_cut_row;

typedef struct vw_cut_words {
  int64_t n, width;
  vw_cut_row *rows;
  /* Once they are read: */
  double *words;      /* [n, width] */
  const char **texts; /* [n] as in vw_judged, as the following */
  const char **anchors, **labels;
  char (*label)[VW_DRAWN_LABEL]; /* "layers-1-dog-0.5-r0" */
} vw_cut_words;

/* How many layers of the model's text encoder are kept, ascending; the last may be all of them. Errors: VW_ERR_INPUT
 * (truncation.depths: more than it has), VW_ERR_UNSUPPORTED (a network that cannot be cut). */
vw_status vw_cut_depths(const vw_results_source *s, int64_t model, int64_t depths[VW_MOST_DEPTHS], int64_t *n);

/* The sets of the study: of each model learned words by block, carried ones by source and block, then baselines by
 * concept. malloc'ed, the caller frees them. Errors: of vw_transfer_pairs; VW_ERR_MEMORY. */
vw_status vw_cut_sets(const vw_results_source *s, vw_cut_set **sets, int64_t *n);

/* Pictures that each of its words draws, at most; 0: as many as others. */
int64_t vw_cut_pictures(const vw_results_source *s, const vw_cut_set *set);

/* The words of a set without their numbers. The caller frees them, after a failure too. Errors: VW_ERR_MEMORY. */
vw_status vw_cut_words_list(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set);
void vw_cut_words_free(vw_cut_words *w);

/* Are the files there that the words are read from? */
bool vw_cut_words_are_there(const vw_results_source *s, const vw_cut_set *set);

/* Reads them. Errors: as of vw_block_words_read, vw_carried_read. */
vw_status vw_cut_words_read(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, int64_t depth);

/* The stem of the file of a set at a depth. Errors: VW_ERR_MEMORY. */
vw_status vw_cut_id(const vw_results_source *s, const vw_cut_set *set, int64_t depth, char id[VW_BLOCK_ID]);

/* metrics [n, n_metrics]; those of words that are not judged become NaN. */
vw_status vw_cut_write(const vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, int64_t depth,
                       double *metrics);
/* *found false: the file is not there; one that is damaged is logged and counts as missing. */
vw_status vw_cut_read(const vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, int64_t depth,
                      double *metrics, bool *found);

#endif
