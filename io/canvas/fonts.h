/* Which font has a character. Only io includes this. */
#ifndef VW_IO_FONTS_H
#define VW_IO_FONTS_H

#include <cairo.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct vw_fonts vw_fonts;

/* NULL: no memory, or no font on this machine. The caller closes it. */
vw_fonts *vw_fonts_open(void);
void vw_fonts_close(vw_fonts *f); /* NULL allowed */

/* The face for a character: of the first font that has it, of the first of all where none has. Belongs to f. */
cairo_font_face_t *vw_fonts_face(vw_fonts *f, uint32_t character, bool is_bold);

#endif
