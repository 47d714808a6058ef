/* Boxes and labels on a copy of a picture. The one place that knows cairo. */
#ifndef VW_IO_DRAW_H
#define VW_IO_DRAW_H

#include "io/pictures/image.h"

typedef struct vw_drawing vw_drawing;

/* A copy of the picture, `enlarge` times as wide and high (nearest pixel). Coordinates below are those of the picture.
 * The caller destroys it. Errors: VW_ERR_MEMORY; VW_ERR_INPUT where the copy would be too large to draw on. */
vw_status vw_drawing_create(vw_drawing **d, const vw_image *picture, int64_t enlarge);
void vw_drawing_destroy(vw_drawing *d); /* NULL allowed */

/* The edges of a box (x, y, width, height; what lies outside is cut) in the `colour`-th of ten colours that repeat. */
void vw_drawing_box(vw_drawing *d, const double box[4], int64_t colour);

/* A text in UTF-8 on a ground of that colour, above the box, or below its upper edge where there is no room; always
 * inside the picture as far as it fits. Long texts are cut. */
void vw_drawing_label(vw_drawing *d, const double box[4], const char *text, int64_t colour);

/* Whether this machine has a font: without one labels have no letters. */
bool vw_drawing_has_font(vw_drawing *d);

/* Writes a PNG, durably. Errors: VW_ERR_IO; VW_ERR_MEMORY (also of what was drawn before). */
vw_status vw_drawing_write(vw_drawing *d, const char *path);

#endif
