/* The table of kernels, generated from ops.def. A missing backend is NULL; vw_program says so by name. */
#include "kernels/op.h"

#define VW_DECLARE_REF(n) extern const vw_kernel n##_ref;
#define VW_DECLARE_CPU(n) extern const vw_kernel n##_cpu;
#define VW_DECLARE_NONE(n)
#define VW_ROW_REF(n)  &n##_ref
#define VW_ROW_CPU(n)  &n##_cpu
#define VW_ROW_NONE(n) NULL
#ifdef VW_WITH_CUDA
#define VW_DECLARE_CUDA(n) extern const vw_kernel n##_cuda;
#define VW_ROW_CUDA(n)     &n##_cuda
#else
#define VW_DECLARE_CUDA(n)
#define VW_ROW_CUDA(n) NULL
#endif

#define VW_OP(name, ref, cpu, cuda) VW_DECLARE_##ref(name) VW_DECLARE_##cpu(name) VW_DECLARE_##cuda(name)
#include "kernels/ops.def"
#undef VW_OP

static const vw_kernel *const table[VW_OPS][VW_BACKENDS] = {
#define VW_OP(name, ref, cpu, cuda) [VW_OP_##name] = {VW_ROW_##ref(name), VW_ROW_##cpu(name), VW_ROW_##cuda(name)},
#include "kernels/ops.def"
#undef VW_OP
};

const vw_kernel *vw_kernel_of(vw_backend backend, vw_op_id id) {
  return table[id][backend];
}

double vw_op_bytes(const vw_op *op, const void *attr, const vw_tensor *in, const vw_tensor *out) {
  double sum = 0;
  if (op->bytes) return op->bytes(in, attr, out);
  for (int i = 0; i < op->n_in; i++) sum += vw_present(&in[i]) ? (double)vw_bytes(&in[i]) : 0;
  for (int i = 0; i < op->n_out; i++) sum += (double)vw_bytes(&out[i]);
  return sum;
}

const char *vw_backend_name(vw_backend b) {
  static const char *const names[VW_BACKENDS] = {"ref", "cpu", "cuda"};
  return names[b];
}
