/* Run under mpirun by test_transport.sh: the table of transport tests on a CUDA device's memory, by the kind that is
 * named. As emulated_mpi_transport it runs on an emulated device, with a stand-in for NCCL (tests/cluster/fake_nccl.c).
 *   mpi_transport mpi|nccl         the table
 *   mpi_transport nccl fails       one broadcast that must fail; says how
 *   mpi_transport auto             the kind that auto comes to */
#include "learn/backend_transport.h"
#include "tests/cluster/transport_cases.h"

static vw_status allocate(void *user, size_t bytes, void **out) {
  vw_context *ctx = user;
  return vw_memory_of(ctx->backend)->allocate(ctx, bytes, out);
}

static void release(void *user, void *p) {
  vw_context *ctx = user;
  vw_memory_of(ctx->backend)->release(ctx, p);
}

/* Fails on all ranks, at its start or in the first broadcast; a broken transport goes on failing. */
static vw_status check_failure(const vw_ranks *r, const test_memory *w) {
  const vw_transport_options o = {.kind = VW_TRANSPORT_NCCL, .timeout = 0.5, .memory = w->m};
  vw_transport *t = NULL;
  void *memory = NULL;
  VW_TRY(allocate(w->m.user, 64, &memory));
  const vw_status opened = vw_transport_open(&t, r, &o);
  const vw_status st = opened == VW_OK ? vw_transport_broadcast(t, memory, 64, 0) : opened;
  if (r->rank == 0) (void)printf("error %s: %s\n", vw_status_name(st), vw_error_message());
  VW_CHECK(st != VW_OK && (opened == VW_OK || !t), VW_ERR_ARG, "it did not fail");
  VW_CHECK(!t || vw_transport_broadcast(t, memory, 64, 0) == VW_ERR_COMM, VW_ERR_ARG, "a broken transport goes on");
  vw_transport_close(t);
  release(w->m.user, memory);
  return VW_OK;
}

static vw_status check_auto(const vw_ranks *r, vw_context *ctx) {
  vw_transport *t = NULL;
  VW_TRY(vw_backend_transport_open(&t, r, ctx, 0));
  if (r->rank == 0) (void)printf("auto: %s\n", vw_transport_name(t));
  vw_transport_close(t);
  return VW_OK;
}

int main(int argc, char **argv) {
  const bool is_nccl = argc > 1 && !strcmp(argv[1], "nccl"), is_auto = argc > 1 && !strcmp(argv[1], "auto");
  vw_ranks r;
  vw_context ctx = {0};
  test_memory w = {.name = "cuda", .allocate = allocate, .release = release};
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  const vw_status opened = vw_agree_message(&r, vw_context_open(&ctx, VW_CUDA, 1, r.local_rank));
  if (opened != VW_OK) {
    if (r.rank == 0) (void)printf("skipped: %s\n", vw_error_message());
    vw_ranks_close(&r);
    return 77;
  }
  vw_backend_memory(&ctx, &w.m);
  if (st == VW_OK && is_auto)
    st = check_auto(&r, &ctx);
  else if (st == VW_OK && argc > 2)
    st = check_failure(&r, &w);
  else if (st == VW_OK)
    st = check_transport(&r, &w, is_nccl ? VW_TRANSPORT_NCCL : VW_TRANSPORT_MPI);
  if (st == VW_OK && !is_auto && argc == 2) { /* again, the slices summed on the host */
    w.m.sum = NULL;
    st = check_transport(&r, &w, VW_TRANSPORT_MPI);
  }
  st = vw_agree_message(&r, st);
  if (st != VW_OK) (void)fprintf(stderr, "rank %d: %s\n%s", r.rank, vw_error_message(), vw_error_trail());
  vw_context_close(&ctx);
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}
