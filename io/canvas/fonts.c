#include "io/canvas/fonts.h"

#include <cairo-ft.h>
#include <fontconfig/fontconfig.h>
#include <stdlib.h>

/* The fonts of one weight, best first. */
typedef struct family {
  FcFontSet *sorted;
  cairo_font_face_t **face; /* [sorted->nfont], made when first used */
} family;

struct vw_fonts {
  family of[2]; /* regular, bold */
};

static bool is_usable(const FcPattern *p) {
  FcBool scales = FcTrue, has_colour = FcFalse;
  (void)FcPatternGetBool(p, FC_SCALABLE, 0, &scales);
  (void)FcPatternGetBool(p, FC_COLOR, 0, &has_colour); /* pictures of letters: not as vectors */
  return scales == FcTrue && has_colour == FcFalse;
}

static bool family_open(family *f, int weight) {
  FcResult result = FcResultMatch;
  FcPattern *wanted = FcPatternCreate();
  if (!wanted) return false;
  (void)FcPatternAddString(wanted, FC_FAMILY, (const FcChar8 *)"DejaVu Sans");
  (void)FcPatternAddInteger(wanted, FC_WEIGHT, weight);
  (void)FcConfigSubstitute(NULL, wanted, FcMatchPattern);
  FcDefaultSubstitute(wanted);
  /* Trimmed: a font that adds no character is left out. */
  f->sorted = FcFontSort(NULL, wanted, FcTrue, NULL, &result);
  FcPatternDestroy(wanted);
  if (!f->sorted || f->sorted->nfont < 1) return false;
  f->face = calloc((size_t)f->sorted->nfont, sizeof(*f->face));
  return f->face != NULL;
}

static void family_close(family *f) {
  for (int i = 0; f->face && i < f->sorted->nfont; i++)
    if (f->face[i]) cairo_font_face_destroy(f->face[i]);
  free((void *)f->face);
  if (f->sorted) FcFontSetDestroy(f->sorted);
}

vw_fonts *vw_fonts_open(void) {
  vw_fonts *f = calloc(1, sizeof *f);
  if (f && family_open(&f->of[0], FC_WEIGHT_REGULAR) && family_open(&f->of[1], FC_WEIGHT_BOLD)) return f;
  vw_fonts_close(f);
  return NULL;
}

void vw_fonts_close(vw_fonts *f) {
  if (!f) return;
  family_close(&f->of[0]), family_close(&f->of[1]);
  free(f);
}

cairo_font_face_t *vw_fonts_face(vw_fonts *f, uint32_t character, bool is_bold) {
  family *of = &f->of[is_bold];
  int best = -1;
  for (int i = 0; i < of->sorted->nfont; i++) {
    FcCharSet *has = NULL;
    if (!is_usable(of->sorted->fonts[i])) continue;
    if (best < 0) best = i;
    if (FcPatternGetCharSet(of->sorted->fonts[i], FC_CHARSET, 0, &has) == FcResultMatch &&
        FcCharSetHasChar(has, character)) {
      best = i;
      break;
    }
  }
  if (best < 0) best = 0;
  if (!of->face[best]) of->face[best] = cairo_ft_font_face_create_for_pattern(of->sorted->fonts[best]);
  return of->face[best];
}
