/* `viswords encode`: what is asked about (texts, words, pictures), and its answers. */
#ifndef VW_JOBS_ENCODE_H
#define VW_JOBS_ENCODE_H

#include "core/options.h"
#include "core/pool.h"
#include "io/folders.h"
#include "networks/clip.h"

/* A growing list of texts owned by the pool. */
typedef struct vw_text_list {
  int64_t n, room;
  const char **text;
} vw_text_list;

/* Of "PATH:PART,PART...". */
typedef struct vw_word_choice {
  const char *model; /* words of this one of a study's models alone; NULL: of any */
  int64_t first;     /* the choice's first word: none of them comes twice */
} vw_word_choice;

typedef struct vw_encode_inputs {
  vw_text_list texts;           /* as the network reads them */
  vw_text_list words;           /* names of the words */
  double *vectors;              /* [words.n, C] */
  int64_t vector_room;          /* words that fit */
  vw_text_list pictures;        /* paths */
  const char *word_template;    /* "a photo of a {}" */
  const vw_word_choice *choice; /* while words are added by their names; else NULL */
  vw_pool pool;
} vw_encode_inputs;

/* Texts given one by one, and those of files, one a line ("-": standard input); empty lines are left out, and
 * counted on standard error. fill: put
 * each into the template. Errors: VW_ERR_IO, VW_ERR_INPUT. */
vw_status vw_encode_add_texts(vw_encode_inputs *in, const vw_option_list *texts, const vw_option_list *files,
                              bool fill);

/* Words of width C of a block file, of an output directory (all its block files), or of any safetensors file (vectors
 * and matrices of that width, as textual inversion saves them). only: NULL, or a part of the names that count.
 * Errors: VW_ERR_IO, VW_ERR_INPUT: nothing of that width or name. */
vw_status vw_encode_add_words(vw_encode_inputs *in, const char *path, const char *only, int64_t C);

/* The same of "PATH" or "PATH:PART,PART...": words whose name holds one of the parts, which are a study's trial ids,
 * concepts or anchors (joined by '+': all of them); of a part that is the name of one of its models words of that model alone. Where those of
 * several models would be taken: VW_ERR_INPUT. A file or folder that has the colon in its own name is taken whole. */
vw_status vw_encode_add_named_words(vw_encode_inputs *in, const char *spec, int64_t C);

/* Features [texts, then words] of unit length, of the feature type: texts are names in the template, in which '_' reads
 * as a space, as in the names of classes. Errors: those of the network; VW_ERR_ARG (a name that is too long). */
vw_status vw_encode_candidates(const vw_encode_inputs *in, vw_clip_network *n, void *features);

/* --exif and --alpha as flags of io/image.h. Errors: VW_ERR_ARG, beginning with `command`. */
vw_status vw_encode_look(const char *command, const char *exif, const char *alpha, unsigned *look);

/* A picture, or all pictures in a folder and below. */
vw_status vw_encode_add_pictures(vw_encode_inputs *in, const char *path);

void vw_encode_inputs_free(vw_encode_inputs *in);

#endif
