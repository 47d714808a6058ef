#include "core/tensor.h"

#include "core/clones.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  size_t bytes;
} types[VW_DTYPES] = {
    [VW_F32] = {"f32", 4},   [VW_F64] = {"f64", 8},     [VW_F16] = {"f16", 2}, [VW_BF16] = {"bf16", 2},
    [VW_I32] = {"i32", 4},   [VW_I64] = {"i64", 8},     [VW_U32] = {"u32", 4}, [VW_U8] = {"u8", 1},
    [VW_BOOL] = {"bool", 1}, [VW_PARAM] = {"param", 0}, [VW_ACT] = {"act", 0}, [VW_RESIDUAL] = {"residual", 0},
    [VW_HEAD] = {"head", 0}, [VW_STAT] = {"stat", 0},
};

vw_tensor vw_shape_of(vw_dtype dtype, int ndim, const int64_t *dim) {
  vw_tensor t = {.dtype = dtype, .ndim = ndim};
  memcpy(t.dim, dim, (size_t)ndim * sizeof *dim);
  return t;
}

int64_t vw_count(const vw_tensor *t) {
  int64_t n = 1;
  for (int i = 0; i < t->ndim; i++) n *= t->dim[i];
  return n;
}

size_t vw_dtype_bytes(vw_dtype dtype) {
  return types[dtype].bytes;
}
const char *vw_dtype_name(vw_dtype dtype) {
  return types[dtype].name;
}
size_t vw_bytes(const vw_tensor *t) {
  return (size_t)vw_count(t) * vw_dtype_bytes(t->dtype);
}

bool vw_same_shape(const vw_tensor *a, const vw_tensor *b) {
  return a->ndim == b->ndim && memcmp(a->dim, b->dim, (size_t)a->ndim * sizeof *a->dim) == 0;
}

bool vw_is_vector(const vw_tensor *t, int64_t n) {
  return t->ndim == 1 && t->dim[0] == n;
}

int64_t vw_rows(const vw_tensor *t) {
  int64_t n = 1;
  for (int i = 0; i + 1 < t->ndim; i++) n *= t->dim[i];
  return n;
}

const char *vw_shape_text(const vw_tensor *t) {
  enum { BUFFERS = 8, BYTES = 160 };
  static _Thread_local char buffer[BUFFERS][BYTES];
  static _Thread_local int next;
  char *s = buffer[next++ % BUFFERS];
  size_t used = (size_t)snprintf(s, BYTES, "[");
  for (int i = 0; i < t->ndim; i++)
    used += (size_t)snprintf(s + used, BYTES - used, "%s%" PRId64, i ? ", " : "", t->dim[i]);
  (void)snprintf(s + used, BYTES - used, "]");
  return s;
}

static float from_half(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
  uint32_t bits;
  if (exponent == 31)
    bits = sign | 0x7f800000u | fraction << 13;
  else if (exponent)
    bits = sign | (exponent + 112) << 23 | fraction << 13;
  else {
    const float tiny = (float)fraction * 0x1p-24f; /* subnormal: exact in fp32 */
    return sign ? -tiny : tiny;
  }
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static uint16_t to_half(float f) {
  uint32_t x;
  memcpy(&x, &f, sizeof x);
  const uint16_t sign = (uint16_t)(x >> 16 & 0x8000u);
  const uint32_t a = x & 0x7fffffffu;
  if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
  if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* rounds to infinity */
  if (a < 0x38800000u) {                                   /* subnormal or zero: let fp32 addition round */
    float m;
    memcpy(&m, &a, sizeof m);
    m += 0.5f; /* ulp of 0.5 is 2^-24, the spacing of half's subnormals */
    uint32_t r;
    memcpy(&r, &m, sizeof r);
    return (uint16_t)(sign | (r - 0x3f000000u));
  }
  const uint32_t r = a + 0xfffu + (a >> 13 & 1u) - (112u << 23);
  return (uint16_t)(sign | r >> 13);
}

static float from_bf16(uint16_t h) {
  const uint32_t bits = (uint32_t)h << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static uint16_t to_bf16(float f) {
  uint32_t x;
  memcpy(&x, &f, sizeof x);
  if ((x & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(x >> 16 | 0x40u);
  return (uint16_t)((x + 0x7fffu + (x >> 16 & 1u)) >> 16);
}

static double load(const void *p, vw_dtype type, int64_t i) {
  switch (type) {
  case VW_F64:
    return ((const double *)p)[i];
  case VW_F32:
    return ((const float *)p)[i];
  case VW_F16:
    return from_half(((const uint16_t *)p)[i]);
  default:
    return from_bf16(((const uint16_t *)p)[i]);
  }
}

/* The two conversions that whole files of weights go through. Masks choose between the three kinds of halves: of
 * conditions the compiler makes branches here, and does not vectorise. */
VW_SIMD static void floats_of_halves(float *restrict out, const uint16_t *restrict in, int64_t n) {
  const uint32_t rebias = 112u << 23;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t h = in[i], exponent = h & 0x7c00u;
    const float tiny = (float)(int32_t)(h & 0x3ffu) * 0x1p-24f;
    const uint32_t is_tiny = -(uint32_t)(exponent == 0), is_special = -(uint32_t)(exponent == 0x7c00u);
    const uint32_t other = ((h & 0x7fffu) << 13) + rebias + (rebias & is_special);
    uint32_t bits;
    memcpy(&bits, &tiny, sizeof bits);
    bits = (bits & is_tiny) | (other & ~is_tiny) | (h & 0x8000u) << 16;
    memcpy(out + i, &bits, sizeof bits);
  }
}

VW_SIMD static void floats_of_bf16(float *restrict out, const uint16_t *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const uint32_t bits = (uint32_t)in[i] << 16;
    memcpy(out + i, &bits, sizeof bits);
  }
}

static bool is_float(vw_dtype t) {
  return t == VW_F64 || t == VW_F32 || t == VW_F16 || t == VW_BF16;
}

vw_status vw_convert(void *dst, vw_dtype to, const void *src, vw_dtype from, int64_t n) {
  VW_CHECK(is_float(to) && is_float(from), VW_ERR_UNSUPPORTED, "cannot convert %s to %s", vw_dtype_name(from),
           vw_dtype_name(to));
  if (to == from) {
    memcpy(dst, src, (size_t)n * vw_dtype_bytes(to));
    return VW_OK;
  }
  switch (to) {
  case VW_F64:
    for (int64_t i = 0; i < n; i++) ((double *)dst)[i] = load(src, from, i);
    break;
  case VW_F32:
    if (from == VW_F16)
      floats_of_halves(dst, src, n);
    else if (from == VW_BF16)
      floats_of_bf16(dst, src, n);
    else
      for (int64_t i = 0; i < n; i++) ((float *)dst)[i] = (float)load(src, from, i);
    break;
  case VW_F16:
    for (int64_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = to_half((float)load(src, from, i));
    break;
  default:
    for (int64_t i = 0; i < n; i++) ((uint16_t *)dst)[i] = to_bf16((float)load(src, from, i));
  }
  return VW_OK;
}
