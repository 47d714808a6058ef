/* Sample pictures of words while they are learned. */
#include "tasks/generation/drawn.h"
#include "tasks/generation/generation_draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef char sample_label[VW_DRAWN_LABEL + 32];

/* Words row[0 .. n), at most as many as are drawn at once. */
static vw_status draw(vw_word_drawer *d, const vw_judged *w, const char *folder, const int64_t *row, int64_t n,
                      uint8_t *rgb, size_t bytes) {
  uint8_t **at = malloc((size_t)n * sizeof *at + 1);
  VW_CHECK(at, VW_ERR_MEMORY, "sample pictures: out of memory");
  for (int64_t i = 0; i < n; i++) at[i] = rgb + (size_t)i * bytes;
  vw_status st = vw_word_drawer_run(d, w, row, n, 0, at);
  const bool is_whole = !w->watch || !w->watch->stopped;
  for (int64_t i = 0; st == VW_OK && is_whole && i < n; i++) st = vw_word_picture_write(d, w, row[i], 0, folder, at[i]);
  free(at);
  return st;
}

static bool can_draw(const vw_judged *w, int64_t row, int64_t C) {
  bool ok = w->labels[row] != NULL;
  for (int64_t c = 0; ok && c < C; c++) ok = isfinite(w->words[row * C + c]);
  return ok;
}

/* Words without a picture of this step, in blocks. */
static vw_status draw_missing(const vw_generation *t, const vw_judged *w, const char *folder) {
  vw_word_drawer *d = t->drawer;
  const int64_t most = vw_word_drawer_most(d), C = t->task.in.vectors * t->network->net.width;
  const size_t bytes = (size_t)(t->side * t->side * 3);
  int64_t n = 0, *row = malloc((size_t)w->n * sizeof *row + 1);
  uint8_t *rgb = malloc(bytes * (size_t)most);
  vw_status st = row && rgb ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "sample pictures: out of memory");
  for (int64_t k = 0; st == VW_OK && k < w->n; k++) {
    bool found = false;
    if (!can_draw(w, k, C)) continue;
    st = vw_word_picture_find(d, w, k, 0, folder, rgb, &found);
    if (st == VW_OK && !found) row[n++] = k;
  }
  for (int64_t at = 0; st == VW_OK && at < n && !vw_judging_stops(w); at += most)
    st = draw(d, w, folder, row + at, n - at < most ? n - at : most, rgb, bytes);
  free(row), free(rgb);
  return st;
}

vw_status vw_generation_sample(vw_task *task, const vw_judged *w, int64_t step) {
  vw_generation *t = (vw_generation *)task;
  char folder[VW_PATH_BYTES];
  if (w->null_concept) return VW_OK; /* as in judging */
  if (!t->drawer) VW_TRY(vw_word_drawer_create(&t->drawer, t));
  VW_TRY(vw_drawn_samples(&task->in, w->concept, true, folder));
  sample_label *label = calloc((size_t)w->n + 1, sizeof *label);
  const char **labels = calloc((size_t)w->n + 1, sizeof *labels);
  vw_judged at = *w;
  vw_status st = label && labels ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "sample pictures: out of memory");
  for (int64_t k = 0; st == VW_OK && k < w->n; k++) {
    (void)snprintf(label[k], sizeof *label, "%s-step-%06" PRId64, w->labels[k] ? w->labels[k] : "", step);
    labels[k] = w->labels[k] ? label[k] : NULL;
  }
  at.labels = labels;
  if (st == VW_OK) st = draw_missing(t, &at, folder);
  free(label), free((void *)labels);
  return st;
}
