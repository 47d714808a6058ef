/* CUDA graphs: what is enqueued while a stream is captured is kept, with copies of its arguments, and runs when the
 * graph is launched. Calls that a capture forbids end the program. */
#include "tests/emulator/kernel.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

extern "C" {
vw_emulated_counts vw_emulated_calls;
}

namespace {

typedef std::vector<std::function<void()>> steps;
std::unique_ptr<steps> capture; /* of the one stream; empty: it is not captured */

} // namespace

bool vw_emulated_keep(const std::function<void()> &step) {
  if (capture) capture->push_back(step);
  return capture != nullptr;
}

void vw_emulated_refuse(const char *call) {
  vw_emulated_calls.other++;
  if (!capture) return;
  fprintf(stderr, "emulator: %s is not allowed while a stream is captured\n", call);
  abort();
}

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  if (capture) return cudaErrorIllegalState;
  capture.reset(new steps);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph) {
  if (!capture) return cudaErrorIllegalState;
  *graph = reinterpret_cast<cudaGraph_t>(capture.release());
  return cudaSuccess;
}
/* CUDA 12 and 13 declare it in two ways: by the flags or by an error node. */
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
  *executable = reinterpret_cast<cudaGraphExec_t>(new steps(*reinterpret_cast<steps *>(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<steps *>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete reinterpret_cast<steps *>(executable);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  if (capture) return cudaErrorStreamCaptureUnsupported;
  const vw_emulated_counts before = vw_emulated_calls;
  for (const auto &step : *reinterpret_cast<steps *>(executable)) step();
  vw_emulated_calls = before; /* the device's own work is none of the host's calls */
  vw_emulated_calls.graph_launches++;
  return vw_emulated_alive();
}

} // extern "C"
