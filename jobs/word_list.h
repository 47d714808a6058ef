/* Learned words that a command is given, out of files of any layout (io/hub/word_file.h) and output directories. */
#ifndef VW_JOBS_WORD_LIST_H
#define VW_JOBS_WORD_LIST_H

#include "core/pool.h"
#include "io/hub/word_file.h"
#include "networks/network.h"

typedef struct vw_given_word {
  vw_file_word from;    /* what its file says of it; no data */
  const char *path;     /* of the file, or of the output directory */
  const double *x;      /* [from.vectors, from.width] */
  const double *anchor; /* [from.width] the anchor's embedding; NULL: the file does not have it */
} vw_given_word;

typedef struct vw_word_list {
  int64_t n, room;
  vw_given_word *word; /* what they point to is the pool's */
  vw_pool pool;
  /* While words are added by their names: */
  const char *model; /* of this one of a study's models alone; NULL: of any */
  bool is_choice;    /* names hold all parts between '+' */
  int64_t first;     /* the choice's first word: none of them comes twice */
} vw_word_list;

/* Adds words of a block file, of an output directory (all its block files), or of any other file. width: theirs; 0: any.
 * only: NULL, or a part of the names that count. What was fp16 or bf16 is told on standard error. Errors: VW_ERR_IO,
 * VW_ERR_INPUT: nothing of that width or name (says what the file has, and what it would fit). */
vw_status vw_word_list_add(vw_word_list *l, const char *path, const char *only, int64_t width);

/* The same of "PATH" or "PATH:PART,PART...": words whose name holds one of the parts, which are a study's trial ids,
 * concepts or anchors (joined by '+': all of them); of a part that is the name of one of its models words of that model
 * alone. Where those of several models would be taken: VW_ERR_INPUT. A file or folder that has the colon in its own name
 * is taken whole. */
vw_status vw_word_list_add_named(vw_word_list *l, const char *spec, int64_t width);

/* For messages of what has no better advice. */
#define VW_WORDS_WAY_OUT "give the network that learned them, or carry them over with 'viswords transfer'"

/* Refuses the words from `first` on that another network learned: width, or the embedding of their anchor, differs, as
 * far as their file tells. `way_out`: the end of the message. Errors: VW_ERR_INPUT. */
vw_status vw_word_list_check_network(const vw_word_list *l, int64_t first, const vw_network *n, const char *way_out);

/* Whether a word was learned by a network, as far as its file tells. Errors: of reading the network's embeddings. */
vw_status vw_word_is_of(const vw_given_word *w, const vw_network *n, bool *is);

/* Errors: VW_ERR_INPUT: a word is not finite, its trial failed. */
vw_status vw_word_list_check_finite(const vw_word_list *l);

/* Hash of an embedding, which exported words carry as "anchor_embedding". */
void vw_embedding_hash(const double *x, int64_t width, char text[VW_HASH_TEXT]);

/* What has words of this width, for messages: "as Stable Diffusion 1 and CLIP ViT-L/14"; "" where nothing is known. */
const char *vw_width_of(int64_t width);

void vw_word_list_free(vw_word_list *l);

#endif
