/* t-SNE (van der Maaten and Hinton 2008), exact: every pair of points counts in every iteration, no tree and no grid.
 * All arithmetic is in double, each pair is computed once, and every sum has one order: the same input gives the same
 * bits on any number of threads and on any processor. A CUDA device gives the points the same bits, and a divergence
 * that differs in its last digits.
 *
 * The conventions are scikit-learn's (0.22 and later): joint probabilities by perplexity, gradient and divergence, the
 * descent with momentum and gains, PCA as the start. The learning rate is that of Belkina et al. 2019, whose gradient
 * leaves the factor 4 out: scikit-learn's number for it is a quarter. */
#ifndef VW_ANALYSIS_TSNE_H
#define VW_ANALYSIS_TSNE_H

#include "core/status.h"
#include "kernels/op.h"

#include <stdint.h>

enum { VW_TSNE_LEAST = 4, VW_TSNE_MANY = 20000 }; /* points: at least; from which on it takes long */

typedef struct vw_tsne_options {
  double perplexity;    /* wanted; (n - 1) / 3 is the most that is used */
  double exaggeration;  /* of the probabilities, in the first iterations */
  double learning_rate; /* 0: n / exaggeration, at least 200 */
  int64_t exaggerated;  /* iterations with exaggeration and a momentum of 0.5 */
  int64_t iterations;   /* all of them; the others have a momentum of 0.8 */
  bool random_start;    /* normals of `seed` instead of the first two principal components */
  uint64_t seed;
  int threads;
  vw_context *device;       /* an open context: with cuda the pairs are there, where they fit; NULL: they are here */
  bool (*stop)(void *user); /* asked before every iteration; NULL: never */
  void *user;
} vw_tsne_options;

/* Perplexity 30, exaggeration 12 for 250 of 1,000 iterations, PCA, one thread. */
vw_tsne_options vw_tsne_defaults(void);

typedef struct vw_tsne_result {
  double kl, perplexity, learning_rate; /* of the returned points; those that were used */
  bool stopped;                         /* `stop` said so: the points are none */
  bool on_device;                       /* the pairs were there */
} vw_tsne_result;

/* Points [n, 2] (caller's) of x [n, d]. Errors: VW_ERR_ARG (fewer than VW_TSNE_LEAST points, numbers that are not
 * finite), VW_ERR_MEMORY with the bytes that it takes: about 6 n^2, of the device where one is used. Where that has not so
 * many, a line says so and the processor computes. */
vw_status vw_tsne(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, double *points, vw_tsne_result *out);

/* Does o->device have room for n points of d numbers now? False where there is none, or no cuda. */
bool vw_tsne_fits_device(const vw_tsne_options *o, int64_t n, int64_t d);

/* Seconds that vw_tsne of such sizes will take, here or on o->device, as that one would choose: some pairs are timed, a
 * few milliseconds. Errors: VW_ERR_MEMORY, VW_ERR_DEVICE. */
vw_status vw_tsne_seconds(int64_t n, int64_t d, const vw_tsne_options *o, double *seconds);

/* ---- its parts */

/* Joint probabilities of n points: fp32 numbers, each pair once, in squares of points (tsne_internal.h). */
typedef struct vw_affinities vw_affinities;

/* P of x [n, d]: each point's width by the root of its entropy in double. Errors as of vw_tsne. */
vw_status vw_affinities_create(vw_affinities **p, const float *x, int64_t n, int64_t d, double perplexity, int threads);
/* P that is given, p(i, j) = joint[i * n + j] rounded to fp32; symmetric, the diagonal is not read. */
vw_status vw_affinities_of(vw_affinities **p, const double *joint, int64_t n);
void vw_affinities_destroy(vw_affinities *p); /* NULL allowed */
double vw_affinity(const vw_affinities *p, int64_t i, int64_t j);

/* Gradient [n, 2] and, where kl is not NULL, Kullback-Leibler divergence of points y [n, 2]; probabilities are taken
 * times `exaggeration`, which the divergence ignores. Errors: VW_ERR_MEMORY. */
vw_status vw_tsne_gradient(const vw_affinities *p, const double *y, double exaggeration, int threads, double *gradient,
                           double *kl);

/* y [n, 2] moves `iterations` times along its gradient: momentum, and gains of each number, which start at 1.
 * `learning_rate` is of the whole gradient (scikit-learn's). *stopped: `o->stop` said so. Errors: VW_ERR_MEMORY. */
typedef struct vw_tsne_descent {
  double exaggeration, learning_rate, momentum;
  int64_t iterations;
} vw_tsne_descent;
vw_status vw_tsne_descend(const vw_affinities *p, const vw_tsne_options *o, const vw_tsne_descent *how, double *y,
                          bool *stopped);

#endif
