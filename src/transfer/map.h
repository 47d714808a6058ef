/* Transfer maps: words of one network to words of another, fitted on the words that both know (docs/protocol.md,
 * Transfer). In double; the bits depend on LAPACK's library and processor, not on threads (transfer/dense.h). */
#ifndef VW_TRANSFER_MAP_H
#define VW_TRANSFER_MAP_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

/* In the order of the choices of transfer.map (src/study/keys.c). */
typedef enum vw_map_kind {
  VW_MAP_AUTO, /* least squares from VW_MAP_AMPLE words a dimension on, else ridge */
  VW_MAP_LEAST_SQUARES,
  VW_MAP_RIDGE,
  VW_MAP_ORTHOGONAL, /* a rotation and one scale (Procrustes; Schoenemann 1966) */
  VW_MAP_HIDDEN,     /* beside the word, units of a hidden layer that is drawn and kept; ridge on both */
  VW_MAP_KINDS
} vw_map_kind;
extern const char *const vw_map_names[VW_MAP_KINDS];

enum {
  VW_MAP_FOLDS = 10,
  VW_MAP_AMPLE = 10,       /* words a dimension */
  VW_MAP_LEAST_WORDS = 100 /* for any map: ten a fold */
};

typedef struct vw_map_rule {
  int kind; /* vw_map_kind */
  bool bias;
  double lambda; /* of ridge, in squared lengths of words; 0: of 10^-3, 10^-2, ..., 10^3 the one with the smallest error
                    on the folds */
} vw_map_rule;

/* The words that both networks know: row i of x [n, from] and of y [n, to] is the same word. fold [n] in 0 .. 9. */
typedef struct vw_map_words {
  int64_t n, from, to;
  const double *x, *y;
  const uint8_t *fold;
} vw_map_words;

/* v becomes [v, units of v] matrix + bias. Owns its arrays. */
typedef struct vw_map {
  int kind;                 /* as fitted: never AUTO */
  int64_t from, to, hidden; /* widths; units of the hidden layer, 0: none */
  double *matrix;           /* [from + hidden, to] */
  double *bias;             /* [to]; zeros without one */
  double *layer;            /* [from + 1, hidden] weights and offsets of the units; NULL without */
  double scale;             /* of a unit: unit j of v is scale * tanh(sum_i v_i layer[i, j] + layer[from, j]) */
  double lambda;            /* 0: none */
  int64_t words, rank;      /* fitted on; rank of their matrix */
  double condition;         /* of their matrix: largest over smallest singular value */
  double r2, r2_held_out;   /* variance explained: of the words fitted on; of each fold by a map of the others */
} vw_map;

/* Words that a map of this rule from vectors of this width needs at least. */
int64_t vw_map_least_words(const vw_map_rule *rule, int64_t from);

/* Fits a map. The caller frees it, after a failure too. Errors: VW_ERR_INPUT (too few words: says how many are needed),
 * VW_ERR_ARG (numbers that are not finite), VW_ERR_MEMORY. */
vw_status vw_map_fit(vw_map *m, const vw_map_words *words, const vw_map_rule *rule);
void vw_map_free(vw_map *m); /* also of a zeroed struct */

/* out [n, to] of words [n, from]. Errors: VW_ERR_MEMORY. */
vw_status vw_map_apply(const vw_map *m, const double *words, int64_t n, double *out);

#endif
