/* What a PNG file says about a picture that was drawn: the settings that decide every pixel, what made it, and, of a
 * study, whose picture it is. Texts of JSON in ASCII under these keys. */
#ifndef VW_IO_PICTURE_SETTINGS_H
#define VW_IO_PICTURE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define VW_PICTURE_SETTINGS "viswords.settings"
#define VW_PICTURE_MADE_BY  "viswords.made_by"
#define VW_PICTURE_TRIAL    "viswords.trial"

typedef struct vw_picture_settings {
  const char *text, *negative;
  const char *word,
      *vector;         /* NULL: none; what stands in the {} of the text: how people call it, a hash of its numbers */
  const char *weights; /* a hash */
  const char *sampler, *spacing;
  double guidance;
  int64_t steps, width, height;
  bool is_cut;      /* the text encoder is cut to its first `layers` layers */
  int64_t layers;   /* not read otherwise */
  int64_t seed;     /* of the noise that the picture starts from; without `data` the key of its draws itself */
  const char *data; /* with a data set the key is that of the stream (data set, concept "", replica 0, seed) */
  int64_t picture;  /* and this is the step; read with `data` */
} vw_picture_settings;

/* The settings as a text that is the same wherever the picture is drawn; the caller frees it. NULL: out of memory. */
char *vw_picture_settings_text(const vw_picture_settings *s);

/* Whose picture it is. */
typedef struct vw_picture_trial {
  const char *model, *data, *concept;
  const char *anchor; /* NULL: none */
  const char *label;  /* "dog-0.5-r0" */
  int64_t picture;
} vw_picture_trial;

/* The caller frees it. NULL: out of memory. */
char *vw_picture_trial_text(const vw_picture_trial *t);

#endif
