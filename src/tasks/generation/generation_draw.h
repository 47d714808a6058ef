/* Pictures that words draw, for judging: programs that stay open, pictures that are kept as files. Private to
 * src/tasks/generation_*.c and its tests. */
#ifndef VW_TASKS_GENERATION_DRAW_H
#define VW_TASKS_GENERATION_DRAW_H

#include "networks/drawing.h"
#include "tasks/generation/generation.h"

typedef struct vw_word_drawer vw_word_drawer;

/* How pictures of the words of a model are drawn: as judge.* says, at a side of `side` pixels; batch: 1. */
vw_drawing vw_word_drawing(const vw_task_inputs *in, int64_t side);

/* The programs; the task must outlive them. The caller destroys it. Errors: VW_ERR_ARG (a side, more steps than the
 * network was trained with), VW_ERR_INPUT (a negative text that is too long), VW_ERR_MEMORY. */
vw_status vw_word_drawer_create(vw_word_drawer **out, const vw_generation *t);
void vw_word_drawer_destroy(vw_word_drawer *d); /* NULL allowed */

/* Pictures that were drawn so far: files that were there do not count. */
int64_t vw_word_drawer_count(const vw_word_drawer *d);

/* Words that one program draws of `left` ones, of which at most `most` (a power of two) are drawn at once. A device
 * always draws `most` (`is_device`): what its libraries choose depends on the number, and with it the bits. */
enum { VW_DRAWN_SIZES = 4, VW_DRAWN_MOST = 1 << (VW_DRAWN_SIZES - 1) };
static inline int64_t vw_drawn_together(int64_t most, int64_t left, bool is_device) {
  int64_t n = most;
  while (!is_device && n > left) n /= 2;
  return n;
}

/* Words that are drawn at once, at most; at least 1. */
int64_t vw_word_drawer_most(const vw_word_drawer *d);

/* Picture `picture` of words row[0 .. n) of w, n at most vw_word_drawer_most: rgb[n][side, side, 3], 8 bits. The same
 * whatever is drawn with it. */
vw_status vw_word_drawer_run(vw_word_drawer *d, const vw_judged *w, const int64_t *row, int64_t n, int64_t picture,
                             uint8_t *const *rgb);

/* What drawing costs, as judging does it (generation_time.c). vw_word_drawer_steps: mean seconds of a step of 2^size
 * pictures of the first word of w, over at least three steps and `seconds` after one that makes the program ready.
 * vw_word_drawer_ends: encodes the text of that word and decodes what are no latents of anything to rgb: all but the
 * steps. The judge's feature of a picture is computed and forgotten. */
vw_status vw_word_drawer_steps(vw_word_drawer *d, const vw_judged *w, int size, double seconds, double *one);
vw_status vw_word_drawer_ends(vw_word_drawer *d, const vw_judged *w, uint8_t *rgb);
vw_status vw_generation_judge_look(vw_generation *t, const uint8_t *rgb);
/* Mean seconds of a run of a piece of judging (vw_task_kind.time_judge): steps by the size of their program, then a
 * picture with its text, file and judge. */
enum { VW_DRAWN_PICTURE = VW_DRAWN_SIZES, VW_DRAWN_PIECES };
vw_status vw_generation_time_judge(const vw_task_inputs *in, int piece, double seconds, double *one);

/* The file of a picture in the folder of pictures that are kept. Found: it is there, drawn with the settings and kernels
 * that would draw it now, and is read into rgb. Errors: VW_ERR_MEMORY, VW_ERR_ARG; a damaged file is not found. */
vw_status vw_word_picture_find(const vw_word_drawer *d, const vw_judged *w, int64_t row, int64_t picture,
                               const char *folder, uint8_t *rgb, bool *found);
/* Writes it, in the place of any other picture of that name. */
vw_status vw_word_picture_write(const vw_word_drawer *d, const vw_judged *w, int64_t row, int64_t picture,
                                const char *folder, const uint8_t *rgb);

#endif
