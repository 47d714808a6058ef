/* The part of the CUDA runtime and of cuBLASLt that kernels/cuda calls, on host memory: see kernel.hpp. Products are
 * computed from the descriptions that a caller gives, in double, so wrong layouts give wrong results. */
#include "tests/emulator/kernel.hpp"

#include "tests/emulator/check.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cublasLt.h>
#include <map>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

/* What goes wrong with the device is asked for by the environment: VW_EMULATOR_DEVICES, _DRIVER, _CAPABILITY,
 * _FREE_MIB, _FULL (1: no memory is given out); _FAIL_AFTER and _FAIL_FILE: the device is lost at this call of those that answer vw_emulated_alive(), once
 * this file exists. */
static int asked(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text && *text ? atoi(text) : otherwise;
}

cudaError_t vw_emulated_alive(void) {
  static const int fail_after = asked("VW_EMULATOR_FAIL_AFTER", 0);
  static const char *const fail_file = getenv("VW_EMULATOR_FAIL_FILE");
  static int calls;
  static bool is_lost;
  is_lost |= (fail_after && ++calls >= fail_after) || (fail_file && access(fail_file, F_OK) == 0);
  return is_lost ? cudaErrorECCUncorrectable : cudaSuccess;
}

/* ---- runtime ---- */

extern "C" {

cudaError_t cudaGetDeviceCount(int *count) {
  *count = asked("VW_EMULATOR_DEVICES", 1);
  return asked("VW_EMULATOR_DRIVER", CUDART_VERSION) < CUDART_VERSION ? cudaErrorInsufficientDriver : cudaSuccess;
}
cudaError_t cudaGetLastError(void) {
  return vw_emulated_alive();
}
const char *cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation     ? "out of memory"
         : error == cudaErrorECCUncorrectable   ? "uncorrectable ECC error encountered"
         : error == cudaErrorNoDevice           ? "no CUDA-capable device is detected"
         : error == cudaErrorInsufficientDriver ? "driver too old"
         : error == cudaSuccess                 ? "no error"
                                                : "an error";
}
cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
  if (device != 0) return cudaErrorInvalidDevice;
  *p = cudaDeviceProp();
  strcpy(p->name, "emulated, no GPU");
  p->major = asked("VW_EMULATOR_CAPABILITY", 90) / 10, p->minor = asked("VW_EMULATOR_CAPABILITY", 90) % 10;
  p->multiProcessorCount = 1;
  return cudaSuccess;
}
/* Every other stream runs the blocks of its grids from the last to the first. */
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
  vw_emulated_last_first = !vw_emulated_last_first;
  return *stream = reinterpret_cast<cudaStream_t>(1), cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  vw_emulated_refuse("cudaStreamSynchronize");
  return vw_emulated_alive();
}
cudaError_t cudaStreamQuery(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  return *version = CUDART_VERSION, cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
  return *version = asked("VW_EMULATOR_DRIVER", CUDART_VERSION), cudaSuccess;
}
cudaError_t cudaMallocHost(void **out, size_t bytes) {
  return *out = malloc(bytes), *out ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void *p) {
  return free(p), cudaSuccess;
}
/* Reserved by checks: never touched, so the largest networks fit any host. */
static std::map<void *, size_t> reserved;

static void *reserve(size_t bytes) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  reserved[p] = bytes;
  return p;
}

cudaError_t cudaMalloc(void **out, size_t bytes) {
  vw_emulated_refuse("cudaMalloc");
  const bool fits = bytes < static_cast<size_t>(1) << 40 && !asked("VW_EMULATOR_FULL", 0);
  *out = !fits ? nullptr : vw_emulated_checks_only() ? reserve(bytes) : aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void *p) {
  const auto it = reserved.find(p);
  if (it == reserved.end()) return free(p), cudaSuccess;
  (void)munmap(p, it->second);
  reserved.erase(it);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  *total = static_cast<size_t>(1) << 40;
  *free_bytes = static_cast<size_t>(asked("VW_EMULATOR_FREE_MIB", 1 << 20)) << 20;
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t) {
  vw_emulated_calls.other++;
  if (vw_emulated_checks_only() || vw_emulated_keep([=] { memset(p, value, bytes); })) return cudaSuccess;
  return memset(p, value, bytes), cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  vw_emulated_calls.other++;
  if (vw_emulated_checks_only() || vw_emulated_keep([=] { memcpy(to, from, bytes); })) return cudaSuccess;
  return memcpy(to, from, bytes), vw_emulated_alive();
}

/* Time passes only in products: see cost_of. */
static float clock_ms;

/* What a library's call takes (fake_cudnn.cpp). */
extern "C" void vw_emulated_take(float ms) {
  clock_ms += ms;
}

cudaError_t cudaEventCreate(cudaEvent_t *e) {
  return *e = reinterpret_cast<cudaEvent_t>(new float(0)), cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned) {
  return cudaEventCreate(e);
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  return delete reinterpret_cast<float *>(e), cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) {
  vw_emulated_calls.events++;
  return *reinterpret_cast<float *>(e) = clock_ms, cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  vw_emulated_refuse("cudaEventSynchronize");
  vw_emulated_calls.other--, vw_emulated_calls.event_waits++;
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b) {
  return *ms = *reinterpret_cast<float *>(b) - *reinterpret_cast<float *>(a), cudaSuccess;
}

/* ---- cuBLASLt: the structs behind its handles ---- */

struct layout {
  cudaDataType type;
  uint64_t rows, cols;
  int64_t ld;
};

struct product {
  cublasComputeType_t compute;
  cublasOperation_t op_a;
  cublasLtEpilogue_t epilogue;
  cudaDataType bias_type;
  const void *bias;
};

size_t cublasLtGetVersion(void) {
  return 0;
}
const char *cublasLtGetStatusString(cublasStatus_t) {
  return "an error";
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) {
  return *h = reinterpret_cast<cublasLtHandle_t>(1), CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType) {
  *d = reinterpret_cast<cublasLtMatmulDesc_t>(
      new product{compute, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, CUDA_R_32F, nullptr});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(const cublasLtMatmulDesc_t d) {
  delete reinterpret_cast<product *>(d);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t which,
                                              const void *value, size_t bytes) {
  product *p = reinterpret_cast<product *>(d);
  void *to = which == CUBLASLT_MATMUL_DESC_TRANSA           ? static_cast<void *>(&p->op_a)
             : which == CUBLASLT_MATMUL_DESC_EPILOGUE       ? static_cast<void *>(&p->epilogue)
             : which == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE ? static_cast<void *>(&p->bias_type)
             : which == CUBLASLT_MATMUL_DESC_BIAS_POINTER   ? static_cast<void *>(&p->bias)
                                                            : nullptr;
  if (!to) return CUBLAS_STATUS_NOT_SUPPORTED;
  memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld) {
  *l = reinterpret_cast<cublasLtMatrixLayout_t>(new layout{type, rows, cols, ld});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(const cublasLtMatrixLayout_t l) {
  delete reinterpret_cast<layout *>(l);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p) {
  return *p = nullptr, CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(const cublasLtMatmulPreference_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,
                                                    const void *, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}

/* Eight algorithms, FIRST to FIRST + 7, suggested in this order; FIRST + 2 takes least time. An algorithm's nine
 * settings lie in `data` by their number. */
enum { FIRST = 10, SUGGESTED = 8, FASTEST = FIRST + 2 };

static uint32_t *settings_of(cublasLtMatmulAlgo_t *a) {
  return reinterpret_cast<uint32_t *>(a->data);
}

static float cost_of(cublasLtMatmulAlgo_t a) {
  return 1 + std::abs(static_cast<float>(settings_of(&a)[CUBLASLT_ALGO_CONFIG_ID]) - FASTEST);
}

static size_t setting_bytes(cublasLtMatmulAlgoConfigAttributes_t which) {
  return which >= CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID ? 2 : 4;
}

cublasStatus_t cublasLtMatmulAlgoInit(cublasLtHandle_t, cublasComputeType_t, cudaDataType_t, cudaDataType_t,
                                      cudaDataType_t, cudaDataType_t, cudaDataType_t, int id, cublasLtMatmulAlgo_t *a) {
  if (id < FIRST || id >= FIRST + SUGGESTED) return CUBLAS_STATUS_INVALID_VALUE;
  *a = cublasLtMatmulAlgo_t();
  settings_of(a)[CUBLASLT_ALGO_CONFIG_ID] = static_cast<uint32_t>(id);
  settings_of(a)[CUBLASLT_ALGO_CONFIG_SPLITK_NUM] = 1;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *a,
                                                    cublasLtMatmulAlgoConfigAttributes_t which, void *value,
                                                    size_t bytes, size_t *written) {
  if (which > CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID || bytes != setting_bytes(which))
    return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(value, &reinterpret_cast<const uint32_t *>(a->data)[which], bytes);
  return *written = bytes, CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoConfigSetAttribute(cublasLtMatmulAlgo_t *a, cublasLtMatmulAlgoConfigAttributes_t which,
                                                    const void *value, size_t bytes) {
  if (which == CUBLASLT_ALGO_CONFIG_ID || which > CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID ||
      bytes != setting_bytes(which))
    return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(&settings_of(a)[which], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
/* Only tiles that the suggestions have. */
cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                       const cublasLtMatmulAlgo_t *a, cublasLtMatmulHeuristicResult_t *result) {
  const uint32_t *value = reinterpret_cast<const uint32_t *>(a->data);
  *result = cublasLtMatmulHeuristicResult_t();
  result->algo = *a, result->state = CUBLAS_STATUS_SUCCESS;
  return value[CUBLASLT_ALGO_CONFIG_TILE_ID] == value[CUBLASLT_ALGO_CONFIG_ID] + 5 ? CUBLAS_STATUS_SUCCESS
                                                                                   : CUBLAS_STATUS_NOT_SUPPORTED;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t blas, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int most,
                                              cublasLtMatmulHeuristicResult_t *best, int *found) {
  *found = most < SUGGESTED ? most : static_cast<int>(SUGGESTED);
  for (int i = 0; i < *found; i++) {
    best[i] = cublasLtMatmulHeuristicResult_t();
    best[i].state = cublasLtMatmulAlgoInit(blas, reinterpret_cast<product *>(desc)->compute, CUDA_R_32F, CUDA_R_32F,
                                           CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, FIRST + i, &best[i].algo);
    settings_of(&best[i].algo)[CUBLASLT_ALGO_CONFIG_TILE_ID] = static_cast<uint32_t>(FIRST + i + 5);
    settings_of(&best[i].algo)[CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID] = 3;
  }
  return CUBLAS_STATUS_SUCCESS;
}

static double get(const void *p, cudaDataType type, int64_t i) {
  return type == CUDA_R_16BF ? __bfloat162float(static_cast<const __nv_bfloat16 *>(p)[i])
                             : static_cast<const float *>(p)[i];
}

static void set(void *p, cudaDataType type, int64_t i, double x) {
  if (type == CUDA_R_16BF)
    static_cast<__nv_bfloat16 *>(p)[i] = __float2bfloat16_rn(static_cast<float>(x));
  else
    static_cast<float *>(p)[i] = static_cast<float>(x);
}

} // extern "C"

/* Factors as the tensor cores read them; TF32 keeps 10 of fp32's 23 bits behind the point. */
struct bf16_factor {
  const __nv_bfloat16 *data;
  double operator[](int64_t i) const { return static_cast<double>(__bfloat162float(data[i])); }
};
struct f32_factor {
  const float *data;
  double operator[](int64_t i) const { return static_cast<double>(data[i]); }
};
struct tf32_factor {
  const float *data;
  double operator[](int64_t i) const {
    uint32_t bits;
    memcpy(&bits, &data[i], sizeof bits);
    bits = (bits + 0x1000u) & ~0x1fffu;
    float x;
    memcpy(&x, &bits, sizeof x);
    return static_cast<double>(x);
  }
};

/* From the first element to the last: behind the last column nothing belongs to the matrix. */
static size_t bytes_of(const layout *l) {
  return (static_cast<size_t>(l->ld) * (l->cols - 1) + l->rows) * (l->type == CUDA_R_16BF ? 2 : 4);
}

static bool overlap(const void *a, size_t na, const void *b, size_t nb) {
  const char *p = static_cast<const char *>(a), *q = static_cast<const char *>(b);
  return p < q + nb && q < p + na;
}

static bool aligned(const void *p, uintptr_t to) {
  return reinterpret_cast<uintptr_t>(p) % to == 0;
}

static bool known(cudaDataType t) {
  return t == CUDA_R_16BF || t == CUDA_R_32F;
}

/* What the documentation of cublasLtMatmul asks of shapes and types, or NULL. */
static const char *shape_problem(const product *p, const layout *a, const layout *b, const layout *c, const layout *d) {
  const bool turned = p->op_a == CUBLAS_OP_T;
  const uint64_t rows = turned ? a->cols : a->rows, inner = turned ? a->rows : a->cols;
  const layout *const all[] = {a, b, c, d};
  for (const layout *l : all) {
    if (l->rows < 1 || l->cols < 1 || l->rows > INT32_MAX || l->cols > INT32_MAX)
      return "a dimension is 0 or too large";
    if (static_cast<uint64_t>(l->ld) < l->rows) return "a leading dimension is smaller than the rows";
    if (!known(l->type)) return "a type is neither bf16 nor fp32";
  }
  if (rows != d->rows || inner != b->rows || b->cols != d->cols) return "dimensions do not fit together";
  if (c->rows != d->rows || c->cols != d->cols || c->type != d->type) return "C is not like D";
  if (a->type != b->type) return "factors have different types";
  if (a->type == CUDA_R_32F && d->type != CUDA_R_32F) return "fp32 factors have an fp32 result";
  if (p->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a->type != CUDA_R_32F) return "TF32 is for fp32 factors";
  return nullptr;
}

/* The same of pointers. */
static const char *pointer_problem(const product *p, const void *A, const layout *a, const void *B, const layout *b,
                                   const void *C, const void *D, const layout *d, const void *workspace, size_t bytes) {
  if (!A || !B || !C || !D) return "an operand has no data";
  if (!aligned(A, 16) || !aligned(B, 16) || !aligned(C, 16) || !aligned(D, 16)) return "an operand is not on 16 bytes";
  if (overlap(D, bytes_of(d), A, bytes_of(a)) || overlap(D, bytes_of(d), B, bytes_of(b)))
    return "the result overlaps a factor";
  if (C != D && overlap(D, bytes_of(d), C, bytes_of(d))) return "the result overlaps C";
  if (!aligned(workspace, 256)) return "the workspace is not on 256 bytes";
  if (overlap(workspace, bytes, A, bytes_of(a)) || overlap(workspace, bytes, B, bytes_of(b)) ||
      overlap(workspace, bytes, C, bytes_of(d)) || overlap(workspace, bytes, D, bytes_of(d)))
    return "the workspace overlaps an operand";
  if (p->epilogue == CUBLASLT_EPILOGUE_BIAS && (!p->bias || !aligned(p->bias, 16) || p->bias_type != d->type))
    return "the bias has no data, is not on 16 bytes or not of D's type";
  return nullptr;
}

static int64_t products;

extern "C" int64_t vw_emulated_products(void) {
  return products;
}

/* op(A) times COLUMNS columns of B from j on, in double, each sum from its first term to its last: sums[row][column].
 * Columns behind B's last are as the last. */
enum { COLUMNS = 8 };
typedef double two __attribute__((vector_size(16)));

static void add_products(two *sum, double x, const two *y) {
#pragma GCC unroll 4
  for (int c = 0; c < COLUMNS / 2; c++) sum[c] += x * y[c];
}

template <typename F>
static void multiply_columns(bool turned, F A, const layout *a, F B, const layout *b, uint64_t j,
                             std::vector<two> *sums) {
  const uint64_t inner = b->rows, rows = turned ? a->cols : a->rows, each = COLUMNS / 2;
  std::vector<two> narrow(inner * each);
  sums->assign(rows * each, two());
  for (uint64_t c = 0; c < COLUMNS; c++) {
    const int64_t at = static_cast<int64_t>(j + c < b->cols ? j + c : b->cols - 1) * b->ld;
    double *to = reinterpret_cast<double *>(narrow.data()) + c;
    for (uint64_t k = 0; k < inner; k++) to[k * COLUMNS] = B[at + static_cast<int64_t>(k)];
  }
  const int64_t n = static_cast<int64_t>(a->rows);
  for (int64_t line = 0; line < static_cast<int64_t>(a->cols); line++) { /* a row of op(A), or one of its columns */
    const two *y = narrow.data() + (turned ? 0 : line * static_cast<int64_t>(each));
    two sum[COLUMNS / 2] = {}, *to = sums->data() + (turned ? line * static_cast<int64_t>(each) : 0);
    for (int64_t i = 0; turned && i < n; i++, y += each) add_products(sum, A[line * a->ld + i], y);
    if (turned) memcpy(to, sum, sizeof sum);
    for (int64_t i = 0; !turned && i < n; i++, to += each) add_products(to, A[line * a->ld + i], y);
  }
}

static void multiply_columns(const product *p, const void *A, const layout *a, const void *B, const layout *b,
                             uint64_t j, std::vector<two> *sums) {
  const bool turned = p->op_a == CUBLAS_OP_T;
  const auto *f = static_cast<const float *>(A), *g = static_cast<const float *>(B);
  if (a->type == CUDA_R_16BF)
    multiply_columns(turned, bf16_factor{static_cast<const __nv_bfloat16 *>(A)}, a,
                     bf16_factor{static_cast<const __nv_bfloat16 *>(B)}, b, j, sums);
  else if (p->compute == CUBLAS_COMPUTE_32F_FAST_TF32)
    multiply_columns(turned, tf32_factor{f}, a, tf32_factor{g}, b, j, sums);
  else
    multiply_columns(turned, f32_factor{f}, a, f32_factor{g}, b, j, sums);
}

/* Column-major D = alpha op(A) B + beta C [+ bias of each row]. */
static cublasStatus_t multiply(cublasLtMatmulDesc_t desc, double one, const void *A, cublasLtMatrixLayout_t da,
                               const void *B, cublasLtMatrixLayout_t db, double keep, const void *C,
                               cublasLtMatrixLayout_t dc, void *D, cublasLtMatrixLayout_t dd,
                               const cublasLtMatmulAlgo_t &algo, const void *workspace, size_t workspace_bytes) {
  const product *p = reinterpret_cast<product *>(desc);
  const layout *a = reinterpret_cast<layout *>(da), *b = reinterpret_cast<layout *>(db),
               *c = reinterpret_cast<layout *>(dc), *d = reinterpret_cast<layout *>(dd);
  const bool turned = p->op_a == CUBLAS_OP_T;
  const uint64_t rows = turned ? a->cols : a->rows, inner = turned ? a->rows : a->cols;
  const char *problem = shape_problem(p, a, b, c, d);
  if (!problem) problem = pointer_problem(p, A, a, B, b, C, D, d, workspace, workspace_bytes);
  products++;
  if (problem) {
    fprintf(stderr, "emulator: product of %llu x %llu x %llu: %s\n", static_cast<unsigned long long>(rows),
            static_cast<unsigned long long>(inner), static_cast<unsigned long long>(d->cols), problem);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (vw_emulated_checks_only()) return CUBLAS_STATUS_SUCCESS;
  clock_ms += cost_of(algo);
  const bool has_bias = p->epilogue == CUBLASLT_EPILOGUE_BIAS;
  std::vector<two> sums;
  for (uint64_t j = 0; j < d->cols; j++) {
    if (j % COLUMNS == 0) multiply_columns(p, A, a, B, b, j, &sums);
    for (uint64_t i = 0; i < rows; i++) {
      const int64_t at = static_cast<int64_t>(j) * d->ld + static_cast<int64_t>(i);
      const double product = reinterpret_cast<const double *>(&sums[i * COLUMNS / 2])[j % COLUMNS],
                   sum = one * product + (keep != 0 ? keep * get(C, c->type, at) : 0);
      set(D, d->type, at, sum + (has_bias ? get(p->bias, p->bias_type, static_cast<int64_t>(i)) : 0));
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

extern "C" {

/* Scalars are read when the call is made, as cuBLASLt does with host pointers. */
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void *alpha, const void *A,
                              cublasLtMatrixLayout_t da, const void *B, cublasLtMatrixLayout_t db, const void *beta,
                              const void *C, cublasLtMatrixLayout_t dc, void *D, cublasLtMatrixLayout_t dd,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes, cudaStream_t) {
  const double one = *static_cast<const float *>(alpha), keep = *static_cast<const float *>(beta);
  const cublasLtMatmulAlgo_t chosen = *algo;
  const auto run = [=] {
    return multiply(desc, one, A, da, B, db, keep, C, dc, D, dd, chosen, workspace, workspace_bytes);
  };
  vw_emulated_calls.products++;
  if (vw_emulated_keep([=] {
        if (run() != CUBLAS_STATUS_SUCCESS) abort(); /* it has said why */
      }))
    return CUBLAS_STATUS_SUCCESS;
  return run();
}

} // extern "C"
