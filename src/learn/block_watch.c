/* What is seen of a block's words on the fixed set: before and after learning, and on the way (docs/protocol.md). */
#include "learn/block_internal.h"

#include "core/fault.h"
#include "study/metrics.h"
#include "tasks/generation/drawn.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- before the first and after the last step -------------------------------------------------------------------- */

bool vw_block_asks_to_stop(const vw_block_run *r) {
  const vw_block_hooks *h = r->hooks;
  return h && h->stop && h->stop(h->user);
}

vw_status vw_block_agree(const vw_block_run *r, unsigned *wants) {
  return r->sliced ? vw_team_meet(r->sliced->team, VW_OK, wants, NULL) : VW_OK;
}

vw_status vw_block_fixed_loss(const vw_block_run *r, double *loss, double *gradient, bool *stopped) {
  const vw_block_state *s = r->s;
  const int64_t n = s->K * s->C, draws = vw_task_watch_draws(r->t->kind, r->learn);
  double *one = malloc((size_t)(n + s->K) * sizeof *one), *row = one + n;
  vw_status st = VW_OK;
  *stopped = false;
  VW_CHECK(one, VW_ERR_MEMORY, "block: out of memory");
  memset(loss, 0, (size_t)s->K * sizeof *loss);
  if (gradient) memset(gradient, 0, (size_t)n * sizeof *gradient);
  const vw_block_part_program *p = &r->watch;
  VW_GOTO(vw_block_write_leaf(p, "words", vw_block_matrix(s), s->words));
  for (int64_t i = 0; i < draws; i++) {
    if (i == draws / 2) VW_GOTO(vw_fault("looking", "fixed-set"));
    *stopped = vw_block_asks_to_stop(r);
    if (*stopped) goto cleanup;
    VW_GOTO(vw_block_write_leaf(p, "step", vw_shape(VW_I64, 1), &i));
    VW_GOTO(vw_program_run(p->program));
    VW_GOTO(vw_block_read_leaf(p, "loss", vw_shape(VW_F64, s->K), row));
    VW_GOTO(vw_block_read_leaf(p, "gradient", vw_block_matrix(s), one));
    for (int64_t k = 0; k < s->K; k++) loss[k] += row[k] / (double)draws;
    for (int64_t k = 0; gradient && k < n; k++) gradient[k] += one[k] / (double)draws;
  }
cleanup:
  free(one);
  return st;
}

/* Of a word of several vectors: of the product of their balls. Each vector's own residual, in parts of the length of its
 * gradient, is a part of the word's. */
static double kkt_of(const vw_block_state *s, int64_t k) {
  const int64_t n = s->vectors, width = s->C / n;
  double residuals = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = k * s->C + i * width;
    const double own = vw_kkt_residual(s->gradient + at, s->words + at, s->anchors + at, width, s->radius[k], NULL);
    if (n == 1) return own;
    double sum = 0;
    for (int64_t c = 0; c < width; c++) sum += s->gradient[at + c] * s->gradient[at + c];
    residuals += own * own * sum, squares += sum;
  }
  return squares > 0 || isnan(squares) ? sqrt(residuals / squares) : 0;
}

vw_status vw_block_finish(const vw_block_run *r, bool *stopped) {
  vw_block_state *s = r->s;
  VW_TRY(vw_block_fixed_loss(r, s->loss_end, s->gradient, stopped));
  if (*stopped) return VW_OK;
  for (int64_t k = 0; k < s->K; k++) {
    double sum = 0;
    for (int64_t c = 0; c < s->C; c++) sum += s->gradient[k * s->C + c] * s->gradient[k * s->C + c];
    s->grad_norm[k] = sqrt(sum);
    s->kkt[k] = kkt_of(s, k);
  }
  return VW_OK;
}

/* ---- who stops --------------------------------------------------------------------------------------------------- */

int64_t vw_early_stop(const vw_learn_config *learn, const double *loss, int64_t n, int64_t stride) {
  double reached = INFINITY; /* when there was progress last */
  int64_t without = 0;
  for (int64_t i = 0; learn->patience && i < n; i++) {
    const double now = loss[i * stride];
    if (isfinite(now) && (isinf(reached) || now < reached - learn->threshold * fabs(reached)))
      reached = now, without = 0;
    else if (i > 0 && ++without >= learn->patience)
      return i;
  }
  return -1;
}

bool vw_block_is_done(const vw_block_state *s, const vw_learn_config *learn) {
  int64_t stopped = 0;
  for (int64_t k = 0; k < s->K; k++) stopped += s->stopped[k] != 0;
  return s->step >= learn->steps || stopped == s->K;
}

int64_t vw_block_steps_of(const vw_block_state *s, int64_t k) {
  return s->stopped[k] ? s->stopped[k] : s->step;
}

void vw_block_stop_words(const vw_block_run *r) {
  const vw_block_state *s = r->s;
  for (int64_t k = 0; k < s->K && s->step < r->learn->steps; k++) {
    if (s->stopped[k]) continue;
    const int64_t at = vw_early_stop(r->learn, s->looked + k, s->looks_done, s->K);
    if (at >= 0) s->stopped[k] = at * s->look_every;
  }
}

/* ---- a look ------------------------------------------------------------------------------------------------------ */

/* Losses [n, K] of draws first .. first + n; unless it is to stop. */
static vw_status look_at_draws(const vw_block_run *r, int64_t first, int64_t n, double *loss, unsigned *wants) {
  const vw_block_state *s = r->s;
  VW_TRY(vw_block_write_leaf(&r->watch, "words", vw_block_matrix(s), s->words));
  for (int64_t i = first; i < first + n; i++) {
    if (i == first + n / 2) VW_TRY(vw_fault("looking", "fixed-set"));
    if (vw_block_asks_to_stop(r)) *wants |= VW_TEAM_STOP;
    if (*wants & VW_TEAM_STOP) return VW_OK;
    VW_TRY(vw_block_write_leaf(&r->watch, "step", vw_shape(VW_I64, 1), &i));
    VW_TRY(vw_program_run(r->look.program));
    VW_TRY(vw_block_read_leaf(&r->look, "loss", vw_shape(VW_F64, s->K), loss + (i - first) * s->K));
  }
  return VW_OK;
}

/* The draws of this rank, then those of all: losses [draws, K]. */
static vw_status share_draws(const vw_block_run *r, int64_t draws, double *loss, unsigned *wants) {
  vw_team *team = r->sliced ? r->sliced->team : NULL;
  const int64_t size = team ? team->size : 1, rank = team ? team->rank : 0, row = r->s->K * (int64_t)sizeof *loss;
  const int64_t first = draws * rank / size, n = draws * (rank + 1) / size - first;
  VW_TRY(look_at_draws(r, first, n, loss + first * r->s->K, wants));
  VW_TRY(vw_block_agree(r, wants));
  if (!team || (*wants & (VW_TEAM_FAILED | VW_TEAM_STOP))) return VW_OK;
  int64_t *bytes = malloc((size_t)size * sizeof *bytes);
  VW_CHECK(bytes, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t i = 0; i < size; i++) bytes[i] = (draws * (i + 1) / size - draws * i / size) * row;
  const vw_status st = vw_transport_gather(team->talk, loss, bytes, VW_ALL_RANKS);
  free(bytes);
  return st;
}

/* Losses of words that stopped are not seen any more: the row moves on, the word does not. */
static vw_status look(const vw_block_run *r, unsigned *wants) {
  vw_block_state *s = r->s;
  const int64_t K = s->K, draws = vw_task_watch_draws(r->t->kind, r->learn);
  double *loss = calloc((size_t)(draws * K) + 1, sizeof *loss), *to = s->looked + s->looks_done * K;
  VW_CHECK(loss, VW_ERR_MEMORY, "block: out of memory");
  vw_status st = vw_block_read_words(r);
  if (st == VW_OK) st = share_draws(r, draws, loss, wants);
  const bool is_left = (*wants & (VW_TEAM_FAILED | VW_TEAM_STOP)) != 0;
  for (int64_t k = 0; st == VW_OK && !is_left && k < K; k++) {
    double sum = 0;
    for (int64_t i = 0; i < draws; i++) sum += loss[i * K + k] / (double)draws;
    to[k] = s->stopped[k] ? NAN : sum;
  }
  free(loss);
  if (st != VW_OK || is_left) return st;
  s->looks_done++;
  vw_block_stop_words(r);
  return VW_OK;
}

/* ---- sample pictures --------------------------------------------------------------------------------------------- */

static bool stops(void *user) {
  const vw_block_run *r = user;
  return vw_block_asks_to_stop(r);
}

/* Of words that are still learned. What a stop leaves is drawn when the block goes on from this step. */
static vw_status sample(const vw_block_run *r, unsigned *wants) {
  vw_judge_watch watch = {.user = (void *)(uintptr_t)r, .stop = stops};
  const vw_block_state *s = r->s;
  const char **anchors = calloc((size_t)s->K, sizeof *anchors), **labels = calloc((size_t)s->K, sizeof *labels);
  char(*label)[VW_DRAWN_LABEL] = calloc((size_t)s->K, sizeof *label);
  vw_status st = anchors && labels && label ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  for (int64_t first = 0, n = 0; st == VW_OK && first < s->K; first += n) { /* concept by concept */
    const vw_trial *t = r->trials + first;
    for (n = 0; first + n < s->K && !strcmp(t[n].concept, t->concept); n++) {
      vw_drawn_trial(&t[n], label[n]);
      anchors[n] = t[n].anchor, labels[n] = s->stopped[first + n] ? NULL : label[n];
    }
    const vw_judged w = {.concept = t->concept,
                         .null_concept = t->null_concept,
                         .n = n,
                         .words = s->words + first * s->C,
                         .anchors = anchors,
                         .labels = labels,
                         .watch = &watch};
    st = r->t->kind->sample(r->t, &w, s->step);
  }
  if (watch.stopped) *wants |= VW_TEAM_STOP;
  free((void *)anchors), free((void *)labels), free(label);
  return st;
}

vw_status vw_block_look(const vw_block_run *r, unsigned *wants) {
  const vw_block_state *s = r->s;
  const int64_t pictures = r->t->kind->sample && r->t->in.drawn ? r->learn->watch_pictures : 0;
  if (s->looks && s->step % s->look_every == 0 && s->looks_done == s->step / s->look_every) VW_TRY(look(r, wants));
  if (!pictures || s->step == 0 || s->step % pictures != 0 || (*wants & (VW_TEAM_FAILED | VW_TEAM_STOP))) return VW_OK;
  if (vw_block_leads(r)) VW_TRY(vw_block_read_words(r));
  if (vw_block_leads(r)) VW_TRY(sample(r, wants));
  return vw_block_agree(r, wants);
}
