#include "analysis/tsne_internal.h"
#include "core/log.h"
#include "core/random.h"
#include "kernels/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

vw_tsne_options vw_tsne_defaults(void) {
  return (vw_tsne_options){.perplexity = 30, .exaggeration = 12, .exaggerated = 250, .iterations = 1000, .threads = 1};
}

/* The largest that n points allow is a third of a point's neighbours. */
static double usable_perplexity(const vw_tsne_options *o, int64_t n) {
  return fmin(o->perplexity, (double)(n - 1) / 3);
}

static double usable_rate(const vw_tsne_options *o, int64_t n) {
  return o->learning_rate > 0 ? o->learning_rate : fmax((double)n / o->exaggeration, 200);
}

static vw_status check(const float *x, int64_t n, int64_t d, const vw_tsne_options *o) {
  VW_CHECK(n >= VW_TSNE_LEAST, VW_ERR_ARG,
           "t-SNE of %" PRId64 " points: a perplexity of at least 1 needs %d, as it may be (points - 1) / 3 at most", n,
           VW_TSNE_LEAST);
  VW_CHECK(d > 0 && o->perplexity >= 1 && o->exaggeration >= 1 && o->threads > 0, VW_ERR_ARG,
           "t-SNE: a width of %" PRId64 ", a perplexity of %g, an exaggeration of %g, %d threads: none may be below 1",
           d, o->perplexity, o->exaggeration, o->threads);
  for (int64_t i = 0; i < n * d; i++)
    VW_CHECK(isfinite(x[i]), VW_ERR_ARG, "t-SNE: point %" PRId64 " has numbers that are not finite", i / d);
  return VW_OK;
}

/* Small normals, where components are not wanted or there are none. */
static void random_start(const vw_tsne_options *o, int64_t n, double *points) {
  for (int64_t i = 0; i < n; i++) {
    float normal[4];
    vw_normal4(vw_philox4x32(o->seed, (uint32_t)i, 0, VW_DRAW_MAP, 0), normal);
    points[2 * i] = 1e-4 * normal[0], points[2 * i + 1] = 1e-4 * normal[1];
  }
}

vw_status vw_tsne_begin(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, vw_pairs *device,
                        double *points) {
  if (!o->random_start) VW_TRY(vw_pca_start(x, n, d, o->threads, device, points));
  bool has_spread = false;
  for (int64_t i = 0; i < 2 * n && !o->random_start; i++) has_spread |= points[i] != 0;
  if (!has_spread) random_start(o, n, points);
  return VW_OK;
}

/* Update and gains begin anew in the second part, as scikit-learn has it. */
vw_tsne_parts vw_tsne_parts_of(const vw_tsne_options *o, double rate) {
  const int64_t first = o->exaggerated < o->iterations ? o->exaggerated : o->iterations;
  return (vw_tsne_parts){
      {{.exaggeration = o->exaggeration, .learning_rate = rate / 4, .momentum = 0.5, .iterations = first},
       {.exaggeration = 1, .learning_rate = rate / 4, .momentum = 0.8, .iterations = o->iterations - first}}};
}

static vw_status on_host(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, double *points,
                         vw_tsne_result *out) {
  const vw_tsne_parts parts = vw_tsne_parts_of(o, out->learning_rate);
  vw_affinities *p = NULL;
  double *gradient = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_tsne_begin(x, n, d, o, NULL, points));
  VW_GOTO(vw_affinities_create(&p, x, n, d, out->perplexity, o->threads));
  for (int i = 0; i < 2 && !out->stopped; i++) VW_GOTO(vw_tsne_descend(p, o, &parts.part[i], points, &out->stopped));
  if (out->stopped) goto cleanup;
  gradient = malloc((size_t)(2 * n) * sizeof *gradient);
  if (!gradient) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory"));
  VW_GOTO(vw_tsne_gradient(p, points, 1, o->threads, gradient, &out->kl));
cleanup:
  vw_affinities_destroy(p);
  free(gradient);
  return st;
}

static void say_no_room(int64_t n, int64_t d, const vw_tsne_options *o) {
  vw_log(VW_LOG_WARN,
         "t-SNE of %lld points takes %.1f GB of the device's memory, and %.1f GB are free: the processor computes it "
         "with %d thread%s",
         (long long)n, 1e-9 * (double)vw_pairs_bytes(n, d), 1e-9 * (double)vw_memory_used(o->device).free, o->threads,
         o->threads == 1 ? "" : "s");
}

/* Another program may take the device's memory between the question whether it fits and the answer. */
vw_status vw_tsne(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, double *points, vw_tsne_result *out) {
  *out = (vw_tsne_result){0};
  VW_TRY(check(x, n, d, o));
  out->perplexity = usable_perplexity(o, n), out->learning_rate = usable_rate(o, n);
  out->on_device = vw_tsne_fits_device(o, n, d);
  if (out->on_device) {
    const vw_status st = vw_tsne_on_device(x, n, d, o, points, out);
    if (st != VW_ERR_MEMORY) return st;
    vw_error_clear();
    out->on_device = false;
  }
  if (o->device && o->device->backend == VW_CUDA) say_no_room(n, d, o);
  return on_host(x, n, d, o, points, out);
}

vw_status vw_tsne_seconds(int64_t n, int64_t d, const vw_tsne_options *o, double *seconds) {
  double distances = 0, forces = 0;
  if (vw_tsne_fits_device(o, n, d)) {
    const vw_status st = vw_tsne_device_seconds(n, d, o, seconds);
    if (st != VW_ERR_MEMORY) return st;
    vw_error_clear();
  }
  VW_TRY(vw_tile_seconds_distances(d, &distances));
  VW_TRY(vw_tile_seconds_forces(&forces));
  /* Tiles of whole blocks, then those of the last block, which has fewer points. */
  const double blocks = floor((double)n / VW_TSNE_SIDE), rest = (double)n / VW_TSNE_SIDE - blocks;
  const double tiles = blocks * (blocks + 1) / 2 + blocks * rest + rest * rest;
  /* Widths and the joint probabilities read every pair some ten times, as so many iterations do. */
  const double work = tiles * (distances + forces * ((double)o->iterations + 10));
  *seconds = work / o->threads;
  return VW_OK;
}
