/* `viswords verify`: its table of differences, and what is compared with a reference file (docs/verify.md). */
#ifndef VW_VERIFY_VERIFY_H
#define VW_VERIFY_VERIFY_H

#include "core/pool.h"
#include "io/safetensors.h"
#include "networks/clip.h"
#include "networks/stable_diffusion.h"
#include "study/config.h"

#include <jansson.h>

/* How far a quantity may be off, relative to its largest value (docs/verify.md says why). */
typedef enum vw_limit {
  VW_LIMIT_SAME,     /* not at all */
  VW_LIMIT_PIXEL,    /* 1 of 255 grey levels, before normalisation */
  VW_LIMIT_OUTPUT,   /* states, features, logits, losses, learned words: 1e-8 in double, 1e-4 in fp32 */
  VW_LIMIT_GRADIENT, /* 1e-8 in double, 1e-3 in fp32 */
} vw_limit;

typedef struct vw_verification {
  vw_context ctx;
  vw_clip_network *network; /* one of both: what the reference file is of */
  vw_sd_network *sd;
  vw_safetensors *file;
  json_t *about; /* the file's metadata "json" */
  json_t *rows;  /* of the table */
  int64_t beyond;
  int64_t n_pictures;
  void *image_features; /* [n_pictures, projection] of the feature type: ours, from the reference's pixels */
  vw_pool pool;
} vw_verification;

/* A tensor of the reference file; shape[i] < 0: any size. Errors: VW_ERR_INPUT naming file, tensor and both shapes. */
vw_status vw_reference_tensor(const vw_verification *v, const char *name, vw_tensor shape, vw_tensor *out);

/* The same for whole numbers, each within 0 .. below - 1. */
vw_status vw_reference_indices(const vw_verification *v, const char *name, vw_tensor shape, int64_t below,
                               vw_tensor *out);

/* The texts of "NAME" and "NAME.end" (docs/verify.md), owned by the pool. */
vw_status vw_reference_texts(vw_verification *v, const char *name, vw_names *texts);

/* A number of the metadata. */
vw_status vw_reference_number(const vw_verification *v, const char *key, double *x);

/* Adds a row to the table: how far got[n] is from expected[n] at most, and relative to the largest |expected| (or to
 * `scale`, where that is larger). */
vw_status vw_compare(vw_verification *v, const char *what, const double *got, const double *expected, int64_t n,
                     double scale, vw_limit limit);

/* Words in templates: features, loss, gradient, ten steps of both optimisers. */
vw_status vw_verify_words(vw_verification *v);

/* A Stable Diffusion directory (v->sd). */
vw_status vw_verify_diffusion(vw_verification *v);

/* Compares a model directory with a reference file and prints the table. `beyond`: rows beyond their limit. */
vw_status vw_verify_model(const char *dir, const char *reference, vw_backend backend, int threads, bool json,
                          int64_t *beyond);

#endif
