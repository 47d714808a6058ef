/* `viswords generate`: what is to be drawn, and the drawing of it. */
#ifndef VW_JOBS_GENERATE_H
#define VW_JOBS_GENERATE_H

#include "core/durable.h"
#include "io/pictures/picture_settings.h"
#include "jobs/encode.h"
#include "networks/drawing.h"

typedef struct vw_generate {
  vw_context ctx;
  vw_sd_network *n;
  vw_hash weights;
  vw_encode_inputs in; /* texts, then words; each is a row of the sheet */
  vw_drawing what;
  const char *negative, *out; /* text, folder */
  int64_t number, seed;       /* pictures a row; the first picture's seed */
  bool quiet;
} vw_generate;

static inline int64_t vw_generate_rows(const vw_generate *g) {
  return g->in.texts.n + g->in.words.n;
}

/* Are all texts, the negative one too, such as the network can read? Errors: VW_ERR_INPUT naming the text. */
vw_status vw_generate_check_texts(const vw_generate *g);

/* Settings of picture `i` of a row, malloc'ed; NULL: out of memory. */
char *vw_generate_settings(const vw_generate *g, int64_t row, int64_t i);

/* Its file, "a-photo-of-a-dog-1f2e3d4c.png": the digits are a hash of the settings, so that other settings have other
 * files. Errors: VW_ERR_MEMORY, VW_ERR_ARG (a path too long). */
vw_status vw_generate_path(const vw_generate *g, int64_t row, int64_t i, char path[VW_PATH_BYTES]);

/* Is the picture there, drawn with these settings? */
vw_status vw_generate_is_there(const vw_generate *g, int64_t row, int64_t i, bool *there);

/* Draws the `n` pictures `todo` (row * number + i), what.batch at a time. *stopped: it was asked to end early; what is
 * finished is kept. */
vw_status vw_generate_draw(vw_generate *g, const int64_t *todo, int64_t n, bool *stopped);

/* sheet.png: a row a text, its pictures side by side, shrunk to whole fractions where there are many; those that are
 * not there stay grey. */
vw_status vw_generate_sheet(const vw_generate *g);

#endif
