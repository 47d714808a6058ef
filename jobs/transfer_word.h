/* `viswords transfer WORD --from DIR --to DIR -o FILE`: the other use of the subcommand of the stage transfer. */
#ifndef VW_JOBS_TRANSFER_WORD_H
#define VW_JOBS_TRANSFER_WORD_H

#include <stdbool.h>

typedef struct vw_transfer_word {
  const char *word;      /* PATH[:PART,...] of the words */
  const char *from, *to; /* model directories */
  const char *out;       /* the file of carried words */
  const char *map, *anchor;
  double lambda;
  bool bias, keeps_radius;
} vw_transfer_word;

/* Carries the words, writes the file, tells what became of them; returns the exit code. */
int vw_transfer_word_run(const vw_transfer_word *o);

#endif
