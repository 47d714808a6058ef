/* Stands in for libcudnn where there is no GPU: the functions that kernels/cuda/cudnn.cu calls, computing the graphs that
 * it is given in double on host memory, from the descriptors alone: wrong strides, ids or operations give wrong results.
 *
 * It suggests five engines, best first: 7, whose bits do not repeat, as it says; 8, compiled at run time; 9; 10, faster;
 * 11, the fastest, whose bits do not repeat either, once in some runs, which it does not say. FAKE_CUDNN says what goes
 * wrong: "wrong" (engine 9 computes something else), "old" (its version), "absent" (no device).
 *
 * Written from the documented interface. */
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <cuda_bf16.h>
#include <cudnn_graph.h>
#include <map>
#include <vector>

/* The emulator's clock, of the program that opened this library (runtime.cpp). */
extern "C" __attribute__((weak)) void vw_emulated_take(float ms);

namespace {

enum { UNREPEATABLE = 7, COMPILED = 8, PLAIN = 9, FAST = 10, UNSTEADY = 11, FIRST = UNREPEATABLE, SUGGESTED = 5 };
enum { KNOBS = 1, AXES = 4, STEADY_RUNS = 13 };

struct item {
  cudnnBackendDescriptorType_t type;
  std::map<int, std::vector<char>> attributes;
  bool is_final = false;
  std::vector<double> values; /* of a tensor between operations */
};

bool asked(const char *what) {
  const char *text = getenv("FAKE_CUDNN");
  return text && strcmp(text, what) == 0;
}

size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
  case CUDNN_TYPE_BOOLEAN:
  case CUDNN_TYPE_CHAR:
    return 1;
  case CUDNN_TYPE_INT64:
  case CUDNN_TYPE_DOUBLE:
  case CUDNN_TYPE_HANDLE:
  case CUDNN_TYPE_VOID_PTR:
  case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    return 8;
  default:
    return 4;
  }
}

item *of(cudnnBackendDescriptor_t d) {
  return static_cast<item *>(d);
}

template <typename T> T value(const item *d, cudnnBackendAttributeName_t name, int i = 0) {
  T x = T();
  const auto it = d->attributes.find(name);
  if (it != d->attributes.end() && (static_cast<size_t>(i) + 1) * sizeof x <= it->second.size())
    memcpy(&x, it->second.data() + static_cast<size_t>(i) * sizeof x, sizeof x);
  return x;
}

item *child(const item *d, cudnnBackendAttributeName_t name, int i = 0) {
  return of(value<cudnnBackendDescriptor_t>(d, name, i));
}

/* ---- tensors: by index, repeated along axes of size 1 ---- */

using index = int64_t[AXES];

struct view {
  item *t;
  void *data; /* NULL: t->values */
  int64_t dim[AXES], stride[AXES];
  bool is_bf16;
};

int64_t place(const view &v, const index &i) {
  int64_t at = 0, packed = 0;
  for (int a = 0; a < AXES; a++) {
    const int64_t here = v.dim[a] == 1 ? 0 : i[a];
    at += here * v.stride[a], packed = packed * v.dim[a] + here;
  }
  return v.data ? at : packed;
}

double get(const view &v, const index &i) {
  const int64_t at = place(v, i);
  if (!v.data) return v.t->values[static_cast<size_t>(at)];
  return v.is_bf16 ? static_cast<double>(__bfloat162float(static_cast<const __nv_bfloat16 *>(v.data)[at]))
                   : static_cast<double>(static_cast<const float *>(v.data)[at]);
}

void put(const view &v, const index &i, double x) {
  const int64_t at = place(v, i);
  const __nv_bfloat16 rounded = __float2bfloat16_rn(static_cast<float>(x));
  if (!v.data)
    v.t->values[static_cast<size_t>(at)] = v.is_bf16 ? static_cast<double>(__bfloat162float(rounded)) : x;
  else if (v.is_bf16)
    static_cast<__nv_bfloat16 *>(v.data)[at] = rounded;
  else
    static_cast<float *>(v.data)[at] = static_cast<float>(x);
}

template <typename F> void each(const view &v, F f) {
  index i;
  for (i[0] = 0; i[0] < v.dim[0]; i[0]++)
    for (i[1] = 0; i[1] < v.dim[1]; i[1]++)
      for (i[2] = 0; i[2] < v.dim[2]; i[2]++)
        for (i[3] = 0; i[3] < v.dim[3]; i[3]++) f(i);
}

struct run {
  std::map<int64_t, void *> data; /* of uids */
  double factor;                  /* 1, or what is wrong */

  view operand(const item *operation, cudnnBackendAttributeName_t name) const {
    view v = {};
    v.t = child(operation, name);
    int64_t n = 1;
    for (int a = 0; a < AXES; a++) {
      v.dim[a] = value<int64_t>(v.t, CUDNN_ATTR_TENSOR_DIMENSIONS, a), n *= v.dim[a];
      v.stride[a] = value<int64_t>(v.t, CUDNN_ATTR_TENSOR_STRIDES, a);
    }
    v.is_bf16 = value<cudnnDataType_t>(v.t, CUDNN_ATTR_TENSOR_DATA_TYPE) == CUDNN_DATA_BFLOAT16;
    if (value<bool>(v.t, CUDNN_ATTR_TENSOR_IS_VIRTUAL))
      v.t->values.resize(static_cast<size_t>(n));
    else
      v.data = data.at(value<int64_t>(v.t, CUDNN_ATTR_TENSOR_UNIQUE_ID));
    return v;
  }
};

/* ---- operations ---- */

/* Every product of x[b, c, h, w], w[o, c, u, v] and y[b, o, i, j] of a convolution. */
void convolve(const run &r, const item *op, bool forward) {
  const item *how = child(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC
                                      : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC);
  const view x = r.operand(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X
                                       : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX);
  const view w =
      r.operand(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W);
  const view y = r.operand(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y
                                       : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY);
  const int64_t stride = value<int64_t>(how, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const int64_t top = value<int64_t>(how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0),
                left = value<int64_t>(how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 1);
  const view &to = forward ? y : x;
  std::vector<double> sums(static_cast<size_t>(to.dim[0] * to.dim[1] * to.dim[2] * to.dim[3]));
  const auto packed = [&](const index &i) {
    return static_cast<size_t>(((i[0] * to.dim[1] + i[1]) * to.dim[2] + i[2]) * to.dim[3] + i[3]);
  };
  each(y, [&](const index &at) {
    for (int64_t c = 0; c < w.dim[1]; c++)
      for (int64_t u = 0; u < w.dim[2]; u++)
        for (int64_t v = 0; v < w.dim[3]; v++) {
          const index from = {at[0], c, stride * at[2] + u - top, stride * at[3] + v - left}, tap = {at[1], c, u, v};
          if (from[2] < 0 || from[3] < 0 || from[2] >= x.dim[2] || from[3] >= x.dim[3]) continue;
          sums[packed(forward ? at : from)] += get(forward ? x : y, forward ? from : at) * get(w, tap);
        }
  });
  each(to, [&](const index &i) { put(to, i, r.factor * sums[packed(i)]); });
}

void elements(const run &r, const item *op) {
  const cudnnPointwiseMode_t mode =
      value<cudnnPointwiseMode_t>(child(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR), CUDNN_ATTR_POINTWISE_MODE);
  const view a = r.operand(op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC),
             y = r.operand(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  const view b = mode == CUDNN_POINTWISE_EXP ? a : r.operand(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
  each(y, [&](const index &i) {
    const double p = get(a, i), q = get(b, i);
    put(y, i, mode == CUDNN_POINTWISE_EXP ? exp(p) : mode == CUDNN_POINTWISE_MUL ? p * q : p - q);
  });
}

void multiply(const run &r, const item *op) {
  const view a = r.operand(op, CUDNN_ATTR_OPERATION_MATMUL_ADESC), b = r.operand(op, CUDNN_ATTR_OPERATION_MATMUL_BDESC),
             y = r.operand(op, CUDNN_ATTR_OPERATION_MATMUL_CDESC);
  each(y, [&](const index &i) {
    double sum = 0;
    for (int64_t k = 0; k < a.dim[3]; k++) {
      const index left = {i[0], i[1], i[2], k}, right = {i[0], i[1], k, i[3]};
      sum += get(a, left) * get(b, right);
    }
    put(y, i, r.factor * sum);
  });
}

void add_up(const run &r, const item *op) {
  const view x = r.operand(op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC),
             y = r.operand(op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC);
  each(y, [&](const index &i) {
    double sum = 0;
    for (int64_t k = 0; k < x.dim[3]; k++) {
      const index from = {i[0], i[1], i[2], k};
      sum += get(x, from);
    }
    put(y, i, sum);
  });
}

void turn(const run &r, const item *op) {
  const view x = r.operand(op, CUDNN_ATTR_OPERATION_RESHAPE_XDESC),
             y = r.operand(op, CUDNN_ATTR_OPERATION_RESHAPE_YDESC);
  each(y, [&](const index &i) {
    const index from = {i[0], i[1], i[3], i[2]};
    put(y, i, get(x, from));
  });
}

void attend(const run &r, const item *op) {
  const view q = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC),
             k = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC),
             v = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC),
             y = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC),
             lse = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC),
             scale = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC);
  std::vector<double> p(static_cast<size_t>(k.dim[2]));
  each(lse, [&](const index &i) {
    double sum = 0;
    for (int64_t j = 0; j < k.dim[2]; j++) {
      double s = 0;
      for (int64_t d = 0; d < q.dim[3]; d++) {
        const index a = {i[0], i[1], i[2], d}, b = {i[0], i[1], j, d};
        s += get(q, a) * get(k, b);
      }
      sum += p[static_cast<size_t>(j)] = exp(s * get(scale, i));
    }
    put(lse, i, log(sum));
    for (int64_t d = 0; d < v.dim[3]; d++) {
      double out = 0;
      for (int64_t j = 0; j < k.dim[2]; j++) {
        const index b = {i[0], i[1], j, d};
        out += p[static_cast<size_t>(j)] / sum * get(v, b);
      }
      const index a = {i[0], i[1], i[2], d};
      put(y, a, r.factor * out);
    }
  });
}

cudnnStatus_t execute(const run &r, const item *op) {
  switch (op->type) {
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    return convolve(r, op, true), CUDNN_STATUS_SUCCESS;
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    return convolve(r, op, false), CUDNN_STATUS_SUCCESS;
  case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
    return elements(r, op), CUDNN_STATUS_SUCCESS;
  case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
    return multiply(r, op), CUDNN_STATUS_SUCCESS;
  case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
    return add_up(r, op), CUDNN_STATUS_SUCCESS;
  case CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR:
    return turn(r, op), CUDNN_STATUS_SUCCESS;
  case CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR:
    return attend(r, op), CUDNN_STATUS_SUCCESS;
  default:
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
}

/* ---- engines ---- */

void set_value(item *d, cudnnBackendAttributeName_t name, const void *x, size_t bytes) {
  const char *from = static_cast<const char *>(x);
  d->attributes[name].assign(from, from + bytes);
}

/* What an attribute of a suggestion or an engine is, written to the caller's descriptors or numbers. */
cudnnStatus_t suggest(const item *heuristics, int64_t most, int64_t *n, void *to) {
  const cudnnBackendDescriptor_t graph =
      value<cudnnBackendDescriptor_t>(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  *n = SUGGESTED;
  for (int64_t i = 0; i < SUGGESTED && i < most; i++) {
    item *config = of(static_cast<cudnnBackendDescriptor_t *>(to)[i]);
    const int64_t engine = FIRST + i, knob = 5;
    set_value(config, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &engine, sizeof engine);
    set_value(config, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, &graph, sizeof graph);
    set_value(config, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, &knob, sizeof knob);
  }
  return CUDNN_STATUS_SUCCESS;
}

/* The engine of a configuration, suggested or made by a caller. */
item *engine_of(item *config) {
  item *made = child(config, CUDNN_ATTR_ENGINECFG_ENGINE);
  return made ? made : config;
}

} // namespace

extern "C" {

size_t cudnnGetVersion(void) {
  return asked("old") ? 80900 : 91900;
}
const char *cudnnGetErrorString(cudnnStatus_t error) {
  return error == CUDNN_STATUS_SUCCESS ? "success" : "an error";
}
cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  *handle = asked("absent") ? nullptr : reinterpret_cast<cudnnHandle_t>(1);
  return *handle ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_INITIALIZED;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t) {
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t) {
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d) {
  *d = new item{type, {}, false, {}};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  delete of(d);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t n, const void *values) {
  if (of(d)->is_final) return CUDNN_STATUS_BAD_PARAM;
  set_value(of(d), name, values, static_cast<size_t>(n) * bytes_of(type));
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  item *i = of(d);
  if (i->is_final) return CUDNN_STATUS_BAD_PARAM;
  if (i->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    const int64_t engine =
        value<int64_t>(engine_of(child(i, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)), CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    if (engine < FIRST || engine >= FIRST + SUGGESTED) return CUDNN_STATUS_NOT_SUPPORTED;
    /* what it needs later is copied: descriptors of a suggestion may go */
    const cudnnBackendDescriptor_t graph = value<cudnnBackendDescriptor_t>(
        engine_of(child(i, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)), CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    set_value(i, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, &graph, sizeof graph);
    set_value(i, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &engine, sizeof engine);
  }
  i->is_final = true;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t most, int64_t *n, void *to) {
  item *i = of(d);
  const int64_t engine = value<int64_t>(i, CUDNN_ATTR_ENGINE_GLOBAL_INDEX), workspace = 131;
  const cudnnBackendKnobType_t knob = CUDNN_KNOB_TYPE_TILE_SIZE;
  *n = 1;
  switch (name) {
  case CUDNN_ATTR_ENGINEHEUR_RESULTS:
    return suggest(i, most, n, to);
  case CUDNN_ATTR_ENGINECFG_ENGINE:
    of(*static_cast<cudnnBackendDescriptor_t *>(to))->attributes = i->attributes;
    return CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
    *n = KNOBS;
    of(*static_cast<cudnnBackendDescriptor_t *>(to))->attributes = i->attributes;
    return CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE:
    return memcpy(to, &knob, sizeof knob), CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE:
    return memcpy(to, i->attributes[name].data(), sizeof(int64_t)), CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
    return memcpy(to, &engine, sizeof engine), CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
    *n = engine == UNREPEATABLE;
    if (*n) *static_cast<cudnnBackendNumericalNote_t *>(to) = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    return CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
    *n = engine == COMPILED;
    if (*n) *static_cast<cudnnBackendBehaviorNote_t *>(to) = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    return CUDNN_STATUS_SUCCESS;
  case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
    return memcpy(to, &workspace, sizeof workspace), CUDNN_STATUS_SUCCESS;
  default:
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
}
cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  static const float took[] = {4, 4, 4, 1, 0.5f}; /* ms, by engine */
  static int runs;
  const item *graph = child(of(plan), CUDNN_ATTR_ENGINE_OPERATION_GRAPH), *p = of(pack);
  const int64_t engine = value<int64_t>(of(plan), CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  const bool is_wrong = asked("wrong") && engine == PLAIN;
  const bool is_unsteady = engine == UNSTEADY && ++runs % STEADY_RUNS == 0;
  run r = {{}, is_wrong ? 1.1 : is_unsteady ? 1.01 : 1.0};
  if (vw_emulated_take) vw_emulated_take(took[engine - FIRST]);
  const auto &uids = p->attributes.at(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  for (int i = 0; static_cast<size_t>(i) * sizeof(int64_t) < uids.size(); i++)
    r.data[value<int64_t>(p, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i)] =
        value<void *>(p, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
  const size_t n = graph->attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).size() / sizeof(cudnnBackendDescriptor_t);
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
  for (size_t i = 0; i < n && status == CUDNN_STATUS_SUCCESS; i++)
    status = execute(r, child(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, static_cast<int>(i)));
  return status;
}
}
