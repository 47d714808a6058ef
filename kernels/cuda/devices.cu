/* The devices of this machine, looked at without opening a context of viswords: see kernels/devices.h. */
#include "kernels/backend.h"
#include "kernels/cuda/device.cuh"
#include "kernels/devices.h"

#include <cstdio>
#include <cstring>

/* Wants at least this much free: the smallest network, its blocks and cuBLASLt's workspace. */
static const size_t least_memory = static_cast<size_t>(1) << 30;

/* "13.0" of 13000. */
static void version_text(int code, char text[16]) {
  (void)snprintf(text, 16, "%d.%d", code / 1000, code % 1000 / 10);
}

static vw_status tell_no_driver(const vw_devices *d, cudaError_t error) {
  char driver[16], runtime[16];
  version_text(d->driver, driver), version_text(d->runtime, runtime);
  VW_CHECK(d->driver, VW_ERR_DEVICE,
           "no CUDA driver on this machine (%s): log in on a node with GPUs, or use --backend cpu",
           cudaGetErrorString(error));
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

static void look_at(int i, vw_device *device) {
  cudaDeviceProp p;
  size_t free_bytes = 0, total = 0;
  cudaError_t error = cudaGetDeviceProperties(&p, i);
  if (error == cudaSuccess) {
    (void)snprintf(device->name, sizeof device->name, "%s", p.name);
    (void)snprintf(device->bus, sizeof device->bus, "%04x:%02x:%02x.0", static_cast<unsigned>(p.pciDomainID),
                   static_cast<unsigned>(p.pciBusID), static_cast<unsigned>(p.pciDeviceID));
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
  if (cudaRuntimeGetVersion(&d->runtime) != cudaSuccess) d->runtime = 0;
  if (cudaDriverGetVersion(&d->driver) != cudaSuccess) d->driver = 0;
  const cudaError_t error = cudaGetDeviceCount(&d->n);
  if (error != cudaSuccess || d->n == 0) {
    (void)cudaGetLastError();
    d->n = 0;
    return tell_no_driver(d, error == cudaSuccess ? cudaErrorNoDevice : error);
  }
  for (int i = 0; i < d->n && i < VW_DEVICES; i++) look_at(i, &d->device[i]), usable += !d->device[i].problem[0];
  VW_CHECK(usable, VW_ERR_DEVICE, "CUDA device 0 (%s): %s", d->device[0].name, d->device[0].problem);
  return VW_OK;
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
