/* `bench tsne`: exact t-SNE of the points in a file, from reading them to their places, against tools/bench/tsne.py. */
#include "analysis/tsne.h"
#include "bench/bench.h"

#include "core/text.h"

#include <inttypes.h>
#include <stdlib.h>

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

vw_status vw_bench_tsne(vw_bench *b, const char *file, const char *points_file) {
  vw_safetensors *f = NULL;
  double *points = NULL;
  vw_tensor x;
  vw_status st = VW_OK;
  VW_GOTO(vw_safetensors_open(&f, file));
  VW_GOTO(vw_safetensors_find(f, "x", &x));
  if (x.dtype != VW_F32 || x.ndim != 2)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: tensor 'x' is %s %s, expected points [n, d] of f32", file,
                     vw_dtype_name(x.dtype), vw_shape_text(&x)));
  points = malloc((size_t)(2 * x.dim[0]) * sizeof *points + 1);
  if (!points) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "bench: out of memory"));
  VW_GOTO(map_points(b, &x, points));
  if (points_file) VW_GOTO(write_points(points_file, points, x.dim[0]));
cleanup:
  vw_safetensors_close(f);
  free(points);
  return st;
}
