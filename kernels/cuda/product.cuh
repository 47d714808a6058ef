/* A matrix product on cuBLASLt: its description, its algorithm, its run (product.cu). */
#ifndef VW_KERNELS_CUDA_PRODUCT_CUH
#define VW_KERNELS_CUDA_PRODUCT_CUH

#include "kernels/cuda/device.cuh"

/* forward: D [N, M] = B [N, K] W^T + C + bias; else D [N, K] = B [N, M] W. Tensors are borrowed and must stay. */
struct vw_product_spec {
  bool forward, tf32;                   /* tf32: fp32 factors may be rounded to TF32 */
  const vw_tensor *weight, *bias, *out; /* W [M, K]; bias absent where it is NULL or has no dimensions */
  int64_t N;
  const void *b, *c; /* c NULL: nothing is added */
};

/* Column-major D (rows x cols) = op(A) B without a weight: both factors change from run to run. A is inner x rows where
 * it is turned, else rows x inner; a matrix's columns lie ld elements apart, every one on 16 bytes. `name` begins its
 * key (kernels/algorithms.h). */
struct vw_factors_spec {
  const char *name;
  bool turned, tf32;
  vw_dtype in, out;
  int64_t rows, inner, cols, ld_a, ld_b, ld_d;
};

struct vw_product; /* a description with its algorithm */

/* What every call needs as scratch: up to 255 bytes of padding, then the workspace of cuBLASLt. */
size_t vw_product_scratch(void);
/* Where the workspace ends, `scratch` being the call's: what a caller keeps behind it starts there. */
char *vw_product_behind(void *scratch);

/* Checks types and alignment, takes the algorithm (kernels/algorithms.h). May run the product: D is then overwritten.
 */
vw_status vw_product_create(vw_context *ctx, const vw_product_spec *spec, void *scratch, vw_product **out);
void vw_product_destroy(vw_context *ctx, vw_product *p); /* NULL allowed */
vw_status vw_product_run(vw_context *ctx, const vw_product *p, void *scratch);

/* The same for two factors; a, b and d serve where the choice is timed. */
vw_status vw_factors_create(vw_context *ctx, const vw_factors_spec *spec, const void *a, const void *b, void *d,
                            void *scratch, vw_product **out);
vw_status vw_factors_run(vw_context *ctx, const vw_product *p, const void *a, const void *b, void *d, void *scratch);

/* Frees what products of this device have chosen; called when it closes. */
void vw_products_close(vw_cuda *cuda);

#endif
