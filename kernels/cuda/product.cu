/* Products on cuBLASLt, with frozen weights or of two factors: descriptions, the choice of an algorithm, its record.
 *
 * Row-major tensors are column-major transposes, so with W [M, K] as stored: Y^T (M x N) = op_T(W) X^T and
 * dX^T (K x N) = W^T dZ^T. The bias is cuBLASLt's epilogue, a residual its C with beta 1. Sums are fp32; split sums go
 * through the workspace, never in place: the same bits in every run of one algorithm. 2 N M K operations; the weight,
 * the factor and the result cross memory once at least.
 *
 * An algorithm belongs to a key (shape, types, arithmetic, bias), one for all layers of a context: see
 * kernels/algorithms.h for who chooses it. It is recorded as what cublasLtMatmulAlgoInit and the attributes of its
 * configuration need to make it again. */
#include "kernels/cuda/product.cuh"

#include "kernels/algorithms.h"
#include "kernels/backend.h"
#include "kernels/cuda/vector.cuh"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

enum { THREADS = 256, MOST_CANDIDATES = 8, KEY_BYTES = 96, LINE_BYTES = 320, TIMES = 3, RUNS = 5 };
#ifndef VW_PRODUCT_WORKSPACE
#define VW_PRODUCT_WORKSPACE (32 << 20) /* what cuBLAS asks for on 9.0 */
#endif
static const size_t WORKSPACE = VW_PRODUCT_WORKSPACE; /* shared by all calls */
static const size_t WORKSPACE_ALIGNMENT = 256;        /* more than VW_ALIGN: the launcher rounds up */
static const uint32_t ALIGNMENT = VW_PACK_ALIGNMENT;  /* the widest vector load; the arena keeps to it */

/* Column-major D (rows x cols) = op(A) B [+ C] [+ bias]; A is the weight as stored: K x M, leading dimension K. */
struct vw_product {
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, d;
  cublasLtMatmulAlgo_t algo;
  void *bias; /* the bias in D's type, owned; NULL where it is stored so */
  const void *weight, *factor, *residual;
  void *result;
};

/* ---- an algorithm as numbers and text ---------------------------------------------------------------------------- */

/* What makes an algorithm: its id, then the settings of its configuration. */
static const struct {
  const char *name;
  cublasLtMatmulAlgoConfigAttributes_t which;
  size_t bytes;
} settings[] = {
    {"id", CUBLASLT_ALGO_CONFIG_ID, 4},
    {"tile", CUBLASLT_ALGO_CONFIG_TILE_ID, 4},
    {"stages", CUBLASLT_ALGO_CONFIG_STAGES_ID, 4},
    {"split", CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 4},
    {"reduction", CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, 4},
    {"swizzle", CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, 4},
    {"custom", CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, 4},
    {"inner", CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, 2},
    {"cluster", CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, 2},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

struct choice {
  char key[KEY_BYTES]; /* "": forgotten */
  uint32_t value[SETTINGS];
  bool waits; /* an earlier plan's, which no product has taken yet */
};

/* Of a device: grows while programs are prepared. */
struct vw_products {
  choice *list;
  size_t n;
  bool times, obeys;
};

static vw_status products_of(vw_cuda *cuda, vw_products **out) {
  if (!cuda->products) cuda->products = static_cast<vw_products *>(calloc(1, sizeof *cuda->products));
  VW_CHECK(cuda->products, VW_ERR_MEMORY, "out of memory: the algorithms of a device");
  *out = cuda->products;
  return VW_OK;
}

void vw_products_close(vw_cuda *cuda) {
  if (cuda->products) free(cuda->products->list);
  free(cuda->products);
  cuda->products = nullptr;
}

static choice *find(const vw_products *all, const char *key) {
  for (size_t i = 0; i < all->n; i++)
    if (strcmp(all->list[i].key, key) == 0) return &all->list[i];
  return nullptr;
}

static vw_status add(vw_products *all, const choice *c) {
  choice *grown = static_cast<choice *>(realloc(all->list, (all->n + 1) * sizeof *grown));
  VW_CHECK(grown, VW_ERR_MEMORY, "out of memory: the algorithms of a device");
  all->list = grown;
  all->list[all->n++] = *c;
  return VW_OK;
}

/* Reads a setting of either width; the machine is little-endian, as every CUDA host. */
static vw_status read_settings(const cublasLtMatmulAlgo_t *algo, uint32_t (&value)[SETTINGS]) {
  for (int i = 0; i < SETTINGS; i++) {
    size_t written = 0;
    value[i] = 0;
    VW_CUBLAS_TRY(
        cublasLtMatmulAlgoConfigGetAttribute(algo, settings[i].which, &value[i], settings[i].bytes, &written));
  }
  return VW_OK;
}

/* Settings that the fresh algorithm has already are left alone: not every algorithm takes every one. */
static cublasStatus_t write_settings(cublasLtMatmulAlgo_t *algo, const uint32_t (&value)[SETTINGS]) {
  for (int i = 1; i < SETTINGS; i++) {
    uint32_t now = 0;
    size_t written = 0;
    cublasStatus_t error =
        cublasLtMatmulAlgoConfigGetAttribute(algo, settings[i].which, &now, settings[i].bytes, &written);
    if (error == CUBLAS_STATUS_SUCCESS && now != value[i])
      error = cublasLtMatmulAlgoConfigSetAttribute(algo, settings[i].which, &value[i], settings[i].bytes);
    if (error != CUBLAS_STATUS_SUCCESS) return error;
  }
  return CUBLAS_STATUS_SUCCESS;
}

static int print_choice(const choice *c, char line[LINE_BYTES]) {
  int n = snprintf(line, LINE_BYTES, "%s:", c->key);
  for (int i = 0; i < SETTINGS; i++)
    n += snprintf(line + n, LINE_BYTES - static_cast<size_t>(n), " %s %u", settings[i].name, c->value[i]);
  return n + snprintf(line + n, LINE_BYTES - static_cast<size_t>(n), "\n");
}

/* " name number" for every setting, then nothing. */
static bool parse_settings(const char *text, uint32_t (&value)[SETTINGS]) {
  for (int i = 0; i < SETTINGS; i++) {
    const size_t n = strlen(settings[i].name);
    if (text[0] != ' ' || strncmp(text + 1, settings[i].name, n) != 0 || text[n + 1] != ' ') return false;
    text += n + 2;
    if (*text < '0' || *text > '9') return false;
    char *end = nullptr;
    const unsigned long long x = strtoull(text, &end, 10);
    if (x > UINT32_MAX || (settings[i].bytes == 2 && x > UINT16_MAX)) return false;
    value[i] = static_cast<uint32_t>(x), text = end;
  }
  return *text == 0;
}

/* A line without its newline. */
static bool parse_choice(char *line, choice *c) {
  char *colon = strchr(line, ':');
  if (!colon || colon == line || colon - line >= KEY_BYTES) return false;
  *colon = 0;
  *c = choice();
  memcpy(c->key, line, static_cast<size_t>(colon - line));
  return parse_settings(colon + 1, c->value);
}

static void algorithms_time(vw_context *ctx, bool on) {
  vw_products *all = nullptr;
  if (products_of(vw_cuda_of(ctx), &all) == VW_OK) all->times = on;
}

static vw_status algorithms_forget(vw_context *ctx) {
  vw_products *all = nullptr;
  VW_TRY(products_of(vw_cuda_of(ctx), &all));
  all->n = 0, all->obeys = true;
  return VW_OK;
}

static vw_status algorithms_obey(vw_context *ctx, int line, char *text) {
  vw_products *all = vw_cuda_of(ctx)->products; /* made by algorithms_forget */
  choice c;
  VW_CHECK(parse_choice(text, &c), VW_ERR_INPUT,
           "algorithms: line %d is not 'key: id N tile N ...' as this viswords records it: plan again", line);
  VW_CHECK(!find(all, c.key), VW_ERR_INPUT, "algorithms: line %d records '%s' a second time: plan again", line, c.key);
  return add(all, &c);
}

static vw_status algorithms_start(vw_context *ctx, char *text) {
  vw_products *all = nullptr;
  choice c;
  VW_TRY(products_of(vw_cuda_of(ctx), &all));
  VW_CHECK(parse_choice(text, &c) && !find(all, c.key), VW_ERR_INPUT, "algorithms: a line is none of cuBLASLt's");
  c.waits = true;
  return add(all, &c);
}

static vw_status algorithms_text(const vw_context *ctx, char **text) {
  const vw_products *all = vw_cuda_of(ctx)->products;
  const size_t n = all ? all->n : 0;
  *text = static_cast<char *>(calloc(n + 1, LINE_BYTES));
  VW_CHECK(*text, VW_ERR_MEMORY, "out of memory: the text of a plan");
  char *to = *text;
  for (size_t i = 0; i < n; i++)
    if (!all->list[i].waits) to += print_choice(&all->list[i], to);
  return VW_OK;
}

extern "C" const vw_algorithm_library vw_cublaslt_algorithms = {"cublaslt",      algorithms_time,  algorithms_forget,
                                                                algorithms_obey, algorithms_start, algorithms_text};

/* ---- description ------------------------------------------------------------------------------------------------- */

static uintptr_t align_up(uintptr_t at) {
  return (at + WORKSPACE_ALIGNMENT - 1) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
}

size_t vw_product_scratch(void) {
  return WORKSPACE_ALIGNMENT + WORKSPACE;
}

static char *workspace_of(void *scratch) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(scratch);
  return static_cast<char *>(scratch) + (align_up(at) - at);
}

char *vw_product_behind(void *scratch) {
  return workspace_of(scratch) + WORKSPACE;
}

static bool has_bias(const vw_product_spec *spec) {
  return spec->bias && vw_present(spec->bias);
}

static cublasComputeType_t compute_of(const vw_product_spec *spec) {
  return spec->tf32 && spec->weight->dtype == VW_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

static cudaDataType_t storage(vw_dtype t) {
  return t == VW_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* What an algorithm is chosen for. */
struct product_kind {
  char key[KEY_BYTES];
  cublasComputeType_t compute;
  cudaDataType_t in, out;
};

static product_kind kind_of(const vw_product_spec *spec) {
  const long long M = spec->weight->dim[0], K = spec->weight->dim[1];
  product_kind k = {{}, compute_of(spec), storage(spec->weight->dtype), storage(spec->out->dtype)};
  (void)snprintf(k.key, KEY_BYTES, "%s %lldx%lldx%lld %s %s %s %s", spec->forward ? "forward" : "gradient",
                 static_cast<long long>(spec->N), spec->forward ? K : M, spec->forward ? M : K,
                 vw_dtype_name(spec->weight->dtype), vw_dtype_name(spec->out->dtype),
                 k.compute == CUBLAS_COMPUTE_32F ? "f32" : "tf32", has_bias(spec) ? "bias" : "plain");
  return k;
}

static product_kind kind_of(const vw_factors_spec *s) {
  const cublasComputeType_t compute = s->tf32 && s->in == VW_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  product_kind k = {{}, compute, storage(s->in), storage(s->out)};
  (void)snprintf(k.key, KEY_BYTES, "%s %lldx%lldx%lld %s %s %s ld %lld %lld %lld", s->name,
                 static_cast<long long>(s->cols), static_cast<long long>(s->inner), static_cast<long long>(s->rows),
                 vw_dtype_name(s->in), vw_dtype_name(s->out), compute == CUBLAS_COMPUTE_32F ? "f32" : "tf32",
                 static_cast<long long>(s->ld_a), static_cast<long long>(s->ld_b), static_cast<long long>(s->ld_d));
  return k;
}

template <typename D, typename S>
__global__ static void __launch_bounds__(THREADS)
    convert_kernel(D *__restrict__ d, const S *__restrict__ s, int64_t n) {
  const int64_t i = vw_thread();
  if (i < n) vw_store(d, i, vw_load(s, i));
}

/* cuBLASLt adds a bias of D's own type: another one is converted once. */
static vw_status convert_bias(vw_context *ctx, vw_product *p, const vw_tensor *bias, const vw_tensor *out) {
  const int64_t n = vw_count(bias);
  VW_TRY(vw_cuda_memory.allocate(ctx, static_cast<size_t>(n) * vw_dtype_bytes(out->dtype), &p->bias));
  VW_TRY(vw_with_type("linear", out, [&](auto d) {
    return vw_with_type("linear", bias, [&](auto s) {
      return vw_launch(ctx, "linear_bias", convert_kernel<decltype(d), decltype(s)>, n, THREADS, THREADS, 0,
                       static_cast<decltype(d) *>(p->bias), vw_data<const decltype(s)>(bias), n);
    });
  }));
  return vw_cuda_memory.synchronise(ctx);
}

static vw_status describe_bias(vw_context *ctx, vw_product *p, const vw_tensor *bias, const vw_tensor *out) {
  const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  const cudaDataType_t type = storage(out->dtype);
  if (bias->dtype != out->dtype) VW_TRY(convert_bias(ctx, p, bias, out));
  const void *data = p->bias ? p->bias : bias->data;
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &data, sizeof data));
  return VW_OK;
}

static vw_status describe(vw_context *ctx, vw_product *p, const vw_product_spec *spec) {
  const uint64_t M = static_cast<uint64_t>(spec->weight->dim[0]), K = static_cast<uint64_t>(spec->weight->dim[1]);
  const uint64_t inner = spec->forward ? K : M, outer = spec->forward ? M : K, N = static_cast<uint64_t>(spec->N);
  const cublasOperation_t op = spec->forward ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cudaDataType_t in_type = storage(spec->weight->dtype), out_type = storage(spec->out->dtype);
  VW_CUBLAS_TRY(cublasLtMatmulDescCreate(&p->desc, compute_of(spec), CUDA_R_32F));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op, sizeof op));
  if (has_bias(spec)) VW_TRY(describe_bias(ctx, p, spec->bias, spec->out));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->a, in_type, K, M, static_cast<int64_t>(K)));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->b, in_type, inner, N, static_cast<int64_t>(inner)));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->d, out_type, outer, N, static_cast<int64_t>(outer)));
  p->weight = spec->weight->data, p->factor = spec->b, p->residual = spec->c, p->result = spec->out->data;
  return VW_OK;
}

static vw_status describe_factors(vw_product *p, const vw_factors_spec *s, const product_kind &k) {
  const uint64_t rows = static_cast<uint64_t>(s->rows), inner = static_cast<uint64_t>(s->inner);
  const uint64_t cols = static_cast<uint64_t>(s->cols);
  const cublasOperation_t op = s->turned ? CUBLAS_OP_T : CUBLAS_OP_N;
  VW_CUBLAS_TRY(cublasLtMatmulDescCreate(&p->desc, k.compute, CUDA_R_32F));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op, sizeof op));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->a, k.in, s->turned ? inner : rows, s->turned ? rows : inner, s->ld_a));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->b, k.in, inner, cols, s->ld_b));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->d, k.out, rows, cols, s->ld_d));
  return VW_OK;
}

/* ---- the choice -------------------------------------------------------------------------------------------------- */

static vw_status set_limits(cublasLtMatmulPreference_t limits) {
  const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  const cublasLtMatmulPreferenceAttributes_t alignments[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  VW_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &WORKSPACE,
                                                     sizeof WORKSPACE));
  VW_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                                                     sizeof schemes));
  for (const cublasLtMatmulPreferenceAttributes_t which : alignments)
    VW_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, which, &ALIGNMENT, sizeof ALIGNMENT));
  return VW_OK;
}

/* The library's suggestions, best first; one at least. */
static vw_status suggest(vw_cuda *cuda, vw_product *p, const char *key, int most,
                         cublasLtMatmulHeuristicResult_t *found, int *n) {
  cublasLtMatmulPreference_t limits = nullptr;
  VW_CUBLAS_TRY(cublasLtMatmulPreferenceCreate(&limits));
  vw_status st = set_limits(limits);
  cublasStatus_t error = CUBLAS_STATUS_SUCCESS;
  *n = 0;
  if (st == VW_OK)
    error = cublasLtMatmulAlgoGetHeuristic(cuda->blas, p->desc, p->a, p->b, p->d, p->d, limits, most, found, n);
  (void)cublasLtMatmulPreferenceDestroy(limits);
  VW_TRY(st);
  VW_CHECK(error == CUBLAS_STATUS_SUCCESS && *n > 0 && found[0].state == CUBLAS_STATUS_SUCCESS, VW_ERR_UNSUPPORTED,
           "linear: cuBLASLt has no algorithm for %s: %s", key, cublasLtGetStatusString(error));
  return VW_OK;
}

vw_status vw_product_run(vw_context *ctx, const vw_product *p, void *scratch) {
  const vw_cuda *cuda = vw_cuda_of(ctx);
  const float one = 1.0f, beta = p->residual ? 1.0f : 0.0f;
  VW_CUBLAS_TRY(cublasLtMatmul(cuda->blas, p->desc, &one, p->weight, p->a, p->factor, p->b, &beta,
                               p->residual ? p->residual : p->result, p->d, p->result, p->d, &p->algo,
                               workspace_of(scratch), WORKSPACE, cuda->stream));
  return VW_OK;
}

struct stopwatch {
  cudaEvent_t begin, end;
};

/* Milliseconds of RUNS runs, the least of TIMES tries: what disturbs a run only makes it longer. */
static vw_status time_product(vw_context *ctx, const vw_product *p, void *scratch, const stopwatch *watch, float *ms) {
  VW_TRY(vw_product_run(ctx, p, scratch)); /* loads the kernel */
  for (int i = 0; i < TIMES; i++) {
    float once = 0;
    VW_CUDA_TRY(cudaEventRecord(watch->begin, vw_cuda_of(ctx)->stream));
    for (int r = 0; r < RUNS; r++) VW_TRY(vw_product_run(ctx, p, scratch));
    VW_CUDA_TRY(cudaEventRecord(watch->end, vw_cuda_of(ctx)->stream));
    VW_CUDA_TRY(cudaEventSynchronize(watch->end));
    VW_CUDA_TRY(cudaEventElapsedTime(&once, watch->begin, watch->end));
    if (i == 0 || once < *ms) *ms = once;
  }
  return VW_OK;
}

/* Leaves the fastest in p; a later suggestion must win by 2 %, what clocks tell apart. */
static vw_status race(vw_context *ctx, vw_product *p, void *scratch, const stopwatch *watch,
                      const cublasLtMatmulHeuristicResult_t *found, int n) {
  float best = 0;
  int winner = -1;
  for (int i = 0; i < n; i++) {
    float ms = 0;
    if (found[i].state != CUBLAS_STATUS_SUCCESS) continue;
    p->algo = found[i].algo;
    VW_TRY(time_product(ctx, p, scratch, watch, &ms));
    if (winner < 0 || ms < 0.98f * best) winner = i, best = ms;
  }
  p->algo = found[winner].algo; /* the first is always a candidate */
  return VW_OK;
}

static vw_status choose_fastest(vw_context *ctx, vw_product *p, const char *key, void *scratch) {
  cublasLtMatmulHeuristicResult_t found[MOST_CANDIDATES];
  stopwatch watch = {};
  int n = 0;
  VW_TRY(suggest(vw_cuda_of(ctx), p, key, MOST_CANDIDATES, found, &n));
  cudaError_t error = cudaEventCreate(&watch.begin);
  if (error == cudaSuccess) error = cudaEventCreate(&watch.end);
  vw_status st = VW_OK;
  if (error == cudaSuccess) st = race(ctx, p, scratch, &watch, found, n);
  if (watch.begin) (void)cudaEventDestroy(watch.begin);
  if (watch.end) (void)cudaEventDestroy(watch.end);
  VW_CUDA_TRY(error);
  return st;
}

static vw_status choose_first(vw_context *ctx, vw_product *p, const char *key) {
  cublasLtMatmulHeuristicResult_t found;
  int n = 0;
  VW_TRY(suggest(vw_cuda_of(ctx), p, key, 1, &found, &n));
  p->algo = found.algo;
  return VW_OK;
}

static vw_status choose_recorded(vw_context *ctx, vw_product *p, const product_kind &k, const choice *c) {
  const cublasLtHandle_t blas = vw_cuda_of(ctx)->blas;
  cublasLtMatmulHeuristicResult_t result = cublasLtMatmulHeuristicResult_t();
  cublasStatus_t error = cublasLtMatmulAlgoInit(blas, k.compute, CUDA_R_32F, k.in, k.in, k.out, k.out,
                                                static_cast<int>(c->value[0]), &p->algo);
  if (error == CUBLAS_STATUS_SUCCESS) error = write_settings(&p->algo, c->value);
  if (error == CUBLAS_STATUS_SUCCESS)
    error = cublasLtMatmulAlgoCheck(blas, p->desc, p->a, p->b, p->d, p->d, &p->algo, &result);
  VW_CHECK(error == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= WORKSPACE, VW_ERR_UNSUPPORTED,
           "linear: the recorded algorithm %u of '%s' does not run on this device or library (%s): run where the plan "
           "was made, or plan again",
           c->value[0], c->key, cublasLtGetStatusString(error));
  return VW_OK;
}

static vw_status choose(vw_context *ctx, vw_product *p, const product_kind &k, void *scratch) {
  vw_products *all = nullptr;
  choice made = choice();
  VW_TRY(products_of(vw_cuda_of(ctx), &all));
  memcpy(made.key, k.key, sizeof made.key);
  choice *known = find(all, made.key);
  if (known && !known->waits) return choose_recorded(ctx, p, k, known);
  if (known && choose_recorded(ctx, p, k, known) == VW_OK) {
    known->waits = false;
    return VW_OK;
  }
  if (known) known->key[0] = 0, vw_error_clear(); /* it does not run here: chosen anew */
  if (all->times && !all->obeys)
    VW_TRY(choose_fastest(ctx, p, made.key, scratch));
  else
    VW_TRY(choose_first(ctx, p, made.key));
  VW_TRY(read_settings(&p->algo, made.value));
  return add(all, &made);
}

vw_status vw_product_create(vw_context *ctx, const vw_product_spec *spec, void *scratch, vw_product **out) {
  VW_TRY(vw_check_aligned("linear", "the weight", spec->weight->data));
  VW_TRY(vw_check_aligned("linear", "the factor", spec->b));
  VW_TRY(vw_check_aligned("linear", "the residual", spec->c));
  VW_TRY(vw_check_aligned("linear", "the result", spec->out->data));
  vw_product *p = static_cast<vw_product *>(calloc(1, sizeof *p));
  VW_CHECK(p, VW_ERR_MEMORY, "out of memory: the call of a linear op");
  vw_status st = describe(ctx, p, spec);
  if (st == VW_OK) st = choose(ctx, p, kind_of(spec), scratch);
  if (st != VW_OK) {
    vw_product_destroy(ctx, p);
    return st;
  }
  *out = p;
  return VW_OK;
}

vw_status vw_factors_create(vw_context *ctx, const vw_factors_spec *spec, const void *a, const void *b, void *d,
                            void *scratch, vw_product **out) {
  const product_kind k = kind_of(spec);
  vw_product *p = static_cast<vw_product *>(calloc(1, sizeof *p));
  VW_CHECK(p, VW_ERR_MEMORY, "out of memory: a product of two factors");
  p->weight = a, p->factor = b, p->result = d;
  vw_status st = describe_factors(p, spec, k);
  if (st == VW_OK) st = choose(ctx, p, k, scratch);
  if (st != VW_OK) {
    vw_product_destroy(ctx, p);
    return st;
  }
  *out = p;
  return VW_OK;
}

vw_status vw_factors_run(vw_context *ctx, const vw_product *p, const void *a, const void *b, void *d, void *scratch) {
  vw_product now = *p;
  now.weight = a, now.factor = b, now.result = d;
  return vw_product_run(ctx, &now, scratch);
}

void vw_product_destroy(vw_context *ctx, vw_product *p) {
  if (!p) return;
  if (p->bias) vw_cuda_memory.release(ctx, p->bias);
  if (p->desc) (void)cublasLtMatmulDescDestroy(p->desc);
  if (p->a) (void)cublasLtMatrixLayoutDestroy(p->a);
  if (p->b) (void)cublasLtMatrixLayoutDestroy(p->b);
  if (p->d) (void)cublasLtMatrixLayoutDestroy(p->d);
  free(p);
}
