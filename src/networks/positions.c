/* Positions of a vision tower at another number of patches than it was trained with. */
#include "networks/owlv2.h"

#include <math.h>
#include <string.h>

/* The weights of four neighbours at -1, 0, 1, 2 for a place t behind 0 (Keys 1981, a = -0.75). */
static void cubic(double t, double w[4]) {
  const double a = -0.75, x[4] = {t + 1, t, 1 - t, 2 - t};
  for (int i = 0; i < 4; i++)
    w[i] =
        x[i] <= 1 ? ((a + 2) * x[i] - (a + 3)) * x[i] * x[i] + 1 : ((a * x[i] - 5 * a) * x[i] + 8 * a) * x[i] - 4 * a;
}

static int64_t clamped(int64_t i, int64_t n) {
  return i < 0 ? 0 : i >= n ? n - 1 : i;
}

void vw_positions_resize(const double *from, int64_t n, int64_t D, int64_t m, double *out) {
  const double scale = (double)n / (double)m;
  memcpy(out, from, (size_t)D * sizeof *out);
  from += D, out += D;
  memset(out, 0, (size_t)(m * m * D) * sizeof *out);
  for (int64_t y = 0; y < m; y++)
    for (int64_t x = 0; x < m; x++) {
      const double sy = ((double)y + .5) * scale - .5, sx = ((double)x + .5) * scale - .5;
      double wy[4], wx[4];
      cubic(sy - floor(sy), wy), cubic(sx - floor(sx), wx);
      for (int64_t k = 0; k < 16; k++) {
        const int64_t row = clamped((int64_t)floor(sy) - 1 + k / 4, n),
                      column = clamped((int64_t)floor(sx) - 1 + k % 4, n);
        for (int64_t d = 0; d < D; d++)
          out[(y * m + x) * D + d] += wy[k / 4] * wx[k % 4] * from[(row * n + column) * D + d];
      }
    }
}
