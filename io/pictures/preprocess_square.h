/* OWL-v2's preprocessing: transformers' slow Owlv2ImageProcessor (4.57) over SciPy. Pictures are not cut: they are
 * padded to a square at the bottom and the right, blurred when they shrink, and sampled linearly. Boxes that the
 * network finds are parts of that square. */
#ifndef VW_IO_PREPROCESS_SQUARE_H
#define VW_IO_PREPROCESS_SQUARE_H

#include "io/pictures/image.h"

typedef struct vw_square {
  int64_t size;           /* S: edge of what comes out */
  double pad;             /* what the square is filled with, in 0..1: .5; transformers 5: 0 */
  double mean[3], std[3]; /* of RGB in 0..1 */
  double rescale;         /* 1/255 */
} vw_square;

/* out [S, S, 3], the caller's, of the rescaled picture before it is normalised. Rounded to fp32 where the reference
 * rounds: after rescaling, after each pass of the blur, and at the end. Needs 2 S (long side) numbers of memory and no
 * padded copy, so a picture may be as long as it likes. Errors: VW_ERR_ARG, VW_ERR_MEMORY. */
vw_status vw_square_pixels(const vw_square *p, const vw_image *image, float *out);

/* (x - mean) / std over n pixels, channels last: n * 3 numbers each. */
void vw_square_normalise(const vw_square *p, const float *pixels, int64_t n, float *out);
void vw_square_normalise_f64(const vw_square *p, const float *pixels, int64_t n, double *out);

#endif
