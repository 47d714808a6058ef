/* Ceilings of this machine, measured. */
#ifndef VW_KERNELS_RATE_H
#define VW_KERNELS_RATE_H
#include "kernels/op.h"

/* Best rate of C = A B^T of order n in fp32 by OpenBLAS, with the threads that the open cpu context set. Errors:
 * VW_ERR_UNSUPPORTED (there is none), VW_ERR_MEMORY. */
vw_status vw_sgemm_rate(int64_t n, double seconds, double *flops_per_second);

/* Best rate of copying `bytes` within the backend's memory, bytes read and bytes written added up. */
vw_status vw_copy_rate(vw_context *ctx, size_t bytes, double seconds, double *bytes_per_second);
#endif
