/* The devices of this machine, looked at without opening a context of viswords, and what the exchange between ranks
 * asks of one: see kernels/devices.h. */
#include "kernels/backend.h"
#include "kernels/cuda/device.cuh"
#include "kernels/devices.h"

#include <cstdio>

/* Wants at least this much free: the smallest network, its blocks and cuBLASLt's workspace. */
static const size_t least_memory = static_cast<size_t>(1) << 30;

/* "13.0" of 13000. */
static void version_text(int code, char text[16]) {
  (void)snprintf(text, 16, "%d.%d", code / 1000, code % 1000 / 10);
}

static int code_of(cudaError_t (*ask)(int *)) {
  int version = 0;
  return ask(&version) == cudaSuccess ? version : 0;
}

static vw_status tell_no_device(cudaError_t error) {
  const int code = code_of(cudaDriverGetVersion);
  char driver[16], runtime[16];
  version_text(code, driver), version_text(code_of(cudaRuntimeGetVersion), runtime);
  VW_CHECK(code, VW_ERR_DEVICE, "no CUDA driver on this machine: run on a node with GPUs, or use --backend cpu");
  VW_CHECK(
      error != cudaErrorInsufficientDriver, VW_ERR_DEVICE,
      "the CUDA driver serves CUDA %s, viswords runs on CUDA %s: install a newer driver or the package cuda-compat, "
      "build viswords with a toolkit <= %s, or use --backend cpu",
      driver, runtime, driver);
  return VW_RAISE(VW_ERR_DEVICE,
                  "no CUDA device: %s; look at CUDA_VISIBLE_DEVICES and at what the batch system gave (--gpus), or use "
                  "--backend cpu",
                  cudaGetErrorString(error));
}

extern "C" vw_status vw_cuda_count(int *n) {
  *n = 0;
  const cudaError_t error = cudaGetDeviceCount(n);
  if (error == cudaSuccess && *n > 0) return VW_OK;
  (void)cudaGetLastError(); /* not sticky: a later try starts clean */
  *n = 0;
  return tell_no_device(error == cudaSuccess ? cudaErrorNoDevice : error);
}

static void bus_text(const cudaDeviceProp *p, char text[32]) {
  (void)snprintf(text, 32, "%04x:%02x:%02x.0", static_cast<unsigned>(p->pciDomainID),
                 static_cast<unsigned>(p->pciBusID), static_cast<unsigned>(p->pciDeviceID));
}

static void look_at(int i, vw_device *device) {
  cudaDeviceProp p;
  size_t free_bytes = 0, total = 0;
  cudaError_t error = cudaGetDeviceProperties(&p, i);
  if (error == cudaSuccess) {
    (void)snprintf(device->name, sizeof device->name, "%s", p.name);
    bus_text(&p, device->bus);
    device->capability = 10 * p.major + p.minor, device->multiprocessors = p.multiProcessorCount;
    error = cudaSetDevice(i);
  }
  if (error == cudaSuccess) error = cudaMemGetInfo(&free_bytes, &total);
  device->memory = static_cast<int64_t>(total), device->free = static_cast<int64_t>(free_bytes);
  if (error != cudaSuccess)
    (void)snprintf(device->problem, sizeof device->problem,
                   "cannot be used: %s; is another process holding it (nvidia-smi)?", cudaGetErrorString(error));
  else if (device->capability < VW_OLDEST_CAPABILITY)
    (void)snprintf(device->problem, sizeof device->problem,
                   "compute capability %d.%d is too low: viswords needs %d.0 or newer (A100, RTX 30 and later); use "
                   "--backend cpu",
                   p.major, p.minor, VW_OLDEST_CAPABILITY / 10);
  else if (free_bytes < least_memory)
    (void)snprintf(device->problem, sizeof device->problem,
                   "%.0f of %.0f MiB are free, viswords needs 1024: end what else runs there (nvidia-smi)",
                   static_cast<double>(free_bytes) / 1048576, static_cast<double>(total) / 1048576);
  if (error != cudaSuccess) (void)cudaGetLastError(); /* not sticky: the next device starts clean */
}

extern "C" vw_status vw_cuda_devices_look(vw_devices *d) {
  int usable = 0;
  d->toolkit = CUDART_VERSION;
  d->cublas_lt = static_cast<int64_t>(cublasLtGetVersion());
  d->runtime = code_of(cudaRuntimeGetVersion), d->driver = code_of(cudaDriverGetVersion);
  VW_TRY(vw_cuda_count(&d->n));
  for (int i = 0; i < d->n && i < VW_DEVICES; i++) look_at(i, &d->device[i]), usable += !d->device[i].problem[0];
  VW_CHECK(usable, VW_ERR_DEVICE, "CUDA device 0 (%s): %s", d->device[0].name, d->device[0].problem);
  return VW_OK;
}

extern "C" void vw_cuda_bus(const vw_context *ctx, char text[32]) {
  bus_text(&vw_cuda_of(ctx)->properties, text);
}

extern "C" void *vw_cuda_stream(const vw_context *ctx) {
  return vw_cuda_of(ctx) ? vw_cuda_of(ctx)->stream : nullptr;
}

extern "C" vw_status vw_cuda_pinned_allocate(size_t bytes, void **out) {
  const cudaError_t error = cudaMallocHost(out, bytes ? bytes : 1);
  if (error != cudaSuccess) (void)cudaGetLastError();
  VW_CHECK(error == cudaSuccess, VW_ERR_MEMORY, "%zu bytes of pinned memory: %s; look at 'ulimit -l'", bytes,
           cudaGetErrorString(error));
  return VW_OK;
}

extern "C" void vw_cuda_pinned_release(void *p) {
  (void)cudaFreeHost(p);
}

/* out_i = x_0i + x_1i + ... + x_(S-1)i, in this order, in double. One thread an element: neighbours read neighbours,
 * and no sum is shared, so its order is the loop's. Traffic: S + 1 words an element. */
enum { SUM_THREADS = 256 };

template <typename T>
__global__ static void __launch_bounds__(SUM_THREADS)
    sum_slices_kernel(T *__restrict__ out, const T *__restrict__ x, int64_t S, int64_t n) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  double sum = S ? static_cast<double>(x[i]) : 0; /* keeps a lone -0 */
  for (int64_t s = 1; s < S; s++) sum += static_cast<double>(x[s * n + i]);
  out[i] = static_cast<T>(sum);
}

extern "C" vw_status vw_cuda_sum(vw_context *ctx, void *out, const void *slices, int64_t n_slices, int64_t n,
                                 vw_dtype type) {
  if (type == VW_F32)
    return vw_launch(ctx, "sum_slices", sum_slices_kernel<float>, n, SUM_THREADS, dim3(SUM_THREADS), 0,
                     static_cast<float *>(out), static_cast<const float *>(slices), n_slices, n);
  VW_CHECK(type == VW_F64, VW_ERR_UNSUPPORTED, "slices are summed in f32 or f64, not %s", vw_dtype_name(type));
  return vw_launch(ctx, "sum_slices", sum_slices_kernel<double>, n, SUM_THREADS, dim3(SUM_THREADS), 0,
                   static_cast<double *>(out), static_cast<const double *>(slices), n_slices, n);
}
