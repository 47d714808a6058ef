/* `viswords encode`: what is asked about (texts, words, pictures), and its answers. */
#ifndef VW_JOBS_ENCODE_H
#define VW_JOBS_ENCODE_H

#include "core/options.h"
#include "core/pool.h"
#include "io/folders.h"
#include "jobs/word_list.h"
#include "networks/clip.h"

/* A growing list of texts owned by the pool. */
typedef struct vw_text_list {
  int64_t n, room;
  const char **text;
} vw_text_list;

typedef struct vw_encode_inputs {
  vw_text_list texts; /* as the network reads them */
  vw_word_list words;
  vw_text_list pictures;     /* paths */
  const char *word_template; /* "a photo of a {}" */
  vw_pool pool;
} vw_encode_inputs;

/* Texts given one by one, and those of files, one a line ("-": standard input); empty lines are left out, and
 * counted on standard error. fill: put
 * each into the template. Errors: VW_ERR_IO, VW_ERR_INPUT. */
vw_status vw_encode_add_texts(vw_encode_inputs *in, const vw_option_list *texts, const vw_option_list *files,
                              bool fill);

/* Features [words->n, p] of unit length, of the feature type, of words in a sentence with one {}. Errors: those of the
 * network; VW_ERR_INPUT: words that another network learned (vw_word_list_check_network). */
vw_status vw_encode_words(const vw_word_list *words, const char *sentence, vw_clip_network *n, void *features);

/* Features [texts, then words] of unit length, of the feature type: texts are names in the template, in which '_' reads
 * as a space, as in the names of classes. Errors: those of the network; VW_ERR_ARG (a name that is too long). */
vw_status vw_encode_candidates(const vw_encode_inputs *in, vw_clip_network *n, void *features);

/* --exif and --alpha as flags of io/pictures/image.h. Errors: VW_ERR_ARG, beginning with `command`. */
vw_status vw_encode_look(const char *command, const char *exif, const char *alpha, unsigned *look);

/* A picture, or all pictures in a folder and below. */
vw_status vw_encode_add_pictures(vw_encode_inputs *in, const char *path);

void vw_encode_inputs_free(vw_encode_inputs *in);

#endif
