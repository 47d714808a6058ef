/* Each output pixel reads 2 x 2 places of the blurred square, and no other place of it is ever needed. So the blur's
 * vertical pass is done for at most 2 S rows, its horizontal pass for 2 S columns of those, and the square itself is
 * never made: outside the picture it has one value. */
#include "io/pictures/preprocess_square.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The picture as the padded square [L, L, 3] of fp32. */
typedef struct square {
  const vw_image *image;
  int64_t L;
  float grey, level[256]; /* padding; rescaled bytes */
} square;

/* One axis of the sampling: output i is (1 - t) of place `at[2 i]` and t of place `at[2 i + 1]`, which are numbers of
 * the rows (or columns) in `place`. */
typedef struct samples {
  int64_t n, n_places;
  int64_t *at;    /* [2 n] */
  double *t;      /* [n] */
  int64_t *place; /* [2 n] ascending, each once */
} samples;

/* The blur's weights at distances 0 .. radius. */
typedef struct blur {
  int64_t radius;
  double *weight; /* NULL: no blur */
} blur;

/* Reflected about the centre of the first and last pixel: -1 is 1. */
static int64_t mirror(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : period - i;
}

static float pixel(const square *s, int64_t y, int64_t x, int c) {
  const vw_image *p = s->image;
  return y < p->height && x < p->width ? s->level[p->rgb[(y * p->width + x) * 3 + c]] : s->grey;
}

/* ---- the axes ---- */

static void samples_fini(samples *k) {
  free(k->at), free(k->t), free(k->place);
}

/* Where output i lies among the L pixels, pixel centres at whole numbers, mirrored into [0, L - 1]. */
static double sample_centre(int64_t i, double scale, int64_t L) {
  double x = ((double)i + 0.5) * scale - 0.5;
  if (L == 1) return 0;
  if (x < 0) x = -x;
  if (x > (double)(L - 1)) x = 2 * (double)(L - 1) - x;
  return x;
}

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static vw_status samples_init(samples *k, int64_t L, int64_t S) {
  const double scale = (double)L / (double)S;
  k->n = S;
  k->at = malloc((size_t)(2 * S) * sizeof *k->at);
  k->t = malloc((size_t)S * sizeof *k->t);
  k->place = malloc((size_t)(2 * S) * sizeof *k->place);
  VW_CHECK(k->at && k->t && k->place, VW_ERR_MEMORY, "preprocessing: out of memory for %" PRId64 " pixels", S);
  for (int64_t i = 0; i < S; i++) {
    const double x = sample_centre(i, scale, L), low = floor(x);
    k->t[i] = x - low;
    k->place[2 * i] = mirror((int64_t)low, L), k->place[2 * i + 1] = mirror((int64_t)low + 1, L);
  }
  memcpy(k->at, k->place, (size_t)(2 * S) * sizeof *k->at);
  qsort(k->place, (size_t)(2 * S), sizeof *k->place, by_number);
  for (int64_t i = 0; i < 2 * S; i++)
    if (!k->n_places || k->place[k->n_places - 1] != k->place[i]) k->place[k->n_places++] = k->place[i];
  for (int64_t i = 0; i < 2 * S; i++) {
    const int64_t *found = bsearch(&k->at[i], k->place, (size_t)k->n_places, sizeof *k->place, by_number);
    k->at[i] = found - k->place;
  }
  return VW_OK;
}

/* SciPy's gaussian_filter with sigma = (scale - 1) / 2, cut off at four sigma. */
static vw_status blur_init(blur *b, int64_t L, int64_t S) {
  const double sigma = ((double)L / (double)S - 1) / 2;
  double sum = 0;
  if (sigma <= 1e-15) return VW_OK;
  b->radius = (int64_t)(4 * sigma + 0.5);
  b->weight = malloc((size_t)(b->radius + 1) * sizeof *b->weight);
  VW_CHECK(b->weight, VW_ERR_MEMORY, "preprocessing: out of memory");
  for (int64_t d = 0; d <= b->radius; d++) {
    b->weight[d] = exp(-0.5 / (sigma * sigma) * (double)(d * d));
    sum += d ? 2 * b->weight[d] : b->weight[d];
  }
  for (int64_t d = 0; d <= b->radius; d++) b->weight[d] /= sum;
  return VW_OK;
}

/* ---- the two passes ---- */

/* Row `y` of the square, blurred along the columns: out [L, 3]. */
static void vertical(const square *s, const blur *b, int64_t y, double *sum, float *out) {
  const int64_t n = 3 * s->L;
  for (int64_t i = 0; i < n; i++) {
    const double v = (double)pixel(s, y, i / 3, (int)(i % 3));
    sum[i] = b->weight ? v * b->weight[0] : v;
  }
  for (int64_t d = b->weight ? b->radius : 0; d > 0; d--) {
    const int64_t above = mirror(y - d, s->L), below = mirror(y + d, s->L);
    for (int64_t i = 0; i < n; i++) {
      const int64_t x = i / 3;
      const int c = (int)(i % 3);
      sum[i] += ((double)pixel(s, above, x, c) + (double)pixel(s, below, x, c)) * b->weight[d];
    }
  }
  for (int64_t i = 0; i < n; i++) out[i] = (float)sum[i];
}

/* The places `columns` of a row [L, 3], blurred along the row: out [n_places, 3]. */
static void horizontal(const float *row, int64_t L, const blur *b, const samples *columns, float *out) {
  for (int64_t k = 0; k < columns->n_places; k++) {
    const int64_t x = columns->place[k];
    for (int c = 0; c < 3; c++) {
      double sum = (double)row[3 * x + c];
      if (b->weight) sum *= b->weight[0];
      for (int64_t d = b->weight ? b->radius : 0; d > 0; d--)
        sum += ((double)row[3 * mirror(x - d, L) + c] + (double)row[3 * mirror(x + d, L) + c]) * b->weight[d];
      out[3 * k + c] = (float)sum;
    }
  }
}

/* ---- sampling ---- */

/* The least and the greatest value of the padded square: what comes out stays between them. */
static void range(const square *s, float *least, float *most) {
  const int64_t n = s->image->height * s->image->width * 3;
  const bool padded = s->image->height != s->image->width;
  *least = padded ? s->grey : INFINITY, *most = padded ? s->grey : -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    const float v = s->level[s->image->rgb[i]];
    if (v < *least) *least = v;
    if (v > *most) *most = v;
  }
}

/* blurred [S places of rows, S places of columns, 3] -> out [S, S, 3]. */
static void sample(const square *s, const samples *k, const float *blurred, float *out) {
  const int64_t S = k->n, stride = 3 * k->n_places;
  float least, most;
  range(s, &least, &most);
  for (int64_t y = 0; y < S; y++) {
    const float *top = blurred + k->at[2 * y] * stride, *bottom = blurred + k->at[2 * y + 1] * stride;
    const double v = k->t[y];
    for (int64_t i = 0; i < 3 * S; i++) {
      const int64_t x = i / 3, c = i % 3, left = 3 * k->at[2 * x] + c, right = 3 * k->at[2 * x + 1] + c;
      const double u = k->t[x];
      const float value = (float)((double)top[left] * (1 - v) * (1 - u) + (double)top[right] * (1 - v) * u +
                                  (double)bottom[left] * v * (1 - u) + (double)bottom[right] * v * u);
      out[3 * S * y + i] = value < least ? least : value > most ? most : value;
    }
  }
}

vw_status vw_square_pixels(const vw_square *p, const vw_image *image, float *out) {
  const int64_t S = p->size, L = image->height > image->width ? image->height : image->width;
  square s = {.image = image, .L = L, .grey = (float)p->pad};
  samples k = {0};
  blur b = {0};
  double *sum = NULL;
  float *row = NULL, *blurred = NULL;
  vw_status st = VW_OK;
  VW_CHECK(image->height > 0 && image->width > 0, VW_ERR_ARG, "preprocessing: an empty picture");
  VW_CHECK(S > 0 && S <= 1 << 14, VW_ERR_ARG, "preprocessing: cannot make %" PRId64 " x %" PRId64 " pixels", S, S);
  for (int v = 0; v < 256; v++) s.level[v] = (float)((double)v * p->rescale);
  VW_GOTO(samples_init(&k, L, S));
  VW_GOTO(blur_init(&b, L, S));
  sum = malloc((size_t)(3 * L) * sizeof *sum);
  row = malloc((size_t)(3 * L) * sizeof *row);
  blurred = malloc((size_t)(3 * k.n_places * k.n_places) * sizeof *blurred);
  if (!sum || !row || !blurred) st = VW_RAISE(VW_ERR_MEMORY, "preprocessing: out of memory for a picture");
  for (int64_t r = 0; st == VW_OK && r < k.n_places; r++) {
    vertical(&s, &b, k.place[r], sum, row);
    horizontal(row, L, &b, &k, blurred + 3 * r * k.n_places);
  }
  if (st == VW_OK) sample(&s, &k, blurred, out);
cleanup:
  samples_fini(&k);
  free(b.weight), free(sum), free(row), free(blurred);
  return st;
}

void vw_square_normalise(const vw_square *p, const float *pixels, int64_t n, float *out) {
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < 3; c++) out[3 * i + c] = (pixels[3 * i + c] - (float)p->mean[c]) / (float)p->std[c];
}

void vw_square_normalise_f64(const vw_square *p, const float *pixels, int64_t n, double *out) {
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < 3; c++) out[3 * i + c] = ((double)pixels[3 * i + c] - p->mean[c]) / p->std[c];
}
