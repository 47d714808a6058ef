#include "io/pictures/preprocess.h"

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

static double triangle(double x) {
  return fabs(x) < 1.0 ? 1.0 - fabs(x) : 0.0;
}

static double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double sinc(double x) {
  return x == 0.0 ? 1.0 : sin(x * M_PI) / (x * M_PI);
}

static double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static double hamming(double x) {
  x = fabs(x);
  if (x == 0.0) return 1.0;
  return x < 1.0 ? sin(x * M_PI) / (x * M_PI) * (0.54 + 0.46 * cos(x * M_PI)) : 0.0;
}

/* A filter and how far it reaches; reach 0: no such filter. */
typedef struct kernel {
  double (*weight)(double x);
  double reach;
} kernel;

static kernel kernel_of(vw_resample filter) {
  static const kernel kernels[] = {[VW_LANCZOS] = {lanczos, 3.0},
                                   [VW_BILINEAR] = {triangle, 1.0},
                                   [VW_BICUBIC] = {cubic, 2.0},
                                   [VW_BOX] = {box, 0.5},
                                   [VW_HAMMING] = {hamming, 1.0}};
  const bool known = (int)filter >= 0 && (size_t)filter < sizeof kernels / sizeof *kernels;
  return known ? kernels[filter] : (kernel){0};
}

static void axis_fini(axis *k) {
  free(k->first);
  free(k->count);
  free(k->weight);
}

/* Pillow's geometry: pixel centres at half integers; when shrinking, the kernel is stretched by the scale. */
static vw_status axis_init(axis *k, int64_t in, int64_t out, kernel f) {
  const double scale = (double)in / (double)out, stretch = scale < 1.0 ? 1.0 : scale, support = f.reach * stretch;
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
      exact[x - first] = f.weight(((double)x - centre + 0.5) * narrow);
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

static vw_status resize_rows(const uint8_t *in, int64_t h, int64_t w, uint8_t *out, int64_t W, kernel f) {
  axis k = {0};
  const vw_status st = axis_init(&k, w, W, f);
  for (int64_t y = 0; st == VW_OK && y < h; y++)
    for (int64_t x = 0; x < W; x++)
      weigh(in + (y * w + k.first[x]) * 3, 3, k.count[x], k.weight + x * k.width, out + (y * W + x) * 3);
  axis_fini(&k);
  return st;
}

static vw_status resize_columns(const uint8_t *in, int64_t h, int64_t w, uint8_t *out, int64_t H, kernel f) {
  axis k = {0};
  const vw_status st = axis_init(&k, h, H, f);
  for (int64_t y = 0; st == VW_OK && y < H; y++)
    for (int64_t x = 0; x < w; x++)
      weigh(in + (k.first[y] * w + x) * 3, w * 3, k.count[y], k.weight + y * k.width, out + (y * w + x) * 3);
  axis_fini(&k);
  return st;
}

vw_status vw_resize(const uint8_t *rgb, int64_t h, int64_t w, uint8_t *out, int64_t H, int64_t W, vw_resample filter,
                    bool width_first) {
  const kernel f = kernel_of(filter);
  VW_CHECK(f.weight, VW_ERR_ARG, "cannot resize with filter %d", (int)filter);
  VW_CHECK(h > 0 && w > 0 && H > 0 && W > 0 && w <= VW_MAX_PIXELS / h && W <= VW_MAX_PIXELS / H &&
               W <= VW_MAX_PIXELS / h,
           VW_ERR_ARG, "cannot resize %" PRId64 " x %" PRId64 " pixels to %" PRId64 " x %" PRId64, w, h, W, H);
  if (w == W && h == H) {
    memcpy(out, rgb, (size_t)(h * w * 3));
    return VW_OK;
  }
  if (h == H) return resize_rows(rgb, h, w, out, W, f);
  if (w == W) return resize_columns(rgb, h, w, out, H, f);
  const bool height_first = !width_first && H < h && h - H > 2 * (w - W);
  const int64_t rows = height_first ? H : h, columns = height_first ? w : W; /* between the passes */
  uint8_t *between = malloc((size_t)(rows * columns * 3));
  VW_CHECK(between, VW_ERR_MEMORY, "resize: out of memory for %" PRId64 " x %" PRId64 " pixels", columns, rows);
  vw_status st = height_first ? resize_columns(rgb, h, w, between, H, f) : resize_rows(rgb, h, w, between, W, f);
  if (st == VW_OK) st = height_first ? resize_rows(between, H, w, out, W, f) : resize_columns(between, h, W, out, H, f);
  free(between);
  return st;
}

vw_status vw_resize_bicubic(const uint8_t *rgb, int64_t h, int64_t w, uint8_t *out, int64_t H, int64_t W,
                            bool width_first) {
  return vw_resize(rgb, h, w, out, H, W, VW_BICUBIC, width_first);
}

vw_preprocess vw_preprocess_clip(int64_t size) {
  return (vw_preprocess){.size = size,
                         .crop = size,
                         .filter = VW_BICUBIC,
                         .mean = {0.48145466, 0.4578275, 0.40821073},
                         .std = {0.26862954, 0.26130258, 0.27577711},
                         .rescale = 1.0 / 255.0};
}

/* What a picture of h x w is resized to. With `longest`, as transformers' get_size_with_aspect_ratio: a picture that
 * would be too long is made smaller as a whole, its shortest edge rounded. */
static void size_after(const vw_preprocess *p, int64_t h, int64_t w, int64_t *H, int64_t *W) {
  const int64_t edge = h < w ? h : w, longest = h < w ? w : h;
  int64_t size = p->size;
  double exact = 0;
  if (!p->size) {
    const double tall = (double)p->max_height / (double)h, wide = (double)p->max_width / (double)w;
    const double scale = tall < wide ? tall : wide;
    *H = p->height ? p->height : p->max_height ? (int64_t)((double)h * scale) : h;
    *W = p->width ? p->width : p->max_width ? (int64_t)((double)w * scale) : w;
    return;
  }
  if (p->longest && (double)longest / (double)edge * (double)size > (double)p->longest) {
    exact = (double)p->longest * (double)edge / (double)longest;
    size = (int64_t)rint(exact);
  }
  *H = h == edge ? size : exact > 0 ? (int64_t)(exact * (double)h / (double)w) : size * h / edge;
  *W = w == edge ? size : exact > 0 ? (int64_t)(exact * (double)w / (double)h) : size * w / edge;
  if (exact > 0 && edge == size) *H = h, *W = w;
}

/* The centre of whole [H, W, 3]; black where the square reaches beyond it. */
static void cut_centre(const uint8_t *whole, int64_t H, int64_t W, uint8_t *out, int64_t S) {
  const int64_t top = H >= S ? (H - S) / 2 : -((S - H + 1) / 2), left = W >= S ? (W - S) / 2 : -((S - W + 1) / 2);
  const int64_t begin = left < 0 ? -left : 0, width = W < S ? W : S;
  if (H < S || W < S) memset(out, 0, (size_t)(S * S * 3));
  for (int64_t y = 0; y < S; y++)
    if (top + y >= 0 && top + y < H)
      memcpy(out + (y * S + begin) * 3, whole + ((top + y) * W + left + begin) * 3, (size_t)(width * 3));
}

vw_status vw_preprocess_pixels(const vw_preprocess *p, const vw_image *image, uint8_t *out) {
  const int64_t h = image->height, w = image->width;
  int64_t H, W;
  VW_CHECK(p->crop > 0 && p->size >= 0 && p->size <= 1 << 16 && p->crop <= 1 << 16, VW_ERR_ARG,
           "preprocessing: cannot cut %" PRId64 " pixels from %" PRId64, p->crop, p->size);
  VW_CHECK(h > 0 && w > 0, VW_ERR_ARG, "preprocessing: an empty picture");
  size_after(p, h, w, &H, &W);
  VW_CHECK(H > 0 && W > 0 && H <= VW_MAX_PIXELS / W && W <= VW_MAX_PIXELS / h, VW_ERR_INPUT,
           "a picture of %" PRId64 " x %" PRId64 " pixels is too long: resized it would be %" PRId64 " x %" PRId64, w,
           h, W, H);
  VW_CHECK(!p->whole || (H == p->crop && W == p->crop), VW_ERR_INPUT,
           "a picture of %" PRId64 " x %" PRId64 " pixels becomes %" PRId64 " x %" PRId64
           " and is not cut (do_center_crop is off); the network takes %" PRId64 " x %" PRId64,
           w, h, W, H, p->crop, p->crop);
  uint8_t *whole = malloc((size_t)(H * W * 3));
  VW_CHECK(whole, VW_ERR_MEMORY, "preprocessing: out of memory for %" PRId64 " x %" PRId64 " pixels", W, H);
  const vw_status st = vw_resize(image->rgb, h, w, whole, H, W, p->filter, p->width_first);
  if (st == VW_OK) cut_centre(whole, H, W, out, p->crop);
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
