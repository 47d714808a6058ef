/* record: keeps a row of numbers every so many steps, on the device.
 *   in   history   [points, B] (state, in place)
 *        x         [B]
 *        step      [1] i64
 *   attr every
 *   out  history': row step / every = x where step % every == 0 and the row exists; unchanged otherwise
 *
 * advance: step' = step + 1 (in place), the last node of a training step.
 *   in   step      [1] i64
 *   out  step' */
#ifndef VW_KERNELS_RECORD_H
#define VW_KERNELS_RECORD_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { RECORD_HISTORY, RECORD_X, RECORD_STEP };
typedef struct vw_record_attr {
  int64_t every;
} vw_record_attr;
vw_value vw_record(vw_graph *g, vw_value history, vw_value x, vw_value step, int64_t every);
vw_value vw_advance(vw_graph *g, vw_value step);
extern const vw_op vw_record_op, vw_advance_op;

#ifdef __cplusplus
}
#endif
#endif
