#include "learn/backend_transport.h"

#include "kernels/devices.h"

static vw_status to_host(void *user, void *host, const void *memory, size_t bytes) {
  vw_context *ctx = user;
  return vw_memory_of(ctx->backend)->download(ctx, host, memory, bytes);
}

static vw_status from_host(void *user, void *memory, const void *host, size_t bytes) {
  vw_context *ctx = user;
  return vw_memory_of(ctx->backend)->upload(ctx, memory, host, bytes);
}

static vw_status allocate_host(void *user, size_t bytes, void **out) {
  return vw_pinned_allocate(user, bytes, out);
}

static void release_host(void *user, void *p) {
  vw_pinned_release(user, p);
}

static vw_status sum(void *user, void *out, const void *slices, int64_t n_slices, int64_t n, vw_dtype type) {
  return vw_device_sum(user, out, slices, n_slices, n, type);
}

void vw_backend_memory(vw_context *ctx, vw_transport_memory *m) {
  *m = (vw_transport_memory){.user = ctx};
  if (vw_memory_of(ctx->backend)->host) return;
  m->stream = vw_device_stream(ctx);
  m->to_host = to_host, m->from_host = from_host;
  m->allocate_host = allocate_host, m->release_host = release_host;
  m->sum = sum;
}

vw_status vw_backend_transport_open(vw_transport **t, const vw_ranks *ranks, vw_context *ctx, int team) {
  vw_transport_options o = {.kind = VW_TRANSPORT_AUTO, .team = team};
  vw_backend_memory(ctx, &o.memory);
  return vw_transport_open(t, ranks, &o);
}
