/* class_merge: every patch token times the class token, which then goes away (OWL-v2's picture features).
 *   in   x [B, 1 + N, D]: row 0 the class token      out  y [B, N, D] (VW_ACT):  y[b, n] = x[b, 1 + n] * x[b, 0]
 * No gradient: pictures are frozen. Source: Minderer et al. 2022, arXiv 2205.06230, as transformers' Owlv2 has it. */
#ifndef VW_KERNELS_CLASS_MERGE_H
#define VW_KERNELS_CLASS_MERGE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

vw_value vw_class_merge(vw_graph *g, vw_value x);
extern const vw_op vw_class_merge_op;

#ifdef __cplusplus
}
#endif
#endif
