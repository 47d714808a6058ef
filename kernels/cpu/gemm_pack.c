/* Weights as panels, in fp32 or in the 16 bits of their files. */
#include "core/align.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/simd.h"
#include <stdatomic.h>
#include <string.h>

enum {
  FEW_NUMBERS = 1 << 19, /* below, waking threads costs more than they save */
  RUN = 1024,
  MOST_COLUMNS = 48
};

/* A weight of `rows` rows of `width`, its parts stacked. */
typedef struct stack {
  const vw_parts *w;
  int64_t rows, width;
} stack;

static const void *lies_at(const stack *s, int64_t row, int64_t at, vw_dtype *type) {
  const int64_t each = s->rows / s->w->n;
  const vw_tensor *t = &s->w->part[row / each];
  *type = t->dtype;
  return (const char *)t->data + (size_t)(row % each * s->width + at) * vw_dtype_bytes(t->dtype);
}

/* fp32 where it lies; other types are converted. */
static const float *floats(const stack *s, int64_t row, int64_t at, int64_t n, float *room) {
  vw_dtype type;
  const void *from = lies_at(s, row, at, &type);
  if (type == VW_F32) return from;
  (void)vw_convert(room, VW_F32, from, type, n); /* the type was checked when the weight was bound */
  return room;
}

static const uint16_t *halves(const stack *s, int64_t row, int64_t at) {
  vw_dtype type;
  return lies_at(s, row, at, &type);
}

#define ELEMENT                       float
#define NAME(x)                       x##_floats
#define ELEMENTS(s, row, at, n, room) floats(s, row, at, n, room)
#include "kernels/cpu/gemm_pack.h"

#define ELEMENT                       uint16_t
#define NAME(x)                       x##_halves
#define ELEMENTS(s, row, at, n, room) ((void)(room), halves(s, row, at))
#include "kernels/cpu/gemm_pack.h"

void vw_pack_b(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, const vw_parts *w,
               float *out) {
  pack_floats(ctx, t, transposed, M, K, 1, w, out);
}

void vw_pack_taps(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, int64_t taps,
                  const vw_parts *w, float *out) {
  pack_floats(ctx, t, transposed, M, K, taps, w, out);
}

void vw_pack_halves(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, int64_t taps,
                    const vw_parts *w, uint16_t *out) {
  pack_halves(ctx, t, transposed, M, K, taps, w, out);
}

/* ---- back to fp32 */

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

/* n is a multiple of 8. */
__attribute__((target("avx2,f16c"))) static void widen_fast(const uint16_t *h, int64_t n, float *out) {
  for (int64_t i = 0; i < n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(h + i))));
}

/* clang's __builtin_cpu_supports does not know f16c. Asking the processor traps in virtual machines: once is enough. */
static bool is_fast(void) {
  static _Atomic int known;
  int is = atomic_load_explicit(&known, memory_order_relaxed);
  if (is == 0) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    is = __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C && __builtin_cpu_supports("avx2") ? 1 : -1;
    atomic_store_explicit(&known, is, memory_order_relaxed);
  }
  return is > 0;
}
#else
static void widen_fast(const uint16_t *h, int64_t n, float *out) {
  (void)vw_convert(out, VW_F32, h, VW_F16, n);
}

static bool is_fast(void) {
  return false;
}
#endif

void vw_widen(const uint16_t *h, vw_dtype type, int64_t n, float *out) {
  if (type == VW_F16 && is_fast())
    widen_fast(h, n, out);
  else
    (void)vw_convert(out, VW_F32, h, type, n);
}
