/* Descriptors of cuDNN's graphs: what cudnn.cu (engines) and cudnn_items.cu (tensors, operations) share. Only where the
 * header is found (VW_WITH_CUDNN). */
#ifndef VW_KERNELS_CUDA_CUDNN_ITEMS_CUH
#define VW_KERNELS_CUDA_CUDNN_ITEMS_CUH

#include "kernels/cuda/cudnn.cuh"

#include <cudnn_graph.h>

#define VW_CUDNN_FUNCTIONS(X)                                                                                          \
  X(GetVersion)                                                                                                        \
  X(GetErrorString)                                                                                                    \
  X(Create)                                                                                                            \
  X(Destroy)                                                                                                           \
  X(SetStream)                                                                                                         \
  X(BackendCreateDescriptor)                                                                                           \
  X(BackendDestroyDescriptor)                                                                                          \
  X(BackendFinalize)                                                                                                   \
  X(BackendSetAttribute)                                                                                               \
  X(BackendGetAttribute)                                                                                               \
  X(BackendExecute)

/* The functions of the library, under their names without "cudnn". Filled once a process. */
struct vw_cudnn_functions {
#define MEMBER(name) decltype(&cudnn##name) name;
  VW_CUDNN_FUNCTIONS(MEMBER)
#undef MEMBER
  const char *path; /* what it was opened by */
  size_t version;   /* 0: not opened */
};
extern vw_cudnn_functions vw_cudnn_library;

enum { VW_MOST_ITEMS = 96, VW_MOST_OPERATIONS = 24 };

struct vw_cudnn_graph {
  vw_cudnn_item items[VW_MOST_ITEMS], operations[VW_MOST_OPERATIONS];
  int n_items, n_operations;
  cudnnStatus_t error; /* the first one */
};

/* Each does nothing after an error. */
vw_cudnn_item vw_items_make(vw_cudnn_graph *g, cudnnBackendDescriptorType_t type);
void vw_items_set(vw_cudnn_graph *g, vw_cudnn_item d, cudnnBackendAttributeName_t name,
                  cudnnBackendAttributeType_t type, int64_t n, const void *value);
void vw_items_set_item(vw_cudnn_graph *g, vw_cudnn_item d, cudnnBackendAttributeName_t name, vw_cudnn_item value);
void vw_items_finish(vw_cudnn_graph *g, vw_cudnn_item d);
bool vw_items_failed(const vw_cudnn_graph *g);
void vw_items_destroy(vw_cudnn_graph *g);

/* Entries read; 0 where there are none, or the attribute is unknown to this version. */
int64_t vw_items_get(vw_cudnn_item d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t most,
                     void *to);

#endif
