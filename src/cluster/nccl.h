/* NCCL as `doctor` reports it. (The library's own header is included in nccl.c alone.) */
#ifndef VW_CLUSTER_NCCL_H
#define VW_CLUSTER_NCCL_H

#include "core/status.h"

enum { VW_NCCL_TEXT = 32 };

typedef struct vw_nccl_versions {
  bool is_built;            /* this program knows NCCL at all */
  char built[VW_NCCL_TEXT]; /* the header's: "2.28.9" */
  char found[VW_NCCL_TEXT]; /* the one found now; "" where none is */
  const char *path;         /* the name or path that it was opened by; static */
} vw_nccl_versions;

/* Opens the library as a transport would. Not collective, needs no device. Errors, which say the way out:
 * VW_ERR_UNSUPPORTED: not built in, not found, lacks a function, or of a version that this program cannot use. */
vw_status vw_nccl_look(vw_nccl_versions *v);

#endif
