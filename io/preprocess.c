#include "io/preprocess.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION = 22 }; /* bits of a weight's fraction: 32 less 8 of a pixel less 2 of headroom */

/* The weights of one axis: output i sums `count[i]` inputs from `first[i]` on, with weight[i * width ...]. */
typedef struct axis {
  int64_t width;
  int64_t *first, *count;
  int32_t *weight;
} axis;

/* Keys' cubic kernel, a = -1/2 (IEEE ASSP 29, 1981). */
static double cubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

static void axis_fini(axis *k) {
  free(k->first);
  free(k->count);
  free(k->weight);
}

/* Pillow's geometry: pixel centres at half integers; when shrinking, the kernel is stretched by the scale. */
static vw_status axis_init(axis *k, int64_t in, int64_t out) {
  const double scale = (double)in / (double)out, stretch = scale < 1.0 ? 1.0 : scale, support = 2.0 * stretch;
  double *exact;
  k->width = (int64_t)ceil(support) * 2 + 1;
  k->first = malloc((size_t)out * sizeof *k->first);
  k->count = malloc((size_t)out * sizeof *k->count);
  k->weight = malloc((size_t)(out * k->width) * sizeof *k->weight);
  exact = calloc((size_t)k->width, sizeof *exact);
  if (!k->first || !k->count || !k->weight || !exact) {
    free(exact);
    return VW_RAISE(VW_ERR_MEMORY, "resize: out of memory for %" PRId64 " pixels", out);
  }
  for (int64_t i = 0; i < out; i++) {
    const double centre = ((double)i + 0.5) * scale, narrow = 1.0 / stretch;
    double sum = 0;
    int64_t first = (int64_t)(centre - support + 0.5), end = (int64_t)(centre + support + 0.5);
    if (centre - support + 0.5 < 0) first = 0;
    if (end > in) end = in;
    for (int64_t x = first; x < end; x++) {
      exact[x - first] = cubic(((double)x - centre + 0.5) * narrow);
      sum += exact[x - first];
    }
    for (int64_t x = 0; x < end - first; x++) {
      const double w = (sum != 0 ? exact[x] / sum : exact[x]) * (double)(1 << PRECISION);
      k->weight[i * k->width + x] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    k->first[i] = first, k->count[i] = end - first;
  }
  free(exact);
  return VW_OK;
}

/* One output pixel: inputs are `stride` bytes apart. */
static void weigh(const uint8_t *in, int64_t stride, int64_t n, const int32_t *weight, uint8_t *out) {
  int32_t sum[3] = {1 << (PRECISION - 1), 1 << (PRECISION - 1), 1 << (PRECISION - 1)};
  for (int64_t i = 0; i < n; i++, in += stride)
    for (int c = 0; c < 3; c++) sum[c] += in[c] * weight[i];
  for (int c = 0; c < 3; c++) {
    const int32_t v = sum[c] >> PRECISION;
    out[c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
  }
}

static vw_status resize_rows(const uint8_t *in, int64_t h, int64_t w, uint8_t *out, int64_t W) {
  axis k = {0};
  const vw_status st = axis_init(&k, w, W);
  for (int64_t y = 0; st == VW_OK && y < h; y++)
    for (int64_t x = 0; x < W; x++)
      weigh(in + (y * w + k.first[x]) * 3, 3, k.count[x], k.weight + x * k.width, out + (y * W + x) * 3);
  axis_fini(&k);
  return st;
}

static vw_status resize_columns(const uint8_t *in, int64_t h, int64_t w, uint8_t *out, int64_t H) {
  axis k = {0};
  const vw_status st = axis_init(&k, h, H);
  for (int64_t y = 0; st == VW_OK && y < H; y++)
    for (int64_t x = 0; x < w; x++)
      weigh(in + (k.first[y] * w + x) * 3, w * 3, k.count[y], k.weight + y * k.width, out + (y * w + x) * 3);
  axis_fini(&k);
  return st;
}

vw_status vw_resize_bicubic(const uint8_t *rgb, int64_t h, int64_t w, uint8_t *out, int64_t H, int64_t W,
                            bool width_first) {
  VW_CHECK(h > 0 && w > 0 && H > 0 && W > 0 && w <= VW_MAX_PIXELS / h && W <= VW_MAX_PIXELS / H &&
               W <= VW_MAX_PIXELS / h,
           VW_ERR_ARG, "cannot resize %" PRId64 " x %" PRId64 " pixels to %" PRId64 " x %" PRId64, w, h, W, H);
  if (w == W && h == H) {
    memcpy(out, rgb, (size_t)(h * w * 3));
    return VW_OK;
  }
  if (h == H) return resize_rows(rgb, h, w, out, W);
  if (w == W) return resize_columns(rgb, h, w, out, H);
  const bool height_first = !width_first && H < h && h - H > 2 * (w - W);
  const int64_t rows = height_first ? H : h, columns = height_first ? w : W; /* between the passes */
  uint8_t *between = malloc((size_t)(rows * columns * 3));
  VW_CHECK(between, VW_ERR_MEMORY, "resize: out of memory for %" PRId64 " x %" PRId64 " pixels", columns, rows);
  vw_status st = height_first ? resize_columns(rgb, h, w, between, H) : resize_rows(rgb, h, w, between, W);
  if (st == VW_OK) st = height_first ? resize_rows(between, H, w, out, W) : resize_columns(between, h, W, out, H);
  free(between);
  return st;
}

vw_preprocess vw_preprocess_clip(int64_t size) {
  return (vw_preprocess){.size = size,
                         .crop = size,
                         .mean = {0.48145466, 0.4578275, 0.40821073},
                         .std = {0.26862954, 0.26130258, 0.27577711},
                         .rescale = 1.0 / 255.0};
}

vw_status vw_preprocess_pixels(const vw_preprocess *p, const vw_image *image, uint8_t *out) {
  const int64_t h = image->height, w = image->width, edge = h < w ? h : w;
  VW_CHECK(p->crop > 0 && p->crop <= p->size && p->size <= 1 << 16, VW_ERR_ARG,
           "preprocessing: cannot cut %" PRId64 " pixels from %" PRId64, p->crop, p->size);
  VW_CHECK(edge > 0, VW_ERR_ARG, "preprocessing: an empty picture");
  const int64_t H = h == edge ? p->size : p->size * h / edge, W = w == edge ? p->size : p->size * w / edge;
  VW_CHECK(H <= VW_MAX_PIXELS / W && W <= VW_MAX_PIXELS / h, VW_ERR_INPUT,
           "a picture of %" PRId64 " x %" PRId64 " pixels is too long: resized it would be %" PRId64 " x %" PRId64, w,
           h, W, H);
  uint8_t *whole = malloc((size_t)(H * W * 3));
  VW_CHECK(whole, VW_ERR_MEMORY, "preprocessing: out of memory for %" PRId64 " x %" PRId64 " pixels", W, H);
  const vw_status st = vw_resize_bicubic(image->rgb, h, w, whole, H, W, p->width_first);
  const int64_t top = (H - p->crop) / 2, left = (W - p->crop) / 2;
  for (int64_t y = 0; st == VW_OK && y < p->crop; y++)
    memcpy(out + y * p->crop * 3, whole + ((top + y) * W + left) * 3, (size_t)(p->crop * 3));
  free(whole);
  return st;
}

void vw_preprocess_normalise_f64(const vw_preprocess *p, const uint8_t *rgb, int64_t n, double *out) {
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < 3; c++) out[3 * i + c] = ((double)rgb[3 * i + c] * p->rescale - p->mean[c]) / p->std[c];
}

void vw_preprocess_normalise(const vw_preprocess *p, const uint8_t *rgb, int64_t n, float *out) {
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      out[3 * i + c] = (float)(((double)rgb[3 * i + c] * p->rescale - p->mean[c]) / p->std[c]);
}
