/* Files of learned words, whoever wrote them. A word is [vectors, width]. Read are safetensors of these layouts, told
 * apart by what they hold:
 *
 *   results of a block (learn/block_io.h)  "words" [K, width] or [K, vectors, width], metadata "trials": K words
 *   AUTOMATIC1111, kohya                   "emb_params" [vectors, width] or [width], and no other tensor: one word,
 *                                          called as the file is
 *   anything else, as diffusers writes it  a word a tensor [vectors, width] or [width], called as its key; where the
 *                                          metadata has a JSON list of as many names as the tensor has rows under its
 *                                          key (`viswords encode --features`), a word a row
 *
 * `viswords export` writes the last two (jobs/export.c), with metadata that tell where a word comes from. Pickles are
 * refused with the line that converts them. */
#ifndef VW_IO_WORD_FILE_H
#define VW_IO_WORD_FILE_H

#include "core/pool.h"
#include "io/safetensors.h"
#include "study/config.h"

/* Metadata keys of an exported word. */
#define VW_WORD_MARK       "viswords" /* VW_WORD_MARK_WORD */
#define VW_WORD_MARK_WORD  "word"     /* value of the mark */
#define VW_WORD_EMB_PARAMS "emb_params"

typedef struct vw_file_word {
  const char *name; /* "clip: fox from dog, delta 0.5, replica 0 (3f2a...)", or what the file calls it */
  const char *key;  /* of its tensor */
  int64_t vectors, width;
  vw_dtype type;    /* fp64, fp32, fp16, bf16 */
  const void *data; /* [vectors, width], in the mapped file */
  /* Where it comes from, as far as the file says: NULL, NaN and -1 where it does not. */
  const char *model, *concept, *anchor, *id;
  const char *network, *weights, *protocol; /* hashes: of the network's files, and as the plan has them */
  const char *embedding;                    /* hash of the anchor's */
  double delta, radius;                     /* INFINITY: free */
  int64_t replica, anchor_id;
  const void *anchor_data; /* [width] of `type`: the anchor's embedding */
  bool is_of_block;
} vw_file_word;

typedef struct vw_word_file {
  vw_safetensors *file;
  int64_t n;
  vw_file_word *words; /* owned by the pool, as their texts are */
  vw_pool pool;
} vw_word_file;

/* Opens a file and lists its words; nothing of their numbers is looked at. The caller closes it; on failure nothing is
 * owned. Errors: VW_ERR_IO; VW_ERR_INPUT (no word in it, "emb_params" beside other tensors, a block whose metadata do
 * not list its words): one line that names the file and what it holds; VW_ERR_UNSUPPORTED; VW_ERR_MEMORY. */
vw_status vw_word_file_open(vw_word_file *f, const char *path);
void vw_word_file_close(vw_word_file *f); /* also of a zeroed struct */

/* x[vectors, width] as double. Errors: VW_ERR_INPUT naming file, word and vector: a number that is not finite (not asked
 * of a block's words, whose trial may have failed), or so large that no squared length holds it. */
vw_status vw_word_file_read(const vw_word_file *f, int64_t word, double *x);

#endif
