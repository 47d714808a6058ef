/* What judging by drawn pictures costs: the same calls as judging makes, timed. */
#include "tasks/generation/generation_draw.h"

#include "cluster/progress.h"
#include "tasks/generation/drawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One word, judged as a text: what it says costs the same. */
typedef struct timed_word {
  vw_judged judged;
  const char *text, *label;
  char name[32];
  double *zeros;
} timed_word;

static vw_status make_word(timed_word *w, const vw_generation *t) {
  w->zeros = calloc((size_t)(t->task.in.vectors * t->network->net.width), sizeof *w->zeros);
  VW_CHECK(w->zeros, VW_ERR_MEMORY, "judging: out of memory");
  (void)snprintf(w->name, sizeof w->name, ".timed-%ld", (long)getpid());
  w->text = t->pictures->data->concepts.name[0], w->label = w->name;
  w->judged = (vw_judged){.concept = w->text, .n = 1, .words = w->zeros, .texts = &w->text, .labels = &w->label};
  return VW_OK;
}

/* Fewer words at once where memory holds no more: their steps then take as often. */
static vw_status time_steps(vw_word_drawer *d, const timed_word *w, int size, double seconds, double *one) {
  int fits = 0;
  while (fits < size && (int64_t)2 << fits <= vw_word_drawer_most(d)) fits++;
  VW_TRY(vw_word_drawer_steps(d, &w->judged, fits, seconds, one));
  *one *= (double)((int64_t)1 << (size - fits));
  return VW_OK;
}

/* Text, decoder, file and judge of a picture. */
static vw_status picture(vw_generation *t, vw_word_drawer *d, const timed_word *w, uint8_t *rgb) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_word_drawer_ends(d, &w->judged, rgb));
  VW_TRY(vw_word_picture_write(d, &w->judged, 0, 0, t->task.in.cache, rgb));
  VW_TRY(vw_drawn_picture(t->task.in.cache, w->label, 0, path));
  (void)unlink(path);
  return vw_generation_judge_look(t, rgb);
}

static vw_status time_pictures(vw_generation *t, vw_word_drawer *d, const timed_word *w, double seconds, double *one) {
  uint8_t *rgb = malloc((size_t)(t->side * t->side * 3));
  int64_t n = 0;
  vw_status st = VW_OK;
  VW_CHECK(rgb, VW_ERR_MEMORY, "judging: out of memory");
  VW_GOTO(vw_folder_make(t->task.in.cache));
  VW_GOTO(picture(t, d, w, rgb)); /* makes the programs ready */
  const double start = vw_seconds();
  for (; n < 3 || vw_seconds() - start < seconds; n++) VW_GOTO(picture(t, d, w, rgb));
  *one = (vw_seconds() - start) / (double)n;
cleanup:
  free(rgb);
  return st;
}

static vw_status time_piece(vw_generation *t, int piece, double seconds, double *one) {
  timed_word w = {.text = NULL};
  vw_word_drawer *d = NULL;
  vw_status st = make_word(&w, t);
  if (st == VW_OK) st = vw_word_drawer_create(&d, t);
  if (st == VW_OK)
    st = piece == VW_DRAWN_PICTURE ? time_pictures(t, d, &w, seconds, one)
                                   : time_steps(d, &w, VW_DRAWN_SIZES - 1 - piece, seconds, one);
  vw_word_drawer_destroy(d);
  free(w.zeros);
  return st;
}

vw_status vw_generation_time_judge(const vw_task_inputs *in, int piece, double seconds, double *one) {
  vw_task *task = NULL;
  VW_CHECK(in->judge && in->cache && in->cache[0], VW_ERR_UNSUPPORTED,
           "judging can be timed with a network that judges, and a cache folder");
  VW_TRY(in->pictures->data->concepts.n ? VW_OK : VW_RAISE(VW_ERR_ARG, "judging: no concept"));
  VW_TRY(vw_generation_kind.open(&task, in));
  const vw_status st = time_piece((vw_generation *)task, piece, seconds, one);
  vw_generation_kind.close(task);
  return st;
}
