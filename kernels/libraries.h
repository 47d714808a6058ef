/* Libraries that some networks want beside a backend's own kernels. They are opened by name when a network asks, so a
 * program starts without them, and the kernels of a study that needs none do not depend on them. */
#ifndef VW_KERNELS_LIBRARIES_H
#define VW_KERNELS_LIBRARIES_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For networks of convolutions. cuda: cuDNN, which the kernel set then names; where it is not found the backend's own
 * kernels run and a line says so. VISWORDS_CUDNN_LIBRARY names it, "none" does without. cpu: the kernel set then names
 * its convolutions.
 * Errors: VW_ERR_UNSUPPORTED where the one that is named cannot be used; VW_ERR_MEMORY. Once a context; again: nothing.
 */
vw_status vw_libraries_for_convolutions(vw_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
