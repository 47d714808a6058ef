/* Grids of pictures or numbers: a row a word, a column what became of it. Inside src/results. */
#ifndef VW_RESULTS_FIGURE_GRID_H
#define VW_RESULTS_FIGURE_GRID_H

#include "results/figures/figure.h"

typedef struct vw_grid_cell {
  vw_image picture; /* rgb NULL: none */
  double number;    /* from 0 to 1, shown where there is no picture; NaN: none */
  const char *path; /* of the picture below DIR; NULL: none */
} vw_grid_cell;

typedef struct vw_grid_column {
  const char *group, *name; /* neighbours of one group share their head */
} vw_grid_column;

typedef struct vw_grid {
  const char *const *rows; /* [n_rows] names */
  const vw_grid_column *columns;
  int64_t n_rows, n_columns;
  vw_grid_cell *cells; /* [n_rows, n_columns] */
  double cell_width, cell_height;
} vw_grid;

double vw_grid_width(const vw_grid *g);
double vw_grid_height(const vw_grid *g);
void vw_grid_draw(vw_canvas *c, const vw_grid *g, double x, double y);

/* Reads DIR/PATH for a cell, no larger than figures show it; a picture that is not there, or cannot be read, leaves the
 * cell as it is. The pixels belong to the source. Errors: VW_ERR_MEMORY. */
vw_status vw_grid_picture(vw_figure_source *s, const char *path, vw_grid_cell *cell);

#endif
