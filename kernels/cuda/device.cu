/* The device of a rank: opening it with clear errors, its memory, its name. Nothing here runs before the cuda backend
 * is asked for: a binary with CUDA starts on machines without a driver. */
#include "kernels/backend.h"
#include "kernels/cuda/conv2d.cuh"
#include "kernels/cuda/cudnn.cuh"
#include "kernels/cuda/product.cuh"

#include <cstdio>
#include <cstdlib>

enum { OLDEST_MAJOR = 8 };

static vw_status find_device(int local_rank, int *device) {
  int count = 0;
  VW_TRY(vw_cuda_count(&count));
  *device = local_rank % count;
  return VW_OK;
}

static vw_status open_device(vw_cuda *cuda) {
  VW_CUDA_TRY(cudaSetDevice(cuda->device));
  VW_CUDA_TRY(cudaGetDeviceProperties(&cuda->properties, cuda->device));
  VW_CHECK(cuda->properties.major >= OLDEST_MAJOR, VW_ERR_DEVICE,
           "CUDA device %d (%s) has compute capability %d.%d, viswords needs %d.0; use --backend cpu", cuda->device,
           cuda->properties.name, cuda->properties.major, cuda->properties.minor, static_cast<int>(OLDEST_MAJOR));
  VW_CUDA_TRY(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking));
  for (cudaEvent_t &done : cuda->done) VW_CUDA_TRY(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  VW_CUBLAS_TRY(cublasLtCreate(&cuda->blas));
  return VW_OK;
}

extern "C" vw_status vw_cuda_open(vw_context *ctx, int local_rank) {
  int device = 0;
  VW_TRY(find_device(local_rank, &device));
  vw_cuda *cuda = static_cast<vw_cuda *>(calloc(1, sizeof *cuda));
  VW_CHECK(cuda, VW_ERR_MEMORY, "out of memory: the state of a CUDA device");
  cuda->device = device;
  ctx->device = cuda;
  const vw_status st = open_device(cuda);
  if (st != VW_OK) vw_cuda_close(ctx);
  return st;
}

extern "C" void vw_cuda_close(vw_context *ctx) {
  vw_cuda *cuda = vw_cuda_of(ctx);
  if (!cuda) return;
  vw_products_close(cuda);
  vw_conv2d_library_close(cuda);
  vw_cudnn_close(cuda);
  if (cuda->blas) (void)cublasLtDestroy(cuda->blas);
  for (cudaEvent_t done : cuda->done)
    if (done) (void)cudaEventDestroy(done);
  if (cuda->stream) (void)cudaStreamDestroy(cuda->stream);
  free(cuda->held);
  free(cuda);
  ctx->device = nullptr;
}

/* Own kernels whose bits differ from an earlier revision's are another generation: a plan, and what is cached under the
 * kernel set, do not mix them. 2: group norm in packs of channels, attention of wide heads by products, of short texts in
 * registers. 3: cross-attention to few keys, and attention in fp32 that may be rounded to TF32, on tensor cores.
 * 4: patch_embed on tensor cores, in bf16 and where fp32 may be rounded. */
enum { GENERATION = 4 };

/* Two devices of one name and one library choose the same algorithms: this names what decides bits. */
extern "C" void vw_cuda_kernel_set(const vw_context *ctx, char text[128]) {
  const vw_cuda *cuda = vw_cuda_of(ctx);
  char cudnn[32] = "";
  if (vw_cudnn_version(cuda)) (void)snprintf(cudnn, sizeof cudnn, " cudnn-%zu", vw_cudnn_version(cuda));
  (void)snprintf(text, 128, "cuda cublaslt-%zu%s kernels-%d sm_%d%d %d SMs %.48s", cublasLtGetVersion(), cudnn,
                 static_cast<int>(GENERATION), cuda->properties.major, cuda->properties.minor,
                 cuda->properties.multiProcessorCount, cuda->properties.name);
}

static vw_status device_synchronise(vw_context *ctx) {
  VW_CUDA_TRY(cudaStreamSynchronize(vw_cuda_of(ctx)->stream));
  return VW_OK;
}

static vw_status note_held(vw_cuda *cuda, void *data, size_t bytes) {
  if (cuda->n_held == cuda->room_held) {
    const int64_t room = cuda->room_held ? 2 * cuda->room_held : 256;
    vw_cuda_held *more = static_cast<vw_cuda_held *>(realloc(cuda->held, static_cast<size_t>(room) * sizeof *more));
    VW_CHECK(more, VW_ERR_MEMORY, "out of memory: the list of device memory");
    cuda->held = more, cuda->room_held = room;
  }
  cuda->held[cuda->n_held++] = {data, bytes};
  cuda->bytes += bytes;
  if (cuda->bytes > cuda->most_bytes) cuda->most_bytes = cuda->bytes;
  return VW_OK;
}

static void note_released(vw_cuda *cuda, const void *data) {
  int64_t i = cuda->n_held;
  while (i-- > 0 && cuda->held[i].data != data) continue;
  if (i < 0) return;
  cuda->bytes -= cuda->held[i].bytes;
  cuda->held[i] = cuda->held[--cuda->n_held];
}

static vw_status device_clear(vw_context *ctx, void *data, size_t bytes) {
  VW_CUDA_TRY(cudaMemsetAsync(data, 0, bytes, vw_cuda_of(ctx)->stream));
  return device_synchronise(ctx);
}

static vw_status device_allocate(vw_context *ctx, size_t bytes, void **out) {
  const size_t size = bytes ? bytes : 1;
  *out = nullptr;
  const cudaError_t error = cudaMalloc(out, size);
  if (error == cudaErrorMemoryAllocation) {
    size_t free_bytes = 0, total = 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&free_bytes, &total);
    return VW_RAISE(VW_ERR_MEMORY, "CUDA device %d (%s): %zu bytes asked for, %zu of %zu free; use smaller blocks",
                    vw_cuda_of(ctx)->device, vw_cuda_of(ctx)->properties.name, size, free_bytes, total);
  }
  VW_CUDA_TRY(error);
  vw_status st = note_held(vw_cuda_of(ctx), *out, size);
  if (st == VW_OK) st = device_clear(ctx, *out, size);
  if (st != VW_OK) vw_cuda_memory.release(ctx, *out), *out = nullptr;
  return st;
}

static void device_release(vw_context *ctx, void *p) {
  note_released(vw_cuda_of(ctx), p);
  (void)cudaFree(p);
}

static vw_status device_copy(vw_context *ctx, void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
  if (!bytes) return VW_OK;
  VW_CUDA_TRY(cudaMemcpyAsync(dst, src, bytes, kind, vw_cuda_of(ctx)->stream));
  return device_synchronise(ctx);
}

static vw_status device_upload(vw_context *ctx, void *dst, const void *src, size_t bytes) {
  return device_copy(ctx, dst, src, bytes, cudaMemcpyHostToDevice);
}

static vw_status device_download(vw_context *ctx, void *dst, const void *src, size_t bytes) {
  return device_copy(ctx, dst, src, bytes, cudaMemcpyDeviceToHost);
}

/* Thread-local mode: what other threads of this process call does not spoil a recording. */
static vw_status recorder_begin(vw_context *ctx) {
  VW_CUDA_TRY(cudaStreamBeginCapture(vw_cuda_of(ctx)->stream, cudaStreamCaptureModeThreadLocal));
  return VW_OK;
}

static vw_status recorder_end(vw_context *ctx, void **recording) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  *recording = nullptr;
  VW_CUDA_TRY(cudaStreamEndCapture(vw_cuda_of(ctx)->stream, &graph));
  const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  VW_CUDA_TRY(error);
  *recording = executable;
  return VW_OK;
}

static vw_status recorder_replay(vw_context *ctx, void *recording) {
  vw_cuda *cuda = vw_cuda_of(ctx);
  cudaEvent_t done = cuda->done[cuda->replays % VW_RUNS_AHEAD];
  if (cuda->replays >= VW_RUNS_AHEAD) VW_CUDA_TRY(cudaEventSynchronize(done));
  VW_CUDA_TRY(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), cuda->stream));
  VW_CUDA_TRY(cudaEventRecord(done, cuda->stream));
  cuda->replays++;
  return VW_OK;
}

static void recorder_forget(vw_context *ctx, void *recording) {
  (void)cudaStreamSynchronize(vw_cuda_of(ctx)->stream); /* a replay may be under way */
  if (recording) (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording));
}

static const vw_recorder recorder = {recorder_begin, recorder_end, recorder_replay, recorder_forget};

extern "C" vw_memory_use vw_cuda_memory_use(const vw_context *ctx) {
  const vw_cuda *cuda = vw_cuda_of(ctx);
  size_t available = 0, total = 0;
  if (cudaMemGetInfo(&available, &total) != cudaSuccess) (void)cudaGetLastError();
  return {static_cast<int64_t>(cuda->bytes), static_cast<int64_t>(cuda->most_bytes), static_cast<int64_t>(available),
          static_cast<int64_t>(total)};
}

/* In the order of vw_memory: nvcc's C++17 has no designated initialisers. */
extern "C" const vw_memory vw_cuda_memory = {device_allocate,    device_release,   device_upload, device_download,
                                             device_synchronise, false /* host */, &recorder};
