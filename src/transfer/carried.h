/* Words of one network in another: what is carried, what became of it, its file.
 *
 * <id>-map.safetensors
 *   matrix                                                [from + hidden, to] f64
 *   bias                                                  [to] f64
 *   layer                                                 [from + 1, hidden] f64, where there is a hidden layer
 *   metadata  from, to: models; kind, lambda, words, rank, condition, r2, r2_held_out, hidden, scale
 *
 * <id>-carried.safetensors: n words
 *   words                                                 [n, to] f32 (f64 from the ref backend); of several vectors
 *                                                         [n, vectors, to]
 *   metrics                                               [n, metrics] f64, of the target's task
 *   features, boxes                                       [n, ...] f32: what the target's task keeps of a word
 *                                                         (tasks/task.h, vw_kept_numbers); not there in files of earlier
 *                                                         versions
 *   norm_ratio, cosine, distance                          [n] f64, as in vw_carried_row
 *   metadata  from, to: models; data; columns: JSON list of names
 *             rows: JSON list of {"kind","concept","anchor","delta","replica","trial","target","word","before","after"}
 *               trial, target: ids; "" where there is none */
#ifndef VW_TRANSFER_CARRIED_H
#define VW_TRANSFER_CARRIED_H

#include "tasks/generation/drawn.h"
#include "transfer/sets.h"

enum { VW_CARRIED_WORD_BYTES = 64 };

typedef struct vw_carried_row {
  vw_carried_kind kind;
  const char *concept, *anchor; /* of the plan or study; anchor "" where there is none */
  double delta;                 /* NaN: does not apply */
  int64_t replica;
  const vw_trial *trial, *target; /* of the plan: its own, that of the same word learned in the target; or NULL */
  bool is_carried;                /* false: failed, or a name that the source does not know; numbers are NaN */
  double norm_ratio;              /* |Tv| / |v| */
  double cosine;                  /* of Tv and T(anchor) */
  double distance;                /* |Tv - anchor of the target| over the radius of delta there; of an anchor that of
                                     delta 1. NaN: free, or the target has no such word */
  char word[VW_CARRIED_WORD_BYTES], before[VW_CARRIED_WORD_BYTES], after[VW_CARRIED_WORD_BYTES]; /* what it is, where it
                                     is one; whole words nearest to v in the source and to Tv in the target */
} vw_carried_row;

typedef struct vw_carried {
  int64_t n, vectors, from_width, to_width; /* vectors of a word, which the map carries one by one */
  vw_carried_row *rows;
  double *source; /* [n, vectors, from_width]; 0 where not carried */
  double *words;  /* [n, vectors, to_width] as they are stored; 0 where not carried */
} vw_carried;

/* Is the concept's name one trained word of the network that words are carried from? Only then it is carried. */
bool vw_carried_name_is_word(const vw_word_table *from, const char *concept);

/* The rows of a set by names alone: no file is read. The caller frees it, after a failure too. Errors: VW_ERR_MEMORY. */
vw_status vw_carried_list(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set);
/* Reads the source's words and carries them. Errors: of vw_block_words_read; VW_ERR_MEMORY. */
vw_status vw_carried_carry(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set, const vw_map *map);
/* How far they went, and what they lie next to: the rows' numbers and texts. Errors: VW_ERR_MEMORY. */
vw_status vw_carried_measure(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set, const vw_map *map);
void vw_carried_free(vw_carried *c); /* also of a zeroed struct */

/* What pictures of a carried row are called: "from-clip-objects-dog-0.5-r0". from: the source's name. */
void vw_carried_label(const vw_carried_row *r, const char *from, char label[VW_DRAWN_LABEL]);

/* One vector v [from] with its anchor in both networks, as transfer.radius asks; without an anchor in the target, out is
 * NaN where the radius is to be kept. Errors: VW_ERR_MEMORY. */
typedef struct vw_carried_anchor {
  const double *from, *to;           /* embeddings; NULL: not a word there */
  double from_distance, to_distance; /* to their nearest neighbours */
} vw_carried_anchor;
vw_status vw_carry(const vw_map *map, int radius, const double *v, const vw_carried_anchor *anchor, double *out);

/* metrics [n, n_metrics] of the target's task, and what it keeps of the words; those of rows that were not carried become
 * NaN. */
vw_status vw_carried_write(const vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set,
                           double *metrics, vw_kept_numbers *kept);
/* Fills listed rows, words, metrics [n, n_metrics] and what is kept (vw_kept_load; NULL: it is not read). *found false:
 * the file is not there. The caller frees kept->numbers, after a failure too. Errors: VW_ERR_INPUT, VW_ERR_MEMORY. */
vw_status vw_carried_read(vw_carried *c, const vw_transfer_source *s, const vw_transfer_set *set, double *metrics,
                          vw_kept_numbers *kept, bool *found);

/* Errors of reading: VW_ERR_IO (not there), VW_ERR_INPUT (damaged). The caller frees the map. */
vw_status vw_map_write(const vw_map *m, const vw_transfer_source *s, const vw_transfer_pair *pair);
vw_status vw_map_read(vw_map *m, const vw_transfer_source *s, const vw_transfer_pair *pair);

#endif
