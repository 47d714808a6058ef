/* Tensors and operations of cuDNN's graphs. */
#include "kernels/cuda/cudnn.cuh"

#ifdef VW_WITH_CUDNN
#include "kernels/cuda/cudnn_items.cuh"

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static void note(vw_cudnn_graph *g, cudnnStatus_t error) {
  if (g->error == CUDNN_STATUS_SUCCESS) g->error = error;
}

bool vw_items_failed(const vw_cudnn_graph *g) {
  return g->error != CUDNN_STATUS_SUCCESS;
}

vw_cudnn_item vw_items_make(vw_cudnn_graph *g, cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t d = nullptr;
  if (g->n_items == VW_MOST_ITEMS) note(g, CUDNN_STATUS_NOT_SUPPORTED);
  if (vw_items_failed(g)) return nullptr;
  note(g, vw_cudnn_library.BackendCreateDescriptor(type, &d));
  if (!vw_items_failed(g)) g->items[g->n_items++] = d;
  return d;
}

void vw_items_set(vw_cudnn_graph *g, vw_cudnn_item d, cudnnBackendAttributeName_t name,
                  cudnnBackendAttributeType_t type, int64_t n, const void *value) {
  if (!vw_items_failed(g)) note(g, vw_cudnn_library.BackendSetAttribute(d, name, type, n, value));
}

void vw_items_set_item(vw_cudnn_graph *g, vw_cudnn_item d, cudnnBackendAttributeName_t name, vw_cudnn_item value) {
  vw_items_set(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

void vw_items_finish(vw_cudnn_graph *g, vw_cudnn_item d) {
  if (!vw_items_failed(g)) note(g, vw_cudnn_library.BackendFinalize(d));
}

void vw_items_destroy(vw_cudnn_graph *g) {
  while (g->n_items) (void)vw_cudnn_library.BackendDestroyDescriptor(g->items[--g->n_items]);
}

int64_t vw_items_get(vw_cudnn_item d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t most,
                     void *to) {
  int64_t n = 0;
  return vw_cudnn_library.BackendGetAttribute(d, name, type, most, &n, to) == CUDNN_STATUS_SUCCESS ? n < most ? n : most
                                                                                                   : 0;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

enum { FIRST_INNER = 1000 };

static vw_cudnn_item tensor(vw_cudnn_graph *g, int64_t uid, vw_dtype type, const int64_t *dim, const int64_t *stride,
                            bool is_inner, bool is_number) {
  const cudnnDataType_t stored = type == VW_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const int64_t alignment = 16;
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  vw_items_set(g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &stored);
  vw_items_set(g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dim);
  vw_items_set(g, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride);
  vw_items_set(g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
  vw_items_set(g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  if (is_inner) vw_items_set(g, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_inner);
  if (is_number) vw_items_set(g, d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &is_number);
  vw_items_finish(g, d);
  return d;
}

vw_cudnn_item vw_cudnn_tensor(vw_cudnn_graph *g, int64_t uid, vw_dtype type, const int64_t *dim,
                              const int64_t *stride) {
  return tensor(g, uid, type, dim, stride, false, false);
}

vw_cudnn_item vw_cudnn_inner(vw_cudnn_graph *g, vw_dtype type, const int64_t *dim, const int64_t *stride) {
  return tensor(g, FIRST_INNER + g->n_items, type, dim, stride, true, false);
}

vw_cudnn_item vw_cudnn_number(vw_cudnn_graph *g, int64_t uid) {
  static const int64_t one[] = {1, 1, 1, 1};
  return tensor(g, uid, VW_F32, one, one, false, true);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static void add_operation(vw_cudnn_graph *g, vw_cudnn_item operation) {
  vw_items_finish(g, operation);
  if (g->n_operations == VW_MOST_OPERATIONS) note(g, CUDNN_STATUS_NOT_SUPPORTED);
  if (!vw_items_failed(g)) g->operations[g->n_operations++] = operation;
}

static vw_cudnn_item describe_taps(vw_cudnn_graph *g, const vw_cudnn_convolution *c) {
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t axes = 2, stride[] = {c->stride, c->stride}, dilation[] = {1, 1};
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, axes, c->before);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, axes, c->behind);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, axes, dilation);
  vw_items_set(g, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, axes, stride);
  vw_items_finish(g, d);
  return d;
}

void vw_cudnn_convolve(vw_cudnn_graph *g, const vw_cudnn_convolution *c) {
  const float one = 1, zero = 0;
  vw_cudnn_item taps = describe_taps(g, c);
  vw_cudnn_item d = vw_items_make(g, c->forward ? CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
                                                : CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
  if (c->forward) {
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, taps);
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, c->x);
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, c->w);
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, c->y);
    vw_items_set(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
    vw_items_set(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
  } else {
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, taps);
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, c->x);
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, c->w);
    vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, c->y);
    vw_items_set(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
    vw_items_set(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
  }
  add_operation(g, d);
}

void vw_cudnn_elements(vw_cudnn_graph *g, vw_cudnn_step step, vw_cudnn_item a, vw_cudnn_item b, vw_cudnn_item y) {
  static const cudnnPointwiseMode_t modes[] = {CUDNN_POINTWISE_MUL, CUDNN_POINTWISE_SUB, CUDNN_POINTWISE_EXP};
  const cudnnDataType_t computed = CUDNN_DATA_FLOAT;
  vw_cudnn_item how = vw_items_make(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  vw_items_set(g, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &modes[step]);
  vw_items_set(g, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &computed);
  vw_items_finish(g, how);
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
  if (b) vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  add_operation(g, d);
}

void vw_cudnn_product(vw_cudnn_graph *g, vw_cudnn_item a, vw_cudnn_item b, vw_cudnn_item y) {
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  vw_cudnn_item how = vw_items_make(g, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  vw_items_set(g, how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  vw_items_finish(g, how);
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_MATMUL_CDESC, y);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
  add_operation(g, d);
}

void vw_cudnn_sum(vw_cudnn_graph *g, vw_cudnn_item x, vw_cudnn_item y) {
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnReduceTensorOp_t add = CUDNN_REDUCE_TENSOR_ADD;
  vw_cudnn_item how = vw_items_make(g, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  vw_items_set(g, how, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  vw_items_set(g, how, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &add);
  vw_items_finish(g, how);
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
  add_operation(g, d);
}

void vw_cudnn_turn(vw_cudnn_graph *g, vw_cudnn_item x, vw_cudnn_item y) {
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y);
  add_operation(g, d);
}

void vw_cudnn_attend(vw_cudnn_graph *g, const vw_cudnn_attention *a) {
  vw_cudnn_item d = vw_items_make(g, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, a->q);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, a->k);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, a->v);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, a->y);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, a->lse);
  vw_items_set_item(g, d, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, a->scale);
  add_operation(g, d);
}

#else

vw_cudnn_item vw_cudnn_tensor(vw_cudnn_graph *, int64_t, vw_dtype, const int64_t *, const int64_t *) {
  return nullptr;
}
vw_cudnn_item vw_cudnn_inner(vw_cudnn_graph *, vw_dtype, const int64_t *, const int64_t *) {
  return nullptr;
}
vw_cudnn_item vw_cudnn_number(vw_cudnn_graph *, int64_t) {
  return nullptr;
}
void vw_cudnn_convolve(vw_cudnn_graph *, const vw_cudnn_convolution *) {}
void vw_cudnn_elements(vw_cudnn_graph *, vw_cudnn_step, vw_cudnn_item, vw_cudnn_item, vw_cudnn_item) {}
void vw_cudnn_product(vw_cudnn_graph *, vw_cudnn_item, vw_cudnn_item, vw_cudnn_item) {}
void vw_cudnn_sum(vw_cudnn_graph *, vw_cudnn_item, vw_cudnn_item) {}
void vw_cudnn_turn(vw_cudnn_graph *, vw_cudnn_item, vw_cudnn_item) {}
void vw_cudnn_attend(vw_cudnn_graph *, const vw_cudnn_attention *) {}

#endif
