/* t-SNE whose pairs are on a CUDA device (kernels/pairs.h). What is left here is of every point, not of every pair: the
 * search of the widths, with the processor's logarithm, so that they have its bits. */
#include "analysis/tsne_internal.h"
#include "kernels/memory.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

bool vw_tsne_fits_device(const vw_tsne_options *o, int64_t n, int64_t d) {
  const int64_t spare = (int64_t)256 << 20; /* for what the driver and others take meanwhile */
  if (!o->device || o->device->backend != VW_CUDA) return false;
  return vw_pairs_bytes(n, d) + spare <= vw_memory_used(o->device).free;
}

/* ---- joint probabilities ----------------------------------------------------------------------------------------- */

/* Of n points. */
typedef struct widths {
  vw_width_search *search;
  double *beta, *other; /* [n] to try, NaN: found; a number of each point */
  vw_moments *moments;
} widths;

static void widths_free(widths *w) {
  free(w->search), free(w->beta), free(w->other), free(w->moments);
}

static vw_status widths_create(widths *w, int64_t n) {
  const size_t count = (size_t)n;
  *w = (widths){.search = malloc(count * sizeof *w->search),
                .beta = malloc(count * sizeof *w->beta),
                .other = malloc(count * sizeof *w->other),
                .moments = malloc(count * sizeof *w->moments)};
  VW_CHECK(w->search && w->beta && w->other && w->moments, VW_ERR_MEMORY, "t-SNE: out of memory");
  return VW_OK;
}

/* All points at once: every round asks for the moments of those that have not found theirs. */
static vw_status find_widths(vw_pairs *p, widths *w, int64_t n) {
  for (int64_t left = n; left;) {
    VW_TRY(vw_pairs_moments(p, w->beta, w->moments));
    left = 0;
    for (int64_t i = 0; i < n; i++) {
      if (isnan(w->beta[i])) continue;
      const bool again = vw_width_next(&w->search[i], &w->moments[i]);
      w->beta[i] = again ? w->search[i].beta : NAN;
      left += again;
    }
  }
  for (int64_t i = 0; i < n; i++) w->beta[i] = w->search[i].beta, w->other[i] = w->search[i].sum;
  return vw_pairs_joint(p, w->beta, w->other);
}

vw_status vw_tsne_device_joint(vw_pairs *p, int64_t n, double perplexity) {
  widths w;
  vw_status st = VW_OK;
  VW_GOTO(widths_create(&w, n));
  VW_GOTO(vw_pairs_distances(p, w.beta, w.other));
  for (int64_t i = 0; i < n; i++) {
    w.search[i] = vw_width_begin(w.other[i], log(perplexity));
    w.beta[i] = w.search[i].beta;
  }
  VW_GOTO(find_widths(p, &w, n));
cleanup:
  widths_free(&w);
  return st;
}

/* ---- the descent ------------------------------------------------------------------------------------------------- */

/* From the points that are placed. The host runs a few steps ahead, so that stopping stays prompt. */
static vw_status descend(vw_pairs *p, const vw_tsne_options *o, const vw_tsne_descent *how, bool *stopped) {
  const vw_pairs_move move = {
      .exaggeration = how->exaggeration, .learning_rate = how->learning_rate, .momentum = how->momentum};
  for (int64_t i = 0; i < how->iterations && !*stopped; i++) {
    *stopped = o->stop && o->stop(o->user);
    if (!*stopped) VW_TRY(vw_pairs_step(p, &move));
    if (i % VW_RUNS_AHEAD == VW_RUNS_AHEAD - 1) VW_TRY(vw_pairs_wait(p));
  }
  return VW_OK;
}

vw_status vw_tsne_on_device(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, double *y,
                            vw_tsne_result *out) {
  const vw_tsne_parts parts = vw_tsne_parts_of(o, out->learning_rate);
  vw_pairs *p = NULL;
  double *gradient = malloc((size_t)(2 * n) * sizeof *gradient);
  vw_status st = VW_OK;
  if (!gradient) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory"));
  VW_GOTO(vw_pairs_open(o->device, n, d, &p));
  VW_GOTO(vw_pairs_load(p, x));
  VW_GOTO(vw_tsne_begin(x, n, d, o, p, y));
  VW_GOTO(vw_tsne_device_joint(p, n, out->perplexity));
  for (int i = 0; i < 2 && !out->stopped; i++) {
    VW_GOTO(vw_pairs_place(p, y));
    VW_GOTO(descend(p, o, &parts.part[i], &out->stopped));
    VW_GOTO(vw_pairs_points(p, y));
  }
  if (!out->stopped) VW_GOTO(vw_pairs_gradient(p, 1, gradient, &out->kl));
cleanup:
  vw_pairs_close(p);
  free(gradient);
  return st;
}

/* ---- how long it takes ------------------------------------------------------------------------------------------- */

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of the distances, and of a step, with all points in one place. The first of each is not timed. */
static vw_status time_passes(vw_pairs *p, double *scratch, int64_t n, double seconds[2]) {
  enum { STEPS = 10 };
  const vw_pairs_move move = {.exaggeration = 1};
  double start = 0;
  for (int i = 0; i < 2; i++) {
    start = now();
    VW_TRY(vw_pairs_distances(p, scratch, scratch + n));
  }
  seconds[0] = now() - start;
  VW_TRY(vw_pairs_place(p, scratch));
  for (int i = 0; i <= STEPS; i++) {
    if (i == 1) VW_TRY(vw_pairs_wait(p));
    if (i == 1) start = now();
    VW_TRY(vw_pairs_step(p, &move));
  }
  VW_TRY(vw_pairs_wait(p));
  seconds[1] = (now() - start) / STEPS;
  return VW_OK;
}

vw_status vw_tsne_device_seconds(int64_t n, int64_t d, const vw_tsne_options *o, double *seconds) {
  enum { ENOUGH = 8192 }; /* points: 528 tiles keep a large device busy */
  const int64_t some = n < ENOUGH ? n : ENOUGH;
  const double pairs = (double)n * (double)n / ((double)some * (double)some);
  float *x = calloc((size_t)(some * d), sizeof *x);
  double *scratch = calloc((size_t)(2 * some), sizeof *scratch), one[2] = {0};
  vw_pairs *p = NULL;
  vw_status st = VW_OK;
  if (!x || !scratch) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory"));
  VW_GOTO(vw_pairs_open(o->device, some, d, &p));
  VW_GOTO(vw_pairs_load(p, x));
  VW_GOTO(time_passes(p, scratch, some, one));
  /* Widths and the joint probabilities read every pair some ten times, as so many steps do. */
  *seconds = pairs * (one[0] + one[1] * ((double)o->iterations + 10));
cleanup:
  vw_pairs_close(p);
  free(x), free(scratch);
  return st;
}
