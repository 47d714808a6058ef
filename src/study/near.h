/* The nearest words of vectors, by distance and by angle. */
#ifndef VW_STUDY_NEAR_H
#define VW_STUDY_NEAR_H

#include "study/metrics.h"

enum { VW_NEAR_MOST = 64 };

typedef struct vw_near_word {
  int64_t id;
  double distance, cosine; /* |v - w|; of the angle between them, 0 where one of them is zero */
} vw_near_word;

/* The `top` nearest whole words of each of K vectors [K, d]: by distance (ties: lower id) near[K, top], and by cosine
 * alike[K, top]. Entries beyond the number of words have id -1. Errors: VW_ERR_ARG (top not in 1 .. VW_NEAR_MOST, another
 * dtype); VW_ERR_MEMORY. */
vw_status vw_near_words(const vw_embeddings *e, const double *vectors, int64_t K, int64_t top, vw_near_word *near,
                        vw_near_word *alike);

#endif
