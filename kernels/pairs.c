/* The host's side of kernels/pairs.h: memory, copies, the order of passes. */
#include "kernels/pairs.h"

#include "kernels/memory.h"

#include <stdlib.h>

struct vw_pairs {
  vw_context *ctx;
  const vw_memory *memory;
  void *early, *late; /* what `joint` gives back; the rest */
  vw_pairs_data at;
};

enum { SIDE = VW_PAIRS_SIDE, SUMS = 4 };

static const double far_away = 1e150; /* its square is finite, its weight 0 */

static const vw_pairs_passes *passes(void) {
#ifdef VW_WITH_CUDA
  return &vw_pairs_cuda;
#else
  return NULL;
#endif
}

static size_t doubles(int64_t n) {
  return (size_t)n * sizeof(double);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Memory that is cut up from its start; base NULL: only counted. */
typedef struct cut {
  char *base;
  size_t used;
} cut;

static void *take(cut *c, size_t bytes) {
  enum { APART = 256 };
  const size_t at = c->used;
  c->used += (bytes + APART - 1) / APART * APART;
  return c->base ? c->base + at : NULL;
}

static void lay_out(vw_pairs_data *s, cut *early, cut *late) {
  const size_t numbers = doubles(2 * s->blocks * SIDE), points = doubles(s->n), sums = doubles(s->tiles * SUMS * SIDE);
  s->x = take(early, (size_t)(s->n * s->d) * sizeof *s->x);
  s->centre = take(early, doubles(s->d)), s->vectors = take(early, doubles(s->d * VW_PAIRS_VECTORS));
  s->scores = take(early, doubles(s->n * VW_PAIRS_VECTORS));
  s->part = take(early, doubles(VW_PAIRS_CHUNKS * s->d * VW_PAIRS_VECTORS));
  s->distance = take(early, doubles(s->tiles * VW_PAIRS_TILE));
  s->joint = take(late, (size_t)(s->tiles * VW_PAIRS_TILE) * sizeof *s->joint);
  s->least = take(late, points), s->mean = take(late, points), s->beta = take(late, points);
  s->sum = take(late, points), s->moments = take(late, (size_t)s->n * sizeof *s->moments);
  s->y = take(late, numbers), s->update = take(late, numbers), s->gain = take(late, numbers);
  s->gradient = take(late, numbers);
  s->row = take(late, sums), s->column = take(late, sums);
  s->z = take(late, doubles(s->tiles)), s->scale = take(late, doubles(1));
}

static vw_pairs_data sizes_of(int64_t n, int64_t d) {
  const int64_t blocks = (n + SIDE - 1) / SIDE;
  return (vw_pairs_data){.n = n, .d = d, .blocks = blocks, .tiles = blocks * (blocks + 1) / 2};
}

int64_t vw_pairs_bytes(int64_t n, int64_t d) {
  vw_pairs_data s = sizes_of(n, d);
  cut early = {0}, late = {0};
  lay_out(&s, &early, &late);
  return (int64_t)(early.used + late.used);
}

vw_status vw_pairs_open(vw_context *ctx, int64_t n, int64_t d, vw_pairs **out) {
  *out = NULL;
  VW_CHECK(passes() && ctx->backend == VW_CUDA, VW_ERR_UNSUPPORTED, "backend %s has no passes over pairs of points",
           vw_backend_name(ctx->backend));
  vw_pairs *p = calloc(1, sizeof *p);
  cut early = {0}, late = {0};
  VW_CHECK(p, VW_ERR_MEMORY, "t-SNE: out of memory");
  *p = (vw_pairs){.ctx = ctx, .memory = vw_memory_of(ctx->backend), .at = sizes_of(n, d)};
  lay_out(&p->at, &early, &late);
  vw_status st = p->memory->allocate(ctx, early.used, &p->early);
  if (st == VW_OK) st = p->memory->allocate(ctx, late.used, &p->late);
  if (st != VW_OK) {
    vw_pairs_close(p);
    return st;
  }
  early = (cut){.base = p->early}, late = (cut){.base = p->late};
  lay_out(&p->at, &early, &late);
  *out = p;
  return VW_OK;
}

static void give_back(vw_pairs *p, void **data) {
  if (*data) p->memory->release(p->ctx, *data);
  *data = NULL;
}

void vw_pairs_close(vw_pairs *p) {
  if (!p) return;
  give_back(p, &p->early), give_back(p, &p->late);
  free(p);
}

static vw_status upload(vw_pairs *p, double *to, const double *from, int64_t n) {
  return p->memory->upload(p->ctx, to, from, doubles(n));
}

static vw_status download(vw_pairs *p, double *to, const double *from, int64_t n) {
  return p->memory->download(p->ctx, to, from, doubles(n));
}

/* ---- probabilities ----------------------------------------------------------------------------------------------- */

vw_status vw_pairs_load(vw_pairs *p, const float *x) {
  VW_TRY(p->memory->upload(p->ctx, p->at.x, x, (size_t)(p->at.n * p->at.d) * sizeof *x));
  return passes()->centre(p->ctx, &p->at);
}

vw_status vw_pairs_scores(vw_pairs *p, const double *v, double *scores, double *part) {
  const int64_t vectors = p->at.d * VW_PAIRS_VECTORS;
  VW_TRY(upload(p, p->at.vectors, v, vectors));
  VW_TRY(passes()->scores(p->ctx, &p->at));
  VW_TRY(download(p, scores, p->at.scores, p->at.n * VW_PAIRS_VECTORS));
  return download(p, part, p->at.part, VW_PAIRS_CHUNKS * vectors);
}

vw_status vw_pairs_distances(vw_pairs *p, double *least, double *mean) {
  VW_TRY(passes()->distances(p->ctx, &p->at));
  VW_TRY(passes()->nearest(p->ctx, &p->at));
  VW_TRY(download(p, least, p->at.least, p->at.n));
  return download(p, mean, p->at.mean, p->at.n);
}

vw_status vw_pairs_moments(vw_pairs *p, const double *beta, vw_moments *out) {
  VW_TRY(upload(p, p->at.beta, beta, p->at.n));
  VW_TRY(passes()->moments(p->ctx, &p->at));
  return p->memory->download(p->ctx, out, p->at.moments, (size_t)p->at.n * sizeof *out);
}

vw_status vw_pairs_joint(vw_pairs *p, const double *beta, const double *sum) {
  VW_TRY(upload(p, p->at.beta, beta, p->at.n));
  VW_TRY(upload(p, p->at.sum, sum, p->at.n));
  VW_TRY(passes()->joint(p->ctx, &p->at));
  VW_TRY(vw_pairs_wait(p));
  give_back(p, &p->early);
  return VW_OK;
}

static size_t joint_bytes(const vw_pairs *p) {
  return (size_t)(p->at.tiles * VW_PAIRS_TILE) * sizeof(float);
}

vw_status vw_pairs_set_joint(vw_pairs *p, const float *joint) {
  return p->memory->upload(p->ctx, p->at.joint, joint, joint_bytes(p));
}

vw_status vw_pairs_get_joint(vw_pairs *p, float *joint) {
  return p->memory->download(p->ctx, joint, p->at.joint, joint_bytes(p));
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

vw_status vw_pairs_place(vw_pairs *p, const double *y) {
  const int64_t room = p->at.blocks * SIDE;
  double *all = malloc(doubles(6 * room));
  VW_CHECK(all, VW_ERR_MEMORY, "t-SNE: out of memory");
  double *update = all + 2 * room, *gain = all + 4 * room;
  for (int64_t i = 0; i < 2 * room; i++) {
    const int64_t point = i % room;
    all[i] = point < p->at.n ? y[2 * point + i / room] : far_away;
    update[i] = 0, gain[i] = 1;
  }
  vw_status st = upload(p, p->at.y, all, 2 * room);
  if (st == VW_OK) st = upload(p, p->at.update, update, 2 * room);
  if (st == VW_OK) st = upload(p, p->at.gain, gain, 2 * room);
  free(all);
  return st;
}

vw_status vw_pairs_step(vw_pairs *p, const vw_pairs_move *move) {
  VW_TRY(passes()->forces(p->ctx, &p->at));
  return passes()->move(p->ctx, &p->at, move);
}

vw_status vw_pairs_wait(vw_pairs *p) {
  return p->memory->synchronise(p->ctx);
}

vw_status vw_pairs_points(vw_pairs *p, double *y) {
  const int64_t room = p->at.blocks * SIDE;
  double *all = malloc(doubles(2 * room));
  VW_CHECK(all, VW_ERR_MEMORY, "t-SNE: out of memory");
  const vw_status st = download(p, all, p->at.y, 2 * room);
  for (int64_t i = 0; i < p->at.n && st == VW_OK; i++) y[2 * i] = all[i], y[2 * i + 1] = all[room + i];
  free(all);
  return st;
}

/* The tiles' parts of the divergence, in their order. */
static vw_status sum_divergence(vw_pairs *p, double *kl) {
  double *part = malloc(doubles(p->at.tiles)), sum = 0;
  VW_CHECK(part, VW_ERR_MEMORY, "t-SNE: out of memory");
  vw_status st = passes()->divergence(p->ctx, &p->at);
  if (st == VW_OK) st = download(p, part, p->at.z, p->at.tiles);
  for (int64_t t = 0; t < p->at.tiles && st == VW_OK; t++) sum += part[t];
  free(part);
  *kl = sum;
  return st;
}

vw_status vw_pairs_gradient(vw_pairs *p, double exaggeration, double *gradient, double *kl) {
  VW_TRY(passes()->forces(p->ctx, &p->at));
  VW_TRY(passes()->gradient(p->ctx, &p->at, exaggeration));
  VW_TRY(download(p, gradient, p->at.gradient, 2 * p->at.n));
  return kl ? sum_divergence(p, kl) : VW_OK;
}
