#include "results/maps.h"

#include "cluster/progress.h"
#include "core/log.h"
#include "io/block_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = sizeof(vw_tsne_map_numbers) / sizeof(double), EVENLY = 4 };

/* ---- which maps -------------------------------------------------------------------------------------------------- */

vw_status vw_tsne_map_layers(const vw_results_source *s, const vw_activations *a, int64_t layers[VW_MAP_LAYERS],
                             int *n) {
  const vw_numbers *asked = &s->config->tsne.layers;
  const int64_t last = a->layers - 1;
  *n = 0;
  VW_CHECK(asked->n <= VW_MAP_LAYERS, VW_ERR_INPUT, "tsne.layers: %" PRId64 " layers; at most %d", asked->n,
           VW_MAP_LAYERS);
  for (int64_t i = 0; i < asked->n; i++) {
    VW_CHECK(asked->v[i] <= (double)last, VW_ERR_INPUT, "tsne.layers: model %s has layers 0 to %" PRId64 ", not %g",
             s->config->models[a->model].name, last, asked->v[i]);
    layers[(*n)++] = (int64_t)asked->v[i];
  }
  if (*n) return VW_OK;
  for (int i = 0; i <= EVENLY; i++) {
    const int64_t layer = llround((double)(last * i) / EVENLY);
    if (!*n || layers[*n - 1] != layer) layers[(*n)++] = layer;
  }
  return VW_OK;
}

int vw_tsne_map_position(int64_t layer) {
  return layer == 0 ? VW_STATE_WORD : VW_STATE_POOLED;
}

static vw_tsne_options options_of(const vw_results_source *s) {
  const vw_tsne_config *c = &s->config->tsne;
  vw_tsne_options o = vw_tsne_defaults();
  o.perplexity = c->perplexity, o.exaggeration = c->exaggeration, o.iterations = c->iterations;
  o.exaggerated = c->iterations / 4, o.random_start = c->start == VW_TSNE_START_RANDOM;
  o.seed = (uint64_t)s->config->seed, o.threads = s->ctx.threads;
  return o;
}

vw_status vw_tsne_map_id(const vw_results_source *s, const vw_activations *a, int64_t layer, char id[VW_BLOCK_ID]) {
  const vw_tsne_options o = options_of(s);
  char text[VW_HASH_TEXT];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "maps: out of memory");
  vw_hasher_field(h, "viswords-tsne-1");
  for (int64_t f = 0; f < a->n_files; f++) vw_hasher_field(h, a->id[f]);
  for (int64_t i = 0; i < a->n; i++) vw_hasher_int(h, a->rows[i].file), vw_hasher_int(h, a->rows[i].place);
  vw_hasher_int(h, layer), vw_hasher_double(h, o.perplexity), vw_hasher_double(h, o.exaggeration);
  vw_hasher_int(h, o.iterations), vw_hasher_int(h, o.random_start);
  if (o.random_start) vw_hasher_int(h, s->config->seed);
  vw_hash_text(vw_hasher_done(h), text);
  vw_hasher_destroy(h);
  (void)snprintf(id, VW_BLOCK_ID, "%s-tsne", text);
  return VW_OK;
}

/* ---- one of them ------------------------------------------------------------------------------------------------- */

/* What can be mapped: row[n] of a->rows, x [n, W]. */
typedef struct picked {
  int64_t *row, n;
  float *x;
  double *points, *all; /* [n, 2], [a->n, 2] */
} picked;

static void picked_free(picked *p) {
  free(p->row), free(p->x), free(p->points), free(p->all);
}

static vw_status pick(const vw_results_source *s, const vw_activations *a, int64_t layer, picked *p) {
  const int position = vw_tsne_map_position(layer);
  const size_t n = (size_t)a->n + 1;
  *p = (picked){.row = malloc(n * sizeof *p->row), .x = malloc(n * (size_t)a->width * sizeof *p->x)};
  p->points = malloc(2 * n * sizeof *p->points), p->all = malloc(2 * n * sizeof *p->all);
  VW_CHECK(p->row && p->x && p->points && p->all, VW_ERR_MEMORY, "maps: out of memory");
  for (int64_t i = 0; i < a->n; i++) {
    const vw_activation_row *r = &a->rows[i];
    if (!vw_activations_is_finite(a, r, position, layer)) continue;
    memcpy(p->x + p->n * a->width, vw_activations_state(a, r, position, layer), (size_t)a->width * sizeof *p->x);
    p->row[p->n++] = i;
  }
  VW_CHECK(p->n >= VW_TSNE_LEAST, VW_ERR_INPUT,
           "t-SNE of model %s: %" PRId64 " words with finite states; a perplexity of 1 needs %d (points / 3, rounded "
           "up): give the study more anchors, concepts or deltas, then 'viswords learn' and 'viswords probe'",
           s->config->models[a->model].name, p->n, VW_TSNE_LEAST);
  return VW_OK;
}

/* Many points: says how long it takes before it begins. */
static vw_status say_how_long(const vw_results_source *s, const vw_activations *a, const picked *p,
                              const vw_tsne_options *o) {
  double seconds = 0;
  if (p->n < VW_TSNE_MANY) return VW_OK;
  VW_TRY(vw_tsne_seconds(p->n, a->width, o, &seconds));
  vw_log(VW_LOG_INFO, "t-SNE of model %s: %lld points take about %s a layer, and %.1f GB%s",
         s->config->models[a->model].name, (long long)p->n, vw_duration_text(seconds),
         6e-9 * (double)p->n * (double)p->n, vw_tsne_fits_device(o, p->n, a->width) ? " of the device" : "");
  return VW_OK;
}

vw_status vw_tsne_map_seconds(const vw_results_source *s, int64_t words, int64_t width, double *seconds) {
  vw_context ctx = s->ctx;
  vw_tsne_options o = options_of(s);
  o.device = &ctx;
  return vw_tsne_seconds(words, width, &o, seconds);
}

static vw_status write_map(const vw_results_source *s, const vw_activations *a, int64_t layer, picked *p,
                           vw_tsne_map_numbers *numbers) {
  char id[VW_BLOCK_ID];
  vw_tensor points = vw_shape(VW_F64, a->n, 2), all = vw_shape(VW_F64, (int64_t)NUMBERS);
  for (int64_t i = 0; i < 2 * a->n; i++) p->all[i] = NAN;
  for (int64_t i = 0; i < p->n; i++) memcpy(p->all + 2 * p->row[i], p->points + 2 * i, 2 * sizeof *p->all);
  points.data = p->all, all.data = numbers;
  const vw_safetensors_entry e[] = {{.name = "points", .tensor = points}, {.name = "numbers", .tensor = all}};
  const vw_keyvalue metadata[] = {{"model", s->config->models[a->model].name}};
  VW_TRY(vw_tsne_map_id(s, a, layer, id));
  return vw_block_file_write(s->out, id, e, 2, metadata, 1);
}

vw_status vw_tsne_map_make(const vw_results_source *s, const vw_activations *a, int64_t layer, bool (*stop)(void *user),
                           void *user, bool *stopped) {
  vw_context ctx = s->ctx;
  vw_tsne_options o = options_of(s);
  vw_tsne_result r = {0};
  picked p = {0};
  vw_status st = VW_OK;
  o.stop = stop, o.user = user, o.device = &ctx;
  VW_GOTO(pick(s, a, layer, &p));
  VW_GOTO(say_how_long(s, a, &p, &o));
  VW_GOTO(vw_tsne(p.x, p.n, a->width, &o, p.points, &r));
  *stopped = r.stopped;
  if (r.stopped) goto cleanup;
  vw_tsne_map_numbers numbers = {.layer = (double)layer,
                                 .position = vw_tsne_map_position(layer),
                                 .points = (double)p.n,
                                 .kl = r.kl,
                                 .perplexity = r.perplexity,
                                 .learning_rate = r.learning_rate,
                                 .exaggeration = o.exaggeration,
                                 .iterations = (double)o.iterations};
  VW_GOTO(write_map(s, a, layer, &p, &numbers));
cleanup:
  picked_free(&p);
  return st;
}

static vw_status take_map(const vw_safetensors *f, int64_t n, double *points, vw_tsne_map_numbers *numbers) {
  vw_tensor t, all;
  VW_TRY(vw_safetensors_find(f, "points", &t));
  VW_TRY(vw_safetensors_find(f, "numbers", &all));
  VW_CHECK(t.dtype == VW_F64 && vw_count(&t) == 2 * n && all.dtype == VW_F64 && vw_count(&all) == (int64_t)NUMBERS,
           VW_ERR_INPUT, "%s: points are %s, expected [%" PRId64 ", 2]; delete the file and run again",
           vw_safetensors_path(f), vw_shape_text(&t), n);
  memcpy(points, t.data, (size_t)(2 * n) * sizeof *points);
  memcpy(numbers, all.data, sizeof *numbers);
  return VW_OK;
}

vw_status vw_tsne_map_read(const vw_results_source *s, const vw_activations *a, int64_t layer, double **points,
                           vw_tsne_map_numbers *numbers) {
  char id[VW_BLOCK_ID], path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  *points = NULL;
  VW_TRY(vw_tsne_map_id(s, a, layer, id));
  VW_TRY(vw_block_file_path(path, s->out, id));
  if (!vw_file_exists(path)) return VW_OK;
  double *x = malloc((size_t)(2 * a->n) * sizeof *x + 1);
  VW_CHECK(x, VW_ERR_MEMORY, "maps: out of memory");
  vw_status st = vw_block_file_open(s->out, id, &f);
  if (st == VW_OK) st = take_map(f, a->n, x, numbers);
  vw_safetensors_close(f);
  if (st == VW_OK) {
    *points = x;
    return VW_OK;
  }
  free(x);
  if (st != VW_ERR_INPUT) return st;
  vw_log(VW_LOG_WARN, "block=%s is left out: %s", id, vw_error_message());
  vw_error_clear();
  return VW_OK;
}
