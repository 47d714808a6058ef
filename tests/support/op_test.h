/* What every op owes, as checks over a table of named cases:
 *
 *   vw_op_cases_agree     cpu (and cuda where there is a device) against ref on the same numbers; runs repeated and
 *                         with 1 and 2 threads are equal bit for bit; canaries around every output stay; every element
 *                         is written (outputs start as NaN)
 *   vw_op_cases_gradient  ref: the contract's own gradient rule, through vw_reverse, against central differences
 *   vw_op_run             one run on one backend, for checks of a test's own (fixtures, adjoints, boundaries)
 *
 * VISWORDS_TEST_ELEMENTS=N: only cases whose inputs have at most N elements together; the others are named.
 */
#ifndef VW_TESTS_SUPPORT_OP_TEST_H
#define VW_TESTS_SUPPORT_OP_TEST_H
#include "tests/support/test.h"

#include "kernels/op.h"

/* An input: its shape with a role or integer type, and the range it is drawn from: uniform in (lo, hi), for integers
 * uniform over lo..hi. All zero: absent. */
typedef struct vw_op_input {
  vw_tensor shape;
  double lo, hi;
} vw_op_input;
#define VW_INPUT(dtype_, lo_, hi_, ...)                                                                                \
  {                                                                                                                    \
    .shape = {.dtype = (dtype_),                                                                                       \
              .ndim = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                       \
              .dim = {__VA_ARGS__}},                                                                                   \
    .lo = (lo_), .hi = (hi_)                                                                                           \
  }

typedef struct vw_op_case {
  const char *name;
  const vw_op *op;
  const void *attr;
  vw_op_input in[VW_MAX_IN];
  double tol; /* of fp32 backends against ref, relative to max(1, max |ref|) of each output: say where it comes from */
  uint32_t wanted; /* bit i: the gradient to input i is checked against central differences */
} vw_op_case;

/* Why a backend cannot run here; NULL: it can. */
const char *vw_op_unavailable(vw_backend backend);

/* Runs one op on host tensors (f64, i32, u32, i64 with data; absent: ndim 0): converts to the backend's types and back.
 * Outputs are f64 or integers; release them with vw_op_free. Checks canaries. A test fails on any error. */
void vw_op_run(vw_backend backend, int threads, const vw_op *op, const void *attr, const vw_tensor *in, vw_tensor *out);
void vw_op_free(vw_tensor *t, int n);

/* The inputs of a case, drawn from `seed`; floats are exact in fp32. Release with vw_op_free(in, case->op->n_in). */
void vw_op_case_inputs(const vw_op_case *c, uint64_t seed, vw_tensor *in);

void vw_op_cases_agree(const vw_op_case *cases, int n);
void vw_op_cases_gradient(const vw_op_case *cases, int n);

/* The same on cuda with weights and activations in bf16, residuals, heads and statistics in fp32: ref gets the rounded
 * inputs. Tolerance: the case's plus `roundings` times 2^-8, half a unit of bf16's 8
 * bits, relative to the largest element. */
void vw_op_cases_agree_bf16(const vw_op_case *cases, int n, double roundings);
/* One such run; in: rounded to bf16 on the way. */
void vw_op_run_bf16(const vw_op_case *c, const vw_tensor *in, vw_tensor *out);

/* The same on cuda with everything in fp32 and factors of products rounded to TF32: `roundings` times 2^-11, half a
 * unit of TF32's 11 bits. */
void vw_op_cases_agree_tf32(const vw_op_case *cases, int n, double roundings);

/* Refused by the contract, with a message that contains `text`. in: shapes only. */
void vw_op_refused(const vw_op *op, const void *attr, const vw_tensor *in, const char *text);
#endif
