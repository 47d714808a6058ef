/* `bench tsne`: exact t-SNE of the points in a file, or of made-up ones, from reading them to their places, against
 * tools/bench/tsne.py. */
#include "analysis/tsne.h"
#include "bench/bench.h"

#include "core/random.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static vw_status write_points(const char *path, double *points, int64_t n) {
  vw_tensor t = vw_shape(VW_F64, n, 2);
  t.data = points;
  const vw_safetensors_entry e[] = {{.name = "points", .tensor = t}};
  return vw_safetensors_write(path, e, 1, NULL, 0);
}

static vw_status map_points(vw_bench *b, const vw_tensor *x, double *points) {
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  double predicted = 0;
  o.threads = b->ctx.threads, o.device = &b->ctx;
  VW_TRY(vw_tsne_seconds(x->dim[0], x->dim[1], &o, &predicted));
  const double start = vw_bench_now();
  VW_TRY(vw_tsne(x->data, x->dim[0], x->dim[1], &o, points, &r));
  const double seconds = vw_bench_now() - start;
  (void)vw_print(b->json ? stderr : stdout,
                 "%" PRId64 " points of %" PRId64 " numbers, %s%d thread%s: %.2f s (%.2f predicted), %lld iterations, "
                 "divergence %.4f\n",
                 x->dim[0], x->dim[1], r.on_device ? "cuda, " : "", o.threads, o.threads == 1 ? "" : "s", seconds,
                 predicted, (long long)o.iterations, r.kl);
  json_array_append_new(b->rows,
                        json_pack("{s:I, s:I, s:b, s:i, s:f, s:f, s:f, s:I}", "points", (json_int_t)x->dim[0], "width",
                                  (json_int_t)x->dim[1], "on_device", (int)r.on_device, "threads", o.threads, "seconds",
                                  seconds, "predicted", predicted, "kl", r.kl, "iterations", (json_int_t)o.iterations));
  return VW_OK;
}

/* ---- the points -------------------------------------------------------------------------------------------------- */

static const char made_up_is[] = "random:"; /* NxD behind it: points that are made up */

/* N and D of "random:NxD". */
static vw_status read_size(const char *text, vw_tensor *x) {
  char *end = NULL;
  const long long n = strtoll(text + sizeof made_up_is - 1, &end, 10), d = *end == 'x' ? strtoll(end + 1, &end, 10) : 0;
  VW_CHECK(n > 0 && d > 0 && !*end && n <= INT32_MAX && d <= INT32_MAX, VW_ERR_ARG,
           "bench tsne %s: expected random:POINTSxNUMBERS, such as random:10000x1024", text);
  *x = vw_shape(VW_F32, (int64_t)n, (int64_t)d);
  return VW_OK;
}

/* Normals around the centres of 50 clusters. */
static void make_up(float *x, int64_t n, int64_t d) {
  enum { CLUSTERS = 50, CENTRES = 1, POINTS = 2 };
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < d; k += 4) {
      float centre[4], normal[4];
      vw_normal4(vw_philox4x32(0, (uint32_t)(i % CLUSTERS), (uint32_t)k, CENTRES, 0), centre);
      vw_normal4(vw_philox4x32(0, (uint32_t)i, (uint32_t)k, POINTS, 0), normal);
      for (int64_t j = 0; j < 4 && k + j < d; j++) x[i * d + k + j] = centre[j] + 0.7F * normal[j];
    }
}

/* x.data is *made_up, which the caller frees, or lies in *file, which the caller closes. */
static vw_status open_points(const char *name, vw_tensor *x, vw_safetensors **file, float **made_up) {
  if (!strncmp(name, made_up_is, sizeof made_up_is - 1)) {
    VW_TRY(read_size(name, x));
    *made_up = malloc((size_t)vw_count(x) * sizeof **made_up);
    VW_CHECK(*made_up, VW_ERR_MEMORY, "bench: out of memory");
    make_up(*made_up, x->dim[0], x->dim[1]);
    x->data = *made_up;
    return VW_OK;
  }
  VW_TRY(vw_safetensors_open(file, name));
  VW_TRY(vw_safetensors_find(*file, "x", x));
  VW_CHECK(x->dtype == VW_F32 && x->ndim == 2, VW_ERR_INPUT, "%s: tensor 'x' is %s %s, expected points [n, d] of f32",
           name, vw_dtype_name(x->dtype), vw_shape_text(x));
  return VW_OK;
}

vw_status vw_bench_tsne(vw_bench *b, const char *file, const char *points_file) {
  vw_safetensors *f = NULL;
  float *made_up = NULL;
  double *points = NULL;
  vw_tensor x;
  vw_status st = VW_OK;
  VW_GOTO(open_points(file, &x, &f, &made_up));
  points = malloc((size_t)(2 * x.dim[0]) * sizeof *points + 1);
  if (!points) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "bench: out of memory"));
  VW_GOTO(map_points(b, &x, points));
  if (points_file) VW_GOTO(write_points(points_file, points, x.dim[0]));
cleanup:
  vw_safetensors_close(f);
  free(points), free(made_up);
  return st;
}
