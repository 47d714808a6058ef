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
#include <malloc.h>
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

/* Tensors come and go some ten thousand times: their pages stay with the process. */
const int keeps_pages = mallopt(M_MMAP_THRESHOLD, 1 << 25) & mallopt(M_TRIM_THRESHOLD, 1 << 27);

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

/* ---- tensors: read at once into doubles, packed, and written so; index 0 along axes of size 1, which are repeated ---- */

using index = int64_t[AXES];

struct view {
  item *t;
  void *data; /* NULL: t->values */
  int64_t dim[AXES], stride[AXES];
  bool is_bf16;

  int64_t count() const { return dim[0] * dim[1] * dim[2] * dim[3]; }
};

/* f(where an element lies in memory) for all of them, in the order in which they lie packed. */
template <typename F> void each_place(const view &v, F f) {
  for (int64_t i = 0; i < v.dim[0]; i++)
    for (int64_t j = 0; j < v.dim[1]; j++)
      for (int64_t k = 0; k < v.dim[2]; k++) {
        const int64_t line = i * v.stride[0] + j * v.stride[1] + k * v.stride[2];
        for (int64_t l = 0; l < v.dim[3]; l++) f(line + l * v.stride[3]);
      }
}

struct numbers {
  index dim, step;
  std::vector<double> x;

  explicit numbers(const view &v) {
    int64_t packed = 1;
    for (int a = AXES - 1; a >= 0; a--) {
      dim[a] = v.dim[a], step[a] = dim[a] == 1 ? 0 : packed;
      packed *= dim[a];
    }
    x.reserve(static_cast<size_t>(packed));
  }
  int64_t place(int64_t i, int64_t j, int64_t k, int64_t l) const {
    return i * step[0] + j * step[1] + k * step[2] + l * step[3];
  }
  const double *from(int64_t i, int64_t j, int64_t k, int64_t l) const { return x.data() + place(i, j, k, l); }
};

numbers read(const view &v) {
  numbers n(v);
  if (!v.data) {
    n.x = v.t->values;
  } else if (v.is_bf16) {
    const auto *data = static_cast<const __nv_bfloat16 *>(v.data);
    each_place(v, [&](int64_t at) { n.x.push_back(static_cast<double>(__bfloat162float(data[at]))); });
  } else {
    const auto *data = static_cast<const float *>(v.data);
    each_place(v, [&](int64_t at) { n.x.push_back(static_cast<double>(data[at])); });
  }
  return n;
}

numbers zeros(const view &v) {
  numbers n(v);
  n.x.resize(static_cast<size_t>(v.count()));
  return n;
}

/* factor x, rounded to v's type. */
void write(const view &v, const numbers &n, double factor) {
  const double *x = n.x.data();
  const auto rounded = [&] { return __float2bfloat16_rn(static_cast<float>(factor * *x++)); };
  if (!v.data && v.is_bf16)
    for (double &to : v.t->values) to = static_cast<double>(__bfloat162float(rounded()));
  else if (!v.data)
    for (double &to : v.t->values) to = factor * *x++;
  else if (v.is_bf16)
    each_place(v, [&](int64_t at) { static_cast<__nv_bfloat16 *>(v.data)[at] = rounded(); });
  else
    each_place(v, [&](int64_t at) { static_cast<float *>(v.data)[at] = static_cast<float>(factor * *x++); });
}

/* f(i, j, k) for all lines along the last axis. */
template <typename F> void each_line(const numbers &n, F f) {
  for (int64_t i = 0; i < n.dim[0]; i++)
    for (int64_t j = 0; j < n.dim[1]; j++)
      for (int64_t k = 0; k < n.dim[2]; k++) f(i, j, k);
}

/* Sum of n products, whose factors lie a step apart. */
double dot(const double *a, int64_t a_step, const double *b, int64_t b_step, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i * a_step] * b[i * b_step];
  return sum;
}

struct run {
  std::map<int64_t, void *> data; /* of uids */
  double factor;                  /* 1, or what is wrong */

  view operand(const item *operation, cudnnBackendAttributeName_t name) const {
    view v = {};
    v.t = child(operation, name);
    for (int a = 0; a < AXES; a++) {
      v.dim[a] = value<int64_t>(v.t, CUDNN_ATTR_TENSOR_DIMENSIONS, a);
      v.stride[a] = value<int64_t>(v.t, CUDNN_ATTR_TENSOR_STRIDES, a);
    }
    v.is_bf16 = value<cudnnDataType_t>(v.t, CUDNN_ATTR_TENSOR_DATA_TYPE) == CUDNN_DATA_BFLOAT16;
    if (value<bool>(v.t, CUDNN_ATTR_TENSOR_IS_VIRTUAL))
      v.t->values.resize(static_cast<size_t>(v.count()));
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
  const view in = r.operand(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X
                                        : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX);
  const view out = r.operand(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y
                                         : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY);
  const numbers w = read(r.operand(op, forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W
                                               : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W));
  const int64_t stride = value<int64_t>(how, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const int64_t top = value<int64_t>(how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0),
                left = value<int64_t>(how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 1);
  numbers x = forward ? read(in) : zeros(in), y = forward ? zeros(out) : read(out);
  const auto taps = [&](int64_t b, int64_t o, int64_t i, int64_t j, int64_t u, int64_t v) {
    const int64_t h = stride * i + u - top, l = stride * j + v - left;
    if (h < 0 || l < 0 || h >= x.dim[2] || l >= x.dim[3]) return;
    double &to = y.x[static_cast<size_t>(y.place(b, o, i, j))];
    for (int64_t c = 0; c < w.dim[1]; c++) {
      double &at = x.x[static_cast<size_t>(x.place(b, c, h, l))];
      if (forward)
        to += at * *w.from(o, c, u, v);
      else
        at += to * *w.from(o, c, u, v);
    }
  };
  each_line(y, [&](int64_t b, int64_t o, int64_t i) {
    for (int64_t j = 0; j < y.dim[3]; j++)
      for (int64_t u = 0; u < w.dim[2]; u++)
        for (int64_t v = 0; v < w.dim[3]; v++) taps(b, o, i, j, u, v);
  });
  write(forward ? out : in, forward ? y : x, r.factor);
}

void elements(const run &r, const item *op) {
  const cudnnPointwiseMode_t mode =
      value<cudnnPointwiseMode_t>(child(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR), CUDNN_ATTR_POINTWISE_MODE);
  const view to = r.operand(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  const numbers a = read(r.operand(op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
  const numbers b =
      mode == CUDNN_POINTWISE_EXP ? numbers(to) : read(r.operand(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
  numbers y(to);
  each_line(y, [&](int64_t i, int64_t j, int64_t k) {
    const double *p = a.from(i, j, k, 0), *q = b.from(i, j, k, 0);
    for (int64_t l = 0; l < y.dim[3]; l++) {
      const double x = p[l * a.step[3]];
      y.x.push_back(mode == CUDNN_POINTWISE_EXP   ? exp(x)
                    : mode == CUDNN_POINTWISE_MUL ? x * q[l * b.step[3]]
                                                  : x - q[l * b.step[3]]);
    }
  });
  write(to, y, 1);
}

void multiply(const run &r, const item *op) {
  const view to = r.operand(op, CUDNN_ATTR_OPERATION_MATMUL_CDESC);
  const numbers a = read(r.operand(op, CUDNN_ATTR_OPERATION_MATMUL_ADESC)),
                b = read(r.operand(op, CUDNN_ATTR_OPERATION_MATMUL_BDESC));
  numbers y(to);
  each_line(y, [&](int64_t i, int64_t j, int64_t k) {
    for (int64_t l = 0; l < y.dim[3]; l++)
      y.x.push_back(dot(a.from(i, j, k, 0), a.step[3], b.from(i, j, 0, l), b.step[2], a.dim[3]));
  });
  write(to, y, r.factor);
}

void add_up(const run &r, const item *op) {
  const view to = r.operand(op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC);
  const numbers x = read(r.operand(op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC));
  const double one = 1;
  numbers y(to);
  each_line(y, [&](int64_t i, int64_t j, int64_t k) {
    y.x.push_back(dot(x.from(i, j, k, 0), x.step[3], &one, 0, x.dim[3]));
  });
  write(to, y, 1);
}

void turn(const run &r, const item *op) {
  const view to = r.operand(op, CUDNN_ATTR_OPERATION_RESHAPE_YDESC);
  const numbers x = read(r.operand(op, CUDNN_ATTR_OPERATION_RESHAPE_XDESC));
  numbers y(to);
  each_line(y, [&](int64_t i, int64_t j, int64_t k) {
    for (int64_t l = 0; l < y.dim[3]; l++) y.x.push_back(*x.from(i, j, l, k));
  });
  write(to, y, 1);
}

void attend(const run &r, const item *op) {
  const view to = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC),
             to_lse = r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC);
  const numbers q = read(r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC)),
                k = read(r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC)),
                v = read(r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC)),
                scale = read(r.operand(op, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC));
  numbers y(to), lse(to_lse);
  std::vector<double> p(static_cast<size_t>(k.dim[2]));
  each_line(lse, [&](int64_t b, int64_t h, int64_t i) {
    double sum = 0;
    for (int64_t j = 0; j < k.dim[2]; j++) {
      const double s = dot(q.from(b, h, i, 0), q.step[3], k.from(b, h, j, 0), k.step[3], q.dim[3]);
      sum += p[static_cast<size_t>(j)] = exp(s * *scale.from(b, h, i, 0));
    }
    lse.x.push_back(log(sum));
    for (int64_t d = 0; d < v.dim[3]; d++)
      y.x.push_back(dot(p.data(), 1, v.from(b, h, 0, d), v.step[2], k.dim[2]) / sum);
  });
  write(to_lse, lse, 1), write(to, y, r.factor);
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
