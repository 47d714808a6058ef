/* The figures of a study: DIR/figures/<name>.svg, .pdf, .png, and its numbers in <name>.csv; drawn from DIR/study.h5
 * and DIR/pictures alone, any time again. Nothing is computed here but places on paper: what a figure shows, `collect`
 * put into study.h5 before. */
#ifndef VW_RESULTS_FIGURES_H
#define VW_RESULTS_FIGURES_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum vw_figure_subject {
  VW_FIGURE_OF_STUDY, /* one */
  VW_FIGURE_OF_TASK,  /* one a task; its name begins with the task's headline */
  VW_FIGURE_OF_MODEL  /* one a model; its name ends in the model's */
} vw_figure_subject;

typedef struct vw_figure_kind {
  const char *name; /* with one %s, where there are several */
  const char *title;
  const char *caption; /* what it shows and how it is read: whole sentences, as plain text */
  const char *paper;   /* the paper's figure: "Figure 3"; "": none */
  const char *command; /* whose results it needs: "transfer" */
  vw_figure_subject subject;
} vw_figure_kind;

/* In the order in which a report shows them. */
extern const vw_figure_kind vw_figure_kinds[];
extern const int vw_n_figure_kinds;

/* A figure as it was made, or left out. */
enum { VW_FIGURE_NAME = 160 };
typedef struct vw_figure {
  const vw_figure_kind *kind;
  char name[VW_FIGURE_NAME];    /* of its files, without the ending */
  char subject[VW_FIGURE_NAME]; /* the model or task; "": the study */
  bool made;
  char note[512]; /* made: what a reader must know ("12 of 100 concepts are drawn"), or ""; left out: why, and the
                   * command that would give it */
} vw_figure;

/* DIR/figures/index.json: all of them in order, malloc'ed, the caller frees them; n 0 where there is no such file.
 * Errors: VW_ERR_INPUT (damaged), VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_figures_read(const char *dir, vw_figure **figures, int64_t *n);

typedef enum vw_figures_choice {
  VW_FIGURES_OF_COLLECT, /* <headline>_against_delta alone */
  VW_FIGURES_ALL
} vw_figures_choice;

/* Draws the figures of DIR/study.h5 and writes the index. One process, not collective. A figure whose data are not there
 * is left out and told in one line of the log. `stop` (NULL: never) is asked before each; *stopped (may be NULL then): it
 * said so, the figures made so far and the older index stay. Errors: VW_ERR_INPUT (no study.h5, damaged), VW_ERR_IO,
 * VW_ERR_MEMORY. */
vw_status vw_figures_make(const char *dir, vw_figures_choice which, bool (*stop)(void), bool *stopped);

#endif
