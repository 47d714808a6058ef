/* `viswords verify`: its table of differences, and what is compared with a reference file (docs/verify.md). */
#ifndef VW_VERIFY_VERIFY_H
#define VW_VERIFY_VERIFY_H

#include "core/pool.h"
#include "io/pictures/image.h"
#include "io/safetensors.h"
#include "networks/owlv2.h"
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
  vw_clip_network *network; /* one of these: what the reference file is of; of an OWL-v2 network its CLIP part */
  vw_owlv2_network *owl;
  vw_sd_network *sd;
  vw_safetensors *file;
  json_t *about; /* the file's metadata "json" */
  json_t *rows;  /* of the table */
  int64_t beyond;
  int64_t stride; /* above 1: of outputs the file keeps every stride-th number in row order, as a vector */
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

/* The same of the file's tensor `name`, whose shape is that of the numbers `got` (in double), or what the file keeps of
 * them. */
vw_status vw_compare_output(vw_verification *v, const char *name, const double *got, vw_tensor shape, double scale,
                            vw_limit limit);

/* The same of features [n, projection] of the feature type. */
vw_status vw_compare_features(vw_verification *v, const char *name, const void *got, int64_t n);

/* A text tower of CLIP's kind (v->network): tokens, states by layer, features. *features [*n, projection] of the feature
 * type, malloc'ed, after a failure too. */
vw_status vw_verify_texts(vw_verification *v, void **features, int64_t *n);

/* The residual stream of the image tower behind its embedding and each layer, for picture 0 (pixels [S, S, 3]). Nothing
 * is done where the file has none. */
vw_status vw_verify_image_states(vw_verification *v, const double *pixels);

/* Decodes the file in tensor `name` ("picture.<i>"), transparency as the reference took it. The caller frees the image. */
vw_status vw_reference_picture(const vw_verification *v, const char *name, vw_image *image);

/* A CLIP directory (v->network), an OWL-v2 directory (v->owl, v->network). */
vw_status vw_verify_classification(vw_verification *v);
vw_status vw_verify_detection(vw_verification *v);

/* A Stable Diffusion directory (v->sd). */
vw_status vw_verify_diffusion(vw_verification *v);

/* Of such a file, the states of two texts that predictions are made with: f16 [VW_CONTEXTS, J, C]. */
enum { VW_CONTEXTS = 2 };
vw_status vw_reference_context(const vw_verification *v, vw_tensor *context);

/* The steps of each sampler, guided away from the first text towards the second, each from the reference's latents
 * behind the step before: rows "ddim.latents" and "dpm++.latents". An error of a step is that of two passes of the
 * UNet, as guidance takes them together; it is not handed on. */
vw_status vw_verify_samplers(vw_verification *v);

/* Compares a model directory with a reference file and prints the table. `beyond`: rows beyond their limit. */
vw_status vw_verify_model(const char *dir, const char *reference, vw_backend backend, int threads, bool json,
                          int64_t *beyond);

#endif
