/* CLIP's preprocessing, exact to the byte: transformers' CLIPImageProcessor over Pillow. */
#ifndef VW_IO_PREPROCESS_H
#define VW_IO_PREPROCESS_H

#include "io/pictures/image.h"

/* Pillow's filters under its own numbers. */
typedef enum vw_resample { VW_LANCZOS = 1, VW_BILINEAR = 2, VW_BICUBIC = 3, VW_BOX = 4, VW_HAMMING = 5 } vw_resample;

typedef struct vw_preprocess {
  int64_t size;          /* of the shortest edge after resizing; 0: to height x width, whatever the picture's shape */
  int64_t longest;       /* at most so much of the longest edge; 0: any */
  int64_t height, width; /* where size is 0 */
  int64_t max_height, max_width; /* where that is 0 too: as large as fits; both 0: not resized */
  int64_t crop;                  /* S: edge of the square that comes out */
  bool whole;                    /* not cut: what resizing gives must be S x S */
  vw_resample filter;            /* of resizing */
  double mean[3], std[3];        /* of RGB in 0..1; 0 and 1: not normalised */
  double rescale;                /* 1/255; 1: left in 0..255 */
  bool width_first;              /* always: Pillow before 13 */
} vw_preprocess;

/* CLIP's published numbers for pictures of `size` pixels. */
vw_preprocess vw_preprocess_clip(int64_t size);

/* Resizes as Pillow does: rgb [h, w, 3] to out [H, W, 3]. Separable, widened when shrinking (antialiased); weights in
 * 22-bit fixed point; the picture between the two passes is rounded to 8 bits. Which pass is first then shows by some
 * grey levels: Pillow 13 begins with the height where it shrinks by more than twice as many pixels as the width, and so
 * does this; older ones (`width_first`) always with the width. Errors: VW_ERR_ARG, VW_ERR_MEMORY.
 */
vw_status vw_resize(const uint8_t *rgb, int64_t h, int64_t w, uint8_t *out, int64_t H, int64_t W, vw_resample filter,
                    bool width_first);
vw_status vw_resize_bicubic(const uint8_t *rgb, int64_t h, int64_t w, uint8_t *out, int64_t H, int64_t W,
                            bool width_first);

/* Shortest edge to p->size (the other: int(size * long / short)), then the centre (offsets rounded down; black around
 * what is smaller): out [crop, crop, 3], the caller's. Errors: VW_ERR_ARG, VW_ERR_INPUT (a picture that is so long that
 * it would have more than VW_MAX_PIXELS, or that p->whole leaves in another shape), VW_ERR_MEMORY. */
vw_status vw_preprocess_pixels(const vw_preprocess *p, const vw_image *image, uint8_t *out);

/* (x * rescale - mean) / std over n pixels, channels last: n * 3 numbers each. */
void vw_preprocess_normalise(const vw_preprocess *p, const uint8_t *rgb, int64_t n, float *out);
void vw_preprocess_normalise_f64(const vw_preprocess *p, const uint8_t *rgb, int64_t n, double *out);

#endif
