/* Dense row-major tensors: a view, never an owner. The last dimension is contiguous; there are no strides. */
#ifndef VW_CORE_TENSOR_H
#define VW_CORE_TENSOR_H

#include "core/status.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage types, then the roles a model description uses instead of a type: the dtype policy turns a role into a
 * storage type (DESIGN: descriptions never name a dtype). */
typedef enum vw_dtype {
  VW_F32,
  VW_F64,
  VW_F16,
  VW_BF16,
  VW_I32,
  VW_I64,
  VW_U32,
  VW_U8,
  VW_BOOL,
  VW_STORAGE_TYPES,
  VW_PARAM = VW_STORAGE_TYPES, /* frozen weights */
  VW_ACT,                      /* activations between ops */
  VW_RESIDUAL,                 /* the residual stream */
  VW_HEAD,                     /* cosines, logits, losses, master words, their gradients */
  VW_STAT,                     /* statistics kept for a gradient: mean, rstd, log-sum-exp */
  VW_DTYPES
} vw_dtype;

enum { VW_MAX_DIMS = 6 };

typedef struct vw_tensor {
  void *data; /* NULL until bound */
  vw_dtype dtype;
  int ndim;
  int64_t dim[VW_MAX_DIMS];
} vw_tensor;

/* A tensor without data. Use: vw_shape(VW_ACT, 3, B, T, C). Dimensions are int64_t: cast literals. */
vw_tensor vw_shape_of(vw_dtype dtype, int ndim, const int64_t *dim);
#define vw_shape(dtype, ...)                                                                                           \
  vw_shape_of((dtype), (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

int64_t vw_count(const vw_tensor *t);                       /* number of elements; 1 for ndim 0 */
size_t vw_dtype_bytes(vw_dtype dtype);                      /* 0 for roles */
size_t vw_bytes(const vw_tensor *t);                        /* elements times size */
const char *vw_dtype_name(vw_dtype dtype);                  /* "f32", ... */
bool vw_same_shape(const vw_tensor *a, const vw_tensor *b); /* dims only */
bool vw_is_vector(const vw_tensor *t, int64_t n);           /* ndim 1 of n elements */
static inline int64_t vw_last_dim(const vw_tensor *t) {
  return t->ndim ? t->dim[t->ndim - 1] : 1;
}
/* Product of all dimensions but the last. */
int64_t vw_rows(const vw_tensor *t);

/* "[2, 77, 768]". Eight static buffers per thread: up to eight in one message. */
const char *vw_shape_text(const vw_tensor *t);

static inline float *vw_f32(const vw_tensor *t) {
  return (float *)t->data;
}
static inline double *vw_f64(const vw_tensor *t) {
  return (double *)t->data;
}
static inline int32_t *vw_i32(const vw_tensor *t) {
  return (int32_t *)t->data;
}
static inline int64_t *vw_i64(const vw_tensor *t) {
  return (int64_t *)t->data;
}
static inline uint32_t *vw_u32(const vw_tensor *t) {
  return (uint32_t *)t->data;
}

/* Converts n elements between the floating types (f16, bf16, f32, f64); to narrower types rounds to nearest even.
 * Errors: VW_ERR_UNSUPPORTED for other types. dst and src must not overlap. */
vw_status vw_convert(void *dst, vw_dtype to, const void *src, vw_dtype from, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
